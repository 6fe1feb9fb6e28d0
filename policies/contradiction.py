"""Where the request determines one person, object, time, amount or choice, and a call has another one.

Only what the words settle outright counts: "next week" settles no day, "the client" no person. Each finding is a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from policies.grants import answers
from policies.labels import Memory
from policies.manifest import Arg, Tool
from policies.request import Wish, wishes
from policies.words import (
    EMAIL,
    RELATIVE_TIME,
    clock_times,
    days,
    durations,
    instant,
    normal,
    numbers,
    plain,
    stem,
    strings,
    tokens,
)

_GROUP = frozenset(
    "everyone everybody team participants attendees members users people group manager boss client customer colleague colleagues each all others "
    "same both them those who whoever sender author organizer organiser recipients guests user person".split()
)


def find(tool: Tool, args: Mapping[str, Any], memory: Memory, receivers: Sequence[str]) -> list[str]:
    """`receivers`: everybody the call would reach, those already on the object included."""
    meant = [
        wish
        for wish in wishes(memory.own_text)
        if tool.effect in wish.effects and (not wish.nouns or answers(tool) & set(wish.nouns))
    ]
    found = [sentence for wish in meant if wish.forbids for sentence in _forbidden(wish, memory, receivers)]
    wanted = [wish for wish in meant if not wish.forbids]
    if not wanted:
        return found
    text = "\n".join(wish.text for wish in wanted)
    single = not any(wish.plural for wish in wanted)
    found += _other_person(text, memory, receivers) if single else []
    found += _other_address(text, memory, receivers)
    found += _other_object(tool, args, memory, single)
    found += _other_time(tool, args, text, memory)
    found += _other_amount(tool, args, text)
    found += _other_choice(tool, args, text)
    return found


def _forbidden(wish: Wish, memory: Memory, receivers: Sequence[str]) -> list[str]:
    own = wish.text
    named = _people_in(own, memory)
    reached = {normal(receiver) for receiver in receivers}
    if named and not named & reached and reached:
        return []
    return [f"the request says not to {wish.verb}"]


def _people_in(text: str, memory: Memory) -> set[str]:
    found = {normal(address) for address in EMAIL.findall(text)}
    bare = tuple(token.removesuffix("'s").removesuffix("’s") for token in tokens(text))
    return found | set(memory.directory.said(bare))


def _other_person(text: str, memory: Memory, receivers: Sequence[str]) -> list[str]:
    """The words name whom to reach, and the call reaches none of them."""
    if not receivers or set(tokens(text)) & _GROUP:
        return []
    reached = {normal(receiver) for receiver in receivers}
    named = _people_in(text, memory)
    if named and not named & reached and not any(memory.level(receiver).number >= 3 for receiver in receivers):
        return ["the request names somebody else to reach"]
    if not named and all("@" not in receiver for receiver in receivers):  # handles, as chat workspaces have them
        handles = set(tokens(text))
        capital = {token.strip("'\"").lower() for token in text.split() if token[:1].isupper()} & _known_handles(memory)
        if capital and not handles & reached and not any(memory.level(receiver).number >= 3 for receiver in receivers):
            return ["the request names somebody else to reach"]
    return []


def _other_address(text: str, memory: Memory, receivers: Sequence[str]) -> list[str]:
    """The prose that holds an address holds another one that carries the name of whom the words, or the call, name."""
    named = _names_in(text) | {
        normal(receiver) for receiver in receivers if "@" not in receiver and len(receiver) > 2
    }  # the call's own name
    for receiver in receivers:
        if "@" not in receiver or memory.level(receiver).number != 1 or _carries(receiver, named):
            continue
        for record in memory.in_text(receiver):
            if any(_carries(other, named) for prose in record.texts for other in EMAIL.findall(prose)):
                return ["the same text holds an address that fits the name in the request better"]
    return []


def outdone(addresses: Sequence[str], memory: Memory) -> set[str]:
    """Addresses that only prose holds, next to one that fits a name in the request better: for a case that will not see
    the prose. Where no call says which wish it serves, each wish counts."""
    found = set()
    for wish in wishes(memory.own_text) if addresses else ():
        named = set() if wish.forbids else _names_in(wish.text)
        for address in addresses:
            if named and not _carries(address, named):
                others = (
                    other
                    for record in memory.in_text(address)
                    for prose in record.texts
                    for other in EMAIL.findall(prose)
                )
                if any(_carries(other, named) for other in others):
                    found.add(address)
    return found


def _names_in(text: str) -> set[str]:
    return {token.lower() for token in re.findall(r"\b[A-Z][a-z]{2,}\b", text)}


def _carries(address: str, names: set[str]) -> bool:
    local = normal(address).partition("@")[0]
    return any(name in local for name in names)


def _known_handles(memory: Memory) -> set[str]:
    return {value for record in memory.records for value in (*record.ids, *record.attested) if "@" not in value}


def _other_object(tool: Tool, args: Mapping[str, Any], memory: Memory, single: bool) -> list[str]:
    """The words single out a record of this kind, and the call acts on another one."""
    if tool.record is None or not single or tool.effect in ("send", "create"):
        return []
    ids = strings(args.get(tool.record))
    if not ids or any(memory.level(value).number >= 3 for value in ids):
        return []
    meant = [
        record
        for at, record in enumerate(memory.records)
        if record.collection == (tool.collection or tool.kind)
        and not record.own
        and memory.is_designated(at)
        and memory.is_named(record)
    ]
    return ["the request names another record to act on"] if meant else []


def _other_time(tool: Tool, args: Mapping[str, Any], text: str, memory: Memory) -> list[str]:
    """Only the first time argument given is compared: it says when; the others follow from it."""
    times = [arg for arg in tool.args_of("time") if args.get(arg.name) is not None]
    moments = [(arg, moment) for arg in times if (moment := instant(args[arg.name])) is not None]
    if not moments:
        return []
    found: list[str] = []
    arg, moment = moments[0]
    zone = _zone(args)
    local = moment.astimezone(zone) if zone is not None and moment.tzinfo is not None else moment
    known_clock = moment.tzinfo is None or zone is not None
    own = memory.own_text  # a later word ("45 minutes", "Tuesday instead") is no wish by itself, and yet the user's own
    said = days(text, memory.today) and days(own, memory.today)
    relative = RELATIVE_TIME.search(_without_days(text)) is not None
    if said and not relative and not any(day.is_near(local.date(), 0 if known_clock else 1) for day in said):
        found.append(f"the request says another day than {arg.name}")
    clock = clock_times(text) and clock_times(own)
    if (
        clock
        and said
        and not relative
        and known_clock
        and "T" in str(args[arg.name]).replace(" ", "T")
        and (local.hour, local.minute) not in clock
    ):
        found.append(f"the request says another time of day than {arg.name}")
    lengths = durations(text)
    if len(lengths) == 1 and tool.effect == "create" and len(moments) == 2 and not relative:
        minutes = _minutes_between(moment, moments[1][1])
        if minutes is not None and minutes > 0 and minutes not in durations(own):
            found.append("the request says another length")
    return found


def _without_days(text: str) -> str:
    return text.replace("May ", "").replace("Sat ", "")


def _zone(args: Mapping[str, Any]) -> tzinfo | None:
    for name in ("zone", "time_zone", "timezone"):
        if isinstance(args.get(name), str):
            try:
                return ZoneInfo(str(args[name]))
            except (KeyError, ValueError, OSError):
                return None
    return None


def _minutes_between(start: datetime, end: datetime) -> int | None:
    if (start.tzinfo is None) != (end.tzinfo is None):
        return None
    return round((end - start).total_seconds() / 60)


def _other_amount(tool: Tool, args: Mapping[str, Any], text: str) -> list[str]:
    said = {plain(number) for number in numbers(text)}
    for arg in tool.args_of("amount"):
        if said and args.get(arg.name) is not None and plain(args[arg.name]) not in said:
            return [f"the request says another amount than {arg.name}"]
    return []


def _other_choice(tool: Tool, args: Mapping[str, Any], text: str) -> list[str]:
    found = []
    said = {stem(token) for token in tokens(text)}
    for arg in tool.args.values():
        if arg.choices and arg.role == "pick" and isinstance(args.get(arg.name), str):
            picked = _choice_said(arg, said)
            if len(picked) == 1 and args[arg.name] not in picked and not said & {"not", "don't", "dont"}:
                found.append(f"the request says {picked[0]} for {arg.name}")
    return found


def _choice_said(arg: Arg, said: set[str]) -> list[str]:
    return [choice for choice in arg.choices if stem(choice.lower()) in said]
