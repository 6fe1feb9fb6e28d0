"""Endpoints of what was done: runs, their traces, ledgers and transcripts, and why each effect was let."""

from __future__ import annotations

from typing import Any

from orchestrator.surfaces.http_api.endpoint import CURSOR, LIMIT, Call, Endpoint
from orchestrator.surfaces.http_api.items import not_built
from orchestrator.surfaces.http_api.paging import instant, packed, unpacked


def listed(call: Call) -> Any:
    """Newest first."""
    limit, cursor = call.query.get("limit", 50), call.query.get("cursor")
    parts = unpacked(cursor, str, str)
    after = (instant(parts[0], cursor or ""), parts[1]) if parts else None
    found = call.desk.runs(
        call.who, limit=limit + 1, state=call.query.get("state"), workflow=call.query.get("workflow"), after=after
    )
    shown = found[:limit]
    more = len(found) > limit
    return {"runs": shown, "next": packed(shown[-1]["started_at"], shown[-1]["run_id"]) if more else None}


def ledger(call: Call) -> Any:
    run = call.desk.run(call.who, call.path["run_id"])
    return {"run_id": run["run_id"], "item_id": run["item_id"], "effects": run["effects"]}


RUN = "/runs/{run_id}"
SAYS = "Takes a run's id, or an item's for its latest run."
ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/runs",
        name="list_runs",
        says="Runs, the newest first.",
        scope="read",
        do=listed,
        query={
            "state": {"type": "string", "maxLength": 40, "description": '"open", or the item\'s own final word.'},
            "workflow": {"type": "string", "maxLength": 200},
            "limit": LIMIT,
            "cursor": CURSOR,
        },
        answer={"$ref": "#/components/schemas/RunPage"},
    ),
    Endpoint(
        method="GET",
        path=RUN,
        name="show_run",
        says=f"A run with its ledger and step log. {SAYS}",
        scope="read",
        do=lambda call: call.desk.run(call.who, call.path["run_id"]),
        answer={"$ref": "#/components/schemas/Run"},
    ),
    Endpoint(
        method="GET",
        path=RUN + "/trace",
        name="trace_run",
        says=f"Its spans, in order of start. {SAYS}",
        scope="read",
        do=lambda call: call.desk.trace(call.who, call.path["run_id"]),
        answer={"$ref": "#/components/schemas/Trace"},
    ),
    Endpoint(
        method="GET",
        path=RUN + "/ledger",
        name="ledger_of_run",
        says=f"Its effects: what was to be changed, and what became of it. {SAYS}",
        scope="read",
        do=ledger,
        answer={"$ref": "#/components/schemas/Ledger"},
    ),
    Endpoint(
        method="GET",
        path=RUN + "/transcript",
        name="transcript_of_run",
        says=f"An agent's run turn by turn: what it was told, said, called and was answered. {SAYS}",
        scope="read",
        do=lambda call: call.desk.transcript(call.who, call.path["run_id"]),
        answer={"$ref": "#/components/schemas/Transcript"},
    ),
    Endpoint(
        method="GET",
        path=RUN + "/why/{effect}",
        name="why_effect",
        says="The rule, the facts and the nearest miss behind one decision. `effect`: an effect's id, or a call's.",
        scope="read",
        do=lambda call: call.desk.why(
            call.who,
            call.path["effect"]
            if call.path["effect"].startswith("eff_")
            else f"{call.path['run_id']}:{call.path['effect']}",
        ),
        answer={"$ref": "#/components/schemas/Why"},
    ),
    Endpoint(
        method="POST",
        path=RUN + "/undo",
        name="undo_run",
        says="Take back what it did, where that can be taken back.",
        scope="submit",
        do=not_built("an undo"),
        errors=("not_built",),
        is_built=False,
    ),
    Endpoint(
        method="POST",
        path=RUN + "/fork",
        name="fork_run",
        says="Run it again from a step on, as a preview first.",
        scope="submit",
        do=not_built("a fork"),
        errors=("not_built",),
        is_built=False,
    ),
    Endpoint(
        method="POST",
        path=RUN + "/save",
        name="save_run",
        says="Make a workflow of it.",
        scope="operate",
        do=not_built("a workflow out of a run"),
        errors=("not_built",),
        is_built=False,
    ),
    Endpoint(
        method="POST",
        path=RUN + "/replay",
        name="replay_run",
        says="Carry it out again from its own record, without effects.",
        scope="submit",
        do=not_built("a replay"),
        errors=("not_built",),
        is_built=False,
    ),
)
