"""Endpoints of the cards that wait for a decision."""

from __future__ import annotations

from typing import Any

from orchestrator.domain.effect import ApprovalState
from orchestrator.errors import DeputyError
from orchestrator.surfaces.http_api.endpoint import CURSOR, LIMIT, Call, Endpoint
from orchestrator.surfaces.http_api.paging import instant, packed, unpacked

CARD = {"$ref": "#/components/schemas/Approval"}
VERDICT = {
    "type": "object",
    "required": ["verdict", "digest"],
    "additionalProperties": False,
    "properties": {
        "verdict": {"enum": ["approve", "deny", "edit"]},
        "digest": {"type": "string", "maxLength": 200},
        "reason": {"type": "string", "maxLength": 2000},
        "args": {"type": "object"},
    },
}
ONE_OF_MANY = {
    **VERDICT,
    "required": ["approval_id", "verdict", "digest"],
    "properties": {**VERDICT["properties"], "approval_id": {"type": "string", "maxLength": 200}},  # type: ignore[dict-item]
}


def listed(call: Call) -> Any:
    """Oldest first."""
    limit, cursor, state = call.query.get("limit", 200), call.query.get("cursor"), call.query.get("state", "pending")
    parts = unpacked(cursor, str, str)
    found = call.desk.approvals(
        call.who,
        state=None if state == "all" else state,
        limit=limit + 1,
        after=(instant(parts[0], cursor or ""), parts[1]) if parts else None,
    )
    shown = found[:limit]
    more = len(found) > limit
    return {"approvals": shown, "next": packed(shown[-1]["created_at"], shown[-1]["approval_id"]) if more else None}


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
        do=listed,
        query={"state": {"enum": [*ApprovalState, "all"]}, "limit": LIMIT, "cursor": CURSOR},
        answer={"$ref": "#/components/schemas/ApprovalPage"},
    ),
    Endpoint(
        method="GET",
        path="/approvals/{approval_id}",
        name="show_approval",
        says="One card.",
        scope="read",
        do=lambda call: call.desk.approval(call.who, call.path["approval_id"]),
        answer=CARD,
    ),
    Endpoint(
        method="POST",
        path="/approvals/{approval_id}/decide",
        name="decide_approval",
        says="A person's answer to exactly this digest.",
        scope="decide",
        do=lambda call: decide(call, call.path["approval_id"], call.body),
        body=VERDICT,
        answer=CARD,
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
        answer={"$ref": "#/components/schemas/Decisions"},
    ),
)
