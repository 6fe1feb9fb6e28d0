"""Who may hear an answer: whether everybody in a place could have read all that the work behind the answer has read.

A question about an answer, not about a call: it lets no call pass and stops none. It is stricter than the gate, where a record
that names no readers excludes nobody, because other rules look at it too. Here such a record is its finder's alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from policies.manifest import Tool
from policies.people import COLLEAGUES
from policies.records import Record, split, take_apart
from policies.words import normal, strings

Readers: TypeAlias = frozenset[str]  # addresses as `words.normal` has them, or COLLEAGUES: everybody of the house
EVERY_COLLEAGUE: Readers = frozenset({COLLEAGUES})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place where an answer would stand. `listeners`: who reads it, each of them known and of the house.

    `is_public`: any other colleague may come in, and read what stands there.
    """

    listeners: frozenset[str]
    is_public: bool


def may_hear(read: Collection[Readers] | None, place: Place | None) -> bool:
    """Whether the place may have the answer. `read`: of everything that the work has read; None where not all of it is known."""
    # INVARIANT: what is not known is closed. Another record or another listener can only close a place, never open it.
    if read is None or place is None or not place.listeners:
        return False
    return all(_lets(readers, place) for readers in read)


def _lets(readers: Readers, place: Place) -> bool:
    return COLLEAGUES in readers or (not place.is_public and place.listeners <= readers)


def readers_of(
    tool: Tool, args: Mapping[str, Any], value: Any, *, is_inside: Callable[[str], bool]
) -> frozenset[Readers] | None:
    """Who can read what a call brought: a set for each kind of record in it. None where that is not known of every record.

    An answer without records is nobody else's: that there is nothing was found where only its finder looks.
    """
    output = tool.output
    # INVARIANT: only a read that says who can read it has readers; what an effect or a fetch brought has none.
    if tool.effect != "read" or any(args.get(name) is not None for name in output.own):
        return None
    if output.open_to == "colleagues":
        about_house = not output.open_about or _is_of_the_house(args.get(output.open_about), value, is_inside)
        return frozenset({EVERY_COLLEAGUE}) if about_house else None
    if not output.readers or output.open_to:
        return None
    entries = split(value, output.records)
    found: set[Readers] = set()
    for entry, record in zip(entries, take_apart(tool, args, value, found=False), strict=True):
        readers = _readers(tool, entry, record)
        if not readers:
            return None
        found.add(readers)
    return frozenset(found) or None


def _readers(tool: Tool, entry: Any, record: Record) -> Readers | None:
    if not isinstance(entry, Mapping) or record.secret or _is_kept(entry, tool):
        return None
    readers = frozenset(normal(one) for one in record.readers or ())
    # INVARIANT: every colleague is meant by a null alone, where one field lists all readers; by no text that somebody wrote.
    fields = tool.output.readers
    is_for_all = len(fields) == 1 and fields[0] in entry and entry[fields[0]] is None
    return readers if is_for_all or COLLEAGUES not in readers else None


def _is_kept(entry: Mapping[str, Any], tool: Tool) -> bool:
    """Whether its maker keeps a record to themselves, whoever it names: a draft, a private event; or that is not told."""
    return any(
        name not in entry or set(values) & {text.casefold() for text in strings(entry[name])}
        for name, values in tool.output.kept.items()
    )


def _is_of_the_house(asked: Any, value: Any, is_inside: Callable[[str], bool]) -> bool:
    """Whether an answer about people tells of colleagues only: an outsider's times were shown to the asker, if to anybody."""
    if not isinstance(value, Mapping) or not asked:
        return False
    untold = {normal(one) for one in strings(value.get("unknown"))}
    return all(normal(one) in untold or is_inside(normal(one)) for one in strings(asked))
