"""JSON Schemas of results: refused before an agent begins, not when it ends. Nothing is ever fetched for one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

LARGEST = 32_768  # bytes
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_EXPRESSIONS = ("pattern", "patternProperties")
_BY_NAME = ("properties", "$defs", "definitions", "dependentSchemas")  # their keys are names, not keywords


def problem_of(schema: Any, *, from_model: bool = False) -> str | None:
    """Why the schema cannot be used; None when it can.

    from_model: written by a model, so that a regular expression in it, which could take forever to match, is refused too.
    """
    if not isinstance(schema, Mapping):
        return "is not an object"
    try:
        text = json.dumps(schema, sort_keys=True, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        return "is not JSON"
    return f"is larger than {LARGEST} bytes" if len(text) > LARGEST else _problem(text, from_model)


@lru_cache(maxsize=512)
def _problem(text: str, from_model: bool) -> str | None:
    import jsonschema

    schema = json.loads(text)
    if schema.get("type", "object") != "object":
        return f"its type is {schema['type']!r}; a result is an object"
    for key, value in _keywords(schema):
        if key in _REFERENCES and not (isinstance(value, str) and value.startswith("#")):
            return f"refers to something outside itself ({key})"
        if from_model and key in _EXPRESSIONS:
            return f"holds a regular expression ({key}); use enum, format or minLength"
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        return f"is no JSON Schema: {error.json_path}: {error.message[:200]}"
    return None


def _keywords(node: Any) -> Iterator[tuple[str, Any]]:
    """Every key at every depth. A property may be called "pattern": its value is a schema then, not a text."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in _BY_NAME and isinstance(value, dict):
                for below in value.values():
                    yield from _keywords(below)
                continue
            yield key, value
            yield from _keywords(value)
    elif isinstance(node, list):
        for below in node:
            yield from _keywords(below)
