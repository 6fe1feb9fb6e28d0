"""A model server that none of us wrote: aimock (npm, MIT), pinned, on a free loopback port.

Installed once into the user's cache folder, without scripts and without a lock file; needs Node and npm.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from tests.requirements import need

PACKAGE = "@copilotkit/aimock"
VERSION = "1.43.0"
STARTS_WITHIN_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Aimock:
    """A running server. `url` is its root, for the Anthropic wire; `openai_url` ends in /v1."""

    url: str

    @property
    def openai_url(self) -> str:
        return f"{self.url}/v1"

    def journal(self) -> list[Any]:
        """Every request it has seen, in order, as it keeps them."""
        with urlopen(f"{self.url}/__aimock/journal", timeout=5) as response:
            told = json.load(response)
        return list(told)


def available() -> bool:
    return shutil.which("node") is not None and shutil.which("npm") is not None


def installed() -> Path:
    """The folder of the pinned package; installs it where it is missing. Safe when several processes ask at once."""
    need("node", available())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deputy-tests"
    folder = cache / f"aimock-{VERSION}"
    package = folder / "node_modules" / PACKAGE
    if not (package / "package.json").is_file():
        cache.mkdir(parents=True, exist_ok=True)
        fresh = cache / f"aimock-{VERSION}.{os.getpid()}"
        fresh.mkdir(exist_ok=True)
        (fresh / "package.json").write_text('{"private": true}')
        done = subprocess.run(
            [
                "npm",
                "install",
                "--no-audit",
                "--no-fund",
                "--ignore-scripts",
                "--package-lock=false",
                f"{PACKAGE}@{VERSION}",
            ],
            cwd=fresh,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        try:
            fresh.rename(folder)
        except OSError:  # another process was faster
            shutil.rmtree(fresh, ignore_errors=True)
    return package


@contextmanager
def running(fixtures: Sequence[Mapping[str, Any]], folder: Path, *flags: str) -> Iterator[Aimock]:
    """A server that answers by `fixtures` (aimock's own form) until the block ends. `folder` takes the fixtures and the log."""
    package = installed()
    port = _free_port()
    file = folder / f"fixtures-{port}.json"
    file.write_text(json.dumps({"fixtures": list(fixtures)}), encoding="utf-8")
    command = _command(package)
    log = folder / f"aimock-{port}.log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [*command, "-p", str(port), "-f", str(file), "--log-level", "warn", *flags],
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=folder,
            start_new_session=True,
        )
        try:
            _wait_for(server, port, log)
            yield Aimock(url=f"http://127.0.0.1:{port}")
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait(10)


def _command(package: Path) -> list[str]:
    told = json.loads((package / "package.json").read_text(encoding="utf-8"))
    return [shutil.which("node") or "node", str(package / told["bin"]["llmock"])]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Returns once the port takes connections; fails when the server ends, or takes too long."""
    until = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 0.5).close()
            return
        except OSError:
            with suppress(subprocess.TimeoutExpired):
                server.wait(0.05)
                break
    raise AssertionError(f"aimock did not start: {log.read_text(encoding='utf-8', errors='replace')[-2000:]}")
