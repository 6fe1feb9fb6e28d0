"""Endpoints of standing orders: what new records in a person's accounts ask for."""

from __future__ import annotations

from typing import Any

from orchestrator.domain.item import DEFAULT_PRIORITY
from orchestrator.domain.trigger import FAMILIES, MOST_CONDITIONS
from orchestrator.surfaces.http_api.endpoint import CURSOR, LIMIT, Call, Endpoint
from orchestrator.surfaces.http_api.items import PRIORITY, TEXT
from orchestrator.surfaces.http_api.paging import page

TRIGGER = {"$ref": "#/components/schemas/Trigger"}
NAME = {"type": "string", "minLength": 1, "maxLength": 80}
WORD = {"type": "string", "minLength": 1, "maxLength": 200}
NEW = {
    "type": "object",
    "required": ["name", "on", "request"],
    "additionalProperties": False,
    "properties": {
        "name": NAME,
        "on": {"enum": sorted(FAMILIES)},
        "request": TEXT,
        "where": {"type": "array", "items": {"type": "string", "maxLength": 1000}, "maxItems": MOST_CONDITIONS},
        "connection": WORD,
        "agent": WORD,
        "workflow": WORD,
        "priority": PRIORITY,
        "own": {"type": "boolean", "description": "Also what you wrote yourself."},
    },
}


def listed(call: Call) -> Any:
    found, more = page(
        call.desk.triggers.all(call.who),
        lambda one: one["trigger_id"],
        call.query.get("limit", 200),
        call.query.get("cursor"),
    )
    return {"triggers": found, "followed": call.desk.triggers.followed(call.who), "next": more}


def add(call: Call) -> Any:
    said = call.body
    options = {name: said[name] for name in ("agent", "workflow") if name in said}
    call.check_names(options)
    return call.desk.triggers.add(
        call.who,
        said["name"],
        on=said["on"],
        request=said["request"],
        where=said.get("where", ()),
        connection=said.get("connection"),
        options=options,
        priority=said.get("priority", DEFAULT_PRIORITY),
        own=said.get("own", False),
    )


ONE = "/triggers/{name}"
ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/triggers",
        name="list_triggers",
        says="Your own, each with how often it asked, and the accounts that are read for them.",
        scope="read",
        do=listed,
        query={"limit": LIMIT, "cursor": CURSOR},
        answer={"$ref": "#/components/schemas/TriggerPage"},
    ),
    Endpoint(
        method="POST",
        path="/triggers",
        name="add_trigger",
        says="A standing order of your own: each new record that meets every condition asks the request.",
        scope="submit",
        do=add,
        body=NEW,
        answer=TRIGGER,
        status=201,
        errors=("conflict",),
    ),
    Endpoint(
        method="POST",
        path=ONE + "/pause",
        name="pause_trigger",
        says="By name or id.",
        scope="submit",
        do=lambda call: call.desk.triggers.change(call.who, call.path["name"], "pause"),
        answer=TRIGGER,
    ),
    Endpoint(
        method="POST",
        path=ONE + "/resume",
        name="resume_trigger",
        says="By name or id.",
        scope="submit",
        do=lambda call: call.desk.triggers.change(call.who, call.path["name"], "resume"),
        answer=TRIGGER,
    ),
    Endpoint(
        method="DELETE",
        path=ONE,
        name="remove_trigger",
        says="The trigger as it was; it is gone.",
        scope="submit",
        do=lambda call: call.desk.triggers.change(call.who, call.path["name"], "remove"),
        answer=TRIGGER,
    ),
)
