"""Endpoints of who one is, and of keys, sign-ins and roles."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from orchestrator.deputy.access import KEY_LIVES
from orchestrator.domain.rights import ASSIGNABLE, LIMITS, SCOPES
from orchestrator.surfaces.http_api.endpoint import Call, Endpoint
from orchestrator.surfaces.http_api.shapes import TEXT, WHOLE, many, one, ref

ADDRESS = {"type": "string", "minLength": 3, "maxLength": 320}
TEXTS = {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 320}, "maxItems": 200}
EVERYBODY = {"everybody": {"type": "boolean", "description": "Everybody's, for an admin; else one's own."}}
ENDED = one(person=TEXT, ended=WHOLE)
KEY = {
    "type": "object",
    "properties": {
        "key_id": {"type": "string"},
        "name": {"type": "string"},
        "person": {"type": "string"},
        "scopes": {"type": "array", "items": {"enum": list(SCOPES)}},
        "program": {"type": "boolean"},
        "state": {"enum": ["active", "expired", "revoked"]},
        "created_by": {"type": "string"},
        "created_at": {"type": "string"},
        "expires_at": {"type": "string"},
        "used_at": {"type": ["string", "null"]},
        "revoked_at": {"type": ["string", "null"]},
        "key": {"type": "string", "description": "The key itself, told this once."},
    },
}


def me(call: Call) -> Any:
    caller, who = call.caller, call.who
    return {
        "person": who.principal_id,
        "name": who.name,
        "roles": sorted(who.roles),
        "scopes": [scope for scope in SCOPES if scope in caller.scopes],
        "via": caller.via,
        "program": not who.is_human,
        "key_id": caller.key_id,
        "zone": caller.zone,
    }


def sessions(call: Call) -> Any:
    found = call.desk.access.sessions(call.who, everybody=call.query.get("everybody", False))
    return {"sessions": [one | {"current": one["session_id"] == call.caller.session_id} for one in found]}


def create_key(call: Call) -> Any:
    said = call.body
    return call.desk.access.create_key(
        call.who,
        scopes=said["scopes"],
        name=said.get("name", ""),
        of=said.get("for"),
        is_program=said.get("program", False),
        lives=timedelta(days=said["expires_days"]) if "expires_days" in said else KEY_LIVES,
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/me",
        name="show_me",
        says="Whom this request speaks for, and what it may.",
        scope="read",
        do=me,
        answer={"$ref": "#/components/schemas/Me"},
    ),
    Endpoint(
        method="GET",
        path="/keys",
        name="list_keys",
        says="API keys, newest first; never the keys themselves.",
        scope="read",
        do=lambda call: {"keys": call.desk.access.keys(call.who, everybody=call.query.get("everybody", False))},
        query=EVERYBODY,
        answer={"type": "object", "required": ["keys"], "properties": {"keys": {"type": "array", "items": KEY}}},
    ),
    Endpoint(
        method="POST",
        path="/keys",
        name="create_key",
        says="A new API key, told this once. It may do what its person may, within its scopes; a program's never decides.",
        scope="read",
        do=create_key,
        body={
            "type": "object",
            "required": ["scopes"],
            "additionalProperties": False,
            "properties": {
                "scopes": {"type": "array", "items": {"enum": list(SCOPES)}, "minItems": 1, "maxItems": len(SCOPES)},
                "name": {"type": "string", "maxLength": 80},
                "for": ADDRESS,
                "program": {"type": "boolean"},
                "expires_days": {"type": "number", "exclusiveMinimum": 0, "maximum": 366},
            },
        },
        answer=KEY,
        status=201,
        errors=("not_found", "conflict"),
    ),
    Endpoint(
        method="DELETE",
        path="/keys/{key_id}",
        name="revoke_key",
        says="Take a key back; it is of no use from the next request on.",
        scope="read",
        do=lambda call: call.desk.access.revoke_key(call.who, call.path["key_id"]),
        answer=KEY,
        errors=("not_found",),
    ),
    Endpoint(
        method="GET",
        path="/sessions",
        name="list_sessions",
        says="Browsers that are signed in.",
        scope="read",
        do=sessions,
        query=EVERYBODY,
        answer=one(sessions=many(ref("Session"))),
    ),
    Endpoint(
        method="DELETE",
        path="/sessions",
        name="end_sessions",
        says="Sign out everywhere; somebody else, for an admin.",
        scope="read",
        do=lambda call: call.desk.access.end_sessions(call.who, of=call.query.get("person")),
        query={"person": ADDRESS},
        answer=ENDED,
    ),
    Endpoint(
        method="DELETE",
        path="/sessions/{session_id}",
        name="end_session",
        says="Sign out one browser.",
        scope="read",
        do=lambda call: call.desk.access.end_sessions(
            call.who, session_id=call.path["session_id"], of=call.query.get("person")
        ),
        query={"person": ADDRESS},
        answer=ENDED,
        errors=("not_found",),
    ),
    Endpoint(
        method="GET",
        path="/roles",
        name="list_roles",
        says="Everybody of the directory, the roles that count, and who gave them.",
        scope="audit",
        do=lambda call: {"people": call.desk.roles.all(call.who)},
        answer=one(people=many(ref("RolesOf"))),
    ),
    Endpoint(
        method="PUT",
        path="/roles/{person}",
        name="give_roles",
        says="Exactly these roles, none of them: a newcomer's again. 'none' ends sign-ins and keys. An approver may be narrowed.",
        scope="admin",
        do=lambda call: call.desk.roles.give(
            call.who, call.path["person"], call.body["roles"], limits=call.body.get("limits")
        ),
        body={
            "type": "object",
            "required": ["roles"],
            "additionalProperties": False,
            "properties": {
                "roles": {"type": "array", "items": {"enum": list(ASSIGNABLE)}, "maxItems": len(ASSIGNABLE)},
                "limits": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": dict.fromkeys(LIMITS, TEXTS),
                },
            },
        },
        answer={"$ref": "#/components/schemas/RolesGiven"},
        errors=("not_found", "conflict"),
    ),
)
