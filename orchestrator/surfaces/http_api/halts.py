"""Endpoints of the kill switch."""

from __future__ import annotations

from typing import Any

from orchestrator.surfaces.http_api.endpoint import Call, Endpoint

WORD = {"type": "string", "minLength": 1, "maxLength": 200}


def begin(call: Call) -> Any:
    said = call.body
    return call.desk.halts.begin(
        call.who, agent=said.get("agent"), connector=said.get("connector"), reason=said.get("reason", "")
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/halt",
        name="list_halts",
        says="What stands still, and by whose word. Everybody may know why their work does.",
        scope="read",
        do=lambda call: {"halts": call.desk.halts.all()},
        answer={"$ref": "#/components/schemas/Halts"},
    ),
    Endpoint(
        method="POST",
        path="/halt",
        name="halt",
        says="No effect and no model call of what is named begins any more; of everything, where nothing is named.",
        scope="operate",
        do=begin,
        body={
            "type": "object",
            "additionalProperties": False,
            "properties": {"agent": WORD, "connector": WORD, "reason": {"type": "string", "maxLength": 500}},
        },
        answer={"$ref": "#/components/schemas/Halt"},
        status=201,
        errors=("conflict", "not_found"),
    ),
    Endpoint(
        method="POST",
        path="/halt/lift",
        name="lift_halt",
        says="One halt, or all of them; each with the items that go on.",
        scope="operate",
        do=lambda call: {"lifted": call.desk.halts.lift(call.who, call.body.get("halt_id"))},
        body={"type": "object", "additionalProperties": False, "properties": {"halt_id": WORD}},
        answer={"$ref": "#/components/schemas/Lifted"},
        errors=("conflict",),
    ),
)
