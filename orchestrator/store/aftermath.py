"""What a restore leaves in doubt. The world went on after the backup was made: what this database takes for undone may be done.

Whatever had not ended at the backup bears its instant as `lost_since` from then on, its children too: the gate looks an effect of
such an item up before it sends it for the first time, and asks a person where a lookup is no proof (docs/adr/after-a-restore.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from orchestrator.domain.audit import AuditEvent
from orchestrator.domain.effect import ApprovalState, EffectState
from orchestrator.domain.schedule import FiringState
from orchestrator.store import lease, schedules
from orchestrator.store.access_tables import keys
from orchestrator.store.database import Tx
from orchestrator.store.items import UNFINISHED, W
from orchestrator.store.schedule_tables import schedules as schedule_rows
from orchestrator.store.slack_tables import slack_inbox
from orchestrator.store.tables import approvals, effects, worklist
from orchestrator.store.trigger_tables import followed

A, E, F = approvals.c, effects.c, followed.c
WHY = "given before a restore: it may have been used since the backup was made"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """What a person is told after a restore. Counts."""

    unfinished: int  # items that go on, each effect of theirs looked up before it is sent
    taken_over: int  # of them, those somebody worked on when the backup was made
    in_flight: int  # effects attempted at the backup: reconciled before anything else
    asked_again: int  # approvals that were given and not used: nobody may use them now
    pending: int  # cards that are open again, whatever was decided about them since
    accounts: int  # followed accounts, which begin at what is new now
    schedules: int  # schedules that came due meanwhile, which go on with their next time
    deliveries: int  # what people had said to a chat bot and nobody had answered: dropped, for it may have been
    keys: int  # keys of programs that count again, those among them that were taken back since


def release(tx: Tx, now: datetime) -> int:
    """How many items went back on the list: the workers that held them are of another life."""
    holders = tx.c.scalars(
        sa.select(W.worker_id)
        .where(W.tenant_id == tx.tenant_id, W.state == "running", W.worker_id.is_not(None))
        .distinct()
    )
    return sum(len(lease.take_over(tx, name, now)) for name in sorted(holders))


def doubt(tx: Tx, taken_at: datetime, now: datetime, *, actor: str) -> tuple[int, int]:
    """(items marked, approvals void): from here on nothing that may have been done since `taken_at` is simply sent."""
    marked = tx.c.execute(
        sa.update(worklist).where(W.tenant_id == tx.tenant_id, UNFINISHED).values(lost_since=taken_at)
    ).rowcount
    unused = tx.c.execute(
        sa.select(A.approval_id, A.effect_id, A.item_id, A.digest)
        .join(worklist, sa.and_(W.tenant_id == A.tenant_id, W.item_id == A.item_id))
        .where(
            A.tenant_id == tx.tenant_id, A.state == ApprovalState.APPROVED.value, A.consumed_at.is_(None), UNFINISHED
        )
        .order_by(A.approval_id)
    ).all()
    for row in unused:
        mine = (A.tenant_id == tx.tenant_id, A.approval_id == row.approval_id)
        tx.c.execute(sa.update(approvals).where(*mine).values(state=ApprovalState.VOID.value, reason=WHY))
        tx.audit(
            AuditEvent(
                kind="approval.void",
                actor=actor,
                at=now.isoformat(),
                item_id=row.item_id,
                effect_id=row.effect_id,
                body={"approval_id": row.approval_id, "digest": row.digest, "why": WHY},
            )
        )
    _warn(tx, taken_at)
    return marked, len(unused)


def note(taken_at: datetime) -> str:
    """The line on every card of an item that outlived a restore."""
    return (
        f"Deputy was restored from a backup of {taken_at:%-d %B %Y %H:%M} UTC. This may have been done after that: "
        "look first, then decide."
    )


def record(tx: Tx, taken_at: datetime, digest: str, now: datetime, *, actor: str, is_doubted: bool) -> Aftermath:
    """Puts the restored rows in order, in the transaction that wrote them; what a person should know.

    is_doubted: False where somebody knows that nothing ran after the backup was made.
    """
    taken_over = release(tx, now)
    voided = 0
    if is_doubted:
        _, voided = doubt(tx, taken_at, now, actor=actor)
    skipped = _skip_lost_times(tx, taken_at, now, actor=actor) if is_doubted else 0
    dropped = _drop_deliveries(tx) if is_doubted else 0
    accounts = tx.c.execute(
        sa.update(followed)
        .where(F.tenant_id == tx.tenant_id)
        .values({"worker_id": None, "held_until": None, **({"cursor": None} if is_doubted else {})})
    ).rowcount
    tx.audit(
        AuditEvent(
            kind="store.restored",
            actor=actor,
            at=now.isoformat(),
            body={"taken_at": taken_at.isoformat(), "backup": digest, "doubted": is_doubted},
        )
    )
    tx.nudge()
    return Aftermath(
        unfinished=_count(tx, worklist, W.tenant_id == tx.tenant_id, UNFINISHED),
        taken_over=taken_over,
        in_flight=_count(tx, effects, E.tenant_id == tx.tenant_id, E.state == EffectState.ATTEMPTED.value),
        asked_again=voided,
        pending=_count(tx, approvals, A.tenant_id == tx.tenant_id, A.state == ApprovalState.PENDING.value),
        accounts=accounts if is_doubted else 0,
        schedules=skipped,
        deliveries=dropped,
        keys=_count(tx, keys, keys.c.tenant_id == tx.tenant_id, keys.c.revoked_at.is_(None)) if is_doubted else 0,
    )


def _drop_deliveries(tx: Tx) -> int:
    """How many deliveries were open. A request made of one since the backup is gone, and its key with it: it would be made again."""
    d = slack_inbox.c
    is_open = (d.tenant_id == tx.tenant_id, d.state.in_(("taken", "parked")))
    return tx.c.execute(sa.update(slack_inbox).where(*is_open).values(state="failed", body={})).rowcount


def _skip_lost_times(tx: Tx, taken_at: datetime, now: datetime, *, actor: str) -> int:
    """How many schedules came due since the backup. Their runs may have been made: they are recorded as missed, not made up for."""
    s = schedule_rows.c
    come = sa.select(schedule_rows).where(s.tenant_id == tx.tenant_id, s.next_at.is_not(None), s.next_at <= now)
    found = [schedules.schedule_of(row) for row in tx.c.execute(come.order_by(s.schedule_id)).all()]
    for one in found:
        assert one.next_at is not None, "asked for"
        coming = one.when.next(now)
        schedules.move_on(tx, one, coming)
        why = f"restored from a backup of {taken_at:%Y-%m-%d %H:%M} UTC: it may have run after that"
        schedules.record(tx, one, [one.next_at], FiringState.MISSED, why, now)
        told = {"from_at": one.next_at.isoformat(), "next_at": None if coming is None else coming.isoformat()}
        schedules.audit(tx, "schedule.missed", one, actor, now, why=why, **told)
    return len(found)


def _warn(tx: Tx, taken_at: datetime) -> None:
    """Open cards say that they may be about something that was done meanwhile."""
    pending = (A.tenant_id == tx.tenant_id, A.state == ApprovalState.PENDING.value)
    for row in tx.c.execute(sa.select(A.approval_id, A.card).where(*pending)).all():
        warned = {**row.card, "reason": f"{note(taken_at)} {row.card.get('reason') or ''}".strip()}
        mine = (A.tenant_id == tx.tenant_id, A.approval_id == row.approval_id)
        tx.c.execute(sa.update(approvals).where(*mine).values(card=warned))


def _count(tx: Tx, table: sa.Table, *where: sa.ColumnElement[bool]) -> int:
    return int(tx.c.scalar(sa.select(sa.func.count()).select_from(table).where(*where)) or 0)
