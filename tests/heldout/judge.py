"""Judges what was made of one request against its expectation, from outside: the answer of the routing, slot by slot.

It knows the slots of the held-out file, not how the product finds them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any

from orchestrator.workflows.route import NotRouted, Routed
from orchestrator.workflows.values import SlotValue
from tests.heldout import readings
from tests.heldout.worlds import Filled, World, fold

Row = Mapping[str, Any]

# The held-out file's name of a slot, where the workflow's own differs.
RENAMED = {("forward-invoice", "person"): "sender"}
DEFAULTS: Mapping[tuple[str, str], Any] = {("follow-up-unanswered", "days"): 3}
DEFAULT_MINUTES = 30
FROM_REQUEST = "request"
FILLER = frozenset({"the", "my", "our", "meeting", "appointment"})


class Did(Enum):
    """What was done with a request."""

    RAN = "ran"
    ASKED = "asked"
    ABSTAINED = "abstained"


class Verdict(Enum):
    """How that compares with the expectation. Only WRONG_RUN does something that was not asked for."""

    RIGHT_RUN = "right run"
    RIGHT_ASK = "right question"
    RIGHT_ABSTAIN = "right abstention"
    MISSED = "missed"
    ASKED_NEEDLESSLY = "asked needlessly"
    ASKED_WRONGLY = "asked wrongly"
    WRONG_RUN = "wrong run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """`problems`: what makes it wrong, or, for a right question, which known slots it has wrong."""

    did: Did
    verdict: Verdict
    workflow: str | None
    problems: Sequence[str] = ()


def did(answer: Routed | NotRouted) -> Did:
    if isinstance(answer, NotRouted):
        return Did.ABSTAINED
    return Did.ASKED if open_slots(answer) else Did.RAN


def open_slots(answer: Routed) -> set[str]:
    """Slots for which a question comes before anything else happens."""
    missing = set((answer.match or {}).get("missing") or ())
    return missing | {slot.name for slot in answer.slots if slot.value is None and (slot.choices or slot.ask)}


def judge(row: Row, filled: Filled, world: World, answer: Routed | NotRouted) -> Judgement:
    """One request's verdict."""
    done = did(answer)
    workflow = None if isinstance(answer, NotRouted) else answer.workflow.name
    problems: list[str] = []
    if isinstance(answer, NotRouted):
        verdict = Verdict.RIGHT_ABSTAIN if row["expect"] == "abstain" else Verdict.MISSED
    elif workflow != row["workflow"]:
        verdict = Verdict.WRONG_RUN if done is Did.RAN else Verdict.ASKED_WRONGLY
        problems = ["no workflow may run" if row["workflow"] is None else "another workflow"]
    elif done is Did.RAN:
        problems = slot_problems(row, filled, world, answer)
        if row["expect"] == "ask":
            problems.insert(0, "runs without the question")
        verdict = Verdict.WRONG_RUN if problems else Verdict.RIGHT_RUN
    elif row["expect"] == "run":
        verdict, problems = Verdict.ASKED_NEEDLESSLY, [f"asks for {sorted(open_slots(answer))}"]
    else:
        needless = open_slots(answer) - _doubtful(row, answer)
        problems = [f"asks for {sorted(needless)}"] if needless else slot_problems(row, filled, world, answer)
        verdict = Verdict.ASKED_WRONGLY if needless else Verdict.RIGHT_ASK
    return Judgement(did=done, verdict=verdict, workflow=workflow, problems=problems)


def _doubtful(row: Row, answer: Routed) -> set[str]:
    """Slots that a question may be about: not said at all, or said with a doubtful name."""
    known = {_own_name(row, name) for name, value in row["slots"].items() if not re.search(r"\{[AX]1\}", str(value))}
    return {slot for slot in answer.workflow.slots if slot not in known}


def _own_name(row: Row, name: str) -> str:
    return RENAMED.get((row["workflow"], name), name)


def slot_problems(row: Row, filled: Filled, world: World, answer: Routed) -> list[str]:
    """What is wrong with the slots, one sentence each; slots that are still to be asked for are left out."""
    got = {slot.name: slot for slot in answer.slots}
    waiting = open_slots(answer)
    expected = {_own_name(row, name): value for name, value in row["slots"].items()}
    found: list[str] = []
    if {"start", "end"} <= set(expected) and "start" in answer.workflow.slots:
        found += _absence(expected, got, world)
    for name in answer.workflow.slots:
        if name in waiting or (name in ("start", "end") and {"start", "end"} <= set(expected)):
            continue
        slot = got.get(name)
        if name in expected:
            problem = _said(name, expected[name], slot, filled, world)
        else:
            problem = _unsaid(answer.workflow.name, name, slot, filled, world)
        if problem:
            found.append(problem)
    return found


def _said(name: str, words: Any, slot: SlotValue | None, filled: Filled, world: World) -> str | None:
    """What is wrong with a slot that the request fills."""
    value = None if slot is None else slot.value
    if slot is None or value is None:
        if name in ("minutes", "days") and words == (DEFAULT_MINUTES if name == "minutes" else 3):
            return None
        return f"{name}: said, and not taken up"
    if name in ("minutes", "days"):
        right = value == words
    elif name == "people":
        mine = {world.me.address}
        right = set(slot.refs) - mine == {ref for part in words for ref in _refs(part, filled)} - mine
    elif name in ("person", "sender", "cover", "approver"):
        right = tuple(slot.refs) == _refs(words, filled)
    elif name == "event":
        right = isinstance(value, Mapping) and _names_event(value, filled.say(words), world)
    elif name == "channel":
        right = str(value).lower() == filled.say(words).lower()
    elif name in ("title", "reason"):
        right = _plain(str(value)) == _plain(words)
    elif name == "window":
        right = any(span.holds(*_ends(value, world)) for span in readings.spans(words, world.now))
    elif name == "when":
        right = _when(value, words, world)
    elif name in ("since",):
        right = date.fromisoformat(str(value)) in readings.days_ago(words, world.now.date())
    else:
        right = date.fromisoformat(str(value)) in readings.days_ahead(words, world.now.date())
    return None if right else f"{name}: {words!r} became {value!r} ({', '.join(slot.refs)})"


def _unsaid(workflow: str, name: str, slot: SlotValue | None, filled: Filled, world: World) -> str | None:
    """What is wrong with a slot that the request leaves to its default."""
    if slot is None or slot.value is None:
        return None
    today = world.now.date()
    if name == "minutes":
        right = slot.value == DEFAULT_MINUTES
    elif name == "days":
        right = slot.value == DEFAULTS[workflow, name]
    elif name == "day":
        right = str(slot.value) == today.isoformat()
    elif name == "since":
        right = workflow == "channel-decisions" and date.fromisoformat(str(slot.value)) in readings.days_ago(
            "last 7 days", today
        )
    elif workflow == "welcome-colleague" and name == "channel":
        right = slot.value == "#general"
    elif workflow == "welcome-colleague" and name == "start":
        right = bool(slot.text) and slot.text.lower() in filled.text.lower()
    else:
        right = slot.source != FROM_REQUEST and name == "window"
    return None if right else f"{name}: not said, and became {slot.value!r} from {slot.text!r}"


def _absence(expected: Mapping[str, Any], got: Mapping[str, SlotValue], world: World) -> list[str]:
    pairs = readings.absences(expected["start"], expected["end"], world.now.date())
    values = [got[name].value if name in got else None for name in ("start", "end")]
    if None not in values and (date.fromisoformat(str(values[0])), date.fromisoformat(str(values[1]))) in pairs:
        return []
    return [f"start, end: {expected['start']!r}, {expected['end']!r} became {values}"]


def _refs(words: str, filled: Filled) -> tuple[str, ...]:
    return filled.refs[words.strip("{}")]


def _ends(value: Any, world: World) -> tuple[datetime, datetime]:
    zone = world.now.tzinfo
    start, end = (datetime.fromisoformat(value[name]).astimezone(zone) for name in ("start", "end"))
    return start, end


def _names_event(value: Mapping[str, Any], title: str, world: World) -> bool:
    """Whether the words, with the bounds in time that go with them, single out the meeting of that title in my calendar."""
    said = set(_core(str(value.get("words") or "")))
    bounds = [value.get(name) for name in ("start", "end")]
    after, before = (datetime.fromisoformat(bound) if bound else None for bound in bounds)
    meant = {
        fold(other)
        for other, start in world.calendar
        if start > world.now
        and said <= set(_core(other))
        and (after is None or start >= after)
        and (before is None or start < before)
    }
    return bool(said or after) and meant == {fold(title)}


def _when(value: Any, words: str, world: World) -> bool:
    if not isinstance(value, Mapping):
        return False
    if words == "next free":
        return value.get("kind") == "next_free"
    if value.get("kind") != "at" or not value.get("start"):
        return False
    return datetime.fromisoformat(value["start"]) in readings.moments(words, world.now)


def _plain(text: str) -> str:
    """For comparison: no case, no outer quotes, no final punctuation, straight apostrophes."""
    return fold(text.replace("’", "'")).strip(" \"'“”„.!?,;:")


def _core(text: str) -> list[str]:
    """The words of an event's name, without those that say only that it is one."""
    return [word for word in re.findall(r"[\w&'-]+", _plain(text)) if word not in FILLER]
