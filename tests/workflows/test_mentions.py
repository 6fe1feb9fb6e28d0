"""Times, lengths, people and channels as people write them; and what a nudge may change."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from orchestrator.workflows.definition import SlotType
from orchestrator.workflows.mentions import Kind, Mention, Names, find
from orchestrator.workflows.moments import clock_of
from orchestrator.workflows.slots import Speaker, read_value, refine
from orchestrator.workflows.values import SlotValue
from tests.workflows.world import DANA, ME, NOW, PEOPLE

ZONE = "Europe/Lisbon"
FRIDAY = datetime(2026, 11, 20, 9, 0, tzinfo=ZoneInfo(ZONE))


def mentions(text: str) -> list[Mention]:
    return find(text, names=Names.of(PEOPLE), now=NOW, zone=ZONE)


# Words, then grain, start (local), end (exclusive).
MOMENTS = [
    ("tomorrow", "day", "2026-11-21", "2026-11-22"),
    ("next Tuesday", "day", "2026-11-24", "2026-11-25"),
    ("Friday", "day", "2026-11-27", "2026-11-28"),  # said on a Friday: the next one
    ("on 3 December", "day", "2026-12-03", "2026-12-04"),
    ("Dec 3rd", "day", "2026-12-03", "2026-12-04"),
    ("2026-12-03", "day", "2026-12-03", "2026-12-04"),
    ("next week", "range", "2026-11-23", "2026-11-30"),
    ("Tuesday next week", "day", "2026-11-24", "2026-11-25"),
    ("from 7 to 11 December", "range", "2026-12-07", "2026-12-12"),
    ("from Monday to Wednesday", "range", "2026-11-23", "2026-11-26"),
    ("the week of 7 December", "range", "2026-12-07", "2026-12-14"),
    ("next month", "range", "2026-12-01", "2027-01-01"),
    ("yesterday", "day", "2026-11-19", "2026-11-20"),
    ("last week", "range", "2026-11-09", "2026-11-16"),
]


@pytest.mark.parametrize(("text", "grain", "start", "end"), MOMENTS, ids=[case[0] for case in MOMENTS])
def test_a_date_is_read_relative_to_now(text: str, grain: str, start: str, end: str) -> None:
    """Days are whole days of the requester's zone."""
    (mention,) = mentions(text)

    assert mention.moment is not None
    assert mention.moment.start is not None
    assert mention.moment.end is not None
    assert (mention.moment.grain, f"{mention.moment.start:%Y-%m-%d}", f"{mention.moment.end:%Y-%m-%d}") == (
        grain,
        start,
        end,
    )


@pytest.mark.parametrize(
    ("text", "clock"),
    [("2pm", "14:00"), ("14:30", "14:30"), ("half past two", "14:30"), ("noon", "12:00"), ("9", "09:00"), ("3", "15:00"), ("12am", "00:00"), ("25:00", None)],
)  # fmt: skip
def test_a_bare_hour_from_one_to_six_is_in_the_afternoon(text: str, clock: str | None) -> None:
    """The working-hours rule, and nothing beyond a day."""
    assert clock_of(text) == clock


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("30 minutes", 30), ("half an hour", 30), ("a 45-minute call", 45), ("1.5 hours", 90), ("an hour and a half", 90), ("1h30", 90), ("two hours", 120)],
)  # fmt: skip
def test_a_length_is_read_in_minutes(text: str, minutes: int) -> None:
    """However it is written."""
    assert [mention.number for mention in mentions(text) if mention.kind is Kind.MINUTES] == [minutes]


def test_a_day_and_a_clock_make_one_instant() -> None:
    """ "tomorrow at 3pm" is one mention, in the requester's zone."""
    (mention,) = mentions("tomorrow at 3pm")

    assert mention.moment is not None
    assert mention.moment.grain == "instant"
    assert mention.moment.start == datetime(2026, 11, 21, 15, 0, tzinfo=ZoneInfo(ZONE))


def test_people_are_found_by_every_name_the_directory_has() -> None:
    """Full name, first name, alias, address and possessive are one person."""
    for text in ("Dana Ruiz", "dana", "Dee", DANA.address, "Dana's mail"):
        found = [mention for mention in mentions(f"call with {text}") if mention.kind is Kind.PERSON]
        assert [mention.addresses for mention in found] == [(DANA.address,)], text


def test_a_first_name_with_a_strange_family_name_is_nobody() -> None:
    """Dana Smith is not Dana Ruiz."""
    assert mentions("call with Dana Smith") == []


def test_quoted_words_are_not_searched() -> None:
    """A name inside quotes is part of the quotation."""
    assert [mention.kind for mention in mentions('a meeting called "Dana on Monday"')] == [Kind.QUOTED]


def test_a_channel_is_named_with_or_without_its_sign() -> None:
    """#finance and the finance channel are the same."""
    for text in ("in #finance", "in the finance channel"):
        assert [mention.words for mention in mentions(text)] == ["#finance"], text


SLOTS = [
    SlotValue(name="minutes", type=SlotType.MINUTES, value=30, source="computed"),
    SlotValue(
        name="window",
        type=SlotType.DATE_RANGE,
        value={"start": "2026-11-20T09:00:00+00:00", "end": "2026-11-28T00:00:00+00:00"},
        source="computed",
    ),
]


def refined(nudge: str) -> dict[str, object] | None:
    slots = refine(SLOTS, nudge, people=PEOPLE, now=NOW, zone=ZONE, me=ME)
    return None if slots is None else {slot.name: slot.value for slot in slots}


def test_a_nudge_narrows_what_it_names_and_nothing_else() -> None:
    """Length, hours, days and weeks are understood without a model."""
    longer, later, other = refined("45 minutes"), refined("after 2pm"), refined("not Monday")
    week = refined("next week instead")

    assert longer is not None
    assert longer["minutes"] == 45
    assert later is not None
    assert later["window"] == {**SLOTS[1].value, "earliest": "14:00"}  # type: ignore[dict-item]  # a window is an object
    assert other is not None
    assert other["window"] == {**SLOTS[1].value, "avoid_days": ["mon"]}  # type: ignore[dict-item]
    assert week is not None
    assert week["window"] == {"start": "2026-11-23T00:00:00+00:00", "end": "2026-11-30T00:00:00+00:00"}


@pytest.mark.parametrize("nudge", ["make it nicer", "not Monday if Dana agrees", "with Omar too", "no"])
def test_a_nudge_with_a_word_too_many_is_not_understood(nudge: str) -> None:
    """Freer wording needs a model, and says so by being None."""
    assert refined(nudge) is None


def test_an_answer_is_read_by_the_type_of_its_slot() -> None:
    """The same reader serves defaults and answers."""
    speaker = Speaker(people=PEOPLE, now=NOW, zone=ZONE, me=ME)

    assert read_value(SlotType.MINUTES, "three quarters of an hour", speaker) == (45, ())
    assert read_value(SlotType.PERSON, "dana", speaker) == ("Dana Ruiz", (DANA.address,))
    assert read_value(SlotType.PERSON, "Zoltan", speaker) is None
    assert read_value(SlotType.CHANNEL, "finance", speaker) == ("#finance", ())
