"""Endpoints of the inbox as pages need it: short rows, numbers, and what stands beside one card."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from orchestrator.domain.effect import ApprovalState
from orchestrator.errors import UsageError
from orchestrator.surfaces.http_api.endpoint import Call, Endpoint

MOST = 1000


def page(call: Call) -> Any:
    """A page of short rows; `next` is the last row's own mark."""
    state, limit = call.query.get("state", "pending"), call.query.get("limit", 200)
    rows = call.desk.inbox.page(
        call.who,
        state=None if state == "all" else state,
        limit=limit,
        after=_mark(call.query.get("cursor")),
    )
    more = len(rows) == limit and state == "pending"
    return {"rows": rows, "next": f"{rows[-1]['created_at']} {rows[-1]['approval_id']}" if more else None}


def _mark(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    when, _, approval_id = cursor.partition(" ")
    try:
        instant = datetime.fromisoformat(when)
    except ValueError as error:
        raise UsageError("the cursor is not one of ours", fix="take `next` of the page before") from error
    if instant.tzinfo is None:
        raise UsageError("the cursor is not one of ours", fix="take `next` of the page before")
    return instant, approval_id


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
            "cursor": {"type": "string", "maxLength": 300},
        },
    ),
    Endpoint(
        method="GET",
        path="/inbox/count",
        name="count_inbox",
        says="How many cards wait, and how many items have not ended.",
        scope="read",
        do=lambda call: call.desk.inbox.counts(call.who),
    ),
    Endpoint(
        method="GET",
        path="/inbox/{approval_id}",
        name="show_beside",
        says="What a person needs beside the card: the object as it was read, people, similar decisions, sibling cards.",
        scope="read",
        do=lambda call: call.desk.inbox.beside(call.who, call.path["approval_id"]),
    ),
)
