"""Standing orders at the front desk: what new records in a person's accounts ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from connectors.families import record_fields
from orchestrator import clock, ids
from orchestrator.deputy.views import allowed
from orchestrator.domain import trigger as trigger_rules
from orchestrator.domain.item import DEFAULT_PRIORITY
from orchestrator.domain.principal import Principal
from orchestrator.domain.trigger import Trigger
from orchestrator.errors import NotEligible, NotFound, UsageError
from orchestrator.store import connections as connections_table
from orchestrator.store import triggers as triggers_table
from orchestrator.store.database import Store


class Triggers:
    """Each person's own triggers, over one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(
        self,
        who: Principal,
        name: str,
        *,
        on: str,
        request: str,
        where: Sequence[str] = (),
        connection: str | None = None,
        options: Mapping[str, Any] | None = None,
        priority: int = DEFAULT_PRIORITY,
        own: bool = False,
    ) -> dict[str, Any]:
        """A standing order of the person's own: each new record of a family that meets every condition asks `request`.

        Only a person gives one. It begins with what is new from now on.
        """
        if not who.is_human:
            raise NotEligible("only a person gives standing orders", fix="ask somebody to add it")
        allowed(who, "submit")
        if on not in trigger_rules.FAMILIES:
            raise UsageError(f"{on!r} cannot be followed", fix=f"one of: {', '.join(trigger_rules.FAMILIES)}")
        if len(where) > trigger_rules.MOST_CONDITIONS:
            raise UsageError(f"{len(where)} conditions", fix=f"at most {trigger_rules.MOST_CONDITIONS}")
        fields, now = record_fields(on), clock.now()
        label = name.strip()
        if not label or len(label) > 80:
            raise UsageError("a trigger needs a name of at most 80 characters", fix="e.g. invoices")
        made = Trigger(
            trigger_id=ids.derived("trg", who.principal_id, label, now.isoformat()),
            name=label,
            owner=who.principal_id,
            family=on,
            request=trigger_rules.check_request(request, fields),
            conditions=tuple(trigger_rules.condition(one, fields) for one in where),
            connection_id=connection,
            options=dict(options or {}),
            priority=priority,
            own=own,
            created_at=now,
        )
        with self._store.tx() as tx:
            usable = [c.connection_id for c in connections_table.list_for(tx, who.principal_id) if on in c.families]
            if connection is not None and connection not in usable:
                fix = f"one of: {', '.join(usable)}" if usable else "connect one: deputy connect"
                raise NotFound(f"you have no connection {connection!r} for {on}", fix=fix)
            triggers_table.add(tx, made)
        return made.as_json()

    def all(self, who: Principal) -> list[dict[str, Any]]:
        """The person's own, each with the number of requests it has made."""
        with self._store.read() as tx:
            return [one.as_json() | {"asked": n} for one, n in triggers_table.every(tx, owner=who.principal_id)]

    def followed(self, who: Principal) -> list[dict[str, Any]]:
        """Accounts that are read for triggers: when last, and why not. Of those that this principal's requests may use."""
        with self._store.read() as tx:
            known = connections_table.every(tx)
            theirs = {one.connection_id for one in known if who.sees_all or one.serves(who.principal_id)}
            return [
                {
                    "connection": one.connection_id,
                    "on": one.family,
                    "read_at": one.read_at.isoformat() if one.read_at else None,
                    "error": one.error,
                }
                for one in triggers_table.states(tx)
                if one.connection_id in theirs
            ]

    def change(self, who: Principal, name: str, change: Literal["pause", "resume", "remove"]) -> dict[str, Any]:
        """By name or id."""
        allowed(who, "submit")
        with self._store.tx() as tx:
            found, now = triggers_table.named(tx, who.principal_id, name), clock.now()
            if change == "remove":
                triggers_table.remove(tx, found, now)
            else:
                triggers_table.set_active(tx, found, change == "resume", now)
        return replace(found, active=change == "resume" if change != "remove" else found.active).as_json()
