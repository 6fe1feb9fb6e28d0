"""Which workflow a request means, or none. Zero model calls, no I/O after loading.

A workflow runs only when all of this holds: its score and its lead over the next are high enough, every slot is filled (or asked
for) with its source, its kind of action comes first, and no word of the request is left that its examples, its slots or plain
politeness do not explain. Anything else is an abstention that says why. A match lowers no gate.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.domain.person import Person
from orchestrator.workflows import lexicon, parse
from orchestrator.workflows.definition import SlotType, Workflow
from orchestrator.workflows.existing import books, names_a_meeting
from orchestrator.workflows.lexicon import words
from orchestrator.workflows.mentions import Kind, Names, find
from orchestrator.workflows.rank import Evidence, Index, confidence, features
from orchestrator.workflows.reading import Reading, Sort, Token, read
from orchestrator.workflows.repair import Slip, corrected, near_a_mark, without_context, without_manners
from orchestrator.workflows.slots import Filling, Speaker, fill
from orchestrator.workflows.values import SlotValue

THRESHOLD = 0.5
ASKING = 0.85  # a slot is only asked for when the rest is this sure
MARGIN = 0.15
TIER = "lexical"

_MARKUP = re.compile(r"\{(\w+)(?:=([^}]*))?\}")
SAMPLE_NOW = datetime(2026, 3, 4, 9, 0, tzinfo=UTC)  # a Wednesday
_SAMPLE_NAMES = ("Dana Ruiz", "Omar Haddad", "Li Wei", "Priya Nair")
SAMPLE_PEOPLE = tuple(
    Person(address=f"{name.split()[0].lower()}@sample.example", name=name, team="Marketing", inside=True)
    for name in _SAMPLE_NAMES
)
SAMPLE_ME = Person(address="me@sample.example", name="Sam Sample", inside=True)
_MEETING_SLOTS = (SlotType.EVENT, SlotType.PEOPLE, SlotType.TEXT)
_SAMPLES = {
    SlotType.PEOPLE: "Dana and Omar",
    SlotType.MINUTES: "30 minutes",
    SlotType.NUMBER: "3 days",
    SlotType.DATE: "Monday",
    SlotType.DATE_RANGE: "next week",
    SlotType.WHEN: "Thursday at 10:00",
    SlotType.EVENT: "my budget meeting with Priya",
    SlotType.CHANNEL: "#finance",
    SlotType.TEXT: "pricing",
}


def spoken(example: str, workflow: Workflow) -> str:
    """An example as somebody would say it: {slot=words} becomes the words, {slot} a sample of its type."""
    names = iter(_SAMPLE_NAMES)

    def words(match: re.Match[str]) -> str:
        if match[2] is not None:
            return match[2]
        slot = workflow.slots.get(match[1])
        if slot is None or slot.type is SlotType.PERSON:
            return next(names, "Priya Nair").split()[0]
        if slot.type is SlotType.NUMBER and "days" not in match[1]:
            return "3"
        return _SAMPLES[slot.type]

    return _MARKUP.sub(words, example)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Run this workflow with these slots. `missing` names slots that will be asked for before anything else happens."""

    workflow: Workflow
    slots: tuple[SlotValue, ...]
    score: float
    threshold: float
    margin: float
    runner_up: str | None
    missing: tuple[str, ...] = ()
    why: tuple[str, ...] = ()
    tier: str = TIER

    @property
    def is_ready(self) -> bool:
        """Whether it can run at once: False while a slot is missing or ambiguous, that is, a question comes first."""
        return not self.missing and not any(slot.choices or (slot.ask and slot.value is None) for slot in self.slots)

    def as_json(self) -> dict[str, Any]:
        """The item document's `match`."""
        return _document(self.workflow.name, self.workflow.version, self)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoMatch:
    """Do not run anything: the nearest workflow, how near, and one sentence for each reason against it."""

    best: Workflow | None
    score: float
    threshold: float
    margin: float
    runner_up: str | None
    missing: tuple[str, ...] = ()
    why: tuple[str, ...] = ()
    tier: str = TIER

    @property
    def sentence(self) -> str:
        """All of it for a person."""
        if self.best is None:
            return "The library holds no workflow."
        return (
            f"No workflow fits surely. Nearest: {self.best.name} ({self.score:.2f}, needed {self.threshold:.2f}). "
            + " ".join(self.why)
        )

    def as_json(self) -> dict[str, Any]:
        """The item document's `match`."""
        best = self.best
        return _document(best.name if best else None, best.version if best else None, self)


def _document(name: str | None, version: str | None, found: Match | NoMatch) -> dict[str, Any]:
    return {
        "workflow": name,
        "version": version,
        "score": round(found.score, 3),
        "threshold": found.threshold,
        "margin": round(found.margin, 3),
        "runner_up": found.runner_up,
        "tier": found.tier,
        "missing": list(found.missing),
        "why": list(found.why),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a workflow's examples say about it. `cores`: for each example the meanings a request must have."""

    workflow: Workflow
    readings: tuple[Reading, ...]
    vocabulary: frozenset[str]
    cores: tuple[tuple[frozenset[str], ...], ...]
    licences: tuple[
        tuple[tuple[frozenset[str], ...], frozenset[str]], ...
    ]  # of each example: its actions, all its meanings
    objects: frozenset[
        tuple[str, str]
    ]  # (meaning of the first action, meaning of the first thing after it) of some example
    takes_meetings: bool  # has a slot that a meeting's title or kind can belong to
    books: bool  # makes a meeting, and cannot change one that is there
    openings: frozenset[str]  # meanings of the first action of some example; "" for an example without one


@dataclass(frozen=True, slots=True)
class Judged:
    """One workflow against one request."""

    profile: Profile
    filling: Filling
    evidence: Evidence
    reasons: tuple[str, ...]  # empty: structurally it fits

    @property
    def score(self) -> float:
        return confidence(self.evidence)


@dataclass(frozen=True)
class Library:
    """Parsed workflows and what is precomputed from their examples. `faults`: files that could not be used."""

    profiles: tuple[Profile, ...]
    index: Index
    faults: tuple[parse.BadWorkflow, ...] = ()
    files: Mapping[str, Path] = field(default_factory=dict)

    @classmethod
    def load(cls, dirs: Sequence[Path]) -> Library:
        """Every *.yaml of these folders, by name; a later folder's file replaces an earlier one of the same name.

        A file with faults is left out and reported in `faults`: one bad file must not stop the others.
        """
        workflows: dict[str, Workflow] = {}
        faults: list[parse.BadWorkflow] = []
        files: dict[str, Path] = {}
        for folder in dirs:
            for path in sorted(folder.glob("*.yaml")):
                try:
                    workflow = parse.load(path).workflow
                except parse.BadWorkflow as error:
                    faults.append(error)
                    continue
                workflows[workflow.name] = workflow
                files[workflow.name] = path
        library = cls.of(list(workflows.values()))
        return cls(library.profiles, library.index, tuple(faults), files)

    @classmethod
    def of(cls, workflows: Sequence[Workflow]) -> Library:
        profiles = tuple(profile(workflow) for workflow in workflows)
        return cls(profiles, Index.of({known.workflow.name: known.readings for known in profiles}))

    @property
    def workflows(self) -> tuple[Workflow, ...]:
        return tuple(known.workflow for known in self.profiles)

    def get(self, name: str) -> Workflow | None:
        return next((known.workflow for known in self.profiles if known.workflow.name == name), None)

    def judge(
        self, text: str, speaker: Speaker, channels: Sequence[str] = (), *, strangers: bool = False
    ) -> list[Judged]:
        """Every workflow against the request, likeliest first. `strangers`: names that the directory lacks are people too."""
        names = Names.of(speaker.people)
        mentions = find(text, names=names, now=speaker.now, zone=speaker.zone, channels=channels, strangers=strangers)
        return self._judged(without_context(read(text, mentions)), speaker)

    def _judged(self, reading: Reading, speaker: Speaker) -> list[Judged]:
        vector = self.index.vector(features(reading))
        judged = [
            _judge(known, reading, speaker, self.index.similarity(vector, known.workflow.name))
            for known in self.profiles
        ]
        return sorted(judged, key=lambda one: (bool(one.reasons), -one.score))

    def match(
        self, text: str, *, people: Sequence[Person], now: datetime, zone: str, me: Person, channels: Sequence[str] = ()
    ) -> Match | NoMatch:
        """The workflow to run, or why none. Pure; `channels`: names the requester may see, so that they need no "#"."""
        speaker = Speaker(people=people, now=now, zone=zone, me=me)
        text = without_manners(text, me)
        first = self._decide(self.judge(text, speaker, channels))
        if isinstance(first, Match):
            return first
        better, slips = text, list[Slip]()
        for _ in range(2):  # "Welcom Pryia": who is meant is clear once the verb is
            mentions = find(better, names=Names.of(people), now=now, zone=zone, channels=channels)
            better, more = corrected(read(better, mentions), people)
            slips += more
            if not more:
                break
        if slips:
            again = self._decide(self.judge(better, speaker, channels))
            if isinstance(again, Match):
                return _with_slips(again, slips)
        asked = self._decide(self.judge(better, speaker, channels, strangers=True))
        return _with_slips(asked, slips) if isinstance(asked, Match) and not asked.is_ready else first

    def _decide(self, judged: Sequence[Judged]) -> Match | NoMatch:
        if not judged:
            return NoMatch(best=None, score=0.0, threshold=THRESHOLD, margin=0.0, runner_up=None)
        best = judged[0]
        others = sorted(judged[1:], key=lambda one: -one.score)
        rivals = [one for one in others if not one.reasons]
        runner_up = rivals[0] if rivals else others[0] if others else None
        name = runner_up.profile.workflow.name if runner_up else None
        margin = best.score - (runner_up.score if runner_up else 0.0)
        reasons = list(best.reasons)
        if not reasons and best.score < THRESHOLD:
            reasons.append("It is worded unlike the workflow's examples.")
        if not reasons and best.filling.missing and best.score < ASKING:
            reasons.append(f"It does not say which {' and '.join(best.filling.missing)}.")
        if not reasons and rivals and margin < MARGIN:
            reasons.append(f"{name} fits as well.")
        workflow = best.profile.workflow
        if reasons:
            nearest = max(judged, key=lambda one: one.score) if best.reasons else best
            return NoMatch(
                best=nearest.profile.workflow,
                score=nearest.score,
                threshold=THRESHOLD,
                margin=margin,
                runner_up=name,
                missing=tuple(nearest.filling.missing),
                why=tuple(nearest.reasons or reasons),
            )
        order = list(workflow.slots)
        slots = tuple(sorted(best.filling.values.values(), key=lambda slot: order.index(slot.name)))
        return Match(
            workflow=workflow,
            slots=slots,
            score=best.score,
            threshold=THRESHOLD,
            margin=margin,
            runner_up=name,
            missing=tuple(best.filling.missing),
            why=(f"Worded like its examples ({best.evidence.similarity:.2f}); every word explained.",),
        )


def _with_slips(found: Match, slips: Sequence[Slip]) -> Match:
    """The match, with what was read as what in its reasons and in the words of the slots."""
    slots = found.slots
    for slip in slips:
        slots = tuple(
            replace(slot, text=slot.text.replace(slip.meant, f"{slip.typed} (read as {slip.meant})")) for slot in slots
        )
    why = (*found.why, *(f"{slip.typed!r} was read as {slip.meant!r}." for slip in slips))
    return replace(found, slots=slots, why=why)


# --- what the examples say --------------------------------------------------------------------------------------------------


def profile(workflow: Workflow) -> Profile:
    """Reads a workflow's examples as requests and collects what they make known."""
    speaker = Speaker(people=SAMPLE_PEOPLE, now=SAMPLE_NOW, zone="UTC", me=SAMPLE_ME)
    names = Names.of(SAMPLE_PEOPLE)
    readings: list[Reading] = []
    optional: list[bool] = []  # whether an example names somebody the workflow could do without
    places_used: list[set[int]] = []
    rest: list[list[Token]] = []  # of each example, what no slot explains
    for example in workflow.examples:
        text = spoken(example, workflow)
        reading = read(text, find(text, names=names, now=SAMPLE_NOW, zone="UTC"))
        filled = fill(workflow, reading, speaker, defaults=False)
        used = filled.used
        places_used.append(used)
        readings.append(reading)
        optional.append(any(_is_told(workflow, name) for name in filled.values))
        rest.append([token for place, token in enumerate(reading.tokens) if place not in used])
    clear = _cover([token.senses for tokens in rest for token in tokens if token.senses])
    vocabulary: set[str] = set()
    cores: list[tuple[frozenset[str], ...]] = []
    openings: set[str] = set()
    objects: set[tuple[str, str]] = set()
    licences: list[tuple[tuple[frozenset[str], ...], frozenset[str]]] = []
    for reading, tokens, tells, used in zip(readings, rest, optional, places_used, strict=True):
        core: dict[frozenset[str], None] = {}
        own: set[str] = set()
        for token in tokens:
            meanings = _meanings(token, clear)
            vocabulary |= meanings
            own |= meanings
            if token.sort in (Sort.ACTION, Sort.THING, Sort.MARK, Sort.UNKNOWN):
                core[frozenset(meaning.rstrip("+") for meaning in meanings)] = None
        actions = tuple(_meanings(token, clear) for token in tokens if token.sort is Sort.ACTION)
        licences.append((actions, frozenset(own)))
        if not any(token.sort is Sort.THING for token in tokens):
            # "Book {minutes} with {people}": without a noun the slots themselves are what makes the request
            places = {id(token) for token in tokens}
            for token in reading.tokens:
                if token.mention is not None and id(token) not in places:
                    core[frozenset({_kind(token)})] = None
        if tells:
            core[frozenset({"<who>"})] = None
        cores.append(tuple(core))
        first = reading.first_action
        openings |= _meanings(first, clear) if first else {""}
        objects |= _pairs(_meanings(first, clear) if first else {""}, _first_thing(reading, used), clear)
    return Profile(
        workflow=workflow,
        readings=tuple(readings),
        vocabulary=frozenset(vocabulary),
        cores=tuple(cores),
        licences=tuple(licences),
        takes_meetings=any(slot.type in _MEETING_SLOTS for slot in workflow.slots.values()),
        objects=frozenset(objects),
        books=books(workflow),
        openings=frozenset(openings),
    )


# Things that only colour the thing that follows.
_COLOURS = words(
    """
    last free unread team group calendar newcomer works-for-all sent-by-them absence same-time tell-attendees tell-time in-thread
    approver
    """
)


def _first_thing(reading: Reading, used: set[int]) -> Token | None:
    """What the first action acts on: the first thing after it that is no part of a slot and no mere colour."""
    first = reading.first_action
    for place, token in enumerate(reading.tokens):
        if first is not None and token.start < first.end:
            continue
        if token.sort is Sort.ACTION:
            return None
        if token.sort is Sort.THING and place not in used and not token.senses & _COLOURS:
            return token
    return None


def _pairs(actions: Iterable[str], thing: Token | None, clear: set[str]) -> set[tuple[str, str]]:
    meanings = {meaning.rstrip("+") for meaning in _meanings(thing, clear)} if thing is not None else {""}
    return {(action, meaning) for action in actions for meaning in meanings}


def _cover(senses: Sequence[frozenset[str]]) -> set[str]:
    """The fewest meanings that explain every word, greedily: what the workflow's ambiguous words have in common."""
    chosen = {sense for one in senses if len(one) == 1 for sense in one}
    left = [one for one in senses if not one & chosen]
    order = {sense: place for place, sense in enumerate([*lexicon.ACTIONS, *lexicon.THINGS])}
    while left:
        counts = Counter(sense for one in left for sense in one)
        best = min(counts, key=lambda sense: (-counts[sense], order.get(sense.rstrip("+"), 0), sense))
        chosen.add(best)
        left = [one for one in left if best not in one]
    return chosen


def _meanings(token: Token, clear: set[str]) -> frozenset[str]:
    """A token's meanings; of several, those that the workflow's clear words share. Always with its own word ("=word")."""
    if token.mention is not None:
        return frozenset(
            {f"#{token.mention.number}" if token.mention.kind is Kind.NUMBER else f"<{token.mention.kind.value}>"}
        )
    if token.sort in (Sort.FUNCTION, Sort.STOP):
        return frozenset()
    if token.sort is Sort.MARK:
        return frozenset({f"={token.word}"})
    shared = token.senses & clear if len(token.senses) > 1 else token.senses
    return frozenset({f"={token.word}", *shared})


# --- one workflow against one request -------------------------------------------------------------------------------------------


def _judge(known: Profile, reading: Reading, speaker: Speaker, similarity: float) -> Judged:
    filling = fill(known.workflow, reading, speaker)
    reasons: list[str] = []
    content = 0
    left: list[Token] = []
    licensed = _licensed(known, reading)
    for place, token in enumerate(reading.tokens):
        if token.sort in (Sort.FUNCTION, Sort.STOP):
            continue
        content += 1
        if place not in filling.used and not _is_known(token, known, licensed):
            left.append(token)
    core = max((_share(core, reading, filling) for core in known.cores), default=0.0)
    first = reading.first_action
    opening = {""} if first is None else {f"={first.word}", *first.senses}
    reasons += filling.problems
    if known.books and (meeting := names_a_meeting(reading)):
        reasons.append(f"{meeting!r} is a meeting that is already there.")
    if (mark := near_a_mark(reading)) is not None:
        reasons.append(f"{mark.text!r} may be a slip that turns the request around.")
    if left:
        reasons.append(_left_over(left))
    if core < 1.0:
        reasons.append("It does not say all that this workflow's requests say.")
    if not opening & known.openings and (first is None or reading.tokens.index(first) not in filling.used):
        reasons.append(f"{first.text!r} is not what this workflow does." if first else "It does not say what to do.")
    elif not _acts_on(known, opening, _first_thing(reading, filling.used)):
        reasons.append("What it acts on comes in another order than in this workflow's requests.")
    silent = [name for name in filling.missing if known.workflow.slots[name].ask is None]
    if silent:
        reasons.append(f"It does not say which {' and '.join(name.replace('_', ' ') for name in silent)}.")
    explained = 1 - len(left) / content if content else 0.0
    evidence = Evidence(similarity=similarity, explained=explained, core=core, refusals=len(reasons))
    return Judged(known, filling, evidence, tuple(_sentences(reasons)))


def _acts_on(known: Profile, opening: set[str], thing: Token | None) -> bool:
    """Whether some example's first action acts on the same kind of thing: "find a time about the mail", not "find the mail"."""
    if thing is None:
        return True
    meanings = {f"={thing.word}", *(sense.rstrip("+") for sense in thing.senses)}
    return any((action, meaning) in known.objects for action in opening for meaning in meanings)


def _licensed(known: Profile, reading: Reading) -> frozenset[str]:
    """What the request may say: the meanings of those examples whose every action it has.

    "meeting" is known to a welcome only together with "set up", since no example welcomes somebody to a meeting.
    """
    present: set[str] = set()
    for token in reading.tokens:
        if token.sort is Sort.ACTION:
            present |= {f"={token.word}", *token.senses}
    fitting = [meanings for actions, meanings in known.licences if all(action & present for action in actions)]
    return frozenset().union(*fitting)


def _is_known(token: Token, known: Profile, licensed: frozenset[str]) -> bool:
    if token.mention is not None:
        return token.mention.kind is Kind.NUMBER and f"#{token.mention.number}" in licensed
    if token.sort is Sort.MARK:
        return f"={token.word}" in licensed
    if f"={token.word}" in licensed:
        return True
    if "title" in token.senses and not known.takes_meetings:
        return False  # "the board" is somebody's meeting, and this workflow knows of none
    return bool(token.senses & licensed)


def _is_told(workflow: Workflow, name: str) -> bool:
    slot = workflow.slots[name]
    return slot.type is SlotType.PERSON and not slot.required and slot.default is None


def _kind(token: Token) -> str:
    assert token.mention is not None
    kind = token.mention.kind
    return "<who>" if kind in (Kind.PERSON, Kind.TEAM) else f"<{kind.value}>"


def _share(core: Sequence[frozenset[str]], reading: Reading, filling: Filling) -> float:
    """How much of an example's core the request has, 0..1."""
    if not core:
        return 1.0
    present: set[str] = set()
    if any(slot.type is SlotType.EVENT and slot.value is not None for slot in filling.values.values()):
        present.add("meeting")  # "the budget review" needs no further noun
    for place, token in enumerate(reading.tokens):
        if place in filling.used and token.mention is None:
            continue  # a word of a title or a reason says nothing about the wish itself
        present |= {_kind(token)} if token.mention is not None else set()
        present |= {f"={token.word}", *(sense.rstrip("+") for sense in token.senses)}
    return sum(1 for meanings in core if meanings & present) / len(core)


def _left_over(left: Sequence[Token]) -> str:
    words = [repr(token.text) for token in left[:4]]
    return f"{', '.join(words)} {'has' if len(words) == 1 else 'have'} no place in this workflow."


def _sentences(reasons: Sequence[str]) -> list[str]:
    return [reason if reason.endswith(".") else reason + "." for reason in reasons]
