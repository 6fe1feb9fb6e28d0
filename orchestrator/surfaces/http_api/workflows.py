"""Endpoints of the library: read, search, check, and change the house's own files."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from orchestrator.surfaces.http_api.endpoint import CURSOR, LIMIT, Call, Endpoint
from orchestrator.surfaces.http_api.items import TEXT
from orchestrator.surfaces.http_api.paging import page

FILE = {"type": "string", "minLength": 1, "maxLength": 200_000, "description": "The whole file, YAML."}
REVISION = {"type": "string", "pattern": "^[0-9a-f]{32}$", "description": "Of the text that this replaces."}


def listed(call: Call) -> Any:
    """By name."""
    told = call.desk.library.all()
    found, more = page(
        told["workflows"], lambda one: one["name"], call.query.get("limit", 500), call.query.get("cursor")
    )
    return {"workflows": found, "faults": told["faults"], "next": more}


def save(call: Call) -> Any:
    body = call.body
    return call.desk.library.save(call.who, call.path["name"], body["text"], before=body.get("before"))


def make(call: Call) -> Any:
    """A new one: its name stands in the text."""
    checked = call.desk.library.check(call.body["text"])
    name = checked["name"] or ""
    return call.desk.library.save(call.who, name, call.body["text"], before=None) if name else _refused(checked)


def _refused(checked: dict[str, Any]) -> Any:
    from orchestrator.errors import UsageError

    first = checked["problems"][0]
    raise UsageError(f"line {first['line']}: {first['message']}", fix=first["fix"] or "see: /api/v1/workflows/check")


def remove(call: Call) -> Response:
    call.desk.library.remove(call.who, call.path["name"], before=call.query["before"])
    return Response(status_code=204)


WORKFLOW = {"$ref": "#/components/schemas/Workflow"}
NAMED = "/workflows/{name}"
ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/workflows",
        name="list_workflows",
        says="What is in force, by name, and what is wrong with files that are not.",
        scope="read",
        do=listed,
        query={"limit": LIMIT, "cursor": CURSOR},
        answer={"$ref": "#/components/schemas/WorkflowPage"},
    ),
    Endpoint(
        method="POST",
        path="/workflows",
        name="make_workflow",
        says="A new workflow of the house, from the whole file; its name stands in it.",
        scope="operate",
        do=make,
        body={"type": "object", "required": ["text"], "additionalProperties": False, "properties": {"text": FILE}},
        answer=WORKFLOW,
        status=201,
        errors=("conflict",),
    ),
    Endpoint(
        method="GET",
        path="/workflows/search",
        name="search_workflows",
        says="Which workflow a request in these words would run, why or why not, and what comes near.",
        scope="read",
        do=lambda call: call.desk.library.search(call.who, call.query.get("q", "")),
        query={"q": {"type": "string", "minLength": 1, "maxLength": 2000}},
        answer={"$ref": "#/components/schemas/Search"},
    ),
    Endpoint(
        method="POST",
        path="/workflows/check",
        name="check_workflow",
        says="Whether a file could be saved: it parses, its tools and its authority fit, its own examples match. Changes nothing.",
        scope="read",
        do=lambda call: call.desk.library.check(call.body["text"]),
        body={"type": "object", "required": ["text"], "additionalProperties": False, "properties": {"text": FILE}},
        answer={"$ref": "#/components/schemas/Checked"},
    ),
    Endpoint(
        method="GET",
        path=NAMED,
        name="show_workflow",
        says="One, with its text, its revision and its kept versions.",
        scope="read",
        do=lambda call: call.desk.library.one(call.path["name"]),
        answer=WORKFLOW,
    ),
    Endpoint(
        method="PUT",
        path=NAMED,
        name="save_workflow",
        says="Another text. `before`: the revision of the one it replaces; without it there must be none of that name.",
        scope="operate",
        do=save,
        body={
            "type": "object",
            "required": ["text"],
            "additionalProperties": False,
            "properties": {"text": FILE, "before": REVISION},
        },
        answer=WORKFLOW,
        errors=("conflict",),
    ),
    Endpoint(
        method="DELETE",
        path=NAMED,
        name="remove_workflow",
        says="Takes the house's own file away; a copy is kept, and a shipped workflow of that name is in force again.",
        scope="operate",
        do=remove,
        query={"before": REVISION},
        needs=("before",),
        status=204,
        errors=("conflict",),
    ),
    Endpoint(
        method="GET",
        path=NAMED + "/versions/{revision}",
        name="show_workflow_version",
        says="The text of a kept version.",
        scope="read",
        do=lambda call: call.desk.library.version(call.path["name"], call.path["revision"]),
        answer={"$ref": "#/components/schemas/WorkflowVersion"},
    ),
    Endpoint(
        method="POST",
        path=NAMED + "/run",
        name="run_workflow",
        says="A request that runs this one.",
        scope="submit",
        do=lambda call: run(call),
        body={
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "request": TEXT,
                "input": {"type": "object"},
                "key": {"type": "string", "minLength": 1, "maxLength": 200},
            },
        },
        answer={"$ref": "#/components/schemas/Item"},
        status=202,
        errors=("conflict",),
    ),
)


def run(call: Call) -> Any:
    found = call.desk.library.one(call.path["name"])
    options = {"workflow": found["name"], **({"input": call.body["input"]} if call.body.get("input") else {})}
    call.check_names(options)
    words = call.body.get("request") or found["title"]
    item_id = call.desk.submit(call.who, words, key=call.body.get("key"), options=options)
    return call.desk.item(call.who, item_id)
