"""The bot of one server: its parts put together, its route, and what runs beside the server until that ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.adapter.starlette.async_handler import AsyncSlackRequestHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient
from starlette.routing import BaseRoute, Route

from connectors.errors import ConnectorError
from connectors.slack.limits import Buckets
from connectors.slack.line import REQUEST_S, Line
from orchestrator import errors
from orchestrator.deputy import Deputy
from orchestrator.settings import Settings
from orchestrator.surfaces.http_api.draining import Drain
from orchestrator.surfaces.http_api.feed import Feed
from orchestrator.surfaces.slack_bot.board import Board
from orchestrator.surfaces.slack_bot.door import Body, Intake, bolt
from orchestrator.surfaces.slack_bot.identity import Identity, Me
from orchestrator.surfaces.slack_bot.manifest import PATH
from orchestrator.surfaces.slack_bot.modals import Modals
from orchestrator.surfaces.slack_bot.posting import Poster
from orchestrator.surfaces.slack_bot.replies import Replies
from orchestrator.surfaces.slack_bot.workshop import Workshop

log = logging.getLogger("deputy.slack")
AGAIN_S, LONGEST_AGAIN_S = 2.0, 60.0
LEAVES_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Parts:
    """What needs to know who the bot is in its workspace."""

    me: Me
    identity: Identity
    poster: Poster
    board: Board
    workshop: Workshop
    modals: Modals


class Bot:
    """Made by `of`, with everything checked; speaks to Slack from `run` on."""

    def __init__(self, desk: Deputy, settings: Settings, feed: Feed, drain: Drain, *, share: float = 1.0) -> None:
        token, secret = settings.slack_bot_token, settings.slack_signing_secret
        self._desk, self._feed, self._drain = desk, feed, drain
        self._is_socket = settings.slack_mode == "socket"
        self._app_token = settings.slack_app_token.get_secret_value() if settings.slack_app_token else ""
        self._desk_url = settings.public_url
        self._host = urlsplit(settings.slack_api_url).hostname if settings.slack_api_url else None
        bot_token = token.get_secret_value() if token else ""
        self._line = Line(bot_token, Buckets(share), base_url=settings.slack_api_url)
        client = AsyncWebClient(  # without the token: bolt gives it to each request
            base_url=settings.slack_api_url or AsyncWebClient.BASE_URL,
            timeout=REQUEST_S,
            retry_handlers=[],
            logger=logging.getLogger("deputy.slack.web"),
        )
        self._parts: Parts | None = None
        self._making = asyncio.Lock()
        self._intake = Intake(desk.slack, self._wake)
        self.app: AsyncApp = bolt(
            client,
            bot_token,
            me=self._me,
            signing_secret=secret.get_secret_value() if secret else "",
            intake=self._intake,
            modals=self,
        )

    @classmethod
    def of(cls, desk: Deputy, settings: Settings, feed: Feed, drain: Drain) -> Bot | None:
        """None where it is switched off. UsageError where something that it needs is not set."""
        if settings.slack_mode == "off":
            return None
        needed = {"slack_bot_token": settings.slack_bot_token}
        if settings.slack_mode == "socket":
            needed["slack_app_token"] = settings.slack_app_token
        else:
            needed["slack_signing_secret"] = settings.slack_signing_secret
        for name, value in needed.items():
            if value is None:
                raise errors.UsageError(
                    f"the Slack bot ({settings.slack_mode}) needs {name}",
                    fix=f"set DEPUTY_{name.upper()}; see docs/slack.md",
                )
        return cls(desk, settings, feed, drain)

    def routes(self) -> Sequence[BaseRoute]:
        """Signed deliveries over HTTP; none with Socket Mode, where nothing is to come in by the web."""
        return [] if self._is_socket else [Route(PATH, AsyncSlackRequestHandler(self.app).handle, methods=["POST"])]

    async def run(self) -> None:
        """Until the server ends. Slack out of reach is waited for: what it delivers meanwhile is kept."""
        pause_s = AGAIN_S
        while not self._drain.has_begun():
            try:
                parts = await self.parts()
                break
            except ConnectorError as error:
                log.warning("Slack does not let the bot in (%s): %s; again in %g s", error.code, error.message, pause_s)
            if await self._drain.ends(pause_s):
                return
            pause_s = min(LONGEST_AGAIN_S, pause_s * 2)
        else:
            return
        beside = [asyncio.create_task(parts.board.follow(self._feed, self._drain))]
        working = asyncio.create_task(parts.workshop.run(self._drain))
        socket = AsyncSocketModeHandler(self.app, self._app_token) if self._is_socket else None
        try:
            if socket is not None:
                beside.append(asyncio.create_task(self._connect(socket)))
            await self._drain.ends(float("inf"))
        finally:
            if socket is not None:
                await socket.client.close()  # type: ignore[no-untyped-call]  # nothing new comes in
            try:
                async with asyncio.timeout(LEAVES_WITHIN_S):
                    await working
            except TimeoutError:
                log.info("what is not done goes on with the next start")
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    async def _connect(self, socket: AsyncSocketModeHandler) -> None:
        """slack-sdk connects again by itself, once it has been connected."""
        pause_s = AGAIN_S
        while True:
            try:
                await socket.client.connect()  # type: ignore[no-untyped-call]
                return
            except Exception as error:  # whatever the libraries below raise: there is one answer to it
                log.warning("Socket Mode does not connect (%s); again in %g s", type(error).__name__, pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(LONGEST_AGAIN_S, pause_s * 2)

    async def parts(self) -> Parts:
        """Raises ConnectorError while Slack does not say who the bot is."""
        async with self._making:
            if self._parts is None:
                answer = await self._line.read("auth.test")
                me = Me(*(str(answer.get(name) or "") for name in ("team_id", "user_id", "bot_id")))
                identity = Identity(self._desk, self._line, me)
                poster = Poster(self._desk.slack, self._line, me)
                board = Board(self._desk, identity, poster, desk_url=self._desk_url)
                replies = Replies(self._line, identity, poster, own_host=self._host)
                workshop = Workshop(
                    self._desk, identity, board, replies, bot_user_id=me.user_id, desk_url=self._desk_url
                )
                modals = Modals(self._desk, self._line, identity, poster)
                self._parts = Parts(me, identity, poster, board, workshop, modals)
        return self._parts

    async def _me(self) -> Me:
        return (await self.parts()).me

    def _wake(self) -> None:
        if self._parts is not None:
            self._parts.workshop.wake()

    # ---- modals, for the door ----------------------------------------------------------------------------------------
    async def open(self, kind: str, body: Body) -> None:
        await (await self.parts()).modals.open(kind, body)

    async def read(self, kind: str, body: Body) -> tuple[dict[str, str], dict[str, object]]:
        return await (await self.parts()).modals.read(kind, body)
