"""What the worker asks of whoever advances an item, and what it gets back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from orchestrator.domain.outcome import RunOutcome
from orchestrator.store.lease import Claimed
from orchestrator.store.writer import Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class Advanced:
    """How an advance ended, with what was found out on the way. None: nothing new; what the item has stays."""

    outcome: RunOutcome
    receipt: Mapping[str, Any] | None = None
    route: str | None = None
    match: Mapping[str, Any] | None = None
    slots: Sequence[Mapping[str, Any]] | None = None


class Runner(Protocol):
    """Takes a claimed item as far as it can go.

    Writes only through `writer.put`, with verbs fenced by `claimed.lease`; every such write counts as progress for the hang
    watchdog. May be cancelled at any await (drain, hang); may run again on the same item after a crash, from what was recorded.
    """

    async def advance(self, claimed: Claimed, writer: Writer) -> Advanced: ...
