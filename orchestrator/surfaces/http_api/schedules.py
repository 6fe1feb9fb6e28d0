"""Endpoints of standing orders by the clock."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from orchestrator.domain.item import DEFAULT_PRIORITY
from orchestrator.domain.schedule import Kind, Missed, Overlap
from orchestrator.domain.unattended import Then
from orchestrator.surfaces.http_api.endpoint import CURSOR, LIMIT, Call, Endpoint
from orchestrator.surfaces.http_api.items import PRIORITY, TIME, moment
from orchestrator.surfaces.http_api.paging import page
from orchestrator.surfaces.http_api.shapes import MAP, TEXT, many, maybe, one, ref
from orchestrator.surfaces.http_api.shapes import TIME as INSTANT

WAIT = one(until=TEXT, then={"enum": sorted(Then)}, answer=maybe(TEXT), set_by=TEXT, set_at=INSTANT)
SCHEDULE = {"allOf": [ref("Schedule"), one(unattended=maybe(WAIT), expects=many(TEXT), options=MAP)]}
RULE = {
    "type": "string",
    "minLength": 1,
    "maxLength": 1000,
    "description": '"weekdays 07:30 Europe/Lisbon", cron, or RRULE; without a zone, in your own.',
}
SECONDS = {"type": "number", "minimum": 1, "maximum": 31 * 86_400}
FIELDS: dict[str, Any] = {
    "when": RULE,
    "request": {"type": "string", "maxLength": 20_000},
    "options": {
        "type": "object",
        "description": "As an item takes them: agent, agents, budget, input, model, no_match, workflow.",
    },
    "priority": PRIORITY,
    "missed": {"enum": sorted(Missed)},
    "overlap": {"enum": sorted(Overlap)},
    "grace_s": SECONDS,
    "unattended": {
        "type": ["object", "null"],
        "description": "What becomes of what a run asks while nobody answers. Null: each waits as long as it does by itself.",
        "required": ["until"],
        "additionalProperties": False,
        "properties": {
            "until": {
                "type": "string",
                "maxLength": 20,
                "description": 'A span after the run began, "2h30m", or the first such time of day in the schedule\'s zone, "10:00".',
            },
            "then": {
                "enum": sorted(Then),
                "description": "deny: cards are denied, a run with an open question is cancelled. default: `answer` answers "
                "questions that offer it as a choice. A card is never approved by a default.",
            },
            "answer": {
                "type": ["string", "null"],
                "maxLength": 1000,
                "description": "The choice that `default` names.",
            },
        },
    },
    "asks_wait_s": {**SECONDS, "type": ["number", "null"], "description": "`unattended` as a span, and then deny."},
    "expects": {"type": "array", "items": {"type": "string", "maxLength": 1000}, "maxItems": 50},
}
NEW = {
    "type": "object",
    "required": ["name", "when"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 80},
        "kind": {"enum": sorted(Kind)},
        **FIELDS,
    },
}
CHANGED = {"type": "object", "minProperties": 1, "additionalProperties": False, "properties": FIELDS}

TROUBLE = one(
    schedule_id=TEXT,
    name=TEXT,
    at=INSTANT,
    state=TEXT,
    item_id=maybe(TEXT),
    why=TEXT,
    settled_at=INSTANT,
    fix=TEXT,
)


def listed(call: Call) -> Any:
    found, more = page(
        call.desk.schedules.all(call.who),
        lambda one: one["name"],
        call.query.get("limit", 200),
        call.query.get("cursor"),
    )
    return {"schedules": found, "next": more}


def _read(said: dict[str, Any]) -> dict[str, Any]:
    """Fields as the room takes them: seconds are spans there."""
    read = {name: value for name, value in said.items() if name not in ("name", "grace_s", "asks_wait_s")}
    if "grace_s" in said:
        read["grace"] = timedelta(seconds=said["grace_s"])
    if "asks_wait_s" in said:
        wait_s = said["asks_wait_s"]
        read["asks_wait"] = None if wait_s is None else timedelta(seconds=wait_s)
    return read


def add(call: Call) -> Any:
    call.check_names(_wishes(call.body))
    return call.desk.schedules.add(call.who, call.body["name"], **{"priority": DEFAULT_PRIORITY, **_read(call.body)})


def update(call: Call) -> Any:
    call.check_names(_wishes(call.body))
    return call.desk.schedules.update(call.who, call.path["name"], **_read(call.body))


def _wishes(said: dict[str, Any]) -> dict[str, Any]:
    """The options that name something; what is of another type is the room's to refuse."""
    kinds: dict[str, type] = {"agent": str, "agents": list, "workflow": str, "input": dict}
    given = said.get("options", {})
    return {name: given[name] for name, kind in kinds.items() if isinstance(given.get(name), kind)}


def preview(call: Call) -> Any:
    said = call.body
    return call.desk.schedules.preview(
        call.who, said["when"], count=said.get("count", 5), after=moment(said.get("after"))
    )


def change(verb: Any) -> Any:
    """Pauses, resumes or removes."""
    return lambda call: call.desk.schedules.change(call.who, call.path["name"], verb)


ONE = "/schedules/{name}"
ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/schedules",
        name="list_schedules",
        says="Your own by name, each with its latest times.",
        scope="read",
        do=listed,
        query={"limit": LIMIT, "cursor": CURSOR},
        answer={"$ref": "#/components/schemas/SchedulePage"},
    ),
    Endpoint(
        method="POST",
        path="/schedules",
        name="add_schedule",
        says="Your own words, asked again at each time of the rule.",
        scope="submit",
        do=add,
        body=NEW,
        answer=SCHEDULE,
        status=201,
        errors=("conflict",),
    ),
    Endpoint(
        method="POST",
        path="/schedules/preview",
        name="preview_schedule",
        says="The next instants of a rule, or of a schedule of yours, across changes of the clocks.",
        scope="read",
        do=preview,
        body={
            "type": "object",
            "required": ["when"],
            "additionalProperties": False,
            "properties": {"when": RULE, "count": {"type": "integer", "minimum": 1, "maximum": 100}, "after": TIME},
        },
        answer={"$ref": "#/components/schemas/Preview"},
    ),
    Endpoint(
        method="GET",
        path="/schedules/digest",
        name="schedule_digest",
        says="Done, waiting, failed, not started since then (a day, unless said), and what to approve by explicit ids.",
        scope="read",
        do=lambda call: call.desk.schedules.digest(call.who, moment(call.query.get("since"))),
        query={"since": TIME},
        answer={"$ref": "#/components/schemas/Digest"},
    ),
    Endpoint(
        method="GET",
        path="/schedules/troubles",
        name="schedule_troubles",
        says="Your own times that did not start or did not end as expected, after then (a week, unless said); newest first.",
        scope="read",
        do=lambda call: {
            "troubles": call.desk.schedules.troubles(
                call.who, moment(call.query.get("since")), limit=call.query.get("limit", 100)
            )
        },
        query={"since": TIME, "limit": LIMIT},
        answer=one(troubles=many(TROUBLE)),
    ),
    Endpoint(
        method="GET",
        path=ONE,
        name="show_schedule",
        says="One of yours, by name or id, with its latest times and what became of each.",
        scope="read",
        do=lambda call: call.desk.schedules.one(call.who, call.path["name"], limit=call.query.get("limit", 20)),
        query={"limit": LIMIT},
        answer=SCHEDULE,
    ),
    Endpoint(
        method="PATCH",
        path=ONE,
        name="change_schedule",
        says="Changes what is named.",
        scope="submit",
        do=update,
        body=CHANGED,
        answer=SCHEDULE,
        errors=("conflict",),
    ),
    Endpoint(
        method="DELETE",
        path=ONE,
        name="remove_schedule",
        says="The schedule as it was; it is gone.",
        scope="submit",
        do=change("remove"),
        answer=SCHEDULE,
    ),
    Endpoint(
        method="POST",
        path=ONE + "/pause",
        name="pause_schedule",
        says="Its times pass by until it is resumed.",
        scope="submit",
        do=change("pause"),
        answer=SCHEDULE,
    ),
    Endpoint(
        method="POST",
        path=ONE + "/resume",
        name="resume_schedule",
        says="It goes on with the next time from now.",
        scope="submit",
        do=change("resume"),
        answer=SCHEDULE,
    ),
    Endpoint(
        method="POST",
        path=ONE + "/run",
        name="run_schedule",
        says="One run now, beside its times.",
        scope="submit",
        do=lambda call: call.desk.schedules.fire_now(call.who, call.path["name"]),
        answer={"$ref": "#/components/schemas/Firing"},
        status=202,
        errors=("conflict",),
    ),
)
