"""The server that every MCP door of ours is: built one way, put on HTTP or on stdin and stdout one way.

What it offers is given to it, so that the conformance suite's fixture runs on exactly this.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import Any

from mcp.server.auth.provider import TokenVerifier
from mcp.server.auth.settings import AuthSettings
from mcp.server.caching import CacheHint
from mcp.server.context import ServerMiddleware
from mcp.server.extension import Extension
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.tools import Tool
from mcp.server.request_state import RequestStateSecurity
from mcp.server.streamable_http import EventStore
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import AnyHttpUrl
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Message, Receive, Scope, Send

from orchestrator import __version__
from orchestrator.errors import StoreUnavailable
from orchestrator.surfaces.http_api.draining import Drain
from orchestrator.surfaces.mcp_server.tasks import Source, Tasks

NAME = "deputy"  # one for all desks: what one has sealed, another opens
PATH = "/mcp"
METADATA_PATH = f"/.well-known/oauth-protected-resource{PATH}"  # RFC 9728, section 3.1
LOOPBACK = tuple(one for name in ("127.0.0.1", "localhost", "[::1]") for one in (name, f"{name}:*"))
LARGEST_REQUEST = 1_000_000  # bytes
IDLE_S = 1800.0
MOST_SESSIONS = 2000
STATE_LIVES_S = 600.0
LAST_CALLS_S = 1.0  # for calls under way, once the server ends
_LISTED = CacheHint(ttl_ms=60_000, scope="private")
_FRESH = CacheHint(ttl_ms=0, scope="private")


def build(
    *,
    source: Source,
    tools: Sequence[Tool] = (),
    instructions: str = "",
    keys: Sequence[bytes] = (),
    middleware: Sequence[ServerMiddleware[Any]] = (),
    extensions: Sequence[Extension] = (),
    verifier: TokenVerifier | None = None,
    auth: AuthSettings | None = None,
    tells_changes: bool = False,
) -> MCPServer:
    """`keys`: shared by all desks, newest first; none: what this process has sealed only it opens.

    `tells_changes`: whether lists change while it runs, so that streams about them are of use.
    """
    return MCPServer(
        NAME,
        title="Deputy",
        version=__version__,
        instructions=instructions or None,
        tools=list(tools),
        extensions=[Tasks(source), *extensions],
        middleware=list(middleware),
        request_state_security=RequestStateSecurity(keys=list(keys), ttl=STATE_LIVES_S) if keys else None,
        cache_hints={
            "tools/list": _LISTED,
            "prompts/list": _LISTED,
            "resources/list": _LISTED,
            "resources/templates/list": _LISTED,
            "resources/read": _FRESH,
        },
        token_verifier=verifier,
        auth=auth,
        subscriptions=None if tells_changes else False,
        log_level="WARNING",
    )


def bearer(base: str, *, issuer: str | None) -> AuthSettings:
    """Bearer tokens at `base`. With an `issuer` the SDK tells where tokens come from (RFC 9728); API keys come from the desk alone."""
    return AuthSettings(
        issuer_url=AnyHttpUrl(issuer or base),
        resource_server_url=AnyHttpUrl(f"{base}{PATH}") if issuer is not None else None,
        validate_token_resource=False if issuer is not None else None,  # the verifier judges the audience
        required_scopes=None,
    )


class Door:
    """One server at `PATH` of an HTTP application.

    `hosts`: names that it answers to beside the loopback's, None where the whole desk answers to any; `origins`: what a page of this
    desk has as its origin. INVARIANT: a page of elsewhere is refused, whatever else is in front.
    """

    def __init__(
        self,
        server: MCPServer,
        *,
        hosts: Sequence[str] | None,
        origins: Callable[[HTTPConnection], Collection[str]],
        drain: Drain,
        events: EventStore | None = None,
        retry_ms: int | None = None,
    ) -> None:
        self._server = server
        self._drain = drain
        self._is_open = False
        self._origins = origins
        self._app: Starlette = server.streamable_http_app(
            streamable_http_path=PATH,
            event_store=events,
            retry_interval=retry_ms,
            max_request_body_size=LARGEST_REQUEST,
            session_idle_timeout=IDLE_S,
            max_sessions=MOST_SESSIONS,
            transport_security=TransportSecuritySettings(
                enable_dns_rebinding_protection=hosts is not None,
                allowed_hosts=[*LOOPBACK, *(hosts or ())],
                allowed_origins=[
                    "http:*",
                    "https:*",
                ],  # judged here, before: the SDK cannot know what is in front of us
            ),
        )

    def routes(self) -> list[BaseRoute]:
        return [Route(PATH, self), Route(METADATA_PATH, self._app)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._is_open:
            return await Response("the server is ending", 503, headers={"Retry-After": "5"})(scope, receive, send)
        request = HTTPConnection(scope)
        origin = request.headers.get("origin")
        if origin is not None and origin.lower() not in self._origins(request):
            return await Response("Invalid Origin header", 403)(scope, receive, send)
        await self._while_the_store_is_there(scope, receive, send)

    async def _while_the_store_is_there(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The SDK answers 500 to any exception, and raises it again; a database that is away is no fault of this server."""
        failed: list[Message] = []

        async def sent(message: Message) -> None:
            if failed or message.get("status") == 500:
                failed.append(message)
            else:
                await send(message)

        try:
            await self._app(scope, receive, sent)
        except StoreUnavailable as error:
            if not failed:
                raise
            failed.clear()
            await Response(error.message, 503, headers={"Retry-After": "5"})(scope, receive, send)
        finally:
            for message in failed:
                await send(message)

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Sessions live within it, and end as the server's end begins: what waits for a stream must not hold that up."""
        running = asyncio.create_task(self._run(ready := asyncio.Event()))
        await ready.wait()
        try:
            yield
        finally:
            self._drain.begin()
            await running

    async def _run(self, ready: asyncio.Event) -> None:
        try:
            async with self._server.session_manager.run():
                self._is_open = True
                ready.set()
                await self._drain.ends(float("inf"))
                await asyncio.sleep(LAST_CALLS_S)
                self._is_open = False
        finally:
            self._is_open = False
            ready.set()
