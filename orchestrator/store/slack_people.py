"""Who is who in Slack, and which thread is about which work."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from orchestrator.store.database import Tx
from orchestrator.store.items import insert_new
from orchestrator.store.slack_tables import slack_people, slack_threads

P, R = slack_people.c, slack_threads.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """`sender`: team/user. Not confirmed: nobody has said yet that this is them."""

    sender: str
    person: str
    channel: str | None
    is_confirmed: bool
    asked_at: datetime


def linked(tx: Tx, sender: str) -> Linked | None:
    row = tx.c.execute(sa.select(slack_people).where(P.tenant_id == tx.tenant_id, P.sender == sender)).first()
    return None if row is None else _linked(row)


def senders_of(tx: Tx, person: str) -> list[Linked]:
    """Confirmed ones of a person of the directory."""
    stmt = sa.select(slack_people).where(P.tenant_id == tx.tenant_id, P.person == person, P.confirmed_at.isnot(None))
    return [_linked(row) for row in tx.c.execute(stmt.order_by(P.sender))]


def address(tx: Tx, person: str) -> dict[str, Any] | None:
    """Where news for that person alone goes: their direct messages, in whichever channel those are by then."""
    return {"door": "slack"} if senders_of(tx, person) else None


def propose(tx: Tx, sender: str, person: str, channel: str | None, now: datetime) -> None:
    """Not confirmed (any more)."""
    forget(tx, sender)
    row = {"tenant_id": tx.tenant_id, "sender": sender, "person": person, "channel": channel, "asked_at": now}
    tx.c.execute(insert_new(tx, slack_people).values(row))


def confirm(tx: Tx, sender: str, person: str, now: datetime) -> bool:
    """Whether it was open, and for this person."""
    mine = (P.tenant_id == tx.tenant_id, P.sender == sender, P.person == person, P.confirmed_at.is_(None))
    return bool(tx.c.execute(sa.update(slack_people).where(*mine).values(confirmed_at=now)).rowcount)


def forget(tx: Tx, sender: str) -> bool:
    return bool(tx.c.execute(sa.delete(slack_people).where(P.tenant_id == tx.tenant_id, P.sender == sender)).rowcount)


def bind(tx: Tx, place: str, item_id: str, now: datetime) -> None:
    """The thread is about this item from now on."""
    tx.c.execute(sa.delete(slack_threads).where(R.tenant_id == tx.tenant_id, R.place == place))
    row = {"tenant_id": tx.tenant_id, "place": place, "item_id": item_id, "bound_at": now}
    tx.c.execute(insert_new(tx, slack_threads).values(row))


def bound(tx: Tx, place: str) -> str | None:
    """Item id."""
    found = tx.c.scalar(sa.select(R.item_id).where(R.tenant_id == tx.tenant_id, R.place == place))
    return None if found is None else str(found)


def _linked(row: Any) -> Linked:
    return Linked(
        sender=row.sender,
        person=row.person,
        channel=row.channel,
        is_confirmed=row.confirmed_at is not None,
        asked_at=row.asked_at,
    )
