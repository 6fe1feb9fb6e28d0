"""The first thing every request meets: is it for us, from whom, how often, and did their own page send it.

Pure ASGI, so that streams stay streams. Behind it a request has its caller (`caller_of`), or none; whoever needs one says so with
`require`. INVARIANT: a cookie or a proxy's header alone changes nothing: a change shows the CSRF token, too.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
from collections.abc import Callable, Mapping
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.errors import DeputyError, NotEligible, Unauthorized
from orchestrator.surfaces.http_api.auth.caller import Caller
from orchestrator.surfaces.http_api.auth.limits import Limits
from orchestrator.surfaces.http_api.auth.rules import local_path
from orchestrator.surfaces.http_api.auth.sessions import Sessions, caller_for, csrf_of
from orchestrator.surfaces.http_api.problems import WireError, of_error, wants_a_page

log = logging.getLogger("deputy.http")
CSRF_HEADER = "x-csrf-token"
CSRF_COOKIE = "deputy_csrf"  # for whom a proxy has signed in: they have no session of ours
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN_TO_PROBES = frozenset({"/livez", "/readyz"})  # asked by address, and tell nothing
BY_ADDRESS = "/metrics"  # asked by address too, and tells whoever has a key
# Doors that know their callers by themselves: no cookie, key or proxy of ours has a say there.
OWN_DOORS = ("/mcp", "/slack/")
SIGN_IN = "/signin"
OWN_DOOR = "/mcp"  # takes no cookie and no proxy's header, and reads its bearer tokens itself
LOOK_AGAIN_S = 3.0  # whether whoever hears a stream still may
LARGEST_REQUEST = 4_000_000  # bytes, whatever the route; the JSON interface takes less
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self';"
    " manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
STRICT_TRANSPORT = "max-age=31536000"


class Identify:
    """Middleware around the whole application."""

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self._app = app
        self._sessions = sessions
        self._rules = sessions.rules
        self._callers = Limits(self._rules.per_minute)
        self._attempts = Limits(self._rules.sign_ins_per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        request = HTTPConnection(scope)
        scope.setdefault("state", {})
        guarded = _Guarded(request, send, is_https=self._rules.is_https(request))
        try:
            caller = await self._admit(request)
        except DeputyError as error:
            return await (await of_error(request, error))(scope, receive, guarded)
        guarded.caller = caller
        if (fresh := scope["state"].pop("csrf_cookie", None)) is not None:
            guarded.cookie = self._set_csrf_cookie(request, fresh)
        scope["state"]["caller"] = caller
        await self._followed(scope, receive, guarded)

    async def _followed(self, scope: Scope, receive: Receive, guarded: _Guarded) -> None:
        """The application's answer; one that streams ends with the right to hear it."""
        answering, gone = asyncio.current_task(), False

        async def watch() -> None:
            nonlocal gone
            while await self._is_still(guarded):
                await asyncio.sleep(LOOK_AGAIN_S)
            gone = True
            if answering is not None:
                answering.cancel()

        watching: asyncio.Task[None] | None = None

        def begin() -> None:
            nonlocal watching
            watching = asyncio.create_task(watch())

        guarded.on_stream = begin
        try:
            await self._app(scope, _bounded(receive), guarded)
        except asyncio.CancelledError:
            if not gone or answering is None:
                raise
            answering.uncancel()
            await guarded({"type": "http.response.body", "body": b""})
        finally:
            if watching is not None:
                watching.cancel()

    async def _is_still(self, guarded: _Guarded) -> bool:
        """Whether the request would come in now with the same rights."""
        before = guarded.caller
        if before is None:
            return True
        try:
            now = await self._caller(guarded.request, _place(self._rules.address(guarded.request)))
        except DeputyError as error:
            return error.code == "store_unavailable"
        return now is not None and now.principal == before.principal

    async def _admit(self, request: HTTPConnection) -> Caller | None:
        """The caller, or None for nobody. Raises what keeps the request out."""
        path = request.scope["path"]
        if path in OPEN_TO_PROBES:
            return None
        if not self._rules.answers_to(request) and path != BY_ADDRESS:
            raise WireError(
                "misdirected", "the desk is not called that", fix="set public_url, or allowed_hosts, to this name"
            )
        _check_length(request)
        place = _place(self._rules.address(request))
        if path.startswith(SIGN_IN) and request.scope["method"] != "HEAD" and not await self._attempts.take(place):
            raise _too_often(self._attempts)
        caller = None if path.startswith(OWN_DOORS) else await self._caller(request, place)
        name = f"key {caller.key_id}" if caller is not None and caller.key_id else place
        if caller is not None and caller.key_id is None:
            name = f"person {caller.principal.principal_id}"
        if not await self._callers.take(name):
            raise _too_often(self._callers)
        if caller is not None and caller.csrf is not None and request.scope["method"] not in SAFE:
            self._check_page(request, caller.csrf)
        return caller

    async def _caller(self, request: HTTPConnection, place: str) -> Caller | None:
        if request.scope["path"] == OWN_DOOR:
            return None
        access = self._sessions.desk.access
        if (sent := request.headers.get("authorization")) is not None:
            scheme, _, text = sent.partition(" ")
            try:
                if scheme.lower() != "bearer":
                    raise Unauthorized("only API keys come in by this header", fix="send: Authorization: Bearer KEY")
                return caller_for(await asyncio.to_thread(access.of_key, text.strip()[:400]), "key")
            except Unauthorized:
                if not await self._attempts.take(place):
                    raise _too_often(self._attempts) from None
                raise
        if self._rules.proxy_header and self._rules.is_proxied(request):
            named = request.headers.getlist(self._rules.proxy_header)
            if len(named) == 1 and named[0].strip():
                visitor = await asyncio.to_thread(access.of_address, named[0])
                if visitor is None:
                    raise NotEligible(
                        "you are signed in, but not known here, or have no role", fix="ask an admin: deputy people role"
                    )
                about = visitor.principal.principal_id
                return caller_for(visitor, "proxy", csrf=csrf_of(self._csrf_cookie(request), about))
        if not self._sessions.token(request):
            return None
        return await asyncio.to_thread(self._sessions.caller, request)

    def _check_page(self, request: HTTPConnection, csrf: str) -> None:
        """INVARIANT: a change by cookie comes from a page of this desk. Two locks: who sent it, and what it shows."""
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        foreign = site not in (None, "same-origin", "none")
        if foreign or (origin is not None and origin.lower() not in self._rules.origins(request)):
            raise WireError("csrf", "another site's page sent this", fix="do it in the desk itself")
        shown = request.headers.get(CSRF_HEADER, "")
        if not hmac.compare_digest(shown.encode(), csrf.encode()):
            raise WireError("csrf", "the page's token is missing or old", fix="load the page again")

    def _csrf_cookie(self, request: HTTPConnection) -> str:
        """What this browser holds for want of a session; drawn now, and set with the answer, where it holds nothing yet."""
        held = request.cookies.get(self._csrf_name(request), "")
        if len(held) < 32:
            held = request.scope["state"]["csrf_cookie"] = secrets.token_urlsafe(24)
        return held

    def _csrf_name(self, request: HTTPConnection) -> str:
        return f"__Host-{CSRF_COOKIE}" if self._rules.is_https(request) else CSRF_COOKIE

    def _set_csrf_cookie(self, request: HTTPConnection, value: str) -> str:
        answer = Response()
        secure = self._rules.is_https(request)
        answer.set_cookie(self._csrf_name(request), value, httponly=True, samesite="strict", secure=secure)
        return answer.headers["set-cookie"]


class _Guarded:
    """`send` with the headers of every answer. A person who is not signed in is shown the door instead of a problem document."""

    def __init__(self, request: HTTPConnection, send: Send, *, is_https: bool) -> None:
        self.request = request
        self._send = send
        self._is_https = is_https
        self._shown_the_door = False
        self.caller: Caller | None = None
        self.cookie: str | None = None
        self.on_stream: Callable[[], None] | None = None

    async def __call__(self, message: Message) -> None:
        if self._shown_the_door:
            return
        if message["type"] == "http.response.start":
            if message["status"] == 401 and self._may_be_led():
                self._shown_the_door = True
                return await self._to_the_door()
            headers = MutableHeaders(scope=message)
            self._mark(headers)
            if self.on_stream is not None and headers.get("content-type", "").startswith("text/event-stream"):
                self.on_stream()
        await self._send(message)

    def _mark(self, headers: MutableHeaders) -> None:
        for name, value in HEADERS.items():
            headers.setdefault(name, value)
        if self._is_https:
            headers.setdefault("Strict-Transport-Security", STRICT_TRANSPORT)
        path: str = self.request.scope["path"]
        if (self.caller is not None or path.startswith(SIGN_IN)) and not path.startswith("/static/"):
            headers.setdefault("Cache-Control", "no-store")
        if self.cookie is not None:
            headers.append("Set-Cookie", self.cookie)

    def _may_be_led(self) -> bool:
        return wants_a_page(self.request) and not self.request.scope["path"].startswith(SIGN_IN)

    async def _to_the_door(self) -> None:
        scope = self.request.scope
        wanted = scope["path"] + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
        target = f"{SIGN_IN}?next={quote(local_path(wanted), safe='')}"
        start: Message = {"type": "http.response.start", "status": 303, "headers": []}
        headers = MutableHeaders(scope=start)
        headers["Location"] = target
        headers["Content-Length"] = "0"
        self._mark(headers)
        await self._send(start)
        await self._send({"type": "http.response.body", "body": b""})


def _place(address: str) -> str:
    """What one sender can choose freely of an address counts as one: the last half of IPv6."""
    return ":".join(address.split(":")[:4]) if ":" in address else address


def _too_often(limits: Limits) -> WireError:
    wait = limits.retry_after_s
    return WireError(
        "rate_limited", "too many requests", fix=f"try again in {wait} s", headers={"Retry-After": str(wait)}
    )


def _check_length(request: HTTPConnection) -> None:
    told = request.headers.get("content-length", "0")
    if not told.isascii() or not told.isdigit() or int(told[:12]) > LARGEST_REQUEST:
        raise _too_large()


def _too_large() -> WireError:
    return WireError("too_large", f"the request has more than {LARGEST_REQUEST} bytes", fix="send less at once")


def _bounded(receive: Receive) -> Receive:
    """`receive` that ends a body which was announced smaller, or not at all."""
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > LARGEST_REQUEST:
            raise _too_large()
        return message

    return bounded
