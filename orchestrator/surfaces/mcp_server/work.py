"""The verbs of the door: start, look, answer, nudge, cancel, lists. Each takes checked arguments and gives a document; none approves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mcp.server.mcpserver import Context
from mcp_types import InputRequiredResult

from orchestrator.domain.item import DEFAULT_PRIORITY
from orchestrator.errors import DeputyError
from orchestrator.surfaces.mcp_server import asking, documents
from orchestrator.surfaces.mcp_server.callers import Caller
from orchestrator.surfaces.mcp_server.room import Room
from orchestrator.surfaces.mcp_server.text import cleaned, label

MOST_LISTED = 50
Args = Mapping[str, Any]
Document = dict[str, Any]
Verb = Callable[[Room, Caller, Args, Context[Any, Any]], Awaitable[Document | InputRequiredResult]]


async def submit(room: Room, caller: Caller, args: Args) -> str:
    """The item's id; durable when this returns. The same key of the same caller gives the same item."""
    await room.count_start(caller)
    options = {name: args[name] for name in ("workflow", "input") if args.get(name)}
    key = args.get("key")
    item_id = await asyncio.to_thread(
        room.desk.submit,
        caller.who,
        args["request"],
        priority=args.get("priority", DEFAULT_PRIORITY),
        key=None if key is None else f"mcp {caller.name}: {key}",
        options=options,
        reply_to={"door": "mcp", "fetches": True, "caller": caller.name, "client": caller.client},
    )
    await room.wake()
    return item_id


async def start(room: Room, caller: Caller, args: Args, context: Context[Any, Any]) -> Document:
    return await started(room, caller, await submit(room, caller, args), args)


async def started(room: Room, caller: Caller, item_id: str, args: Args) -> Document:
    """What can be said at once: the match before anything runs, and what the workflow may change."""
    item = await room.item(caller, item_id)
    found: Mapping[str, Any] = {}
    runs: str | None = args.get("workflow")
    if runs is None and item["route"] is None:
        found = await asyncio.to_thread(room.desk.library.search, caller.who, args["request"])
        runs = found.get("runs")
    elif runs is None and item["route"] in ("match", "workflow"):
        runs = item["match"]["workflow"] if item["match"] else None
    effects = await asyncio.to_thread(_grant, room, runs) if runs else None
    return documents.started(item, match=found.get("match"), runs=runs, effects=effects)


def _grant(room: Room, workflow: str) -> list[dict[str, Any]] | None:
    """The most that the workflow may change in one run; None where there is no such workflow."""
    with contextlib.suppress(DeputyError):
        content = room.desk.library.one(workflow)["content"]
        return [{name: one[name] for name in ("effect", "noun", "tools", "quota")} for one in content.get("grant", ())]
    return None


async def status(room: Room, caller: Caller, args: Args, context: Context[Any, Any]) -> Document | InputRequiredResult:
    async def tell(steps: int, what: str) -> None:
        await context.report_progress(steps, None, label(what, 80))

    await room.wake()
    item = await room.resting(caller, args["item_id"], args.get("wait_s", 0), tell)
    match await asking.ask(room, caller, item, context):
        case InputRequiredResult() as asked:
            return asked
        case True:
            item = await room.item(caller, args["item_id"])
    return documents.status(item, room.pages(context.request_context))


async def answer(room: Room, caller: Caller, args: Args, context: Context[Any, Any]) -> Document:
    found = await asyncio.to_thread(
        room.desk.answer, caller.who, args["item_id"], args["answer"], question_id=args.get("question_id")
    )
    await room.wake()
    return documents.touched(found)


async def nudge(room: Room, caller: Caller, args: Args, context: Context[Any, Any]) -> Document:
    found = await asyncio.to_thread(room.desk.nudge, caller.who, args["item_id"], args["text"])
    await room.wake()
    return documents.touched(found)


async def cancel(room: Room, caller: Caller, args: Args, context: Context[Any, Any]) -> Document:
    found = await asyncio.to_thread(
        room.desk.cancel, caller.who, args["item_id"], reason=args.get("reason", "cancelled by an assistant")
    )
    await room.wake()
    return documents.touched(found)


async def listed(room: Room, caller: Caller, args: Args, context: Context[Any, Any]) -> Document:
    states = [args["state"]] if args.get("state") else None
    found = await asyncio.to_thread(room.desk.items, caller.who, states=states, limit=args.get("limit", 20))
    return {"items": [documents.brief(one) for one in found["items"]], "more": found["next"] is not None}


async def approvals(room: Room, caller: Caller, args: Args, context: Context[Any, Any]) -> Document:
    found = await asyncio.to_thread(room.desk.approvals, caller.who, limit=MOST_LISTED)
    desk_url = room.pages(context.request_context)
    return {
        "approvals": [documents.card(one, desk_url) for one in found],
        "next": "Only a person decides these, in Deputy itself. You cannot approve."
        if found
        else "Nothing is pending.",
    }


async def find(room: Room, caller: Caller, args: Args, context: Context[Any, Any]) -> Document:
    found = await asyncio.to_thread(room.desk.library.search, caller.who, args["words"])
    told = {
        "why": cleaned(list(found["match"]["why"])),
        "workflows": [
            {"name": one["workflow"], "title": label(one["title"], 120), "score": one["score"]}
            for one in found["nearest"]
        ],
    }
    return told | ({"runs": found["runs"]} if found["runs"] else {})
