"""Credentials of connections as they rest: sealed before they come here, opened only after they left. Nothing here can read one.

One row per connection. `version` grows with every new sealing, so that whoever holds an opened copy knows when it is old.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from orchestrator.store.credential_tables import credentials
from orchestrator.store.database import Tx
from orchestrator.store.tables import connections

X = credentials.c
L = connections.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """Credentials nobody can read without the key `key_id`. `version` is 0 until they are stored."""

    key_id: str
    wrapped: bytes = field(repr=False)
    sealed: bytes = field(repr=False)
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What may be told of stored credentials."""

    connection_id: str
    key_id: str
    version: int
    issued_at: datetime


def put(tx: Tx, connection_id: str, sealed: Sealed, now: datetime) -> int:
    """Stores them in place of what was there; their version."""
    held = tx.c.scalar(
        sa.select(X.version).where(X.tenant_id == tx.tenant_id, X.connection_id == connection_id).with_for_update()
    )
    version = (held or 0) + 1
    tx.c.execute(sa.delete(credentials).where(X.tenant_id == tx.tenant_id, X.connection_id == connection_id))
    tx.c.execute(
        sa.insert(credentials).values(
            tenant_id=tx.tenant_id,
            connection_id=connection_id,
            version=version,
            key_id=sealed.key_id,
            wrapped=sealed.wrapped,
            sealed=sealed.sealed,
            issued_at=now,
        )
    )
    return version


def rewrap(tx: Tx, connection_id: str, sealed: Sealed) -> bool:
    """Stores the same credentials under another key; False when others were stored since `sealed.version`."""
    where = (X.tenant_id == tx.tenant_id, X.connection_id == connection_id, X.version == sealed.version)
    made = sa.update(credentials).where(*where).values(key_id=sealed.key_id, wrapped=sealed.wrapped)
    return tx.c.execute(made).rowcount == 1


_of = sa.select(X.version, X.key_id, X.wrapped, X.sealed).where(
    X.tenant_id == sa.bindparam("tenant"), X.connection_id == sa.bindparam("connection")
)
_in_use = _of.join_from(
    credentials, connections, (L.tenant_id == X.tenant_id) & (L.connection_id == X.connection_id)
).where(L.state == "active")


def in_use(tx: Tx, connection_id: str) -> Sealed | None:
    """The credentials of a connection that is active at this moment; None once it was taken back."""
    row = tx.c.execute(_in_use, {"tenant": tx.tenant_id, "connection": connection_id}).first()
    return None if row is None else Sealed(**row._mapping)


def get(tx: Tx, connection_id: str) -> Sealed | None:
    """The credentials of a connection in whatever state; None when it has none."""
    row = tx.c.execute(_of, {"tenant": tx.tenant_id, "connection": connection_id}).first()
    return None if row is None else Sealed(**row._mapping)


def kept(tx: Tx) -> list[Kept]:
    """Every connection that has some, by id; nothing of what they are."""
    rows = tx.c.execute(
        sa.select(X.connection_id, X.key_id, X.version, X.issued_at)
        .where(X.tenant_id == tx.tenant_id)
        .order_by(X.connection_id)
    )
    return [Kept(**row._mapping) for row in rows]


def forget(tx: Tx, connection_ids: Sequence[str]) -> None:
    """Takes them away for good."""
    tx.c.execute(sa.delete(credentials).where(X.tenant_id == tx.tenant_id, X.connection_id.in_(list(connection_ids))))
