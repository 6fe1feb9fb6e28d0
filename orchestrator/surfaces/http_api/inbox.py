"""Endpoints of the inbox as pages need it: short rows, numbers, and what stands beside one card."""

from __future__ import annotations

from typing import Any

from orchestrator.domain.effect import ApprovalState
from orchestrator.surfaces.http_api.endpoint import CURSOR, Call, Endpoint
from orchestrator.surfaces.http_api.paging import instant, packed, unpacked

MOST = 1000


def page(call: Call) -> Any:
    """A page of short rows; only those that wait go on behind the last one."""
    state, limit, cursor = call.query.get("state", "pending"), call.query.get("limit", 200), call.query.get("cursor")
    parts = unpacked(cursor, str, str)
    rows = call.desk.inbox.page(
        call.who,
        state=None if state == "all" else state,
        limit=limit,
        after=(instant(parts[0], cursor or ""), parts[1]) if parts else None,
    )
    more = len(rows) == limit and state == "pending"
    return {"rows": rows, "next": packed(rows[-1]["created_at"], rows[-1]["approval_id"]) if more else None}


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/inbox",
        name="list_inbox",
        says="Cards as short rows: those that wait oldest first, others newest first.",
        scope="read",
        do=page,
        query={
            "state": {"enum": [*ApprovalState, "all"]},
            "limit": {"type": "integer", "minimum": 1, "maximum": MOST},
            "cursor": CURSOR,
        },
        answer={"$ref": "#/components/schemas/InboxPage"},
    ),
    Endpoint(
        method="GET",
        path="/inbox/count",
        name="count_inbox",
        says="How many cards wait, and how many items have not ended.",
        scope="read",
        do=lambda call: call.desk.inbox.counts(call.who),
        answer={"$ref": "#/components/schemas/InboxCounts"},
    ),
    Endpoint(
        method="GET",
        path="/inbox/{approval_id}",
        name="show_beside",
        says="What a person needs beside the card: the object as it was read, people, similar decisions, sibling cards.",
        scope="read",
        do=lambda call: call.desk.inbox.beside(call.who, call.path["approval_id"]),
        answer={"$ref": "#/components/schemas/Beside"},
    ),
)
