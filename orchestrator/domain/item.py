"""A worklist item: a wish with priority, due date, state and what it waits on; and the order items are served in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

DEFAULT_PRIORITY = 100
PRIORITY_STEP = timedelta(minutes=1)  # one point of priority is worth a minute of waiting, so nothing starves
DUE_WITHIN = (datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC))  # leaves room for every shift
PRIORITY_RANGE = range(-1_000_000, 1_000_001)


class State(StrEnum):
    READY = "ready"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    DENIED = "denied"
    NEEDS_MODEL = "needs_model"
    OVER_BUDGET = "over_budget"
    CANCELLED = "cancelled"


FINAL = frozenset({State.DONE, State.FAILED, State.DENIED, State.NEEDS_MODEL, State.OVER_BUDGET, State.CANCELLED})


class Origin(StrEnum):
    """Who speaks in `request`. Only `human` words are the user's own."""

    HUMAN = "human"
    AGENT = "agent"
    SCHEDULE = "schedule"
    TRIGGER = "trigger"


class WaitKind(StrEnum):
    APPROVAL = "approval"
    ANSWER = "answer"
    CHILD = "child"
    TIMER = "timer"
    RECONSENT = "reconsent"
    REPAIR = "repair"
    PAUSED = "paused"


def virtual_deadline(*, created_at: datetime, due_at: datetime | None, priority: int) -> datetime:
    """The instant an item is served by: its due date or creation, shifted by a minute for each point of priority.

    Stored once, so that ageing rewrites nothing: anything that keeps arriving later gets a later deadline, hence an item
    overtaken by urgent work is reached in bounded time. A due date further away than `DUE_WITHIN` counts as its nearer end.
    """
    base = created_at if due_at is None else min(max(due_at, DUE_WITHIN[0]), DUE_WITHIN[1])
    return base + (priority - DEFAULT_PRIORITY) * PRIORITY_STEP


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One row of the worklist as read; changed only by the store's verbs."""

    item_id: str
    tenant_id: str
    root_id: str  # the item at the top of this tree; itself for a root
    parent_id: str | None
    depth: int
    request: str
    requester: str  # principal id: the person's address
    origin: Origin
    state: State
    priority: int
    due_at: datetime | None
    deadline_at: datetime
    snooze_until: datetime | None  # set: not served before
    wake_at: datetime | None  # earliest timer of a waiting item
    claim_epoch: int
    wake_seq: int
    worker_id: str | None
    attempts: int  # recoveries after a lost worker; too many end in repair
    generation: int  # re-plans so far
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    idempotency_key: str | None
    reply_to: Mapping[str, Any] | None
    options: Mapping[str, Any] = field(
        default_factory=dict
    )  # workflow, no_match, input, approve_all, …: what the caller set
    route: str | None = None  # match | agent | workflow
    match: Mapping[str, Any] | None = None
    slots: Sequence[Mapping[str, Any]] = ()
    output: Mapping[str, Any] | None = None
    text: str | None = None
    error: Mapping[str, str] | None = None
    cancel_requested: bool = False
    paused: bool = False
    lost_since: datetime | None = None  # restored from a backup of that instant: what was done after it is not known
    legal_hold: str | None = None  # why nothing of it may be forgotten

    @property
    def is_final(self) -> bool:
        return self.state in FINAL
