"""What a worker knows of halts: it turns whole items away while everything is halted, and rings for model calls under way.

The gate's own commits read the halts themselves; this is what makes the rest stand still soon.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Sequence

from orchestrator import clock
from orchestrator.agents import interrupts
from orchestrator.domain.effect import EffectState
from orchestrator.domain.outcome import Parked
from orchestrator.engine.runner import Advanced
from orchestrator.store import halts
from orchestrator.store.halts import Halt
from orchestrator.store.lease import Claimed
from orchestrator.store.writer import Writer

IN_DOUBT = frozenset({EffectState.ATTEMPTED, EffectState.UNKNOWN})


class Halting:
    """One worker's view, as of its last look."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._known: frozenset[str] = frozenset()
        self._is_all = False
        self._bells: set[asyncio.Event] = set()

    def look(self, found: Sequence[Halt]) -> None:
        """Takes in the halts in force, and rings where there are new ones."""
        known = frozenset(one.halt_id for one in found)
        self._is_all = any(one.scope == "all" for one in found)
        if known - self._known:
            for bell in self._bells:
                bell.set()
        self._known = known

    def bell(self, context: contextvars.Context) -> asyncio.Event:
        """Hangs a bell into an advance's context; take it down with `unhang`."""
        bell = asyncio.Event()
        context.run(interrupts.bell.set, bell)
        self._bells.add(bell)
        return bell

    def unhang(self, bell: asyncio.Event) -> None:
        self._bells.discard(bell)

    async def turn_away(self, claimed: Claimed) -> Advanced | None:
        """A park for the item while everything is halted; None otherwise. What an attempt has left open is still looked up."""
        if not self._is_all or any(effect.state in IN_DOUBT for effect in claimed.effects):
            return None
        stopped = await self._writer.put(halts.stops, claimed.lease, clock.now())
        return Advanced(outcome=Parked()) if stopped else None
