"""A stranger's JSON Schema as we can use it: closed, of bounded size, and without anything that runs or fetches.

An argument nobody reviewed is not passed on, so the top level is closed. A pattern is a program of somebody else's that could
run for ever, so it is left out here (the server still has it); a reference may point only into the schema itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from connectors.mcp.text import label

MOST_BYTES = 64 * 1024
MOST_DEPTH = 40
MOST_TEXT = 1000  # characters of a description
_BRANCHES = ("allOf", "anyOf", "oneOf")
_WORDS = ("title", "description", "$comment")
_BY_NAME = ("properties", "$defs", "definitions", "dependentSchemas")  # names of a caller's, not keywords


class UnusableSchema(ValueError):
    """Why a tool with this schema cannot be offered."""


def arguments(schema: Any) -> dict[str, Any]:
    """The schema of a tool's arguments, closed: an object with exactly the properties that it names. UnusableSchema otherwise."""
    usable = _checked(schema)
    if usable.get("type", "object") != "object" or "$ref" in usable:
        raise UnusableSchema("its arguments are not described as an object")
    named: dict[str, Any] = {}
    for word in _BRANCHES:
        for branch in usable.get(word) or ():
            if isinstance(branch, Mapping):
                named |= dict.fromkeys(branch.get("properties") or {}, True)
    properties = usable.get("properties") or {}
    if not isinstance(properties, Mapping):
        raise UnusableSchema("its properties are no mapping")
    return {**usable, "type": "object", "properties": named | dict(properties), "additionalProperties": False}


def answer(schema: Any) -> dict[str, Any]:
    """The schema of a tool's answer; empty where it has none or none that can be used: anything may come then."""
    if schema is None:
        return {}
    try:
        return _checked(schema)
    except UnusableSchema:
        return {}


def is_wrapped(schema: Mapping[str, Any]) -> bool:
    """Whether an answer is an object only because it had to be one: {"result": value}."""
    properties = schema.get("properties")
    return isinstance(properties, Mapping) and list(properties) == ["result"] and schema.get("required") == ["result"]


def unwrapped(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of what a wrapped answer wraps."""
    inner = schema["properties"]["result"]
    shared = {word: schema[word] for word in ("$defs", "definitions") if word in schema}
    return {**inner, **shared} if isinstance(inner, Mapping) else {}


def _checked(schema: Any) -> dict[str, Any]:
    import jsonschema

    if not isinstance(schema, Mapping):
        raise UnusableSchema("its schema is no object")
    try:
        if len(json.dumps(schema)) > MOST_BYTES:
            raise UnusableSchema(f"its schema is longer than {MOST_BYTES // 1024} kB")
    except (RecursionError, TypeError) as error:
        raise UnusableSchema("its schema is no JSON") from error
    usable: dict[str, Any] = _tamed(schema, 0)
    try:
        jsonschema.Draft202012Validator.check_schema(usable)
    except jsonschema.SchemaError as error:
        raise UnusableSchema("its schema is no JSON Schema") from error
    return usable


def _tamed(value: Any, depth: int, *, are_names: bool = False) -> Any:
    """The same without patterns, foreign references and overlong words. `are_names`: keys are names of properties."""
    if depth > MOST_DEPTH:
        raise UnusableSchema("its schema is nested too deeply")
    if isinstance(value, list):
        return [_tamed(entry, depth + 1) for entry in value]
    if not isinstance(value, Mapping):
        return value
    if are_names:
        return {str(name): _tamed(entry, depth + 1) for name, entry in value.items()}
    tamed: dict[str, Any] = {}
    for word, entry in value.items():
        if word in ("$ref", "$dynamicRef") and not str(entry).startswith("#"):
            raise UnusableSchema("its schema refers to something outside itself")
        if word in ("enum", "const", "default", "examples"):
            tamed[word] = entry
        elif word in _WORDS:
            tamed[word] = label(str(entry), MOST_TEXT)
        elif word not in ("$id", "$schema", "pattern", "patternProperties"):
            tamed[word] = _tamed(entry, depth + 1, are_names=word in _BY_NAME)
    if "patternProperties" in value:
        tamed.pop("additionalProperties", None)  # what the patterns let in would be shut out
    return tamed
