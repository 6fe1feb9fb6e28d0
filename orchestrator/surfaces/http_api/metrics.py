"""`/metrics`: the house in numbers, in Prometheus' text format. Whether one must be signed in to read it is the server's to say."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orchestrator.deputy import Deputy

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def metrics_text(desk: Deputy) -> bytes:
    """The same from every desk of the house."""
    return desk.measured.text()


def routes(desk: Deputy) -> list[Route]:
    """One route, to be mounted."""

    async def metrics(request: Request) -> Response:
        return Response(await asyncio.to_thread(metrics_text, desk), media_type=CONTENT_TYPE)

    return [Route("/metrics", metrics)]
