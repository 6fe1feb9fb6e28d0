"""A process that fires schedules, for tests to run beside others and to kill: `python -m tests.schedules.process URL WHAT …`."""

from __future__ import annotations

import os
import signal
import sys
import time
from datetime import UTC, datetime, timedelta

from orchestrator.domain import boundary
from orchestrator.domain.outcome import Done
from orchestrator.engine.runner import Advanced
from orchestrator.engine.serving import Pace
from orchestrator.engine.worker import Worker
from orchestrator.store import firings
from orchestrator.store.database import Store
from orchestrator.store.lease import Claimed
from orchestrator.store.writer import Writer

PACE = Pace(cap=8, poll_s=0.05, poll_remote_s=0.1, beat_s=0.3, stall_s=3.0, reap_s=0.3, look_s=0.3)


class AtOnce:
    """A runner that is done with everything."""

    async def advance(self, claimed: Claimed, writer: Writer) -> Advanced:
        return Advanced(outcome=Done(text="ok"), receipt={"model_calls": 0})


def virtual(begun_s: float, speed: float) -> datetime:
    """A clock that all processes share: it stood at midnight at `begun_s`, and runs `speed` times as fast as real time."""
    return datetime(2026, 10, 25, tzinfo=UTC) + timedelta(seconds=(time.time() - begun_s) * speed)


def die_at(name: str) -> None:
    def hook(reached: str) -> None:
        if reached == name:
            os.kill(os.getpid(), signal.SIGKILL)

    boundary.install(hook)


def main(url: str, what: str, *rest: str) -> None:
    store = Store.open(url)
    if what == "work":  # BEGUN_S SPEED
        begun_s, speed = float(rest[0]), float(rest[1])
        Worker(store, AtOnce(), pace=PACE, now=lambda: virtual(begun_s, speed)).run()
    else:  # "sweep" NOW BOUNDARY: dies there
        die_at(rest[1])
        store.write(firings.sweep, datetime.fromisoformat(rest[0]))
        boundary.reached("committed")
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
