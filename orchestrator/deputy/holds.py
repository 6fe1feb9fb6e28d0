"""Legal holds at the front desk: what one is on is not forgotten, however old it gets."""

from __future__ import annotations

from typing import Any

from orchestrator import clock
from orchestrator.domain.principal import Principal
from orchestrator.errors import NotEligible, UsageError
from orchestrator.store import retention
from orchestrator.store.database import Store

MAY_HOLD = frozenset({"admin", "auditor"})


class Holds:
    """Holds, over one store. For admins and auditors, people only."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def begin(self, who: Principal, item_id: str, why: str) -> dict[str, Any]:
        """Keeps the whole tree of the item. Raises NotFound."""
        _may(who)
        if not why.strip():
            raise UsageError("a hold needs its reason", fix="say why, e.g. the case it is for")
        return self._set(who, item_id, why.strip()[:500])

    def lift(self, who: Principal, item_id: str) -> dict[str, Any]:
        """From here on its records have their time like all others."""
        _may(who)
        return self._set(who, item_id, None)

    def all(self, who: Principal) -> list[dict[str, Any]]:
        """Every hold, by item."""
        _may(who)
        with self._store.read() as tx:
            return [{"item_id": item_id, "why": why} for item_id, why in retention.holds(tx)]

    def _set(self, who: Principal, item_id: str, why: str | None) -> dict[str, Any]:
        with self._store.tx() as tx:
            root = retention.hold(tx, item_id, why, actor=who.principal_id, now=clock.now())
        return {"item_id": root, "why": why}


def _may(who: Principal) -> None:
    if not who.roles & MAY_HOLD:
        raise NotEligible("only an admin or an auditor may hold records", fix="ask one of them")
    if not who.is_human:
        raise NotEligible("a program may not hold or free records", fix="a person does it")
