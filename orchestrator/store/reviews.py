"""What was seen of each tool server, one row per server: every worker and desk on this database uses these tools and no others.

What a description says is the connector's affair (`connectors.mcp.descriptions`). A row outlives its connection when only a
file stopped naming it: a server that comes back is not new. `forget` is for a person who takes it away.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from orchestrator.domain.audit import AuditEvent
from orchestrator.store.database import Tx
from orchestrator.store.review_tables import reviews

X = reviews.c


def put(tx: Tx, connector: str, description: Mapping[str, Any], *, actor: str, now: datetime) -> None:
    """A person has looked: this holds from now on."""
    fresh = {"digest": digest(description), "seen_at": now, "description": dict(description)}
    made = _insert(tx).values(tenant_id=tx.tenant_id, connector=connector, **fresh)
    tx.c.execute(made.on_conflict_do_update(index_elements=[X.tenant_id, X.connector], set_=fresh))
    _audit(tx, connector, description, actor, now)


def put_first(tx: Tx, connector: str, description: Mapping[str, Any], *, actor: str, now: datetime) -> Any:
    """Keeps it where nothing is kept yet; the description that holds. Of several hosts the first one wins."""
    made = _insert(tx).values(
        tenant_id=tx.tenant_id,
        connector=connector,
        digest=digest(description),
        seen_at=now,
        description=dict(description),
    )
    if tx.c.execute(made.on_conflict_do_nothing().returning(X.connector)).first() is not None:
        _audit(tx, connector, description, actor, now)
    return get(tx, connector)


def get(tx: Tx, connector: str) -> Any:
    """The description that holds; None where nothing was seen yet."""
    return tx.c.scalar(sa.select(X.description).where(X.tenant_id == tx.tenant_id, X.connector == connector))


def forget(tx: Tx, connector: str) -> None:
    """Whoever connects a server of this name looks at all of it."""
    tx.c.execute(sa.delete(reviews).where(X.tenant_id == tx.tenant_id, X.connector == connector))


def digest(description: Mapping[str, Any]) -> str:
    """Of a whole description, so that whoever built something from one knows when it is old."""
    text = json.dumps(description, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _insert(tx: Tx) -> Any:
    return postgresql.insert(reviews) if tx.is_postgres else sqlite.insert(reviews)


def _audit(tx: Tx, connector: str, description: Mapping[str, Any], actor: str, now: datetime) -> None:
    body = {
        "connector": connector,
        "digest": digest(description),
        "tools": len(description.get("tools", ())),
        "reviewed": description.get("is_reviewed") is True,
    }
    tx.audit(AuditEvent(kind="connection.described", actor=actor, at=now.isoformat(), body=body))
