"""A ledger entry: one side effect from intention to outcome, and the approval that may open the gate for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from connectors.spec import Json


class EffectState(StrEnum):
    INTENDED = "intended"  # decided Ask; a card waits
    APPROVED = "approved"  # a person approved, or policy allows and it is held back
    ATTEMPTED = "attempted"  # committed before the wire call
    DONE = "done"
    FAILED = "failed"  # certainly did not happen (refused, denied, voided)
    UNKNOWN = "unknown"  # a person has to look
    UNDONE = "undone"
    PREVIEW = "preview"


# What may follow what; every change is compare-and-set on the state before.
NEXT: Mapping[EffectState, frozenset[EffectState]] = {
    EffectState.INTENDED: frozenset({EffectState.APPROVED, EffectState.FAILED}),
    EffectState.APPROVED: frozenset(
        {EffectState.ATTEMPTED, EffectState.FAILED, EffectState.INTENDED, EffectState.DONE}  # done: met after a restore
    ),
    EffectState.ATTEMPTED: frozenset(
        {EffectState.DONE, EffectState.FAILED, EffectState.UNKNOWN, EffectState.ATTEMPTED}
    ),
    EffectState.UNKNOWN: frozenset({EffectState.DONE, EffectState.FAILED, EffectState.ATTEMPTED}),
    EffectState.DONE: frozenset({EffectState.UNDONE}),
    EffectState.FAILED: frozenset(),
    EffectState.UNDONE: frozenset(),
    EffectState.PREVIEW: frozenset(),
}
OPEN = frozenset({EffectState.INTENDED, EffectState.APPROVED, EffectState.ATTEMPTED, EffectState.UNKNOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    effect_id: str
    item_id: str
    run_id: str
    call_id: str
    tool: str
    args: Mapping[str, Any]  # after rewriting: exactly what goes on the wire
    args_digest: str  # "sha256:…" over tool and args
    connection_id: str
    key: str  # the provider's idempotency key
    state: EffectState
    decision: str  # allow | ask | deny
    rules: Sequence[str]
    reason: str
    bundle_digest: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    preview: str = ""  # one plain sentence written by code
    result: Json = None
    error: Mapping[str, str] | None = None
    epoch: int = 0
    attempted_at: datetime | None = None
    created_at: datetime | None = None
    finished_at: datetime | None = None


class ApprovalState(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    VOID = "void"  # replaced by another card, or its item ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A person's answer to one digest. Consumed by the attempt it opens; never used twice."""

    approval_id: str
    effect_id: str
    item_id: str
    digest: str
    state: ApprovalState
    eligible: Sequence[str]  # principal ids
    needed: int  # how many different eligible people must approve
    preconditions: Sequence[Mapping[str, Any]]  # {kind, args, text}
    card: Mapping[str, Any]  # written by code: title, lines, outside people, where identities came from, rule
    created_at: datetime
    expires_at: datetime
    decided_at: datetime | None = None
    decided_by: Sequence[str] = ()
    reason: str | None = None
    consumed_at: datetime | None = None
