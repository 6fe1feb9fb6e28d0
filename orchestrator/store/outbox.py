"""News for surfaces, written in the transaction that made it and delivered at least once. Control goes down by calls, news goes up here.

Some of it is put here by name; the rest is made of a transaction's audit events (`domain.audit.FOLLOWED`) as it ends.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from orchestrator.store import visibility
from orchestrator.store.database import Tx
from orchestrator.store.tables import outbox

N = outbox.c
EVERYBODYS = "*"  # stands for an item: news about the house, for whoever follows


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One row. `outbox_id` rises in the order of the commits: it is drawn under the lock of the tenant's chain."""

    outbox_id: int
    item_id: str
    kind: str
    address: Mapping[str, Any] | None
    body: Mapping[str, Any]
    created_at: datetime
    attempts: int


def put(
    tx: Tx, item_id: str, kind: str, body: Mapping[str, Any], address: Mapping[str, Any] | None, now: datetime
) -> None:
    """Leaves news about an item, written as the transaction ends.

    Without an address, or for a door whose callers come and fetch (`fetches`), it is for followers only and never due.
    """
    if address is not None and address.get("fetches"):
        address = None
    tx.tell(
        {
            "tenant_id": tx.tenant_id,
            "item_id": item_id,
            "kind": kind,
            "address": None if address is None else dict(address),
            "body": dict(body),
            "created_at": now,
            "next_at": None if address is None else now,
        }
    )


def after(
    tx: Tx, outbox_id: int, limit: int = 200, item_id: str | None = None, *, seen_by: str | None = None
) -> list[News]:
    """News behind `outbox_id`, oldest first. `seen_by`: only of items this person may see."""
    stmt = sa.select(outbox).where(N.tenant_id == tx.tenant_id, N.outbox_id > outbox_id)
    if item_id is not None:
        stmt = stmt.where(N.item_id == item_id)
    if seen_by is not None:
        stmt = stmt.where(sa.or_(N.item_id == EVERYBODYS, visibility.item_is_seen(tx, N.item_id, seen_by)))
    return [_news(row) for row in tx.c.execute(stmt.order_by(N.outbox_id).limit(limit))]


def bounds(tx: Tx) -> tuple[int, int]:
    """(oldest, newest) id that is kept; (0, 0) where there is no news."""
    stmt = sa.select(sa.func.min(N.outbox_id), sa.func.max(N.outbox_id)).where(N.tenant_id == tx.tenant_id)
    oldest, newest = tx.c.execute(stmt).one()
    return int(oldest or 0), int(newest or 0)


def due(
    tx: Tx, now: datetime, limit: int = 100, *, door: str | None = None, of_schedules: bool | None = None
) -> list[News]:
    """Addressed news not yet delivered whose time has come, oldest first; of one door, so that none waits behind another's.

    `of_schedules`: only what is told of schedules themselves, or only the rest.
    """
    stmt = sa.select(outbox).where(N.tenant_id == tx.tenant_id, N.delivered_at.is_(None), N.next_at <= now)
    if door is not None:
        written = f'"door":{json.dumps(door)}'  # as `Json` writes it
        stmt = stmt.where(sa.type_coerce(N.address, sa.Text).contains(written, autoescape=True))
    if of_schedules is not None:
        named = N.kind.startswith("schedule.", autoescape=True)
        stmt = stmt.where(named if of_schedules else sa.not_(named))
    return [_news(row) for row in tx.c.execute(stmt.order_by(N.outbox_id).limit(limit))]


def delivered(tx: Tx, outbox_ids: Sequence[int], now: datetime) -> None:
    """Marks news as delivered."""
    tx.c.execute(
        sa.update(outbox)
        .where(N.tenant_id == tx.tenant_id, N.outbox_id.in_(list(outbox_ids)))
        .values(delivered_at=now, next_at=None)
    )


def postponed(tx: Tx, outbox_id: int, now: datetime, delay: timedelta) -> None:
    """After a delivery that failed: due again after `delay`."""
    stmt = sa.update(outbox).where(N.tenant_id == tx.tenant_id, N.outbox_id == outbox_id, N.delivered_at.is_(None))
    tx.c.execute(stmt.values(attempts=N.attempts + 1, next_at=now + delay))


def _news(row: Any) -> News:
    return News(
        outbox_id=row.outbox_id,
        item_id=row.item_id,
        kind=row.kind,
        address=row.address,
        body=row.body,
        created_at=row.created_at,
        attempts=row.attempts,
    )
