"""The pages of coming and going: `/signin`, the way to the identity provider and back, `/signout`."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from orchestrator.errors import DeputyError, NotEligible, NotFound
from orchestrator.surfaces.http_api.auth.caller import caller_of, require
from orchestrator.surfaces.http_api.auth.oidc import Identity, Provider
from orchestrator.surfaces.http_api.auth.rules import local_path
from orchestrator.surfaces.http_api.auth.sessions import Sessions, device_of
from orchestrator.surfaces.http_api.problems import STATUS, WireError

TEMPLATES = Path(__file__).parents[2] / "web" / "templates"
CALLBACK = "/signin/callback"
BROWSER = "deputy_signin"  # the cookie of a browser that is on its way to the provider and back
ON_THE_WAY_S = 600
AT_ONCE = 4  # calls that may wait for the provider
MOST_WAITING = 40  # and for one of those


def routes(sessions: Sessions) -> list[Route]:
    """Nobody has to be signed in for these, but for going."""
    return Doors(sessions).routes()


class Doors:
    """The handlers over one server's sessions. What asks the store or the provider runs in a thread."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        settings = sessions.rules.settings
        self._settings = settings
        self._provider = Provider.of(settings) if settings is not None else None
        # INVARIANT: a provider that hangs holds none of the threads that everybody else's requests run in.
        self._aside = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="deputy-sign-in")
        self._under_way = 0
        self._templates = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)

    def routes(self) -> list[Route]:
        found = [Route("/signin", self.sign_in), Route("/signout", self.sign_out, methods=["POST"])]
        if self._provider is not None:
            found += [Route("/signin/oidc", self.leave), Route(CALLBACK, self.come_back)]
        return found

    async def sign_in(self, request: Request) -> Response:
        token = request.query_params.get("token")
        if token is not None:
            try:
                return await asyncio.to_thread(self._sessions.by_link, request, token[:200])
            except DeputyError as error:
                return self._page(request, error)
        if caller_of(request) is not None:
            return RedirectResponse(local_path(request.query_params.get("next")), 303)
        return self._page(request)

    async def sign_out(self, request: Request) -> Response:
        require(request, "read")
        end = partial(self._sessions.farewell, request, lambda: self._elsewhere(request))
        return await asyncio.get_running_loop().run_in_executor(self._aside, end)

    async def leave(self, request: Request) -> Response:
        """To the provider."""
        try:
            return await self._away(self._begin, request)
        except DeputyError as error:
            return self._page(request, error)

    async def come_back(self, request: Request) -> Response:
        """From the provider, with a code."""
        try:
            return await self._away(self._finish, request)
        except DeputyError as error:
            answer = self._page(request, error)
            self._forget_browser(request, answer)
            return answer

    async def _away(self, ask: Callable[[Request], Response], request: Request) -> Response:
        """The answer of what asks the provider. Raises WireError where too many wait for it already."""
        if self._under_way >= MOST_WAITING:
            raise WireError("rate_limited", "too many are on their way in", fix="try again in a moment")
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._aside, ask, request)
        finally:
            self._under_way -= 1

    # ---- in a thread -------------------------------------------------------------------------------------------------
    def _begin(self, request: Request) -> Response:
        assert self._provider is not None
        begun = self._provider.begin(self._sessions.rules.base_url(request) + CALLBACK)
        browser = secrets.token_urlsafe(24)
        self._sessions.desk.access.keep_sign_in(
            begun.state,
            browser,
            nonce=begun.nonce,
            verifier=begun.verifier,
            next=local_path(request.query_params.get("next")),
        )
        answer = RedirectResponse(begun.url, 303)
        answer.set_cookie(
            self._browser_cookie(request),
            browser,
            httponly=True,
            samesite="lax",
            path="/",
            secure=self._sessions.rules.is_https(request),
            max_age=ON_THE_WAY_S,
        )
        return answer

    def _finish(self, request: Request) -> Response:
        assert self._provider is not None and self._settings is not None
        answer = {name: text[:4000] for name, text in request.query_params.items()}
        access, rules = self._sessions.desk.access, self._sessions.rules
        kept = access.take_sign_in(answer.get("state", ""), request.cookies.get(self._browser_cookie(request), ""))
        found = self._provider.finish(
            answer, redirect_uri=rules.base_url(request) + CALLBACK, nonce=kept.nonce, verifier=kept.verifier
        )
        self._take_groups(found)
        session = access.open_session(
            found.address, via="oidc", device=device_of(request), idle=rules.idle, lives=rules.lives
        )
        welcome = self._sessions.welcome(request, session, kept.next)
        self._forget_browser(request, welcome)
        return welcome

    def _take_groups(self, found: Identity) -> None:
        """INVARIANT: where groups decide, a token without any takes what they had given."""
        assert self._settings is not None
        if not self._settings.oidc_roles:
            return
        given = self._settings.roles_of_groups(list(found.groups or ()))
        try:
            self._sessions.desk.roles.take_groups(found.address, given)
        except NotFound as error:
            raise NotEligible(
                f"{found.address} is not in the directory", fix="ask an admin to add you: deputy people import"
            ) from error

    def _elsewhere(self, request: Request) -> str | None:
        if self._provider is None:
            return None
        return self._provider.farewell(f"{self._sessions.rules.base_url(request)}/signin")

    # ---- pages -------------------------------------------------------------------------------------------------------
    def _page(self, request: Request, error: DeputyError | None = None) -> Response:
        told: dict[str, Any] = {
            "next": local_path(request.query_params.get("next")),
            "error": error,
            "provider": self._provider.name if self._provider is not None else None,
        }
        status = 200 if error is None else STATUS.get(error.code, 500)
        return HTMLResponse(self._templates.get_template("signin.html").render(**told), status)

    def _forget_browser(self, request: Request, answer: Response) -> None:
        secure = self._sessions.rules.is_https(request)
        answer.delete_cookie(self._browser_cookie(request), path="/", secure=secure, httponly=True, samesite="lax")

    def _browser_cookie(self, request: Request) -> str:
        return f"__Host-{BROWSER}" if self._sessions.rules.is_https(request) else BROWSER
