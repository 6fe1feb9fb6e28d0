"""The watch on one scheduled run: counts what it has done so far and says, before each call, how that leaves its history.

A fact for the gate, never a decision. Effects are counted in the order in which they were first wanted, so that one that was let
pass stays let pass when it is looked at again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.domain import watch
from orchestrator.domain.call import ToolCall
from orchestrator.domain.effect import Effect, EffectState
from orchestrator.domain.person import Person
from orchestrator.domain.watch import Counts
from orchestrator.store.habits import Order


@dataclass(slots=True, kw_only=True)
class Watching:
    """`effects` and `reads` are the gate's own, and grow as it works."""

    order: Order
    effects: Mapping[str, Effect]
    reads: Mapping[str, Any]
    people: Mapping[str, Person]

    def unusual(self, call: ToolCall) -> str:
        """One sentence; empty where the run keeps to its habits, or has none yet."""
        known = self.effects.get(call.call_id)
        mine = None if known is None else known.created_at
        earlier = [
            effect
            for effect in self.effects.values()
            if effect.call_id != call.call_id
            and effect.state is not EffectState.FAILED
            and (mine is None or (effect.created_at is not None and effect.created_at < mine))
        ]
        before = self.order.before
        tools = dict(before.tools)
        for tool in (*(effect.tool for effect in earlier), call.tool):
            tools[tool] = tools.get(tool, 0) + 1
        named = watch.outside([*(effect.args for effect in earlier), call.args], self._is_inside)
        so_far = Counts(tools=tools, outside=before.outside + len(named), reads=before.reads + len(self.reads))
        return watch.odd(so_far, self.order.history)

    def _is_inside(self, address: str) -> bool:
        person = self.people.get(address)
        if person is not None:
            return person.inside
        domain = address.partition("@")[2]
        return any(one.inside and one.address.partition("@")[2] == domain for one in self.people.values())
