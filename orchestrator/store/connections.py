"""Accounts at providers: one principal's own, or declared shared with a list. Their credentials rest beside them, sealed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from orchestrator import clock
from orchestrator.domain.audit import AuditEvent
from orchestrator.domain.item import WaitKind
from orchestrator.errors import NotFound
from orchestrator.store import credentials, waits
from orchestrator.store.credential_tables import credentials as sealed
from orchestrator.store.database import Tx
from orchestrator.store.review_tables import reviews
from orchestrator.store.tables import connections

X = connections.c
EVERYBODY = "*"
MADE_UP = "office"  # the connector of the local office


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """`state`: active | reconsent | revoked. `shared_with`: principal ids, or ("*",) for everybody. `credentials`: version of the
    sealed ones, 0 where it has none. `reviewed`: digest of what was seen of its tools (`reviews`). `settings` are no secrets."""

    connection_id: str
    connector: str
    owner: str
    subject: str
    families: tuple[str, ...]
    shared_with: tuple[str, ...] = ()
    state: str = "active"
    settings: Mapping[str, Any] = field(default_factory=dict)
    credentials: int = 0
    reviewed: str = ""

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
    actor: str = "desk",
) -> None:
    """Records the connection; one with the same id is replaced. An active one wakes the items that wait for it."""
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
    before = tx.c.execute(
        sa.select(*(X[name] for name in fresh)).where(X.tenant_id == tx.tenant_id, X.connection_id == connection_id)
    ).first()
    tx.c.execute(made.on_conflict_do_update(index_elements=[X.tenant_id, X.connection_id], set_=fresh))
    if before is None or dict(before._mapping) != fresh:
        body = {name: fresh[name] for name in ("connector", "owner", "families", "shared_with", "state")}
        _audit(tx, "connection.added", connection_id, actor, now, body)
    if state == "active":
        _wake(tx, owner, families, shared_with, actor, now)


def list_for(tx: Tx, principal: str) -> list[Connection]:
    """Every connection the principal may use, their own first."""
    found = [one for one in every(tx) if one.serves(principal)]
    return sorted(found, key=lambda one: (one.owner != principal, one.connection_id))


def choose(known: Iterable[Connection], *, principal: str, family: str) -> Connection | None:
    """The principal's own active connection for a family, else a shared one that lists them, else None.

    Whoever has an account of their own never falls back to a shared one: a lapsed one waits for its owner. Likewise the local
    office, which is made up, steps back behind a real account of the same kind, in whatever state that is.
    """
    fitting = [c for c in known if family in c.families and c.serves(principal)]
    theirs = [c for c in fitting if c.owner == principal] or fitting
    real = [c for c in theirs if c.connector != MADE_UP]
    ready = (c for c in real or theirs if c.state == "active")
    return min(ready, key=lambda c: c.connection_id, default=None)


def find(tx: Tx, principal: str, family: str) -> Connection | None:
    """The connection that `choose` chooses now."""
    return choose(every(tx), principal=principal, family=family)


C = sealed.c
R = reviews.c
_every = (
    sa.select(connections, C.version, R.digest)
    .join_from(
        connections,
        sealed,
        (C.tenant_id == X.tenant_id) & (C.connection_id == X.connection_id),
        isouter=True,
    )
    .join(reviews, (R.tenant_id == X.tenant_id) & (R.connector == X.connector), isouter=True)
    .where(X.tenant_id == sa.bindparam("tenant"))
    .order_by(X.connection_id)
)


def every(tx: Tx) -> list[Connection]:
    """All connections, by id."""
    rows = tx.c.execute(_every, {"tenant": tx.tenant_id})
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
            credentials=row.version or 0,
            reviewed=row.digest or "",
        )
        for row in rows
    ]


def set_state(tx: Tx, connection_id: str, state: str, *, actor: str = "desk", now: datetime | None = None) -> None:
    """Changes the state; "active" wakes the items that wait for it, "revoked" takes the credentials away. Raises `NotFound`.

    `now`: by default the present.
    """
    stmt = (
        sa.update(connections).where(X.tenant_id == tx.tenant_id, X.connection_id == connection_id).values(state=state)
    )
    row = tx.c.execute(stmt.returning(X.owner, X.families, X.shared_with)).first()
    if row is None:
        raise NotFound(f"there is no connection {connection_id!r}", fix="`deputy doctor` lists them")
    at = now or clock.now()
    if state == "revoked":
        credentials.forget(tx, [connection_id])
    _audit(tx, "connection.changed", connection_id, actor, at, {"state": state})
    if state == "active":
        _wake(tx, row.owner, row.families, row.shared_with, actor, at)


def set_settings(tx: Tx, connection_id: str, settings: Mapping[str, Any]) -> None:
    """The same account, told of in other words: nobody is woken."""
    where = (X.tenant_id == tx.tenant_id, X.connection_id == connection_id)
    tx.c.execute(sa.update(connections).where(*where).values(settings=dict(settings)))


def remove(tx: Tx, connection_ids: Sequence[str], *, actor: str = "desk", now: datetime | None = None) -> None:
    """Forgets connections and their credentials; runs that need them park until there is another one. `now`: by default the present."""
    credentials.forget(tx, connection_ids)
    gone = sa.delete(connections).where(X.tenant_id == tx.tenant_id, X.connection_id.in_(list(connection_ids)))
    for connection_id in sorted(tx.c.scalars(gone.returning(X.connection_id))):
        _audit(tx, "connection.removed", connection_id, actor, now or clock.now(), {})


def still_serves(tx: Tx, connection_id: str, principal: str) -> bool:
    """Whether a connection is active and usable by the principal at this very moment."""
    row = tx.c.execute(
        sa.select(X.owner, X.shared_with, X.state).where(X.tenant_id == tx.tenant_id, X.connection_id == connection_id)
    ).first()
    if row is None or row.state != "active":
        return False
    return bool(row.owner == principal or principal in row.shared_with or EVERYBODY in row.shared_with)


def _wake(tx: Tx, owner: str, families: Sequence[str], shared_with: Sequence[str], actor: str, now: datetime) -> None:
    """Ends the waits for a connection that this one serves."""
    for wait in waits.list_open(tx, [WaitKind.RECONSENT], limit=None):
        waiting = wait.payload.get("principal")
        if wait.payload.get("family") not in (None, *families):
            continue
        if waiting == owner or waiting in shared_with or EVERYBODY in shared_with:
            waits.answer(tx, wait.item_id, wait.wait_id, "connected", actor, now)


def _audit(tx: Tx, kind: str, connection_id: str, actor: str, now: datetime, body: Mapping[str, Any]) -> None:
    tx.audit(AuditEvent(kind=kind, actor=actor, at=now.isoformat(), body={"connection_id": connection_id, **body}))
