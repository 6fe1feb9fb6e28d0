"""Whole `deputy serve` processes, each with its worker, over one database: started as a person or systemd starts them, and killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import requests

HOLD = """\
name: hold-time
version: 1.0.0
title: Hold an hour for number N
description: Puts an hour of one's own into the calendar.
examples:
  - Hold hour number {number}
near_misses:
  - Release hour number {number}
grant:
  - {effect: create, noun: event, tools: [calendar.create_event], quota: 1}
slots:
  number: {type: number, ask: Which number?}
steps:
  - id: hold
    call: calendar.create_event
    args:
      title: "Hold {{ number }}"
      start: "{{ now | shift(days=1, minutes=number) }}"
      end: "{{ now | shift(days=1, minutes=number + 1) }}"
      zone: "{{ zone }}"
    says: I hold it.
text: Hour {{ number }} is held.
output:
  event_id: "{{ hold.event_id }}"
"""
_COMMAND = [sys.executable, "-m", "orchestrator.surfaces.cli.main"]
READY_S = 90.0


class Gone(Exception):
    """The desk was killed, or is not there yet: somebody else has to be asked."""


class Desk:
    """One server process and its worker. `url` is None while it is down. `within`: a command that runs it somewhere else."""

    def __init__(
        self, home: Path, settings: Mapping[str, str], log: Path, *, within: Sequence[str] = (), host: str = "127.0.0.1"
    ) -> None:
        self._command = [*within, *_COMMAND]
        self._host = host
        home.mkdir(parents=True, exist_ok=True)
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith("DEPUTY_")}
        self._environment |= {"DEPUTY_HOME": str(home), **settings}
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.url: str | None = None

    def command(self, *words: str) -> Any:
        """A client command's JSON."""
        done = subprocess.run(
            [*self._command, *words, "--json"],
            env=self._environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return json.loads(done.stdout)

    def start(self, *more: str) -> None:
        """Begins; `wait` says when it answers."""
        with self._log.open("ab") as log:
            self._from = log.tell()
            self._process = subprocess.Popen(
                [*self._command, "serve", "--host", self._host, "--port", "0", *more],
                env=self._environment,
                stdout=log,
                stderr=log,
            )

    def wait(self) -> None:
        until = time.monotonic() + READY_S
        while time.monotonic() < until:
            with self._log.open("rb") as log:
                log.seek(self._from)
                said = log.read().decode()
            if found := re.search(r"listens on (http://\S+)", said):
                self.url = found[1]
                try:
                    if requests.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                        return
                except requests.ConnectionError:
                    pass
            assert self._process is not None
            assert self._process.poll() is None, self._log.read_text()
            time.sleep(0.1)
        raise AssertionError(f"not ready within {READY_S:g} s:\n{self._log.read_text()[-3000:]}")

    @property
    def worker(self) -> psutil.Process | None:
        """The worker process beside this server, if one lives."""
        if self._process is None or self._process.poll() is not None:
            return None
        try:
            found = psutil.Process(self._process.pid).children()
        except psutil.NoSuchProcess:
            return None
        return next((one for one in found if "worker" in one.cmdline()), None)

    def kill(self) -> None:
        """The server dies at once; its worker notices and ends by itself."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self.url = None

    def kill_worker(self) -> bool:
        """Whether there was one."""
        worker = self.worker
        if worker is None:
            return False
        worker.send_signal(signal.SIGKILL)
        return True

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.terminate()
        code = self._process.wait(60)
        self.url = None
        return code

    def ask(self, method: str, path: str, token: str, body: Any = None) -> tuple[int, Any]:
        """(status, JSON). Raises `Gone`."""
        if self.url is None:
            raise Gone
        try:
            answer = requests.request(
                method,
                f"{self.url}/api/v1{path}",
                json=body,
                headers={"Authorization": f"Bearer {token}"},
                timeout=20,
            )
        except (requests.ConnectionError, requests.Timeout) as error:
            raise Gone from error
        return answer.status_code, answer.json()
