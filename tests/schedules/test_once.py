"""Each time fires exactly once: with several workers on one database, and whoever dies at whatever instant."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import pytest

from orchestrator.domain import recurrence
from orchestrator.domain.schedule import Firing, Missed, Overlap, Schedule
from orchestrator.store import firings, schedules, worklist
from orchestrator.store.database import Store
from tests.schedules.process import virtual

START = datetime(2026, 10, 24, 23, 59, tzinfo=UTC)
SPEED = 180.0  # three virtual minutes a second
WANTED = 24
LANES = 5


def add(store: Store, rule: str, name: str = "job", **more: object) -> None:
    when = recurrence.parse(rule, zone="UTC", now=START)
    made = Schedule(
        schedule_id=f"sch_{name}", name=name, owner="ana@firm.example", when=when, request="do it", created_at=START,
        next_at=when.next(START), **more,  # type: ignore[arg-type]  # policies of the schedule
    )  # fmt: skip
    store.write(schedules.add, made)


def history(store: Store, name: str = "job") -> list[Firing]:
    with store.read() as tx:
        return sorted(schedules.history(tx, f"sch_{name}", limit=10_000), key=lambda one: one.at)


def made(store: Store) -> list[str | None]:
    """Keys of the items that schedules have made."""
    with store.read() as tx:
        return [one.idempotency_key for one in worklist.list_items(tx, limit=10_000)]


def run(url: str, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "tests.schedules.process", url, *words])


def test_two_workers_of_which_one_after_the_other_is_killed(postgres_url: str) -> None:
    """Two processes on one PostgreSQL, a time every virtual minute, kills in between: no minute is lost and none comes twice."""
    store = Store.open(postgres_url)
    for number in range(LANES):  # so that a slow machine has time to end one before the next
        rule = f"{number}-59/{LANES} * * * * Europe/Lisbon"
        add(store, rule, name=f"job{number}", missed=Missed.RUN_ALL, overlap=Overlap.QUEUE)
    begun_s = time.time()
    words = ("work", str(begun_s), str(SPEED))
    workers = [run(postgres_url, *words), run(postgres_url, *words)]
    killed = count = 0
    try:
        until = time.monotonic() + 90
        while count < WANTED and time.monotonic() < until:
            count = sum(one.state.value == "done" for one in every(store))
            if count >= 6 * (killed + 1) and killed < 2:
                victim = workers.pop(0)
                victim.send_signal(signal.SIGKILL)
                victim.wait()
                workers.append(run(postgres_url, *words))
                killed += 1
    finally:
        for worker in workers:
            worker.send_signal(signal.SIGKILL)
            worker.wait()
    store.write(firings.sweep, virtual(begun_s, SPEED))

    found, keys = every(store), made(store)
    store.close()
    assert killed == 2 and count >= WANTED
    assert [one.at for one in found] == [found[0].at + number * timedelta(minutes=1) for number in range(len(found))]
    assert {one.state.value for one in found} <= {"done", "started", "queued"}
    assert len(keys) == len(set(keys)) == sum(one.item_id is not None for one in found)


def every(store: Store) -> list[Firing]:
    """Of all lanes, by time."""
    return sorted((one for number in range(LANES) for one in history(store, f"job{number}")), key=lambda one: one.at)


def test_threads_that_sweep_at_the_same_instant(store: Store) -> None:
    """Four at once on the same due times: each schedule fires once."""
    for number in range(12):
        add(store, "0 0 * * *", name=f"job{number}")
    now, barrier = START + timedelta(minutes=2), Barrier(4)

    def sweep() -> None:
        own = store.sibling("sweeper")
        barrier.wait()
        own.write(firings.sweep, now)
        own.close()

    threads = [Thread(target=sweep) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.write(firings.sweep, now)  # those that were held by somebody who had nothing to do

    assert len(made(store)) == len(set(made(store))) == 12
    assert all(len(history(store, f"job{number}")) == 1 for number in range(12))


@pytest.mark.parametrize("name", ["schedule:moved-on", "schedule:submitted", "committed"])
def test_a_worker_killed_at_the_boundary(name: str, database_url: str) -> None:
    """Killed between moving on and submitting, before the commit, behind it: the next sweep leaves exactly one item."""
    store = Store.open(database_url)
    add(store, "0 0 * * *")
    now = START + timedelta(minutes=2)

    victim = run(database_url, "sweep", now.isoformat(), name)
    assert victim.wait(timeout=60) == -signal.SIGKILL
    store.write(firings.sweep, now)
    store.write(firings.sweep, now + timedelta(minutes=1))

    (one,) = history(store)
    assert one.state.value == "started" and one.at == datetime(2026, 10, 25, tzinfo=UTC)
    assert made(store) == [f"schedule:sch_job:{one.at.isoformat()}"]
    store.close()
