"""MCP servers that none of us wrote, pinned: two Python ones on the newest revision, three of the reference ones on an older.

Installed once into the user's cache folder: from npm as tests/services/npm.py does it, Python
into a virtual environment of its own. None of them needs a network once it is there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.requirements import need
from tests.services import npm

PYTHON_VERSION = "2026.10.19"
PYTHON_PACKAGES = ("mcp-server-time", "mcp-server-git")
NPM_VERSION = "2026.8.31"
NPM_PACKAGES = ("server-everything", "server-filesystem", "server-memory")
SCOPE = "@modelcontextprotocol"


def node() -> str:
    """The Node that runs them; skips without it."""
    found = npm.node()
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
def everything_over_http(folder: Path) -> Iterator[str]:
    """Its address, until the block ends. `folder` takes the log."""
    port = npm.free_port()
    words, variables = ["streamableHttp"], {"PORT": str(port)}
    log = folder / f"server-everything-{port}.log"
    with npm.running(_npm_server("server-everything"), words, port=port, log=log, variables=variables):
        yield f"http://127.0.0.1:{port}/mcp"


def _cache() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deputy-tests"
    cache.mkdir(parents=True, exist_ok=True)
    return cache


def _npm_server(package: str) -> Path:
    packages = [f"{SCOPE}/{name}@{NPM_VERSION}" for name in NPM_PACKAGES]
    return npm.modules(f"mcp-servers-npm-{NPM_VERSION}", *packages) / SCOPE / package / "dist" / "index.js"


def _python_servers() -> Path:
    """A virtual environment cannot be moved, so that a file says that it is complete."""
    folder = _cache() / f"mcp-servers-python-{PYTHON_VERSION}-{sys.version_info.major}.{sys.version_info.minor}"
    if not (folder / "complete").is_file():
        _run([sys.executable, "-m", "venv", str(folder)], _cache())
        wanted = [f"{name}=={PYTHON_VERSION}" for name in PYTHON_PACKAGES]
        _run([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *wanted], _cache())
        (folder / "complete").touch()
    return folder


def _run(command: list[str], cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
