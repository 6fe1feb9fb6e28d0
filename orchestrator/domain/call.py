"""One intention to use a tool, and every answer the gate can give to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from connectors.spec import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """`call_id` is unique in its run and derived from the step ("g0.invite", "g1.chase[2]"), so that a re-run meets its own effect."""

    call_id: str
    tool: str
    args: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """It happened (or was read); `result` is the tool's own answer, recorded."""

    result: Json
    effect_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Allowed and held back on the caller's wish: perform again without `hold` to send."""

    effect_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Parked on rows in `waits`; the run has to end its advance without this result."""

    wait_ids: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Policy, a person, an expiry or a budget said no. code: denied | approval_denied | approval_expired | over_budget | …"""

    code: str
    reason: str
    rules: Sequence[str] = ()
    near_miss: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A precondition of an approved effect no longer holds; nothing was sent. The run re-plans."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The provider refused, or was unreachable beyond retries; certainly nothing happened. Codes are `connectors.errors` codes."""

    code: str
    message: str
    fix: str = ""


CallOutcome: TypeAlias = Completed | Ready | Waiting | Refused | Broken | Failed
