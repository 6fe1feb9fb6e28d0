"""A worker serves what is ready, gives back what fails, notices hangs, and ends cleanly."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.domain.item import Item, State, WaitKind
from orchestrator.domain.outcome import Done, Ended, Parked
from orchestrator.engine import hosts
from orchestrator.engine.runner import Advanced
from orchestrator.engine.serving import Pace
from orchestrator.engine.worker import Worker
from orchestrator.errors import Conflict
from orchestrator.store import lease, runs, steplog, waits, workers, worklist
from orchestrator.store.database import Store
from orchestrator.store.lease import Claimed
from orchestrator.store.waits import NewWait
from orchestrator.store.worklist import NewItem
from orchestrator.store.writer import Writer

QUICK = Pace(
    cap=8,
    poll_s=0.02,
    poll_remote_s=0.1,
    beat_s=0.05,
    reap_s=0.1,
    hang_s=0.3,
    hang_patience_s=0.2,
    backoff_s=0.01,
    drain_s=2.0,
    linger_s=0.5,
    sweep_unheld_s=0.1,
    until_idle=True,
)


def now() -> datetime:
    return datetime.now(UTC)


class By:
    """A runner that does what a function says."""

    def __init__(self, do: Callable[[Claimed, Writer], Awaitable[Advanced]]) -> None:
        self._do = do

    async def advance(self, claimed: Claimed, writer: Writer) -> Advanced:
        return await self._do(claimed, writer)


async def finish(claimed: Claimed, writer: Writer) -> Advanced:
    return Advanced(outcome=Done(text="ok"), receipt={"model_calls": 0})


def submit(store: Store, request: str = "r", **more: object) -> str:
    return store.write(worklist.submit, NewItem(request=request, requester="a", **more), now())[0]  # type: ignore[arg-type]


def serve(store: Store, do: Callable[[Claimed, Writer], Awaitable[Advanced]] = finish, pace: Pace = QUICK) -> int:
    return Worker(store, By(do), pace=pace, now=now).run()


def item(store: Store, item_id: str) -> Item:
    with store.read() as tx:
        return worklist.get(tx, item_id)


def test_everything_ready_is_served_in_order(store: Store) -> None:
    """With one task at a time, items are advanced in the order of the list, and the worker ends when idle."""
    for name, priority in (("c", 300), ("a", 100), ("b", 200)):
        submit(store, name, priority=priority)
    seen: list[str] = []

    async def note(claimed: Claimed, writer: Writer) -> Advanced:
        seen.append(claimed.lease.item.request)
        return await finish(claimed, writer)

    assert serve(store, note, replace(QUICK, cap=1)) == 0
    assert seen == ["a", "b", "c"]
    with store.read() as tx:
        assert workers.every(tx) == []


def test_an_urgent_item_overtakes_what_is_still_queued(store: Store) -> None:
    """Submitted while others wait, an urgent item is claimed next: claims bind late."""
    for name in "abc":
        submit(store, name)
    seen: list[str] = []

    async def note(claimed: Claimed, writer: Writer) -> Advanced:
        if not seen:
            await writer.put(worklist.submit, NewItem(request="urgent", requester="a", priority=-500), now())
        seen.append(claimed.lease.item.request)
        return await finish(claimed, writer)

    serve(store, note, replace(QUICK, cap=1))

    assert seen == ["a", "urgent", "b", "c"]


def test_a_long_task_does_not_keep_a_late_item_waiting(store: Store) -> None:
    """A busy task serves nobody else: what becomes ready meanwhile starts at once, beside it."""
    submit(store, "long")
    began: dict[str, float] = {}
    release = asyncio.Event()

    async def do(claimed: Claimed, writer: Writer) -> Advanced:
        began[claimed.lease.item.request] = time.monotonic()
        if claimed.lease.item.request == "long":
            await writer.put(worklist.submit, NewItem(request="late", requester="a"), now())
            async with asyncio.timeout(5):
                await release.wait()
        else:
            release.set()
        return await finish(claimed, writer)

    serve(store, do, replace(QUICK, hang_s=60))

    assert began["late"] - began["long"] < 1


def test_a_failing_advance_is_tried_again_and_then_a_person_is_asked(store: Store) -> None:
    """Errors give the claim back with a backoff; after the limit the item waits on repair and says so."""
    made = submit(store)
    tries: list[int] = []

    async def fail(claimed: Claimed, writer: Writer) -> Advanced:
        tries.append(claimed.lease.item.attempts)
        raise RuntimeError("no")

    assert serve(store, fail, replace(QUICK, max_attempts=3)) == 0

    assert tries == [0, 1, 2]
    with store.read() as tx:
        (wait,) = waits.open_waits(tx, made)
        assert worklist.waiting_on(tx, made) == ["repair"]
    assert "RuntimeError" in wait.payload["text"]


def test_a_person_may_give_up(store: Store) -> None:
    """Answered with "give up", the item ends as failed without running again."""
    made = submit(store)

    async def fail(claimed: Claimed, writer: Writer) -> Advanced:
        raise Conflict("no")

    serve(store, fail, replace(QUICK, max_attempts=1))
    with store.read() as tx:
        (wait,) = waits.open_waits(tx, made)
    store.write(waits.answer, made, wait.wait_id, lease.GIVE_UP, "alex", now())
    ran: list[str] = []

    async def note(claimed: Claimed, writer: Writer) -> Advanced:
        ran.append("again")
        return await finish(claimed, writer)

    serve(store, note)

    ended = item(store, made)
    assert (ended.state, ran) == (State.FAILED, [])
    assert ended.error is not None
    assert ended.error["code"] == "gave_up"


@pytest.mark.parametrize("stubborn", [False, True], ids=["cancellable", "ignores cancelling"])
def test_an_advance_that_hangs_is_given_up(store: Store, stubborn: bool) -> None:
    """Without progress for the limit, an advance is cancelled, or abandoned; its claim goes back and counts."""
    made = submit(store)
    tries: list[int] = []
    never = asyncio.Event()

    async def hang(claimed: Claimed, writer: Writer) -> Advanced:
        tries.append(claimed.lease.item.attempts)
        if len(tries) == 1:
            try:
                async with asyncio.timeout(20):
                    await never.wait()
            except asyncio.CancelledError:
                if not stubborn:
                    raise
                async with asyncio.timeout(5):
                    await asyncio.shield(asyncio.sleep(1))
        return await finish(claimed, writer)

    serve(store, hang)

    assert tries == [0, 1]
    assert item(store, made).state is State.DONE


def test_slow_work_that_records_progress_does_not_hang(store: Store) -> None:
    """Each write counts as progress: work longer than the limit goes on as long as it records."""
    submit(store)
    tries: list[int] = []

    async def slow(claimed: Claimed, writer: Writer) -> Advanced:
        tries.append(1)
        await writer.put(runs.start, claimed.lease, route=None, workflow=None, version=None, pins={}, now=now())
        for number in range(8):
            await asyncio.sleep(0.1)
            await writer.put(
                steplog.append, claimed.lease, [steplog.Row(kind="note", key=str(number), body=None)], now()
            )
        return await finish(claimed, writer)

    serve(store, slow)

    assert tries == [1]


def test_a_parked_run_holds_nothing_and_goes_on_when_woken(store: Store) -> None:
    """Parked on a question the worker ends as idle; the answer, a day and a restart later, finishes it."""
    made = submit(store)

    async def ask(claimed: Claimed, writer: Writer) -> Advanced:
        if "q" in claimed.answers:
            return Advanced(outcome=Done(text=f"you said {claimed.answers['q']}"))
        await writer.put(lease.wait_for, claimed.lease, NewWait(wait_id="q", kind=WaitKind.ANSWER, payload={}), now())
        return Advanced(outcome=Parked())

    assert serve(store, ask) == 0
    assert item(store, made).state is State.WAITING
    store.write(waits.answer, made, "q", "yes", "alex", now())
    assert serve(store, ask) == 0

    assert item(store, made).text == "you said yes"


def test_a_timer_due_soon_keeps_an_idle_worker(store: Store) -> None:
    """Until-idle stays for a timer within its linger, fires it, and finishes the item."""
    made = submit(store)

    async def sleep(claimed: Claimed, writer: Writer) -> Advanced:
        if any(w.kind is WaitKind.TIMER and w.answer for w in claimed.waits):
            return await finish(claimed, writer)
        from datetime import timedelta

        due = now() + timedelta(seconds=0.2)
        new = NewWait(wait_id="t", kind=WaitKind.TIMER, payload={}, due_at=due)
        await writer.put(lease.wait_for, claimed.lease, new, now())
        return Advanced(outcome=Parked())

    serve(store, sleep)

    assert item(store, made).state is State.DONE


def test_stopping_lets_work_finish_and_gives_the_rest_back(store: Store) -> None:
    """Stopped, a worker claims nothing more; what cannot finish within the drain goes back uncounted."""
    quick, slow = submit(store, "quick"), submit(store, "slow")
    worker: list[Worker] = []
    never = asyncio.Event()

    async def do(claimed: Claimed, writer: Writer) -> Advanced:
        if claimed.lease.item.request == "quick":
            await asyncio.sleep(0.05)
            worker[0].stop()
            await asyncio.sleep(0.05)
            return await finish(claimed, writer)
        async with asyncio.timeout(30):
            await never.wait()
        return await finish(claimed, writer)

    worker.append(Worker(store, By(do), pace=replace(QUICK, drain_s=0.3, hang_s=60, until_idle=False), now=now))
    began = time.monotonic()
    assert worker[0].run() == 0

    assert time.monotonic() - began < 5
    assert item(store, quick).state is State.DONE
    assert (item(store, slow).state, item(store, slow).attempts) == (State.READY, 0)


def test_a_cancelled_item_ends_without_running(store: Store) -> None:
    """Cancelled while it ran, an item ends at its park."""
    made = submit(store)

    async def park(claimed: Claimed, writer: Writer) -> Advanced:
        await writer.put(lease.wait_for, claimed.lease, NewWait(wait_id="q", kind=WaitKind.ANSWER, payload={}), now())
        await writer.put(worklist.cancel, made, "alex", now(), "changed my mind")
        return Advanced(outcome=Parked())

    serve(store, park)

    assert item(store, made).state is State.CANCELLED


def test_a_claim_whose_acknowledgement_was_lost_is_found(store: Store) -> None:
    """A claim on record that the worker does not know of goes back and is served."""
    made = submit(store, "lost", priority=900)
    submit(store, "first")

    async def do(claimed: Claimed, writer: Writer) -> Advanced:
        if claimed.lease.item.request == "first":
            assert await writer.put(lease.claim, claimed.lease.worker_id, now()) is not None  # nobody hears of this one
            await asyncio.sleep(0.05)
        return await finish(claimed, writer)

    worker = Worker(store, By(do), pace=replace(QUICK, until_idle=False, hang_s=60), now=now)
    thread = threading.Thread(target=worker.run)
    thread.start()
    deadline = time.monotonic() + 10
    while item(store, made).state is not State.DONE and time.monotonic() < deadline:
        time.sleep(0.02)
    assert worker._serving is not None
    worker._serving._loop.call_soon_threadsafe(worker.stop)
    thread.join(10)

    assert item(store, made).state is State.DONE


def test_an_ended_outcome_is_recorded(store: Store) -> None:
    """Expected ends without success are values: state, code and message."""
    made = submit(store)

    async def deny(claimed: Claimed, writer: Writer) -> Advanced:
        return Advanced(outcome=Ended(state="denied", code="denied", message="not allowed", fix="ask an admin"))

    serve(store, deny)

    assert item(store, made).error == {"code": "denied", "message": "not allowed", "fix": "ask an admin"}


# ---- hosts ---------------------------------------------------------------------------------------------------------
def test_one_host_at_a_time(tmp_path: Path) -> None:
    """The lock has one holder; testing it takes nothing away."""
    path = tmp_path / "host.lock"
    assert hosts.is_free(path)
    first, second = hosts.HostLock(path), hosts.HostLock(path)
    assert first.take(wait=False)
    assert not hosts.is_free(path)
    assert not second.take(wait=False)

    first.release()

    assert hosts.is_free(path)
    assert second.take(wait=False)
    second.release()


def test_an_until_idle_worker_leaves_a_taken_lock_alone(sqlite_url: str) -> None:
    """When somebody serves already, a second host ends at once and touches nothing."""
    store = Store.open(sqlite_url)
    made = submit(store)
    lock = hosts.HostLock(hosts.lock_path(store))
    assert lock.take(wait=False)

    assert serve(store) == 0

    assert item(store, made).state is State.READY
    lock.release()
    store.close()


def test_a_host_is_started_only_where_nobody_works(store: Store, tmp_path: Path) -> None:
    """With nobody at work a process is started, in a session of its own; with somebody, none."""
    import os
    import sys

    out = tmp_path / "out"
    code = f"import os; open({str(out)!r}, 'w').write(str(os.getsid(0)))"
    child = hosts.start_host_if_free(store, [sys.executable, "-c", code], log=tmp_path / "log")
    assert child is not None
    assert child.wait(20) == 0
    assert int(out.read_text()) == child.pid != os.getsid(0)

    if store.path is not None:
        lock = hosts.HostLock(hosts.lock_path(store))
        lock.take(wait=False)
        assert hosts.start_host_if_free(store, ["false"]) is None
        lock.release()
    else:
        store.write(workers.register, "w", lock_key=1, host="here", pid=1)
        assert hosts.start_host_if_free(store, ["false"]) is None


def test_a_silent_host_is_named(store: Store) -> None:
    """A worker whose beat is too old is named with its process and what to do."""
    store.write(workers.register, "w", lock_key=1, host="here", pid=4711)
    lock = hosts.HostLock(hosts.lock_path(store)) if store.path is not None else None
    if lock is not None:
        lock.take(wait=False)

    assert hosts.stalled_host(store) is None
    named = hosts.stalled_host(store, after_s=-1)

    assert named is not None
    assert "4711" in str(named)
    assert "kill -KILL 4711" in named.fix
    if lock is not None:
        lock.release()
        assert hosts.stalled_host(store, after_s=-1) is None


def test_a_notification_starts_work_at_once(postgres_url: str) -> None:
    """On PostgreSQL another process's submission is heard of, long before the next poll."""
    store = Store.open(postgres_url)
    worker = Worker(store, By(finish), pace=replace(QUICK, until_idle=False, poll_remote_s=30), now=now)
    thread = threading.Thread(target=worker.run)
    thread.start()
    warm = submit(store)
    deadline = time.monotonic() + 20
    while item(store, warm).state is not State.DONE and time.monotonic() < deadline:
        time.sleep(0.02)
    began = time.monotonic()
    made = submit(store)
    while item(store, made).state is not State.DONE and time.monotonic() < began + 20:
        time.sleep(0.01)
    spent = time.monotonic() - began
    assert worker._serving is not None
    worker._serving._loop.call_soon_threadsafe(worker.stop)
    thread.join(20)
    store.close()

    assert spent < 5
