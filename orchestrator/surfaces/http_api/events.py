"""The stream of what happens, for pages and programs that follow it (WHATWG HTML, Server-sent events).

Each event's `id` is its number; who comes back with `Last-Event-ID` is told what was missed, once, and goes on from there. A stream
ends by itself after a while, so that whoever may no longer listen no longer does; clients of this protocol come back at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from starlette.responses import StreamingResponse

from orchestrator.deputy.news import Heard
from orchestrator.errors import UsageError
from orchestrator.surfaces.http_api.endpoint import Call, Endpoint
from orchestrator.surfaces.http_api.feed import Listener, Progress, lines
from orchestrator.surfaces.http_api.problems import WireError

HEARTBEAT_S = 15.0
LONGEST_S = 600.0
COMES_BACK_MS = 1000
MOST_STREAMS = 50  # of one person at one desk; a browser needs one, whatever its tabs
STREAM = "text/event-stream"
HEADERS = {
    "Cache-Control": "no-store, no-transform",  # no proxy may hold it back to compress it
    "X-Accel-Buffering": "no",
}


async def follow(call: Call) -> StreamingResponse:
    """The stream, begun: refusals come before its first byte."""
    if call.room.feed.streams_of(call.who) >= MOST_STREAMS:
        words = f"{MOST_STREAMS} streams of yours are open here"
        raise WireError("rate_limited", words, fix="close some of them", headers={"Retry-After": "30"})
    tree = call.query.get("item_id")
    if tree is not None:
        await asyncio.to_thread(call.desk.item_seen, call.who, tree)
    return StreamingResponse(_stream(call, tree, _after(call)), media_type=STREAM, headers=HEADERS)


def _after(call: Call) -> int | None:
    said = call.headers.get("last-event-id", "").strip()
    if not said:
        after: int | None = call.query.get("after")
        return after
    if not (said.isascii() and said.isdigit()) or len(said) > 18:
        raise UsageError("Last-Event-ID is no number of ours", fix="leave it out, and load what you show anew")
    return int(said)


async def _stream(call: Call, tree: str | None, after: int | None) -> AsyncIterator[str]:
    until = asyncio.get_running_loop().time() + LONGEST_S
    async with call.room.feed.listening(call.who, tree=tree) as listener:
        last = call.room.feed.position
        yield f"retry: {COMES_BACK_MS}\n\n"
        if after is not None:
            missed = await call.room.feed.missed(listener, after)
            if missed is None:  # as after a restore, or after days away
                for line in lines({"kind": "reset", "seq": last}, number=last):
                    yield line
            for told in missed or ():
                for line in lines(told.as_json(), number=told.seq):
                    yield line
                last = max(last, told.seq)
        for line in lines({"kind": "hello", "seq": last}, number=last):
            yield line
        async for line in _live(listener, last, until):
            yield line


async def _live(listener: Listener, last: int, until: float) -> AsyncIterator[str]:
    while (left := until - asyncio.get_running_loop().time()) > 0:
        try:
            told = await listener.next(min(HEARTBEAT_S, left))
        except EOFError:
            return
        match told:
            case None:
                yield ": still here\n\n"
            case Progress():
                for line in lines(_progress(told)):
                    yield line
            case Heard(seq=seq) if seq > last:
                for line in lines(told.as_json(), number=seq):
                    yield line


def _progress(told: Progress) -> dict[str, Any]:
    return {"kind": "run.progress", "item_id": told.item_id, "body": {"run_id": told.run_id, "step": told.step}}


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/events",
        name="follow_events",
        says=(
            "What happens, as it happens: one JSON object in each event, its `id` the event's number. `hello` says where the stream "
            "begins; `reset` that too much was missed, and everything shown is to be loaded anew; `run.progress` that a run of the "
            "followed item has come further."
        ),
        scope="read",
        do=follow,
        query={
            "item_id": {"type": "string", "description": "Only of this item and what hangs under it."},
            "after": {
                "type": "integer",
                "minimum": 0,
                "maximum": 2**53,
                "description": "Begin behind this number, as Last-Event-ID does for who comes back.",
            },
        },
        headers={"Last-Event-ID": {"type": "string"}},
        answer={"type": "string"},
        media=STREAM,
        errors=("not_found",),
    ),
)
