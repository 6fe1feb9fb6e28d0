"""What may be forgotten: records of settled items after their time, class by class. What a legal hold is on stays, whatever its age.

Items, effects and approvals stay as rows, so that what was done and by whose leave can be told; of the class `texts` their words go.
The audit chain is cut only at its old end, where the hash that verification begins behind is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from orchestrator import ids
from orchestrator.domain.audit import AuditEvent
from orchestrator.errors import NotFound
from orchestrator.store import audit as chain
from orchestrator.store import items
from orchestrator.store.agent_tables import budgets, memories, packets
from orchestrator.store.database import Tx
from orchestrator.store.items import W
from orchestrator.store.tables import (
    approvals,
    audit,
    effects,
    messages,
    outbox,
    runs,
    spans,
    step_log,
    waits,
    worklist,
)

PORTION = 500  # of a class at a time
AUDIT_PORTION = 5000
FORGOTTEN = "(forgotten)"  # where a request's words were
R = worklist.alias("root")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How long each class of record is kept after its item settled (outbox, audit: after it was made). None: for ever."""

    step_log: timedelta | None = timedelta(days=90)
    waits: timedelta | None = timedelta(days=90)
    messages: timedelta | None = timedelta(days=365)
    spans: timedelta | None = timedelta(days=30)
    outbox: timedelta | None = timedelta(days=30)
    packets: timedelta | None = timedelta(days=90)
    budgets: timedelta | None = timedelta(days=365)
    memories: timedelta | None = timedelta(days=90)  # after they expired; those of a run after its root settled
    texts: timedelta | None = None  # words of requests, answers and effects, once the whole tree has ended
    audit: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Keys of what has had its time. audit_before: the chain may be cut up to there."""

    keys: dict[str, list[Any]] = field(default_factory=dict)
    audit_before: datetime | None = None

    def __bool__(self) -> bool:
        return any(self.keys.values()) or self.audit_before is not None


def sweep(tx: Tx, now: datetime, policy: Policy) -> dict[str, int]:
    """Rows forgotten per class, all at once: for a store at rest. A worker uses `find` and `forget`."""
    found = find(tx, now, policy, None)
    return dict.fromkeys(found.keys, 0) | forget(tx, found, now)


def find(tx: Tx, now: datetime, policy: Policy, most: int | None) -> Found:
    """What has had its time, at most so many of each class; reads only."""
    held = _held(tx)
    keys: dict[str, list[Any]] = {}
    if policy.step_log is not None:
        r = runs.c
        has_rows = sa.exists().where(step_log.c.tenant_id == r.tenant_id, step_log.c.run_id == r.run_id)
        stmt = sa.select(r.run_id).join(worklist, sa.and_(W.tenant_id == r.tenant_id, W.item_id == r.item_id))
        stmt = stmt.where(*_settled(tx, now - policy.step_log, held), has_rows).order_by(r.run_id).limit(most)
        keys["step_log"] = list(tx.c.scalars(stmt))
    for table in (waits, messages, packets, budgets):
        keep: timedelta | None = getattr(policy, table.name)
        if keep is not None:
            has_rows = sa.exists().where(table.c.tenant_id == W.tenant_id, table.c.item_id == W.item_id)
            of_items = sa.select(W.item_id).where(*_settled(tx, now - keep, held), has_rows)
            keys[table.name] = list(tx.c.scalars(of_items.order_by(W.finished_at, W.item_id).limit(most)))
    if policy.memories is not None:
        m = memories.c
        over = sa.select(W.item_id).where(*_settled(tx, now - policy.memories, held))
        own_time = sa.and_(m.scope != "run", m.expires_at < now - policy.memories)
        gone = sa.or_(
            own_time, sa.and_(m.scope == "run", sa.or_(m.owner.in_(over), _expired_unheld(now, policy, held)))
        )
        stmt = sa.select(m.memory_id).where(m.tenant_id == tx.tenant_id, gone)
        keys["memories"] = list(tx.c.scalars(stmt.order_by(m.memory_id).limit(most)))
    if policy.spans is not None:
        s = spans.c
        kept = [ids.trace_id(root) for root in held]
        stmt = sa.select(s.trace_id, s.span_id).where(s.tenant_id == tx.tenant_id, s.ended_at < now - policy.spans)
        stmt = stmt.where(s.trace_id.not_in(kept)) if kept else stmt
        keys["spans"] = [tuple(row) for row in tx.c.execute(stmt.order_by(s.trace_id, s.span_id).limit(most))]
    if policy.outbox is not None:
        n = outbox.c
        told = sa.or_(n.address.is_(None), n.delivered_at.is_not(None))
        stmt = sa.select(n.outbox_id).where(n.tenant_id == tx.tenant_id, n.created_at < now - policy.outbox, told)
        if held:
            kept_items = sa.select(W.item_id).where(W.tenant_id == tx.tenant_id, W.root_id.in_(held))
            stmt = stmt.where(n.item_id.not_in(kept_items))
        keys["outbox"] = list(tx.c.scalars(stmt.order_by(n.outbox_id).limit(most)))
    if policy.texts is not None:
        whole = sa.and_(R.c.tenant_id == W.tenant_id, R.c.item_id == W.root_id, R.c.finished_at < now - policy.texts)
        stmt = (
            sa.select(W.item_id).join(R, whole).where(*_settled(tx, now - policy.texts, held), W.request != FORGOTTEN)
        )
        keys["texts"] = list(tx.c.scalars(stmt.order_by(W.finished_at, W.item_id).limit(most)))
    return Found(keys=keys, audit_before=_cut(tx, now, policy, held))


def forget(tx: Tx, found: Found, now: datetime) -> dict[str, int]:
    """Rows forgotten per class. What was put under a hold since it was found is spared."""
    held = _held(tx)
    counts: dict[str, int] = {}
    if held:
        again = {name: _unheld(tx, name, keys, held) for name, keys in found.keys.items()}
        found = Found(keys=again, audit_before=found.audit_before if _cut_is_free(tx, found, held) else None)
    plain = {"step_log": step_log.c.run_id, "memories": memories.c.memory_id, "outbox": outbox.c.outbox_id}
    plain |= {table.name: table.c.item_id for table in (waits, messages, packets, budgets)}
    for name, keys in found.keys.items():
        count = 0
        for start in range(0, len(keys), items.SLICE):
            part = keys[start : start + items.SLICE]
            if name == "texts":
                count += _blank(tx, part)
            elif name == "spans":
                pair = sa.tuple_(spans.c.trace_id, spans.c.span_id)
                count += tx.c.execute(
                    sa.delete(spans).where(spans.c.tenant_id == tx.tenant_id, pair.in_(part))
                ).rowcount
            else:
                column = plain[name]
                stmt = sa.delete(column.table).where(column.table.c.tenant_id == tx.tenant_id, column.in_(part))
                count += tx.c.execute(stmt).rowcount
        if count:
            counts[name] = count
    if found.audit_before is not None:
        cut = chain.prune(tx, found.audit_before, actor="retention", now=now, most=AUDIT_PORTION)
        if cut:
            counts["audit"] = cut
    return counts


# ---- legal holds -----------------------------------------------------------------------------------------------------
def hold(tx: Tx, item_id: str, why: str | None, *, actor: str, now: datetime) -> str:
    """Keeps everything of the item's whole tree from being forgotten, or, with None, no longer. The root's id."""
    row = items.row(tx, item_id)
    mine = (W.tenant_id == tx.tenant_id, W.item_id == row.root_id)
    if tx.c.execute(sa.update(worklist).where(*mine).values(legal_hold=why).returning(W.item_id)).first() is None:
        raise NotFound(f"there is no item {row.root_id!r}", fix="`deputy work ls` lists them")
    kind = "hold.set" if why is not None else "hold.lifted"
    tx.audit(AuditEvent(kind=kind, actor=actor, at=now.isoformat(), item_id=row.root_id, body={"why": why}))
    return str(row.root_id)


def holds(tx: Tx) -> list[tuple[str, str]]:
    """(root item, why) of every hold."""
    stmt = sa.select(W.item_id, W.legal_hold).where(W.tenant_id == tx.tenant_id, W.legal_hold.is_not(None))
    return [(row.item_id, row.legal_hold) for row in tx.c.execute(stmt.order_by(W.item_id))]


def _held(tx: Tx) -> list[str]:
    return [item_id for item_id, _ in holds(tx)]


def _unheld(tx: Tx, name: str, keys: Sequence[Any], held: Sequence[str]) -> list[Any]:
    """`keys` without those of held trees; memories and news carry no hold that could have come in between."""
    if name == "spans":
        kept = {ids.trace_id(root) for root in held}
        return [key for key in keys if key[0] not in kept]
    mine = sa.select(W.item_id).where(W.tenant_id == tx.tenant_id, W.root_id.in_(held))
    spared: set[Any] = set(tx.c.scalars(mine))
    if name == "step_log":
        spared = set(
            tx.c.scalars(sa.select(runs.c.run_id).where(runs.c.tenant_id == tx.tenant_id, runs.c.item_id.in_(mine)))
        )
    return [key for key in keys if key not in spared]


# ---- small things ----------------------------------------------------------------------------------------------------
def _settled(tx: Tx, before: datetime, held: Sequence[str]) -> list[sa.ColumnElement[bool]]:
    spared = [W.root_id.not_in(held)] if held else []
    return [W.tenant_id == tx.tenant_id, W.finished_at < before, *spared]


def _expired_unheld(now: datetime, policy: Policy, held: Sequence[str]) -> sa.ColumnElement[bool]:
    m = memories.c
    assert policy.memories is not None, "asked for"
    expired = m.expires_at < now - policy.memories
    return sa.and_(expired, m.owner.not_in(held)) if held else expired


def _blank(tx: Tx, item_ids: Sequence[str]) -> int:
    """Takes the words out of items, their effects and cards; digests, rules, states and times stay."""
    e, a = effects.c, approvals.c
    tx.c.execute(
        sa.update(effects)
        .where(e.tenant_id == tx.tenant_id, e.item_id.in_(item_ids))
        .values(args={}, facts={}, preview=FORGOTTEN, reason=FORGOTTEN, result=sa.null())
    )
    tx.c.execute(
        sa.update(approvals)
        .where(a.tenant_id == tx.tenant_id, a.item_id.in_(item_ids))
        .values(card={"title": FORGOTTEN}, preconditions=[], reason=sa.null())
    )
    gone = dict.fromkeys(("match", "slots", "output", "text", "reply_to"), sa.null())
    return tx.c.execute(
        sa.update(worklist)
        .where(W.tenant_id == tx.tenant_id, W.item_id.in_(item_ids))
        .values(request=FORGOTTEN, options={}, **gone)
    ).rowcount


def _cut(tx: Tx, now: datetime, policy: Policy, held: Sequence[str]) -> datetime | None:
    """Up to when the chain may be cut, where there is something to cut: never past the first event of a held tree."""
    if policy.audit is None:
        return None
    y = audit.c
    before = now - policy.audit
    first = tx.c.execute(sa.select(y.at).where(y.tenant_id == tx.tenant_id).order_by(y.seq).limit(1)).scalar()
    if held:
        mine = sa.select(W.item_id).where(W.tenant_id == tx.tenant_id, W.root_id.in_(held))
        bound = tx.c.scalar(sa.select(sa.func.min(y.seq)).where(y.tenant_id == tx.tenant_id, y.item_id.in_(mine)))
        if bound is not None:
            at = tx.c.scalar(sa.select(y.at).where(y.tenant_id == tx.tenant_id, y.seq == bound))
            before = min(before, datetime.fromisoformat(str(at)))
    return before if first is not None and datetime.fromisoformat(first) < before else None


def _cut_is_free(tx: Tx, found: Found, held: Sequence[str]) -> bool:
    if found.audit_before is None:
        return True
    y = audit.c
    mine = sa.select(W.item_id).where(W.tenant_id == tx.tenant_id, W.root_id.in_(held))
    older = sa.select(y.seq).where(
        y.tenant_id == tx.tenant_id, y.at < found.audit_before.isoformat(), y.item_id.in_(mine)
    )
    return tx.c.scalar(older.limit(1)) is None
