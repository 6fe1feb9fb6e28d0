"""Signing in by the one-time link that `deputy serve` prints on loopback, and the session it opens."""

from __future__ import annotations

import hmac
import secrets
from typing import Any

from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from orchestrator.deputy import Deputy
from orchestrator.surfaces.http_api.auth.caller import Caller, scopes_of
from orchestrator.surfaces.http_api.problems import WireError, problem

COOKIE = "deputy_session"
CSRF_HEADER = "x-csrf-token"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Sessions:
    """Links and sessions of one process. INVARIANT: a link opens one session, once."""

    def __init__(self, desk: Deputy) -> None:
        self._desk = desk
        self._links: set[str] = set()
        self._open: dict[str, Caller] = {}

    def new_link(self) -> str:
        """The path of a fresh one-time link for the local owner."""
        token = secrets.token_urlsafe(24)
        self._links.add(token)
        return f"/signin?token={token}"

    def sign_in(self, request: Request) -> Response:
        token = request.query_params.get("token", "")
        if token not in self._links:
            return problem("unauthorized", "this link was used before, or is not ours", "run deputy serve again")
        self._links.discard(token)
        who = self._desk.principal(None)
        session = secrets.token_urlsafe(32)
        self._open[session] = Caller(
            principal=who, via="session", scopes=scopes_of(who), csrf=secrets.token_urlsafe(24)
        )
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, session, httponly=True, samesite="strict", path="/")
        return answer

    def caller(self, request: HTTPConnection) -> Caller | None:
        return self._open.get(request.cookies.get(COOKIE, ""))


class Identify:
    """Middleware: puts the caller into the request's state, and refuses a session's change without its CSRF token."""

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self._app = app
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = HTTPConnection(scope)
            caller = self._sessions.caller(request)
            state: dict[str, Any] = scope.setdefault("state", {})
            state["caller"] = caller
            if caller is not None and caller.csrf is not None and scope["method"] not in SAFE:
                shown = request.headers.get(CSRF_HEADER, "")
                if not hmac.compare_digest(shown, caller.csrf):
                    error = WireError("csrf", "the page's token is missing or old", fix="load the page again")
                    await problem(error.code, error.message, error.fix)(scope, receive, send)
                    return
        await self._app(scope, receive, send)
