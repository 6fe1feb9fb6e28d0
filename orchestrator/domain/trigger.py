"""A trigger: a person's standing order that something new in one of their accounts becomes a request. Pure.

INVARIANT: what others wrote never becomes part of the request. Its words are the person's own; only ids and what the provider
attests (an address, a time) can be put into them, and such a value is one word without markup. Subject and text stay data, read
through the gate.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from orchestrator.errors import UsageError

FAMILIES = ("mail", "calendar", "chat")
MOST_CONDITIONS = 20
_PLACE = re.compile(r"\{([^{}]*)\}")
_CONDITION = re.compile(r"\s*([a-z_]+)\s*(!=|=|~)\s*(.*?)\s*", re.DOTALL)
_VALUE = re.compile(r"[\w@.:+#/~=-]{1,320}")  # of what is put into a request


class Op(StrEnum):
    IS = "="  # the whole value, or one of a list
    IS_NOT = "!="
    HAS = "~"  # these words, anywhere, in any order


@dataclass(frozen=True, slots=True)
class Condition:
    field: str
    op: Op
    value: str

    def __str__(self) -> str:
        return f"{self.field}{self.op}{self.value}"

    def holds(self, record: Mapping[str, Any]) -> bool:
        values = [text.casefold() for text in _texts(record.get(self.field))]
        wanted = self.value.casefold()
        match self.op:
            case Op.IS:
                return wanted in values
            case Op.IS_NOT:
                return wanted not in values
            case Op.HAS:
                return any(all(word in value for word in wanted.split()) for value in values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """`family`: mail, calendar or chat. `connection_id`: None means the owner's own account of that family.

    `request` is what is asked for each change that meets every condition, e.g. "file the mail {message_id}".
    """

    trigger_id: str
    name: str
    owner: str
    family: str
    request: str
    conditions: Sequence[Condition] = ()
    connection_id: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)  # as of a request: agent, workflow, model, budget, …
    priority: int = 100
    own: bool = False  # what the owner wrote themselves counts, too
    active: bool = True
    created_at: datetime

    def meets(self, record: Mapping[str, Any], me: str) -> bool:
        """Whether the record is one this order is about. `me`: the account's address."""
        author = str(record.get("from") or record.get("author") or record.get("organizer") or "").casefold()
        if not self.own and author == me.casefold():
            return False
        return all(condition.holds(record) for condition in self.conditions)

    def asks(self, record: Mapping[str, Any]) -> str | None:
        """The request for one record; None where a value it names is missing or is not plain."""
        missing = False

        def put(match: re.Match[str]) -> str:
            nonlocal missing
            value = record.get(match.group(1))
            text = value if isinstance(value, str) else ""
            missing = missing or _VALUE.fullmatch(text) is None
            return text

        told = _PLACE.sub(put, self.request)
        return None if missing else told

    def as_json(self) -> dict[str, Any]:
        return {
            "trigger_id": self.trigger_id,
            "name": self.name,
            "owner": self.owner,
            "on": self.family,
            "connection": self.connection_id,
            "where": [str(one) for one in self.conditions],
            "request": self.request,
            "options": dict(self.options),
            "priority": self.priority,
            "own": self.own,
            "state": "active" if self.active else "paused",
            "created_at": self.created_at.isoformat(),
        }


def condition(text: str, fields: Mapping[str, str]) -> Condition:
    """ "from=dana@firm.example", "subject~invoice march" or "label!=newsletter". `fields`: field → class, of the family's records."""
    found = _CONDITION.fullmatch(text)
    if found is None or not found.group(3):
        raise UsageError(f"{text!r} is no condition", fix="write FIELD=VALUE, FIELD!=VALUE or FIELD~WORDS")
    name, op, value = found.groups()
    if name not in fields:
        raise UsageError(f"{name!r} is no field of these records", fix=f"one of: {', '.join(sorted(fields))}")
    return Condition(name, Op(op), value)


def check_request(text: str, fields: Mapping[str, str]) -> str:
    """The request's text, if everything in braces may be put into it. Raises UsageError."""
    allowed = sorted(name for name, kind in fields.items() if kind in ("id", "attested"))
    for name in _PLACE.findall(text):
        if name not in fields:
            raise UsageError(f"{{{name}}} is no field of these records", fix=f"one of: {', '.join(allowed)}")
        if name not in allowed:
            raise UsageError(
                f"{{{name}}} is written by others, and others do not speak in your request",
                fix=f"name the record, e.g. {{{_id_of(fields)}}}; Deputy reads it as data. Possible: {', '.join(allowed)}",
            )
    if not text.strip():
        raise UsageError("the request is empty", fix='say what shall be done, e.g. "file the mail {message_id}"')
    return text.strip()


def _id_of(fields: Mapping[str, str]) -> str:
    return next((name for name in ("message_id", "event_id") if name in fields), next(iter(fields)))


def _texts(value: Any) -> list[str]:
    """A field's values as text: one, each of a list, addresses of people."""
    if value is None:
        return []
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, Mapping):
        return [str(value.get("address") or value.get("name") or "")]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [text for one in value for text in _texts(one)]
    return [str(value)]
