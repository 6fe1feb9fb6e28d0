"""Cards: a person's answer to one digest. Deciding moves the effect, answers the wait and wakes the item in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from orchestrator.domain.audit import AuditEvent
from orchestrator.domain.effect import Approval, ApprovalState, EffectState
from orchestrator.errors import Conflict, NotEligible, NotFound, UsageError
from orchestrator.store import items, visibility, waits
from orchestrator.store.database import Tx
from orchestrator.store.tables import approvals, effects, worklist

A, E = approvals.c, effects.c
VERDICTS = ("approve", "deny")


def approval_of(row: Any) -> Approval:
    """A row as the domain's noun."""
    return Approval(
        approval_id=row.approval_id,
        effect_id=row.effect_id,
        item_id=row.item_id,
        digest=row.digest,
        state=ApprovalState(row.state),
        eligible=row.eligible,
        needed=row.needed,
        preconditions=row.preconditions,
        card=row.card,
        created_at=row.created_at,
        expires_at=row.expires_at,
        decided_at=row.decided_at,
        decided_by=row.decided_by,
        reason=row.reason,
        consumed_at=row.consumed_at,
    )


def get(tx: Tx, approval_id: str) -> Approval:
    """The approval. Raises `NotFound`."""
    return approval_of(_row(tx, approval_id))


_of_item = (
    sa.select(approvals)
    .where(A.tenant_id == sa.bindparam("tenant"), A.item_id == sa.bindparam("item"))
    .order_by(A.created_at, A.approval_id)
)


def of_item(tx: Tx, item_id: str) -> list[Approval]:
    """Every card of the item, oldest first: the last one of an effect is the one that counts."""
    return [approval_of(row) for row in tx.c.execute(_of_item, {"tenant": tx.tenant_id, "item": item_id})]


def of_items(tx: Tx, item_ids: Sequence[str]) -> list[Approval]:
    """Every card of all these items, oldest first."""
    found: list[Approval] = []
    for part in items.slices(item_ids):
        stmt = sa.select(approvals).where(A.tenant_id == tx.tenant_id, A.item_id.in_(part))
        found += [approval_of(row) for row in tx.c.execute(stmt)]
    return sorted(found, key=lambda one: (one.created_at, one.approval_id))


def list_pending(
    tx: Tx, *, item_id: str | None = None, eligible: str | None = None, limit: int = 200
) -> list[Approval]:
    """Pending cards, oldest first; of one item, or those one person may decide."""
    return list_by_state(tx, [ApprovalState.PENDING], item_id=item_id, eligible=eligible, limit=limit)


def list_by_state(
    tx: Tx,
    states: Sequence[ApprovalState] | None,
    *,
    item_id: str | None = None,
    eligible: str | None = None,
    seen_by: str | None = None,
    limit: int = 200,
    after: tuple[datetime, str] | None = None,
) -> list[Approval]:
    """Cards in any of `states` (None: all), oldest first. `seen_by`: only those this person may decide or has asked for.

    `after`: (created_at, approval_id) of the last one of the page before.
    """
    stmt = sa.select(approvals).where(A.tenant_id == tx.tenant_id)
    if states is not None:
        stmt = stmt.where(A.state.in_([state.value for state in states]))
    if item_id is not None:
        stmt = stmt.where(A.item_id == item_id)
    if eligible is not None:
        stmt = stmt.where(visibility.may_decide(tx, eligible))
    if seen_by is not None:
        w = worklist.c
        asked = sa.exists().where(w.tenant_id == tx.tenant_id, w.item_id == A.item_id, w.requester == seen_by)
        stmt = stmt.where(sa.or_(asked, visibility.may_decide(tx, seen_by)))
    if after is not None:
        at = sa.literal(after[0], A.created_at.type)
        stmt = stmt.where(sa.or_(A.created_at > at, sa.and_(A.created_at == at, A.approval_id > after[1])))
    return [approval_of(row) for row in tx.c.execute(stmt.order_by(A.created_at, A.approval_id).limit(limit))]


def decide(
    tx: Tx, approval_id: str, verdict: str, *, digest: str, by: str, now: datetime, reason: str | None = None
) -> Approval:
    """The approval after `by`'s verdict ("approve" or "deny") on exactly these arguments.

    Raises `NotFound`, `NotEligible`, and `Conflict` when the digest differs, it was decided or has expired, or `by` approved
    before; then nothing has changed. With a quorum it stays pending until enough different people have approved; one denial ends it.
    """
    if verdict not in VERDICTS:
        raise UsageError(f"{verdict!r} is not a verdict", fix="approve or deny")
    items.locked(tx, _row(tx, approval_id).item_id)
    row = _row(tx, approval_id, lock=True)
    if by not in row.eligible:
        raise NotEligible(f"{by} may not decide {approval_id}", fix=f"ask one of: {', '.join(row.eligible)}")
    if row.digest != digest:
        raise Conflict(f"{approval_id} is for other arguments than the ones shown", fix="look at it again, then decide")
    if row.state != ApprovalState.PENDING.value:
        raise Conflict(f"{approval_id} is {row.state} already", fix="nothing to do")
    if row.expires_at <= now:
        raise Conflict(f"{approval_id} has expired", fix="ask again")
    if verdict == "approve" and by in row.decided_by:
        raise Conflict(
            f"{by} has approved {approval_id} already; it needs {row.needed} different people", fix="ask another one"
        )
    decided_by = [*row.decided_by, by]
    if verdict == "deny":
        _close(tx, row, ApprovalState.DENIED, now=now, decided_by=decided_by, reason=reason)
        _fail_effect(tx, row, "approval_denied", f"{by} said no{f': {reason}' if reason else ''}", now)
        _answer(tx, row, {"verdict": "deny", "reason": reason}, by, now)
    elif len(decided_by) >= row.needed:
        _close(tx, row, ApprovalState.APPROVED, now=now, decided_by=decided_by, reason=reason)
        tx.c.execute(
            sa.update(effects)
            .where(E.tenant_id == tx.tenant_id, E.effect_id == row.effect_id, E.state == EffectState.INTENDED.value)
            .values(state=EffectState.APPROVED.value)
        )
        _answer(tx, row, {"verdict": "approve"}, by, now)
    else:
        tx.c.execute(_mine(tx, row).values(decided_by=decided_by))
    _audit(
        tx,
        f"approval.{'denied' if verdict == 'deny' else 'approved'}",
        row,
        by,
        now,
        {"reason": reason, "of": row.needed},
    )
    return get(tx, approval_id)


def expire_due(tx: Tx, now: datetime) -> int:
    """How many pending cards ran out at `now`: each effect fails, its wait is answered, its item wakes."""
    stmt = sa.select(A.approval_id, A.item_id).where(
        A.tenant_id == tx.tenant_id, A.state == ApprovalState.PENDING.value, A.expires_at <= now
    )
    due = tx.c.execute(stmt.order_by(A.item_id, A.approval_id).limit(items.SLICE)).all()
    count = 0
    for approval_id, item_id in due:
        items.locked(tx, item_id)
        row = _row(tx, approval_id, lock=True)
        if row.state != ApprovalState.PENDING.value:
            continue
        _close(tx, row, ApprovalState.EXPIRED, now=now, decided_by=row.decided_by, reason="nobody decided in time")
        _fail_effect(tx, row, "approval_expired", "nobody decided in time", now)
        _answer(tx, row, {"verdict": "expired"}, "clock", now)
        _audit(tx, "approval.expired", row, "clock", now, {})
        count += 1
    return count


def void(tx: Tx, approval_id: str, why: str, now: datetime, *, actor: str = "desk") -> Approval:
    """The card, void: nobody can use it any more. Its wait stays open, for the answer that replaces it. Raises `Conflict` if decided."""
    items.locked(tx, _row(tx, approval_id).item_id)
    row = _row(tx, approval_id, lock=True)
    if row.state != ApprovalState.PENDING.value:
        raise Conflict(f"{approval_id} is {row.state} already", fix="nothing to do")
    _close(tx, row, ApprovalState.VOID, now=now, decided_by=row.decided_by, reason=why)
    _audit(tx, "approval.void", row, actor, now, {"why": why})
    return get(tx, approval_id)


def wait_id_of(tx: Tx, approval_id: str) -> str | None:
    """The wait that this card answers."""
    wait_id: str | None = _row(tx, approval_id).wait_id
    return wait_id


def _row(tx: Tx, approval_id: str, *, lock: bool = False) -> Any:
    stmt = sa.select(approvals).where(A.tenant_id == tx.tenant_id, A.approval_id == approval_id)
    row = tx.c.execute(stmt.with_for_update() if lock else stmt).first()
    if row is None:
        raise NotFound(f"there is no approval {approval_id!r}", fix="`deputy inbox ls` lists them")
    return row


def _mine(tx: Tx, row: Any) -> sa.Update:
    return sa.update(approvals).where(A.tenant_id == tx.tenant_id, A.approval_id == row.approval_id)


def _close(
    tx: Tx, row: Any, state: ApprovalState, *, now: datetime, decided_by: Sequence[str], reason: str | None
) -> None:
    tx.c.execute(_mine(tx, row).values(state=state.value, decided_at=now, decided_by=list(decided_by), reason=reason))


def _fail_effect(tx: Tx, row: Any, code: str, message: str, now: datetime) -> None:
    tx.c.execute(
        sa.update(effects)
        .where(
            E.tenant_id == tx.tenant_id,
            E.effect_id == row.effect_id,
            E.state.in_([EffectState.INTENDED.value, EffectState.APPROVED.value]),
        )
        .values(
            state=EffectState.FAILED.value,
            finished_at=now,
            error={"code": code, "message": message, "fix": "ask again"},
        )
    )


def _answer(tx: Tx, row: Any, value: dict[str, Any], by: str, now: datetime) -> None:
    if row.wait_id is not None:
        waits.answer(tx, row.item_id, row.wait_id, value, by, now)
    else:
        items.wake(tx, row.item_id)


def close_pending(
    tx: Tx, condition: sa.ColumnElement[bool], state: ApprovalState, *, actor: str, now: datetime, reason: str
) -> None:
    """Pending cards that meet the condition end as `state` (void or expired), each with its event; for verbs that hold the item's row."""
    closed = tx.c.execute(
        sa.update(approvals)
        .where(A.tenant_id == tx.tenant_id, A.state == ApprovalState.PENDING.value, condition)
        .values(state=state.value, decided_at=now, reason=reason)
        .returning(A.approval_id, A.item_id, A.effect_id, A.digest)
    ).all()
    for row in sorted(closed, key=lambda one: str(one.approval_id)):
        _audit(tx, f"approval.{state.value}", row, actor, now, {"why": reason})


def _audit(tx: Tx, kind: str, row: Any, by: str, now: datetime, body: dict[str, Any]) -> None:
    tx.audit(
        AuditEvent(
            kind=kind,
            actor=by,
            at=now.isoformat(),
            item_id=row.item_id,
            effect_id=row.effect_id,
            body={"approval_id": row.approval_id, "digest": row.digest, **body},
        )
    )
