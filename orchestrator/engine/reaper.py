"""PostgreSQL: the leader among the workers takes over what dead ones held, and ends those that only stall.

A worker lives as long as its session holds its advisory lock. The leader takes over while it holds both its own lock and the
dead worker's, so that neither a second leader nor the worker itself can come in between.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from orchestrator.errors import StoreUnavailable
from orchestrator.store import lease, workers
from orchestrator.store.database import Store
from orchestrator.store.locks import Session, key_of
from orchestrator.store.workers import WorkerRow

log = logging.getLogger("deputy.engine")


class Reaper:
    """One worker's turn at leading, again and again."""

    def __init__(
        self, store: Store, worker_id: str, *, stall_s: float, max_attempts: int, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._id = worker_id
        self._stall_s = stall_s
        self._max_attempts = max_attempts
        self._now = now
        self._leader_key = key_of("leader", store.tenant_id)

    async def run(self, every_s: float) -> None:
        """Reaps until it is cancelled."""
        session: Session | None = None
        try:
            while True:
                try:
                    if session is None:
                        session = await asyncio.to_thread(Session, self._store)
                    await asyncio.to_thread(self.reap, session)
                except StoreUnavailable as error:
                    log.warning("the reaper could not look: %s", error.message)
                    if session is not None:
                        session.close()
                        session = None
                await asyncio.sleep(every_s)
        finally:
            if session is not None:
                session.close()

    def reap(self, session: Session) -> int:
        """How many items were put back on the list; 0 as well when another worker leads."""
        if not session.try_take(self._leader_key):
            self._end_silent_leader(session)
            return 0
        try:
            with self._store.read() as tx:
                others = [row for row in workers.every(tx) if row.worker_id != self._id]
                strays = [name for name in lease.orphans(tx) if name != self._id]
            return sum(self._look_at(session, row) for row in others) + sum(self._orphaned(name) for name in strays)
        finally:
            session.release(self._leader_key)

    def _end_silent_leader(self, session: Session) -> None:
        """A leader that was stopped while it led keeps the lock: whoever is silent for twice the limit is ended by anybody."""
        with self._store.read() as tx:
            silent = [
                row for row in workers.every(tx) if row.worker_id != self._id and row.silent_s > 2 * self._stall_s
            ]
        for row in silent:
            if session.end_sessions(row.worker_id):
                log.warning(
                    "worker %s (process %d on %s) stalled while leading; ended it", row.worker_id, row.pid, row.host
                )

    def _look_at(self, session: Session, row: WorkerRow) -> int:
        if session.try_take(row.lock_key):  # INVARIANT: both locks are held until the take-over is durable
            try:
                with self._store.tx() as tx:
                    taken = lease.take_over(tx, row.worker_id, self._now(), max_attempts=self._max_attempts)
                    workers.remove(tx, row.worker_id)
            finally:
                session.release(row.lock_key)
            log.warning("worker %s is gone; took over %d items", row.worker_id, len(taken))
            return len(taken)
        if row.silent_s > self._stall_s:
            ended = session.end_sessions(row.worker_id)
            log.warning(
                "worker %s (process %d on %s) has stalled; ended %d sessions", row.worker_id, row.pid, row.host, ended
            )
        return 0

    def _orphaned(self, worker_id: str) -> int:
        with self._store.tx() as tx:
            taken = lease.take_over(tx, worker_id, self._now(), max_attempts=self._max_attempts)
        log.warning("worker %s has no row; took over %d items", worker_id, len(taken))
        return len(taken)
