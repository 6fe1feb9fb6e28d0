"""Endpoints of the directory."""

from __future__ import annotations

from typing import Any

from orchestrator.errors import NotFound, UsageError
from orchestrator.surfaces.http_api.endpoint import CURSOR, LIMIT, Call, Endpoint
from orchestrator.surfaces.http_api.paging import page

CLOCK = {"type": ["string", "null"], "pattern": r"^([01]\d|2[0-3]):[0-5]\d$"}
DAY = {"enum": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}
PREFERENCES = {  # as `calendar.find_slots` takes them; null takes one away
    "type": "object",
    "additionalProperties": False,
    "minProperties": 1,
    "properties": {
        "earliest": CLOCK,
        "latest": CLOCK,
        "avoid_days": {"type": ["array", "null"], "items": DAY, "maxItems": 7},
        "buffer_minutes": {"type": ["integer", "null"], "minimum": 0, "maximum": 1440},
        "lunch": {
            "type": ["array", "null"],
            "items": {"type": "string", "pattern": CLOCK["pattern"]},
            "minItems": 2,
            "maxItems": 2,
        },
        "zone": {"type": ["string", "null"], "maxLength": 64},
    },
}


def listed(call: Call) -> Any:
    wanted = call.query.get("q", "").casefold()
    found = [
        one
        for one in call.desk.people()
        if any(
            wanted in str(part).casefold()
            for part in (one["name"], one["address"], one["role"], one["team"], *one["aliases"])
        )
    ]
    shown, more = page(found, lambda one: one["address"], call.query.get("limit", 200), call.query.get("cursor"))
    return {"people": shown, "next": more}


def show(call: Call) -> Any:
    found = next((one for one in call.desk.people() if one["address"] == call.path["address"].casefold()), None)
    if found is None:
        raise NotFound(f"there is nobody with the address {call.path['address']!r}", fix="see: GET /api/v1/people")
    return found


def prefer(call: Call) -> Any:
    zone = call.body.get("zone")
    if zone is not None:
        from zoneinfo import ZoneInfo

        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError) as error:
            raise UsageError(f"there is no time zone {zone!r}", fix="an IANA name, e.g. Europe/Lisbon") from error
    return call.desk.set_preferences(call.who, call.path["address"].casefold(), call.body)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/people",
        name="list_people",
        says="The directory, by address.",
        scope="read",
        do=listed,
        query={
            "q": {"type": "string", "maxLength": 200, "description": "In name, address, role or team."},
            "limit": LIMIT,
            "cursor": CURSOR,
        },
        answer={"$ref": "#/components/schemas/PersonPage"},
    ),
    Endpoint(
        method="GET",
        path="/people/{address}",
        name="show_person",
        says="One person.",
        scope="read",
        do=show,
        answer={"$ref": "#/components/schemas/Person"},
    ),
    Endpoint(
        method="PATCH",
        path="/people/{address}/preferences",
        name="set_preferences",
        says="Meeting preferences: your own, or anybody's for an admin. null takes one away.",
        scope="submit",
        do=prefer,
        body=PREFERENCES,
        answer={"$ref": "#/components/schemas/Person"},
    ),
)
