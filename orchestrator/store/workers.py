"""Rows of the worker processes. A worker without its row may claim nothing; `beat_at` by the database's clock says when it last lived."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from orchestrator.store.database import Tx, clock_s
from orchestrator.store.tables import workers

K = workers.c


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRow:
    """One process. `silent_s`: seconds since its last beat."""

    worker_id: str
    lock_key: int
    host: str
    pid: int
    started_at_s: float
    silent_s: float
    progress: Mapping[str, Any]


def register(tx: Tx, worker_id: str, *, lock_key: int, host: str, pid: int) -> None:
    """Announces a worker; from here on it may claim."""
    at = clock_s(tx)
    tx.c.execute(
        sa.insert(workers),
        [
            {
                "tenant_id": tx.tenant_id,
                "worker_id": worker_id,
                "lock_key": lock_key,
                "host": host,
                "pid": pid,
                "started_at": at,
                "beat_at": at,
                "progress": {},
            }
        ],
    )


def beat(tx: Tx, worker_id: str, progress: Mapping[str, Any]) -> bool:
    """Whether the worker still has its row; without it, it was taken over and must end."""
    stmt = (
        sa.update(workers)
        .where(K.tenant_id == tx.tenant_id, K.worker_id == worker_id)
        .values(beat_at=clock_s(tx), progress=dict(progress))
    )
    return bool(tx.c.execute(stmt).rowcount)


def remove(tx: Tx, worker_id: str) -> None:
    """Takes the row away: the worker may claim nothing any more."""
    tx.c.execute(sa.delete(workers).where(K.tenant_id == tx.tenant_id, K.worker_id == worker_id))


def every(tx: Tx) -> list[WorkerRow]:
    """All workers of the tenant, oldest first."""
    at = clock_s(tx)
    return [
        WorkerRow(
            worker_id=row.worker_id,
            lock_key=row.lock_key,
            host=row.host,
            pid=row.pid,
            started_at_s=row.started_at,
            silent_s=at - row.beat_at,
            progress=row.progress or {},
        )
        for row in tx.c.execute(
            sa.select(workers).where(K.tenant_id == tx.tenant_id).order_by(K.started_at, K.worker_id)
        )
    ]
