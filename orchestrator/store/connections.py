"""Accounts at providers: one principal's own, or declared shared with a list. Credentials are not kept here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from orchestrator.errors import NotFound
from orchestrator.store.database import Tx
from orchestrator.store.tables import connections

X = connections.c
EVERYBODY = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """`state`: active | reconsent | revoked. `shared_with`: principal ids, or ("*",) for everybody."""

    connection_id: str
    connector: str
    owner: str
    subject: str
    families: tuple[str, ...]
    shared_with: tuple[str, ...] = ()
    state: str = "active"
    settings: Mapping[str, Any] = field(default_factory=dict)

    def serves(self, principal: str) -> bool:
        """Whether calls of this principal may use it."""
        return self.owner == principal or principal in self.shared_with or EVERYBODY in self.shared_with


def add(
    tx: Tx,
    *,
    connection_id: str,
    connector: str,
    owner: str,
    subject: str,
    families: Sequence[str],
    now: datetime,
    shared_with: Sequence[str] = (),
    state: str = "active",
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Records the connection; one with the same id is replaced."""
    fresh = {
        "connector": connector,
        "owner": owner,
        "subject": subject,
        "families": list(families),
        "shared_with": list(shared_with),
        "state": state,
        "settings": dict(settings or {}),
    }
    made = (postgresql.insert(connections) if tx.is_postgres else sqlite.insert(connections)).values(
        tenant_id=tx.tenant_id, connection_id=connection_id, created_at=now, **fresh
    )
    tx.c.execute(made.on_conflict_do_update(index_elements=[X.tenant_id, X.connection_id], set_=fresh))


def list_for(tx: Tx, principal: str) -> list[Connection]:
    """Every connection the principal may use, their own first."""
    found = [one for one in every(tx) if one.serves(principal)]
    return sorted(found, key=lambda one: (one.owner != principal, one.connection_id))


def find(tx: Tx, principal: str, family: str) -> Connection | None:
    """The principal's active connection for a family, their own before a shared one; None when there is none."""
    return next((one for one in list_for(tx, principal) if one.state == "active" and family in one.families), None)


def every(tx: Tx) -> list[Connection]:
    """All connections, by id."""
    rows = tx.c.execute(sa.select(connections).where(X.tenant_id == tx.tenant_id).order_by(X.connection_id))
    return [
        Connection(
            connection_id=row.connection_id,
            connector=row.connector,
            owner=row.owner,
            subject=row.subject,
            families=tuple(row.families),
            shared_with=tuple(row.shared_with),
            state=row.state,
            settings=row.settings,
        )
        for row in rows
    ]


def set_state(tx: Tx, connection_id: str, state: str) -> None:
    """Changes the state. Raises `NotFound`."""
    stmt = (
        sa.update(connections).where(X.tenant_id == tx.tenant_id, X.connection_id == connection_id).values(state=state)
    )
    if not tx.c.execute(stmt).rowcount:
        raise NotFound(f"there is no connection {connection_id!r}", fix="`deputy doctor` lists them")


def remove(tx: Tx, connection_ids: Sequence[str]) -> None:
    """Forgets connections; runs that need them park until there is another one."""
    tx.c.execute(sa.delete(connections).where(X.tenant_id == tx.tenant_id, X.connection_id.in_(list(connection_ids))))


def still_serves(tx: Tx, connection_id: str, principal: str) -> bool:
    """Whether a connection is active and usable by the principal at this very moment."""
    row = tx.c.execute(
        sa.select(X.owner, X.shared_with, X.state).where(X.tenant_id == tx.tenant_id, X.connection_id == connection_id)
    ).first()
    if row is None or row.state != "active":
        return False
    return bool(row.owner == principal or principal in row.shared_with or EVERYBODY in row.shared_with)
