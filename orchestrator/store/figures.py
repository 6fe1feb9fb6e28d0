"""What charts are drawn from: ended runs, cards and the open worklist of a span of time, read in a few queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from orchestrator.store import visibility
from orchestrator.store.database import Tx
from orchestrator.store.items import FINAL_STATES
from orchestrator.store.tables import approvals, runs, worklist

A, U, W = approvals.c, runs.c, worklist.c
MOST = 20_000  # rows of each kind that are looked at, the newest first


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """One ended run. receipt: of this run alone."""

    run_id: str
    item_id: str
    workflow: str | None
    route: str | None
    state: str
    started_at: datetime
    finished_at: datetime
    receipt: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One card. `decided_at` None: still pending."""

    state: str
    created_at: datetime
    decided_at: datetime | None


def ended(tx: Tx, since: datetime, *, seen_by: str | None = None, limit: int = MOST) -> list[Ended]:
    """Runs that ended since then, the newest first."""
    stmt = sa.select(runs).where(U.tenant_id == tx.tenant_id, U.finished_at >= since)
    if seen_by is not None:
        stmt = stmt.where(visibility.item_is_seen(tx, U.item_id, seen_by))
    return [_ended(row) for row in tx.c.execute(stmt.order_by(U.finished_at.desc()).limit(limit))]


def latest(tx: Tx, each: int, *, seen_by: str | None = None) -> list[Ended]:
    """The last ended runs of every workflow, `each` at most, the newest first."""
    place = sa.func.row_number().over(partition_by=U.workflow, order_by=U.finished_at.desc())
    stmt = sa.select(runs, place.label("place")).where(
        U.tenant_id == tx.tenant_id, U.workflow.is_not(None), U.finished_at.is_not(None)
    )
    if seen_by is not None:
        stmt = stmt.where(visibility.item_is_seen(tx, U.item_id, seen_by))
    ranked = stmt.subquery()
    chosen = sa.select(ranked).where(ranked.c.place <= each).order_by(ranked.c.finished_at.desc())
    return [_ended(row) for row in tx.c.execute(chosen)]


def asked(tx: Tx, since: datetime, *, seen_by: str | None = None, limit: int = MOST) -> list[Asked]:
    """Cards made since then, the newest first."""
    stmt = sa.select(A.state, A.created_at, A.decided_at).where(A.tenant_id == tx.tenant_id, A.created_at >= since)
    if seen_by is not None:
        stmt = stmt.where(visibility.item_is_seen(tx, A.item_id, seen_by))
    rows = tx.c.execute(stmt.order_by(A.created_at.desc()).limit(limit))
    return [Asked(state=row.state, created_at=row.created_at, decided_at=row.decided_at) for row in rows]


def unfinished(tx: Tx, *, seen_by: str | None = None, limit: int = MOST) -> list[tuple[str, datetime]]:
    """(state, since when it is on the list) of what is open, the oldest first."""
    stmt = sa.select(W.state, W.created_at).where(W.tenant_id == tx.tenant_id, W.state.not_in(FINAL_STATES))
    if seen_by is not None:
        stmt = stmt.where(visibility.item_is_seen(tx, W.item_id, seen_by))
    rows: Sequence[Any] = tx.c.execute(stmt.order_by(W.created_at).limit(limit)).all()
    return [(row.state, row.created_at) for row in rows]


def _ended(row: Any) -> Ended:
    return Ended(
        run_id=row.run_id,
        item_id=row.item_id,
        workflow=row.workflow,
        route=row.route,
        state=row.state,
        started_at=row.started_at,
        finished_at=row.finished_at,
        receipt=row.receipt or {},
    )
