"""Whom a request speaks for, and what it may ask of the front desk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from starlette.requests import HTTPConnection

from orchestrator.domain.principal import Principal
from orchestrator.domain.rights import SCOPES, Scope
from orchestrator.errors import NotEligible, Unauthorized

__all__ = ["SCOPES", "Caller", "Scope", "caller_of", "require"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """`scopes`: what this way of calling may do, never more than the person. `csrf`: what a page of this session has to show."""

    principal: Principal
    via: Literal["session", "key", "proxy"]
    scopes: frozenset[Scope]
    csrf: str | None = field(default=None, repr=False)
    zone: str = "UTC"
    key_id: str | None = None
    session_id: str | None = None


def caller_of(request: HTTPConnection) -> Caller | None:
    """Whom the middleware found; None for nobody."""
    found = request.scope.get("state", {}).get("caller")
    return found if isinstance(found, Caller) else None


def require(request: HTTPConnection, scope: Scope) -> Caller:
    """The caller. Raises Unauthorized for nobody, NotEligible for one without the scope."""
    caller = caller_of(request)
    if caller is None:
        raise Unauthorized("nobody is signed in", fix="get a link: deputy config link; or send an API key")
    if scope not in caller.scopes:
        raise NotEligible(f"this needs the scope {scope!r}", fix="ask an admin for a role or a key that has it")
    return caller
