"""Days that were and days to come: "since" looks back, an absence or a meeting looks ahead, and neither acts on the other."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from orchestrator.workflows.check import SHIPPED
from orchestrator.workflows.match import Library, Match, NoMatch
from orchestrator.workflows.slots import SlotValue, read_answer
from tests.workflows.world import ME, PEOPLE

MAY = datetime(2026, 5, 12, 9, 0, tzinfo=UTC)  # a Tuesday
JULY = datetime(2026, 7, 20, 9, 0, tzinfo=UTC)  # a Monday
ZONE = "Europe/Lisbon"


@pytest.fixture(scope="module")
def library() -> Library:
    return Library.load([SHIPPED])


def match(library: Library, text: str, now: datetime) -> Match | NoMatch:
    return library.match(text, people=PEOPLE, now=now, zone=ZONE, me=ME)


def slot(found: Match | NoMatch, name: str) -> SlotValue:
    assert isinstance(found, Match), found.why
    return next(slot for slot in found.slots if slot.name == name)


SINCE = [
    ("since 9 October", "2025-10-09"),
    ("since 14 May", "2025-05-14"),
    ("since 5 January", "2026-01-05"),
    ("since 5 May", "2026-05-05"),
    ("since 12 May", "2026-05-12"),
    ("since Monday", "2026-05-11"),
    ("since the 20th", "2026-04-20"),
    ("since March", "2026-03-01"),
    ("over the past month", "2026-04-12"),
    ("in the past week", "2026-05-05"),
    ("last week", "2026-05-04"),
    ("this week", "2026-05-11"),
    ("this month", "2026-05-01"),
]


@pytest.mark.parametrize("asked", ["What was decided in #finance {}?", "Show my unread mail by sender {}"])
@pytest.mark.parametrize(("said", "day"), SINCE, ids=[said for said, _ in SINCE])
def test_since_a_day_is_the_last_such_day_that_is_not_ahead(library: Library, asked: str, said: str, day: str) -> None:
    """A day of last year, of this year, a weekday or a span that ends now: never another day that only sounds right."""
    assert slot(match(library, asked.format(said), MAY), "since").value == day


@pytest.mark.parametrize("said", ["since tomorrow", "next week", "since 9 October 2027", "from 2 to 9 April"])
def test_since_a_day_that_is_ahead_runs_nothing(library: Library, said: str) -> None:
    """A day to come, or a span that ended before now, is no "since"."""
    assert isinstance(match(library, f"What was decided in #finance {said}?", MAY), NoMatch)


@pytest.mark.parametrize(
    ("asked", "name", "label"),
    [
        ("I'm away from 2 July to 9 July, Dana covers", "start", "Friday 2 July 2027"),
        ("I'm away from 2 July to 9 July, Dana covers", "end", "Friday 9 July 2027"),
        ("I'm away from 18 to 25 July, Dana covers", "start", "Sunday 18 July 2027"),
        ("Book a meeting with Dana and Omar on 2 July", "window", "Friday 2 July 2027"),
        ("Book a meeting with Dana and Omar today at 8am", "window", "Tuesday 21 July 2026, 08:00"),
        ("Find a time for Dana and Omar between 2 July and 9 July", "window", "Friday 2 July 2027"),
        ("Move my meeting with Dana to 2 July at 10", "when", "Friday 2 July 2027, 10:00"),
    ],
)
def test_a_time_that_has_passed_is_a_question(library: Library, asked: str, name: str, label: str) -> None:
    """Nothing is entered, booked or moved on a day that is over: the question names the words and the next such day."""
    found = match(library, asked, JULY)

    open_slot = slot(found, name)
    assert isinstance(found, Match)
    assert not found.is_ready
    assert open_slot.value is None
    assert [choice.label for choice in open_slot.choices] == [label]
    assert "begins in the past" in open_slot.ask


def test_the_same_words_before_those_days_run_at_once(library: Library) -> None:
    """The neighbour: said in May, the days are still to come."""
    found = match(library, "I'm away from 2 July to 9 July, Dana covers", MAY)

    assert slot(found, "start").value == "2026-07-02"
    assert slot(found, "end").value == "2026-07-09"
    assert isinstance(found, Match)
    assert found.is_ready


def test_an_answer_cannot_name_a_day_that_is_over(library: Library) -> None:
    """The question is asked again instead; next year's day, or the choice itself, is taken."""
    open_slot = slot(match(library, "I'm away from 2 July to 9 July, Dana covers", JULY), "start")

    def answer(words: str) -> object:
        read = read_answer(
            "start", open_slot.type, words, choices=open_slot.choices, people=PEOPLE, now=JULY, zone=ZONE, me=ME, tense="future",
        )  # fmt: skip
        return read and read.value

    assert answer("3 July") is None
    assert answer("2 July 2027") == "2027-07-02"
    assert answer("1") == "2027-07-02"
    assert answer("3 August") == "2026-08-03"
