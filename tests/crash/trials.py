"""The trials, with their counts as parameters: small under pytest, full by `python -m tests.crash.full`."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from orchestrator.engine import hosts
from orchestrator.store import workers as workers_table
from orchestrator.store import worklist
from orchestrator.store.database import Store
from tests.crash import trial
from tests.crash.forkserver import ForkServer
from tests.crash.trial import Outside


class Bench:
    """One database, one outside, and the workers on them."""

    def __init__(self, server: ForkServer, url: str, folder: Path) -> None:
        self.server, self.url, self.folder = server, url, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.store = Store.open(url)
        self.outside = Outside(folder / "outside")
        self.log = folder / "log"

    def worker(
        self,
        *,
        until_idle: bool = False,
        kill_at: str = "",
        record: Path | None = None,
        model_s: float = 0.0,
        wire_s: float = 0.0,
    ) -> BaseProcess:
        args = (self.url, str(self.outside.root), until_idle, model_s, wire_s)
        return self.server.spawn(trial.work, *args, kill_at=kill_at, record=record, log=self.log)

    def up(self, *children: BaseProcess) -> None:
        """Waits until these workers have their rows."""

        def here() -> bool:
            with self.store.read() as tx:
                return {child.pid for child in children} <= {row.pid for row in workers_table.every(tx)}

        assert trial.until(here, 60), self.log.read_text()[-2000:]

    def said(self, text: str) -> int:
        """How often a worker logged it."""
        return self.log.read_text().count(text) if self.log.exists() else 0

    def finish(self, rounds: int = 30) -> None:
        """Runs workers until idle and answers, until everything has ended."""
        for _ in range(rounds):
            child = self.worker(until_idle=True)
            child.join(30)
            assert child.exitcode == 0, (child.exitcode, self.log.read_text()[-2000:])
            if not trial.answer_some(self.store, self.outside) and not trial.unfinished(self.store):
                return
        raise AssertionError(f"not finished after {rounds} rounds")

    def end(self, *children: BaseProcess) -> None:
        """Drains workers; one that has not begun to serve just ends."""
        for child in children:
            child.terminate()
        for child in children:
            child.join(25)
            assert child.exitcode in (0, -signal.SIGTERM), (child.exitcode, self.log.read_text()[-2000:])

    def verdict(self, tasks: int) -> dict[str, Any]:
        return trial.verdict(self.store, self.outside, tasks)

    def close(self) -> None:
        self.store.close()


def boundaries(bench: Bench) -> Counter[str]:
    """Every boundary that one task passes, and how often."""
    record = bench.folder / "boundaries"
    trial.submit(bench.store, 1)
    for _ in range(10):
        child = bench.worker(until_idle=True, record=record)
        child.join(30)
        if not trial.answer_some(bench.store, bench.outside) and not trial.unfinished(bench.store):
            break
    assert not bench.verdict(1)
    return Counter(record.read_text().split())


def kill_at(bench: Bench, point: str) -> bool:
    """One task; its worker dies at `point`, the others finish. Whether the point was reached."""
    trial.submit(bench.store, 1)
    killed = False
    name, _, count = point.rpartition(":")
    left = int(count)
    for _ in range(10):
        record = bench.folder / "reached"
        child = bench.worker(until_idle=True, kill_at=f"{name}:{left}", record=record)
        child.join(30)
        if child.exitcode == -signal.SIGKILL:
            killed = True
            break
        left -= sum(line == name for line in record.read_text().split()) if record.exists() else 0
        record.unlink(missing_ok=True)
        if not trial.answer_some(bench.store, bench.outside) and not trial.unfinished(bench.store):
            break
    bench.finish()
    wrong = bench.verdict(1)
    assert not wrong, (point, wrong)
    return killed


def kill_at_random(bench: Bench, kills: int, *, longest_s: float = 0.8) -> dict[str, int]:
    """`kills` kills at random instants; on PostgreSQL a second worker is there to take over, on SQLite the next one is."""
    several = bench.store.dialect == "postgresql"
    wire_s = 0.02
    tasks = 0
    with trial.people(bench.url, bench.outside):
        workers = [bench.worker(model_s=0.02, wire_s=wire_s) for _ in range(1 + several)]
        for _ in range(kills):
            trial.submit(bench.store, 5)
            tasks += 5
            time.sleep(random.uniform(0.05, longest_s))
            victim = workers.pop(0)
            victim.kill()
            victim.join(10)
            workers.append(bench.worker(model_s=0.02, wire_s=wire_s))
        done = trial.until(lambda: not trial.unfinished(bench.store), 60 + 2 * kills)
        bench.end(*workers)
    wrong = bench.verdict(tasks)
    assert done, trial.unfinished(bench.store)
    assert not wrong, wrong
    return {
        "kills": kills,
        "tasks": tasks,
        "takeovers": bench.said("took over"),
        "fenced": bench.said("no longer owns"),
    }


def stop_and_go(bench: Bench, rounds: int) -> dict[str, int]:
    """PostgreSQL: a worker is stopped, taken over, and continued: it records nothing more and exits 75."""
    wire_s = 0.05
    tasks = 0
    with trial.people(bench.url, bench.outside):
        stopped, other = bench.worker(model_s=0.02, wire_s=wire_s), bench.worker(model_s=0.02, wire_s=wire_s)
        for _ in range(rounds):
            bench.up(stopped, other)
            trial.submit(bench.store, 12)
            tasks += 12
            time.sleep(random.uniform(0.3, 0.7))
            seen = bench.said("is gone; took over")
            assert stopped.pid is not None
            os.kill(stopped.pid, signal.SIGSTOP)
            taken = trial.until(lambda seen=seen: bench.said("is gone; took over") > seen, 20)
            os.kill(stopped.pid, signal.SIGCONT)
            assert taken, bench.log.read_text()[-2000:]
            stopped.join(20)
            assert stopped.exitcode == 75, stopped.exitcode
            stopped, other = other, bench.worker(model_s=0.02, wire_s=wire_s)
        done = trial.until(lambda: not trial.unfinished(bench.store), 60)
        bench.end(stopped, other)
    assert done, trial.unfinished(bench.store)
    wrong = bench.verdict(tasks)
    assert not wrong, wrong
    return {
        "rounds": rounds,
        "tasks": tasks,
        "sessions ended": bench.said("ended"),
        "fenced": bench.said("no longer owns"),
    }


def stop_on_sqlite(bench: Bench) -> hosts.Stalled:
    """SQLite: the host is stopped, work arrives, nobody takes over; continued, it does everything once. Who was named as stalled."""
    wire_s = 0.05
    with trial.people(bench.url, bench.outside):
        host = bench.worker(model_s=0.02, wire_s=wire_s)
        bench.up(host)
        trial.submit(bench.store, 3)
        time.sleep(random.uniform(0.2, 0.5))
        assert host.pid is not None
        os.kill(host.pid, signal.SIGSTOP)
        message = threading.Thread(
            target=trial.submit, args=(bench.store, 3)
        )  # waits, if the host was stopped inside a commit
        message.start()
        assert hosts.start_host_if_free(bench.store, ["false"]) is None
        trial.until(lambda: hosts.stalled_host(bench.store, after_s=0.8) is not None, 10)
        named = hosts.stalled_host(bench.store, after_s=0.8)
        os.kill(host.pid, signal.SIGCONT)
        message.join(30)
        done = trial.until(lambda: not trial.unfinished(bench.store), 60)
        bench.end(host)
    assert done
    wrong = bench.verdict(6)
    assert not wrong, wrong
    assert named is not None
    assert named.pid == host.pid
    return named


def submit_around_the_end(bench: Bench, submits: int) -> dict[str, Any]:
    """Submits around the moments a host ends when idle; nobody but a submitter that finds the lock free starts one."""
    starts = 0
    children: list[BaseProcess] = []
    for _ in range(submits):
        trial.submit(bench.store, 1, "one")
        if hosts.is_free(hosts.lock_path(bench.store)):
            children.append(bench.worker(until_idle=True))
            starts += 1
        time.sleep(random.choice([random.uniform(0, 0.05), random.uniform(0.05, 0.35)]))
    done = trial.until(lambda: not trial.unfinished(bench.store), 20)
    for child in children:
        child.join(20)
        assert child.exitcode == 0
    return {"submits": submits, "starts": starts, "lost": 0 if done else trial.unfinished(bench.store)}


def race_with_the_last_claim(bench: Bench, count: int) -> dict[str, Any]:
    """An item becomes ready between a task's last empty claim and its end: it starts, each time."""
    record = bench.folder / "boundaries"
    child = bench.worker(record=record)
    trial.submit(bench.store, 1, "one")
    assert trial.until(lambda: record.exists() and "empty-claim" in record.read_text(), 10)
    spans = []
    for _ in range(count):
        seen = record.read_text().count("empty-claim")
        trial.submit(bench.store, 1, "one")  # wakes a task, which claims, finds nothing more, and ends
        while record.read_text().count("empty-claim") == seen:
            time.sleep(0.0005)
        began = time.monotonic()
        with bench.store.tx() as tx:
            item_id, _ = worklist.submit(tx, worklist.NewItem(request="one", requester=trial.OWNER), trial.now())
        assert trial.until(lambda item_id=item_id: _ended(bench.store, item_id), 5), "lost"
        spans.append(time.monotonic() - began)
    bench.end(child)
    spans.sort()
    return {"races": count, "lost": 0, "p50_ms": round(1e3 * spans[len(spans) // 2]), "max_ms": round(1e3 * spans[-1])}


def _ended(store: Store, item_id: str) -> bool:
    with store.read() as tx:
        return worklist.get(tx, item_id).is_final
