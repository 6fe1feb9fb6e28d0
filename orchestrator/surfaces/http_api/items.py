"""Endpoints of the worklist."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from orchestrator.domain.item import DEFAULT_PRIORITY, PRIORITY_RANGE, State
from orchestrator.errors import UsageError
from orchestrator.surfaces.http_api.endpoint import CURSOR, LIMIT, Call, Endpoint
from orchestrator.surfaces.http_api.problems import WireError

MOST_AT_ONCE = 1000
KEY_LENGTH = 200
LONGEST_WAIT_S = 60
TEXT = {"type": "string", "minLength": 1, "maxLength": 20_000}
KEY = {"type": "string", "minLength": 1, "maxLength": 200, "description": "The same key again gives the same item."}
PRIORITY = {"type": "integer", "minimum": PRIORITY_RANGE.start, "maximum": PRIORITY_RANGE.stop - 1}
TIME = {"type": "string", "format": "date-time", "maxLength": 64}
NEW_ITEM: dict[str, Any] = {
    "type": "object",
    "required": ["request"],
    "additionalProperties": False,
    "properties": {
        "request": TEXT,
        "priority": PRIORITY,
        "due": TIME,
        "key": KEY,
        "input": {"type": "object", "description": "Values of the workflow's slots."},
        "workflow": {"type": "string", "minLength": 1, "maxLength": 200, "description": "Instead of searching one."},
        "agent": {"type": "string", "minLength": 1, "maxLength": 200, "description": "This predefined agent does it."},
        "agents": {"type": "array", "items": {"type": "string", "maxLength": 200}, "minItems": 1, "maxItems": 100},
        "model": {"type": "string", "minLength": 1, "maxLength": 200},
        "no_match": {"type": "boolean"},
        "plan": {"type": "boolean"},
        "budget": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0, "maximum": 2**53}},
        "needs": {"type": "array", "items": {"type": "string", "maxLength": 100}, "maxItems": 100},
        "approve_all": {
            "type": "boolean",
            "description": "You approve each of its cards in advance. A program's is dropped.",
        },
        "preview": {"type": "boolean"},
    },
}
OPTIONS = ("input", "workflow", "agent", "agents", "model", "no_match", "plan", "budget", "approve_all")
RESTING = frozenset({"done", "failed", "denied", "needs_model", "over_budget", "cancelled", "waiting"})
SAFETY_S = 2.0  # whoever waits for an item looks at it so often, whatever the news


def moment(text: str | None) -> datetime | None:
    """An ISO 8601 instant with its offset."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
        found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{text!r} is no ISO 8601 time", fix="e.g. 2026-11-21T09:00:00Z") from error
    if found.tzinfo is None:
        raise UsageError(f"{text!r} has no offset", fix="e.g. 2026-11-21T09:00:00Z")
    return found


def submit(call: Call) -> Any:
    """One wish, or a list of them in one transaction."""
    wishes = call.body if isinstance(call.body, list) else [call.body]
    if any(one.get("preview") for one in wishes):
        raise WireError("not_built", "a request cannot be carried out as a preview yet", fix="leave `preview` out")
    header = call.headers.get("idempotency-key")
    if header is not None and isinstance(call.body, dict) and call.body.get("key") is None:
        if not 1 <= len(header) <= KEY_LENGTH:
            raise UsageError("Idempotency-Key has the wrong length", fix=f"1 to {KEY_LENGTH} characters")
        wishes = [{**call.body, "key": header}]
    read = [
        {
            "request": one["request"],
            "priority": one.get("priority", DEFAULT_PRIORITY),
            "due": moment(one.get("due")),
            "key": one.get("key"),
            "needs": one.get("needs", ()),
            "options": {name: one[name] for name in OPTIONS if one.get(name)},
        }
        for one in wishes
    ]
    for one in read:
        call.check_names(one["options"])
    if isinstance(call.body, list):
        if any(one["needs"] for one in read):
            raise UsageError("items of a list cannot need others", fix="submit what has `needs` by itself")
        return call.desk.submit_many(call.who, read)
    return call.desk.item(call.who, call.desk.submit(call.who, read[0].pop("request"), **read[0]))


async def show(call: Call) -> Any:
    """With `wait`, the document as soon as it rests, or after so many seconds. Waiting holds no thread: news wakes it."""
    item_id, clock = call.path["item_id"], asyncio.get_running_loop().time
    until = clock() + call.query.get("wait", 0)
    document = await asyncio.to_thread(call.desk.item, call.who, item_id)
    if document["state"] in RESTING or clock() >= until:
        return document
    async with call.room.feed.listening(None, tree=item_id) as listener:
        while True:
            document = await asyncio.to_thread(call.desk.item, call.who, item_id)
            left_s = until - clock()
            if document["state"] in RESTING or left_s <= 0:
                return document
            try:
                await listener.next(min(left_s, SAFETY_S))
            except EOFError:
                return document


def listed(call: Call) -> Any:
    """In serving order."""
    states = call.query["state"].split(",") if call.query.get("state") else None
    for state in states or ():
        if state not in STATES:
            raise UsageError(f"there is no state {state[:80]!r}", fix=f"of: {', '.join(STATES)}")
    return call.desk.items(call.who, states=states, limit=call.query.get("limit", 50), cursor=call.query.get("cursor"))


def change(call: Call) -> Any:
    item_id, body = call.path["item_id"], call.body
    if "snooze_until" in body:
        until = moment(body["snooze_until"])
        assert until is not None
        call.desk.snooze(call.who, item_id, until)
    if "priority" in body or "due" in body:
        call.desk.reprioritise(call.who, item_id, priority=body.get("priority"), due=moment(body.get("due")))
    return call.desk.item(call.who, item_id)


def watch(call: Call) -> Any:
    seen: dict[str, int] = {}
    for pair in filter(None, call.query.get("seen", "").split(",")):
        run_id, colon, row = pair.rpartition(":")
        if not colon or not (row.isascii() and row.isdigit()) or len(row) > 9:
            raise UsageError(f"{pair[:80]!r} is not RUN:ROW", fix="give the last row of each run that you have")
        seen[run_id] = int(row)
    return call.desk.watch(call.who, call.path["item_id"], seen)


def not_built(what: str) -> Any:
    """An endpoint whose verb the front desk does not have yet."""

    def refuse(call: Call) -> Any:
        raise WireError("not_built", f"{what} is not built yet", fix="see the release notes")

    return refuse


STATES = tuple(State)
ITEM = {"$ref": "#/components/schemas/Item"}
ID = "/items/{item_id}"
ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/items",
        name="submit_items",
        says="Hand over a request, or several; the same key gives the same item.",
        scope="submit",
        do=submit,
        body={"oneOf": [NEW_ITEM, {"type": "array", "items": NEW_ITEM, "minItems": 1, "maxItems": MOST_AT_ONCE}]},
        headers={"Idempotency-Key": {"type": "string", "maxLength": KEY_LENGTH}},
        answer={"oneOf": [ITEM, {"type": "array", "items": ITEM}]},
        status=202,
        errors=("conflict", "not_built"),
    ),
    Endpoint(
        method="GET",
        path="/items",
        name="list_items",
        says="The worklist in serving order.",
        scope="read",
        do=listed,
        query={
            "state": {"type": "string", "maxLength": 200, "description": "One or several, with commas between."},
            "limit": LIMIT,
            "cursor": CURSOR,
        },
        answer={"$ref": "#/components/schemas/ItemPage"},
    ),
    Endpoint(
        method="GET",
        path=ID,
        name="show_item",
        says="The item document.",
        scope="read",
        do=show,
        query={"wait": {"type": "number", "minimum": 0, "maximum": LONGEST_WAIT_S}},
        answer=ITEM,
    ),
    Endpoint(
        method="PATCH",
        path=ID,
        name="change_item",
        says="Another priority, due date, or a snooze.",
        scope="submit",
        do=change,
        body={
            "type": "object",
            "additionalProperties": False,
            "minProperties": 1,
            "properties": {
                "priority": PRIORITY,
                "due": TIME,
                "snooze_until": TIME,
            },
        },
        errors=("conflict",),
        answer=ITEM,
    ),
    Endpoint(
        method="POST",
        path=ID + "/nudge",
        name="nudge_item",
        says="A remark for running or waiting work.",
        scope="submit",
        do=lambda call: call.desk.nudge(call.who, call.path["item_id"], call.body["text"]),
        body={"type": "object", "required": ["text"], "additionalProperties": False, "properties": {"text": TEXT}},
        errors=("conflict",),
        answer=ITEM,
    ),
    Endpoint(
        method="POST",
        path=ID + "/answer",
        name="answer_item",
        says="The answer to its open question.",
        scope="submit",
        do=lambda call: call.desk.answer(
            call.who, call.path["item_id"], call.body["text"], question_id=call.body.get("question_id")
        ),
        body={
            "type": "object",
            "required": ["text"],
            "additionalProperties": False,
            "properties": {"text": TEXT, "question_id": {"type": "string"}},
        },
        errors=("conflict",),
        answer=ITEM,
    ),
    Endpoint(
        method="POST",
        path=ID + "/cancel",
        name="cancel_item",
        says="End it and what it has begun.",
        scope="submit",
        do=lambda call: call.desk.cancel(call.who, call.path["item_id"], reason=call.body.get("reason", "")),
        body={
            "type": "object",
            "additionalProperties": False,
            "properties": {"reason": {"type": "string", "maxLength": 2000}},
        },
        answer=ITEM,
    ),
    Endpoint(
        method="POST",
        path=ID + "/pause",
        name="pause_item",
        says="Stop at the next safe boundary.",
        scope="submit",
        do=lambda call: call.desk.pause(call.who, call.path["item_id"]),
        errors=("conflict",),
        answer=ITEM,
    ),
    Endpoint(
        method="POST",
        path=ID + "/resume",
        name="resume_item",
        says="Go on after a pause.",
        scope="submit",
        do=lambda call: call.desk.resume(call.who, call.path["item_id"]),
        errors=("conflict",),
        answer=ITEM,
    ),
    Endpoint(
        method="POST",
        path=ID + "/bump",
        name="bump_item",
        says="Put it ahead of everything that is ready.",
        scope="submit",
        do=lambda call: call.desk.bump(call.who, call.path["item_id"]),
        errors=("conflict",),
        answer=ITEM,
    ),
    Endpoint(
        method="GET",
        path=ID + "/watch",
        name="watch_item",
        says="The item, and what its agents' logs hold behind the rows that were `seen`: what a follower asks for at each look.",
        scope="read",
        do=watch,
        query={"seen": {"type": "string", "maxLength": 8_000, "description": "RUN:ROW, several with commas between."}},
        answer={"$ref": "#/components/schemas/Watched"},
    ),
    Endpoint(
        method="POST",
        path=ID + "/preview",
        name="preview_item",
        says="What it would change, without changing anything.",
        scope="submit",
        do=not_built("a preview"),
        errors=("not_built",),
        is_built=False,
        answer=ITEM,
    ),
)
