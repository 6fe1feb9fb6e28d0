"""`deputy serve`: the web server of this process, and a worker beside it in a process of its own.

SIGTERM or Ctrl-C drains: not ready, streams end, the worker claims nothing more and has its own time to finish, requests under way
are answered. A second one ends at once; what was under way then is taken over by whoever works next.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING

import uvicorn

from orchestrator import app, logs
from orchestrator.deputy import Deputy
from orchestrator.errors import UsageError
from orchestrator.settings import Settings
from orchestrator.surfaces import standing
from orchestrator.surfaces.http_api.auth.rules import Rules, check_bind, is_loopback
from orchestrator.surfaces.http_api.auth.sessions import Sessions
from orchestrator.surfaces.http_api.draining import Drain
from orchestrator.surfaces.http_api.feed import Feed
from orchestrator.surfaces.http_api.server import application
from orchestrator.surfaces.mcp_server import door

if TYPE_CHECKING:
    from orchestrator.surfaces.slack_bot.bot import Bot

DRAIN_S = 20  # requests under way
WORKER_DRAIN_S = 25.0  # the worker's own limit is 20
RESTART_S, LONGEST_RESTART_S = 1.0, 30.0  # between a worker's unforeseen end and the next one
STEADY_S = 60.0  # a worker that lived so long had started well


def serve(settings: Settings, *, host: str, port: int, with_worker: bool, say: Callable[[str], None]) -> int:
    """Blocks until SIGTERM or Ctrl-C; the exit code. Port 0 takes a free one."""
    logs.begin(level=settings.log_level, form=settings.log_format, tenant=settings.tenant)
    desk = app.desk(settings)
    check_bind(settings, host, has_keys=desk.access.has_keys())
    sessions = Sessions(desk, Rules.of(settings, host))
    drain = Drain()
    feed = Feed(desk, drain)
    assistants = door.over_http(desk, settings, sessions.rules, feed, drain)
    bot = _slack_bot(desk, settings, feed, drain)
    more = [*assistants.routes(), *(bot.routes() if bot is not None else ())]
    config = uvicorn.Config(
        application(desk, sessions, settings, drain=drain, feed=feed, more=more, lifespan=assistants.lifespan),
        host=host,
        port=port,
        log_config=None,
        timeout_graceful_shutdown=DRAIN_S,
        server_header=False,
        proxy_headers=False,  # auth.rules says whose headers count
    )
    listening = _bound(host, port)
    address = f"http://{host}:{listening.getsockname()[1]}"
    try:
        with standing.told(settings.home, address) if is_loopback(host) else nullcontext():
            say(f"Deputy listens on {address}")
            if is_loopback(host):  # a link that lets in belongs on no wire that others read
                say(f"open once, as the owner: {address}{sessions.new_link()}")
            asyncio.run(_run(_Server(config), listening, drain, settings if with_worker else None, bot, say))
    finally:
        desk.close()
    return 0


class _Server(uvicorn.Server):
    """Leaves signals to us: uvicorn raises them again when it has ended, before a worker could."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _slack_bot(desk: Deputy, settings: Settings, feed: Feed, drain: Drain) -> Bot | None:
    if settings.slack_mode == "off":
        return None
    from orchestrator.surfaces.slack_bot.bot import Bot  # its libraries only where it is wanted

    return Bot.of(desk, settings, feed, drain)


async def _run(
    server: _Server,
    listening: socket.socket,
    drain: Drain,
    settings: Settings | None,
    bot: Bot | None,
    say: Callable[[str], None],
) -> None:
    def end() -> None:
        if drain.has_begun():
            os._exit(130)
        say("ending; once more ends at once")
        drain.begin()
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end)
    worker = asyncio.create_task(_keep_worker(settings, drain, say)) if settings is not None else None
    talking = asyncio.create_task(bot.run()) if bot is not None else None
    try:
        await server.serve(sockets=[listening])
    finally:
        drain.begin()
        if talking is not None:
            await talking
        if worker is not None:
            await worker


async def _keep_worker(settings: Settings, drain: Drain, say: Callable[[str], None]) -> None:
    """One worker at any time: started anew when it ends, stopped with the server. It ends when this process does, however it ends."""
    command = [sys.executable, "-m", "orchestrator.surfaces.cli.main", "worker", "--until-eof"]
    pause_s = RESTART_S
    loop = asyncio.get_running_loop()
    drain.worker = None
    while not drain.has_begun():
        began_s = loop.time()
        worker = await asyncio.create_subprocess_exec(
            *command,
            env={**os.environ, **settings.as_environment()},
            stdin=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C at the terminal is ours to pass on
        )
        drain.worker = worker.pid
        ended, draining = asyncio.ensure_future(worker.wait()), asyncio.ensure_future(drain.ends(float("inf")))
        await asyncio.wait({ended, draining}, return_when=asyncio.FIRST_COMPLETED)
        if drain.has_begun():
            with suppress(ProcessLookupError):
                worker.terminate()
            try:
                async with asyncio.timeout(WORKER_DRAIN_S):
                    await ended
            except TimeoutError:
                worker.kill()
                await worker.wait()
            return
        draining.cancel()
        drain.worker = None
        pause_s = RESTART_S if loop.time() - began_s > STEADY_S else min(LONGEST_RESTART_S, pause_s * 2)
        say(f"the worker ended with exit code {ended.result()}; the next one starts in {pause_s:g} s")
        await drain.ends(pause_s)


def _bound(host: str, port: int) -> socket.socket:
    """A listening socket. Raises UsageError where it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise UsageError(
            f"port {port} on {host} cannot be taken: {error.strerror}", fix="choose another: deputy serve --port 0"
        ) from error
    listening.listen(2048)  # whoever opens the printed link at once waits, and is not refused
    listening.set_inheritable(False)
    return listening
