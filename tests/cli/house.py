"""A home with its own store and office, and a way to run `deputy` in it as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectors.office import Office
from orchestrator.engine import hosts

TIMEOUT_S = 90


@dataclass(frozen=True, slots=True)
class Ran:
    """What one command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Stdout as exactly one JSON document."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, str]:
        """The JSON error document; it has exactly a code, a message and a fix."""
        told: dict[str, str] = json.loads(self.out)
        assert set(told) == {"error", "message", "fix"}, told
        return told


class House:
    """One home. Commands see no DEPUTY_* variable but the home and what a test gives."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.folder = home.parent  # where commands run: `.env` is looked for here
        self.environment: dict[str, str] = {}

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("DEPUTY_")}
        own |= {"DEPUTY_HOME": str(self.home), "NO_COLOR": "1"}
        return subprocess.Popen(
            [sys.executable, "-m", "orchestrator.surfaces.cli.main", *arguments],
            cwd=self.folder,
            env=own | self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **environment: str) -> Ran:
        process = self.start(*arguments, **environment)
        try:
            out, err = process.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(
                f"deputy {' '.join(arguments)} did not end\n{out}\n{err}\n{self.worker_log()}"
            ) from None
        assert "Traceback" not in err, err
        return Ran(process.returncode, out, err)

    def json(self, *arguments: str) -> Any:
        """The document of a command that has to succeed."""
        ran = self.run(*arguments, "--json")
        assert ran.code == 0, f"{ran.code}: {ran.out}{ran.err}{self.worker_log()}"
        return ran.json

    def office(self) -> Office:
        return Office(self.home / "office.db")

    def world(self) -> dict[str, Any]:
        """The office's diff without times: what requests changed."""
        office = self.office()
        try:
            told = office.diff()
        finally:
            office.close()
        return {name: told[name] for name in ("mails", "events", "messages", "changed")}

    def worker_log(self) -> str:
        log = self.home / "worker.log"
        return f"\nworker.log:\n{log.read_text()[-3000:]}" if log.exists() else ""

    def rest(self) -> None:
        """Ends the worker of this home, which drains first, and returns once it is gone."""
        lock = self.home / hosts.LOCK_NAME
        end = time.monotonic() + TIMEOUT_S
        told = None
        while not hosts.is_free(lock) and time.monotonic() < end:
            words = lock.read_text()
            pid = json.loads(words)["pid"] if words else None
            if pid is not None and pid != told:
                told = pid
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            time.sleep(0.02)
