"""What a call brought back, as plain JSON: bounded, clean, and in the shape that was promised or visibly not.

Structured content counts where it fits the schema that was reviewed; else the text does, and where that is JSON, what it says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from connectors.mcp.text import clean, cleaned
from connectors.spec import Json

if TYPE_CHECKING:
    from mcp_types import CallToolResult

MISFIT = "the server's structured answer did not fit its own schema; this is its text"


def value_of(result: CallToolResult, *, output: Mapping[str, Any], is_wrapped: bool, most: int) -> Json:
    """The answer's value. Over `most` bytes it is {"cut": a sentence, "text": its beginning}, which fits no schema on purpose."""
    text = text_of(result)
    structured = result.structured_content
    if structured is not None:
        value = structured.get("result") if is_wrapped and isinstance(structured, dict) else structured
        if fits(value, output):
            return bounded(cleaned(value), most)
    note = {"note": MISFIT} if structured is not None or output else {}
    other = _other(result)
    if not other and not note and (parsed := _as_json(text, most)) is not None:
        return bounded(cleaned(parsed), most)
    return bounded({"text": clean(text), **({"other": other} if other else {}), **note}, most)


def text_of(result: CallToolResult) -> str:
    """All its text blocks, embedded texts among them."""
    found = []
    for block in result.content:
        if block.type == "text":
            found.append(block.text)
        elif block.type == "resource":
            found.append(str(getattr(block.resource, "text", "")))
    return "\n".join(part for part in found if part)


def fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether a value is what a (tamed) schema says. A schema that cannot be applied fits nothing."""
    import jsonschema
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    try:
        return bool(jsonschema.Draft202012Validator(dict(schema), registry=Registry()).is_valid(value))
    except (Unresolvable, RecursionError):
        return False


def bounded(value: Any, most: int) -> Json:
    text = json.dumps(value, ensure_ascii=False)
    raw = text.encode("utf-8", "replace")
    if len(raw) <= most:
        result: Json = value
        return result
    shown = (
        value["text"] if isinstance(value, dict) and isinstance(value.get("text"), str) and len(value) == 1 else text
    )
    beginning = shown.encode("utf-8", "replace")[:most].decode("utf-8", "ignore")
    told = f"the answer had {len(raw):,} bytes, and only the first {most:,} are here: ask for less"
    return {"cut": told, "text": beginning}


def _other(result: CallToolResult) -> list[dict[str, Any]]:
    """What is neither text nor structured: only that it is there."""
    found: list[dict[str, Any]] = []
    for block in result.content:
        if block.type in ("image", "audio"):
            found.append({"kind": block.type, "mime": clean(block.mime_type), "size_bytes": len(block.data) * 3 // 4})
        elif block.type == "resource_link":
            found.append({"kind": "link", "uri": clean(str(block.uri)), "name": clean(block.name)})
        elif block.type == "resource" and not hasattr(block.resource, "text"):
            found.append({"kind": "file", "uri": clean(str(block.resource.uri))})
    return found


def _as_json(text: str, most: int) -> Any:
    """An object or list that a text is; None where it is something else."""
    if len(text) > 4 * most or not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
