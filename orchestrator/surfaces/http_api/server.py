"""The whole web application: middleware, the JSON interface, health, and the pages."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from orchestrator.deputy import Deputy
from orchestrator.surfaces.http_api import approvals, health, items, problems
from orchestrator.surfaces.http_api.auth.sessions import Identify, Sessions
from orchestrator.surfaces.http_api.draining import Drain
from orchestrator.surfaces.http_api.endpoint import Endpoint, routes
from orchestrator.surfaces.web import pages

ENDPOINTS: tuple[Endpoint, ...] = (*items.ENDPOINTS, *approvals.ENDPOINTS)


def application(
    desk: Deputy, sessions: Sessions, *, drain: Drain | None = None, more: Sequence[BaseRoute] = ()
) -> Starlette:
    """`drain`: tells of the server's end. `more`: routes of other doors on the same server."""
    drain = drain or Drain()

    async def sign_in(request: Request) -> Response:
        return await asyncio.to_thread(sessions.sign_in, request)

    return Starlette(
        routes=[
            *health.routes(desk, drain),
            Route("/signin", sign_in),
            *routes(desk, ENDPOINTS),
            *more,
            *pages.routes(desk),
        ],
        middleware=[Middleware(GZipMiddleware, minimum_size=1000), Middleware(Identify, sessions=sessions)],
        exception_handlers=problems.handlers(),
    )
