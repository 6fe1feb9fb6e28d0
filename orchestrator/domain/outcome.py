"""How an advance of a run ends. The engine settles the item by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Finished: `text` for people, `output` for programs."""

    text: str
    output: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """Open rows in `waits` say what for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Ended without success. state: failed | denied | needs_model | over_budget | cancelled; text may hold a partial result."""

    state: str
    code: str
    message: str
    fix: str = ""
    text: str | None = None
    output: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replan:
    """What had been approved no longer fits the world: start the next generation, keeping done effects as facts."""

    reason: str
    by_person: bool = False  # somebody changed their mind: not a world that moves under every plan


RunOutcome: TypeAlias = Done | Parked | Ended | Replan
