"""The whole web application: middleware, the JSON interface, health, and the pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import BaseRoute

from orchestrator import guarding
from orchestrator.deputy import Deputy
from orchestrator.settings import Settings
from orchestrator.surfaces.http_api import (
    about,
    approvals,
    audit,
    connections,
    events,
    figures,
    halts,
    health,
    inbox,
    items,
    memories,
    metrics,
    openapi,
    people,
    policy,
    problems,
    runs,
    schedules,
    triggers,
    workflows,
)
from orchestrator.surfaces.http_api.auth import doors
from orchestrator.surfaces.http_api.auth import endpoints as access
from orchestrator.surfaces.http_api.auth.identify import Identify
from orchestrator.surfaces.http_api.auth.sessions import Sessions
from orchestrator.surfaces.http_api.draining import Drain
from orchestrator.surfaces.http_api.endpoint import Endpoint, Room, routes
from orchestrator.surfaces.http_api.feed import Feed
from orchestrator.surfaces.web import pages

ENDPOINTS: tuple[Endpoint, ...] = (
    *items.ENDPOINTS,
    *approvals.ENDPOINTS,
    *inbox.ENDPOINTS,
    *runs.ENDPOINTS,
    *events.ENDPOINTS,
    *workflows.ENDPOINTS,
    *figures.ENDPOINTS,
    *people.ENDPOINTS,
    *connections.ENDPOINTS,
    *triggers.ENDPOINTS,
    *schedules.ENDPOINTS,
    *memories.ENDPOINTS,
    *audit.ENDPOINTS,
    *halts.ENDPOINTS,
    *policy.ENDPOINTS,
    *about.ENDPOINTS,
    *access.ENDPOINTS,
)


def application(
    desk: Deputy,
    sessions: Sessions,
    settings: Settings,
    *,
    drain: Drain | None = None,
    feed: Feed | None = None,
    more: Sequence[BaseRoute] = (),
    lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]] | None = None,
) -> Starlette:
    """`drain`: tells of the server's end. `more`, `lifespan`: other doors on the same server; `feed`: the one they share with it."""
    drain = drain or Drain()
    room = Room(desk=desk, settings=settings, feed=feed or Feed(desk, drain))
    return Starlette(
        routes=[
            *health.routes(desk, drain, partial(guarding.guard, settings) if settings.policy_dir is not None else bool),
            *metrics.routes(desk, is_open=settings.metrics_open),
            *doors.routes(sessions),
            *routes(room, ENDPOINTS),
            *openapi.routes(ENDPOINTS),
            *more,
            *pages.routes(desk, [one for one in ENDPOINTS if one.is_built]),
        ],
        middleware=[Middleware(GZipMiddleware, minimum_size=1000), Middleware(Identify, sessions=sessions)],
        exception_handlers=problems.handlers(),
        lifespan=lifespan,
    )
