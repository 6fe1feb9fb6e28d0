"""One worker between taking its lock and letting it go: the pump starts tasks, each task claims and advances the best ready item.

Nothing here decides what an item does; it keeps leases honest, notices hangs, fires timers, and ends cleanly or not at all.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.domain import boundary
from orchestrator.domain.effect import EffectState
from orchestrator.domain.item import WaitKind
from orchestrator.domain.outcome import Ended, Parked
from orchestrator.engine.halting import Halting
from orchestrator.engine.runner import Advanced, Runner
from orchestrator.errors import DeputyError, Fenced, StoreUnavailable
from orchestrator.store import approvals, firings, halts, lease, timers, workers
from orchestrator.store.database import Store
from orchestrator.store.lease import Claimed
from orchestrator.store.locks import Session
from orchestrator.store.writer import Writer

log = logging.getLogger("deputy.engine")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How a worker runs. Durations in seconds."""

    cap: int = 64  # items advanced at the same time
    poll_s: float = 0.1  # SQLite: how often another process's commits are noticed
    poll_remote_s: float = 0.5  # PostgreSQL: the safety net under notifications
    look_s: float = 1.0  # the pump looks this often even when nothing seems to have changed
    beat_s: float = 1.0
    stall_s: float = 10.0  # PostgreSQL: silent for longer means ended by the leader
    reap_s: float = 1.0
    hang_s: float = 600.0  # an advance that records nothing for so long is given up
    hang_patience_s: float = 10.0  # and abandoned, if it does not even end when cancelled
    sweep_unheld_s: float = 10.0
    backoff_s: float = 0.5  # doubled at each failed attempt in a row
    max_attempts: int = lease.MAX_ATTEMPTS
    drain_s: float = 20.0
    linger_s: float = 60.0  # until idle: stays for what falls due within so long
    until_idle: bool = False
    idle_s: float = 0.0  # until idle: stays this long after the last work, for the answer that often follows at once


@dataclass(slots=True)
class _Watch:
    """One advance under the eyes of the watchdog."""

    task: asyncio.Task[Advanced]
    claimed: Claimed
    heard_s: float  # monotonic
    given_up_s: float | None = None
    abandoned: asyncio.Event = field(default_factory=asyncio.Event)


_watch: contextvars.ContextVar[list[float] | None] = contextvars.ContextVar("deputy_progress", default=None)


def made_progress() -> None:
    """Tells the watchdog that the current advance is alive. Every write says so by itself; for long work without writes."""
    cell = _watch.get()
    if cell is not None:
        cell[0] = time.monotonic()


class Serving:
    """Runs until it is told to stop, is idle (where asked to end then), or has lost its right to work."""

    def __init__(
        self,
        store: Store,
        runner: Runner,
        worker_id: str,
        pace: Pace,
        now: Callable[[], datetime],
        session: Session | None,
    ) -> None:
        self._store = store
        self._runner = runner
        self._id = worker_id
        self._pace = pace
        self._now = now
        self._session = session  # PostgreSQL: holds the worker's lock
        self._loop = asyncio.get_running_loop()
        self._ready = asyncio.Event()
        self._stopping = asyncio.Event()
        self.writer = Writer(store, on_commit=self._committed, on_put=made_progress)
        self._halting = Halting(self.writer)
        self.lost: str | None = None
        self.advanced = self.fenced = self.missed = 0
        self._live = self._holding = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: dict[str, int] = {}
        self._watches: dict[str, tuple[_Watch, list[float]]] = {}
        self._suspects: dict[str, int] = {}
        self._draining = False
        self._looked_s = 0.0
        self._busy_s = time.monotonic()
        self._due = timers.Due(None, None)
        self._changes: sqlite3.Connection | None = None
        self._seen_version = -1

    # ---- from outside ------------------------------------------------------------------------------------------------
    def stop(self) -> None:
        """Claims nothing more; what runs has `drain_s` to come to an end or a park."""
        self._stopping.set()
        self._ready.set()

    def nudge(self) -> None:
        """Something may be ready."""
        self._ready.set()

    async def run(self) -> None:
        """Serves until it ends; then nothing of this worker is running, and `lost` says whether it ended against its will."""
        keepers = [asyncio.create_task(self._beat(), name="beat")]
        if self._store.path is not None:
            self._changes = sqlite3.connect(f"file:{self._store.path}?mode=ro", uri=True, check_same_thread=False)
        try:
            await self._pump()
            if self.lost is None:
                await self._drain()
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
            if self._changes is not None:
                self._changes.close()

    def lose(self, why: str) -> None:
        """This worker may not go on: whatever it still does is fenced, and it ends."""
        if self.lost is None:
            log.error("worker %s ends: %s", self._id, why)
            self.lost = why
            self.stop()

    # ---- pump --------------------------------------------------------------------------------------------------------
    async def _pump(self) -> None:
        faults = 0
        poll_s = self._pace.poll_s if self._changes is not None else self._pace.poll_remote_s
        while True:
            nudged = await _wait(self._ready, poll_s)
            self._ready.clear()
            if self._stopping.is_set():
                return
            if not nudged and self._nothing_changed():
                continue
            try:
                if await self._look():
                    return
                faults = 0
            except StoreUnavailable as error:
                faults += 1
                log.warning("the pump could not read (%d): %s", faults, error.message)
                if faults >= 20:
                    self.lose("the database cannot be used")
                    return
                await _wait(self._stopping, min(5.0, 0.1 * 2**faults))

    def _nothing_changed(self) -> bool:
        """SQLite tells cheaply whether anybody has committed since the last look."""
        if self._changes is None or time.monotonic() - self._looked_s > self._pace.look_s or self._is_due():
            return False
        return bool(self._changes.execute("PRAGMA data_version").fetchone()[0] == self._seen_version)

    def _is_due(self) -> bool:
        passed_s = time.monotonic() - self._looked_s
        if self._due.hold_s is not None and self._due.hold_s <= passed_s:
            return True
        return self._due.at is not None and self._due.at <= self._now()

    async def _look(self) -> bool:
        """Starts as many tasks as there is work for. Whether the worker is idle and was asked to end then.

        A task that holds an item serves nobody else now: only those that hold none count against what is ready.
        """
        if self._changes is not None:
            self._seen_version = self._changes.execute("PRAGMA data_version").fetchone()[0]
        if self._is_due():
            now = self._now()
            await self.writer.put(timers.sweep, now)
            await self.writer.put(approvals.expire_due, now)
            await self.writer.put(firings.sweep, now)
        ready = await self._read_ready()
        for _ in range(max(0, min(ready - (self._live - self._holding), self._pace.cap - self._live))):
            self._live += 1
            task = asyncio.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if ready or self._live or self._soon():
            self._busy_s = time.monotonic()
            return False
        return self._pace.until_idle and time.monotonic() - self._busy_s >= self._pace.idle_s

    async def _read_ready(self) -> int:
        def look() -> tuple[int, list[halts.Halt]]:
            with self._store.read() as tx:
                self._due = timers.next_due(tx)
                return lease.count_ready(tx, self._pace.cap), halts.in_force(tx)

        count, halted = look() if self._store.path is not None else await asyncio.to_thread(look)
        self._halting.look(halted)
        self._looked_s = time.monotonic()
        return count

    def _soon(self) -> bool:
        if self._due.hold_s is not None:
            return True
        return self._due.at is not None and (self._due.at - self._now()).total_seconds() <= self._pace.linger_s

    def _committed(self, nudged: bool) -> None:
        if nudged and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ready.set)

    # ---- tasks -------------------------------------------------------------------------------------------------------
    async def _work(self) -> None:
        """Claims the best ready item and advances it, until none is left."""
        try:
            while not self._stopping.is_set():
                claimed = await self.writer.put(lease.claim, self._id, self._now())
                if claimed is None:
                    break
                self._holding += 1
                self._held[claimed.lease.item.item_id] = claimed.lease.epoch
                try:
                    await self._advance(claimed)
                finally:
                    self._holding -= 1
                    self._held.pop(claimed.lease.item.item_id, None)
            boundary.reached("empty-claim")
        except StoreUnavailable as error:
            log.warning("a task ended early: %s", error.message)
        finally:
            self._live -= 1
            self._ready.set()

    async def _advance(self, claimed: Claimed) -> None:
        """One advance and its settling. Whatever happens, the claim is settled, given back, or no longer ours."""
        try:
            result = _without_running(claimed) or await self._halting.turn_away(claimed) or await self._watched(claimed)
            if result is None:
                return
            await self.writer.put(
                lease.settle,
                claimed.lease,
                result.outcome,
                self._now(),
                receipt=result.receipt,
                route=result.route,
                match=result.match,
                slots=result.slots,
            )
            self.advanced += 1
        except Fenced as error:
            self.fenced += 1
            log.warning("fenced: %s", error.message)
            await self._give_back(claimed, count=False, why="fenced")
        except asyncio.CancelledError:
            if not self._draining:
                raise
            await self._give_back(claimed, count=False, why="the worker was stopped")
        except Exception as error:  # noqa: BLE001 - whatever a runner raises, its claim goes back and is counted
            what = error.message if isinstance(error, DeputyError) else type(error).__name__
            log.error(
                "advance of %s failed: %s",
                claimed.lease.item.item_id,
                what,
                exc_info=not isinstance(error, DeputyError),
            )
            backoff_s = self._pace.backoff_s * 2**claimed.lease.item.attempts
            await self._give_back(claimed, count=True, why=f"the last one failed: {what}", backoff_s=backoff_s)

    async def _watched(self, claimed: Claimed) -> Advanced | None:
        """The runner's result; None when it hung and the claim was given back."""
        item_id = claimed.lease.item.item_id
        cell = [time.monotonic()]
        context = contextvars.copy_context()
        context.run(_watch.set, cell)
        bell = self._halting.bell(context)
        task = asyncio.create_task(self._runner.advance(claimed, self.writer), context=context, name=item_id)
        watch = _Watch(task, claimed, cell[0])
        self._watches[item_id] = (watch, cell)
        abandoned = asyncio.create_task(watch.abandoned.wait())
        try:
            await asyncio.wait({task, abandoned}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise
        finally:
            abandoned.cancel()
            self._halting.unhang(bell)
            self._watches.pop(item_id, None)
        if watch.given_up_s is not None:
            await self._give_back(claimed, count=True, why=f"no progress for {self._pace.hang_s:g} s")
            return None
        return task.result()

    async def _give_back(self, claimed: Claimed, *, count: bool, why: str, backoff_s: float = 0.0) -> None:
        """Has no effect unless the claim is still ours."""
        try:
            await self.writer.put(
                lease.give_back,
                claimed.lease,
                self._now(),
                count=count,
                why=why,
                backoff_s=backoff_s,
                max_attempts=self._pace.max_attempts,
            )
        except StoreUnavailable as error:
            log.warning("%s stays claimed until the next sweep: %s", claimed.lease.item.item_id, error.message)

    async def _drain(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._pace.drain_s)
        self._draining = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ---- keepers -----------------------------------------------------------------------------------------------------
    async def _beat(self) -> None:
        """Says that loop and writer are alive, looks for hangs, and notices when this worker was taken over."""
        swept_s = time.monotonic()
        while not self._stopping.is_set() or self._tasks:
            try:
                progress = {"advanced": self.advanced, "live": self._live, "holding": self._holding}
                if not await self.writer.put(workers.beat, self._id, progress):
                    self.lose("another worker has taken over")
                    return
                if self._session is not None and not await asyncio.to_thread(self._session.lives):
                    self.lose("its lock's session is gone")
                    return
                if time.monotonic() - swept_s > self._pace.sweep_unheld_s:
                    swept_s = time.monotonic()
                    await self._sweep_unheld()
            except StoreUnavailable as error:
                log.warning("no beat: %s", error.message)
                if self._session is not None and not await asyncio.to_thread(self._session.lives):
                    self.lose("its lock's session is gone")
                    return
            self._look_for_hangs()
            await asyncio.sleep(self._pace.beat_s)

    def _look_for_hangs(self) -> None:
        now_s = time.monotonic()
        for watch, cell in list(self._watches.values()):
            if watch.given_up_s is not None:
                if now_s - watch.given_up_s > self._pace.hang_patience_s:
                    watch.abandoned.set()
            elif now_s - cell[0] > self._pace.hang_s:
                log.error("%s made no progress for %.0f s: given up", watch.claimed.lease.item.item_id, now_s - cell[0])
                watch.given_up_s = now_s
                watch.task.cancel()

    async def _sweep_unheld(self) -> None:
        """Claims of ours that we do not know of, seen twice: the acknowledgement of their commit was lost."""
        recorded = await self.writer.read(lease.own_running, self._id)
        unheld = {item_id: epoch for item_id, epoch in recorded.items() if self._held.get(item_id) != epoch}
        twice = {item_id: epoch for item_id, epoch in unheld.items() if self._suspects.get(item_id) == epoch}
        if twice:
            await self.writer.put(lease.release_unheld, self._id, twice, self._now())
        self._suspects = unheld


def _without_running(claimed: Claimed) -> Advanced | None:
    """An end that needs no runner: a person gave up on it, or cancelled it and nothing is in flight."""
    repairs = [
        wait for wait in claimed.waits if wait.kind is WaitKind.REPAIR and wait.payload.get("reason") == "engine"
    ]
    if repairs and repairs[-1].answer == lease.GIVE_UP:
        text = str(repairs[-1].payload.get("text", ""))
        return Advanced(
            outcome=Ended(state="failed", code="gave_up", message=f"{repairs[-1].answered_by} gave up. {text}")
        )
    if claimed.lease.item.cancel_requested and not any(e.state is EffectState.ATTEMPTED for e in claimed.effects):
        return Advanced(outcome=Parked())  # settling a cancelled item without anything in flight ends it
    return None


async def _wait(event: asyncio.Event, timeout_s: float) -> bool:
    """Whether the event came within the time."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
