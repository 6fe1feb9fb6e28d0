"""Words that stand for one slot alone: an answer to a question, or a default. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from connectors.spec import Json
from orchestrator.domain.person import Person
from orchestrator.workflows.definition import SlotType
from orchestrator.workflows.mentions import Kind, Mention, Names, find
from orchestrator.workflows.reading import Sort, read
from orchestrator.workflows.spans import event_time, has_passed, merge, when_value, window_value
from orchestrator.workflows.values import Choice, SlotValue, choose, find_person


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
            merged = merge(moments) if moments else None
            if merged is not None and merged.start is not None and not has_passed(merged, speaker.local_now):
                return window_value(merged, None, speaker.local_now), ()
        case SlotType.WHEN:
            merged = merge(moments) if moments else None
            if merged is not None and not has_passed(merged, speaker.local_now):
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
        merge([mention.moment for mention in found if mention.moment])
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
    tense: str | None = None,
) -> SlotValue | None:
    """The slot that an answer fills, or None where it cannot be read, or names a day before today with `tense` "future"."""
    if choices:
        index = choose([choice.label for choice in choices], answer)
        if index is not None:
            return SlotValue(
                name=name, type=kind, value=choices[index].value, source="answer", refs=choices[index].refs, text=answer
            )
    speaker = Speaker(people=people, now=now, zone=zone, me=me)
    read_back = read_value(kind, answer, speaker)
    if read_back is None:
        return None
    if kind is SlotType.DATE and tense == "future" and str(read_back[0]) < speaker.local_now.date().isoformat():
        return None
    return SlotValue(name=name, type=kind, value=read_back[0], refs=read_back[1], source="answer", text=answer)
