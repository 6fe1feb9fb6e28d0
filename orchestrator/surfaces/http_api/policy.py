"""Endpoints of the rules: which are in force, and what they would say to a call that nobody makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from orchestrator import clock
from orchestrator.errors import DeputyError, UsageError
from orchestrator.surfaces.http_api.endpoint import CURSOR, LIMIT, Call, Endpoint
from orchestrator.surfaces.http_api.items import TEXT
from orchestrator.surfaces.http_api.paging import page

T = TypeVar("T")
PROFILE = {"enum": ["careful", "delegated"]}
CALL = {
    "type": "object",
    "required": ["tool"],
    "additionalProperties": False,
    "properties": {"tool": {"type": "string", "minLength": 1, "maxLength": 200}, "args": {"type": "object"}},
}
BENCH = {
    "type": "object",
    "required": ["request"],
    "additionalProperties": False,
    "properties": {
        "request": TEXT,
        "call": CALL,
        "profile": PROFILE,
        "read": {
            "type": "array",
            "maxItems": 50,
            "description": "What was read before: the call, and what it answered.",
            "items": {
                "type": "object",
                "required": ["tool", "value"],
                "additionalProperties": False,
                "properties": {**CALL["properties"], "value": {}},  # type: ignore[dict-item]
            },
        },
    },
}


def bench(call: Call) -> Any:
    """What the words of a request grant; with a call, how that would be decided for the caller. Nothing is done."""
    from policies import explain

    said = call.body
    if "call" not in said:
        return {"grant": _read(lambda: explain.grant(said["request"])), "decision": None}
    told = _read(lambda: explain.call(_case(call), bundle_dir=call.room.settings.policy_dir))
    return {"grant": told.pop("grant"), "decision": told}


def _case(call: Call) -> dict[str, Any]:
    """Over the people that the desk knows and the tools of its families."""
    from connectors.families import FAMILIES, tool_specs

    said, people = call.body, call.desk.people()
    specs = {spec.name: spec for family in sorted(FAMILIES) for spec in tool_specs(family)}
    for one in (said["call"], *said.get("read", ())):
        if one["tool"] not in specs:
            raise UsageError(f"there is no tool {one['tool']!r}", fix="see: GET /api/v1/capabilities")
    return {
        "request": said["request"],
        "principal": call.who.principal_id,
        "now": clock.now().isoformat(),
        "profile": said.get("profile") or call.room.settings.profile,
        "tools": [
            {"name": one.name, "description": one.description, "parameters": one.parameters, "manifest": one.manifest}
            for one in specs.values()
        ],
        "people": [
            {
                "id": one["address"],
                "names": [one["name"], *one["aliases"]],
                "addresses": [one["address"]],
                "inside": one["inside"],
                "roles": [one["role"]] if one["role"] else [],
            }
            for one in people
        ],
        "inside_domains": sorted({one["address"].partition("@")[2] for one in people if one["inside"]}),
        "read": [{"args": {}, **one} for one in said.get("read", ())],
        "call": {"tool": said["call"]["tool"], "args": said["call"].get("args", {})},
    }


def _read(read: Callable[[], T]) -> T:
    """What `read` returns; a case that cannot be judged is the caller's to mend."""
    try:
        return read()
    except DeputyError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"this cannot be judged: {error}", fix="see a tool's parameters: GET /api/v1/capabilities"
        ) from error


def rules(call: Call) -> Any:
    from policies import bundle, explain

    profile = call.query.get("profile") or call.room.settings.profile
    folder = call.room.settings.policy_dir
    found = [{**one, "place": f"{place:05d}"} for place, one in enumerate(explain.rules(profile, bundle_dir=folder))]
    shown, more = page(found, lambda one: one["place"], call.query.get("limit", 500), call.query.get("cursor"))
    return {
        "profile": profile,
        "digest": bundle.load(folder).digest,
        "rules": [{name: value for name, value in one.items() if name != "place"} for one in shown],
        "next": more,
    }


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/policy/rules",
        name="list_rules",
        says="Every rule in force under a profile, in the order of the files.",
        scope="read",
        do=rules,
        query={"profile": PROFILE, "limit": LIMIT, "cursor": CURSOR},
        answer={"$ref": "#/components/schemas/Rules"},
    ),
    Endpoint(
        method="POST",
        path="/policy/explain",
        name="explain_policy",
        says="What would happen to …: what a request's words grant, and how a call of a tool would be decided. Nothing is done.",
        scope="read",
        do=bench,
        body=BENCH,
        answer={"$ref": "#/components/schemas/Explained"},
    ),
)
