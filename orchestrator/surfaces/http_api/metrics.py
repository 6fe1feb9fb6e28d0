"""`/metrics`: the house in numbers, in Prometheus' text format, for whoever may read; for everybody where a setting says so."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orchestrator.deputy import Deputy
from orchestrator.surfaces.http_api.auth.caller import require

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def metrics_text(desk: Deputy) -> bytes:
    """The same from every desk of the house."""
    return desk.measured.text()


def routes(desk: Deputy, *, is_open: bool) -> list[Route]:
    """One route. Unless it is open, a caller needs the scope `read`: a key for the monitoring has it."""

    async def metrics(request: Request) -> Response:
        if not is_open:
            require(request, "read")
        return Response(await asyncio.to_thread(metrics_text, desk), media_type=CONTENT_TYPE)

    return [Route("/metrics", metrics)]
