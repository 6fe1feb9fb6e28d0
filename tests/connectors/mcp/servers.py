"""MCP servers that none of us wrote, pinned: two Python ones on the newest revision, three of the reference ones on an older.

All of them speak over standard input and output. Over HTTP speak the everything server, an example server of the TypeScript SDK,
and each of the others behind `mcp-proxy` (MIT), which nobody here wrote either. Installed once into the user's cache folder: from npm as tests/services/npm.py does it, Python
into a virtual environment of its own. None of them needs a network once it is there.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.requirements import need
from tests.services import npm

PYTHON_VERSION = "2026.10.19"
PYTHON_PACKAGES = ("mcp-server-time", "mcp-server-git")
NPM_VERSION = "2026.8.31"
NPM_PACKAGES = ("server-everything", "server-filesystem", "server-memory")
SDK_VERSION = "1.32.2"  # of the TypeScript SDK, as in tests/mcp
PROXY_VERSION = "0.13.0"
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


@contextmanager
def example_over_http(folder: Path) -> Iterator[str]:
    """The TypeScript SDK's example of a server with sessions and streams: its address, until the block ends."""
    port = npm.free_port()
    package = npm.modules(f"mcp-sdk-{SDK_VERSION}", f"{SCOPE}/sdk@{SDK_VERSION}") / SCOPE / "sdk"
    script = package / "dist" / "esm" / "examples" / "server" / "simpleStreamableHttp.js"
    log = folder / f"example-{port}.log"
    with npm.running(script, [], port=port, log=log, variables={"MCP_PORT": str(port)}):
        yield f"http://127.0.0.1:{port}/mcp"


@contextmanager
def over_http(command: Sequence[str], folder: Path, *, env: Mapping[str, str] | None = None) -> Iterator[str]:
    """A server behind the proxy: its address, until the block ends. `folder` takes the log."""
    port = npm.free_port()
    proxy = _environment(f"mcp-proxy-{PROXY_VERSION}", [f"mcp-proxy=={PROXY_VERSION}"]) / "bin" / "mcp-proxy"
    log = folder / f"proxy-{port}.log"
    variables = [word for name, value in (env or {}).items() for word in ("-e", name, value)]
    with log.open("wb") as out:
        server = subprocess.Popen(
            [str(proxy), "--port", str(port), *variables, "--", *command],
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=folder,
            start_new_session=True,
        )
        try:
            npm.wait_for(server, port, log)
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            os.killpg(server.pid, signal.SIGKILL)  # with the server behind it
            server.wait(10)


def _cache() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deputy-tests"
    cache.mkdir(parents=True, exist_ok=True)
    return cache


def _npm_server(package: str) -> Path:
    packages = [f"{SCOPE}/{name}@{NPM_VERSION}" for name in NPM_PACKAGES]
    return npm.modules(f"mcp-servers-npm-{NPM_VERSION}", *packages) / SCOPE / package / "dist" / "index.js"


def _python_servers() -> Path:
    wanted = [f"{name}=={PYTHON_VERSION}" for name in PYTHON_PACKAGES]
    return _environment(f"mcp-servers-python-{PYTHON_VERSION}", wanted)


def _environment(name: str, packages: Sequence[str]) -> Path:
    """A virtual environment of its own. It cannot be moved, so that a file says that it is complete."""
    folder = _cache() / f"{name}-{sys.version_info.major}.{sys.version_info.minor}"
    if not (folder / "complete").is_file():
        _run([sys.executable, "-m", "venv", str(folder)], _cache())
        _run([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *packages], _cache())
        (folder / "complete").touch()
    return folder


def _run(command: list[str], cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
