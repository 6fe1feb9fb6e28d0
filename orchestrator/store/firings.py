"""Schedules whose time has come: each becomes one item, or is told as one that did not start. Swept by every worker.

INVARIANT: one firing is one transaction: the schedule moves on from exactly the time at which it stood, and the item is keyed by
schedule and time. Whoever sweeps beside it, or again after a crash, finds the schedule moved on.
Lock order: the schedule, then worklist rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from orchestrator.domain import boundary, schedule_news
from orchestrator.domain import schedule as rules
from orchestrator.domain.item import Origin, State
from orchestrator.domain.schedule import Due, FiringState, Kind, Overlap, Schedule
from orchestrator.store import attention, digests, endings, items, schedules, worklist
from orchestrator.store.attention import Standing
from orchestrator.store.database import Tx
from orchestrator.store.schedule_tables import schedules as table
from orchestrator.store.worklist import NewItem

S = table.c
MOST = 200  # schedules in one sweep
_first_of_all = (
    sa.select(S.next_at)
    .where(S.tenant_id == sa.bindparam("tenant"), S.next_at.is_not(None))
    .order_by(S.next_at)
    .limit(1)
)


def next_due(tx: Tx) -> datetime | None:
    """When the next sweep will find something; in the past when there is something now."""
    found = [tx.c.scalar(_first_of_all, {"tenant": tx.tenant_id}), attention.next_due(tx)]
    return min((one for one in found if one is not None), default=None)


def sweep(tx: Tx, now: datetime) -> int:
    """How many times of schedules were taken in; and looks after the runs that they have made."""
    stmt = sa.select(S.schedule_id).where(S.tenant_id == tx.tenant_id, S.next_at.is_not(None), S.next_at <= now)
    come = list(tx.c.scalars(stmt.order_by(S.next_at, S.schedule_id).limit(MOST)))
    count = 0
    for schedule_id in sorted(come):
        schedule = schedules.locked(tx, schedule_id)
        if schedule is not None and schedule.next_at is not None and schedule.next_at <= now:
            count += _take(tx, schedule, now)
    for schedule_id in attention.wanting(tx, now):
        schedule = schedules.locked(tx, schedule_id)
        if schedule is not None:
            attention.attend(tx, schedule, now)
            go_on(tx, schedule, now)
    return count


def _take(tx: Tx, schedule: Schedule, now: datetime) -> int:
    found = rules.due(schedule, now)
    if not schedules.move_on(tx, schedule, found.next_at):
        return 0
    boundary.reached("schedule:moved-on")
    schedules.forget_old(tx, schedule.schedule_id)
    if found.next_at is None:
        schedules.audit(tx, "schedule.ended", schedule, "clock", now)
    if found.dropped_count:
        _tell_missed(tx, schedule, found, now)
    if (found.make_up or found.start) and attention.is_gone(tx, schedule.owner):
        _tell_stopped(tx, schedule, [*found.make_up, *found.start], now)
        return len(found.make_up) + len(found.start)
    for at in found.make_up:
        fire(tx, schedule, at, now, overlap=Overlap.QUEUE)
    for at in found.start:
        fire(tx, schedule, at, now, overlap=schedule.overlap)
    return len(found.make_up) + len(found.start) + found.dropped_count


def fire(tx: Tx, schedule: Schedule, at: datetime, now: datetime, *, overlap: Overlap) -> FiringState:
    """What becomes of one time of the schedule, whose row is held."""
    standing = attention.standing(tx, schedule.schedule_id)
    busy = [one for one in standing if one.is_at_work or one.state is FiringState.QUEUED]
    if overlap is Overlap.REPLACE:
        _replace(tx, schedule, standing, now)
        busy = []
    if busy and overlap is Overlap.SKIP:
        return _skip(tx, schedule, at, busy[0], now)
    if sum(one.state is FiringState.QUEUED for one in busy) >= rules.MOST_AT_ONCE:
        return _skip(tx, schedule, at, busy[0], now, why=f"{rules.MOST_AT_ONCE} are in the queue already")
    if busy:
        schedules.record(tx, schedule, [at], FiringState.QUEUED, "behind an earlier run", now)
        return FiringState.QUEUED
    schedules.record(tx, schedule, [at], FiringState.STARTED, "", now)
    _start(tx, schedule, at, now, FiringState.STARTED)
    return FiringState.STARTED


def go_on(tx: Tx, schedule: Schedule, now: datetime) -> None:
    """Starts the first in the queue when nothing of the schedule is at work any more."""
    standing = attention.standing(tx, schedule.schedule_id)
    queued = [one for one in standing if one.state is FiringState.QUEUED]
    if queued and not any(one.is_at_work for one in standing):
        _start(tx, schedule, queued[0].at, now, FiringState.QUEUED)


def _start(tx: Tx, schedule: Schedule, at: datetime, now: datetime, expect: FiringState) -> None:
    rule = schedule.unattended
    until = rule.ends(now, schedule.when.zone) if rule is not None else None
    new = NewItem(
        request=schedule.request,
        requester=schedule.owner,
        origin=Origin.SCHEDULE,
        priority=schedule.priority,
        idempotency_key=rules.key(schedule.schedule_id, at),
        reply_to=schedule.reply_to,
        options=dict(schedule.options),
    )
    item_id, _ = worklist.submit(tx, new, now)
    told = {"item_id": item_id, "state": FiringState.STARTED.value, "asks_until": until, "started_at": now, "why": ""}
    schedules.change(tx, schedule.schedule_id, at, expect, **told)
    boundary.reached("schedule:submitted")
    schedules.audit(tx, "schedule.fired", schedule, "clock", now, item_id=item_id, at=at.isoformat())
    if schedule.kind is Kind.DIGEST:
        made = digests.digest(tx, schedule.owner, _last_digest(tx, schedule, at), now)
        ending = endings.Ending(state=State.DONE, text=made["text"], output={"digest": made})
        endings.finish(tx, items.row(tx, item_id), ending, now=now, actor="clock", why="made from rows")


def _last_digest(tx: Tx, schedule: Schedule, at: datetime) -> datetime:
    """What the digest begins with: where the one before it ended."""
    before = [one.started_at for one in schedules.history(tx, schedule.schedule_id, limit=50) if one.at < at]
    return max((one for one in before if one is not None), default=schedule.created_at)


def _replace(tx: Tx, schedule: Schedule, standing: Sequence[Standing], now: datetime) -> None:
    for one in standing:
        if one.item_id is not None and not one.is_final:
            worklist.cancel(tx, one.item_id, "clock", now, "a later run of the same schedule takes its place")
        why = "a later run took its place"
        told = {"state": FiringState.SKIPPED.value, "why": why, "settled_at": now}
        schedules.change(tx, schedule.schedule_id, one.at, one.state, **told)
        attention.announce(tx, schedule, "schedule.replaced", one.at, why, one.item_id, now)


def _skip(tx: Tx, schedule: Schedule, at: datetime, busy: Standing, now: datetime, *, why: str = "") -> FiringState:
    why = why or f"the run of {busy.at.isoformat(timespec='minutes')} is still at work"
    schedules.record(tx, schedule, [at], FiringState.SKIPPED, why, now)
    attention.announce(tx, schedule, "schedule.skipped", at, why, busy.item_id, now)
    return FiringState.SKIPPED


# ---- what did not start ----------------------------------------------------------------------------------------------
def _tell_missed(tx: Tx, schedule: Schedule, found: Due, now: datetime) -> None:
    count = found.dropped_count
    times = f"{count} time{'s' if count > 1 else ''}" if count <= rules.COUNTED else f"more than {rules.COUNTED} times"
    does = {
        "skip": "are not made up for",
        "run-latest": "only the latest is",
        "run-all": f"at most {rules.MOST_AT_ONCE} are",
    }
    why = f"nobody was working at {times}; {does[schedule.missed.value]}"
    _tell(tx, schedule, found.dropped, FiringState.MISSED, why, now, count=count)


def _tell_stopped(tx: Tx, schedule: Schedule, ats: Sequence[datetime], now: datetime) -> None:
    _tell(tx, schedule, ats, FiringState.STOPPED, f"{schedule.owner} is no longer in the directory", now)


def _tell(
    tx: Tx, schedule: Schedule, ats: Sequence[datetime], state: FiringState, why: str, now: datetime, *, count: int = 0
) -> None:
    """INVARIANT: silence is impossible. What did not start stands on the owner's list as one item that says so, whatever its number.

    The item itself answers nowhere: the news does.
    """
    schedules.record(tx, schedule, ats, state, why, now)
    told = f"{schedule_news.head(state.value, schedule.name)}: {why}."
    new = NewItem(
        request=schedule.request,
        requester=schedule.owner,
        origin=Origin.SCHEDULE,
        priority=schedule.priority,
        idempotency_key=f"{rules.key(schedule.schedule_id, max(ats))}:{state.value}",
        options=dict(schedule.options),
    )
    item_id, created = worklist.submit(tx, new, now)
    if created:
        error = {
            "code": f"schedule_{state.value}",
            "message": told,
            "fix": schedule_news.fix(state.value, schedule.name),
        }
        ending = endings.Ending(state=State.FAILED, error=error)
        endings.finish(tx, items.row(tx, item_id), ending, now=now, actor="clock", why=why)
        for at in ats:
            schedules.change(tx, schedule.schedule_id, at, state, item_id=item_id)
        kind, count = f"schedule.{state.value}", count or len(ats)
        attention.announce(tx, schedule, kind, max(ats), why, item_id, now, count=count)
