"""What an item waits on, as rows. An answer is compare-and-set on an open wait and wakes the item in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from orchestrator.domain.item import WaitKind
from orchestrator.store import items, outbox
from orchestrator.store.database import Tx
from orchestrator.store.tables import waits

N = waits.c
OPEN = sa.and_(N.answered_at.is_(None), N.closed == sa.false())


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """One reason to wait. `answer` is None while it is open; a closed wait is no longer waited for."""

    item_id: str
    wait_id: str
    run_id: str | None
    call_id: str | None
    kind: WaitKind
    payload: Mapping[str, Any]
    answer: Any
    answered_by: str | None
    due_at: datetime | None
    created_at: datetime
    answered_at: datetime | None
    closed: bool

    @property
    def is_open(self) -> bool:
        return self.answered_at is None and not self.closed


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWait:
    """A wait before it is recorded. `wait_id` is unique in its item and derived, so that a re-run meets its own."""

    wait_id: str
    kind: WaitKind
    payload: Mapping[str, Any]
    run_id: str | None = None
    call_id: str | None = None
    due_at: datetime | None = None


def wait_of(row: Any) -> Wait:
    """A row as a `Wait`."""
    return Wait(
        item_id=row.item_id,
        wait_id=row.wait_id,
        run_id=row.run_id,
        call_id=row.call_id,
        kind=WaitKind(row.kind),
        payload=row.payload or {},
        answer=row.answer,
        answered_by=row.answered_by,
        due_at=row.due_at,
        created_at=row.created_at,
        answered_at=row.answered_at,
        closed=row.closed,
    )


_of_item = (
    sa.select(waits)
    .where(N.tenant_id == sa.bindparam("tenant"), N.item_id == sa.bindparam("item"))
    .order_by(N.created_at, sa.func.length(N.wait_id), N.wait_id)
)


def of_item(tx: Tx, item_id: str) -> list[Wait]:
    """Every wait of the item, oldest first."""
    return [wait_of(row) for row in tx.c.execute(_of_item, {"tenant": tx.tenant_id, "item": item_id})]


def open_waits(tx: Tx, item_id: str) -> list[Wait]:
    """The open waits of the item, oldest first."""
    return [wait for wait in of_item(tx, item_id) if wait.is_open]


def open_of_items(tx: Tx, item_ids: Sequence[str]) -> list[Wait]:
    """The open waits of all these items: in the order of `item_ids`, oldest first."""
    found: list[Wait] = []
    for part in items.slices(item_ids):
        stmt = sa.select(waits).where(N.tenant_id == tx.tenant_id, N.item_id.in_(part), OPEN)
        found += [
            wait_of(row) for row in tx.c.execute(stmt.order_by(N.created_at, sa.func.length(N.wait_id), N.wait_id))
        ]
    places = {item_id: place for place, item_id in enumerate(item_ids)}
    return sorted(found, key=lambda wait: places[wait.item_id])


def list_open(tx: Tx, kinds: Sequence[WaitKind] | None = None, limit: int | None = 100) -> list[Wait]:
    """Open waits of all items, oldest first; `limit` None: all."""
    stmt = sa.select(waits).where(N.tenant_id == tx.tenant_id, OPEN)
    if kinds is not None:
        stmt = stmt.where(N.kind.in_([kind.value for kind in kinds]))
    return [wait_of(row) for row in tx.c.execute(stmt.order_by(N.created_at, N.wait_id).limit(limit))]


def record(tx: Tx, item_id: str, new: NewWait, now: datetime) -> None:
    """Writes an open wait without any fence: for verbs that hold the item's row. One that was answered or closed is open again."""
    fresh = {
        "run_id": new.run_id,
        "call_id": new.call_id,
        "kind": new.kind.value,
        "payload": dict(new.payload),
        "due_at": new.due_at,
        "created_at": now,
    }
    made = (postgresql.insert(waits) if tx.is_postgres else sqlite.insert(waits)).values(
        tenant_id=tx.tenant_id, item_id=item_id, wait_id=new.wait_id, **fresh
    )
    again = {**fresh, "answer": None, "answered_by": None, "answered_at": None, "closed": False}
    tx.c.execute(
        made.on_conflict_do_update(
            index_elements=[N.tenant_id, N.item_id, N.wait_id],
            set_={name: _null(value) for name, value in again.items()},
            where=sa.or_(N.answered_at.is_not(None), N.closed == sa.true()),
        )
    )


def _null(value: Any) -> Any:
    return sa.null() if value is None else value


def announce(tx: Tx, row: Any, new: NewWait, now: datetime) -> None:
    """Tells surfaces of a wait that a person can end."""
    kinds = {WaitKind.ANSWER: "question.asked", WaitKind.REPAIR: "repair.asked", WaitKind.RECONSENT: "reconsent.asked"}
    if new.kind in kinds:
        outbox.put(tx, row.item_id, kinds[new.kind], {"wait_id": new.wait_id, **new.payload}, row.reply_to, now)


_answer = (
    sa.update(waits)
    .where(
        N.tenant_id == sa.bindparam("tenant"),
        N.item_id == sa.bindparam("item"),
        N.wait_id == sa.bindparam("wait"),
        OPEN,
    )
    .values(
        answer=sa.bindparam("value", type_=N.answer.type),
        answered_by=sa.bindparam("by"),
        answered_at=sa.bindparam("at", type_=N.answered_at.type),
    )
)


def answer(tx: Tx, item_id: str, wait_id: str, value: Any, by: str, now: datetime) -> bool:
    """Whether this answer is the one that counts: the wait was open. Wakes the item. Raises `NotFound` for an unknown item."""
    row = items.locked(tx, item_id)
    if row.state in items.FINAL_STATES:
        return False
    hit = tx.c.execute(
        _answer, {"tenant": tx.tenant_id, "item": item_id, "wait": wait_id, "value": value, "by": by, "at": now}
    )
    if not hit.rowcount:
        return False
    items.wake(tx, item_id)
    return True


def close(tx: Tx, item_id: str, wait_id: str) -> None:
    """The wait is no longer waited for; for verbs that hold the item's row."""
    stmt = sa.update(waits).where(N.tenant_id == tx.tenant_id, N.item_id == item_id, N.wait_id == wait_id, OPEN)
    tx.c.execute(stmt.values(closed=True))
