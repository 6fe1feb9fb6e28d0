"""Endpoints of the worklist."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from orchestrator.errors import UsageError
from orchestrator.surfaces.http_api.endpoint import Call, Endpoint

MOST_AT_ONCE = 1000
LONGEST_WAIT_S = 60
TEXT = {"type": "string", "minLength": 1, "maxLength": 20_000}
NEW_ITEM = {
    "type": "object",
    "required": ["request"],
    "additionalProperties": False,
    "properties": {
        "request": TEXT,
        "priority": {"type": "integer"},
        "due": {"type": "string", "format": "date-time"},
        "key": {"type": "string", "minLength": 1, "maxLength": 200},
        "input": {"type": "object"},
        "workflow": {"type": "string"},
        "preview": {"type": "boolean"},
    },
}
_SETTLED = ("done", "failed", "denied", "needs_model", "over_budget", "cancelled", "waiting")


def moment(text: str | None) -> datetime | None:
    """An ISO 8601 instant with its offset."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no ISO 8601 time", fix="e.g. 2026-11-21T09:00:00Z") from error
    if found.tzinfo is None:
        raise UsageError(f"{text!r} has no offset", fix="e.g. 2026-11-21T09:00:00Z")
    return found


def submit(call: Call) -> Any:
    wishes = call.body if isinstance(call.body, list) else [call.body]
    made = [
        call.desk.submit(
            call.who,
            wish["request"],
            priority=wish.get("priority", 100),
            due=moment(wish.get("due")),
            key=wish.get("key"),
            options={name: wish[name] for name in ("input", "workflow", "preview") if name in wish},
        )
        for wish in wishes
    ]
    documents = [call.desk.item(call.who, item_id) for item_id in made]
    return documents if isinstance(call.body, list) else documents[0]


def show(call: Call) -> Any:
    """With `wait`, the document as soon as it rests, or after so many seconds."""
    until = time.monotonic() + call.query.get("wait", 0)
    while True:
        document = call.desk.item(call.who, call.path["item_id"])
        if document["state"] in _SETTLED or time.monotonic() >= until:
            return document
        time.sleep(0.1)


def change(call: Call) -> Any:
    item_id, body = call.path["item_id"], call.body
    if "snooze_until" in body:
        until = moment(body["snooze_until"])
        assert until is not None
        call.desk.snooze(call.who, item_id, until)
    if "priority" in body or "due" in body:
        call.desk.reprioritise(call.who, item_id, priority=body.get("priority"), due=moment(body.get("due")))
    return call.desk.item(call.who, item_id)


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
        status=202,
        errors=("conflict",),
    ),
    Endpoint(
        method="GET",
        path="/items",
        name="list_items",
        says="The worklist in serving order.",
        scope="read",
        do=lambda call: call.desk.items(
            call.who,
            states=call.query["state"].split(",") if "state" in call.query else None,
            limit=call.query.get("limit", 50),
            cursor=call.query.get("cursor"),
        ),
        query={
            "state": {"type": "string"},
            "limit": {"type": "integer", "minimum": 1, "maximum": 500},
            "cursor": {"type": "string"},
        },
    ),
    Endpoint(
        method="GET",
        path=ID,
        name="show_item",
        says="The item document.",
        scope="read",
        do=show,
        query={"wait": {"type": "number", "minimum": 0, "maximum": LONGEST_WAIT_S}},
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
                "priority": {"type": "integer"},
                "due": {"type": "string"},
                "snooze_until": {"type": "string"},
            },
        },
        errors=("conflict",),
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
    ),
    Endpoint(
        method="POST",
        path=ID + "/pause",
        name="pause_item",
        says="Stop at the next safe boundary.",
        scope="submit",
        do=lambda call: call.desk.pause(call.who, call.path["item_id"]),
        errors=("conflict",),
    ),
    Endpoint(
        method="POST",
        path=ID + "/resume",
        name="resume_item",
        says="Go on after a pause.",
        scope="submit",
        do=lambda call: call.desk.resume(call.who, call.path["item_id"]),
        errors=("conflict",),
    ),
)
