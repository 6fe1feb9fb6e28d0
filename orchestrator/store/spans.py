"""Finished spans, kept so that a trace can be shown without a collector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from orchestrator.store import items
from orchestrator.store.database import Tx
from orchestrator.store.tables import spans

Z = spans.c


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanRow:
    """One finished span. `status`: ok | error | unset. Ids as hexadecimal text; derived, so that a re-run meets its own."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    started_at: datetime
    ended_at: datetime
    status: str = "unset"
    attributes: Mapping[str, Any] = field(default_factory=dict)
    links: Sequence[Mapping[str, Any]] = ()


def put_many(tx: Tx, rows: Sequence[SpanRow]) -> None:
    """Keeps spans; one that is there already stays as it is."""
    if not rows:
        return
    values = [
        {
            "tenant_id": tx.tenant_id,
            "trace_id": row.trace_id,
            "span_id": row.span_id,
            "parent_id": row.parent_id,
            "name": row.name,
            "started_at": row.started_at,
            "ended_at": row.ended_at,
            "status": row.status,
            "attributes": dict(row.attributes),
            "links": [dict(link) for link in row.links],
        }
        for row in rows
    ]
    tx.c.execute(items.insert_new(tx, spans), values)


def of_trace(tx: Tx, trace_id: str) -> list[SpanRow]:
    """Spans of a trace, by their beginning."""
    stmt = sa.select(spans).where(Z.tenant_id == tx.tenant_id, Z.trace_id == trace_id).order_by(Z.started_at, Z.span_id)
    return [
        SpanRow(
            trace_id=row.trace_id,
            span_id=row.span_id,
            parent_id=row.parent_id,
            name=row.name,
            started_at=row.started_at,
            ended_at=row.ended_at,
            status=row.status,
            attributes=row.attributes,
            links=row.links or (),
        )
        for row in tx.c.execute(stmt)
    ]
