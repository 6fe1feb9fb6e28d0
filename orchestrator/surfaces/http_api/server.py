"""The whole web application: middleware, the JSON interface, health, and the pages."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from orchestrator.deputy import Deputy
from orchestrator.surfaces.http_api import approvals, items, problems
from orchestrator.surfaces.http_api.auth.sessions import Identify, Sessions
from orchestrator.surfaces.http_api.endpoint import Endpoint, routes
from orchestrator.surfaces.web import pages

ENDPOINTS: tuple[Endpoint, ...] = (*items.ENDPOINTS, *approvals.ENDPOINTS)


def application(desk: Deputy, sessions: Sessions, *, more: Sequence[BaseRoute] = ()) -> Starlette:
    """`more`: routes of other doors on the same server."""

    async def live(request: Request) -> Response:
        return PlainTextResponse("ok")

    async def ready(request: Request) -> Response:
        await asyncio.to_thread(desk.people)  # the store answers
        return JSONResponse({"ready": True})

    async def sign_in(request: Request) -> Response:
        return await asyncio.to_thread(sessions.sign_in, request)

    return Starlette(
        routes=[
            Route("/livez", live),
            Route("/readyz", ready),
            Route("/signin", sign_in),
            *routes(desk, ENDPOINTS),
            *more,
            *pages.routes(desk),
        ],
        middleware=[Middleware(GZipMiddleware, minimum_size=1000), Middleware(Identify, sessions=sessions)],
        exception_handlers=problems.handlers(),
    )
