"""Looks after the runs that schedules have made: settles them by their checks, tells of those that cannot go on, merges equals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from orchestrator.domain import checks
from orchestrator.domain.audit import AuditEvent
from orchestrator.domain.item import FINAL, State, WaitKind
from orchestrator.domain.schedule import FiringState, Schedule
from orchestrator.domain.unattended import Then
from orchestrator.store import connections, habits, items, outbox, people, schedules, slack_people, waits, worklist
from orchestrator.store.database import Tx
from orchestrator.store.items import W
from orchestrator.store.schedule_tables import firings
from orchestrator.store.tables import approvals
from orchestrator.store.tables import waits as wait_rows
from orchestrator.store.tables import worklist as rows

F, N, A = firings.c, wait_rows.c, approvals.c
HUMAN = (WaitKind.APPROVAL.value, WaitKind.ANSWER.value, WaitKind.RECONSENT.value, WaitKind.REPAIR.value)
_MOVING = (State.READY.value, State.RUNNING.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An open firing as it stands. `waits`: kinds of what its whole tree waits on; `cards`: digests of its pending cards."""

    schedule_id: str
    at: datetime
    state: FiringState
    item_id: str | None
    item_state: State | None  # None: it has no item (any more)
    is_moving: bool
    is_paused: bool
    waits: frozenset[str]
    cards: frozenset[str]
    asks_until: datetime | None
    told: bool

    @property
    def is_final(self) -> bool:
        return self.item_state is None or self.item_state in FINAL

    @property
    def is_at_work(self) -> bool:
        """Whether it goes on by itself: what waits for a person stands in nobody's way."""
        if self.state is not FiringState.STARTED or self.is_final:
            return False
        return self.is_moving or not (self.is_paused or self.waits & set(HUMAN))

    @property
    def waits_for_cards_only(self) -> bool:
        return bool(self.cards) and not self.is_moving and not (self.waits & set(HUMAN)) - {WaitKind.APPROVAL.value}


_open = (
    sa.select(
        F.schedule_id, F.at, F.state, F.item_id, F.asks_until, F.told, W.state.label("item_state"), W.paused,
    )
    .join_from(firings, rows, (W.tenant_id == F.tenant_id) & (W.item_id == F.item_id), isouter=True)
    .where(F.tenant_id == sa.bindparam("tenant"), F.settled_at.is_(None))
    .order_by(F.schedule_id, F.at)
)  # fmt: skip


def standing(tx: Tx, schedule_id: str | None = None) -> list[Standing]:
    """Every open firing, of one schedule or of all, by schedule and time."""
    stmt = _open if schedule_id is None else _open.where(F.schedule_id == schedule_id)
    found = tx.c.execute(stmt, {"tenant": tx.tenant_id}).all()
    roots = [row.item_id for row in found if row.item_id is not None and row.item_state is not None]
    moving, kinds, cards = _below(tx, roots) if roots else (set(), {}, {})
    return [
        Standing(
            schedule_id=row.schedule_id,
            at=row.at,
            state=FiringState(row.state),
            item_id=row.item_id,
            item_state=State(row.item_state) if row.item_state is not None else None,
            is_moving=row.item_id in moving,
            is_paused=bool(row.paused),
            waits=frozenset(kinds.get(row.item_id, ())),
            cards=frozenset(cards.get(row.item_id, ())),
            asks_until=row.asks_until,
            told=row.told,
        )
        for row in found
    ]


def _below(tx: Tx, roots: Sequence[str]) -> tuple[set[str], dict[str, set[str]], dict[str, set[str]]]:
    """Of trees: which of them have something ready or running, kinds of open waits, digests of pending cards; by root."""
    moving: set[str] = set()
    kinds: dict[str, set[str]] = {}
    cards: dict[str, set[str]] = {}
    for part in items.slices(roots):
        tree = (W.tenant_id == tx.tenant_id, W.root_id.in_(part))
        moving |= set(tx.c.scalars(sa.select(W.root_id).where(*tree, W.state.in_(_MOVING)).distinct()))
        held = sa.select(W.root_id, N.kind).join(wait_rows, (N.tenant_id == W.tenant_id) & (N.item_id == W.item_id))
        for root, kind in tx.c.execute(held.where(*tree, waits.OPEN, items.UNFINISHED).distinct()):
            kinds.setdefault(root, set()).add(kind)
        asked = sa.select(W.root_id, A.digest).join(approvals, (A.tenant_id == W.tenant_id) & (A.item_id == W.item_id))
        for root, digest in tx.c.execute(asked.where(*tree, A.state == sa.literal_column("'pending'"))):
            cards.setdefault(root, set()).add(digest)
    return moving, kinds, cards


# ---- when to look ----------------------------------------------------------------------------------------------------
def next_due(tx: Tx) -> datetime | None:
    """When something of the open firings wants looking after; its own time, hence in the past, when it is now."""
    return min((at for _, at in _wishes(tx)), default=None)


def wanting(tx: Tx, now: datetime) -> list[str]:
    """Ids of schedules of which something is to be looked after now."""
    return sorted({schedule_id for schedule_id, at in _wishes(tx) if at <= now})


def _wishes(tx: Tx) -> list[tuple[str, datetime]]:
    """(schedule, since when) of every open firing that wants something."""
    found = standing(tx)
    lanes: dict[str, list[Standing]] = {}
    for one in found:
        lanes.setdefault(one.schedule_id, []).append(one)
    wishes = [(one.schedule_id, _wants(one, lanes[one.schedule_id])) for one in found]
    return [(schedule_id, at) for schedule_id, at in wishes if at is not None]


def _wants(one: Standing, same: Sequence[Standing]) -> datetime | None:
    """`same`: every open firing of its schedule."""
    if one.state is FiringState.QUEUED:
        return None if any(other.is_at_work for other in same) else one.at
    if one.is_final or (WaitKind.RECONSENT.value in one.waits and not one.told) or _twin(one, same) is not None:
        return one.at
    return one.asks_until if WaitKind.ANSWER.value in one.waits else None


def _twin(one: Standing, same: Sequence[Standing]) -> Standing | None:
    """A later run of the schedule that asks for everything that this one still asks for."""
    if not one.waits_for_cards_only:
        return None
    later = (other for other in same if other.at > one.at and other.item_id != one.item_id)
    return next((other for other in later if not other.is_moving and one.cards <= other.cards), None)


# ---- looking after ---------------------------------------------------------------------------------------------------
def attend(tx: Tx, schedule: Schedule, now: datetime) -> None:
    """Whatever the open firings of a schedule, whose row is held, want now."""
    found = standing(tx, schedule.schedule_id)
    for one in found:
        if one.state is not FiringState.STARTED:
            continue
        twin = _twin(one, found)
        if one.is_final:
            _settle(tx, schedule, one, now)
        elif twin is not None:
            _supersede(tx, schedule, one, twin, now)
        elif one.asks_until is not None and one.asks_until <= now and WaitKind.ANSWER.value in one.waits:
            _unanswered(tx, schedule, one, now)
        elif WaitKind.RECONSENT.value in one.waits and not one.told:
            schedules.change(tx, schedule.schedule_id, one.at, one.state, told=True)
            why = "it waits for a connection of its owner's that has lapsed"
            announce(tx, schedule, "schedule.waiting", one.at, why, one.item_id, now)


def _settle(tx: Tx, schedule: Schedule, one: Standing, now: datetime) -> None:
    """INVARIANT: a run that is not as its owner expects is told, whatever the run itself says."""
    found = habits.left_behind(tx, one.item_id) if one.item_state is not None and one.item_id is not None else None
    facts = found.facts if found is not None else {"state": "gone", "error": "its item was deleted"}
    why = checks.first_missing(schedule.expects, facts)
    state = FiringState.DONE if why is None else FiringState.FAILED
    counts = found.counts if found is not None else None
    told: dict[str, Any] = {"state": state.value, "why": why or "", "counts": counts, "settled_at": now}
    if not schedules.change(tx, schedule.schedule_id, one.at, one.state, **told):
        return
    schedules.audit(
        tx, f"schedule.{state.value}", schedule, "clock", now, item_id=one.item_id, at=one.at.isoformat(), why=why
    )
    if why is not None:
        _news(tx, schedule, "schedule.failed", one.at, why, one.item_id, now, 1)


def _supersede(tx: Tx, schedule: Schedule, one: Standing, twin: Standing, now: datetime) -> None:
    """The later run's cards stand for both: the earlier run ends unapproved, so that nobody is asked twice for one thing."""
    items.lock_all(tx, [str(one.item_id), str(twin.item_id)])
    fresh = standing(tx, schedule.schedule_id)  # INVARIANT: what somebody has decided meanwhile is not taken from them
    if not any(each.at == one.at and _twin(each, fresh) is not None for each in fresh):
        return
    why = f"{twin.item_id} asks for exactly the same"
    worklist.cancel(tx, str(one.item_id), "clock", now, why)
    told = {"state": FiringState.SUPERSEDED.value, "why": why, "settled_at": now}
    if schedules.change(tx, schedule.schedule_id, one.at, one.state, **told):
        announce(tx, schedule, "schedule.superseded", one.at, why, one.item_id, now)


def _unanswered(tx: Tx, schedule: Schedule, one: Standing, now: datetime) -> None:
    """The wait for answers is over: the schedule's default answers every open question, or the run ends.

    INVARIANT: what a default says is nobody's word for the guard, as a program's answer is: it chooses a way and permits nothing.
    """
    rule, root_id = schedule.unattended, str(one.item_id)
    tree = [row.item_id for row in items.lock_all(tx, [each.item_id for each in worklist.tree(tx, root_id)])]
    asked = [wait for wait in waits.open_of_items(tx, tree) if wait.kind is WaitKind.ANSWER]
    if not asked:
        return  # somebody has answered a moment ago
    chosen = [rule.choice(wait.payload.get("choices") or ()) if rule is not None else None for wait in asked]
    if rule is None or None in chosen or is_gone(tx, schedule.owner):
        why = "nobody answered in time"
        if rule is not None and rule.then is Then.DEFAULT and None in chosen:
            why += ", and the schedule's default is not one choice of what was asked"
        worklist.cancel(tx, root_id, "clock", now, why)
        return
    by = f"schedule of {schedule.owner}"
    for wait, value in zip(asked, chosen, strict=True):
        waits.answer(tx, wait.item_id, wait.wait_id, value, by, now)
        body = {"wait_id": wait.wait_id, "kind": wait.kind.value, "by": rule.origin, "schedule": schedule.schedule_id}
        tx.audit(AuditEvent(kind="item.answered", actor="clock", at=now.isoformat(), item_id=wait.item_id, body=body))
    announce(
        tx, schedule, "schedule.defaulted", one.at, f"nobody answered in time: answered {rule.origin}", root_id, now
    )


def is_gone(tx: Tx, owner: str) -> bool:
    """Whether there is a directory, it does not know the owner, and no account of theirs is connected."""
    known = people.all(tx)
    if not known or any(one.address == owner for one in known):
        return False
    return not any(one.owner == owner and one.state == "active" for one in connections.every(tx))


def announce(
    tx: Tx,
    schedule: Schedule,
    kind: str,
    at: datetime,
    why: str,
    item_id: str | None,
    now: datetime,
    *,
    count: int = 1,
) -> None:
    """Tells the owner and the audit chain. Where the schedule answers nowhere, the owner is told in Slack, if they are known there."""
    _news(tx, schedule, kind, at, why, item_id, now, count)
    schedules.audit(tx, kind, schedule, "clock", now, item_id=item_id, at=at.isoformat(), why=why, count=count)


def _news(
    tx: Tx, schedule: Schedule, kind: str, at: datetime, why: str, item_id: str | None, now: datetime, count: int
) -> None:
    body = {
        "schedule": schedule.schedule_id,
        "name": schedule.name,
        "owner": schedule.owner,
        "at": at.isoformat(),
        "why": why,
        "count": count,
        "text": f"{schedule.name}: {why}.",
    }
    address = schedule.reply_to or slack_people.address(tx, schedule.owner)
    outbox.put(tx, item_id or schedule.schedule_id, kind, body, address, now)
