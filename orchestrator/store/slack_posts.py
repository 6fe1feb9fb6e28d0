"""The bot's own messages as rows: the intention is committed before the wire, and what Slack made of it after.

INVARIANT: a row that was attempted and has no `ts` is looked for in Slack by its `post_id` before it is ever posted again. Whoever
works on a row holds its lease, by the real clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from orchestrator.store.database import Tx
from orchestrator.store.items import insert_new
from orchestrator.store.slack_tables import slack_posts

P = slack_posts.c
LEASE = timedelta(seconds=45)  # longer than one look and one write on the wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """`shown`: digest of what it shows; `ts` None: not known to be in Slack. `attempted_at` by the real clock."""

    post_id: str
    kind: str
    item_id: str
    approval_id: str | None
    person: str
    channel: str
    thread_ts: str | None
    is_private: bool
    ts: str | None = None
    attempted_at: datetime | None = None
    shown: str | None = None
    settled: bool = False


def intend(tx: Tx, post: Post, now: datetime) -> bool:
    """Whether it is new."""
    row = {
        "tenant_id": tx.tenant_id,
        "post_id": post.post_id,
        "kind": post.kind,
        "item_id": post.item_id,
        "approval_id": post.approval_id,
        "person": post.person,
        "channel": post.channel,
        "thread_ts": post.thread_ts,
        "is_private": post.is_private,
        "settled": False,
        "created_at": now,
    }
    return bool(tx.c.execute(insert_new(tx, slack_posts).values(row)).rowcount)


def of_item(tx: Tx, item_id: str) -> list[Post]:
    """Everything about an item's tree, oldest first."""
    stmt = sa.select(slack_posts).where(P.tenant_id == tx.tenant_id, P.item_id == item_id)
    return [_post(row) for row in tx.c.execute(stmt.order_by(P.created_at, P.post_id))]


def get(tx: Tx, post_id: str) -> Post | None:
    row = tx.c.execute(sa.select(slack_posts).where(P.tenant_id == tx.tenant_id, P.post_id == post_id)).first()
    return None if row is None else _post(row)


def at(tx: Tx, channel: str, ts: str) -> Post | None:
    """The message that Slack calls so."""
    row = tx.c.execute(
        sa.select(slack_posts).where(P.tenant_id == tx.tenant_id, P.channel == channel, P.ts == ts)
    ).first()
    return None if row is None else _post(row)


def unsettled(tx: Tx) -> list[str]:
    """Items that something in Slack still follows."""
    stmt = sa.select(P.item_id).where(P.tenant_id == tx.tenant_id, P.settled.is_(sa.false()), P.item_id != "")
    return [str(one) for one in tx.c.scalars(stmt.distinct())]


def lease(tx: Tx, post_id: str, real: datetime) -> Post | None:
    """The row, the caller's alone for a while; None while it is somebody else's."""
    mine = (P.tenant_id == tx.tenant_id, P.post_id == post_id)
    free = sa.or_(P.lease_until.is_(None), P.lease_until <= real)
    stmt = sa.update(slack_posts).where(*mine, free).values(lease_until=real + LEASE).returning(slack_posts)
    row = tx.c.execute(stmt).first()
    return None if row is None else _post(row)


def attempting(tx: Tx, post_id: str, real: datetime) -> None:
    """INVARIANT: commits before the wire."""
    _set(tx, post_id, attempted_at=real)


def record(tx: Tx, post_id: str, *, ts: str, shown: str | None, settled: bool) -> None:
    _set(tx, post_id, ts=ts, shown=shown, settled=settled, lease_until=None)


def let_go(tx: Tx, post_id: str, *, attempted: bool = True) -> None:
    """Ends the lease. Not `attempted`: Slack said that nothing came of it."""
    _set(tx, post_id, lease_until=None, **({} if attempted else {"attempted_at": None}))


def moved(tx: Tx, post_id: str, channel: str, thread_ts: str | None, *, is_private: bool) -> None:
    """Another place for what Slack refused to have where it was meant to go."""
    _set(tx, post_id, channel=channel, thread_ts=thread_ts, is_private=is_private, attempted_at=None, lease_until=None)


def settle(tx: Tx, post_ids: Sequence[str]) -> None:
    stmt = sa.update(slack_posts).where(P.tenant_id == tx.tenant_id, P.post_id.in_(list(post_ids)))
    tx.c.execute(stmt.values(settled=True, lease_until=None))


def _set(tx: Tx, post_id: str, **values: Any) -> None:
    tx.c.execute(sa.update(slack_posts).where(P.tenant_id == tx.tenant_id, P.post_id == post_id).values(**values))


def _post(row: Any) -> Post:
    return Post(
        post_id=row.post_id,
        kind=row.kind,
        item_id=row.item_id,
        approval_id=row.approval_id,
        person=row.person,
        channel=row.channel,
        thread_ts=row.thread_ts,
        is_private=row.is_private,
        ts=row.ts,
        attempted_at=row.attempted_at,
        shown=row.shown,
        settled=row.settled,
    )
