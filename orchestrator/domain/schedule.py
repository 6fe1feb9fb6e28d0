"""A schedule: a person's standing order that their own words are asked again at times of their choice. Pure.

What happens when a time comes is decided here, given the clock: which times are late, which of those run, which are only told.
Times are aware UTC instants; a *late* one is seen more than `grace` after it came, because nobody was working.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from orchestrator.domain import recurrence
from orchestrator.domain.checks import Check
from orchestrator.domain.recurrence import When
from orchestrator.domain.unattended import Unattended

GRACE = timedelta(minutes=10)
MOST_AT_ONCE = 24  # late times that `run-all` makes up for; also how many may stand in a queue
COUNTED = 10_000  # late times that are counted out
_TICK = timedelta(microseconds=1)


class Missed(StrEnum):
    """What becomes of times at which nobody was working."""

    SKIP = "skip"
    RUN_LATEST = "run-latest"
    RUN_ALL = "run-all"


class Overlap(StrEnum):
    """What becomes of a time at which an earlier run is still at work. One that waits for people stands in nobody's way."""

    SKIP = "skip"
    QUEUE = "queue"
    REPLACE = "replace"


class Kind(StrEnum):
    ASK = "ask"
    DIGEST = "digest"  # the owner's digest, made without a run


class FiringState(StrEnum):
    QUEUED = "queued"
    STARTED = "started"  # its item is on the worklist
    DONE = "done"  # and every check held
    FAILED = "failed"
    SUPERSEDED = "superseded"  # a later run asks for exactly the same
    SKIPPED = "skipped"  # an earlier run was at work
    MISSED = "missed"  # nobody was working
    STOPPED = "stopped"  # the owner is gone


OPEN = frozenset({FiringState.QUEUED, FiringState.STARTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """`owner`: whose words, accounts and worklist. `unattended`: until when a run's questions and cards wait, and what stands
    then; None: as long as each of them does by itself. `next_at`: None while it is paused or when its rule has ended."""

    schedule_id: str
    name: str
    owner: str
    when: When
    request: str
    kind: Kind = Kind.ASK
    options: Mapping[str, Any] = field(default_factory=dict)  # as of a request: agent, workflow, model, budget, …
    priority: int = 100
    missed: Missed = Missed.RUN_LATEST
    overlap: Overlap = Overlap.SKIP
    grace: timedelta = GRACE
    unattended: Unattended | None = None
    expects: Sequence[Check] = ()
    reply_to: Mapping[str, Any] | None = None
    active: bool = True
    next_at: datetime | None = None
    created_at: datetime

    @property
    def state(self) -> str:
        return "paused" if not self.active else "active" if self.next_at is not None else "ended"

    @property
    def asks(self) -> timedelta | None:
        """How long after its start a run's questions and cards wait, where that is a span."""
        return self.unattended.span if self.unattended is not None else None

    def as_json(self) -> dict[str, Any]:
        return {
            "schedule_id": self.schedule_id,
            "name": self.name,
            "owner": self.owner,
            "when": self.when.text,
            "zone": self.when.zone,
            "rule": str(self.when),
            "request": self.request,
            "kind": self.kind.value,
            "options": dict(self.options),
            "priority": self.priority,
            "missed": self.missed.value,
            "overlap": self.overlap.value,
            "grace_s": int(self.grace.total_seconds()),
            "asks_wait_s": int(self.asks.total_seconds()) if self.asks is not None else None,
            "unattended": self.unattended.as_json() if self.unattended is not None else None,
            "expects": [str(one) for one in self.expects],
            "state": self.state,
            "next_at": self.next_at.isoformat() if self.next_at is not None else None,
            "created_at": self.created_at.isoformat(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """One time of a schedule, and what became of it. `at`: when it came by the rule; `started_at`: when its item was made."""

    schedule_id: str
    at: datetime
    state: FiringState
    item_id: str | None = None
    why: str = ""
    asks_until: datetime | None = None
    counts: Mapping[str, Any] | None = None  # what the run did, for the watch on later ones
    started_at: datetime | None = None
    settled_at: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "at": self.at.isoformat(),
            "state": self.state.value,
            "item_id": self.item_id,
            "why": self.why,
            "asks_until": self.asks_until.isoformat() if self.asks_until is not None else None,
            "started_at": self.started_at.isoformat() if self.started_at is not None else None,
            "settled_at": self.settled_at.isoformat() if self.settled_at is not None else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What a schedule whose time has come does now. `make_up` and `start` ascend; `dropped`: the latest of the late times that do
    not run; `dropped_count`: all of them, at most about `COUNTED`. `next_at`: when it comes next, None at its end."""

    make_up: Sequence[datetime]
    start: Sequence[datetime]
    dropped: Sequence[datetime]
    dropped_count: int
    next_at: datetime | None


def due(schedule: Schedule, now: datetime) -> Due:
    """Given that `schedule.next_at` has come."""
    assert schedule.next_at is not None
    late: deque[datetime] = deque(maxlen=MOST_AT_ONCE)
    count, coming = 0, None
    start: list[datetime] = []
    instants = schedule.when.after(schedule.next_at - _TICK)
    for instant in instants:
        if instant > now:
            coming = instant
            break
        if now - instant > schedule.grace:
            late.append(instant)
            count += 1
            if count == COUNTED:  # the rest is not counted out: go on with the last day
                instants = schedule.when.after(max(instant, now - timedelta(days=1)))
                late, count, start, coming = _last_day(instants, schedule, late, count, now)
                break
        else:
            start.append(instant)
    kept = _made_up(schedule.missed, late, start)
    dropped = [one for one in late if one not in kept] or ([schedule.next_at] if count > len(kept) else [])
    return Due(make_up=kept, start=start, dropped=dropped, dropped_count=count - len(kept), next_at=coming)


def _last_day(
    instants: Any, schedule: Schedule, late: deque[datetime], count: int, now: datetime
) -> tuple[deque[datetime], int, list[datetime], datetime | None]:
    start: list[datetime] = []
    for instant in instants:
        if instant > now:
            return late, count, start, instant
        if now - instant > schedule.grace:
            late.append(instant)
            count += 1
        else:
            start.append(instant)
    return late, count, start, None


def _made_up(missed: Missed, late: Sequence[datetime], start: Sequence[datetime]) -> list[datetime]:
    match missed:
        case Missed.SKIP:
            return []
        case Missed.RUN_LATEST:
            return [] if start else list(late)[-1:]
        case Missed.RUN_ALL:
            return list(late)


def key(schedule_id: str, at: datetime) -> str:
    """Of the request that a firing makes: whoever fires again meets the item that is there."""
    return f"schedule:{schedule_id}:{at.isoformat()}"


def preview(when: When, now: datetime, count: int) -> list[dict[str, str]]:
    """The next times, in UTC and on the wall of the schedule's zone, with a note at each change of the clocks."""
    from itertools import islice

    return recurrence.told(list(islice(when.after(now), count)), when.zone)
