"""What a person sees before deciding: written by code from the exact arguments and facts, never by an agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from connectors.spec import Precondition, ToolSpec
from orchestrator.domain.person import Person
from orchestrator.gate.records import Records

SHORT_TEXT = 110  # characters of one argument in a preview
LONG_TEXT = 4000  # characters of one argument shown on a card; the digest covers all of it


def local_time(text: str, zone: str) -> str:
    """An ISO instant in the reader's zone, e.g. "Tue 24 Nov 2026 10:00 (Europe/Lisbon)"; other text unchanged."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return text
    if instant.tzinfo is None:
        return text
    return f"{instant.astimezone(ZoneInfo(zone)):%a %-d %b %Y %H:%M} ({zone})"


def _shown(value: Any, zone: str, names: Mapping[str, Person], records: Records) -> str:
    if isinstance(value, bool) or value is None:
        return "–" if value is None else "yes" if value else "no"
    if isinstance(value, str):
        return _shown_text(value, zone, names, records)
    if isinstance(value, list):
        return ", ".join(_shown(entry, zone, names, records) for entry in value)
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_shown(entry, zone, names, records)}" for key, entry in value.items())
    return str(value)


def _shown_text(value: str, zone: str, names: Mapping[str, Person], records: Records) -> str:
    if (person := names.get(value.lower())) is not None:
        return f"{person.name} <{person.address}>{'' if person.inside else ' — OUTSIDE'}"
    if "@" in value and " " not in value:
        return f"{value} — not in the directory"
    if (title := records.title(value)) is not None:
        author = names.get((records.author(value) or "").lower())
        return f"“{title}”{f' from {author.name}' if author else ''} ({value})"
    text = local_time(value, zone)
    return text if len(text) <= LONG_TEXT else f"{text[:LONG_TEXT]}… ({len(text)} characters)"


def _addresses(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value.lower()] if "@" in value and " " not in value else []
    if isinstance(value, list):
        return [address for entry in value for address in _addresses(entry)]
    if isinstance(value, dict):
        return [address for entry in value.values() for address in _addresses(entry)]
    return []


def preview(
    spec: ToolSpec, args: Mapping[str, Any], *, zone: str, people: Mapping[str, Person], records: Records
) -> str:
    """One line: the tool's title and its telling arguments, long texts by their first words."""
    told = []
    for name, value in args.items():
        if value in (None, "", []):
            continue
        shown = " ".join(_shown(value, zone, people, records).split())
        told.append(f"{name.replace('_', ' ')} {shown if len(shown) <= SHORT_TEXT else shown[:SHORT_TEXT] + '…'}")
    return f"{spec.title}: {'; '.join(told)}" if told else spec.title


def reached(spec: ToolSpec, args: Mapping[str, Any], records: Records) -> list[str]:
    """Everybody this call would reach: addresses in its arguments and, for a reply or a change, the people on the record.

    A plain reply goes to the author alone; forwarding a record tells its people nothing.
    """
    found = _addresses(dict(args))
    on_records = {"update", "delete", "remove"} & {str(spec.manifest.get("effect"))}
    is_reply = "reply_all" in (spec.parameters.get("properties") or {})
    for value in _texts(dict(args)) if on_records or is_reply else ():
        people = records.on_it(value)
        found += people if not is_reply or args.get("reply_all") else people[:1]
    return list(dict.fromkeys(address.lower() for address in found))


def _texts(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [text for entry in value.values() for text in _texts(entry)]
    if isinstance(value, list):
        return [text for entry in value for text in _texts(entry)]
    return [value] if isinstance(value, str) else []


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
    records: Records,
) -> dict[str, Any]:
    """title, lines (one per argument), who it reaches, outside people, sources of identities, rule, what must hold, request."""
    audience = [address for address in reached(spec, args, records) if address != account.lower()]
    outside = [address for address in audience if not (address in people and people[address].inside)]
    return {
        "title": spec.title,
        "tool": spec.name,
        "as": account,
        "lines": [{"name": name, "value": _shown(value, zone, people, records)} for name, value in args.items()],
        "reaches": [_shown_text(address, zone, people, records) for address in audience],
        "outside": outside,
        "sources": [
            {
                "arg": found.get("arg"),
                "value": found.get("value"),
                "level": found.get("level"),
                "source": found.get("why"),
            }
            for found in facts.get("identities", [])
        ],
        "rule": ", ".join(decision_rules),
        "reason": decision_reason,
        "holds": [condition.text for condition in preconditions],
        "undo": spec.undo,
        "irreversible": spec.undo is None,
        "request": request,
        "requester": requester,
    }
