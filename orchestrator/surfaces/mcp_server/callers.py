"""Who calls: always a program, for one person, with no more than its key or the terminal allows. It never approves.

Over HTTP an API key, or the access token of the identity provider; on stdin and stdout whoever started the process, for its owner.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.context import ServerRequestContext

from orchestrator.deputy import Deputy
from orchestrator.deputy.roles import Visitor
from orchestrator.domain.principal import Principal
from orchestrator.domain.rights import Scope
from orchestrator.errors import NotEligible, Unauthorized
from orchestrator.surfaces import identity
from orchestrator.surfaces.http_api.auth.oidc import Provider
from orchestrator.surfaces.http_api.problems import WireError
from orchestrator.surfaces.mcp_server.text import label

MOST_SCOPES = frozenset[Scope]({"read", "submit", "operate"})  # decide, audit and admin have no tool here
TOKEN_SCOPES = frozenset[Scope]({"read", "submit"})  # of a person's assistant without a key of its own
LONGEST_TOKEN = 8000
Context = ServerRequestContext[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """`who` is never human. `name` tells one program of a person from another: its key, its client at the provider, or the terminal."""

    who: Principal
    name: str
    client: str  # what it calls itself: shown, believed by nothing

    @property
    def scopes(self) -> frozenset[Scope]:
        return self.who.scopes


Callers = Callable[[Context], Awaitable[Caller]]


def program_of(who: Principal, scopes: frozenset[Scope]) -> Principal:
    """INVARIANT: what speaks through this door is no person, whatever its key says; it holds no scope beyond `scopes`."""
    return who.with_key(who.scopes & scopes, is_human=False)


def at_the_terminal(desk: Deputy) -> Callers:
    """The local owner's program; their rights are looked up at each call."""

    async def caller(context: Context) -> Caller:
        owner = await asyncio.to_thread(identity.at_the_terminal, desk, None)
        return Caller(who=program_of(owner, TOKEN_SCOPES), name="stdio", client=client_of(context))

    return caller


class Token(AccessToken):
    """A bearer token with whom it stands for, looked up anew for each request."""

    visitor: Any
    name: str
    allowed: frozenset[str]


async def of_request(context: Context) -> Caller:
    """Whoever the bearer token of this very request stands for."""
    user = context.request.scope.get("user") if context.request is not None else None
    token = user.access_token if isinstance(user, AuthenticatedUser) else None
    if not isinstance(token, Token) or not isinstance(token.visitor, Visitor):
        raise Unauthorized("nobody has signed in", fix="send an API key: Authorization: Bearer KEY")
    scopes = frozenset[Scope](one for one in MOST_SCOPES if one in token.allowed)
    return Caller(who=program_of(token.visitor.principal, scopes), name=token.name, client=client_of(context))


class Verifier:
    """Bearer tokens of the MCP door, for the SDK: API keys, and where people sign in at a provider its access tokens for `resource`."""

    def __init__(self, desk: Deputy, provider: Provider | None, resource: str | None) -> None:
        self._desk = desk
        self._provider = provider
        self._resource = resource

    async def verify_token(self, token: str) -> AccessToken | None:
        if len(token) > LONGEST_TOKEN:
            return None
        try:
            return await asyncio.to_thread(self._of_key if token.startswith("dpt_") else self._of_provider, token)
        except (Unauthorized, NotEligible, WireError):  # the last: the provider does not answer
            return None

    def _of_key(self, text: str) -> Token:
        visitor = self._desk.access.of_key(text)
        name = f"key {visitor.key_id}"
        return _token(visitor, name, MOST_SCOPES)

    def _of_provider(self, text: str) -> Token | None:
        if self._provider is None or self._resource is None:
            return None
        identity, client = self._provider.access(text, audience=self._resource)
        visitor = self._desk.access.of_address(identity.address)
        return None if visitor is None else _token(visitor, f"client {client[:80]} of {identity.address}", TOKEN_SCOPES)


def _token(visitor: Visitor, name: str, scopes: frozenset[Scope]) -> Token:
    """What the secret itself was is not kept."""
    return Token(
        token="",
        client_id=name,
        subject=visitor.principal.principal_id,
        scopes=sorted(visitor.principal.scopes & scopes),
        visitor=visitor,
        name=name,
        allowed=frozenset(scopes),
    )


def client_of(context: Context) -> str:
    """The client's own name for itself, harmless to show."""
    told = context.session.client_params
    return label(told.client_info.name, 60) if told is not None and told.client_info is not None else ""
