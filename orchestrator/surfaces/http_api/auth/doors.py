"""The pages of coming and going: `/signin`, the way to the identity provider and back, `/signout`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from orchestrator.errors import DeputyError
from orchestrator.surfaces.http_api.auth.caller import caller_of, require
from orchestrator.surfaces.http_api.auth.rules import local_path
from orchestrator.surfaces.http_api.auth.sessions import Sessions
from orchestrator.surfaces.http_api.problems import STATUS

TEMPLATES = Path(__file__).parents[2] / "web" / "templates"


def routes(sessions: Sessions) -> list[Route]:
    """Nobody has to be signed in for these, but for going."""
    templates = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)

    def page(request: Request, *, error: DeputyError | None = None) -> Response:
        next = local_path(request.query_params.get("next"))
        told: dict[str, Any] = {"next": next, "error": error, "provider": None}
        status = 200 if error is None else STATUS.get(error.code, 500)
        return HTMLResponse(templates.get_template("signin.html").render(**told), status)

    async def sign_in(request: Request) -> Response:
        token = request.query_params.get("token")
        if token is not None:
            try:
                return await asyncio.to_thread(sessions.by_link, request, token[:200])
            except DeputyError as error:
                return page(request, error=error)
        if caller_of(request) is not None:
            return RedirectResponse(local_path(request.query_params.get("next")), 303)
        return page(request)

    async def sign_out(request: Request) -> Response:
        require(request, "read")
        return await asyncio.to_thread(sessions.farewell, request)

    return [Route("/signin", sign_in), Route("/signout", sign_out, methods=["POST"])]
