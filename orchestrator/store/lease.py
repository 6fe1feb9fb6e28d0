"""The workshop's verbs: claim the best ready item, work under a lease, settle it; take over what a lost worker held.

Exactly one lease on an item is valid. It ends by settling, by giving back, or by a take-over; whoever held it then records nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, assert_never

import sqlalchemy as sa

from orchestrator import ids
from orchestrator.domain.effect import Approval, Effect, EffectState
from orchestrator.domain.item import Origin, State, WaitKind
from orchestrator.domain.outcome import Done, Ended, Parked, Replan, RunOutcome
from orchestrator.store import approvals, budgets, effects, endings, items, outbox, packets, runs, steplog, waits
from orchestrator.store.database import Tx, clock_s
from orchestrator.store.fence import Held, Lease, fence
from orchestrator.store.items import FREE, SERVE, W, item_of
from orchestrator.store.packets import Packet
from orchestrator.store.tables import effects as effect_rows
from orchestrator.store.tables import messages, workers, worklist
from orchestrator.store.tables import runs as run_rows
from orchestrator.store.tables import waits as wait_rows
from orchestrator.store.timers import GIVEN_UP
from orchestrator.store.worklist import NewItem, submit

__all__ = [
    "Claimed",
    "Held",
    "Lease",
    "Message",
    "claim",
    "count_ready",
    "delegate",
    "fence",
    "give_back",
    "orphans",
    "own_running",
    "release_unheld",
    "settle",
    "take_over",
    "wait_for",
]

MAX_ATTEMPTS = 5
MAX_GENERATIONS = 3  # re-plans before a person has to look
TRY_AGAIN, GIVE_UP = "try again", "give up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A nudge. Only a human requester's own words are the user's."""

    seq: int
    author: str
    origin: Origin
    text: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A lease with all that is recorded about the item as of the claim: `log` of the latest run, everything else of all runs."""

    lease: Lease
    run: runs.Run | None
    log: Sequence[steplog.StepRow] = ()
    waits: Sequence[waits.Wait] = ()
    effects: Sequence[Effect] = ()
    approvals: Sequence[Approval] = ()
    messages: Sequence[Message] = ()

    @property
    def answers(self) -> Mapping[str, Any]:
        """Wait id → answer, of every answered question."""
        return {w.wait_id: w.answer for w in self.waits if w.kind is WaitKind.ANSWER and w.answered_at is not None}


# ---- claiming ------------------------------------------------------------------------------------------------------
_pick = (
    sa.select(W.item_id)
    .where(W.tenant_id == sa.bindparam("tenant"), W.state == sa.literal_column("'ready'"))
    .order_by(W.deadline_at, W.item_id)
    .limit(1)
)


def _claiming(pick: Any) -> Any:
    return (
        sa.update(worklist)
        .where(
            W.tenant_id == sa.bindparam("tenant"),
            W.item_id == pick.scalar_subquery(),
            sa.exists().where(
                workers.c.tenant_id == sa.bindparam("tenant"), workers.c.worker_id == sa.bindparam("worker")
            ),
        )
        .values(
            state=State.RUNNING.value,
            worker_id=sa.bindparam("worker"),
            claim_epoch=W.claim_epoch + 1,
            wake_at=None,
            started_at=sa.func.coalesce(W.started_at, sa.bindparam("at", type_=W.started_at.type)),
        )
        .returning(worklist)
    )


_claim = {"sqlite": _claiming(_pick), "postgresql": _claiming(_pick.with_for_update(skip_locked=True))}
_m = messages.c
_messages = (
    sa.select(_m.seq, _m.author, _m.origin, _m.text, _m.at)
    .where(_m.tenant_id == sa.bindparam("tenant"), _m.item_id == sa.bindparam("item"))
    .order_by(_m.seq)
)


def claim(tx: Tx, worker_id: str, now: datetime) -> Claimed | None:
    """The best ready item now, leased to this worker, with its records; None when nothing is ready.

    A worker whose `workers` row is gone (it was taken over) gets nothing: nobody would ever reap what it claimed.
    """
    row = tx.c.execute(_claim[tx.dialect], {"tenant": tx.tenant_id, "worker": worker_id, "at": now}).first()
    if row is None:
        return None
    item = item_of(row)
    lease = Lease(item=item, worker_id=worker_id, epoch=row.claim_epoch, wake_seq=row.wake_seq, claimed_at=now)
    told = tx.c.execute(_messages, {"tenant": tx.tenant_id, "item": item.item_id}).all() if row.wake_seq else ()
    said = tuple(Message(seq=m.seq, author=m.author, origin=Origin(m.origin), text=m.text, at=m.at) for m in told)
    if not row.run_count:  # nothing else can have been recorded, save a repair question
        asked = waits.of_item(tx, item.item_id) if row.wake_seq else ()
        return Claimed(lease=lease, run=None, messages=said, waits=asked)
    run = runs.get(tx, ids.run_id(item.item_id, row.run_count))
    return Claimed(
        lease=lease,
        run=run,
        log=steplog.load(tx, run.run_id),
        waits=waits.of_item(tx, item.item_id),
        effects=effects.by_item(tx, item.item_id),
        approvals=approvals.of_item(tx, item.item_id),
        messages=said,
    )


_ready_up_to = sa.select(sa.func.count()).select_from(
    sa.select(sa.literal(1))
    .where(W.tenant_id == sa.bindparam("tenant"), W.state == sa.literal_column("'ready'"))
    .limit(sa.bindparam("most", type_=sa.Integer))
    .subquery()
)


def count_ready(tx: Tx, limit: int) -> int:
    """How many items are ready, at most `limit`."""
    return int(tx.c.scalar(_ready_up_to, {"tenant": tx.tenant_id, "most": limit}) or 0)


# ---- working -------------------------------------------------------------------------------------------------------
def wait_for(tx: Tx, lease: Lease, new: waits.NewWait, now: datetime) -> None:
    """Records something to wait for and tells the people who can end it. Meeting its own open wait again changes nothing."""
    fence(tx, lease)
    waits.record(tx, lease.item.item_id, new, now)
    waits.announce(tx, lease.item, new, now)


def delegate(
    tx: Tx,
    lease: Lease,
    children: Sequence[NewItem],
    call_ids: Sequence[str],
    now: datetime,
    *,
    born: Sequence[Packet] | None = None,
    limits: Sequence[Mapping[str, int]] | None = None,
) -> list[str]:
    """Ids of the child items, one for each call id, each with a wait of this item, in one transaction. A re-run meets its own.

    A child's `needs` may name the call id of an earlier child instead of its item. born: their packets; limits: their budgets.
    """
    held = fence(tx, lease)
    run_id = ids.run_id(held.item_id, held.run_count)
    above = budgets.chain(tx, held.item_id) if limits is not None else ()
    made = []
    for place, (child, call_id) in enumerate(zip(children, call_ids, strict=True)):
        child_id = ids.derived("item", run_id, call_id)
        known = sa.select(wait_rows.c.wait_id).where(
            wait_rows.c.tenant_id == tx.tenant_id,
            wait_rows.c.item_id == held.item_id,
            wait_rows.c.wait_id == f"child:{child_id}",
        )
        if tx.c.execute(known).first() is None:  # before the child: one that ends as it is born has somebody to tell
            new = waits.NewWait(
                wait_id=f"child:{child_id}",
                kind=WaitKind.CHILD,
                payload={"item_id": child_id},
                run_id=run_id,
                call_id=call_id,
            )
            waits.record(tx, held.item_id, new, now)
        needs = [one if one.startswith("item_") else ids.derived("item", run_id, one) for one in child.needs]
        submit(tx, replace(child, item_id=child_id, parent_id=held.item_id, needs=needs), now)
        if born is not None:
            packets.put(tx, child_id, born[place], now)
        if limits is not None:
            budgets.open(tx, child_id, budgets.narrow(tx, above, limits[place]))
        made.append(child_id)
    return made


# ---- settling ------------------------------------------------------------------------------------------------------
def settle(
    tx: Tx,
    lease: Lease,
    outcome: RunOutcome,
    now: datetime,
    *,
    receipt: Mapping[str, Any] | None = None,
    route: str | None = None,
    match: Mapping[str, Any] | None = None,
    slots: Sequence[Mapping[str, Any]] | None = None,
) -> State:
    """The item's new state. Raises `Fenced` when the lease is over.

    Parked: waiting only if nothing woke the item since the claim, else ready again. Done and Ended: final, with all that
    follows from it (`endings`), save where a remark came in since the claim: then ready again, so that it is heard. Replan: ready,
    in its next generation. A park with nothing to wait for, and an end with an
    effect still in flight, are faults of the runner: a person is asked.
    """
    held = fence(tx, lease)
    spent = None if isinstance(outcome, Done | Ended) else receipt  # an end records it with the rest
    _record_findings(tx, held, receipt=spent, route=route, match=match, slots=slots)
    if lease.wake_seq:
        seen = sa.update(messages).where(
            _m.tenant_id == tx.tenant_id, _m.item_id == held.item_id, _m.at <= lease.claimed_at
        )
        tx.c.execute(seen.where(_m.seen_at.is_(None)).values(seen_at=now))
    if isinstance(outcome, Done | Ended) and not held.cancel_requested and _is_something_said(tx, lease, held):
        tx.nudge()
        return State(tx.c.scalar(_own(tx, held).values(state=SERVE, worker_id=None, attempts=0).returning(W.state)))
    match outcome:
        case Parked():
            return _park(tx, lease, held, now)
        case Replan():
            return _replan(tx, lease, held, outcome, now)
        case Done(text=text, output=output):
            ending = endings.Ending(state=State.DONE, text=text, output=output, receipt=receipt)
            return _end(tx, lease, held, ending, now, why="")
        case Ended():
            error = {"code": outcome.code, "message": outcome.message, "fix": outcome.fix}
            ending = endings.Ending(
                state=State(outcome.state),
                text=outcome.text,
                output=outcome.output or None,
                error=error,
                receipt=receipt,
            )
            return _end(tx, lease, held, ending, now, why=outcome.code)
        case _:
            assert_never(outcome)


def _is_something_said(tx: Tx, lease: Lease, held: Held) -> bool:
    """Whether a remark came in since the claim that no runner has seen."""
    if held.wake_seq == lease.wake_seq:
        return False
    unseen = (_m.tenant_id == tx.tenant_id, _m.item_id == held.item_id, _m.seen_at.is_(None))
    return tx.c.scalar(sa.select(_m.seq).where(*unseen).limit(1)) is not None


def _park(tx: Tx, lease: Lease, held: Held, now: datetime) -> State:
    if held.cancel_requested and not endings.in_flight(tx, held.item_id):
        gone = endings.Ending(
            state=State.CANCELLED, error={"code": "cancelled", "message": "cancelled by a person", "fix": ""}
        )
        return _end(tx, lease, held, gone, now, why="cancel requested")
    n = wait_rows.c
    mine = (n.tenant_id == tx.tenant_id, n.item_id == held.item_id, waits.OPEN)
    count, due = tx.c.execute(
        sa.select(sa.func.count(), sa.func.min(sa.case((n.due_at > lease.claimed_at, n.due_at))).label("due")).where(
            *mine
        )
    ).one()
    stands_free = tx.c.scalar(sa.select(FREE).where(W.tenant_id == tx.tenant_id, W.item_id == held.item_id))
    if not count and stands_free and held.wake_seq == lease.wake_seq:
        return _repair(tx, lease, held, "the run parked without saying what for", now)
    woken = sa.and_(W.wake_seq != lease.wake_seq, FREE)
    state = tx.c.scalar(
        _own(tx, held)
        .values(
            state=sa.case((woken, State.READY.value), else_=State.WAITING.value),
            wake_at=sa.case(
                (woken, None),
                (W.snooze_until.is_not(None), W.snooze_until),
                else_=sa.bindparam("due", due, type_=W.wake_at.type),
            ),
            worker_id=None,
            attempts=0,
        )
        .returning(W.state)
    )
    if state == State.READY.value:
        tx.nudge()
    else:
        outbox.put(tx, held.item_id, "item.waiting", {}, None, now)
    return State(state)


def _replan(tx: Tx, lease: Lease, held: Held, outcome: Replan, now: datetime) -> State:
    reason = outcome.reason
    endings.void_cards(tx, held.item_id, now=now, code="replanned", message=reason)
    endings.close_waits(tx, held.item_id, now=now, kinds=(WaitKind.APPROVAL.value,))
    generation = lease.item.generation + 1
    tx.c.execute(_own(tx, held).values(generation=generation))
    if generation > MAX_GENERATIONS and not outcome.by_person:
        return _repair(
            tx, lease, held, f"the world changed {generation} times between plan and deed; last: {reason}", now
        )
    state = tx.c.scalar(
        _own(tx, held).values(state=SERVE, worker_id=None, attempts=0, wake_at=W.snooze_until).returning(W.state)
    )
    tx.nudge()
    return State(state)


def _end(tx: Tx, lease: Lease, held: Held, ending: endings.Ending, now: datetime, *, why: str) -> State:
    if endings.in_flight(tx, held.item_id):
        return _repair(
            tx, lease, held, f"the run ended ({ending.state.value}) while the outcome of an effect was open", now
        )
    endings.finish(tx, items.row(tx, held.item_id), ending, now=now, actor="worker", why=why)
    return ending.state


def _repair(tx: Tx, lease: Lease, held: Held, why: str, now: datetime) -> State:
    _ask_repair(tx, lease.item, f"{GIVEN_UP}engine:{lease.epoch}", why, now)
    tx.c.execute(_own(tx, held).values(state=State.WAITING.value, worker_id=None, attempts=0, wake_at=None))
    return State.WAITING


def _ask_repair(tx: Tx, row: Any, wait_id: str, why: str, now: datetime) -> None:
    payload = {
        "reason": "engine",
        "text": f"{why[:1].upper()}{why[1:]}. Try again, or give up?",
        "choices": [TRY_AGAIN, GIVE_UP],
    }
    new = waits.NewWait(wait_id=wait_id, kind=WaitKind.REPAIR, payload=payload)
    waits.record(tx, row.item_id, new, now)
    waits.announce(tx, row, new, now)


def _record_findings(
    tx: Tx,
    held: Held,
    *,
    receipt: Mapping[str, Any] | None,
    route: str | None,
    match: Mapping[str, Any] | None,
    slots: Sequence[Mapping[str, Any]] | None,
) -> None:
    found: dict[str, Any] = {}
    if route is not None:
        found["route"] = route
    if match is not None:
        found["match"] = dict(match)
    if slots is not None:
        found["slots"] = [dict(slot) for slot in slots]
    if found:
        tx.c.execute(_own(tx, held).values(found))
    if receipt is not None and held.run_count:
        r = run_rows.c
        latest = sa.update(run_rows).where(
            r.tenant_id == tx.tenant_id, r.run_id == ids.run_id(held.item_id, held.run_count)
        )
        tx.c.execute(latest.values(receipt=dict(receipt)))


def _own(tx: Tx, held: Held) -> sa.Update:
    """An update of the row that `fence` has locked."""
    return sa.update(worklist).where(W.tenant_id == tx.tenant_id, W.item_id == held.item_id)


# ---- giving back and taking over -----------------------------------------------------------------------------------
def give_back(
    tx: Tx,
    lease: Lease,
    now: datetime,
    *,
    count: bool,
    why: str,
    backoff_s: float = 0.0,
    max_attempts: int = MAX_ATTEMPTS,
) -> bool:
    """Whether the lease was still valid; then the item is on the list again. `count`: as an attempt that failed."""
    row = items.locked(tx, lease.item.item_id)
    if row.state != State.RUNNING.value or row.claim_epoch != lease.epoch or row.worker_id != lease.worker_id:
        return False
    _release(tx, row, now, count=count, why=why, backoff_s=backoff_s, max_attempts=max_attempts)
    return True


def take_over(
    tx: Tx, worker_id: str, now: datetime, *, grace_s: float = 0.0, max_attempts: int = MAX_ATTEMPTS
) -> list[str]:
    """Ids of the items that a lost worker held, on the list again: at once, or after what they have in flight cannot arrive any more."""
    stmt = (
        sa.select(worklist)
        .where(W.state == sa.literal_column("'running'"), W.worker_id == worker_id)
        .order_by(W.depth, W.item_id)
    )
    rows = tx.c.execute(stmt.with_for_update()).all()
    for row in rows:
        _release(tx, row, now, count=True, why="its worker was lost", grace_s=grace_s, max_attempts=max_attempts)
    return [row.item_id for row in rows]


def orphans(tx: Tx) -> list[str]:
    """Workers that hold claims without a `workers` row: a claim that raced with the take-over of its worker."""
    known = sa.select(workers.c.worker_id).where(workers.c.tenant_id == tx.tenant_id)
    stmt = (
        sa.select(W.worker_id)
        .where(W.tenant_id == tx.tenant_id, W.state == sa.literal_column("'running'"), W.worker_id.not_in(known))
        .distinct()
    )
    return list(tx.c.scalars(stmt))


def own_running(tx: Tx, worker_id: str) -> dict[str, int]:
    """Item id → epoch of what the worker holds by the record; more than it knows of after a lost acknowledgement."""
    stmt = sa.select(W.item_id, W.claim_epoch).where(
        W.tenant_id == tx.tenant_id, W.state == sa.literal_column("'running'"), W.worker_id == worker_id
    )
    return {row.item_id: row.claim_epoch for row in tx.c.execute(stmt)}


def release_unheld(tx: Tx, worker_id: str, unheld: Mapping[str, int], now: datetime) -> int:
    """How many of the worker's own claims, unknown to itself, went back to the list. Mapping: item id → epoch."""
    count = 0
    for item_id, epoch in sorted(unheld.items()):
        row = items.locked(tx, item_id)
        if row.state == State.RUNNING.value and row.worker_id == worker_id and row.claim_epoch == epoch:
            _release(tx, row, now, count=False, why="a claim whose acknowledgement was lost")
            count += 1
    return count


def _release(
    tx: Tx,
    row: Any,
    now: datetime,
    *,
    count: bool,
    why: str,
    backoff_s: float = 0.0,
    grace_s: float = 0.0,
    max_attempts: int = MAX_ATTEMPTS,
) -> None:
    clock = clock_s(tx)
    hold = max(clock + backoff_s, _arrives_until(tx, row, clock) + grace_s)
    attempts = row.attempts + (1 if count else 0)
    values: dict[str, Any] = {
        "worker_id": None,
        "claim_epoch": W.claim_epoch + 1,
        "wake_seq": W.wake_seq + 1,
        "attempts": attempts,
        "hold_until_s": hold if hold > clock else None,
        "wake_at": row.snooze_until,
    }
    if count and attempts >= max_attempts:
        _ask_repair(
            tx,
            row,
            f"{GIVEN_UP}lost:{row.claim_epoch}",
            f"{attempts} attempts in a row did not get to an end ({why})",
            now,
        )
        values |= {"attempts": 0, "state": State.WAITING.value}
    else:
        free = hold <= clock and not row.paused and not row.blocked_by and row.snooze_until is None
        values["state"] = State.READY.value if free else State.WAITING.value
    tx.c.execute(sa.update(worklist).where(W.tenant_id == row.tenant_id, W.item_id == row.item_id).values(values))
    tx.nudge()


def _arrives_until(tx: Tx, row: Any, clock: float) -> float:
    """Until when, by the database's clock, something of the item's attempts could still arrive; 0 when nothing is in flight."""
    e = effect_rows.c
    stmt = sa.select(e.attempted_on_s, e.wire_timeout_s).where(
        e.tenant_id == row.tenant_id, e.item_id == row.item_id, e.state == EffectState.ATTEMPTED.value
    )
    return max((min(began, clock) + wire for began, wire in tx.c.execute(stmt)), default=0.0)


def record(tx: Tx, lease: Lease, *, match: Mapping[str, Any] | None, slots: Sequence[Mapping[str, Any]] | None) -> None:
    """What routing found, visible while the run goes on."""
    _record_findings(tx, fence(tx, lease), receipt=None, route=None, match=match, slots=slots)
