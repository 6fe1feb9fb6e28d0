"""What people do to an item that is on the list: move, postpone, stop, pause, nudge. Everything reaches its descendants.

All of it is rows: a running item learns of it at its next boundary, a waiting one by being woken. Who did it is for the caller
to audit, save the end of an item.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from orchestrator.domain.audit import AuditEvent
from orchestrator.domain.item import PRIORITY_RANGE, Origin, State
from orchestrator.errors import Conflict, UsageError
from orchestrator.store import endings, items
from orchestrator.store.database import Tx
from orchestrator.store.items import W
from orchestrator.store.tables import messages, worklist

_STEP = timedelta(milliseconds=1)


def reprioritise(tx: Tx, item_id: str, priority: int, now: datetime, *, actor: str | None = None) -> list[str]:
    """Ids of the item and its unfinished descendants, all at `priority` now; a bump is forgotten. Smaller is more urgent."""
    if priority not in PRIORITY_RANGE:
        raise UsageError(
            f"priority {priority} is out of range", fix=f"use {PRIORITY_RANGE.start} to {PRIORITY_RANGE.stop - 1}"
        )
    rows = _family(tx, item_id)
    above: dict[str | None, Any] = {None: None, rows[0].parent_id: _parent(tx, rows[0])}
    for row in rows:
        made = items.deadline(above[row.parent_id], created_at=row.created_at, priority=priority, due_at=row.due_at)
        _set(tx, row.item_id, priority=priority, deadline_at=made)
        above[row.item_id] = _Above(deadline_at=made, priority=priority)
    if actor is not None:
        body = {"priority": priority, "items": len(rows)}
        tx.audit(AuditEvent(kind="item.reprioritised", actor=actor, at=now.isoformat(), item_id=item_id, body=body))
    return [row.item_id for row in rows]


def set_due(tx: Tx, item_id: str, due_at: datetime | None) -> None:
    """Serves the item by its due date from here on; None: by its creation again."""
    row = _unfinished(tx, item_id)
    made = items.deadline(_parent(tx, row), created_at=row.created_at, priority=row.priority, due_at=due_at)
    _set(tx, item_id, due_at=due_at, deadline_at=made)


def bump(tx: Tx, item_id: str, now: datetime) -> list[str]:
    """Puts the item and its unfinished descendants before everything that is ready now. Returns their ids."""
    rows = _family(tx, item_id)
    ready = (W.tenant_id == tx.tenant_id, W.state == sa.literal_column("'ready'"))
    first = tx.c.scalar(sa.select(W.deadline_at).where(*ready).order_by(W.deadline_at, W.item_id).limit(1))
    front = min([row.deadline_at for row in rows] + ([first] if first is not None else []))
    for place, row in enumerate(rows):
        _set(tx, row.item_id, deadline_at=front - _STEP * (len(rows) - place))
    return [row.item_id for row in rows]


def snooze(tx: Tx, item_id: str, until: datetime, now: datetime) -> None:
    """Does not serve the item before `until`, whatever happens to it; a time that is past ends a snooze."""
    row = _unfinished(tx, item_id)
    if until <= now:
        _set(tx, item_id, snooze_until=None, wake_at=None)
        items.wake(tx, item_id)
        return
    values: dict[str, Any] = {"snooze_until": until}
    if row.state != State.RUNNING.value:
        values |= {"wake_at": until, "state": State.WAITING.value}
    _set(tx, item_id, **values)


def pause(tx: Tx, item_id: str) -> list[str]:
    """Stops serving the item and its descendants; a running one parks at its next boundary. Returns the ids."""
    rows = _family(tx, item_id)
    for row in rows:
        state = row.state if row.state == State.RUNNING.value else State.WAITING.value
        _set(tx, row.item_id, paused=True, state=state)
    return [row.item_id for row in rows]


def resume(tx: Tx, item_id: str, now: datetime) -> list[str]:
    """Serves them again; each looks at what happened meanwhile. Returns the ids."""
    rows = [row for row in _family(tx, item_id) if row.paused]
    for row in rows:
        _set(tx, row.item_id, paused=False)
        items.wake(tx, row.item_id)
    return [row.item_id for row in rows]


def cancel(tx: Tx, item_id: str, actor: str, now: datetime, reason: str) -> list[str]:
    """Ids of the items this stops: the item and its unfinished descendants; [] when it had ended already.

    Ready and waiting ones end at once. A running one ends at its next boundary; one with an effect in flight first learns
    what became of it.
    """
    if items.locked(tx, item_id).state in items.FINAL_STATES:
        return []
    rows = _family(tx, item_id)
    told = [row.item_id for row in rows]
    tx.audit(
        AuditEvent(
            kind="item.cancel_asked",
            actor=actor,
            at=now.isoformat(),
            item_id=item_id,
            body={"reason": reason, "items": len(told)},
        )
    )
    for row in reversed(rows):  # descendants first: no parent is woken by a child that ends with it
        fresh = items.row(tx, row.item_id)
        if fresh.state in items.FINAL_STATES:
            continue
        if endings.stop(tx, fresh, now=now, actor=actor):
            gone = endings.Ending(
                state=State.CANCELLED, error={"code": "cancelled", "message": reason or "cancelled", "fix": ""}
            )
            told += [
                one for one in endings.finish(tx, fresh, gone, now=now, actor=actor, why=reason) if one not in told
            ]
    return told


def nudge(tx: Tx, item_id: str, author: str, origin: str, text: str, now: datetime) -> int:
    """Number of the message left for the item, which is woken to read it. Raises `Conflict` when it has ended.

    What the requester says as a human is left for every unfinished descendant as well: it is about their work, too.
    """
    row = _unfinished(tx, item_id)
    told = [item_id]
    if origin == Origin.HUMAN.value and author == row.requester:
        told = [one.item_id for one in _family(tx, item_id)]
    m = messages.c
    last: dict[str, int] = {}
    for part in items.slices(told):
        stmt = sa.select(m.item_id, sa.func.max(m.seq)).where(m.tenant_id == tx.tenant_id, m.item_id.in_(part))
        last |= {one: int(seq) for one, seq in tx.c.execute(stmt.group_by(m.item_id))}
    said = {"author": author, "origin": origin, "kind": "nudge", "text": text, "at": now}
    tx.c.execute(
        sa.insert(messages),
        [{"tenant_id": tx.tenant_id, "item_id": one, "seq": 1 + last.get(one, 0), **said} for one in told],
    )
    for one in told:
        items.wake(tx, one)
    return 1 + last.get(item_id, 0)


def was_said(tx: Tx, item_id: str, author: str, text: str, since: datetime) -> bool:
    """Whether the author has left this very remark on the item since then."""
    m = messages.c
    mine = (m.tenant_id == tx.tenant_id, m.item_id == item_id, m.author == author, m.text == text, m.at >= since)
    return bool(tx.c.scalar(sa.select(sa.func.count()).select_from(messages).where(*mine)))


def _unfinished(tx: Tx, item_id: str) -> Any:
    row = items.locked(tx, item_id)
    if row.state in items.FINAL_STATES:
        raise Conflict(f"item {item_id!r} has ended ({row.state})", fix="submit a new one")
    return row


def _family(tx: Tx, item_id: str) -> Sequence[Any]:
    """The item's row and its unfinished descendants', locked, the item first."""
    _unfinished(tx, item_id)
    return items.lock_all(tx, [item_id, *items.descendants(tx, item_id, unfinished=True)])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Above:
    deadline_at: datetime
    priority: int


def _parent(tx: Tx, row: Any) -> Any:
    return None if row.parent_id is None else items.row(tx, row.parent_id)


def _set(tx: Tx, item_id: str, **values: Any) -> None:
    tx.c.execute(sa.update(worklist).where(W.tenant_id == tx.tenant_id, W.item_id == item_id).values(**values))


__all__ = ["bump", "cancel", "nudge", "pause", "reprioritise", "resume", "set_due", "snooze"]
