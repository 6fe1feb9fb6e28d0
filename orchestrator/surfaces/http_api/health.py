"""Whether this process lives, and whether it should be sent requests. Nobody has to be signed in to ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from orchestrator.deputy import Deputy
from orchestrator.errors import DeputyError
from orchestrator.surfaces.http_api.draining import Drain
from orchestrator.surfaces.http_api.problems import without_place

LONGEST_S = 5.0  # of a look at the store


def routes(desk: Deputy, drain: Drain, rules: Callable[[], object] = bool) -> list[Route]:
    """`/livez`: this process answers. `/readyz`: it answers for the house, 503 when not. `rules` raises where they cannot be used."""

    async def live(request: Request) -> Response:
        return PlainTextResponse("ok")

    async def ready(request: Request) -> Response:
        if drain.has_begun():
            return JSONResponse({"ready": False, "why": "draining"}, 503)
        try:
            async with asyncio.timeout(LONGEST_S):
                workers = await asyncio.to_thread(desk.workers)
                await asyncio.to_thread(rules)
        except (DeputyError, TimeoutError) as error:
            why = without_place(error.message) if isinstance(error, DeputyError) else "the store does not answer"
            return JSONResponse({"ready": False, "why": why}, 503)
        if drain.worker != 0 and drain.worker not in [one["pid"] for one in workers]:
            why = "the worker has ended" if drain.worker is None else "the worker has not come up yet"
            return JSONResponse({"ready": False, "why": why}, 503)
        return JSONResponse({"ready": True, "workers": len(workers)})

    return [Route("/livez", live), Route("/readyz", ready)]
