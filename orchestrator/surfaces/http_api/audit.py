"""Endpoints of the hash-chained record of what was decided, approved and done."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from starlette.responses import StreamingResponse

from orchestrator.surfaces.http_api.endpoint import CURSOR, LIMIT, Call, Endpoint
from orchestrator.surfaces.http_api.paging import packed, unpacked

HEAD = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "head": {
            "type": "object",
            "required": ["seq", "hash"],
            "additionalProperties": False,
            "properties": {
                "seq": {"type": "integer", "minimum": 0, "maximum": 2**53},
                "hash": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            },
        }
    },
}
LINES = "application/x-ndjson"


def tail(call: Call) -> Any:
    """The newest events, newest first; the cursor leads to older ones."""
    limit = call.query.get("limit", 50)
    before = unpacked(call.query.get("cursor"), int)
    found = call.desk.audit_tail(
        call.who,
        limit=limit + 1,
        item_id=call.query.get("item_id"),
        kind=call.query.get("kind"),
        actor=call.query.get("actor"),
        before=min(before[0], 2**53) if before else None,
    )
    shown = list(reversed(found))[:limit]
    return {"events": shown, "next": packed(shown[-1]["seq"]) if len(found) > limit else None}


def export(call: Call) -> StreamingResponse:
    events = call.desk.audit_export(call.who)

    def lines() -> Iterator[str]:
        for event in events:
            yield json.dumps(event, ensure_ascii=False) + "\n"

    headers = {"Content-Disposition": 'attachment; filename="audit.jsonl"', "Cache-Control": "no-store"}
    return StreamingResponse(lines(), media_type=LINES, headers=headers)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/audit",
        name="list_audit",
        says="Events, newest first; without the role admin or auditor, of items you may see and your own acts.",
        scope="read",
        do=tail,
        query={
            "item_id": {"type": "string", "maxLength": 200},
            "kind": {
                "type": "string",
                "maxLength": 100,
                "description": 'Whole, or what stands before its point: "approval".',
            },
            "actor": {"type": "string", "maxLength": 320},
            "limit": LIMIT,
            "cursor": CURSOR,
        },
        answer={"$ref": "#/components/schemas/AuditPage"},
    ),
    Endpoint(
        method="GET",
        path="/audit/head",
        name="audit_head",
        says="The chain's end: kept elsewhere, it proves later that nothing before it was changed.",
        scope="audit",
        do=lambda call: call.desk.audit_head(call.who),
        answer={"$ref": "#/components/schemas/AuditHead"},
    ),
    Endpoint(
        method="POST",
        path="/audit/verify",
        name="verify_audit",
        says="Whether the chain holds, and with a head kept earlier, whether it still contains that one.",
        scope="audit",
        do=lambda call: call.desk.audit_verify(call.who, call.body.get("head")),
        body=HEAD,
        answer={"$ref": "#/components/schemas/Verified"},
    ),
    Endpoint(
        method="GET",
        path="/audit/export",
        name="export_audit",
        says="Every event, oldest first, one JSON object a line.",
        scope="audit",
        do=export,
        media=LINES,
        answer={"type": "string"},
    ),
)
