"""What workers have counted, summed over all of them there ever were; and how much there is now, read off the rows themselves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from orchestrator.domain.item import State
from orchestrator.measures import (
    CARDS,
    FIRINGS,
    ITEMS,
    OLDEST_CARD,
    OLDEST_READY,
    OPEN_WAITS,
    SILENT,
    WORKERS,
    Gauge,
    Sum,
    key_of,
)
from orchestrator.store import items, waits, workers
from orchestrator.store.database import Tx
from orchestrator.store.items import W
from orchestrator.store.measure_tables import measures
from orchestrator.store.schedule_tables import firings
from orchestrator.store.tables import approvals
from orchestrator.store.tables import waits as wait_rows

M, A, N = measures.c, approvals.c, wait_rows.c


def add(tx: Tx, sums: Sequence[Sum]) -> None:
    """Adds what one worker has counted since it last did."""
    for one in sorted(
        sums, key=lambda one: (one.name, key_of(one.labels))
    ):  # one order, so that two never wait in a circle
        mine = {"tenant_id": tx.tenant_id, "name": one.name, "labels": key_of(one.labels)}
        where = (M.tenant_id == tx.tenant_id, M.name == one.name, M.labels == mine["labels"])
        none = None if one.buckets is None else [0] * len(one.buckets)
        tx.c.execute(items.insert_new(tx, measures).values(**mine, count=0, total=0.0, buckets=none))
        before = tx.c.execute(sa.select(M.buckets).where(*where).with_for_update()).scalar_one()
        buckets = one.buckets
        if buckets is not None and before is not None and len(before) == len(buckets):
            buckets = [a + b for a, b in zip(before, buckets, strict=True)]
        tx.c.execute(
            sa.update(measures)
            .where(*where)
            .values(
                count=M.count + one.count, total=M.total + one.total, buckets=None if buckets is None else list(buckets)
            )
        )


def every(tx: Tx) -> list[Sum]:
    """All sums of the house."""
    rows = tx.c.execute(
        sa.select(M.name, M.labels, M["count"], M.total, M.buckets)
        .where(M.tenant_id == tx.tenant_id)
        .order_by(M.name, M.labels)
    )
    return [
        Sum(name=row.name, labels=json.loads(row.labels), count=row[2], total=row.total, buckets=row.buckets)
        for row in rows
    ]


def gauges(tx: Tx, now: datetime) -> list[Gauge]:
    """How much there is now. Reads partial indexes only: it costs the same beside a million finished items."""
    found = [
        Gauge(name=ITEMS, labels={"state": state.value}, value=_count_items(tx, state))
        for state in (State.READY, State.RUNNING, State.WAITING)
    ]
    first = (
        sa.select(W.created_at)
        .where(W.tenant_id == tx.tenant_id, W.state == sa.literal_column("'ready'"))
        .order_by(W.deadline_at, W.item_id)
        .limit(1)
    )
    found.append(Gauge(name=OLDEST_READY, labels={}, value=_age_s(tx.c.scalar(first), now)))
    pending = (A.tenant_id == tx.tenant_id, A.state == sa.literal_column("'pending'"))
    count, oldest = tx.c.execute(sa.select(sa.func.count(), sa.func.min(A.created_at)).where(*pending)).one()
    found += [
        Gauge(name=CARDS, labels={}, value=count),
        Gauge(name=OLDEST_CARD, labels={}, value=_age_s(oldest, now)),
    ]
    open_waits = sa.select(N.kind, sa.func.count()).where(N.tenant_id == tx.tenant_id, waits.OPEN).group_by(N.kind)
    found += [
        Gauge(name=OPEN_WAITS, labels={"kind": kind}, value=number)
        for kind, number in sorted(map(tuple, tx.c.execute(open_waits)))
    ]
    f = firings.c
    fired = sa.select(f.state, sa.func.count()).where(f.tenant_id == tx.tenant_id).group_by(f.state)
    found += [
        Gauge(name=FIRINGS, labels={"state": state}, value=number)
        for state, number in sorted(map(tuple, tx.c.execute(fired)))
    ]
    known = workers.every(tx)
    found += [
        Gauge(name=WORKERS, labels={}, value=len(known)),
        Gauge(name=SILENT, labels={}, value=max((one.silent_s for one in known), default=0.0)),
    ]
    return found


def _count_items(tx: Tx, state: State) -> int:
    stmt = sa.select(sa.func.count()).where(
        W.tenant_id == tx.tenant_id, W.state == sa.literal_column(f"'{state.value}'")
    )
    return int(tx.c.scalar(stmt) or 0)


def _age_s(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())
