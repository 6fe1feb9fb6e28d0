"""Endpoint of connected accounts. Connecting one takes its owner's terminal or browser, and secrets are never read back."""

from __future__ import annotations

from typing import Any

from orchestrator.surfaces.http_api.endpoint import CURSOR, LIMIT, Call, Endpoint
from orchestrator.surfaces.http_api.paging import page


def listed(call: Call) -> Any:
    found, more = page(
        call.desk.connections(call.who),
        lambda one: one["connection_id"],
        call.query.get("limit", 200),
        call.query.get("cursor"),
    )
    return {"connections": found, "next": more}


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/connections",
        name="list_connections",
        says="Accounts that your requests may use; every one for who sees all. Never what is sealed of them.",
        scope="read",
        do=listed,
        query={"limit": LIMIT, "cursor": CURSOR},
        answer={"$ref": "#/components/schemas/ConnectionPage"},
    ),
)
