"""What a scheduled run is expected to leave behind: short checks over its item, read only, without any code in them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.errors import UsageError

MOST = 20
_CHECK = re.compile(r"\s*([a-z_]+(?:\.[\w.]+)?)\s*(>=|<=|!=|=|<|>|~)\s*(.*?)\s*", re.DOTALL)
NUMBERS = ("effects", "asked", "denied", "model_calls", "cost_usd", "wall_s")
TEXTS = ("state", "text", "route", "workflow")
_KEYED = ("effects", "output")  # effects.TOOL, output.NAME
FIX = f"write FIELD>=N, FIELD=VALUE or FIELD~WORDS; fields: {', '.join((*NUMBERS, *TEXTS))}, effects.TOOL, output.NAME"


@dataclass(frozen=True, slots=True)
class Check:
    field: str
    op: str
    value: str

    def __str__(self) -> str:
        return f"{self.field}{self.op}{self.value}"

    def missing(self, found: Mapping[str, Any]) -> str | None:
        """None where the check holds, else what was found instead. `found`: as `facts` makes it."""
        name, _, rest = self.field.partition(".")
        value = found.get(name)
        if rest:
            value = (found.get("tools") or {}).get(rest, 0) if name == "effects" else _inside(found.get("output"), rest)
        if self._holds(value):
            return None
        return f"{self} was expected, and {self.field} is {_short(value)}"

    def _holds(self, value: Any) -> bool:
        if self.op == "~":
            text = " ".join(str(value or "").casefold().split())
            return all(word in text for word in self.value.casefold().split())
        number, wanted = _number(value), _number(self.value)
        if number is not None and wanted is not None:
            return {
                "=": number == wanted,
                "!=": number != wanted,
                ">=": number >= wanted,
                "<=": number <= wanted,
                ">": number > wanted,
                "<": number < wanted,
            }[self.op]
        same = str(value if value is not None else "").casefold() == self.value.casefold()
        return same if self.op == "=" else not same if self.op == "!=" else False


def parse(text: str) -> Check:
    """ "effects>=1", "effects.mail.send=2", "state=done", "text~overdue invoices", "output.count>0". Raises UsageError."""
    found = _CHECK.fullmatch(text)
    if found is None or not found[3]:
        raise UsageError(f"{text!r} is no check", fix=FIX)
    field, op, value = found.groups()
    name, _, rest = field.partition(".")
    if name not in (*NUMBERS, *TEXTS, "output") or (rest and name not in _KEYED) or (name == "output" and not rest):
        raise UsageError(f"{field!r} is nothing that a run leaves behind", fix=FIX)
    if op in ("<", ">", "<=", ">=") and _number(value) is None:
        raise UsageError(f"{value!r} is no number", fix=f"e.g. {field}{op}1")
    if name in NUMBERS and (op == "~" or _number(value) is None):
        raise UsageError(f"{field} is a number", fix=f"e.g. {field}>=1")
    if name in TEXTS and op not in ("=", "!=", "~"):
        raise UsageError(f"{field} is a text", fix=f"e.g. {field}={value}")
    return Check(field, op, value)


def many(texts: Sequence[str]) -> tuple[Check, ...]:
    if len(texts) > MOST:
        raise UsageError(f"{len(texts)} checks", fix=f"at most {MOST}")
    return tuple(parse(text) for text in texts)


def first_missing(checks: Sequence[Check], found: Mapping[str, Any]) -> str | None:
    """What is not as it should be; a run that is not done has failed whatever else is expected, unless `state` is expected."""
    if not any(check.field == "state" for check in checks) and found.get("state") != "done":
        return f"it ended as {found.get('state')}" + (f": {found['error']}" if found.get("error") else "")
    return next((told for check in checks if (told := check.missing(found)) is not None), None)


def _inside(value: Any, path: str) -> Any:
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return len(value) if isinstance(value, list) else value


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _short(value: Any) -> str:
    if value is None:
        return "nothing"
    text = " ".join(str(value).split())
    return repr(text[:80] + ("…" if len(text) > 80 else "")) if isinstance(value, str) else text[:80]
