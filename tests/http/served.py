"""The desk on a loopback port: in a thread of the test, or as `deputy serve`, the process that people start."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import uvicorn
from starlette.types import ASGIApp

TIMEOUT_S = 60


@contextmanager
def in_thread(web: ASGIApp) -> Iterator[str]:
    """The address at which it answers."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(64)
    server = uvicorn.Server(uvicorn.Config(web, log_level="error", lifespan="off", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(TIMEOUT_S)
        listening.close()


@dataclass
class Client:
    """One caller of one server."""

    address: str
    key: str

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.key}"} | more.pop("headers", {})
        return requests.request(
            method, f"{self.address}/api/v1{path}", json=body, headers=headers, timeout=TIMEOUT_S, **more
        )

    def get(self, path: str, **more: Any) -> Any:
        answer = self.call("GET", path, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None, status: int = 200, **more: Any) -> Any:
        answer = self.call("POST", path, body, **more)
        assert answer.status_code == status, f"{answer.status_code}: {answer.text}"
        return answer.json()


@dataclass
class Told:
    """One event of a stream; `number` is None for one that has none."""

    number: int | None
    data: dict[str, Any]


class Stream:
    """An open stream of events, read line by line."""

    def __init__(self, client: Client, *, after: int | None = None, query: str = "") -> None:
        headers = {"Authorization": f"Bearer {client.key}"}
        if after is not None:
            headers["Last-Event-ID"] = str(after)
        self._session = requests.Session()
        self.answer = self._session.get(
            f"{client.address}/api/v1/events{query}", headers=headers, stream=True, timeout=TIMEOUT_S
        )
        assert self.answer.status_code == 200, self.answer.text
        self._lines = self.answer.iter_lines(chunk_size=1, decode_unicode=True)

    def __iter__(self) -> Iterator[Told]:
        number: int | None = None
        for line in self._lines:
            name, _, value = line.partition(": ")
            if name == "id":
                number = int(value)
            elif name == "data":
                yield Told(number, json.loads(value))
                number = None

    def until(self, kind: str, item_id: str | None = None) -> list[Told]:
        """Everything up to the first event of that kind (about that item)."""
        found = []
        for told in self:
            found.append(told)
            if told.data["kind"] == kind and item_id in (None, told.data.get("item_id")):
                return found
        raise AssertionError(f"the stream ended without {kind}: {found}")

    def close(self) -> None:
        self.answer.close()
        self._session.close()


def begun(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], Path]:
    """The process, and the file with all it says. No pipe: one that nobody empties stops whoever writes to it."""
    handle, log = tempfile.mkstemp(dir=folder, prefix="serve-", suffix=".log")
    with os.fdopen(handle, "wb") as file:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
        )
    return process, Path(log)


def told(process: subprocess.Popen[bytes], log: Path, pattern: str) -> re.Match[str]:
    """What the process has said, as soon as it has."""
    end = time.monotonic() + TIMEOUT_S
    while (found := re.search(pattern, log.read_text(encoding="utf-8"))) is None:
        assert process.poll() is None and time.monotonic() < end, log.read_text(encoding="utf-8")
        time.sleep(0.05)
    return found


class Serving:
    """`deputy serve` on a home, as a process of its own."""

    def __init__(self, home: Path, *arguments: str, **environment: str) -> None:
        own = {name: value for name, value in os.environ.items() if not name.startswith("DEPUTY_")}
        self.environment = own | {"DEPUTY_HOME": str(home), "NO_COLOR": "1"} | environment
        self.folder = home.parent
        command = [sys.executable, "-m", "orchestrator.surfaces.cli.main", "serve", "--port", "0", *arguments]
        self.process, self.log = begun(command, self.folder, self.environment)
        self.address = told(self.process, self.log, r"Deputy listens on (\S+)\n")[1]

    def deputy(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "orchestrator.surfaces.cli.main", *arguments],
            cwd=self.folder,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def client(self, *arguments: str, scopes: str = "read,submit,decide,operate,audit,admin") -> Client:
        """Somebody with a fresh key."""
        made = self.deputy("config", "key", "create", "--json", "--scope", scopes, *arguments)
        assert made.returncode == 0, made.stdout + made.stderr
        return Client(self.address, json.loads(made.stdout)["key"])

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        return self.process.returncode

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def eventually(look: Any, *, within_s: float = TIMEOUT_S) -> Any:
    """What `look` returns once it is true."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if found := look():
            return found
        threading.Event().wait(0.05)
    raise AssertionError("it did not come about")
