"""An order about a meeting that is already there books no new one, however ordinary the words of its title are."""

from __future__ import annotations

import pytest

from orchestrator.workflows.check import SHIPPED
from orchestrator.workflows.match import Library, Match, NoMatch
from tests.workflows.world import ME, NOW, PEOPLE

CHANGES = [
    "Add Priya to the budget review",
    "Invite Omar to Thursday's planning session",
    "Put Priya on the roadmap sync",
    "Add Omar to our planning meeting on Thursday",
    "Invite Dana and Omar to the roadmap meeting next week",
    "Invite Priya to sprint planning",
    "Invite the marketing team to the standup",
    "Add Priya to sprint planning",
    "Include Omar in the budget review",
    "Add Priya to my meeting with Dana",
    "Add Dana to Friday's call with Omar",
    "Add Dana to tomorrow's standup",
    "Add Dana to the invite for the budget review",
    "Put Dana and Omar in the demo on Friday",
    "Extend the budget review with Dana by 30 minutes",
    "Shorten my meeting with Dana to 15 minutes",
    "Make the budget review with Dana 45 minutes",
    "Make the sync with Dana and Omar an hour",
    "Make the budget review with Dana weekly",
    "Set the budget review with Dana to 45 minutes",
    "Add 15 minutes to the meeting with Dana",
    "Push my meeting with Dana to 45 minutes",
    "Rename the meeting with Dana to Roadmap",
    "Change the room of the meeting with Dana",
    "Move my meeting with Dana to the big room",
    "Add a note to the meeting with Dana",
    "Add an agenda to the budget review with Dana",
    "Put a room on the meeting with Dana",
]
NEW = [
    ("Invite Dana and Omar to a roadmap meeting next week", "book-group-meeting"),
    ("Invite Dana and Omar to lunch", "book-group-meeting"),
    ("Put the kickoff with Dana and Omar in our calendars", "book-group-meeting"),
    ("Put 30 minutes with Dana in the calendar", "book-group-meeting"),
    ("Push my meeting with Dana back by 45 minutes", "move-meeting"),
]


@pytest.fixture(scope="module")
def library() -> Library:
    return Library.load([SHIPPED])


@pytest.mark.parametrize("text", CHANGES)
def test_changing_a_meeting_that_exists_runs_nothing(library: Library, text: str) -> None:
    """Somebody added, another length, room, title or rhythm: no workflow does that, so none runs."""
    assert isinstance(library.match(text, people=PEOPLE, now=NOW, zone="Europe/Lisbon", me=ME), NoMatch)


@pytest.mark.parametrize(("text", "workflow"), NEW)
def test_a_new_meeting_with_the_same_words_is_booked(library: Library, text: str, workflow: str) -> None:
    """The neighbours: an indefinite meeting, or one that is put into the calendar."""
    found = library.match(text, people=PEOPLE, now=NOW, zone="Europe/Lisbon", me=ME)

    assert isinstance(found, Match), found.why
    assert found.workflow.name == workflow
