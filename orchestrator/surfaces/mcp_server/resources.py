"""Runs and workflows to read: `deputy://run/{id}` and `deputy://workflow/{name}`, as JSON, for whoever may see them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError

from orchestrator.errors import DeputyError, NotEligible
from orchestrator.surfaces.mcp_server import documents
from orchestrator.surfaces.mcp_server.callers import Caller
from orchestrator.surfaces.mcp_server.room import Room
from orchestrator.surfaces.mcp_server.text import cleaned, shortened

JSON = "application/json"
MOST_STEPS = 200
LONGEST_TEXT = 2000  # characters of one text in a step


def add_resources(server: MCPServer, room: Room) -> None:
    @server.resource(
        "deputy://run/{run_id}",
        name="run",
        title="A run",
        description="Its piece of work, effects and steps. Takes a run's or an item's id.",
        mime_type=JSON,
    )
    async def run(run_id: str, ctx: Context[Any, Any]) -> str:
        caller = await _reader(room, ctx)
        try:
            found = await asyncio.to_thread(room.desk.run, caller.who, run_id)
            item = await room.item(caller, found["item_id"])
        except DeputyError as error:
            raise ResourceNotFoundError(error.message) from error
        return _json(_run(found, item, room.pages(ctx.request_context)))

    @server.resource(
        "deputy://workflow/{name}",
        name="workflow",
        title="A workflow",
        description="What it does, takes and may change.",
        mime_type=JSON,
    )
    async def workflow(name: str, ctx: Context[Any, Any]) -> str:
        await _reader(room, ctx)
        try:
            found = await asyncio.to_thread(room.desk.library.one, name)
        except DeputyError as error:
            raise ResourceNotFoundError(error.message) from error
        names = ("name", "version", "title", "description", "read_only", "examples", "tools")
        content = found["content"]
        return _json({one: found[one] for one in names} | {one: content.get(one) for one in ("slots", "grant")})


async def _reader(room: Room, ctx: Context[Any, Any]) -> Caller:
    """Raises ResourceNotFoundError for whom nothing is here."""
    try:
        caller = await room.caller(ctx.request_context)
        if "read" not in caller.scopes:
            raise NotEligible("this caller may not read", fix="use a key with the scope read")
    except DeputyError as error:
        raise ResourceNotFoundError(error.message) from error
    return caller


def _run(run: Mapping[str, Any], item: Mapping[str, Any], desk_url: str | None) -> dict[str, Any]:
    names = ("run_id", "number", "route", "workflow", "workflow_version", "state", "started_at", "finished_at")
    steps = [{name: step[name] for name in ("seq", "kind", "key", "at")} for step in run["steps"][-MOST_STEPS:]]
    bodies = [shortened(cleaned(step["body"]), LONGEST_TEXT) for step in run["steps"][-MOST_STEPS:]]
    status = documents.status(item, desk_url)
    status["data"] = {
        **status["data"],
        "steps": [{**step, "body": body} for step, body in zip(steps, bodies, strict=True)],
    }
    return {**status, "run": {name: run[name] for name in names}, "trace_id": run["trace_id"]}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
