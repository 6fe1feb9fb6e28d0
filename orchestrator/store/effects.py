"""The ledger: every side effect from intention to outcome. Each verb is fenced by the lease and audited in its own transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from connectors.spec import Json
from orchestrator.domain.audit import AuditEvent
from orchestrator.domain.effect import Approval, ApprovalState, Effect, EffectState
from orchestrator.domain.item import WaitKind
from orchestrator.errors import Conflict, NotFound
from orchestrator.store import approvals as cards
from orchestrator.store import halts, items, outbox, quotas, waits
from orchestrator.store.database import Tx, clock_s
from orchestrator.store.fence import Lease, fence
from orchestrator.store.tables import approvals, effects, worklist
from orchestrator.store.tables import waits as wait_rows

E, A = effects.c, approvals.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What committing `attempted` said. All None: send now. Otherwise nothing may be sent.

    over_quota: a quota of the tree is used up; the effect is untouched. stopped: "cancelled" or "approval_expired", and the
    effect has failed with that code; or "paused", and it is untouched.
    """

    over_quota: str | None = None
    stopped: str | None = None

    @property
    def may_send(self) -> bool:
        return self.over_quota is None and self.stopped is None


def effect_of(row: Any) -> Effect:
    """A row as the domain's noun."""
    return Effect(
        effect_id=row.effect_id,
        item_id=row.item_id,
        run_id=row.run_id,
        call_id=row.call_id,
        tool=row.tool,
        args=row.args,
        args_digest=row.args_digest,
        connection_id=row.connection_id,
        key=row.key,
        state=EffectState(row.state),
        decision=row.decision,
        rules=row.rules,
        reason=row.reason,
        bundle_digest=row.bundle_digest,
        facts=row.facts,
        preview=row.preview,
        result=row.result,
        error=row.error,
        epoch=row.epoch,
        attempted_at=row.attempted_at,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )


# ---- reading -------------------------------------------------------------------------------------------------------
_by_item = (
    sa.select(effects)
    .where(E.tenant_id == sa.bindparam("tenant"), E.item_id == sa.bindparam("item"))
    .order_by(E.created_at, E.call_id)
)


def by_item(tx: Tx, item_id: str) -> list[Effect]:
    """The item's effects over all its runs, oldest first."""
    return [effect_of(row) for row in tx.c.execute(_by_item, {"tenant": tx.tenant_id, "item": item_id})]


def of_items(tx: Tx, item_ids: Sequence[str]) -> list[Effect]:
    """Effects of all these items, oldest first."""
    found: list[Effect] = []
    for part in items.slices(item_ids):
        stmt = sa.select(effects).where(E.tenant_id == tx.tenant_id, E.item_id.in_(part))
        found += [effect_of(row) for row in tx.c.execute(stmt)]
    return sorted(found, key=lambda one: (str(one.created_at), one.item_id, one.call_id))


def by_run(tx: Tx, run_id: str) -> list[Effect]:
    """One run's effects, oldest first."""
    stmt = sa.select(effects).where(E.tenant_id == tx.tenant_id, E.run_id == run_id).order_by(E.created_at, E.call_id)
    return [effect_of(row) for row in tx.c.execute(stmt)]


def of_tree(tx: Tx, root_id: str) -> list[Effect]:
    """Effects of every item under a root, oldest first."""
    w = worklist.c
    stmt = (
        sa.select(effects)
        .join(worklist, sa.and_(w.tenant_id == E.tenant_id, w.item_id == E.item_id))
        .where(w.tenant_id == tx.tenant_id, w.root_id == root_id)
        .order_by(E.created_at, E.call_id)
    )
    return [effect_of(row) for row in tx.c.execute(stmt)]


def get(tx: Tx, effect_id: str) -> Effect:
    """The effect. Raises `NotFound`."""
    return effect_of(_row(tx, effect_id))


def of_ids(tx: Tx, effect_ids: Sequence[str]) -> dict[str, Effect]:
    """Id → effect, of those that are there."""
    found: dict[str, Effect] = {}
    for part in items.slices(effect_ids):
        stmt = sa.select(effects).where(E.tenant_id == tx.tenant_id, E.effect_id.in_(part))
        found |= {row.effect_id: effect_of(row) for row in tx.c.execute(stmt)}
    return found


def in_state(tx: Tx, states: Sequence[EffectState], limit: int = 1000) -> list[Effect]:
    """Of every item, oldest first."""
    wanted = (E.tenant_id == tx.tenant_id, E.state.in_([one.value for one in states]))
    return [
        effect_of(row) for row in tx.c.execute(sa.select(effects).where(*wanted).order_by(E.created_at).limit(limit))
    ]


# ---- intending -----------------------------------------------------------------------------------------------------
def intend(
    tx: Tx,
    lease: Lease,
    effect: Effect,
    approval: Approval | None,
    *,
    wait_id: str,
    now: datetime,
    kind: WaitKind = WaitKind.APPROVAL,
) -> None:
    """Records an effect that waits for a person: the effect, its card, the wait, the news and the decision, in one transaction.

    An effect held back as approved may be asked about again; its older pending cards become void.
    """
    fence(tx, lease)
    _put(tx, lease, effect, EffectState.INTENDED, now)
    older = sa.and_(A.effect_id == effect.effect_id, A.approval_id != (approval.approval_id if approval else ""))
    cards.close_pending(tx, older, ApprovalState.VOID, actor="worker", now=now, reason="replaced by another card")
    payload: dict[str, Any] = {"effect_id": effect.effect_id, "tool": effect.tool}
    if approval is not None:
        payload["approval_id"] = approval.approval_id
        tx.c.execute(items.insert_new(tx, approvals), _approval_row(tx, approval, wait_id))
    new = waits.NewWait(
        wait_id=wait_id,
        kind=kind,
        payload=payload,
        run_id=effect.run_id,
        call_id=effect.call_id,
        due_at=approval.expires_at if approval else None,
    )
    waits.record(tx, effect.item_id, new, now)
    news = {**payload, "digest": effect.args_digest, "preview": effect.preview}
    outbox.put(
        tx, effect.item_id, "approval.asked" if approval else f"{kind.value}.asked", news, lease.item.reply_to, now
    )
    _decision(tx, effect, now)
    _audit(tx, effect, "effect.intended", now, {"approval_id": approval.approval_id if approval else None})


def hold(tx: Tx, lease: Lease, effect: Effect, now: datetime) -> None:
    """Records an effect that policy allows and that has not been sent yet."""
    fence(tx, lease)
    _put(tx, lease, effect, EffectState.APPROVED, now)
    _decision(tx, effect, now)


def record_denied(tx: Tx, lease: Lease, effect: Effect, now: datetime) -> None:
    """Records a call that the policy refused, with the rules that did."""
    fence(tx, lease)
    _put(tx, lease, effect, EffectState.FAILED, now, finished_at=now)
    _decision(tx, effect, now)


# ---- sending -------------------------------------------------------------------------------------------------------
def attempt(
    tx: Tx,
    lease: Lease,
    effect_id: str,
    *,
    expect: EffectState,
    now: datetime,
    wire_timeout_s: float,
    reserve: Mapping[str, tuple[int, int]],
    agent: str = "",
) -> Attempt:
    """Commits to sending: law 5's `attempted`. Uses up the approval, takes quota name → (amount, limit) over the whole tree.

    wire_timeout_s: how long after this commit something of the attempt could still arrive; a successor waits it out.
    Raises `Conflict` when the effect is not in `expect`, or its approval is missing, for other arguments, or used.
    """
    held = fence(tx, lease)
    row = _row(tx, effect_id)
    if row.state != expect.value:
        raise Conflict(f"effect {effect_id} is {row.state}, not {expect.value}", fix="read it again")
    if held.cancel_requested:
        _fail(tx, row, {"code": "cancelled", "message": "the task was cancelled before this was sent", "fix": ""}, now)
        return Attempt(stopped="cancelled")
    if held.paused:
        return Attempt(stopped="paused")
    if halts.meets(tx, held.item_id, now, agent=agent, connection_id=row.connection_id) is not None:
        return Attempt(stopped="halted")
    again = expect in (EffectState.ATTEMPTED, EffectState.UNKNOWN)  # approval and quota were used by the first attempt
    if not again:
        approved = _approved(tx, row) if row.decision == "ask" else None
        if approved is not None and approved.expires_at <= now:
            late = "the approval ran out before it could be used"
            _fail(tx, row, {"code": "approval_expired", "message": late, "fix": "ask again"}, now)
            return Attempt(stopped="approval_expired")
        if (over := quotas.reserve(tx, held.root_id, reserve)) is not None:
            return Attempt(over_quota=over)
        if approved is not None:
            mine = sa.update(approvals).where(A.tenant_id == tx.tenant_id, A.approval_id == approved.approval_id)
            tx.c.execute(mine.values(consumed_at=now))
    tx.c.execute(
        _change(tx, effect_id, expect).values(
            state=EffectState.ATTEMPTED.value,
            epoch=lease.epoch,
            attempted_at=now,
            attempted_on_s=clock_s(tx),
            wire_timeout_s=wire_timeout_s,
            **({} if again else {"reserved": {name: amount for name, (amount, _) in sorted(reserve.items())}}),
        )
    )
    _audit(tx, effect_of(row), "effect.attempted", now, {"epoch": lease.epoch, "again": again})
    return Attempt()


def done(
    tx: Tx, lease: Lease, effect_id: str, result: Json, now: datetime, *, expect: EffectState = EffectState.ATTEMPTED
) -> None:
    """Records that it happened, with the provider's answer. Saying it twice changes nothing; `Conflict` from any other state."""
    fence(tx, lease)
    row = _row(tx, effect_id)
    if row.state == EffectState.DONE.value:
        return
    _expected(row, expect)
    tx.c.execute(
        _change(tx, effect_id, expect).values(
            state=EffectState.DONE.value, epoch=lease.epoch, result=result, finished_at=now
        )
    )
    _audit(tx, effect_of(row), "effect.done", now, {"from": expect.value})


def found(tx: Tx, lease: Lease, effect: Effect, result: Json, used: Mapping[str, int], now: datetime) -> None:
    """Records an effect as done that was found at the provider before this database had sent it: a life before a restore did.

    used: quotas it takes from its tree, beyond their limits if need be: it has happened.
    """
    held = fence(tx, lease)
    _put(tx, lease, effect, EffectState.APPROVED, now)
    _decision(tx, effect, now)
    quotas.reserve(tx, held.root_id, {name: (amount, 1 << 62) for name, amount in used.items()})
    tx.c.execute(
        _change(tx, effect.effect_id, EffectState.APPROVED).values(
            state=EffectState.DONE.value, result=result, finished_at=now, reserved=dict(used)
        )
    )
    _audit(tx, effect, "effect.done", now, {"from": "before a restore"})


def failed(
    tx: Tx, lease: Lease, effect_id: str, error: Mapping[str, str], now: datetime, *, expect: EffectState
) -> None:
    """Records that it certainly did not happen. Saying it twice changes nothing; `Conflict` from any other state."""
    fence(tx, lease)
    row = _row(tx, effect_id)
    if row.state == EffectState.FAILED.value:
        return
    _expected(row, expect)
    _fail(tx, row, error, now)


def refuse(tx: Tx, lease: Lease, effect: Effect, now: datetime, *, expect: EffectState) -> None:
    """Records that the policy of now closes an effect that an earlier one had let by: its new decision, and that it failed.

    Saying it twice changes nothing; `Conflict` from any other state.
    """
    fence(tx, lease)
    row = _row(tx, effect.effect_id)
    if row.state == EffectState.FAILED.value:
        return
    _expected(row, expect)
    tx.c.execute(
        _change(tx, effect.effect_id, expect).values(
            decision=effect.decision,
            rules=list(effect.rules),
            reason=effect.reason,
            bundle_digest=effect.bundle_digest,
            facts=dict(effect.facts),
        )
    )
    _decision(tx, effect, now)
    _fail(tx, row, effect.error or {}, now)


def unknown(tx: Tx, lease: Lease, effect_id: str, *, wait_id: str, payload: Mapping[str, Any], now: datetime) -> None:
    """Records that nobody knows whether it happened, and the question to a person, in one transaction. Each doubt has a fresh `wait_id`."""
    fence(tx, lease)
    row = _row(tx, effect_id)
    _expected(row, EffectState.ATTEMPTED)
    tx.c.execute(
        _change(tx, effect_id, EffectState.ATTEMPTED).values(state=EffectState.UNKNOWN.value, epoch=lease.epoch)
    )
    new = waits.NewWait(
        wait_id=wait_id,
        kind=WaitKind.REPAIR,
        payload={"outcome_unknown": True, "effect_id": effect_id, **payload},
        run_id=row.run_id,
        call_id=row.call_id,
    )
    waits.record(tx, row.item_id, new, now)
    waits.announce(tx, lease.item, new, now)
    _audit(tx, effect_of(row), "effect.unknown", now, {"wait_id": wait_id})


def settle_unknown(
    tx: Tx, lease: Lease, effect_id: str, *, happened: bool, result: Json, error: Mapping[str, str], now: datetime
) -> None:
    """Records a person's word on an unknown outcome: done with `result`, or failed with `error`."""
    if happened:
        done(tx, lease, effect_id, result, now, expect=EffectState.UNKNOWN)
    else:
        failed(tx, lease, effect_id, error, now, expect=EffectState.UNKNOWN)


# ---- small things --------------------------------------------------------------------------------------------------
def _row(tx: Tx, effect_id: str) -> Any:
    row = tx.c.execute(sa.select(effects).where(E.tenant_id == tx.tenant_id, E.effect_id == effect_id)).first()
    if row is None:
        raise NotFound(f"there is no effect {effect_id!r}", fix="`deputy run show` lists them")
    return row


def _expected(row: Any, expect: EffectState) -> None:
    if row.state != expect.value:
        raise Conflict(f"effect {row.effect_id} is {row.state}, not {expect.value}", fix="read it again")


def _change(tx: Tx, effect_id: str, expect: EffectState) -> sa.Update:
    return sa.update(effects).where(E.tenant_id == tx.tenant_id, E.effect_id == effect_id, E.state == expect.value)


def _put(
    tx: Tx, lease: Lease, effect: Effect, state: EffectState, now: datetime, finished_at: datetime | None = None
) -> None:
    fresh: dict[str, Any] = {
        "tool": effect.tool,
        "args": dict(effect.args),
        "args_digest": effect.args_digest,
        "connection_id": effect.connection_id,
        "key": effect.key,
        "state": state.value,
        "decision": effect.decision,
        "rules": list(effect.rules),
        "reason": effect.reason,
        "bundle_digest": effect.bundle_digest,
        "facts": dict(effect.facts),
        "preview": effect.preview,
        "error": None if effect.error is None else dict(effect.error),
        "epoch": lease.epoch,
        "finished_at": finished_at,
    }
    made = (postgresql.insert(effects) if tx.is_postgres else sqlite.insert(effects)).values(
        tenant_id=tx.tenant_id,
        effect_id=effect.effect_id,
        item_id=effect.item_id,
        run_id=effect.run_id,
        call_id=effect.call_id,
        created_at=effect.created_at or now,
        **fresh,
    )
    again = made.on_conflict_do_update(
        index_elements=[E.tenant_id, E.effect_id],
        set_={name: sa.null() if value is None else value for name, value in fresh.items()},
        where=E.state.in_([EffectState.INTENDED.value, EffectState.APPROVED.value]),
    )
    if tx.c.execute(again.returning(E.effect_id)).first() is None:
        raise Conflict(f"effect {effect.effect_id} has been attempted already", fix="read it again")


def _approval_row(tx: Tx, approval: Approval, wait_id: str) -> dict[str, Any]:
    return {
        "tenant_id": tx.tenant_id,
        "approval_id": approval.approval_id,
        "effect_id": approval.effect_id,
        "item_id": approval.item_id,
        "wait_id": wait_id,
        "digest": approval.digest,
        "state": approval.state.value,
        "eligible": list(approval.eligible),
        "needed": approval.needed,
        "preconditions": [dict(one) for one in approval.preconditions],
        "card": dict(approval.card),
        "created_at": approval.created_at,
        "expires_at": approval.expires_at,
        "decided_at": approval.decided_at,
        "decided_by": list(approval.decided_by),
        "reason": approval.reason,
        "consumed_at": approval.consumed_at,
    }


def _approved(tx: Tx, row: Any) -> Any:
    """The effect's unused approval for exactly its arguments. Raises `Conflict` when there is none."""
    found = tx.c.execute(
        sa.select(approvals)
        .where(A.tenant_id == tx.tenant_id, A.effect_id == row.effect_id, A.state == ApprovalState.APPROVED.value)
        .order_by(A.created_at.desc(), A.approval_id.desc())
        .limit(1)
        .with_for_update()
    ).first()
    if found is None or found.digest != row.args_digest or found.consumed_at is not None:
        raise Conflict(f"effect {row.effect_id} has no unused approval for these arguments", fix="ask a person again")
    return found


def _fail(tx: Tx, row: Any, error: Mapping[str, str], now: datetime) -> None:
    change = _change(tx, row.effect_id, EffectState(row.state))
    tx.c.execute(change.values(state=EffectState.FAILED.value, error=dict(error), finished_at=now, reserved=sa.null()))
    if row.reserved:  # taken at `attempted`; what certainly did not happen costs nothing
        quotas.give_back(tx, items.row(tx, row.item_id).root_id, row.reserved)
    state = ApprovalState.EXPIRED if error.get("code") == "approval_expired" else ApprovalState.VOID
    mine = A.effect_id == row.effect_id
    cards.close_pending(tx, mine, state, actor="worker", now=now, reason=error.get("message", ""))
    n = waits.N
    cards_waits = sa.select(A.wait_id).where(A.tenant_id == tx.tenant_id, mine, A.wait_id.is_not(None))
    tx.c.execute(
        sa.update(wait_rows)
        .where(n.tenant_id == tx.tenant_id, n.item_id == row.item_id, n.wait_id.in_(cards_waits), waits.OPEN)
        .values(closed=True)
    )
    _audit(tx, effect_of(row), "effect.failed", now, {"code": error.get("code"), "from": row.state})


def _decision(tx: Tx, effect: Effect, now: datetime) -> None:
    body = {
        "tool": effect.tool,
        "digest": effect.args_digest,
        "decision": effect.decision,
        "rules": list(effect.rules),
        "bundle": effect.bundle_digest,
    }
    tx.audit(
        AuditEvent(
            kind="decision",
            actor="policy",
            at=now.isoformat(),
            item_id=effect.item_id,
            run_id=effect.run_id,
            effect_id=effect.effect_id,
            body=body,
        )
    )


def _audit(tx: Tx, effect: Effect, kind: str, now: datetime, body: dict[str, Any]) -> None:
    tx.audit(
        AuditEvent(
            kind=kind,
            actor="worker",
            at=now.isoformat(),
            item_id=effect.item_id,
            run_id=effect.run_id,
            effect_id=effect.effect_id,
            body={"tool": effect.tool, "digest": effect.args_digest, **body},
        )
    )
