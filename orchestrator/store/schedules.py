"""Schedules as people keep them: added, listed, changed, with what became of each of their times. `firings` makes them fire."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from orchestrator.domain import checks, recurrence, schedule_news, unattended
from orchestrator.domain.audit import AuditEvent
from orchestrator.domain.schedule import Firing, FiringState, Kind, Missed, Overlap, Schedule
from orchestrator.domain.unattended import Unattended
from orchestrator.errors import Conflict, NotFound
from orchestrator.store import items
from orchestrator.store.database import Tx
from orchestrator.store.schedule_tables import firings, schedules

S, F = schedules.c, firings.c
KEPT = 1000  # times of one schedule


def add(tx: Tx, schedule: Schedule) -> None:
    """Raises `Conflict` where the owner has one of that name."""
    row = _row(tx, schedule)
    if tx.c.execute(items.insert_new(tx, schedules).values(row).returning(S.schedule_id)).first() is None:
        raise Conflict(
            f"there is a schedule {schedule.name!r} already",
            fix=f"choose another name, or: deputy schedule rm {schedule.name}",
        )
    audit(tx, "schedule.added", schedule, schedule.owner, schedule.created_at)
    tx.nudge()


def every(tx: Tx, *, owner: str | None = None) -> list[Schedule]:
    """By owner and name."""
    stmt = sa.select(schedules).where(S.tenant_id == tx.tenant_id).order_by(S.owner, S.name)
    return [schedule_of(row) for row in tx.c.execute(stmt if owner is None else stmt.where(S.owner == owner))]


def named(tx: Tx, owner: str, name: str) -> Schedule:
    """By name or id, locked until the transaction ends. Raises `NotFound`."""
    mine = (S.tenant_id == tx.tenant_id, S.owner == owner, sa.or_(S.name == name, S.schedule_id == name))
    row = tx.c.execute(sa.select(schedules).where(*mine).with_for_update()).first()
    if row is None:
        raise NotFound(f"there is no schedule {name!r} of yours", fix="see: deputy schedule ls")
    return schedule_of(row)


def locked(tx: Tx, schedule_id: str) -> Schedule | None:
    """The schedule, held until the transaction ends; None when it is gone, or somebody else holds it right now."""
    stmt = sa.select(schedules).where(S.tenant_id == tx.tenant_id, S.schedule_id == schedule_id)
    row = tx.c.execute(stmt.with_for_update(skip_locked=True)).first()
    return schedule_of(row) if row is not None else None


def remove(tx: Tx, schedule: Schedule, by: str, now: datetime) -> None:
    """It and what is known of its times. Items that it has made go on."""
    for table in (firings, schedules):
        c = table.c
        tx.c.execute(sa.delete(table).where(c.tenant_id == tx.tenant_id, c.schedule_id == schedule.schedule_id))
    audit(tx, "schedule.removed", schedule, by, now)


def put(tx: Tx, schedule: Schedule, kind: str, by: str, now: datetime) -> None:
    """Writes a schedule that was changed; `kind`: of the audit event."""
    mine = (S.tenant_id == tx.tenant_id, S.schedule_id == schedule.schedule_id)
    tx.c.execute(sa.update(schedules).where(*mine).values(_row(tx, schedule)))
    audit(tx, kind, schedule, by, now)
    tx.nudge()


def move_on(tx: Tx, schedule: Schedule, next_at: datetime | None) -> bool:
    """Whether the time at which `schedule` stood was ours to take. INVARIANT: of all who see a time come, one gets True."""
    mine = (S.tenant_id == tx.tenant_id, S.schedule_id == schedule.schedule_id, S.next_at == schedule.next_at)
    return (
        tx.c.execute(sa.update(schedules).where(*mine).values(next_at=next_at).returning(S.schedule_id)).first()
        is not None
    )


def history(tx: Tx, schedule_id: str, *, limit: int = 20) -> list[Firing]:
    """The latest times first."""
    stmt = sa.select(firings).where(F.tenant_id == tx.tenant_id, F.schedule_id == schedule_id)
    return [firing_of(row) for row in tx.c.execute(stmt.order_by(F.at.desc()).limit(limit))]


def since(tx: Tx, owner: str, start: datetime) -> list[tuple[str, Firing]]:
    """(schedule's name, firing) of an owner that came since then, or are open still; oldest first."""
    mine = (F.tenant_id == tx.tenant_id, F.owner == owner)
    fresh = sa.or_(F.at >= start, F.started_at >= start, F.settled_at >= start, F.settled_at.is_(None))
    stmt = (
        sa.select(firings, S.name)
        .join(schedules, (S.tenant_id == F.tenant_id) & (S.schedule_id == F.schedule_id))
        .where(*mine, fresh)
        .order_by(F.at, S.name)
    )
    return [(row.name, firing_of(row)) for row in tx.c.execute(stmt)]


def troubles(tx: Tx, owner: str, since: datetime, limit: int) -> list[tuple[str, Firing]]:
    """(schedule's name, firing) of an owner that did not start, or did not end as expected, after then; the newest first."""
    stmt = (
        sa.select(firings, S.name)
        .join(schedules, (S.tenant_id == F.tenant_id) & (S.schedule_id == F.schedule_id))
        .where(F.tenant_id == tx.tenant_id, F.owner == owner, F.state.in_(schedule_news.TROUBLED), F.settled_at > since)
        .order_by(F.settled_at.desc(), F.at.desc(), S.name)
        .limit(limit)
    )
    return [(row.name, firing_of(row)) for row in tx.c.execute(stmt)]


def latest(tx: Tx) -> list[tuple[Schedule, Firing]]:
    """Each schedule that has come, of anybody, with the latest of its times that has settled; by owner and name."""
    last = (
        sa.select(F.schedule_id, sa.func.max(F.at).label("at"))
        .where(F.tenant_id == tx.tenant_id, F.settled_at.is_not(None))
        .group_by(F.schedule_id)
        .subquery()
    )
    stmt = sa.select(firings).join(last, (last.c.schedule_id == F.schedule_id) & (last.c.at == F.at))
    found = {row.schedule_id: firing_of(row) for row in tx.c.execute(stmt.where(F.tenant_id == tx.tenant_id))}
    return [(one, found[one.schedule_id]) for one in every(tx) if one.schedule_id in found]


def audit(tx: Tx, kind: str, schedule: Schedule, by: str, now: datetime, **more: Any) -> None:
    """`more`: what else the event says; `item_id` names its item."""
    item_id = more.pop("item_id", None)
    body = {"schedule": schedule.schedule_id, "name": schedule.name, "rule": str(schedule.when), **more}
    tx.audit(AuditEvent(kind=kind, actor=by, at=now.isoformat(), item_id=item_id, body=body))


def schedule_of(row: Any) -> Schedule:
    return Schedule(
        schedule_id=row.schedule_id,
        name=row.name,
        owner=row.owner,
        kind=Kind(row.kind),
        when=recurrence.stored(row.rule),
        request=row.request,
        options=row.options,
        priority=row.priority,
        missed=Missed(row.missed),
        overlap=Overlap(row.overlap),
        grace=timedelta(seconds=row.grace_s),
        unattended=_unattended(row),
        expects=checks.many(row.expects),
        reply_to=row.reply_to,
        active=row.active,
        next_at=row.next_at,
        created_at=row.created_at,
    )


def _unattended(row: Any) -> Unattended | None:
    if row.unattended is not None:
        return unattended.stored(row.unattended)
    if row.asks_s is None:
        return None
    until = unattended.spelled(timedelta(seconds=row.asks_s))
    return Unattended(until=until, set_by=row.owner, set_at=row.created_at)


def firing_of(row: Any) -> Firing:
    return Firing(
        schedule_id=row.schedule_id,
        at=row.at,
        state=FiringState(row.state),
        item_id=row.item_id,
        why=row.why,
        asks_until=row.asks_until,
        counts=row.counts,
        started_at=row.started_at,
        settled_at=row.settled_at,
    )


def record(tx: Tx, schedule: Schedule, ats: Sequence[datetime], state: FiringState, why: str, now: datetime) -> None:
    """Times of a schedule as they come. One that is on record already stays as it is."""
    is_open = state in (FiringState.QUEUED, FiringState.STARTED)
    if ats:
        tx.c.execute(
            items.insert_new(tx, firings),
            [
                {
                    "tenant_id": tx.tenant_id,
                    "schedule_id": schedule.schedule_id,
                    "at": at,
                    "owner": schedule.owner,
                    "state": state.value,
                    "why": why,
                    "settled_at": None if is_open else now,
                }
                for at in ats
            ],
        )


def forget_old(tx: Tx, schedule_id: str) -> None:
    """Of what has settled, only the latest `KEPT` times stay."""
    mine = (F.tenant_id == tx.tenant_id, F.schedule_id == schedule_id)
    last = tx.c.scalar(sa.select(F.at).where(*mine).order_by(F.at.desc()).offset(KEPT).limit(1))
    if last is not None:
        tx.c.execute(sa.delete(firings).where(*mine, F.at <= last, F.settled_at.is_not(None)))


def behind(tx: Tx, root_id: str) -> dict[str, Any] | None:
    """The schedule and the firing that made this item, as its document shows them."""
    stmt = (
        sa.select(firings, S.name)
        .join(schedules, (S.tenant_id == F.tenant_id) & (S.schedule_id == F.schedule_id))
        .where(F.item_id == root_id, F.tenant_id == tx.tenant_id)
    )
    row = tx.c.execute(stmt).first()
    if row is None:
        return None
    return {"schedule_id": row.schedule_id, "name": row.name, **firing_of(row).as_json()}


def change(tx: Tx, schedule_id: str, at: datetime, expect: FiringState, **values: Any) -> bool:
    """Whether the firing was in state `expect`; then it has these values."""
    mine = (F.tenant_id == tx.tenant_id, F.schedule_id == schedule_id, F.at == at, F.state == expect.value)
    return tx.c.execute(sa.update(firings).where(*mine).values(values).returning(F.at)).first() is not None


def _row(tx: Tx, schedule: Schedule) -> dict[str, Any]:
    return {
        "tenant_id": tx.tenant_id,
        "schedule_id": schedule.schedule_id,
        "name": schedule.name,
        "owner": schedule.owner,
        "kind": schedule.kind.value,
        "rule": str(schedule.when),
        "request": schedule.request,
        "options": dict(schedule.options),
        "priority": schedule.priority,
        "missed": schedule.missed.value,
        "overlap": schedule.overlap.value,
        "grace_s": int(schedule.grace.total_seconds()),
        "asks_s": int(schedule.asks.total_seconds()) if schedule.asks is not None else None,
        "expects": [str(one) for one in schedule.expects],
        "reply_to": dict(schedule.reply_to) if schedule.reply_to is not None else None,
        "active": schedule.active,
        "next_at": schedule.next_at,
        "created_at": schedule.created_at,
        "unattended": schedule.unattended.as_json() if schedule.unattended is not None else None,
    }
