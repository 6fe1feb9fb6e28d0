"""Whether the arguments of a card, as a person has changed them, are ones that its tool takes. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from orchestrator.errors import UsageError

INSTANT = {"role": "time", "type": "datetime"}  # as manifests name a moment


def check_fits(tool: str, args: Mapping[str, Any]) -> None:
    """UsageError with what is wrong and what would do. Of a tool server only workers know what its tools take: they ask again."""
    from connectors.families import declared

    spec = declared(tool)
    if spec is None:
        return
    from jsonschema import Draft202012Validator  # here: a client command that changes no card does without

    named = spec.parameters["properties"]
    for name in args:
        if name not in named:
            raise _refused(tool, f"it takes no {name!r}", _meant(name, list(named)))
    for error in Draft202012Validator(dict(spec.parameters)).iter_errors(dict(args)):
        where = ".".join(str(part) for part in error.absolute_path)
        fix = str(named[str(error.absolute_path[0])].get("description", "")) if where else ""
        raise _refused(
            tool, f"{where}: {error.message}" if where else error.message, fix or f"it takes: {', '.join(named)}"
        )
    for name, meaning in spec.manifest.get("args", {}).items():
        if meaning == INSTANT and name in args and not _is_instant(args[name]):
            fix = "write date and time with offset, e.g. 2026-11-23T10:00:00+00:00"
            raise _refused(tool, f"{name}: {args[name]!r} is not a time", fix)
    if {"start", "end"} <= args.keys() and datetime.fromisoformat(args["end"]) <= datetime.fromisoformat(args["start"]):
        raise _refused(tool, f"end: {args['end']} is not after its start", "change both, or give a later end")


def _refused(tool: str, what: str, fix: str) -> UsageError:
    return UsageError(f"{tool} cannot be changed so; {what}", fix=fix)


def _meant(name: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"it takes: {', '.join(names)}"


def _is_instant(value: str) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False
