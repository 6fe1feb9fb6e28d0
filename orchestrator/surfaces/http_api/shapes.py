"""What the shapes of answers are made of (JSON Schema 2020-12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
TRUTH: Schema = {"type": "boolean"}
TIME: Schema = {"type": "string", "format": "date-time"}
ANY: Schema = {}
MAP: Schema = {"type": "object"}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def maybe(schema: Schema) -> Schema:
    """That, or null."""
    if "$ref" in schema or "enum" in schema:
        return {"oneOf": [schema, {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]}


def many(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def one(_optional: Mapping[str, Schema] | None = None, **fields: Schema) -> Schema:
    """An object with these fields, all of them there; `_optional` ones may be missing."""
    return {"type": "object", "required": list(fields), "properties": {**fields, **(_optional or {})}}


def page(name: str, entry: str, **more: Schema) -> Schema:
    """A page of a list; `next` is the cursor of the one after it."""
    return one(**{name: many(ref(entry))}, **more, next=maybe(TEXT))
