"""Routes of the pages and of what they load."""

from __future__ import annotations

import asyncio
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from orchestrator.deputy import Deputy
from orchestrator.surfaces.http_api.auth.caller import require

HERE = Path(__file__).parent


def routes(desk: Deputy) -> list[BaseRoute]:
    """Every page, and the static files."""
    templates = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined)

    async def approvals(request: Request) -> Response:
        caller = require(request, "read")
        found = await asyncio.to_thread(desk.approvals, caller.principal)
        page = templates.get_template("approvals.html").render(caller=caller, approvals=found)
        return HTMLResponse(page)

    return [Route("/", approvals), Mount("/static", StaticFiles(directory=HERE / "static"))]
