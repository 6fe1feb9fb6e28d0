"""The real bot on a loopback port: bolt's app, the route, workshop and board, on a home of the tests."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Self, TypeVar

import uvicorn
from starlette.applications import Starlette

from orchestrator import app
from orchestrator.surfaces.http_api.draining import Drain
from orchestrator.surfaces.http_api.feed import Feed
from orchestrator.surfaces.slack_bot.bot import Bot
from tests.e2e.place import Place
from tests.slack.workspace import BOT, SECRET, Sender, Workspace

R = TypeVar("R")
WITHIN_S = 20.0


class Door:
    """A server with the bot; a context manager, which ends as a server that drains does. Has a desk of its own."""

    def __init__(
        self, place: Place, slack_url: str, *, mode: str = "http", is_double: bool = False, **settings: Any
    ) -> None:
        """`is_double`: behind the address is our own double, which has no world to ask about."""
        self.workspace = Workspace(slack_url) if mode == "http" and not is_double else None
        given = {
            "slack_mode": mode,
            "slack_bot_token": BOT,
            "slack_signing_secret": SECRET,
            "slack_app_token": "xapp-test",
            "slack_api_url": f"{slack_url}/api/",
        }
        self.settings = place.load(**given | settings)
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.address = ""

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(WITHIN_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """As a server that drains; again does nothing."""
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._drain.begin)
        self._thread.join(WITHIN_S)
        assert not self._thread.is_alive()

    def sender(self) -> Sender:
        assert self.workspace is not None
        return Sender(self.workspace, self.address)

    def _serve(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        self._loop, self._drain = asyncio.get_running_loop(), Drain()
        desk = app.desk(self.settings)
        self.bot = Bot(desk, self.settings, Feed(desk, self._drain), self._drain, share=10_000.0)
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        web = Starlette(routes=list(self.bot.routes()))
        server = uvicorn.Server(uvicorn.Config(web, log_level="error", lifespan="off", timeout_graceful_shutdown=1))
        self.address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        talking = asyncio.create_task(self.bot.run())
        while not server.started:
            await asyncio.sleep(0.01)
        self._started.set()
        await self._drain.ends(float("inf"))
        server.should_exit = True
        await talking
        await serving
        desk.close()


def until(look: Callable[[], R | None], *, within_s: float = WITHIN_S) -> R:
    """What `look` finds, once it finds something."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {within_s:g} s")
