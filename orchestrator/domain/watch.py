"""What a run does, counted, and whether that leaves what runs before it did. Pure.

A measure is odd above `limit(its history)`: twice the upper quartile, and at least two more than it. What never happened in a
long enough history is odd the first time. Nothing is odd below `LEAST` runs of history: an order that is new has no habits yet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

LEAST = 5
MOST = 20  # the latest runs that count
_ADDRESS = re.compile(r"[\w.+'-]+@[\w-]+(?:\.[\w-]+)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What one run did, its tree included. `tools`: effects by tool; `outside`: different people outside that they named."""

    tools: Mapping[str, int] = field(default_factory=dict)
    outside: int = 0
    reads: int = 0

    def as_json(self) -> dict[str, Any]:
        return {"tools": dict(self.tools), "outside": self.outside, "reads": self.reads}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Counts:
        return cls(tools=dict(told["tools"]), outside=int(told["outside"]), reads=int(told["reads"]))


def limit(values: Sequence[int]) -> int:
    """The most that is usual, given the same measure of earlier runs."""
    ordered = sorted(values)
    if not ordered or ordered[-1] == 0:
        return 0
    upper = ordered[(3 * (len(ordered) - 1) + 3) // 4]
    return max(2 * upper, upper + 2)


def odd(now: Counts, history: Sequence[Counts]) -> str:
    """One sentence on the first measure that leaves the history; empty when none does."""
    if len(history) < LEAST:
        return ""
    count = len(history)
    for tool, number in sorted(now.tools.items()):
        before = [one.tools.get(tool, 0) for one in history]
        if number > limit(before):
            return f"{number} × {tool}; the last {count} runs did {_span(before)}"
    for number, before, what in (
        (now.outside, [one.outside for one in history], "people outside"),
        (now.reads, [one.reads for one in history], "reads"),
    ):
        if number > limit(before):
            return f"{number} {what}; the last {count} runs had {_span(before)}"
    return ""


def outside(texts: Iterable[Any], is_inside: Callable[[str], bool]) -> frozenset[str]:
    """Addresses anywhere in these arguments that belong to nobody inside."""
    found = {match.casefold() for value in texts for text in _strings(value) for match in _ADDRESS.findall(text)}
    return frozenset(address for address in found if not is_inside(address))


def _span(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return "none" if high == 0 else str(low) if low == high else f"{low}–{high}"


def _strings(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)
