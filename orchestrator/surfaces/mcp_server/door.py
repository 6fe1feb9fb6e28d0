"""The product's door: tools, tasks, resources and prompts over one front desk, for HTTP beside the desk's pages and for stdin and stdout."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from typing import Any

from mcp.server.auth.provider import TokenVerifier
from mcp.server.auth.settings import AuthSettings
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import MCPServer
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_REQUEST
from starlette.requests import HTTPConnection

from orchestrator.deputy import Deputy
from orchestrator.errors import DeputyError, UsageError
from orchestrator.gate.keys import keys_of
from orchestrator.gate.sealing import HeldKeys
from orchestrator.settings import Settings
from orchestrator.surfaces import standing
from orchestrator.surfaces.http_api.auth.oidc import Provider
from orchestrator.surfaces.http_api.auth.rules import LOOPBACK, Rules
from orchestrator.surfaces.http_api.draining import Drain
from orchestrator.surfaces.http_api.feed import Feed
from orchestrator.surfaces.mcp_server import callers, published, resources, stack, words
from orchestrator.surfaces.mcp_server.room import Room
from orchestrator.surfaces.mcp_server.runs import Runs
from orchestrator.surfaces.mcp_server.tools import ENTRIES, Entry, RoomTool, seen_by

Context = ServerRequestContext[Any, Any]
COUNTED = frozenset({"initialize", "tools/call", "resources/read", "tasks/get", "tasks/update", "tasks/cancel"})


def server(room: Room, *, verifier: TokenVerifier | None = None, auth: AuthSettings | None = None) -> MCPServer:
    """Everything that is offered. What a caller sees of it is decided at each call."""
    entries = (*ENTRIES, *published.entries(room.desk.library, room.settings.published_workflows))
    made = stack.build(
        source=Runs(room, entries),
        tools=[RoomTool.of(one, room) for one in entries],
        instructions=words.INSTRUCTIONS,
        keys=shared_keys(room.settings),
        middleware=[_Manners(room, entries)],
        verifier=verifier,
        auth=auth,
    )
    resources.add_resources(made, room)
    words.add_prompts(made)
    return made


class _Manners:
    """Around each message: how often a caller may ask, and which tools they see."""

    def __init__(self, room: Room, entries: Sequence[Entry]) -> None:
        self._room = room
        self._entries = entries

    async def __call__(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        if ctx.method in COUNTED:
            try:
                await self._room.count_call(await self._room.caller(ctx))
            except DeputyError as error:
                raise MCPError(code=INVALID_REQUEST, message=f"{error.message}; {error.fix}") from error
        found = await call_next(ctx)
        if ctx.method == "tools/list" and isinstance(found, dict):
            seen = seen_by(await self._room.caller(ctx), self._entries)
            return {**found, "tools": [one for one in found["tools"] if one["name"] in seen]}
        return found


def shared_keys(settings: Settings) -> list[bytes]:
    """What all desks of this house derive alike from the keys of its credentials; none where those are elsewhere, or not made yet."""
    try:
        held = keys_of(settings.key_source, settings.home)
    except DeputyError:
        return []
    kept = held.keys.values() if isinstance(held, HeldKeys) else ()
    return [hmac.new(key, b"deputy mcp request state 1", hashlib.sha256).digest() for key in kept]


# ---- over HTTP ---------------------------------------------------------------------------------------------------------
def over_http(desk: Deputy, settings: Settings, rules: Rules, feed: Feed, drain: Drain) -> stack.Door:
    """The routes and lifespan for `application`. Tokens of the identity provider count where the desk knows its own address."""
    provider = Provider.of(settings) if settings.public_url is not None else None
    base = settings.public_url or "http://127.0.0.1"
    resource = f"{base}{stack.PATH}" if provider is not None else None

    def pages(context: Context) -> str | None:
        if not isinstance(context.request, HTTPConnection):
            return settings.public_url
        try:
            return rules.base_url(context.request)
        except UsageError:
            return None

    room = Room(desk, settings, feed, callers=callers.of_request, pages=pages)
    made = server(
        room,
        verifier=callers.Verifier(desk, provider, resource),
        auth=stack.bearer(base, issuer=provider.issuer if provider is not None else None),
    )
    hosts = (
        None if rules.hosts is None else [one for name in sorted(rules.hosts - LOOPBACK) for one in (name, f"{name}:*")]
    )
    return stack.Door(made, hosts=hosts, origins=rules.origins, drain=drain)


# ---- over stdin and stdout ---------------------------------------------------------------------------------------------
async def over_stdio(desk: Deputy, settings: Settings, wake: Callable[[], None]) -> None:
    """Serves until stdin ends. Nothing but the protocol goes to stdout."""
    drain = Drain()
    room = Room(
        desk,
        settings,
        Feed(desk, drain),
        callers=callers.at_the_terminal(desk),
        pages=lambda context: settings.public_url or standing.address_of(settings.home),
        wake=wake,
    )
    await server(room).run_stdio_async()
