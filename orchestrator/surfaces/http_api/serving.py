"""`deputy serve`: the web server of this process, and a worker beside it in a process of its own."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import sys
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from orchestrator import app
from orchestrator.errors import UsageError
from orchestrator.settings import Settings
from orchestrator.surfaces.http_api.auth.sessions import Sessions
from orchestrator.surfaces.http_api.server import application

DRAIN_S = 20
RESTART_S = 1.0


def serve(settings: Settings, *, host: str, port: int, with_worker: bool, say: Callable[[str], None]) -> int:
    """Blocks until SIGTERM or Ctrl-C; the exit code. Port 0 takes a free one."""
    if not _is_loopback(host):
        raise UsageError(f"{host} is not this machine alone", fix="bind 127.0.0.1, or set up sign-in first")
    desk = app.desk(settings)
    sessions = Sessions(desk)
    web = application(desk, sessions)
    config = uvicorn.Config(
        web, host=host, port=port, log_level="warning", timeout_graceful_shutdown=DRAIN_S, server_header=False
    )
    server = uvicorn.Server(config)
    listening = config.bind_socket()
    address = f"http://{host}:{listening.getsockname()[1]}"
    say(f"Deputy listens on {address}")
    say(f"open once, as the owner: {address}{sessions.new_link()}")
    try:
        asyncio.run(_run(server, listening, settings if with_worker else None))
    finally:
        desk.close()
    return 0


async def _run(server: uvicorn.Server, listening: socket.socket, settings: Settings | None) -> None:
    worker = asyncio.create_task(_keep_worker(settings)) if settings is not None else None
    try:
        await server.serve(sockets=[listening])
    finally:
        if worker is not None:
            worker.cancel()
            with suppress(asyncio.CancelledError):
                await worker


async def _keep_worker(settings: Settings) -> None:
    """One worker at any time: started anew when it ends, stopped with the server."""
    import os

    command = [sys.executable, "-m", "orchestrator.surfaces.cli.main", "worker"]
    while True:
        started = await asyncio.create_subprocess_exec(*command, env={**os.environ, **settings.as_environment()})
        try:
            await started.wait()
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):
                started.terminate()
            await started.wait()
            raise
        await asyncio.sleep(RESTART_S)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
