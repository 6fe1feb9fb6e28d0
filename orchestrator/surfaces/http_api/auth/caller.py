"""Whom a request speaks for, and what it may ask of the front desk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from starlette.requests import HTTPConnection

from orchestrator.domain.principal import Principal
from orchestrator.errors import NotEligible, Unauthorized

Scope = Literal["read", "submit", "decide", "operate", "audit", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "submit", "decide", "operate", "audit", "admin")
_EVERYBODY = frozenset[Scope]({"read", "submit", "decide"})  # own requests, own cards: the front desk sees to whose
ROLE_SCOPES: dict[str, frozenset[Scope]] = {
    "viewer": frozenset({"read"}),
    "approver": _EVERYBODY,
    "operator": _EVERYBODY | {"operate"},
    "auditor": frozenset({"read", "audit"}),
    "admin": frozenset(SCOPES),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """`scopes`: what this way of calling may do, never more than the person. `csrf`: what a page of this session has to show."""

    principal: Principal
    via: Literal["session", "key", "proxy"]
    scopes: frozenset[Scope]
    csrf: str | None = None
    zone: str = "UTC"
    more: dict[str, str] = field(default_factory=dict)


def scopes_of(principal: Principal) -> frozenset[Scope]:
    """Everything that a person's roles allow."""
    return frozenset[Scope]().union(*(ROLE_SCOPES.get(role, frozenset()) for role in principal.roles))


def caller_of(request: HTTPConnection) -> Caller | None:
    """Whom the middleware found; None for nobody."""
    found = request.scope.get("state", {}).get("caller")
    return found if isinstance(found, Caller) else None


def require(request: HTTPConnection, scope: Scope) -> Caller:
    """The caller. Raises Unauthorized for nobody, NotEligible for one without the scope."""
    caller = caller_of(request)
    if caller is None:
        raise Unauthorized("nobody is signed in", fix="open the link that deputy serve printed, or send an API key")
    if scope not in caller.scopes:
        raise NotEligible(f"this needs the scope {scope!r}", fix="ask an admin for a role or a key that has it")
    return caller
