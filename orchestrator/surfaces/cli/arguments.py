"""NAME=VALUE as people type it, and values of the types that a card's arguments have. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.errors import UsageError


def pairs(texts: Sequence[str], *, option: str) -> dict[str, str]:
    """`k=v` texts as a dict; UsageError for one without "=" or a name given twice."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"{option} {text!r} is not NAME=VALUE", fix=f"write {option} name=value")
        if name.strip() in found:
            raise UsageError(f"{option} gives {name.strip()!r} twice", fix="give each name once")
        found[name.strip()] = value
    return found


def changed_arguments(args: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    """The call's arguments with the edits in, each value read as the type that stands there now. UsageError otherwise."""
    changed = dict(args)
    for name, text in pairs(texts, option="edit").items():
        changed[name] = _typed(name, text, args.get(name))
    if changed == dict(args):
        raise UsageError("the edit changes nothing", fix="approve the card as it is, or give another value")
    return changed


def _typed(name: str, text: str, current: Any) -> Any:
    if isinstance(current, str):
        return text
    if isinstance(current, bool):
        if text.lower() in ("true", "yes", "false", "no"):
            return text.lower() in ("true", "yes")
        raise UsageError(f"{name!r} is yes or no, not {text!r}", fix=f"write {name}=yes or {name}=no")
    if isinstance(current, list) and not text.lstrip().startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if isinstance(current, int | float) and not isinstance(value, int | float):
        raise UsageError(f"{name!r} is a number, not {text!r}", fix=f"write {name}=30")
    if isinstance(current, list | dict) and not isinstance(value, type(current)):
        raise UsageError(
            f"{name!r} needs JSON of the same shape", fix=f"now it is {json.dumps(current, ensure_ascii=False)}"
        )
    return value
