"""Who may see news of items, for many items and people at once; and how far the open runs below an item have come."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from orchestrator.store import items
from orchestrator.store.database import Tx
from orchestrator.store.tables import approvals, runs, step_log, worklist

A, U, L, W = approvals.c, runs.c, step_log.c, worklist.c


@dataclass(frozen=True, slots=True)
class Audience:
    """people: the item's requester and whoever is on one of its cards, as `visibility.item_is_seen` has it."""

    root_id: str
    people: frozenset[str]


def of_items(tx: Tx, item_ids: Collection[str]) -> dict[str, Audience]:
    """Item id → its audience, of those that exist."""
    found: dict[str, tuple[str, set[str]]] = {}
    for part in items.slices(sorted(item_ids)):
        asked = sa.select(W.item_id, W.root_id, W.requester).where(W.tenant_id == tx.tenant_id, W.item_id.in_(part))
        for row in tx.c.execute(asked):
            found[row.item_id] = (row.root_id, {row.requester})
        cards = sa.select(A.item_id, A.eligible).where(A.tenant_id == tx.tenant_id, A.item_id.in_(part))
        for card in tx.c.execute(cards):
            if card.item_id in found:
                found[card.item_id][1].update(card.eligible)
    return {item_id: Audience(root_id, frozenset(people)) for item_id, (root_id, people) in found.items()}


def progress(tx: Tx, item_ids: Sequence[str]) -> dict[str, tuple[str, str, int]]:
    """Run id → (item id, root item id, last row of its log), of the open runs of these items, and in the trees below those that are roots."""
    found: dict[str, tuple[str, str, int]] = {}
    for part in items.slices(item_ids):
        last = (
            sa.select(sa.func.max(L.seq))
            .where(L.tenant_id == tx.tenant_id, L.run_id == U.run_id)
            .correlate(runs)
            .scalar_subquery()
        )
        stmt = (
            sa.select(U.run_id, U.item_id, W.root_id, last.label("seq"))
            .join_from(worklist, runs, sa.and_(U.tenant_id == W.tenant_id, U.item_id == W.item_id))
            .where(W.tenant_id == tx.tenant_id, sa.or_(W.root_id.in_(part), W.item_id.in_(part)), U.state == "open")
        )
        found |= {row.run_id: (row.item_id, row.root_id, int(row.seq or 0)) for row in tx.c.execute(stmt)}
    return found
