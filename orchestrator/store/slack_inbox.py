"""What Slack delivered, once each, as rows: written before the delivery is acknowledged, worked off in the order of arrival.

INVARIANT: a delivery's row stays when it is done, without its words, so that the same delivery is known when Slack sends it again.
Leases are by the real clock, whatever the office's says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from orchestrator.store.database import Tx
from orchestrator.store.items import insert_new
from orchestrator.store.slack_tables import slack_inbox

D = slack_inbox.c
LEASE = timedelta(seconds=30)  # a few calls to Slack; what is done twice after it counts once
PARKED_FOR = timedelta(hours=24)
KNOWN_FOR = timedelta(days=7)
MOST_ATTEMPTS = 12
LONGEST_PAUSE_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a delivery is known by, and of it what the work needs."""

    delivery_id: str
    kind: str
    sender: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """`sender`: team/user. `attempts` counts those before this one: above 0, something of it may have been done."""

    delivery_id: str
    number: int
    kind: str
    sender: str
    body: Mapping[str, Any]
    attempts: int
    received_at: datetime


def take(tx: Tx, deliveries: Sequence[Taken], *, now: datetime, real: datetime) -> list[bool]:
    """Whether each is new. A second delivery of the same changes nothing."""
    newest = int(tx.c.scalar(sa.select(sa.func.max(D.number)).where(D.tenant_id == tx.tenant_id)) or 0)
    insert = insert_new(tx, slack_inbox)
    fresh = []
    for number, one in enumerate(deliveries, newest + 1):
        row = {
            "tenant_id": tx.tenant_id,
            "delivery_id": one.delivery_id,
            "number": number,
            "kind": one.kind,
            "sender": one.sender,
            "body": dict(one.body),
            "state": "taken",
            "attempts": 0,
            "received_at": now,
            "real_at": real,
        }
        fresh.append(bool(tx.c.execute(insert.values(row)).rowcount))
    return fresh


def claim(tx: Tx, real: datetime, limit: int) -> list[Delivery]:
    """The oldest that nobody works on, leased to the caller."""
    free = sa.or_(D.lease_until.is_(None), D.lease_until <= real)
    due = (
        sa.select(slack_inbox)
        .where(D.tenant_id == tx.tenant_id, D.state == "taken", free)
        .order_by(D.number, D.delivery_id)
        .limit(limit)
    )
    if tx.is_postgres:
        due = due.with_for_update(skip_locked=True)
    rows = tx.c.execute(due).all()
    if rows:
        _set(tx, [row.delivery_id for row in rows], lease_until=real + LEASE)
    return [
        Delivery(
            delivery_id=row.delivery_id,
            number=row.number,
            kind=row.kind,
            sender=row.sender,
            body=row.body,
            attempts=row.attempts,
            received_at=row.received_at,
        )
        for row in rows
    ]


def done(tx: Tx, delivery_id: str) -> None:
    """Its words go; that it was there stays."""
    _set(tx, [delivery_id], state="done", body={}, lease_until=None, about=None)


def put_off(tx: Tx, delivery: Delivery, real: datetime) -> bool:
    """To be tried again later; False where it was tried often enough, and is given up."""
    if delivery.attempts + 1 >= MOST_ATTEMPTS:
        _set(tx, [delivery.delivery_id], state="failed", body={}, lease_until=None)
        return False
    pause = timedelta(seconds=min(LONGEST_PAUSE_S, 2.0**delivery.attempts))
    _set(tx, [delivery.delivery_id], attempts=delivery.attempts + 1, lease_until=real + pause)
    return True


def park(tx: Tx, delivery_id: str, about: str) -> None:
    """Until `release` is called for what it waits for."""
    _set(tx, [delivery_id], state="parked", about=about, lease_until=None)


def release(tx: Tx, about: str) -> int:
    """How many go on now."""
    stmt = sa.update(slack_inbox).where(D.tenant_id == tx.tenant_id, D.state == "parked", D.about == about)
    return int(tx.c.execute(stmt.values(state="taken", about=None, lease_until=None)).rowcount)


def drop(tx: Tx, about: str) -> int:
    """How many are forgotten: what they waited for does not come."""
    stmt = sa.update(slack_inbox).where(D.tenant_id == tx.tenant_id, D.state == "parked", D.about == about)
    return int(tx.c.execute(stmt.values(state="done", body={}, about=None, lease_until=None)).rowcount)


def count(tx: Tx, state: str) -> int:
    stmt = sa.select(sa.func.count()).select_from(slack_inbox).where(D.tenant_id == tx.tenant_id, D.state == state)
    return int(tx.c.scalar(stmt) or 0)


def sweep(tx: Tx, real: datetime) -> None:
    """Forgets what waited in vain, and deliveries so old that Slack does not send them again."""
    waited = (D.tenant_id == tx.tenant_id, D.state == "parked", D.real_at < real - PARKED_FOR)
    tx.c.execute(sa.update(slack_inbox).where(*waited).values(state="done", body={}, about=None))
    old = (D.tenant_id == tx.tenant_id, D.state.in_(("done", "failed")), D.real_at < real - KNOWN_FOR)
    tx.c.execute(sa.delete(slack_inbox).where(*old))


def _set(tx: Tx, delivery_ids: Sequence[str], **values: Any) -> None:
    stmt = sa.update(slack_inbox).where(D.tenant_id == tx.tenant_id, D.delivery_id.in_(list(delivery_ids)))
    tx.c.execute(stmt.values(**values))
