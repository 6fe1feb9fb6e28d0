"""What Google's discovery documents say of each method: route, parameters, body, scopes. Every request is checked against them.

The documents come with google-api-python-client, so the check needs no network. A request that does not fit is InvalidCall
before anything is sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from connectors.errors import InvalidCall

VERSIONS: Mapping[str, str] = {"gmail": "v1", "calendar": "v3", "people": "v1"}
READING_POSTS = frozenset({"calendar.freebusy.query"})
SCOPE = "https://www.googleapis.com/auth/"

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One method of a document, e.g. "gmail.users.drafts.send"."""

    method_id: str
    http_method: str
    parameters: Mapping[str, Mapping[str, Any]]
    request_schema: str | None
    scopes: frozenset[str]  # any one of them suffices

    @property
    def api(self) -> str:
        return self.method_id.partition(".")[0]

    @property
    def is_read(self) -> bool:
        return self.http_method == "GET" or self.method_id in READING_POSTS


@lru_cache(maxsize=8)
def document(api: str) -> dict[str, Any]:
    """The discovery document of "gmail", "calendar" or "people", as Google publishes it."""
    from importlib.resources import files

    folder = files("googleapiclient") / "discovery_cache" / "documents"
    read: dict[str, Any] = json.loads((folder / f"{api}.{VERSIONS[api]}.json").read_text(encoding="utf-8"))
    return read


@lru_cache(maxsize=8)
def _methods(api: str) -> dict[str, Method]:
    return dict(_walk(document(api)))


def _walk(resource: Mapping[str, Any]) -> list[tuple[str, Method]]:
    found = [
        (
            one["id"],
            Method(
                method_id=one["id"],
                http_method=one["httpMethod"],
                parameters=one.get("parameters", {}),
                request_schema=one.get("request", {}).get("$ref"),
                scopes=frozenset(one.get("scopes", ())),
            ),
        )
        for one in resource.get("methods", {}).values()
    ]
    return found + [pair for inner in resource.get("resources", {}).values() for pair in _walk(inner)]


def method(method_id: str) -> Method:
    """InvalidCall for a method that the documents do not have."""
    api = method_id.partition(".")[0]
    found = _methods(api).get(method_id) if api in VERSIONS else None
    if found is None:
        raise InvalidCall(f"Google has no method {method_id!r}", fix="Use one of its discovery documents.")
    return found


def check(method_id: str, params: Mapping[str, Any], body: Mapping[str, Any] | None) -> Method:
    """The method, when parameters and body are such as Google's document allows. InvalidCall naming the first misfit."""
    found = method(method_id)
    common = document(found.api).get("parameters", {})
    for name, value in params.items():
        schema = found.parameters.get(name) or common.get(name)
        if schema is None:
            raise _misfit(method_id, name, "is no parameter of it")
        values = value if schema.get("repeated") and isinstance(value, list | tuple) else [value]
        for one in values:
            is_kind = isinstance(one, _TYPES[schema["type"]]) and isinstance(one, bool) == (schema["type"] == "boolean")
            if not is_kind:
                raise _misfit(method_id, name, f"is not of type {schema['type']}")
            if "enum" in schema and one not in schema["enum"]:
                raise _misfit(method_id, name, "is none of its values")
    for name, schema in found.parameters.items():
        if schema.get("required") and params.get(name) in (None, ""):
            raise _misfit(method_id, name, "is missing")
    if body is not None and found.request_schema is None:
        raise _misfit(method_id, "body", "is not taken")
    if body is not None and found.request_schema is not None:
        is_patch = found.http_method == "PATCH"  # there null means: remove the field
        given = _without_null(body) if is_patch else body
        for error in _validator(found.api, found.request_schema).iter_errors(given):
            where = "/".join(str(part) for part in error.absolute_path) or "body"
            raise _misfit(method_id, where, f"does not fit the schema ({error.validator})")
    return found


def _without_null(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {name: _without_null(one) for name, one in value.items() if one is not None}


def _misfit(method_id: str, name: str, what: str) -> InvalidCall:
    return InvalidCall(f"{method_id}: {name} {what}", fix="This is a fault of the connector: please report it.")


@lru_cache(maxsize=64)
def _validator(api: str, schema: str) -> Any:
    from jsonschema import Draft202012Validator

    definitions = {name: _plain(one) for name, one in document(api)["schemas"].items()}
    return Draft202012Validator({"$ref": f"#/$defs/{schema}", "$defs": definitions})


def _plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    """JSON Schema of one of discovery's (draft 3 with `any`, and `required` as an annotation); unknown fields are refused."""
    if "$ref" in schema:
        return {"$ref": f"#/$defs/{schema['$ref']}"}
    plain: dict[str, Any] = {} if schema.get("type") in (None, "any") else {"type": schema["type"]}
    if "enum" in schema:
        plain["enum"] = schema["enum"]
    if "items" in schema:
        plain["items"] = _plain(schema["items"])
    if "properties" in schema:
        plain["properties"] = {name: _plain(one) for name, one in schema["properties"].items()}
    if "additionalProperties" in schema:
        plain["additionalProperties"] = _plain(schema["additionalProperties"])
    elif schema.get("type") == "object":
        plain["additionalProperties"] = False
    return plain


def is_granted(method_id: str, granted: frozenset[str]) -> bool:
    """Whether any of the granted scopes opens the method; True where nothing is known of the grant."""
    return not granted or bool(method(method_id).scopes & granted)
