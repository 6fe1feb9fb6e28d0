"""The kill switch at the front desk: everything, one agent, or one connector; what is under way is told, and looked up."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any

from orchestrator import clock, ids
from orchestrator.domain import document as documents
from orchestrator.domain.effect import EffectState
from orchestrator.domain.principal import Principal
from orchestrator.errors import NotEligible, NotFound, UsageError
from orchestrator.store import connections as connections_table
from orchestrator.store import effects as effects_table
from orchestrator.store import halts as halts_table
from orchestrator.store.database import Store, Tx
from orchestrator.store.halts import Halt

MAY_HALT = frozenset({"admin", "operator"})
SERVERS = "mcp"  # the kind of tool servers; each is connected, and halted, under a name of its own


class Halts:
    """Halts, over one store. `agents`: the names of predefined agents as of now."""

    def __init__(self, store: Store, agents: Callable[[], Iterable[str]] = tuple) -> None:
        self._store = store
        self._agents = agents

    def begin(
        self, who: Principal, *, agent: str | None = None, connector: str | None = None, reason: str = ""
    ) -> dict[str, Any]:
        """From now on no effect or model call of what it is about begins. Neither agent nor connector: everything.

        Raises NotFound for a name of nothing: a misspelt halt must not look like one.

        The halt, with `in_flight`: effects that were under way; each ends, or is looked up, as if nothing had been said.
        """
        _may(who)
        if agent and connector:
            raise UsageError("an agent or a connector, not both", fix="halt each by itself")
        now = clock.now()
        scope, name = ("agent", agent) if agent else ("connector", connector) if connector else ("all", "")
        halt = Halt(
            halt_id=ids.derived("halt", who.principal_id, scope, name or "", now.isoformat()),
            scope=scope,
            name=name or "",
            reason=reason.strip()[:500],
            halted_by=who.principal_id,
            halted_at=now,
        )
        agents = frozenset(self._agents()) if agent else frozenset()
        with self._store.tx() as tx:
            _is_there(tx, halt, agents)
            halts_table.begin(tx, halt)
            under_way = effects_table.in_state(tx, [EffectState.ATTEMPTED, EffectState.UNKNOWN])
        return _told(halt) | {
            "in_flight": [documents.effect_entry(one) | {"item_id": one.item_id} for one in under_way]
        }

    def lift(self, who: Principal, halt_id: str | None = None) -> list[dict[str, Any]]:
        """One halt, or all of them; each with the items that go on."""
        _may(who)
        if not who.is_human:
            raise NotEligible("a program may halt, not lift", fix="a person lifts it")
        told = []
        with self._store.tx() as tx:
            for one in [halt_id] if halt_id else [halt.halt_id for halt in halts_table.in_force(tx)]:
                halt, freed = halts_table.lift(tx, one, who.principal_id, clock.now())
                told.append(_told(halt) | {"items": list(freed)})
        return told

    def all(self) -> list[dict[str, Any]]:
        """Those in force, oldest first. Everybody may know why their work stands still."""
        with self._store.read() as tx:
            return [_told(halt) for halt in halts_table.in_force(tx)]


def _may(who: Principal) -> None:
    if not who.roles & MAY_HALT:
        raise NotEligible("only an operator or an admin may halt work", fix="pause your own: deputy run pause ITEM")


def _is_there(tx: Tx, halt: Halt, agents: Iterable[str]) -> None:
    """Raises NotFound, with the nearest name, unless the halt's name is an agent's or a connector's."""
    if halt.scope == "all":
        return
    if halt.scope == "agent":
        known = {*agents, *halts_table.agents_under_way(tx)}
    else:
        from connectors import registry

        connected = {one.connector for one in connections_table.every(tx)}
        known = {*registry.installed(), *connected} - ({SERVERS} - connected)
    if halt.name in known:
        return
    near = difflib.get_close_matches(halt.name, sorted(known), n=1, cutoff=0.6)
    raise NotFound(
        f"there is no {halt.scope} {halt.name!r}: nothing was halted",
        fix=f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(known)) or 'none'}",
    )


def _told(halt: Halt) -> dict[str, Any]:
    return {
        "halt_id": halt.halt_id,
        "scope": halt.scope,
        "name": halt.name,
        "reason": halt.reason,
        "by": halt.halted_by,
        "at": halt.halted_at.isoformat(),
        "text": str(halt),
    }
