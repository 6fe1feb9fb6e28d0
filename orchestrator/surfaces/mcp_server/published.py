"""Workflows that the settings publish to assistants, each as a tool of its own with its inputs as typed arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp.server.mcpserver import Context

from orchestrator.deputy.library import Library
from orchestrator.errors import NotFound, UsageError
from orchestrator.surfaces.mcp_server import documents, work
from orchestrator.surfaces.mcp_server.callers import Caller
from orchestrator.surfaces.mcp_server.room import Room
from orchestrator.surfaces.mcp_server.text import label
from orchestrator.surfaces.mcp_server.tools import KEY, Entry

PREFIX = "workflow_"
MOST_PUBLISHED = 20
LONGEST_NAME = 64  # what models take of a tool's name
_WHOLE = ("minutes", "number")
_HINTS: Mapping[str, str] = {
    "person": "Name or address",
    "people": "Names or addresses, comma-separated",
    "date": "In words or ISO 8601",
    "date_range": "In words, e.g. next week",
    "when": "In words, e.g. Tuesday 10:00",
    "event": "Words of its title, who, or when",
    "channel": "Name of the channel",
}


def entries(library: Library, published: Mapping[str, frozenset[str] | None]) -> tuple[Entry, ...]:
    """The published ones as they are now. Raises UsageError for a name that is none."""
    if len(published) > MOST_PUBLISHED:
        raise UsageError(f"mcp_workflows names {len(published)} workflows", fix=f"at most {MOST_PUBLISHED}")
    return tuple(_entry(library, name, is_for) for name, is_for in published.items())


def _entry(library: Library, name: str, is_for: frozenset[str] | None) -> Entry:
    try:
        workflow = library.one(name)
    except NotFound as error:
        raise UsageError(f"mcp_workflows names {name!r}, which is no workflow", fix=error.fix) from error
    slots: Mapping[str, Mapping[str, Any]] = workflow["content"].get("slots", {})
    title = label(workflow["title"], 80)

    def starts(arguments: work.Args) -> work.Args:
        given = {slot: str(value) for slot, value in arguments.items() if slot in slots}
        told = {"request": title, "workflow": name, "input": given}
        return told | ({"key": arguments["key"]} if "key" in arguments else {})

    async def run(room: Room, caller: Caller, args: work.Args, context: Context[Any, Any]) -> work.Document:
        wanted = starts(args)
        return await work.started(room, caller, await work.submit(room, caller, wanted), wanted)

    return Entry(
        name=f"{PREFIX}{name.replace('-', '_')}"[:LONGEST_NAME],
        title=title,
        says=label(workflow["description"] or title, 200),
        do=run,
        scope="submit",
        takes={**{slot: _schema(told) for slot, told in slots.items()}, "key": KEY},
        needs=_needed(slots),
        gives=documents.STARTED,
        reads=False,  # it makes a piece of work, even where the workflow itself changes nothing
        is_for=is_for,
        starts=starts,
    )


def _schema(slot: Mapping[str, Any]) -> dict[str, Any]:
    kind = str(slot.get("type", "text"))
    said = label(str(slot.get("description") or _HINTS.get(kind, "")), 120)
    schema: dict[str, Any] = {"type": "integer"} if kind in _WHOLE else {"type": "string", "maxLength": 2000}
    return schema | ({"description": said} if said else {})


def _needed(slots: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(name for name, slot in slots.items() if slot.get("required", True) and slot.get("default") is None)
