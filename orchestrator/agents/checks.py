"""Named checks that a result passes before `finish` is accepted. Each returns sentences the agent can act on; none means passed.

A check compares a result with what really happened; taste is a judge's matter. Third parties register theirs under the
entry-point group `deputy.checks`: a function of the same signature, loaded when a spec first names it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeAlias

from connectors.families import FAMILIES
from connectors.spec import Json
from orchestrator.agents.evidence import SETTLED, CheckFacts, addresses_of, ids_of, records, texts
from orchestrator.agents.verdict import Verdict, judge_messages, parse_verdict
from orchestrator.errors import UsageError

Check: TypeAlias = Callable[[Json, CheckFacts], list[str]]

ENTRY_POINT_GROUP = "deputy.checks"
MOST_PROBLEMS = 10  # told at once; the rest comes with the next attempt
CLAIMS: Mapping[str, frozenset[str]] = {  # word of a result → verbs (or whole names) of the tools that do it
    "sent": frozenset({"send", "reply", "forward", "post"}),
    "replied": frozenset({"reply"}),
    "answered": frozenset({"reply", "respond"}),
    "forwarded": frozenset({"forward"}),
    "posted": frozenset({"post", "send"}),
    "drafted": frozenset({"draft", "mail.create_draft"}),
    "created": frozenset({"create", "add"}),
    "booked": frozenset({"create", "book", "schedule"}),
    "scheduled": frozenset({"create", "schedule", "update"}),
    "invited": frozenset({"invite", "create", "update"}),
    "moved": frozenset({"update", "move", "reschedule"}),
    "rescheduled": frozenset({"update", "move", "reschedule"}),
    "updated": frozenset({"update", "edit", "set", "clear", "mark", "archive"}),
    "changed": frozenset({"update", "edit", "set", "clear", "mark"}),
    "cancelled": frozenset({"cancel", "delete"}),
    "canceled": frozenset({"cancel", "delete"}),
    "deleted": frozenset({"delete", "remove"}),
    "archived": frozenset({"archive"}),
    "accepted": frozenset({"respond", "accept"}),
    "declined": frozenset({"respond", "decline"}),
}
_VERBS = frozenset().union(*CLAIMS.values())
_STATUS = ("status", "state")
_TOLD = ("not_done", "failed", "failures", "problems", "open", "not_possible", "errors")
_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?"
    r"(?P<offset>Z|[+-]\d\d:?\d\d| ?\(?(?:UTC|GMT|[A-Z]\w+/[A-Z]\w+))?"
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def run(wanted: Iterable[str], result: Json, facts: CheckFacts) -> list[str]:
    """Problems of all these checks, in order. Raises UsageError for a name nobody registered.

    A check that fails itself counts as a problem: a result nobody could check is not accepted.
    """
    problems: list[str] = []
    for name in wanted:
        check = get(name)
        try:
            problems += check(result, facts)
        except Exception as error:  # other people's code; the cause is its type, its text may hold contents
            problems.append(f"The check {name} could not be made ({type(error).__name__}).")
    return problems[:MOST_PROBLEMS]


def get(name: str) -> Check:
    """The check of that name; "covers:FIELD" and its like take what stands after the colon. Raises UsageError."""
    plain, colon, argument = name.partition(":")
    if colon and plain in WITH_ARGUMENT and argument:
        return WITH_ARGUMENT[plain](argument)
    if not colon and plain in CHECKS:
        return CHECKS[plain]
    if name in _registered():
        return _loaded(name)
    near = difflib.get_close_matches(name, names(), 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names())}"
    raise UsageError(f"there is no check {name!r}", fix=hint)


def is_known(name: str) -> bool:
    """Whether `get` would find it; loads nothing."""
    plain, colon, argument = name.partition(":")
    return (plain in WITH_ARGUMENT and bool(argument)) if colon and plain in WITH_ARGUMENT else name in _plain_names()


def names() -> list[str]:
    """All names, sorted, ours and registered ones; with an argument as "covers:FIELD"."""
    return sorted({*_plain_names(), *(f"{name}:FIELD" for name in WITH_ARGUMENT)})


# --- the checks ---------------------------------------------------------------------------------------------------


def not_empty(result: Json, facts: CheckFacts) -> list[str]:
    """Something is said at all: one text, number or true/false anywhere."""
    return [] if _has_value(result) else ["The result is empty: give what was asked for, or say why it is not there."]


def no_open_children(result: Json, facts: CheckFacts) -> list[str]:
    """Every task that was started has ended."""
    still = [str(child.get("item_id")) for child in facts.children if child.get("state") not in SETTLED]
    return [f"These tasks have not ended: {', '.join(still)}. Wait for them, or cancel them."] if still else []


def names_only_real_ids(result: Json, facts: CheckFacts) -> list[str]:
    """Every id in the result was given to the agent or came back from a tool."""
    return [
        f"The id {one!r} occurs in nothing that was read or done. Look it up, or leave it out."
        for one in ids_of(result)
        if one not in facts.known_ids and one.lower() not in facts.known_addresses
    ]


def addresses_are_known(result: Json, facts: CheckFacts) -> list[str]:
    """Every address in the result stands in the request, the packet or a tool's answer."""
    return [
        f"The address {one!r} occurs in nothing that was given or read. Look the person up, or leave it out."
        for one in addresses_of(result)
        if one.lower() not in facts.known_addresses
    ]


def times_have_offset(result: Json, facts: CheckFacts) -> list[str]:
    """A date with a time of day says its offset from UTC."""
    return [
        f"{found.group()!r} has no offset: write it as in {facts.now.isoformat(timespec='minutes')}."
        for _, text in texts(result)
        for found in _INSTANT.finditer(text)
        if found["offset"] is None
    ]


def times_are_ahead(result: Json, facts: CheckFacts) -> list[str]:
    """Instants under start, due or when, or a name ending so, lie in the future: for agents that propose or book times."""
    return [
        f"{key} {text!r} lies in the past: it is {facts.now.isoformat(timespec='minutes')} now."
        for key, text in texts(result)
        if key.rpartition("_")[2] in ("start", "due", "when")
        and (instant := _instant(text)) is not None
        and instant < facts.now
    ]


def claims_match_effects(result: Json, facts: CheckFacts) -> list[str]:
    """What the result says was done is backed by effects that were: "sent": true, "created": 2, "status": "cancelled" …

    Where a record or a list names addresses or ids, such an effect must carry them. A task of the agent's own whose output
    says the same counts, if it is done. Prose is not read.
    """
    problems = []
    for record in records(result):
        for word, key, value in _claims(record):
            if why := _unbacked(record, value, _backing(word, facts)):
                problems.append(f"The result says {key}: {value!r}"[:120] + f", but {why}. Do it, or say what is true.")
    return problems


def tells_failures(result: Json, facts: CheckFacts) -> list[str]:
    """Where a task or an effect did not succeed, the result says something under not_done, failed, problems or open."""
    failed = [str(child.get("item_id")) for child in facts.children if child.get("state") in SETTLED - {"done"}]
    made_good: set[str] = set()  # tools whose failed attempt was followed by one that succeeded
    for effect in reversed(facts.effects):
        tool, state = str(effect["tool"]), effect.get("state")
        if state == "done":
            made_good.add(tool)
        elif state == "unknown" or (state == "failed" and tool not in made_good):
            failed.append(tool)
    told = any(_has_value(record[key]) for record in records(result) for key in _TOLD if key in record)
    if not failed or told:
        return []
    return [f"These did not succeed: {', '.join(failed)}. Say so in the result, e.g. under not_done."]


def covers(argument: str) -> Check:
    """A check that every entry of the packet's list of that name ("rows", or "context.rows") is dealt with in the result.

    An entry is covered where its text, or for a record its id, stands in the result as a value or within a text.
    """

    def check(result: Json, facts: CheckFacts) -> list[str]:
        entries = _at(facts.packet, argument)
        if not isinstance(entries, list | tuple):
            return [f"The packet has no list {argument!r} to compare with."]
        said = [text for _, text in texts(result)]
        missing = [mark for mark in map(_mark, entries) if not any(_stands_in(mark, text) for text in said)]
        return [f"Nothing is said about {mark!r}, which is on the list {argument!r}." for mark in missing]

    return check


CHECKS: Mapping[str, Check] = {
    "addresses_are_known": addresses_are_known,
    "claims_match_effects": claims_match_effects,
    "names_only_real_ids": names_only_real_ids,
    "no_open_children": no_open_children,
    "not_empty": not_empty,
    "tells_failures": tells_failures,
    "times_are_ahead": times_are_ahead,
    "times_have_offset": times_have_offset,
}
WITH_ARGUMENT: Mapping[str, Callable[[str], Check]] = {"covers": covers}


# --- how they look ------------------------------------------------------------------------------------------------


def _claims(record: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    """(word, field, value) of everything one record says was done. A date under such a word is a fact of the record."""
    found: list[tuple[str, str, Any]] = []
    for key, value in record.items():
        if key in _STATUS and isinstance(value, str) and value.lower() in CLAIMS:
            found.append((value.lower(), key, value))
        word = key.lower().removesuffix("_count").removeprefix("is_").removeprefix("was_")
        if word in CLAIMS and value and not (isinstance(value, str) and _DATE.match(value)):
            found.append((word, key, value))
    return found


def _does(tool: str, word: str) -> bool:
    """Whether a tool of that name does what the word says. One of no family of ours gets the benefit of the doubt."""
    family, _, name = tool.lower().partition(".")
    if family in FAMILIES:
        return tool in CLAIMS[word] or name.partition("_")[0] in CLAIMS[word]
    verbs = {part for part in re.split(r"[^a-z]+", tool.lower()) if part in _VERBS}
    return bool(verbs & CLAIMS[word]) or not verbs


@dataclass(frozen=True, slots=True)
class _Backing:
    """One thing that was done: an effect, or what a task of the agent's own says it did, `times` over."""

    texts: frozenset[str]  # in small letters
    addresses: frozenset[str]
    times: int
    is_silent: bool  # names nobody and nothing, so that it may stand for anybody

    @classmethod
    def of(cls, value: Any, named_by: Any, times: int = 1) -> _Backing:
        addresses = frozenset(one.lower() for one in addresses_of(named_by))
        silent = not addresses and not ids_of(value)
        return cls(frozenset(text.lower() for _, text in texts(value)), addresses, times, silent)

    def carries(self, named: Sequence[str]) -> bool:
        return any(one.lower() in text for one in named for text in self.texts)


def _backing(word: str, facts: CheckFacts) -> list[_Backing]:
    """What was done of the kind the word says."""
    done = [effect for effect in facts.effects if effect.get("state") == "done" and _does(str(effect["tool"]), word)]
    found = [
        replace(_Backing.of([effect.get("args"), effect.get("result")], effect.get("args")), is_silent=False)
        for effect in done
    ]
    for child in facts.children:
        output = child.get("output") if child.get("state") == "done" else None
        values = [value for record in records(output) for said, _, value in _claims(record) if said == word]
        if values:
            times = sum(value if type(value) is int else 1 for value in values)
            found.append(_Backing.of(output, output, times))
    return found


def _unbacked(record: Mapping[str, Any], value: Any, done: Sequence[_Backing]) -> str:
    """Why these do not back the claim; "" where they do."""
    if not done:
        return "nothing of that kind was done"
    if isinstance(value, list | tuple):
        wanted = [
            [*addresses_of(entry), *ids_of(entry)] or ([entry] if isinstance(entry, str) else []) for entry in value
        ]
    elif type(value) is int:
        most = max(sum(one.times for one in done), len(frozenset().union(*(one.addresses for one in done))))
        return f"it was done {most} times" if value > most else ""
    else:
        wanted = [_names_in(record)]
    for named in wanted:
        if named and not any(one.is_silent or one.carries(named) for one in done):
            return f"no such effect carried {named[0]!r}"
    return ""


def _names_in(record: Mapping[str, Any]) -> list[str]:
    """Addresses and ids that stand in the record itself, not in what is nested in it."""
    flat: dict[str, Json] = {
        key: value for key, value in record.items() if not isinstance(value, Mapping | list | tuple)
    }
    return [*addresses_of(flat), *ids_of(flat)]


def _has_value(value: Json) -> bool:
    if isinstance(value, Mapping):
        return any(_has_value(below) for below in value.values())
    if isinstance(value, list | tuple):
        return any(_has_value(below) for below in value)
    return bool(value.strip()) if isinstance(value, str) else value is not None


def _instant(text: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant if instant.tzinfo is not None else None


def _at(value: Mapping[str, Any], path: str) -> Any:
    here: Any = value
    for part in path.split("."):
        here = here.get(part) if isinstance(here, Mapping) else None
    return here


def _mark(entry: Any) -> str:
    """What an entry is recognised by: its id, address, name or title; else its text."""
    if isinstance(entry, Mapping):
        ids = [value for key, value in entry.items() if key == "id" or key.endswith("_id")]
        others = [entry[key] for key in ("address", "name", "title", "subject") if key in entry]
        return str(next(iter([*ids, *others]), entry))
    return str(entry)


def _stands_in(mark: str, text: str) -> bool:
    """Whole, so that "task 1" is not taken for covered by "task 12"."""
    return re.search(rf"(?<!\w){re.escape(mark)}(?!\w)", text, re.IGNORECASE) is not None


@lru_cache(maxsize=1)
def _registered() -> Mapping[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}


def _plain_names() -> set[str]:
    return {*CHECKS, *_registered()}


@lru_cache(maxsize=64)
def _loaded(name: str) -> Check:
    point = _registered()[name]
    try:
        check = point.load()
    except Exception as error:
        raise UsageError(
            f"the check {name!r} cannot be loaded from {point.value}: {type(error).__name__}",
            fix="reinstall its package",
        ) from error
    if not callable(check):
        raise UsageError(
            f"the check {name!r} ({point.value}) is no function", fix="register a function (result, facts)"
        )
    found: Check = check
    return found


__all__ = [
    "CHECKS",
    "Check",
    "CheckFacts",
    "Verdict",
    "get",
    "is_known",
    "judge_messages",
    "names",
    "parse_verdict",
    "run",
]
