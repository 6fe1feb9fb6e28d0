"""Time as rows: snoozes, timers of waits, holds after a lost worker. Due ones become ready, each exactly once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from orchestrator.domain.item import State, WaitKind
from orchestrator.store import firings, items, waits
from orchestrator.store.database import Tx, clock_s
from orchestrator.store.items import W
from orchestrator.store.tables import approvals, worklist
from orchestrator.store.tables import waits as wait_rows

N = wait_rows.c
BATCH = 1000
GIVEN_UP = "repair:"  # wait ids under which the engine asks a person whether to go on


@dataclass(frozen=True, slots=True)
class Due:
    """The next instants something falls due: `at` by the clock of work, `hold_s` seconds from now by the database's clock."""

    at: datetime | None
    hold_s: float | None


_waking = (
    sa.select(W.wake_at)
    .where(W.tenant_id == sa.bindparam("tenant"), W.wake_at.is_not(None), W.state == sa.literal_column("'waiting'"))
    .order_by(W.wake_at)
    .limit(1)
)
_expiring = (
    sa.select(approvals.c.expires_at)
    .where(approvals.c.tenant_id == sa.bindparam("tenant"), approvals.c.state == sa.literal_column("'pending'"))
    .order_by(approvals.c.expires_at)
    .limit(1)
)
_held = sa.select(W.hold_until_s).where(W.hold_until_s.is_not(None)).order_by(W.hold_until_s).limit(1)


def next_due(tx: Tx) -> Due:
    """When the next sweep will find something."""
    mine = {"tenant": tx.tenant_id}
    at, card, held = tx.c.scalar(_waking, mine), tx.c.scalar(_expiring, mine), tx.c.scalar(_held)
    coming = firings.next_due(tx)
    first = min((one for one in (at, card, coming) if one is not None), default=None)
    return Due(first, None if held is None else held - clock_s(tx))


def sweep(tx: Tx, now: datetime) -> int:
    """How many items were woken because a snooze, a timer or a hold ended."""
    return _holds(tx) + _wakes(tx, now)


def _holds(tx: Tx) -> int:
    over = (W.hold_until_s.is_not(None), W.hold_until_s <= clock_s(tx))
    asked = sa.exists().where(  # INVARIANT: what was given up waits for its answer, not for its hold
        N.tenant_id == W.tenant_id, N.item_id == W.item_id, N.wait_id.like(f"{GIVEN_UP}%"), waits.OPEN
    )
    stmt = (
        sa.update(worklist)
        .where(*over)
        .values(
            hold_until_s=None,
            wake_seq=W.wake_seq + 1,
            state=sa.case(
                (sa.and_(W.state == State.WAITING.value, _free_but(W.hold_until_s), ~asked), State.READY.value),
                else_=W.state,
            ),
        )
    )
    count = tx.c.execute(stmt).rowcount
    if count:
        tx.nudge()
    return count


def _wakes(tx: Tx, now: datetime) -> int:
    at = W.wake_at
    few = (
        sa.select(W.item_id)
        .where(W.tenant_id == tx.tenant_id, at.is_not(None), at <= now, W.state == State.WAITING.value)
        .order_by(at)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    due = list(tx.c.scalars(few))
    for part in items.slices(due):
        tx.c.execute(
            sa.update(wait_rows)
            .where(
                N.tenant_id == tx.tenant_id,
                N.item_id.in_(part),
                N.kind == WaitKind.TIMER.value,
                N.due_at <= now,
                waits.OPEN,
            )
            .values(answer={"fired": True}, answered_by="clock", answered_at=now)
        )
        tx.c.execute(
            sa.update(worklist)
            .where(W.tenant_id == tx.tenant_id, W.item_id.in_(part), at <= now)
            .values(
                wake_at=None,
                snooze_until=sa.case((W.snooze_until <= now, None), else_=W.snooze_until),
                wake_seq=W.wake_seq + 1,
                state=sa.case((_awake(now), State.READY.value), else_=W.state),
            )
        )
    if due:
        tx.nudge()
    return len(due)


def _free_but(column: sa.ColumnElement[object]) -> sa.ColumnElement[bool]:
    """Free once `column` is cleared."""
    others = [W.snooze_until.is_(None)] if column is W.hold_until_s else [W.hold_until_s.is_(None)]
    return sa.and_(W.paused == sa.false(), W.blocked_by == 0, *others)


def _awake(now: datetime) -> sa.ColumnElement[bool]:
    snoozed_no_more = sa.or_(W.snooze_until.is_(None), W.snooze_until <= now)
    return sa.and_(
        W.state == State.WAITING.value,
        W.paused == sa.false(),
        W.blocked_by == 0,
        W.hold_until_s.is_(None),
        snoozed_no_more,
    )
