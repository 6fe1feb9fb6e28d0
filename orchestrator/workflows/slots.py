"""Fills a workflow's slots from a request's mentions, each with its source and the very words; reads answers; refines by a nudge.

Pure. Nothing is guessed: two people of one name become a question, a mention without a place in the workflow stays unused, and
whatever is unused makes the matcher abstain.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from connectors.spec import Json
from orchestrator.domain.person import Person
from orchestrator.workflows.definition import Slot, SlotType, Workflow
from orchestrator.workflows.mentions import Kind, Mention, Names, find, plain
from orchestrator.workflows.moments import WEEKDAYS, Moment
from orchestrator.workflows.reading import Reading, Sort, Token, read
from orchestrator.workflows.values import Choice, SlotValue, choose, find_person

TARGET_CUES = frozenset({"to", "until", "till", "for", "into", "onto"})
_REASONS = frozenset({"because", "since", "as", "due", "saying", "reason", "let", "tell", ","})
_SUBJECTS = frozenset({"i", "we", "i'm", "we're", "i've", "we've"})
# Things that a title may hold besides words nobody explains; a mail, an invoice, a decision is a wish of its own.
TOPIC_THINGS = frozenset({"title", "meeting", "team", "group", "brief", "welcome", "day"})


@dataclass(slots=True)
class Filling:
    """What the slots got. `used`: places of tokens that a value explains; `problems`: why the request does not fit."""

    values: dict[str, SlotValue] = field(default_factory=dict)
    used: set[int] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """Whose words are read, when, and among whom."""

    people: Sequence[Person]
    now: datetime
    zone: str
    me: Person
    understood: dict[tuple[SlotType, str], tuple[Json, tuple[str, ...]] | None] = field(
        default_factory=dict, compare=False, repr=False
    )  # defaults read so far: the same words stand in many workflows

    @property
    def local_now(self) -> datetime:
        return self.now.astimezone(ZoneInfo(self.zone))


def fill(workflow: Workflow, reading: Reading, speaker: Speaker, *, defaults: bool = True) -> Filling:
    """Every slot that the request (or, with `defaults`, a default) fills."""
    return _Filler(workflow, reading, speaker, defaults).filling()


class _Filler:
    def __init__(self, workflow: Workflow, reading: Reading, speaker: Speaker, defaults: bool) -> None:
        self.defaults = defaults
        self.workflow, self.reading, self.speaker = workflow, reading, speaker
        self.out = Filling()
        self.event_moments: list[tuple[int, Moment]] = []

    def filling(self) -> Filling:
        slots = self.workflow.slots
        self.texts()
        for name, slot in slots.items():
            if slot.type is SlotType.CHANNEL:
                self.channel(name)
            elif slot.type is SlotType.MINUTES:
                self.counted(name, Kind.MINUTES)
            elif slot.type is SlotType.NUMBER:
                if "days" in name:
                    self.days(name)
                else:
                    self.counted(name, Kind.NUMBER)
        for name, slot in sorted(slots.items(), key=lambda pair: not pair[1].cues):
            if slot.type is SlotType.PERSON:
                self.person(name, slot)
        for name, slot in slots.items():
            if slot.type is SlotType.PEOPLE:
                self.group(name, slot)
        self.times()
        for name, slot in slots.items():
            if slot.type is SlotType.EVENT:
                self.event(name)
        self.repeats()
        for name, slot in slots.items():
            if name not in self.out.values:
                self.default(name, slot)
        if self.workflow.one_of and not any(name in self.out.values for name in self.workflow.one_of):
            self.out.missing.append(self.workflow.one_of[0])
        return self.out

    # --- helpers ------------------------------------------------------------------------------------------------------

    def tokens(self, *kinds: Kind) -> list[tuple[int, Token, Mention]]:
        """Unused mentions of these kinds, with their places."""
        return [
            (place, token, token.mention)
            for place, token in enumerate(self.reading.tokens)
            if token.mention is not None and token.mention.kind in kinds and place not in self.out.used
        ]

    def put(
        self, name: str, value: Json, *places: int, source: str = "request", refs: tuple[str, ...] = (), text: str = ""
    ) -> None:
        self.out.used.update(places)
        if not text and places:
            text = self.reading.text[self.reading.tokens[min(places)].start : self.reading.tokens[max(places)].end]
        self.out.values[name] = SlotValue(
            name=name, type=self.workflow.slots[name].type, value=value, source=source, refs=refs, text=text
        )

    def channel(self, name: str) -> None:
        found = self.tokens(Kind.CHANNEL)
        if len(found) == 1:
            self.put(name, found[0][2].words, found[0][0])

    def counted(self, name: str, kind: Kind) -> None:
        found = self.tokens(kind)
        if len(found) == 1:
            self.put(name, found[0][2].number, found[0][0])

    def days(self, name: str) -> None:
        """A number of days: "3 days", "within a week", "since Monday", "3 days ago"."""
        found = self.tokens(Kind.DAYS, Kind.MOMENT)
        if len(found) != 1:
            return
        place, _, mention = found[0]
        if mention.kind is Kind.DAYS:
            self.put(name, mention.number, place)
            return
        moment, today = mention.moment, self.speaker.local_now.date()
        if moment is None or moment.start is None or moment.end is None or mention.cue == "from":
            return
        if moment.is_past or mention.cue == "since":
            day = moment.start.date()
            while day > today:
                day -= timedelta(days=7)
            if moment.grain == "day" or mention.cue in ("since", "in", "within", "over"):
                self.put(name, max(1, (today - day).days), place)
        elif moment.grain == "day" and plain(mention.text).startswith("in "):
            self.put(name, (moment.start.date() - today).days, place)
        elif moment.grain == "range" and plain(mention.text).startswith("within "):
            self.put(name, (moment.end.date() - today).days - 1 or 1, place)

    # --- people -------------------------------------------------------------------------------------------------------

    def person(self, name: str, slot: Slot) -> None:
        found = [
            entry for entry in self.tokens(Kind.PERSON) if not slot.cues or self.has_cue(entry[0], entry[2], slot.cues)
        ]
        different = {entry[2].addresses for entry in found}
        if len(different) != 1:
            return
        place, token, mention = found[0]
        people = [
            person for person in (find_person(address, self.speaker.people) for address in mention.addresses) if person
        ]
        if any(person.address == self.speaker.me.address for person in people) and len(people) == 1:
            self.out.problems.append(f"{token.text!r} is you")
            return
        people = [person for person in people if person.address != self.speaker.me.address]
        if len(people) == 1:
            self.put(name, people[0].name, place, source="directory", refs=(people[0].address,), text=token.text)
            return
        if not people:
            self.out.problems.append(f"{token.text!r} is nobody of the directory")
            return
        self.out.used.add(place)
        self.out.values[name] = ambiguous(name, slot.type, token.text, people)

    def has_cue(self, place: int, mention: Mention, cues: Sequence[str]) -> bool:
        """Whether the person stands where the slot wants it: after a preposition, or next to a meaning ("before cover")."""
        if _cue(mention) in cues:
            return True
        for side, step in (("before", 1), ("after", -1)):
            at = place + step
            while 0 <= at < len(self.reading.tokens) and self.reading.tokens[at].sort in (Sort.FUNCTION, Sort.STOP):
                at += step
            near = self.reading.tokens[at].senses if 0 <= at < len(self.reading.tokens) else frozenset()
            if any(f"{side} {sense}" in cues for sense in near):
                return True
        return False

    def group(self, name: str, slot: Slot) -> None:
        """All people and teams that no other slot took; a name that fits two people makes it a question about that one."""
        addresses: list[str] = []
        places: list[int] = []
        unclear: list[Mention] = []
        for place, token, mention in self.tokens(Kind.PERSON, Kind.TEAM):
            if mention.possessive:
                continue  # "Dana's meeting with Omar" is not a meeting of ours
            if slot.cues and mention.kind is Kind.PERSON and _cue(mention) not in slot.cues:
                continue
            places.append(place)
            if mention.kind is Kind.PERSON and len(mention.addresses) > 1:
                unclear.append(mention)
                continue
            if mention.kind is Kind.PERSON and find_person(mention.addresses[0], self.speaker.people) is None:
                self.out.problems.append(f"{token.text!r} is nobody of the directory")
            me = self.speaker.me.address
            addresses += [address for address in mention.addresses if address not in addresses and address != me]
        if len(unclear) > 1:
            self.out.problems.append(
                f"{' and '.join(mention.text for mention in unclear)} fit several people: use full names"
            )
        elif unclear:
            self.out.used.update(places)
            self.out.values[name] = self.unclear_group(name, unclear[0], addresses)
        elif addresses:
            self.put(name, self.names_of(addresses), *places, source="directory", refs=tuple(addresses))

    def unclear_group(self, name: str, mention: Mention, others: Sequence[str]) -> SlotValue:
        """A group of whom one name fits several people: one choice for each of them."""
        people = [
            person for person in (find_person(address, self.speaker.people) for address in mention.addresses) if person
        ]
        open_slot = ambiguous(name, SlotType.PEOPLE, mention.text, people)
        choices = tuple(
            replace(choice, value=self.names_of([*others, *choice.refs]), refs=(*others, *choice.refs))
            for choice in open_slot.choices
        )
        return replace(open_slot, choices=choices)

    def names_of(self, addresses: Sequence[str]) -> list[Json]:
        known = [find_person(address, self.speaker.people) for address in addresses]
        return [person.name if person else address for person, address in zip(known, addresses, strict=True)]

    def repeats(self) -> None:
        """A second mention of somebody who has a slot says nothing new."""
        taken = {address for value in self.out.values.values() for address in value.refs}
        taken |= {address for value in self.out.values.values() for choice in value.choices for address in choice.refs}
        for place, _, mention in self.tokens(Kind.PERSON):
            if set(mention.addresses) <= taken:
                self.out.used.add(place)

    # --- times --------------------------------------------------------------------------------------------------------

    def times(self) -> None:
        slots = self.workflow.slots
        when = next((name for name, slot in slots.items() if slot.type is SlotType.WHEN), None)
        has_event = any(slot.type is SlotType.EVENT for slot in slots.values())
        if when is not None:
            self.when(when, has_event)
        found = self.tokens(Kind.MOMENT)
        dates = [(name, slot) for name, slot in slots.items() if slot.type is SlotType.DATE]
        ranges = [name for name, slot in slots.items() if slot.type is SlotType.DATE_RANGE]
        if ranges and found:
            self.window(ranges[0], found)
        elif len(dates) == 2 and len(found) == 1:
            self.both_ends(dates, found[0])
        elif len(dates) == 1 and len(found) == 1:
            self.date(*dates[0], found[0])

    def window(self, name: str, found: Sequence[tuple[int, Token, Mention]]) -> None:
        moments = [mention.moment for _, _, mention in found if mention.moment]
        dated = [moment for moment in moments if moment.start is not None]
        bounds = [moment for moment in moments if moment.grain in ("hours", "clock")]
        if (
            len(dated) + len(bounds) != len(moments)
            or len(dated) > 1
            or len(bounds) > 1
            or any(moment.is_past for moment in dated)
        ):
            if all(moment.grain == "next_free" for moment in moments):
                self.out.used.update(place for place, _, _ in found)
            return
        base = dated[0] if dated else self.ahead(5)
        value = window_value(base, bounds[0] if bounds else None, self.speaker.local_now)
        if dated and found[0][2].cue in ("by", "before", "until", "till") and dated[0].start is not None:
            value["start"] = _iso(self.speaker.local_now)
            if found[0][2].cue == "before" and dated[0].grain == "day":
                value["end"] = _iso(dated[0].start)
        elif (
            dated
            and found[0][2].cue in ("after", "from", "past")
            and dated[0].grain == "day"
            and dated[0].end
            and not dated[0].parts
        ):
            start = dated[0].end if found[0][2].cue != "from" else dated[0].start
            value["start"], value["end"] = _iso(start or dated[0].end), _iso(dated[0].end + timedelta(days=7))
        self.put(name, value, *(place for place, _, _ in found))

    def ahead(self, working_days: int) -> Moment:
        """From now to the end of the n-th working day after today."""
        day, left = self.speaker.local_now, working_days
        while left:
            day += timedelta(days=1)
            left -= day.weekday() < 5
        end = day.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return Moment(grain="range", start=self.speaker.local_now, end=end)

    def both_ends(self, dates: Sequence[tuple[str, Slot]], entry: tuple[int, Token, Mention]) -> None:
        moment = entry[2].moment
        if (
            moment is None
            or moment.start is None
            or moment.end is None
            or moment.grain not in ("day", "range")
            or moment.is_past
        ):
            return
        if moment.earliest or moment.latest or entry[2].cue in ("by", "before", "after", "since"):
            return
        start, end = moment.start, moment.end
        if entry[2].cue in ("until", "till") and not moment.parts:
            start = self.speaker.local_now
        self.put(dates[0][0], start.date().isoformat(), entry[0])
        self.put(dates[1][0], (end - timedelta(days=1)).date().isoformat(), entry[0])

    def date(self, name: str, slot: Slot, entry: tuple[int, Token, Mention]) -> None:
        place, _, mention = entry
        moment = mention.moment
        if moment is None or moment.start is None or moment.grain in ("instant", "next_free", "shift"):
            return
        day = moment.start.date()
        is_since = "since" in slot.cues
        if is_since:
            if (
                mention.cue not in ("since", "from", "after", "in", "during", "over", "on", "of", "for", "")
                or mention.cue == "until"
            ):
                return
            today = self.speaker.local_now.date()
            while day > today:
                day -= timedelta(days=7)  # "since Monday" means the one before
        elif moment.grain != "day" or mention.cue in ("since", "until", "till", "by", "before", "after", "from"):
            return
        self.put(name, day.isoformat(), place)

    def when(self, name: str, has_event: bool) -> None:
        found = self.tokens(Kind.MOMENT)
        for place, _, mention in found:
            moment = mention.moment
            only = sum(1 for entry in found if entry[2].moment and entry[2].moment.parts) == 1
            if has_event and moment and moment.parts and only and mention.cue in ("from", "on", "at", ""):
                first, second = moment.parts
                self.split(place, first)
                self.put(name, when_value(second, self.speaker.local_now), place)
                return
        targets = [
            entry
            for entry in found
            if entry[2].cue in TARGET_CUES or (entry[2].moment and entry[2].moment.grain in ("next_free", "shift"))
        ]
        if targets:
            # "to Thursday … at 10": every moment from the first target on belongs to it
            chosen = [entry for entry in found if entry[0] >= targets[0][0]]
            if targets[0][2].moment and targets[0][2].moment.grain in ("next_free", "shift"):
                chosen = [targets[0], *(entry for entry in chosen[1:] if entry[2].cue in ("on", "in", "", "of"))]
            merged = _merge([entry[2].moment for entry in chosen if entry[2].moment])
            if merged is not None and not merged.is_past:
                self.put(name, when_value(merged, self.speaker.local_now), *(entry[0] for entry in chosen))
            return
        minutes = self.tokens(Kind.MINUTES)
        words = {
            token.word
            for token in self.reading.tokens
            if token.sort in (Sort.ACTION, Sort.FUNCTION, Sort.UNKNOWN, Sort.MARK)
        }
        later = bool(
            words & {"push back", "push", "put back", "delay", "postpone", "later", "push out", "defer", "back"}
        )
        earlier = bool(words & {"bring forward", "pull forward", "earlier", "forward", "ahead", "sooner"})
        if len(minutes) == 1 and later != earlier:
            seconds = minutes[0][2].number * 60 * (1 if later else -1)
            self.put(name, {"kind": "shift", "shift_s": seconds}, minutes[0][0])

    def split(self, place: int, first: Moment) -> None:
        self.event_moments.append((place, first))

    # --- meetings -----------------------------------------------------------------------------------------------------

    def event(self, name: str) -> None:
        """A selector for one meeting of mine: title words, one person, a day, a time."""
        tokens = self.reading.tokens
        places: list[int] = []
        people = self.tokens(Kind.PERSON)
        candidates: tuple[str, ...] = ()
        if people:
            mention = people[0][2]
            if len({entry[2].addresses for entry in people}) > 1 or _cue(mention) not in (
                "with",
                "and",
                "direct",
                "between",
            ):
                return
            candidates = tuple(address for address in mention.addresses if address != self.speaker.me.address)
            places += [entry[0] for entry in people]
        moments = [*self.event_moments, *self.meeting_moments()]
        merged = _merge([moment for _, moment in moments]) if moments else None
        if merged is not None:
            places += [place for place, _ in moments]
        title, word_places = self.title_words()
        places += word_places
        names_no_meeting = not candidates and not title
        if names_no_meeting and (merged is None or (merged.grain in ("day", "range") and not self.says_meeting())):
            return
        value: dict[str, Json] = {"words": title or None, "person": candidates[0] if candidates else None}
        if merged is not None:
            value |= event_time(merged)
        text = " ".join(tokens[place].text for place in sorted(places))
        if len(candidates) <= 1:
            self.put(name, value, *places, text=text, refs=candidates)
            return
        self.out.used.update(places)
        known = [person for person in (find_person(address, self.speaker.people) for address in candidates) if person]
        open_slot = ambiguous(name, SlotType.EVENT, people[0][1].text, known)
        choices = tuple(replace(choice, value={**value, "person": choice.refs[0]}) for choice in open_slot.choices)
        self.out.values[name] = replace(open_slot, text=text, choices=choices)

    def meeting_moments(self) -> list[tuple[int, Moment]]:
        """Times that say which meeting is meant: not the target of a move, and not said after the channel ("… to #finance tomorrow")."""
        slots = self.workflow.slots.values()
        if any(slot.type is SlotType.DATE_RANGE for slot in slots):
            return []
        has_target = any(slot.type is SlotType.WHEN for slot in slots)
        tense = next((slot.tense for slot in slots if slot.type is SlotType.EVENT), None)
        channels = [
            place
            for place, token in enumerate(self.reading.tokens)
            if token.mention and token.mention.kind is Kind.CHANNEL
        ]
        found: list[tuple[int, Moment]] = []
        for place, _, mention in self.tokens(Kind.MOMENT):
            if mention.moment is None or mention.moment.grain not in ("day", "range", "instant", "clock", "hours"):
                continue
            if (has_target and mention.cue in TARGET_CUES) or (
                channels and place > channels[0] and not mention.moment.is_past
            ):
                continue
            moment = _in_tense(mention, tense, self.speaker.local_now)
            if moment is not None:
                found.append((place, moment))
        return found

    def says_meeting(self) -> bool:
        return any(token.senses & {"meeting", "title"} for token in self.reading.tokens)

    def title_words(self, *, about: bool = True) -> tuple[str, list[int]]:
        """Words of a meeting's title: before a meeting's noun ("the budget meeting"), after "about", or in quotes."""
        tokens = self.reading.tokens
        quoted = self.tokens(Kind.QUOTED)
        if len(quoted) == 1:
            return quoted[0][2].words, [quoted[0][0]]
        for place, token in enumerate(tokens):
            is_title = "title" in token.senses
            if token.sort is not Sort.THING or not (is_title or "meeting" in token.senses):
                continue
            start = place
            while start > 0 and place - start < 5 and self.is_title_word(start - 1):
                start -= 1
            end = place + (1 if is_title else 0)
            # "sprint planning session": titles in a row
            while is_title and end < len(tokens) and "title" in tokens[end].senses:
                end += 1
            chosen = [*range(start, max(end, place)), *(self.named_after(end) if is_title else ())]
            if chosen:
                return " ".join(tokens[at].text for at in chosen), chosen
        for place, token in enumerate(tokens if about else ()):
            if token.word in ("about", "regarding", "re", "concerning", "called", "titled", "named", "on"):
                end = place + 1
                while end < len(tokens) and (self.is_title_word(end) or tokens[end].word in ("the", "our", "a")):
                    end += 1
                chosen = [at for at in range(place + 1, end) if tokens[at].word not in ("the", "our", "a")]
                if chosen:
                    return " ".join(tokens[at].text for at in chosen), chosen
        return "", []

    def named_after(self, place: int) -> list[int]:
        """Capitalised names that go on a title: "demo for Bellmere Foods"."""
        tokens = self.reading.tokens
        if place < len(tokens) and tokens[place].word in ("for", "of", "with", "at"):
            place += 1
        end = place
        while end < len(tokens) and tokens[end].sort is Sort.UNKNOWN and tokens[end].text[:1].isupper():
            end += 1
        return list(range(place, end))

    def is_title_word(self, place: int) -> bool:
        token = self.reading.tokens[place]
        return place not in self.out.used and (
            token.sort is Sort.UNKNOWN
            or "title" in token.senses
            or (token.mention is not None and token.mention.kind is Kind.NUMBER)
        )

    # --- free texts ---------------------------------------------------------------------------------------------------

    def texts(self) -> None:
        """Text slots are captured after one of their cues, up to the next mention, clause or action."""
        for name, slot in self.workflow.slots.items():
            if slot.type is not SlotType.TEXT:
                continue
            quoted = self.tokens(Kind.QUOTED)
            has_event = any(other.type is SlotType.EVENT for other in self.workflow.slots.values())
            if len(quoted) == 1 and (
                not has_event
                or plain(self.reading.text[: quoted[0][1].start])
                .rstrip(" :,")
                .endswith(("saying", "message", "because", "reason", "that"))
            ):
                before = [
                    place
                    for place in range(max(0, quoted[0][0] - 1), quoted[0][0])
                    if self.reading.tokens[place].word in slot.cues
                ]
                self.put(name, quoted[0][2].words, *before, quoted[0][0], text=quoted[0][2].text)
                continue
            if not any(self.capture(name, cue) for cue in slot.cues) and not has_event:
                title, places = self.title_words(about=False)
                if any(self.reading.tokens[place].sort is Sort.UNKNOWN for place in places):
                    last = max(places)
                    follows = self.reading.tokens[last + 1] if last + 1 < len(self.reading.tokens) else None
                    noun = (
                        f" {follows.text}"
                        if follows and "meeting" in follows.senses and "title" not in follows.senses
                        else ""
                    )
                    self.put(name, title + noun, *places, text=title)

    def capture(self, name: str, cue: str) -> bool:
        tokens = self.reading.tokens
        words = cue.split()
        for place in range(len(tokens)):
            last = place
            spoken = tokens[place].word.split()
            while len(spoken) < len(words) and last + 1 < len(tokens):
                last += 1
                spoken += tokens[last].word.split()
            if spoken != words or any(tokens[at].mention is not None for at in range(place, last + 1)):
                continue
            start = last if words[-1] in _SUBJECTS else last + 1  # "…, we lack speakers": the reason has its subject
            chosen = self.run_after(start, whole_clause=words[0] in _REASONS)
            if chosen:
                text = self.reading.text[tokens[chosen[0]].start : tokens[chosen[-1]].end]
                self.put(name, text, *range(place, chosen[-1] + 1), text=text)
                return True
        return False

    def run_after(self, start: int, *, whole_clause: bool) -> list[int]:
        tokens = self.reading.tokens
        if start < len(tokens) and tokens[start].word == ":":
            start += 1
        if whole_clause and start < len(tokens) and tokens[start].word == "to":
            return []  # "tell them to …" is another wish, not a reason
        end = start
        while end < len(tokens):
            token = tokens[end]
            if whole_clause:
                if token.sort is Sort.ACTION and end > start and tokens[end - 1].word in ("and", "then", ",", "to"):
                    return []  # a second wish hides in the reason
                if token.sort is Sort.MARK and token.word in ("then", "also", "but", "instead", "unless", "if"):
                    return []
                if token.sort is Sort.STOP and token.word in (".", ";", "!", "?", "\n"):
                    break
            else:
                if token.sort is Sort.STOP or token.sort in (Sort.ACTION, Sort.MARK):
                    break
                if token.mention is not None and token.mention.kind not in (Kind.NUMBER, Kind.QUOTED):
                    break
                if token.sort is Sort.THING and not token.senses & TOPIC_THINGS:
                    break
                if (
                    token.word
                    in ("with", "in", "on", "at", "for", "by", "from", "between", "before", "after", "within", "as")
                    and end > start
                ):
                    follower = tokens[end + 1] if end + 1 < len(tokens) else None
                    if (
                        follower is None
                        or follower.mention is not None
                        or follower.sort is Sort.FUNCTION
                        or token.word in ("with", "as")
                    ):
                        break
            end += 1
        chosen = list(range(start, end))
        edge = (
            "the",
            "a",
            "an",
            "our",
            "my",
            "and",
            "to",
            "please",
            "that",
            "her",
            "his",
            "their",
            "in",
            "on",
            "for",
            "us",
            "me",
        )
        while chosen and not whole_clause and tokens[chosen[0]].word in edge:
            chosen.pop(0)
        while chosen and (tokens[chosen[-1]].word in edge or tokens[chosen[-1]].sort is Sort.STOP):
            chosen.pop()
        if whole_clause:
            return chosen if any(tokens[at].sort is not Sort.FUNCTION for at in chosen) else []
        says = any(
            tokens[at].sort is Sort.UNKNOWN or "title" in tokens[at].senses or tokens[at].mention for at in chosen
        )
        return (
            chosen
            if says or any(tokens[at].sort is Sort.THING and "meeting" not in tokens[at].senses for at in chosen)
            else []
        )

    # --- defaults -----------------------------------------------------------------------------------------------------

    def default(self, name: str, slot: Slot) -> None:
        if slot.default is None:
            if slot.required:
                self.out.missing.append(name)
            return
        if not self.defaults:
            return
        key = (slot.type, str(slot.default))
        if key not in self.speaker.understood:
            self.speaker.understood[key] = read_value(slot.type, str(slot.default), self.speaker)
        value = self.speaker.understood[key]
        if value is not None:
            self.out.values[name] = SlotValue(
                name=name, type=slot.type, value=value[0], refs=value[1], source="computed", text=str(slot.default)
            )


def _cue(mention: Mention) -> str:
    return "'s" if mention.possessive else mention.cue or "direct"


def ambiguous(name: str, kind: SlotType, text: str, people: Sequence[Person]) -> SlotValue:
    """A person slot with several candidates: open, with the question."""
    choices = tuple(
        Choice(
            label=f"{person.name} ({', '.join(part for part in (person.role, person.team) if part) or person.address})",
            value=person.name,
            refs=(person.address,),
        )
        for person in people
    )
    return SlotValue(
        name=name,
        type=kind,
        value=None,
        source="directory",
        text=text,
        choices=choices,
        ask=f"Which {text.split()[0].removesuffix(chr(39) + 's')} do you mean?",
    )


def _iso(moment: datetime | None) -> str:
    return moment.isoformat(timespec="seconds") if moment is not None else ""


def _in_tense(mention: Mention, tense: str | None, now: datetime) -> Moment | None:
    """The moment on the side of now that is meant; "Monday's notes" are those of last Monday. None: it lies on the other."""
    moment = mention.moment
    if moment is None or tense is None or moment.start is None or moment.end is None:
        return moment
    if tense == "future":
        return moment if moment.end > now else None
    if moment.start <= now:
        return moment
    named_day = moment.start - now <= timedelta(days=7) and not re.search(
        r"next|tomorrow|coming|\d", mention.text.lower()
    )
    week = timedelta(days=7)
    return replace(moment, start=moment.start - week, end=moment.end - week) if named_day else None


def _merge(moments: Sequence[Moment]) -> Moment | None:
    """Several moments about one thing as one: a day and a clock; None where they contradict."""
    if len(moments) == 1:
        return moments[0]
    dated = [moment for moment in moments if moment.start is not None]
    hours = [moment for moment in moments if moment.start is None and moment.grain in ("clock", "hours")]
    free = [moment for moment in moments if moment.grain == "next_free"]
    if len(dated) > 1 or len(hours) > 1 or len(dated) + len(hours) + len(free) != len(moments):
        return None
    if not dated:
        return hours[0] if hours else free[0]
    if not hours:
        return dated[0]
    if hours[0].grain == "clock" and dated[0].grain == "day" and dated[0].start and hours[0].earliest:
        hour, minute = (int(part) for part in hours[0].earliest.split(":"))
        return replace(dated[0], grain="instant", start=dated[0].start.replace(hour=hour, minute=minute))
    return replace(dated[0], earliest=hours[0].earliest, latest=hours[0].latest)


def window_value(moment: Moment, bounds: Moment | None, now: datetime) -> dict[str, Json]:
    """A date_range's value: start and end as instants, never before now; bounds of the day where said."""
    start, end = moment.start, moment.end
    value: dict[str, Json] = {"start": _iso(max(start, now) if start else now), "end": _iso(end)}
    if moment.grain == "instant" and start is not None and end is not None:
        value |= {"at": _iso(start), "end": _iso(end.replace(hour=0, minute=0) + timedelta(days=1))}
    for source in (moment, bounds):
        if source is not None and source.earliest and source.grain != "instant":
            value["earliest"] = source.earliest
        if source is not None and source.latest:
            value["latest"] = source.latest
    return value


def when_value(moment: Moment, now: datetime) -> dict[str, Json]:
    """A when's value: kind at (an instant, or a clock on the meeting's own day), window, next_free or shift."""
    match moment.grain:
        case "instant":
            return {"kind": "at", "start": _iso(moment.start), "clock": None}
        case "clock":
            return {"kind": "at", "start": None, "clock": moment.earliest}
        case "shift":
            return {"kind": "shift", "shift_s": moment.shift_s}
        case "next_free":
            return {"kind": "next_free"}
        case "hours":
            return {"kind": "window", "start": None, "end": None, "earliest": moment.earliest, "latest": moment.latest}
        case _:
            return {"kind": "window", **window_value(moment, None, now)}


def event_time(moment: Moment) -> dict[str, Json]:
    """A meeting selector's time: `at` an instant, `clock` on any day, or start and end of the days it lies in."""
    match moment.grain:
        case "instant":
            return {"at": _iso(moment.start)}
        case "clock":
            return {"clock": moment.earliest}
        case _:
            out: dict[str, Json] = {"start": _iso(moment.start) or None, "end": _iso(moment.end) or None}
            return out | {"earliest": moment.earliest, "latest": moment.latest}


# --- answers and nudges ---------------------------------------------------------------------------------------------------


def read_value(kind: SlotType, text: str, speaker: Speaker) -> tuple[Json, tuple[str, ...]] | None:
    """The value of words that stand for one slot alone (a default, an answer), and its addresses. None: not understood."""
    found = find(text, names=Names.of(speaker.people), now=speaker.now, zone=speaker.zone)
    moments = [mention.moment for mention in found if mention.moment]
    numbers = [mention.number for mention in found if mention.kind in (Kind.NUMBER, Kind.MINUTES, Kind.DAYS)]
    match kind:
        case SlotType.PERSON:
            exact = {
                mention.addresses for mention in found if mention.kind is Kind.PERSON and len(mention.addresses) == 1
            }
            if len(exact) == 1:
                address = exact.pop()[0]
                person = find_person(address, speaker.people)
                return (person.name, (address,)) if person else None
        case SlotType.PEOPLE:
            group = dict.fromkeys(
                address
                for mention in found
                if len(mention.addresses) == 1 or mention.kind is Kind.TEAM
                for address in mention.addresses
            )
            known = [person for person in (find_person(address, speaker.people) for address in group) if person]
            if known and not any(mention.kind is Kind.PERSON and len(mention.addresses) > 1 for mention in found):
                return [person.name for person in known], tuple(person.address for person in known)
        case SlotType.MINUTES | SlotType.NUMBER:
            if len(numbers) == 1:
                return numbers[0], ()
        case SlotType.DATE:
            if len(moments) == 1 and moments[0].start is not None:
                return moments[0].start.date().isoformat(), ()
        case SlotType.DATE_RANGE:
            merged = _merge(moments) if moments else None
            if merged is not None and merged.start is not None:
                return window_value(merged, None, speaker.local_now), ()
        case SlotType.WHEN:
            merged = _merge(moments) if moments else None
            if merged is not None:
                return when_value(merged, speaker.local_now), ()
        case SlotType.CHANNEL:
            channels = [mention.words for mention in found if mention.kind is Kind.CHANNEL]
            if len(channels) == 1:
                return channels[0], ()
            if text.strip() and " " not in text.strip():
                return "#" + text.strip().lstrip("#").lower(), ()
        case SlotType.EVENT:
            return _read_event(text, found), tuple(
                mention.addresses[0] for mention in found if mention.kind is Kind.PERSON
            )
        case SlotType.TEXT:
            return (text.strip(), ()) if text.strip() else None
    return None


def _read_event(text: str, found: Sequence[Mention]) -> Json:
    reading = read(text, found)
    merged = (
        _merge([mention.moment for mention in found if mention.moment])
        if any(mention.moment for mention in found)
        else None
    )
    words = [token.text for token in reading.tokens if token.sort is Sort.UNKNOWN or "title" in token.senses]
    people = [mention.addresses[0] for mention in found if mention.kind is Kind.PERSON]
    value: dict[str, Json] = {"words": " ".join(words) or None, "person": people[0] if len(people) == 1 else None}
    return value | (event_time(merged) if merged else {})


def read_answer(
    name: str,
    kind: SlotType,
    answer: str,
    *,
    choices: Sequence[Choice],
    people: Sequence[Person],
    now: datetime,
    zone: str,
    me: Person,
) -> SlotValue | None:
    """The slot that an answer fills, or None where it cannot be read."""
    if choices:
        index = choose([choice.label for choice in choices], answer)
        if index is not None:
            return SlotValue(
                name=name, type=kind, value=choices[index].value, source="answer", refs=choices[index].refs, text=answer
            )
    read_back = read_value(kind, answer, Speaker(people=people, now=now, zone=zone, me=me))
    if read_back is None:
        return None
    return SlotValue(name=name, type=kind, value=read_back[0], refs=read_back[1], source="answer", text=answer)


def refine(
    slots: Sequence[SlotValue], nudge: str, *, people: Sequence[Person], now: datetime, zone: str, me: Person
) -> list[SlotValue] | None:
    """The slots as narrowed by a later remark ("not Monday", "45 minutes", "after 2pm", "next week instead"), or None.

    Only lengths and times are understood, and only when every word of the remark is.
    """
    speaker = Speaker(people=people, now=now, zone=zone, me=me)
    found = find(nudge, names=Names.of(people), now=now, zone=zone)
    if not found or any(mention.kind not in (Kind.MOMENT, Kind.MINUTES) for mention in found):
        return None
    reading = read(nudge, found)
    harmless = {
        "make",
        "not",
        "instead",
        "no",
        "rather",
        "only",
        "avoid",
        "better",
        "it",
        "let's",
        "do",
        "change",
        "but",
        "move",
        "push",
        "try",
        "use",
        "want",
        "need",
        "prefer",
        "anything",
        "except",
        "don't",
        "not on",
    }
    if any(
        token.sort not in (Sort.FUNCTION, Sort.MENTION, Sort.STOP) and token.word not in harmless
        for token in reading.tokens
    ):
        return None
    refined = {slot.name: slot for slot in slots}
    for mention in found:
        before = {token.word for token in reading.tokens if token.end <= mention.start} & {
            "not",
            "no",
            "avoid",
            "except",
            "don't",
        }
        changed = _refine_one(refined, mention, bool(before) and not mention.text.lower().startswith("not "), speaker)
        if changed is None:
            return None
        refined |= changed
    return list(refined.values())


def _refine_one(
    slots: Mapping[str, SlotValue], mention: Mention, negated: bool, speaker: Speaker
) -> dict[str, SlotValue] | None:
    wanted = SlotType.MINUTES if mention.kind is Kind.MINUTES else None
    for name, slot in slots.items():
        if wanted is SlotType.MINUTES and slot.type is SlotType.MINUTES and not negated:
            return {name: replace(slot, value=mention.number, source="request", text=mention.text)}
        if (
            wanted is None
            and mention.moment
            and slot.type in (SlotType.DATE_RANGE, SlotType.WHEN)
            and isinstance(slot.value, dict)
        ):
            value = _narrowed(slot, slot.value, mention, negated, speaker)
            return (
                {name: replace(slot, value=value, source="request", text=mention.text)} if value is not None else None
            )
    return None


def _narrowed(
    slot: SlotValue, value: Mapping[str, Json], mention: Mention, negated: bool, speaker: Speaker
) -> dict[str, Json] | None:
    moment = mention.moment
    assert moment is not None
    if negated:
        if moment.grain != "day" or moment.start is None or moment.earliest or moment.latest:
            return None
        avoided = value.get("avoid_days")
        days = [str(day) for day in avoided] if isinstance(avoided, list) else []
        return {**value, "avoid_days": [*days, WEEKDAYS[moment.start.weekday()]]}
    if moment.grain == "hours" or (moment.grain == "clock" and mention.cue in ("after", "before")):
        bounds = {"earliest": moment.earliest, "latest": moment.latest}
        kept = {key: bound for key, bound in bounds.items() if bound}
        return {**value, **({"kind": "window"} if slot.type is SlotType.WHEN else {}), **kept}
    if slot.type is SlotType.WHEN:
        return when_value(moment, speaker.local_now)
    if moment.start is None or moment.is_past:
        return None
    kept_bounds = {key: value[key] for key in ("earliest", "latest", "avoid_days") if value.get(key)}
    return {**kept_bounds, **window_value(moment, None, speaker.local_now)}
