"""Thumbs at the front desk: what people thought of an answer, kept for those who learn from it."""

from __future__ import annotations

from typing import Any

from orchestrator import clock
from orchestrator.deputy.roles import a_person
from orchestrator.deputy.views import audited, visible
from orchestrator.domain.principal import Principal
from orchestrator.errors import Conflict
from orchestrator.store import feedback as table
from orchestrator.store.database import Store


class Feedback:
    """Over one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def give(self, who: Principal, item_id: str, *, is_good: bool, door: str) -> None:
        """A person's thumb on an item that they may see and that has ended; given again, the later one counts."""
        a_person(who)
        now = clock.now()
        with self._store.tx() as tx:
            if not visible(tx, who, item_id).is_final:
                raise Conflict(f"{item_id} has not ended yet", fix="wait for the answer")
            table.put(tx, item_id, who.principal_id, is_good=is_good, door=door, now=now)
            audited(tx, who, "feedback.given", now, {"is_good": is_good, "door": door}, item_id=item_id)

    def of_item(self, who: Principal, item_id: str) -> list[dict[str, Any]]:
        with self._store.read() as tx:
            visible(tx, who, item_id)
            return table.of_item(tx, item_id)
