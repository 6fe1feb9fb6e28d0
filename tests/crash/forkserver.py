"""Processes to kill: forked from a server that has imported everything, so that a trial costs milliseconds.

    with ForkServer("tests.crash.trial") as server:
        child = server.spawn(trial.work, url, kill_at="committed:attempt:1")
        child.join(20)

`kill_at` is NAME:COUNT: the child ends itself with SIGKILL when the boundary NAME (see `orchestrator.domain.boundary`) is
reached for the COUNT-th time. It also goes by the environment variable DEPUTY_KILL_AT. `record` is a file that gets one line
per boundary reached. Targets are functions at the top of an importable module; their arguments are pickled.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from orchestrator.domain import boundary

ALWAYS = (
    "sqlalchemy.dialects.postgresql",
    "sqlalchemy.dialects.sqlite",
    "orchestrator.engine.worker",
    "tests.crash.forkserver",
)


class ForkServer:
    """One server for a test session; modules named here are imported before the first fork."""

    def __init__(self, *modules: str) -> None:
        self._context = multiprocessing.get_context("forkserver")
        driver = ("psycopg",) if "psycopg" in sys.modules else ()
        self._context.set_forkserver_preload([*ALWAYS, *driver, *modules])
        self._children: list[BaseProcess] = []

    def spawn(
        self,
        target: Callable[..., int | None],
        *args: Any,
        kill_at: str = "",
        record: Path | None = None,
        log: Path | None = None,
    ) -> BaseProcess:
        """A running process: `pid`, `kill()`, `join(timeout_s)`, `exitcode` (negative: ended by that signal)."""
        child = self._context.Process(target=_run, args=(target, args, kill_at, record, log))
        child.start()
        self._children.append(child)
        return child

    def close(self) -> None:
        """Ends every child that still runs."""
        for child in self._children:
            if child.is_alive():
                child.kill()
                os.kill(child.pid or 0, signal.SIGCONT)
            child.join(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _run(
    target: Callable[..., int | None], args: tuple[Any, ...], kill_at: str, record: Path | None, log: Path | None
) -> None:
    if log is not None:
        logging.basicConfig(filename=log, format="%(process)d %(asctime)s %(levelname)s %(message)s", force=True)
    arm(kill_at or os.environ.get("DEPUTY_KILL_AT", ""), record)
    code = target(*args)
    logging.shutdown()
    os._exit(code or 0)


def arm(kill_at: str, record: Path | None = None) -> None:
    """Installs the hook in this process; does nothing when there is neither a kill point nor a record."""
    if not kill_at and record is None:
        return
    name, _, count = kill_at.rpartition(":")
    seen: Counter[str] = Counter()
    lines = None if record is None else os.open(record, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def hook(reached: str) -> None:
        seen[reached] += 1
        if lines is not None:
            os.write(lines, f"{reached}\n".encode())
        if reached == name and seen[reached] == int(count):
            os.kill(os.getpid(), signal.SIGKILL)

    boundary.install(hook)
