"""Reading the audit chain: the tail for people, the head to keep elsewhere, and verification against it.

Writing is `Tx.audit`; nothing here changes or removes an event, save `prune` on an explicit order, which leaves its mark.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from orchestrator.domain.audit import GENESIS, AuditEvent, link
from orchestrator.store import visibility
from orchestrator.store.database import Tx
from orchestrator.store.tables import audit, audit_heads

Y, H = audit.c, audit_heads.c


@dataclass(frozen=True, slots=True)
class Verification:
    """`first_bad_seq` and `reason` say where and how the chain breaks; both None when it holds."""

    ok: bool
    checked: int
    first_bad_seq: int | None = None
    reason: str | None = None


def tail(
    tx: Tx,
    limit: int = 50,
    item_id: str | None = None,
    *,
    kind: str | None = None,
    actor: str | None = None,
    before: int | None = None,
    seen_by: str | None = None,
    all_items: bool = False,
) -> list[dict[str, Any]]:
    """The last events (before number `before`), oldest first, as JSON-able rows. kind: a whole one, or what stands before its point.

    `seen_by`: only what this person did, and events of items they may see; with `all_items`, of any item.
    """
    stmt = sa.select(audit).where(Y.tenant_id == tx.tenant_id)
    if item_id is not None:
        stmt = stmt.where(Y.item_id == item_id)
    if kind is not None:
        stmt = stmt.where(sa.or_(Y.kind == kind, Y.kind.startswith(f"{kind}.", autoescape=True)))
    if actor is not None:
        stmt = stmt.where(Y.actor == actor)
    if before is not None:
        stmt = stmt.where(Y.seq < before)
    if seen_by is not None:
        theirs = Y.item_id.is_not(None) if all_items else visibility.item_is_seen(tx, Y.item_id, seen_by)
        stmt = stmt.where(sa.or_(Y.actor == seen_by, theirs))
    return [_json(row) for row in reversed(tx.c.execute(stmt.order_by(Y.seq.desc()).limit(limit)).all())]


def head(tx: Tx) -> dict[str, Any]:
    """seq and hash of the last event: keep it elsewhere, and `verify` against it finds truncation and rewriting as well."""
    row = tx.c.execute(sa.select(H.seq, H.hash).where(H.tenant_id == tx.tenant_id)).first()
    return {"seq": 0, "hash": GENESIS} if row is None else {"seq": row.seq, "hash": row.hash}


def last(tx: Tx, kind: str) -> dict[str, Any] | None:
    """The newest event of a kind."""
    stmt = sa.select(audit).where(Y.tenant_id == tx.tenant_id, Y.kind == kind).order_by(Y.seq.desc()).limit(1)
    row = tx.c.execute(stmt).first()
    return None if row is None else _json(row)


def base(tx: Tx) -> dict[str, Any]:
    """seq and hash of the last event that was deleted by order: what verification begins behind."""
    row = tx.c.execute(sa.select(H.base_seq, H.base_hash).where(H.tenant_id == tx.tenant_id)).first()
    return {"seq": 0, "hash": GENESIS} if row is None else {"seq": row.base_seq, "hash": row.base_hash}


def export(tx: Tx) -> Iterator[dict[str, Any]]:
    """Every event, oldest first, as JSON-able rows."""
    for row in _events(tx):
        yield _json(row)


def verify(tx: Tx, known: Mapping[str, Any] | None = None) -> Verification:
    """Whether every event is there, unchanged, in order; and, with a head exported earlier, whether the chain still contains it."""
    heads = tx.c.execute(sa.select(audit_heads).where(H.tenant_id == tx.tenant_id)).first()
    base, digest = (heads.base_seq, heads.base_hash) if heads is not None else (0, GENESIS)
    if known is not None and known["seq"] < base:
        return Verification(
            False, 0, known["seq"], f"events up to {base} were deleted by order, the known head among them"
        )
    seq, met = base, None
    if known is not None and known["seq"] == base:
        met = digest
    for row in _events(tx):
        seq += 1
        if row.seq != seq:
            return Verification(False, seq - base - 1, seq, f"event {seq} is missing")
        digest = link(digest, seq, _event(row))
        if row.hash != digest:
            return Verification(
                False, seq - base - 1, seq, f"event {seq} is not what was recorded, or not at its place"
            )
        if known is not None and known["seq"] == seq:
            met = digest
    checked = seq - base
    if heads is None:
        if checked:
            return Verification(False, checked, seq, "the chain has no head")
    elif (heads.seq, heads.hash) != (seq, digest):
        return Verification(False, checked, seq + 1, f"the chain ends at {seq}, its head says {heads.seq}")
    if known is not None and met is None:
        return Verification(False, checked, seq + 1, f"the chain ends at {seq}, the known head is {known['seq']}")
    if known is not None and met != known["hash"]:
        return Verification(
            False,
            checked,
            known["seq"],
            f"event {known['seq']} is not the one of the known head: the chain was rewritten",
        )
    return Verification(True, checked)


def prune(tx: Tx, before: datetime, *, actor: str, now: datetime, most: int | None = None) -> int:
    """Deletes the oldest events up to `before`, at most so many, on an explicit order; how many. The order itself becomes an event."""
    first_kept = tx.c.scalar(
        sa.select(sa.func.min(Y.seq)).where(Y.tenant_id == tx.tenant_id, Y.at >= before.isoformat())
    )
    last = head(tx)["seq"] if first_kept is None else first_kept - 1
    last = last if most is None else min(last, base(tx)["seq"] + most)
    row = tx.c.execute(sa.select(Y.seq, Y.hash).where(Y.tenant_id == tx.tenant_id, Y.seq == last)).first()
    if row is None:
        return 0
    tx.audit(
        AuditEvent(kind="audit.pruned", actor=actor, at=now.isoformat(), body={"up_to": row.seq, "hash": row.hash})
    )
    tx.c.execute(sa.update(audit_heads).where(H.tenant_id == tx.tenant_id).values(base_seq=row.seq, base_hash=row.hash))
    return tx.c.execute(sa.delete(audit).where(Y.tenant_id == tx.tenant_id, Y.seq <= row.seq)).rowcount


def _events(tx: Tx) -> Iterator[Any]:
    stmt = sa.select(audit).where(Y.tenant_id == tx.tenant_id).order_by(Y.seq)
    return iter(tx.c.execute(stmt.execution_options(stream_results=True)))


def _event(row: Any) -> AuditEvent:
    return AuditEvent(
        kind=row.kind,
        actor=row.actor,
        at=row.at,
        item_id=row.item_id,
        run_id=row.run_id,
        effect_id=row.effect_id,
        body=row.body,
    )


def _json(row: Any) -> dict[str, Any]:
    return {
        "seq": row.seq,
        "at": row.at,
        "kind": row.kind,
        "actor": row.actor,
        "item_id": row.item_id,
        "run_id": row.run_id,
        "effect_id": row.effect_id,
        "body": row.body,
        "hash": row.hash,
    }
