"""A worker process: takes its lock, takes over what is left behind, serves, and lets go; until stopped, idle, or fenced.

Exit codes: 0 done or stopped; 75 (try again) when it lost its right to work.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from datetime import datetime

from orchestrator import clock
from orchestrator.engine.hosts import HostLock, lock_path, worker_name
from orchestrator.engine.prestart import Rule
from orchestrator.engine.reaper import Reaper
from orchestrator.engine.runner import Runner
from orchestrator.engine.serving import Pace, Serving
from orchestrator.errors import StoreUnavailable
from orchestrator.store import lease, workers
from orchestrator.store.database import Store, Tx
from orchestrator.store.listen import listen
from orchestrator.store.locks import Session, key_of
from orchestrator.store.writer import Writer

log = logging.getLogger("deputy.engine")
LOOK_FOR_RULE_S = 0.1
EXIT_LOST = 75  # sysexits.h EX_TEMPFAIL


class Worker:
    """Advances items of one store with one runner. `run` blocks; one `Worker` runs once."""

    def __init__(
        self,
        store: Store,
        runner: Runner,
        *,
        pace: Pace | None = None,
        now: Callable[[], datetime] = clock.now,
        on_end: Callable[[], Awaitable[None]] | None = None,
        follow: Callable[[Writer, str], Awaitable[None]] | None = None,
        rule: Rule | None = None,
    ) -> None:
        self._rule = rule  # ends when a command has asked by other settings than those it was started by
        self._follow = follow  # runs beside the pump of a worker that stays, until it is cancelled
        self._on_end = on_end  # run in the loop when nothing is served any more
        self._store = store
        self._runner = runner
        self._pace = pace or Pace()
        self._now = now
        self._serving: Serving | None = None
        self._stopped = False

    def run(self) -> int:
        """The process's exit code. SQLite: waits for the host lock, or, asked to end when idle, leaves at once if it is taken."""
        if self._store.path is None:
            return self._life(None)
        lock = HostLock(lock_path(self._store), settings=self._rule.digest if self._rule is not None else None)
        while self._counts():
            if not lock.take(wait=not self._pace.until_idle):
                return 0
            try:
                if not self._counts():
                    return 0
                code = self._life(lock)
            finally:
                lock.release()
            # INVARIANT: looked at after the lock is free. A submitter commits, then tests the lock: one of us sees the row.
            if code or self._stopped or not self._pace.until_idle or not self._ready_rows():
                return code
        return 0

    def _counts(self) -> bool:
        return self._rule is None or self._rule.is_ours()

    async def _watch_rule(self) -> None:
        while self._counts():
            await asyncio.sleep(LOOK_FOR_RULE_S)
        log.info("a command asked by other settings: this worker ends")
        self.stop()

    def stop(self) -> None:
        """Drains and ends; from the loop's thread; from another one with `call_soon_threadsafe`."""
        self._stopped = True
        if self._serving is not None:
            self._serving.stop()

    def _ready_rows(self) -> bool:
        with self._store.read() as tx:
            return lease.count_ready(tx, 1) > 0

    def _life(self, lock: HostLock | None) -> int:
        worker_id = worker_name()
        store = self._store.sibling(
            worker_id
        )  # INVARIANT: every session of this worker bears its name, and can be ended by it
        session: Session | None = None
        try:
            key = key_of("worker", worker_id)
            if lock is None:
                session = Session(store)
                session.take(key)
            with store.tx() as tx:
                workers.register(tx, worker_id, lock_key=key, host=socket.gethostname(), pid=os.getpid())
                if lock is not None:  # the lock was free: whoever is on record is dead
                    self._take_over_dead(tx_workers=[row.worker_id for row in workers.every(tx)], me=worker_id, tx=tx)
            return asyncio.run(self._serve(store, worker_id, session))
        finally:
            if session is not None:
                session.close()
            store.close()

    def _take_over_dead(self, *, tx_workers: list[str], me: str, tx: Tx) -> None:
        for name in [*(one for one in tx_workers if one != me), *lease.orphans(tx)]:
            taken = lease.take_over(tx, name, self._now(), max_attempts=self._pace.max_attempts)
            workers.remove(tx, name)
            if taken:
                log.warning("worker %s is gone; took over %d items", name, len(taken))

    async def _serve(self, store: Store, worker_id: str, session: Session | None) -> int:
        serving = self._serving = Serving(store, self._runner, worker_id, self._pace, self._now, session)
        if self._stopped:
            serving.stop()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, self.stop)
        keepers: list[asyncio.Future[None]] = []
        if session is not None:
            reaper = Reaper(
                store, worker_id, stall_s=self._pace.stall_s, max_attempts=self._pace.max_attempts, now=self._now
            )
            keepers.append(asyncio.create_task(reaper.run(self._pace.reap_s), name="reaper"))
            keepers.append(asyncio.create_task(listen(store, serving.nudge), name="listen"))
        if self._rule is not None and session is None:
            keepers.append(asyncio.create_task(self._watch_rule(), name="rule"))
        if self._follow is not None and not self._pace.until_idle:
            following = asyncio.ensure_future(self._follow(serving.writer, worker_id))
            following.add_done_callback(_complain)
            keepers.append(following)
        try:
            await serving.run()
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
            self._serving = None
            if self._on_end is not None:
                await self._on_end()
        if serving.lost is not None:
            _end_now(serving)
        try:
            await serving.writer.put(workers.remove, worker_id)
        except StoreUnavailable as error:
            log.warning("left without saying so: %s", error.message)
        await asyncio.to_thread(serving.writer.close)
        return 0


def spare_collections() -> None:
    """What is loaded now lives as long as the worker: collections need not look at it, nor come so often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def _complain(task: asyncio.Future[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("accounts are followed no longer", exc_info=error)


def _end_now(serving: Serving) -> None:
    """Ends the process on the spot: it has been taken over, and nothing it still runs may reach the outside."""
    log.error("exit %d after %d refused writes: %s", EXIT_LOST, serving.fenced, serving.lost)
    logging.shutdown()
    sys.stderr.flush()
    os._exit(EXIT_LOST)
