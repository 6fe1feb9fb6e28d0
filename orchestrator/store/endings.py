"""How an item ends, in one place: its cards and waits close, its parent hears, what depends on it goes on or ends too.

An effect in `attempted` is never thrown away: an item that has one does not end here; callers let it go on first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from orchestrator.domain.audit import AuditEvent
from orchestrator.domain.effect import ApprovalState, EffectState
from orchestrator.domain.item import State
from orchestrator.store import approvals, items, outbox
from orchestrator.store.database import Tx
from orchestrator.store.items import W
from orchestrator.store.tables import effects, runs, waits, worklist

E, A = effects.c, approvals.A


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What is recorded on an item as it ends."""

    state: State
    text: str | None = None
    output: Mapping[str, Any] | None = None
    error: Mapping[str, str] | None = None
    receipt: Mapping[str, Any] | None = None


_tenant: sa.BindParameter[str] = sa.bindparam("tenant")
_item: sa.BindParameter[str] = sa.bindparam("item")
_in_flight = (
    sa.select(E.effect_id)
    .where(E.tenant_id == _tenant, E.item_id == _item, E.state == sa.literal_column("'attempted'"))
    .limit(1)
)
_open_below = sa.select(  # whether anything of the item is open that its end closes
    sa.or_(
        sa.exists().where(
            waits.c.tenant_id == _tenant,
            waits.c.item_id == _item,
            waits.c.answered_at.is_(None),
            waits.c.closed == sa.false(),
        ),
        sa.exists().where(
            E.tenant_id == _tenant,
            E.item_id == _item,
            E.state.in_([sa.literal_column("'intended'"), sa.literal_column("'approved'")]),
        ),
        sa.exists().where(A.tenant_id == _tenant, A.item_id == _item, A.state == sa.literal_column("'pending'")),
    )
)
_finish = (
    sa.update(worklist)
    .where(W.tenant_id == _tenant, W.item_id == _item)
    .values(
        state=sa.bindparam("word"),
        finished_at=sa.bindparam("at", type_=W.finished_at.type),
        worker_id=None,
        wake_at=None,
        snooze_until=None,
        hold_until_s=None,
        paused=sa.false(),
        wake_seq=W.wake_seq + 1,
        text=sa.func.coalesce(sa.bindparam("said", type_=W.text.type), W.text),
        output=sa.func.coalesce(sa.bindparam("found", type_=W.output.type), W.output),
        error=sa.func.coalesce(sa.bindparam("fault", type_=W.error.type), W.error),
    )
)
_close_run = (
    sa.update(runs)
    .where(runs.c.tenant_id == _tenant, runs.c.item_id == _item, runs.c.state == sa.literal_column("'open'"))
    .values(state=sa.bindparam("word"), finished_at=sa.bindparam("at", type_=runs.c.finished_at.type))
)
_close_run_with = _close_run.values(receipt=sa.bindparam("spent", type_=runs.c.receipt.type))


def in_flight(tx: Tx, item_id: str) -> bool:
    """Whether the item has an effect whose attempt has no outcome yet."""
    return tx.c.execute(_in_flight, {"tenant": tx.tenant_id, "item": item_id}).first() is not None


def finish(tx: Tx, row: Any, ending: Ending, *, now: datetime, actor: str, why: str) -> list[str]:
    """Ends the item of this locked, unfinished row, and whatever ends with it. Returns the ids that ended.

    Running descendants and dependents get `cancel_requested` and end at their next boundary.
    """
    ended: list[str] = []
    queue: list[tuple[Any, Ending, str, str]] = [(row, ending, actor, why)]
    while queue:
        one, how, who, reason = queue.pop(0)
        if one.item_id in ended:
            continue
        _record(tx, one, how, now=now, actor=who, why=reason)
        ended.append(one.item_id)
        for item_id, cause in _affected(tx, one, how.state):
            for other in items.lock_all(tx, [item_id]):
                if stop(tx, other, now=now):
                    gone = Ending(state=State.CANCELLED, error={"code": "cancelled", "message": cause, "fix": ""})
                    queue.append((other, gone, "engine", cause))
    return ended


def stop(tx: Tx, row: Any, *, now: datetime, actor: str = "engine") -> bool:
    """Whether the item may end at once; otherwise it is told to end at its next boundary, or after what it has in flight."""
    if row.state == State.RUNNING.value:
        _update(tx, row.item_id, cancel_requested=True)
        return False
    if in_flight(tx, row.item_id):
        void_cards(tx, row.item_id, now=now, code="cancelled", message="the task was cancelled", actor=actor)
        close_waits(tx, row.item_id, now=now)
        free = row.hold_until_s is None
        _update(
            tx,
            row.item_id,
            cancel_requested=True,
            paused=False,
            snooze_until=None,
            wake_at=None,
            wake_seq=W.wake_seq + 1,
            state=State.READY.value if free else State.WAITING.value,
        )
        tx.nudge()
        return False
    return True


def void_cards(tx: Tx, item_id: str, *, now: datetime, code: str, message: str, actor: str = "engine") -> None:
    """Pending cards of the item become void, and effects not yet attempted fail with `code`; one audit event for each."""
    approvals.close_pending(tx, A.item_id == item_id, ApprovalState.VOID, actor=actor, now=now, reason=message)
    failed = tx.c.execute(
        sa.update(effects)
        .where(
            E.tenant_id == tx.tenant_id,
            E.item_id == item_id,
            E.state.in_([EffectState.INTENDED.value, EffectState.APPROVED.value]),
        )
        .values(state=EffectState.FAILED.value, finished_at=now, error={"code": code, "message": message, "fix": ""})
        .returning(E.effect_id, E.run_id, E.tool, E.args_digest)
    ).all()
    for row in sorted(failed, key=lambda one: str(one.effect_id)):
        tx.audit(
            AuditEvent(
                kind="effect.failed",
                actor=actor,
                at=now.isoformat(),
                item_id=item_id,
                run_id=row.run_id,
                effect_id=row.effect_id,
                body={"tool": row.tool, "digest": row.args_digest, "code": code},
            )
        )


def close_waits(tx: Tx, item_id: str, *, now: datetime, kinds: tuple[str, ...] | None = None) -> None:
    """Open waits of the item are no longer waited for."""
    stmt = sa.update(waits).where(
        waits.c.tenant_id == tx.tenant_id,
        waits.c.item_id == item_id,
        waits.c.answered_at.is_(None),
        waits.c.closed == sa.false(),
    )
    if kinds is not None:
        stmt = stmt.where(waits.c.kind.in_(kinds))
    tx.c.execute(stmt.values(closed=True))


def _record(tx: Tx, row: Any, ending: Ending, *, now: datetime, actor: str, why: str) -> None:
    mine = {"tenant": tx.tenant_id, "item": row.item_id}
    tx.c.execute(
        _finish,
        {
            **mine,
            "word": ending.state.value,
            "at": now,
            "said": ending.text,
            "found": None if ending.output is None else dict(ending.output),
            "fault": None if ending.error is None else dict(ending.error),
        },
    )
    if row.run_count:
        if tx.c.scalar(_open_below, mine):
            void_cards(
                tx, row.item_id, now=now, code="cancelled", message="the task ended before this was sent", actor=actor
            )
            close_waits(tx, row.item_id, now=now)
        told = {"word": ending.state.value, "at": now}
        if ending.receipt is None:
            tx.c.execute(_close_run, {**mine, **told})
        else:
            tx.c.execute(_close_run_with, {**mine, **told, "spent": dict(ending.receipt)})
    if row.parent_id is not None:
        _tell_parent(tx, row, ending, now)
    body = {"state": ending.state.value, "text": ending.text, "error": dict(ending.error) if ending.error else None}
    outbox.put(tx, row.item_id, "item.settled", body, row.reply_to, now)
    tx.audit(
        AuditEvent(
            kind=f"item.{ending.state.value}",
            actor=actor,
            at=now.isoformat(),
            item_id=row.item_id,
            body={"code": (ending.error or {}).get("code"), "why": why or None},
        )
    )


def _affected(tx: Tx, row: Any, state: State) -> list[tuple[str, str]]:
    """(item id, reason) of what has to end because this item ended: its unfinished descendants, and who needed its success."""
    gone = [
        (item_id, f"the task that asked for it ended ({state.value})")
        for item_id in items.descendants(tx, row.item_id, unfinished=True)
    ]
    waiting = items.dependents(tx, row.item_id)
    if state is not State.DONE:
        return gone + [(item_id, f"it depends on {row.item_id}, which ended as {state.value}") for item_id in waiting]
    for item_id in waiting:
        left = tx.c.scalar(
            sa.update(worklist)
            .where(W.tenant_id == tx.tenant_id, W.item_id == item_id, W.blocked_by > 0)
            .values(blocked_by=W.blocked_by - 1)
            .returning(W.blocked_by)
        )
        if left == 0:
            items.wake(tx, item_id)
    return gone


def _tell_parent(tx: Tx, row: Any, ending: Ending, now: datetime) -> None:
    said = {
        "item_id": row.item_id,
        "state": ending.state.value,
        "text": ending.text,
        "output": None if ending.output is None else dict(ending.output),
        "error": None if ending.error is None else dict(ending.error),
    }
    hit = tx.c.execute(
        sa.update(waits)
        .where(
            waits.c.tenant_id == tx.tenant_id,
            waits.c.item_id == row.parent_id,
            waits.c.wait_id == f"child:{row.item_id}",
            waits.c.answered_at.is_(None),
            waits.c.closed == sa.false(),
        )
        .values(answer=said, answered_by="engine", answered_at=now)
    ).rowcount
    if hit:
        items.wake(tx, row.parent_id)


def _update(tx: Tx, item_id: str, **values: Any) -> None:
    tx.c.execute(sa.update(worklist).where(W.tenant_id == tx.tenant_id, W.item_id == item_id).values(**values))
