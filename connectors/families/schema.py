"""Fragments that the four families' tool specs are written with: argument schemas, answer shapes, and the builder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connectors.spec import EffectClass, ToolSpec

Schema = dict[str, Any]

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


def text(description: str, *, max_length: int | None = None) -> Schema:
    schema: Schema = {"type": "string", "description": description}
    return schema if max_length is None else schema | {"maxLength": max_length}


def flag(description: str) -> Schema:
    return {"type": "boolean", "description": description}


def choice(description: str, *values: str) -> Schema:
    return {"type": "string", "enum": list(values), "description": description}


def many(item: Schema, description: str, *, at_least: int = 0) -> Schema:
    schema: Schema = {"type": "array", "items": item, "description": description}
    return schema | {"minItems": at_least} if at_least else schema


def instant(description: str) -> Schema:
    return {"type": "string", "description": f"{description} ISO 8601 with offset, e.g. 2026-11-23T10:00:00+00:00."}


def address(description: str = "Mail address.") -> Schema:
    return {"type": "string", "minLength": 3, "maxLength": 320, "description": description}


def addresses(description: str, *, at_least: int = 0) -> Schema:
    return many(address(), description, at_least=at_least)


def clock_time(description: str) -> Schema:
    return {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$", "description": description}


def paged(properties: Schema) -> Schema:
    """Adds `limit` and `cursor`, as every list tool takes them."""
    return properties | {
        "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "description": f"At most {DEFAULT_LIMIT}."},
        "cursor": text("`next` of the page before."),
    }


# ---- who may hear an answer (policies/listeners.py) ------------------------------------------------------------------

OPEN: Schema = {"open_to": "colleagues"}  # every colleague gets the same by asking themselves


def open_about(argument: str) -> Schema:
    """Open where the people whom `argument` names are colleagues; free/busy times of anybody else were shown to the asker."""
    return OPEN | {"open_about": argument}


# ---- answer shapes -------------------------------------------------------------------------------------------------

STRING: Schema = {"type": "string"}
BOOLEAN: Schema = {"type": "boolean"}
INTEGER: Schema = {"type": "integer", "minimum": 0}
ADDRESS: Schema = {"type": "string", "pattern": "^[^A-Z]+@[^A-Z]+$"}  # lower-case
INSTANT: Schema = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$"}  # UTC, seconds precision
CLOCK_TIME: Schema = {"type": "string", "pattern": "^[0-2][0-9]:[0-5][0-9]$"}


def list_of(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def nullable(item: Schema) -> Schema:
    return {"anyOf": [item, {"type": "null"}]}


def record(properties: Schema) -> Schema:
    """An object whose named fields are all present; providers may add more."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def page(plural: str, item: Schema) -> Schema:
    return record({plural: list_of(item), "next": nullable(STRING)})


def tool(
    name: str,
    title: str,
    description: str,
    *,
    takes: Schema,
    required: Sequence[str] = (),
    gives: Schema,
    manifest: Mapping[str, Any],
    effect_class: EffectClass = EffectClass.READ,
    undo: str | None = None,
    wire_timeout_s: float = 10.0,
    at_least_one: bool = False,
) -> ToolSpec:
    """A spec whose manifest carries `undo` and `destructive` from the same source. `at_least_one`: no empty call."""
    parameters: Schema = {
        "type": "object",
        "properties": takes,
        "required": list(required),
        "additionalProperties": False,
    }
    if at_least_one:
        parameters["minProperties"] = 1
    return ToolSpec(
        name=name,
        title=title,
        description=description,
        parameters=parameters,
        manifest={"destructive": False, "undo": undo} | dict(manifest),
        effect_class=effect_class,
        undo=undo,
        wire_timeout_s=wire_timeout_s,
        output=gives,
    )
