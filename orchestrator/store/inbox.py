"""The inbox as lists show it: cards with what was asked and where the effect stands, in one query however many there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from orchestrator.domain.effect import ApprovalState
from orchestrator.store import visibility
from orchestrator.store.database import Tx
from orchestrator.store.tables import approvals, effects, worklist

A, E, W = approvals.c, effects.c, worklist.c
Mark = tuple[datetime, str]  # created_at and approval_id of the last row that was read


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One card. `card` as the gate wrote it."""

    approval_id: str
    item_id: str
    state: str
    digest: str
    created_at: datetime
    expires_at: datetime
    decided_at: datetime | None
    decided_by: Sequence[str]
    card: Mapping[str, Any]
    tool: str
    effect_state: str
    request: str
    requester: str


def _joined(tx: Tx, what: Sequence[sa.ColumnElement[Any]], states: Sequence[ApprovalState] | None) -> sa.Select[Any]:
    stmt = (
        sa.select(*what)
        .join(effects, sa.and_(E.tenant_id == A.tenant_id, E.effect_id == A.effect_id))
        .join(worklist, sa.and_(W.tenant_id == A.tenant_id, W.item_id == A.item_id))
        .where(A.tenant_id == tx.tenant_id)
    )
    return stmt if states is None else stmt.where(A.state.in_([state.value for state in states]))


def _seen(tx: Tx, stmt: sa.Select[Any], person: str | None) -> sa.Select[Any]:
    return stmt if person is None else stmt.where(sa.or_(W.requester == person, visibility.may_decide(tx, person)))


_SHOWN: tuple[sa.ColumnElement[Any], ...] = (
    A.approval_id, A.item_id, A.state, A.digest, A.created_at, A.expires_at, A.decided_at, A.decided_by, A.card,
    E.tool, E.state.label("effect_state"), W.request, W.requester,
)  # fmt: skip


def page(
    tx: Tx,
    states: Sequence[ApprovalState] | None,
    *,
    seen_by: str | None,
    limit: int,
    after: Mark | None = None,
    tool: str | None = None,
    newest_first: bool = False,
) -> list[Row]:
    """Cards in any of `states` (None: all), oldest first, behind `after`. `seen_by`: those this person may decide or has asked for."""
    stmt = _seen(tx, _joined(tx, _SHOWN, states), seen_by)
    if after is not None:
        behind = A.approval_id > after[1]
        stmt = stmt.where(sa.or_(A.created_at > after[0], sa.and_(A.created_at == after[0], behind)))
    if tool is not None:
        stmt = stmt.where(E.tool == tool)
    order = (A.created_at.desc(), A.approval_id) if newest_first else (A.created_at, A.approval_id)
    return [Row(**row._mapping) for row in tx.c.execute(stmt.order_by(*order).limit(limit))]


def count(tx: Tx, states: Sequence[ApprovalState], *, seen_by: str | None) -> int:
    """How many there are."""
    what = [sa.func.count()]
    if seen_by is None:
        plain = sa.select(*what).where(A.tenant_id == tx.tenant_id, A.state.in_([state.value for state in states]))
        return int(tx.c.execute(plain).scalar_one())
    return int(tx.c.execute(_seen(tx, _joined(tx, what, states), seen_by)).scalar_one())


def open_items(tx: Tx, *, seen_by: str | None) -> int:
    """Items that wait for a person's answer or repair: what the worklist's number says."""
    stmt = sa.select(sa.func.count()).where(W.tenant_id == tx.tenant_id, W.state.in_(("ready", "running", "waiting")))
    if seen_by is not None:
        stmt = stmt.where(visibility.item_is_seen(tx, W.item_id, seen_by))
    return int(tx.c.execute(stmt).scalar_one())
