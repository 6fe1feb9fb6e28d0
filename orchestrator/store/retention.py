"""What may be forgotten: bulky records of settled items after their time. Items, effects and approvals stay; the audit chain always."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from orchestrator.store.agent_tables import budgets, memories, packets
from orchestrator.store.database import Tx
from orchestrator.store.items import W
from orchestrator.store.tables import messages, outbox, runs, spans, step_log, waits, worklist


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How long each class of record is kept after its item settled (spans and outbox: after they were made). None: for ever."""

    step_log: timedelta | None = timedelta(days=90)
    waits: timedelta | None = timedelta(days=90)
    messages: timedelta | None = timedelta(days=365)
    spans: timedelta | None = timedelta(days=30)
    outbox: timedelta | None = timedelta(days=30)
    packets: timedelta | None = timedelta(days=90)
    budgets: timedelta | None = timedelta(days=365)
    memories: timedelta | None = timedelta(days=90)  # after they expired; those of a run after its root settled


def sweep(tx: Tx, now: datetime, policy: Policy) -> dict[str, int]:
    """Rows deleted per class."""
    counts: dict[str, int] = {}
    if policy.step_log is not None:
        r = runs.c
        old = (
            sa.select(r.run_id)
            .join(worklist, sa.and_(W.tenant_id == r.tenant_id, W.item_id == r.item_id))
            .where(W.tenant_id == tx.tenant_id, W.finished_at < now - policy.step_log)
        )
        stmt = sa.delete(step_log).where(step_log.c.tenant_id == tx.tenant_id, step_log.c.run_id.in_(old))
        counts["step_log"] = tx.c.execute(stmt).rowcount
    of_items = (
        (waits, policy.waits),
        (messages, policy.messages),
        (packets, policy.packets),
        (budgets, policy.budgets),
    )
    for table, keep in of_items:
        if keep is not None:
            settled = sa.select(W.item_id).where(W.tenant_id == tx.tenant_id, W.finished_at < now - keep)
            gone = sa.delete(table).where(table.c.tenant_id == tx.tenant_id, table.c.item_id.in_(settled))
            counts[table.name] = tx.c.execute(gone).rowcount
    if policy.memories is not None:
        m = memories.c
        over = sa.select(W.item_id).where(W.tenant_id == tx.tenant_id, W.finished_at < now - policy.memories)
        forgotten = sa.or_(m.expires_at < now - policy.memories, sa.and_(m.scope == "run", m.owner.in_(over)))
        counts["memories"] = tx.c.execute(sa.delete(memories).where(m.tenant_id == tx.tenant_id, forgotten)).rowcount
    for table, keep, made in ((spans, policy.spans, spans.c.ended_at), (outbox, policy.outbox, outbox.c.created_at)):
        if keep is not None:
            gone = sa.delete(table).where(table.c.tenant_id == tx.tenant_id, made < now - keep)
            counts[table.name] = tx.c.execute(gone).rowcount
    return counts
