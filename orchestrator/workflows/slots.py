"""Fills a workflow's slots from a request's mentions, each with its source and the very words.

Pure. Nothing is guessed: two people of one name become a question, a mention without a place in the workflow stays unused, and
whatever is unused makes the matcher abstain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from connectors.spec import Json
from orchestrator.domain.person import Person
from orchestrator.workflows.answers import Speaker, read_answer, read_value
from orchestrator.workflows.captures import Captures, Filling
from orchestrator.workflows.definition import Slot, SlotType, Workflow
from orchestrator.workflows.mentions import Kind, Mention, plain
from orchestrator.workflows.moments import Moment
from orchestrator.workflows.nudges import refine
from orchestrator.workflows.reading import Reading, Sort, Token
from orchestrator.workflows.spans import (
    day_choice,
    event_time,
    has_passed,
    in_tense,
    iso,
    merge,
    next_time,
    since_day,
    when_value,
    window_value,
)
from orchestrator.workflows.values import Choice, SlotValue, find_person

__all__ = ["Filling", "Speaker", "ambiguous", "fill", "read_answer", "read_value", "refine"]

TARGET_CUES = frozenset({"to", "until", "till", "for", "into", "onto"})


def fill(workflow: Workflow, reading: Reading, speaker: Speaker, *, defaults: bool = True) -> Filling:
    """Every slot that the request (or, with `defaults`, a default) fills."""
    return _Filler(workflow, reading, speaker, defaults).filling()


class _Filler(Captures):
    def __init__(self, workflow: Workflow, reading: Reading, speaker: Speaker, defaults: bool) -> None:
        self.defaults = defaults
        super().__init__(workflow, reading)
        self.speaker = speaker
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
            day = since_day(mention, today) if mention.cue == "since" else moment.start.date()
            if day is None:
                return
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
        if not mention.addresses:
            self.stranger(name, slot, mention, place)
            return
        if not people:
            self.out.problems.append(f"{token.text!r} is nobody of the directory")
            return
        self.out.used.add(place)
        self.out.values[name] = ambiguous(name, slot.type, token.text, people)

    def stranger(self, name: str, slot: Slot, mention: Mention, *places: int) -> None:
        """A name that nobody has leaves the slot to a question."""
        again = " Name everybody." if slot.type is SlotType.PEOPLE else ""
        ask = f"Nobody called “{mention.text}” is in the directory. {slot.ask or 'Which person do you mean?'}{again}"
        self.out.used.update(places)
        if slot.is_needed:
            self.out.missing.append(name)
        self.out.values[name] = SlotValue(
            name=name, type=slot.type, value=None, source="directory", text=mention.text, ask=ask
        )

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
        unknown: list[Mention] = []
        for place, token, mention in self.tokens(Kind.PERSON, Kind.TEAM):
            if mention.possessive:
                continue  # "Dana's meeting with Omar" is not a meeting of ours
            if slot.cues and mention.kind is Kind.PERSON and _cue(mention) not in slot.cues:
                continue
            places.append(place)
            if not mention.addresses:
                unknown.append(mention)
                continue
            if mention.kind is Kind.PERSON and len(mention.addresses) > 1:
                unclear.append(mention)
                continue
            if mention.kind is Kind.PERSON and find_person(mention.addresses[0], self.speaker.people) is None:
                self.out.problems.append(f"{token.text!r} is nobody of the directory")
            me = self.speaker.me.address
            addresses += [address for address in mention.addresses if address not in addresses and address != me]
        if unknown:
            self.stranger(name, slot, unknown[0], *places)
        elif len(unclear) > 1:
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
            if mention.addresses and set(mention.addresses) <= taken:
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
        if len(found) == 1 and self.passed(name, found[0]):
            return
        if (
            len(dated) + len(bounds) != len(moments)
            or len(dated) > 1
            or len(bounds) > 1
            or any(has_passed(moment, self.speaker.local_now) for moment in dated)
        ):
            if all(moment.grain == "next_free" for moment in moments):
                self.out.used.update(place for place, _, _ in found)
            return
        base = dated[0] if dated else self.ahead(5)
        value = window_value(base, bounds[0] if bounds else None, self.speaker.local_now)
        if dated and found[0][2].cue in ("by", "before", "until", "till") and dated[0].start is not None:
            value["start"] = iso(self.speaker.local_now)
            if found[0][2].cue == "before" and dated[0].grain == "day":
                value["end"] = iso(dated[0].start)
        elif (
            dated
            and found[0][2].cue in ("after", "from", "past")
            and dated[0].grain == "day"
            and dated[0].end
            and not dated[0].parts
        ):
            start = dated[0].end if found[0][2].cue != "from" else dated[0].start
            value["start"], value["end"] = iso(start or dated[0].end), iso(dated[0].end + timedelta(days=7))
        self.put(name, value, *(place for place, _, _ in found))

    def passed(self, name: str, entry: tuple[int, Token, Mention]) -> bool:
        """A time that has passed where one to come is meant: True, and the slot is a question where another year or day may be."""
        place, token, mention = entry
        now, kind = self.speaker.local_now, self.workflow.slots[name].type
        if mention.moment is None or not has_passed(mention.moment, now):
            return False
        again = next_time(mention.moment, now)
        if again is not None and again.start is not None:
            value = when_value(again, now) if kind is SlotType.WHEN else window_value(again, None, now)
            label = f"{day_choice(again.start.date()).label}{again.start.strftime(', %H:%M') if again.grain == 'instant' else ''}"
            choices = (Choice(label=label, value=value),)
            self.open(name, token.text, choices, place)
        return True

    def open(self, name: str, text: str, choices: tuple[Choice, ...], place: int) -> None:
        """Leaves the slot to a question, since its time has passed."""
        slot = self.workflow.slots[name]
        ask = f"“{text}” begins in the past. {slot.ask or 'When do you mean?'}"
        self.out.used.add(place)
        self.out.values[name] = SlotValue(
            name=name, type=slot.type, value=None, source="request", text=text, choices=choices, ask=ask
        )

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
        if moment is None or moment.start is None or moment.end is None or moment.grain not in ("day", "range"):
            return
        now = self.speaker.local_now
        if has_passed(moment, now) and entry[2].cue not in ("until", "till", "by", "before", "after", "since"):
            again = next_time(moment, now)
            if again is not None and again.start is not None and again.end is not None:
                last = again.end - timedelta(days=1)
                self.open(dates[0][0], entry[1].text, (day_choice(again.start.date()),), entry[0])
                self.open(dates[1][0], entry[1].text, (day_choice(last.date()),), entry[0])
            return
        if moment.is_past:
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
            first = since_day(mention, self.speaker.local_now.date())
            if first is None:
                return
            day = first
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
                if has_passed(second, self.speaker.local_now):
                    return
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
            merged = merge([entry[2].moment for entry in chosen if entry[2].moment])
            if len(chosen) == 1 and self.passed(name, chosen[0]):
                return
            if merged is not None and not has_passed(merged, self.speaker.local_now):
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
        if len(minutes) == 1 and later != earlier and minutes[0][2].cue != "to":
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
            if not mention.addresses:
                return
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
        merged = merge([moment for _, moment in moments]) if moments else None
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
            moment = in_tense(mention, tense, self.speaker.local_now)
            if moment is not None:
                found.append((place, moment))
        return found

    def says_meeting(self) -> bool:
        return any(token.senses & {"meeting", "title"} for token in self.reading.tokens)

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
