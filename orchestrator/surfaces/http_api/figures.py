"""Endpoints of what charts are drawn from."""

from __future__ import annotations

from orchestrator.deputy.figures import MOST_DAYS
from orchestrator.surfaces.http_api.endpoint import Endpoint

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/figures",
        name="daily_figures",
        says="Cost, tokens, latency, asks, approvals and success day by day, and how old the worklist is; of what you may see.",
        scope="read",
        do=lambda call: call.desk.figures.daily(
            call.who, days=call.query.get("days", 30), zone=call.query.get("zone", "UTC")
        ),
        query={
            "days": {"type": "integer", "minimum": 1, "maximum": MOST_DAYS},
            "zone": {"type": "string", "maxLength": 64, "description": "IANA name; days begin at its midnight."},
        },
        answer={"$ref": "#/components/schemas/Figures"},
    ),
    Endpoint(
        method="GET",
        path="/figures/workflows",
        name="workflow_figures",
        says="The last 20 outcomes of every workflow, with success rate and latency.",
        scope="read",
        do=lambda call: {"workflows": call.desk.figures.workflows(call.who)},
        answer={"$ref": "#/components/schemas/WorkflowFigures"},
    ),
)
