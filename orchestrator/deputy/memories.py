"""Facts that Deputy keeps about people, teams and workflows, as the front desk reads and changes them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from orchestrator import clock
from orchestrator.deputy.views import allowed, reader_of
from orchestrator.domain import document as documents
from orchestrator.domain.audit import AuditEvent
from orchestrator.domain.principal import Principal
from orchestrator.errors import UsageError
from orchestrator.store import memories as memories_table
from orchestrator.store.database import Store


class Memories:
    """Facts, over one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(
        self, who: Principal, *, scope: str | None = None, limit: int = 200, after: str | None = None
    ) -> list[dict[str, Any]]:
        """Facts that this principal may read, newest first. Another person's facts are nobody else's, admins included."""
        with self._store.read() as tx:
            found = memories_table.list_for(tx, reader_of(tx, who), clock.now(), scope=scope, limit=limit, after=after)
            return [documents.memory_entry(fact) for fact in found]

    def one(self, who: Principal, memory_id: str) -> dict[str, Any]:
        with self._store.read() as tx:
            return documents.memory_entry(memories_table.get(tx, memory_id, reader_of(tx, who), clock.now()))

    def add(
        self,
        who: Principal,
        text: str,
        *,
        scope: str = "person",
        workflow: str | None = None,
        expires_at: datetime | None = None,
    ) -> dict[str, Any]:
        """The fact: of the principal, of their team, or of `workflow`, where an admin's is read by everybody who runs it."""
        allowed(who, "submit")
        now = clock.now()
        with self._store.tx() as tx:
            reader = reader_of(tx, who)
            owners = {"person": reader.person, "team": reader.team, "workflow": workflow or ""}
            if scope not in owners:
                raise UsageError(f"a person cannot add a {scope!r} fact", fix=f"use one of: {', '.join(owners)}")
            if scope == "team" and not reader.team:
                raise UsageError(f"{who.name} is in no team of the directory", fix="keep it as a fact of the person")
            memory_id = memories_table.add(
                tx,
                scope=scope,
                owner=owners[scope],
                text=text,
                source={"kind": "person", "ref": "", "by": who.principal_id},
                created_by=who.principal_id,
                now=now,
                expires_at=expires_at,
                is_shared=scope == "workflow" and reader.is_admin,
            )
            fact = memories_table.get(tx, memory_id, reader, now)
            tx.audit(_event("memory.added", who, fact, now))
            return documents.memory_entry(fact)

    def edit(self, who: Principal, memory_id: str, text: str) -> dict[str, Any]:
        """The fact with other words, which are this principal's own now. NotFound for what they may not read."""
        allowed(who, "submit")
        now, source = clock.now(), {"kind": "person", "ref": "", "by": who.principal_id}
        with self._store.tx() as tx:
            fact = memories_table.edit(tx, memory_id, reader_of(tx, who), now, text=text, source=source)
            tx.audit(_event("memory.edited", who, fact, now))
            return documents.memory_entry(fact)

    def forget(self, who: Principal, memory_id: str) -> dict[str, Any]:
        """The fact as it was; it is gone. NotFound for what they may not read."""
        allowed(who, "submit")
        now = clock.now()
        with self._store.tx() as tx:
            fact = memories_table.forget(tx, memory_id, reader_of(tx, who), now)
            tx.audit(_event("memory.forgotten", who, fact, now))
            return documents.memory_entry(fact)


def _event(kind: str, who: Principal, fact: memories_table.Memory, now: datetime) -> AuditEvent:
    """Says that, by whom and of which scope; never what."""
    body = {"memory_id": fact.memory_id, "scope": fact.scope.value}
    return AuditEvent(kind=kind, actor=who.principal_id, at=now.isoformat(), body=body)
