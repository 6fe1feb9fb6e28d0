"""Triggers and how far each followed account is read. A page of changes and its cursor are taken in by one transaction.

INVARIANT: each change asks once for each trigger: the request's key is made of both, so whoever reads the same page again (a second
worker, a worker that died before its commit, a provider that starts over) meets the request that is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from connectors.spec import Changes
from orchestrator.domain.audit import AuditEvent
from orchestrator.domain.item import Origin
from orchestrator.domain.trigger import Condition, Op, Trigger
from orchestrator.errors import Conflict, NotFound
from orchestrator.store import connections, items, worklist
from orchestrator.store.database import Tx
from orchestrator.store.trigger_tables import followed, triggers
from orchestrator.store.worklist import NewItem

G, F = triggers.c, followed.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    connection_id: str
    family: str
    cursor: str | None
    read_at: datetime | None = None
    error: str | None = None


# ---- orders ----------------------------------------------------------------------------------------------------------
def add(tx: Tx, trigger: Trigger) -> None:
    """It begins with what is new from now on. Raises `Conflict` where the owner has one of that name."""
    _forget_unread(tx)
    row = {
        "tenant_id": tx.tenant_id,
        "trigger_id": trigger.trigger_id,
        "name": trigger.name,
        "owner": trigger.owner,
        "family": trigger.family,
        "connection_id": trigger.connection_id,
        "conditions": [[one.field, one.op.value, one.value] for one in trigger.conditions],
        "request": trigger.request,
        "options": dict(trigger.options),
        "priority": trigger.priority,
        "own": trigger.own,
        "active": trigger.active,
        "created_at": trigger.created_at,
        "asked": 0,
    }
    if tx.c.execute(items.insert_new(tx, triggers).values(row).returning(G.trigger_id)).first() is None:
        raise Conflict(
            f"there is a trigger {trigger.name!r} already",
            fix=f"choose another name, or: deputy trigger rm {trigger.name}",
        )
    _audit(tx, "trigger.added", trigger, trigger.created_at)


def every(tx: Tx, *, owner: str | None = None, active: bool = False) -> list[tuple[Trigger, int]]:
    """(trigger, requests it has made), by owner and name."""
    stmt = sa.select(triggers).where(G.tenant_id == tx.tenant_id).order_by(G.owner, G.name)
    if owner is not None:
        stmt = stmt.where(G.owner == owner)
    if active:
        stmt = stmt.where(G.active.is_(True))
    return [(_trigger(row), row.asked) for row in tx.c.execute(stmt)]


def named(tx: Tx, owner: str, name: str) -> Trigger:
    """By name or id. Raises `NotFound`."""
    row = tx.c.execute(
        sa.select(triggers).where(
            G.tenant_id == tx.tenant_id, G.owner == owner, sa.or_(G.name == name, G.trigger_id == name)
        )
    ).first()
    if row is None:
        raise NotFound(f"there is no trigger {name!r} of yours", fix="see: deputy trigger ls")
    return _trigger(row)


def remove(tx: Tx, trigger: Trigger, now: datetime) -> None:
    tx.c.execute(sa.delete(triggers).where(G.tenant_id == tx.tenant_id, G.trigger_id == trigger.trigger_id))
    _audit(tx, "trigger.removed", trigger, now)


def set_active(tx: Tx, trigger: Trigger, active: bool, now: datetime) -> None:
    """Resumed, it begins with what is new from then on."""
    if active:
        _forget_unread(tx)
    tx.c.execute(
        sa.update(triggers).where(G.tenant_id == tx.tenant_id, G.trigger_id == trigger.trigger_id).values(active=active)
    )
    _audit(tx, "trigger.resumed" if active else "trigger.paused", trigger, now)


# ---- reading on ------------------------------------------------------------------------------------------------------
def take(tx: Tx, connection_id: str, family: str, worker_id: str, now: datetime, hold: timedelta) -> Followed | None:
    """The account's state, held for this worker; None while another one reads it."""
    mine = (F.tenant_id == tx.tenant_id, F.connection_id == connection_id, F.family == family)
    row = {"tenant_id": tx.tenant_id, "connection_id": connection_id, "family": family}
    tx.c.execute(items.insert_new(tx, followed).values(row))
    free = sa.or_(F.held_until.is_(None), F.held_until <= now, F.worker_id == worker_id)
    held = tx.c.execute(
        sa.update(followed)
        .where(*mine, free)
        .values(worker_id=worker_id, held_until=now + hold)
        .returning(F.cursor, F.read_at, F.error)
    ).first()
    if held is None:
        return None
    return Followed(
        connection_id=connection_id, family=family, cursor=held.cursor, read_at=held.read_at, error=held.error
    )


def let_go(tx: Tx, worker_id: str) -> None:
    """Everything this worker reads may be read by others at once."""
    tx.c.execute(
        sa.update(followed)
        .where(F.tenant_id == tx.tenant_id, F.worker_id == worker_id)
        .values(worker_id=None, held_until=None)
    )


def take_in(tx: Tx, known: Followed, page: Changes, me: str, now: datetime) -> list[str] | None:
    """Item ids of the new requests; None when somebody else has read on meanwhile, and nothing is written."""
    where = (F.tenant_id == tx.tenant_id, F.connection_id == known.connection_id, F.family == known.family)
    before = F.cursor.is_(None) if known.cursor is None else F.cursor == known.cursor
    moved = tx.c.execute(
        sa.update(followed)
        .where(*where, before)
        .values(cursor=page.cursor, read_at=now, error=None)
        .returning(F.family)
    ).first()
    if moved is None:
        return None
    made: list[str] = []
    for trigger, _ in every(tx, active=True) if page.changes else ():
        if trigger.family != known.family or not _is_about(tx, trigger, known.connection_id):
            continue
        mine: list[str] = []
        for change in page.changes:
            text = trigger.asks(change.record) if trigger.meets(change.record, me) else None
            if text is None:
                continue
            new = NewItem(
                request=text,
                requester=trigger.owner,
                origin=Origin.TRIGGER,
                priority=trigger.priority,
                idempotency_key=f"trigger:{trigger.trigger_id}:{known.connection_id}:{change.change_id}",
                options=dict(trigger.options),
            )
            item_id, created = worklist.submit(tx, new, now)
            mine += [item_id] if created else []
        if mine:
            tx.c.execute(
                sa.update(triggers)
                .where(G.tenant_id == tx.tenant_id, G.trigger_id == trigger.trigger_id)
                .values(asked=G.asked + len(mine))
            )
        made += mine
    return made


def failed(tx: Tx, known: Followed, why: str) -> None:
    """The account could not be read; what was read stays."""
    where = (F.tenant_id == tx.tenant_id, F.connection_id == known.connection_id, F.family == known.family)
    tx.c.execute(sa.update(followed).where(*where).values(error=why))


def states(tx: Tx) -> list[Followed]:
    """Every followed account."""
    rows = tx.c.execute(sa.select(followed).where(F.tenant_id == tx.tenant_id).order_by(F.connection_id, F.family))
    return [
        Followed(connection_id=r.connection_id, family=r.family, cursor=r.cursor, read_at=r.read_at, error=r.error)
        for r in rows
    ]


def _forget_unread(tx: Tx) -> None:
    """Accounts that no active trigger is about are read by nobody: whoever follows them next begins anew."""
    read = set(wanted(tx))
    for one in states(tx):
        if (one.connection_id, one.family) not in read:
            where = (F.tenant_id == tx.tenant_id, F.connection_id == one.connection_id, F.family == one.family)
            tx.c.execute(sa.delete(followed).where(*where))


def _is_about(tx: Tx, trigger: Trigger, connection_id: str) -> bool:
    """Whether the account is the one named, or the owner's own of the family. Asked again at each page: accounts are taken away."""
    mine = connections.find(tx, trigger.owner, trigger.family)
    if trigger.connection_id is None:
        return mine is not None and mine.connection_id == connection_id
    return trigger.connection_id == connection_id and any(
        one.connection_id == connection_id and one.state == "active" for one in connections.list_for(tx, trigger.owner)
    )


def _trigger(row: Any) -> Trigger:
    return Trigger(
        trigger_id=row.trigger_id,
        name=row.name,
        owner=row.owner,
        family=row.family,
        connection_id=row.connection_id,
        conditions=tuple(Condition(name, Op(op), value) for name, op, value in row.conditions),
        request=row.request,
        options=row.options,
        priority=row.priority,
        own=row.own,
        active=row.active,
        created_at=row.created_at,
    )


def _audit(tx: Tx, kind: str, trigger: Trigger, now: datetime) -> None:
    body = {"trigger": trigger.trigger_id, "name": trigger.name, "on": trigger.family, "request": trigger.request}
    tx.audit(AuditEvent(kind=kind, actor=trigger.owner, at=now.isoformat(), body=body))


def wanted(tx: Tx) -> Sequence[tuple[str, str]]:
    """(connection id, family) of every account that an active trigger is about."""
    found: set[tuple[str, str]] = set()
    for trigger, _ in every(tx, active=True):
        one = trigger.connection_id
        if one is None:
            mine = connections.find(tx, trigger.owner, trigger.family)
            one = mine.connection_id if mine is not None else None
        if one is not None and _is_about(tx, trigger, one):
            found.add((one, trigger.family))
    return sorted(found)
