"""What a person sees before deciding: written by code from the exact arguments and facts, never by an agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from connectors.spec import Precondition, ToolSpec
from orchestrator.domain.person import Person

LONG_TEXT = 600  # characters of one argument shown on a card; the digest covers all of it


def local_time(text: str, zone: str) -> str:
    """An ISO instant in the reader's zone, e.g. "Tue 24 Nov 2026 10:00 (Europe/Lisbon)"; other text unchanged."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return text
    if instant.tzinfo is None:
        return text
    return f"{instant.astimezone(ZoneInfo(zone)):%a %-d %b %Y %H:%M} ({zone})"


def _shown(value: Any, zone: str, names: Mapping[str, Person]) -> str:
    if isinstance(value, str):
        person = names.get(value.lower())
        if person is not None:
            return f"{person.name} <{person.address}>{'' if person.inside else ' — OUTSIDE'}"
        if "@" in value and " " not in value:
            return f"{value} — not in the directory"
        text = local_time(value, zone)
        return text if len(text) <= LONG_TEXT else f"{text[:LONG_TEXT]}… ({len(text)} characters)"
    if isinstance(value, list):
        return ", ".join(_shown(entry, zone, names) for entry in value)
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_shown(entry, zone, names)}" for key, entry in value.items())
    return (
        {True: "yes", False: "no", None: "–"}.get(value, str(value)) if isinstance(value, bool | None) else str(value)
    )


def _addresses(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value.lower()] if "@" in value and " " not in value else []
    if isinstance(value, list):
        return [address for entry in value for address in _addresses(entry)]
    if isinstance(value, dict):
        return [address for entry in value.values() for address in _addresses(entry)]
    return []


def preview(spec: ToolSpec, args: Mapping[str, Any], *, zone: str, people: Mapping[str, Person]) -> str:
    """One line: the tool's title and its shortest telling arguments."""
    told = [
        f"{name.replace('_', ' ')} {_shown(value, zone, people)}"
        for name, value in args.items()
        if value not in (None, "", []) and not (isinstance(value, str) and ("\n" in value or len(value) > 80))
    ]
    return f"{spec.title}: {'; '.join(told)}" if told else spec.title


def card(
    spec: ToolSpec,
    args: Mapping[str, Any],
    *,
    request: str,
    requester: str,
    account: str,
    zone: str,
    people: Mapping[str, Person],
    decision_rules: Sequence[str],
    decision_reason: str,
    facts: Mapping[str, Any],
    preconditions: Sequence[Precondition],
    context: Sequence[str] = (),
) -> dict[str, Any]:
    """title, lines (one per argument), outside people, sources of identities, rule, what must still hold, and the request.

    `context`: further plain sentences by code, e.g. who is already on the thread that a reply goes to.
    """
    outside = sorted({a for a in _addresses(dict(args)) if not (a in people and people[a].inside)})
    return {
        "title": spec.title,
        "tool": spec.name,
        "as": account,
        "lines": [{"name": name, "value": _shown(value, zone, people)} for name, value in args.items()],
        "context": list(context),
        "outside": outside,
        "sources": facts.get("values", []),
        "rule": ", ".join(decision_rules),
        "reason": decision_reason,
        "holds": [condition.text for condition in preconditions],
        "undo": spec.undo,
        "irreversible": spec.undo is None,
        "request": request,
        "requester": requester,
    }
