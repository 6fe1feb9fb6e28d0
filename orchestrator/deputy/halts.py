"""The kill switch at the front desk: everything, one agent, or one connector; what is under way is told, and looked up."""

from __future__ import annotations

from typing import Any

from orchestrator import clock, ids
from orchestrator.domain import document as documents
from orchestrator.domain.effect import EffectState
from orchestrator.domain.principal import Principal
from orchestrator.errors import NotEligible, UsageError
from orchestrator.store import effects as effects_table
from orchestrator.store import halts as halts_table
from orchestrator.store.database import Store
from orchestrator.store.halts import Halt

MAY_HALT = frozenset({"admin", "operator"})


class Halts:
    """Halts, over one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def begin(
        self, who: Principal, *, agent: str | None = None, connector: str | None = None, reason: str = ""
    ) -> dict[str, Any]:
        """From now on no effect or model call of what it is about begins. Neither agent nor connector: everything.

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
        with self._store.tx() as tx:
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
