"""Coming in with a browser: the cookie of a session, its CSRF token, and the one-time link that `deputy serve` prints.

Sessions themselves are rows (`desk.access`); here is what travels. INVARIANT: a sign-in always makes a fresh session and ends the one
that the browser brought.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Literal

from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from orchestrator.deputy import Deputy
from orchestrator.deputy.roles import Visitor
from orchestrator.surfaces.http_api.auth.caller import Caller
from orchestrator.surfaces.http_api.auth.rules import Rules, local_path

COOKIE = "deputy_session"
PREFETCH = "prefetch"


class Sessions:
    """Over one desk, under one server's rules."""

    def __init__(self, desk: Deputy, rules: Rules | None = None) -> None:
        self.desk = desk
        self.rules = rules or Rules()

    def new_link(self) -> str:
        """The path of a fresh one-time link for the local owner."""
        return f"/signin?token={self.desk.access.new_link(self.desk.principal(None))}"

    def by_link(self, request: Request, token: str) -> Response:
        """Swaps the link for a session, and the address with the token for one without. Raises Unauthorized."""
        if PREFETCH in request.headers.get("sec-purpose", "") or request.method == "HEAD":
            return Response(status_code=204)  # a browser that only looks ahead does not use the link up
        session = self.desk.access.open_by_link(
            token, device=device_of(request), idle=self.rules.idle, lives=self.rules.lives
        )
        return self.welcome(request, session, local_path(request.query_params.get("next")))

    def welcome(self, request: Request, session: str, next: str) -> Response:
        """The redirect that gives the browser its session. What it brought before is over."""
        if old := self.token(request):
            self.desk.access.sign_out(old)
        answer = RedirectResponse(next, 303)
        secure = self.rules.is_https(request)
        # Lax, not Strict: a link from a mail or from the identity provider finds its reader signed in. Changes need the CSRF token.
        answer.set_cookie(
            self.cookie(request),
            session,
            httponly=True,
            samesite="lax",
            path="/",
            secure=secure,
            max_age=int(self.rules.lives.total_seconds()),
        )
        return answer

    def farewell(self, request: Request, elsewhere: Callable[[], str | None]) -> Response:
        """Ends the browser's session; {"next"}: where its page goes on, `elsewhere` for who came from an identity provider."""
        token = self.token(request)
        via = self.desk.access.sign_out(token) if token else None
        next = (elsewhere() if via == "oidc" else None) or "/signin"
        answer = JSONResponse({"next": next}, headers={"Clear-Site-Data": '"cache"'})
        answer.delete_cookie(
            self.cookie(request), path="/", httponly=True, samesite="lax", secure=self.rules.is_https(request)
        )
        return answer

    def caller(self, request: HTTPConnection) -> Caller | None:
        """Whose session the browser's cookie names."""
        token = self.token(request)
        visitor = self.desk.access.of_session(token) if token else None
        return caller_for(visitor, "session", csrf=csrf_of(token)) if visitor is not None else None

    def token(self, request: HTTPConnection) -> str:
        return request.cookies.get(self.cookie(request), "")[:200]

    def cookie(self, request: HTTPConnection) -> str:
        """`__Host-`: the browser takes it over https, from this host alone (RFC 6265bis, section 4.1.3.2)."""
        return f"__Host-{COOKIE}" if self.rules.is_https(request) else COOKIE


def caller_for(visitor: Visitor, via: Literal["session", "key", "proxy"], *, csrf: str | None = None) -> Caller:
    who = visitor.principal
    return Caller(
        principal=who,
        via=via,
        scopes=who.scopes,
        csrf=csrf,
        zone=visitor.zone,
        key_id=visitor.key_id,
        session_id=visitor.session_id,
    )


def csrf_of(token: str, about: str = "") -> str:
    """What a page shows to prove that it was given out under this cookie. Tells nothing of the cookie."""
    return hmac.new(token.encode(), f"deputy csrf 1\0{about}".encode(), hashlib.sha256).hexdigest()


def device_of(request: HTTPConnection) -> str:
    """The browser's own name for itself, as people know their devices by."""
    return "".join(one for one in request.headers.get("user-agent", "") if one.isprintable())[:200]
