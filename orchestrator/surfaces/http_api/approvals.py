"""Endpoints of the cards that wait for a decision."""

from __future__ import annotations

from typing import Any

from orchestrator.domain.effect import ApprovalState
from orchestrator.errors import DeputyError
from orchestrator.surfaces.http_api.endpoint import Call, Endpoint

VERDICT = {
    "type": "object",
    "required": ["verdict", "digest"],
    "additionalProperties": False,
    "properties": {
        "verdict": {"enum": ["approve", "deny", "edit"]},
        "digest": {"type": "string"},
        "reason": {"type": "string", "maxLength": 2000},
        "args": {"type": "object"},
    },
}
ONE_OF_MANY = {
    **VERDICT,
    "required": ["approval_id", "verdict", "digest"],
    "properties": {**VERDICT["properties"], "approval_id": {"type": "string"}},  # type: ignore[dict-item]
}


def decide(call: Call, approval_id: str, said: dict[str, Any]) -> Any:
    return call.desk.decide(
        call.who,
        approval_id,
        said["verdict"],
        digest=said["digest"],
        reason=said.get("reason"),
        args=said.get("args"),
    )


def decide_many(call: Call) -> Any:
    """Each on its own: one that has moved on does not keep the others from being decided."""
    told = []
    for said in call.body["decisions"]:
        try:
            told.append({"approval_id": said["approval_id"], "approval": decide(call, said["approval_id"], said)})
        except DeputyError as error:
            told.append({"approval_id": said["approval_id"], **error.as_json()})
    return {"decisions": told}


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/approvals",
        name="list_approvals",
        says="Cards that you may decide or have asked for, oldest first.",
        scope="read",
        do=lambda call: {
            "approvals": call.desk.approvals(
                call.who,
                state=None if call.query.get("state") == "all" else call.query.get("state", "pending"),
                limit=call.query.get("limit", 200),
            )
        },
        query={
            "state": {"enum": [*ApprovalState, "all"]},
            "limit": {"type": "integer", "minimum": 1, "maximum": 1000},
        },
    ),
    Endpoint(
        method="GET",
        path="/approvals/{approval_id}",
        name="show_approval",
        says="One card.",
        scope="read",
        do=lambda call: call.desk.approval(call.who, call.path["approval_id"]),
    ),
    Endpoint(
        method="POST",
        path="/approvals/{approval_id}/decide",
        name="decide_approval",
        says="A person's answer to exactly this digest.",
        scope="decide",
        do=lambda call: decide(call, call.path["approval_id"], call.body),
        body=VERDICT,
        errors=("conflict",),
    ),
    Endpoint(
        method="POST",
        path="/approvals/decide",
        name="decide_approvals",
        says="Several decisions, each by its own id and digest; each succeeds or fails on its own.",
        scope="decide",
        do=decide_many,
        body={
            "type": "object",
            "required": ["decisions"],
            "additionalProperties": False,
            "properties": {"decisions": {"type": "array", "items": ONE_OF_MANY, "minItems": 1, "maxItems": 200}},
        },
    ),
)
