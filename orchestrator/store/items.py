"""What every verb on the worklist shares: a row as an `Item`, locking rows in one order, waking, and where a row goes when it may run.

Lock order, everywhere: worklist rows (by depth, then id), then rows that belong to them, then quotas, then the audit head.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from orchestrator.domain.item import FINAL, PRIORITY_STEP, Item, Origin, State, virtual_deadline
from orchestrator.errors import NotFound
from orchestrator.store.database import Tx
from orchestrator.store.tables import dependencies, waits, worklist

W = worklist.c
FINAL_STATES = tuple(state.value for state in FINAL)
UNFINISHED = W.state.not_in(FINAL_STATES)
SLICE = 500  # ids in one `in (…)`

# An item that nothing holds back. Applied to the columns as they will be after the statement's own changes.
FREE = sa.and_(W.paused == sa.false(), W.blocked_by == 0, W.snooze_until.is_(None), W.hold_until_s.is_(None))
SERVE = sa.case((FREE, State.READY.value), else_=State.WAITING.value)


def item_of(row: Any) -> Item:
    """A worklist row as the domain's noun."""
    return Item(
        item_id=row.item_id,
        tenant_id=row.tenant_id,
        root_id=row.root_id,
        parent_id=row.parent_id,
        depth=row.depth,
        request=row.request,
        requester=row.requester,
        origin=Origin(row.origin),
        state=State(row.state),
        priority=row.priority,
        due_at=row.due_at,
        deadline_at=row.deadline_at,
        snooze_until=row.snooze_until,
        wake_at=row.wake_at,
        claim_epoch=row.claim_epoch,
        wake_seq=row.wake_seq,
        worker_id=row.worker_id,
        attempts=row.attempts,
        generation=row.generation,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        idempotency_key=row.idempotency_key,
        reply_to=row.reply_to,
        options=row.options or {},
        route=row.route,
        match=row.match,
        slots=row.slots or (),
        output=row.output,
        text=row.text,
        error=row.error,
        cancel_requested=row.cancel_requested,
        paused=row.paused,
        lost_since=row.lost_since,
        legal_hold=row.legal_hold,
    )


def insert_new(tx: Tx, table: sa.Table) -> Any:
    """`insert … on conflict do nothing` in the open database's dialect."""
    made = postgresql.insert(table) if tx.is_postgres else sqlite.insert(table)
    return made.on_conflict_do_nothing()


_ONE = (W.tenant_id == sa.bindparam("tenant"), W.item_id == sa.bindparam("item"))
_by_id = sa.select(worklist).where(*_ONE)
_by_id_locked = _by_id.with_for_update()


def row(tx: Tx, item_id: str) -> Any:
    """The item's row. Raises `NotFound`."""
    found = tx.c.execute(_by_id, {"tenant": tx.tenant_id, "item": item_id}).first()
    if found is None:
        raise missing(item_id)
    return found


def locked(tx: Tx, item_id: str) -> Any:
    """The item's row, locked until the transaction ends. Raises `NotFound`."""
    found = tx.c.execute(_by_id_locked, {"tenant": tx.tenant_id, "item": item_id}).first()
    if found is None:
        raise missing(item_id)
    return found


def missing(item_id: str) -> NotFound:
    return NotFound(f"there is no item {item_id!r}", fix="`deputy work ls` lists them")


def slices(values: Collection[str]) -> Iterable[list[str]]:
    """`values` in lists short enough for one statement."""
    every = list(values)
    return (every[start : start + SLICE] for start in range(0, len(every), SLICE))


def of_ids(tx: Tx, item_ids: Collection[str]) -> dict[str, Item]:
    """Id → item, of those that are there."""
    found: dict[str, Item] = {}
    for part in slices(item_ids):
        stmt = sa.select(worklist).where(W.tenant_id == tx.tenant_id, W.item_id.in_(part))
        found |= {row.item_id: item_of(row) for row in tx.c.execute(stmt)}
    return found


def lock_all(tx: Tx, item_ids: Collection[str]) -> list[Any]:
    """The unfinished rows among `item_ids`, locked in the one order: ancestors before descendants."""
    rows: list[Any] = []
    for part in slices(sorted(item_ids)):
        stmt = sa.select(worklist).where(W.tenant_id == tx.tenant_id, W.item_id.in_(part), UNFINISHED)
        rows += tx.c.execute(stmt.order_by(W.depth, W.item_id).with_for_update()).all()
    return sorted(rows, key=lambda found: (found.depth, found.item_id))


_wake = (
    sa.update(worklist)
    .where(*_ONE, UNFINISHED)
    .values(
        wake_seq=W.wake_seq + 1,
        wake_at=sa.case((sa.and_(W.state == State.WAITING.value, FREE), None), else_=W.wake_at),
        state=sa.case((sa.and_(W.state == State.WAITING.value, FREE), State.READY.value), else_=W.state),
    )
    .returning(W.state)
)


def wake(tx: Tx, item_id: str) -> bool:
    """Whether the item can still run: counts the wake in every non-final state and makes a waiting item ready.

    While it is paused, snoozed, blocked or held it stays waiting; the count makes a park that is under way miss.
    """
    state = tx.c.scalar(_wake, {"tenant": tx.tenant_id, "item": item_id})
    if state is None:
        return False
    tx.nudge()
    return True


def _below(*columns: str) -> sa.CTE:
    """Every row below the item bound to `item`, with these columns."""
    first = sa.select(*(W[name] for name in columns)).where(
        W.tenant_id == sa.bindparam("tenant"), W.parent_id == sa.bindparam("item")
    )
    tree = first.cte("tree", recursive=True)
    child = worklist.alias("child")
    return tree.union_all(
        sa.select(*(child.c[name] for name in columns)).where(
            child.c.tenant_id == sa.bindparam("tenant"), child.c.parent_id == tree.c.item_id
        )
    )


_tree = _below("item_id", "state", "depth")
_descendants = sa.select(_tree.c.item_id).order_by(_tree.c.depth, _tree.c.item_id)
_unfinished = _descendants.where(_tree.c.state.not_in(FINAL_STATES))
_running = sa.select(_tree.c.item_id).where(_tree.c.state == State.RUNNING.value).limit(1)
_rows = _below(*(column.name for column in W))
_ended = sa.case((_rows.c.state.in_(FINAL_STATES), 1), else_=0)
_rows_below = sa.select(_rows).order_by(_ended, _rows.c.created_at.desc(), _rows.c.item_id).limit(sa.bindparam("most"))


def descendants(tx: Tx, item_id: str, *, unfinished: bool = False) -> list[str]:
    """Ids below the item, children before grandchildren."""
    stmt = _unfinished if unfinished else _descendants
    return list(tx.c.scalars(stmt, {"tenant": tx.tenant_id, "item": item_id}))


def runs_below(tx: Tx, item_id: str) -> bool:
    """Whether anything below the item runs."""
    return tx.c.scalar(_running, {"tenant": tx.tenant_id, "item": item_id}) is not None


def rows_below(tx: Tx, item_id: str, most: int) -> list[Any]:
    """At most so many rows below the item, ancestors first and then by age; unfinished and new ones before others where there are more."""
    rows = tx.c.execute(_rows_below, {"tenant": tx.tenant_id, "item": item_id, "most": most}).all()
    return sorted(rows, key=lambda found: (found.depth, found.created_at, found.item_id))


def busy(rows: Sequence[Any]) -> set[str]:
    """Ids of those of `rows` that run, and of everything above them."""
    found: set[str] = set()
    above = {row.item_id: row.parent_id for row in rows}
    for row in rows:
        at = row.item_id if row.state == State.RUNNING.value else None
        while at is not None and at not in found:
            found.add(at)
            at = above.get(at)
    return found


def deadline(parent: Any, *, created_at: datetime, priority: int, due_at: datetime | None) -> datetime:
    """The instant an item below the item of this row (None: a root) is served by.

    A part of a task is as urgent as the task, shifted by what its priority differs: among its siblings priorities still count.
    """
    natural = virtual_deadline(created_at=created_at, due_at=due_at, priority=priority)
    if parent is None:
        return natural
    among_siblings: datetime = parent.deadline_at + (priority - parent.priority) * PRIORITY_STEP
    return min(natural, among_siblings)


_dependents = (
    sa.select(dependencies.c.item_id)
    .join(worklist, sa.and_(W.tenant_id == dependencies.c.tenant_id, W.item_id == dependencies.c.item_id))
    .where(
        dependencies.c.tenant_id == sa.bindparam("tenant"), dependencies.c.needs_id == sa.bindparam("item"), UNFINISHED
    )
    .order_by(dependencies.c.item_id)
)


def dependents(tx: Tx, item_id: str) -> list[str]:
    """Unfinished items that need this one."""
    return list(tx.c.scalars(_dependents, {"tenant": tx.tenant_id, "item": item_id}))


def needed_by(tx: Tx, item_id: str) -> list[tuple[str, str, str]]:
    """(item id, request, state) of what this one needs to be done first."""
    stmt = (
        sa.select(W.item_id, W.request, W.state)
        .join(dependencies, sa.and_(W.tenant_id == dependencies.c.tenant_id, W.item_id == dependencies.c.needs_id))
        .where(dependencies.c.tenant_id == tx.tenant_id, dependencies.c.item_id == item_id)
        .order_by(W.created_at, W.item_id)
    )
    return [(row.item_id, row.request, row.state) for row in tx.c.execute(stmt)]


def waiting_for(tx: Tx, item_id: str) -> list[tuple[str, str, str]]:
    """(item id, request, state) of the unfinished items that need this one, of the same requester: others' words are others'."""
    mine = sa.select(W.requester).where(W.tenant_id == tx.tenant_id, W.item_id == item_id).scalar_subquery()
    stmt = (
        sa.select(W.item_id, W.request, W.state)
        .join(dependencies, sa.and_(W.tenant_id == dependencies.c.tenant_id, W.item_id == dependencies.c.item_id))
        .where(
            dependencies.c.tenant_id == tx.tenant_id,
            dependencies.c.needs_id == item_id,
            W.requester == mine,
            UNFINISHED,
        )
        .order_by(W.created_at, W.item_id)
    )
    return [(row.item_id, row.request, row.state) for row in tx.c.execute(stmt)]


def open_kinds(tx: Tx, item_ids: Sequence[str]) -> dict[str, list[str]]:
    """Kinds of the open waits of each item, oldest first, each once."""
    found: dict[str, list[str]] = {}
    for part in slices(item_ids):
        stmt = (
            sa.select(waits.c.item_id, waits.c.kind)
            .where(
                waits.c.tenant_id == tx.tenant_id,
                waits.c.item_id.in_(part),
                waits.c.answered_at.is_(None),
                waits.c.closed == sa.false(),
            )
            .order_by(waits.c.created_at)
        )
        for item_id, kind in tx.c.execute(stmt):
            kinds = found.setdefault(item_id, [])
            if kind not in kinds:
                kinds.append(kind)
    return found
