"""Endpoints of the facts Deputy keeps of a person, a team, a workflow."""

from __future__ import annotations

from typing import Any

from orchestrator.store.memories import LONGEST, Scope
from orchestrator.surfaces.http_api.endpoint import CURSOR, LIMIT, Call, Endpoint
from orchestrator.surfaces.http_api.items import TIME, moment

MEMORY = {"$ref": "#/components/schemas/Memory"}
WORDS = {"type": "string", "minLength": 1, "maxLength": LONGEST}
NEW = {
    "type": "object",
    "required": ["text"],
    "additionalProperties": False,
    "properties": {
        "text": WORDS,
        "scope": {"enum": ["person", "team", "workflow"]},
        "workflow": {"type": "string", "minLength": 1, "maxLength": 200},
        "expires_at": TIME,
    },
}


def listed(call: Call) -> Any:
    limit = call.query.get("limit", 100)
    found = call.desk.memories.all(
        call.who, scope=call.query.get("scope"), limit=limit + 1, after=call.query.get("cursor")
    )
    shown = found[:limit]
    return {"memories": shown, "next": shown[-1]["memory_id"] if len(found) > limit else None}


def add(call: Call) -> Any:
    said = call.body
    workflow = said.get("workflow")
    if workflow is not None:
        call.desk.library.one(workflow)
    return call.desk.memories.add(
        call.who,
        said["text"],
        scope=said.get("scope", "person" if workflow is None else "workflow"),
        workflow=workflow,
        expires_at=moment(said.get("expires_at")),
    )


ONE = "/memories/{memory_id}"
ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/memories",
        name="list_memories",
        says="Facts that you may read, newest first.",
        scope="read",
        do=listed,
        query={"scope": {"enum": sorted(Scope)}, "limit": LIMIT, "cursor": CURSOR},
        answer={"$ref": "#/components/schemas/MemoryPage"},
    ),
    Endpoint(
        method="POST",
        path="/memories",
        name="add_memory",
        says="A fact of yours, of your team, or of a workflow.",
        scope="submit",
        do=add,
        body=NEW,
        answer=MEMORY,
        status=201,
        errors=("conflict",),
    ),
    Endpoint(
        method="GET",
        path=ONE,
        name="show_memory",
        says="One fact whole.",
        scope="read",
        do=lambda call: call.desk.memories.one(call.who, call.path["memory_id"]),
        answer=MEMORY,
    ),
    Endpoint(
        method="PUT",
        path=ONE,
        name="edit_memory",
        says="The fact in other words, which are yours from then on.",
        scope="submit",
        do=lambda call: call.desk.memories.edit(call.who, call.path["memory_id"], call.body["text"]),
        body={"type": "object", "required": ["text"], "additionalProperties": False, "properties": {"text": WORDS}},
        answer=MEMORY,
    ),
    Endpoint(
        method="DELETE",
        path=ONE,
        name="forget_memory",
        says="The fact as it was; it is gone.",
        scope="submit",
        do=lambda call: call.desk.memories.forget(call.who, call.path["memory_id"]),
        answer=MEMORY,
    ),
)
