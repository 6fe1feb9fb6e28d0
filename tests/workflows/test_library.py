"""The shipped workflows: each file is sound, and does its work on the real local office."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.office import seed
from orchestrator.domain.outcome import Done, Parked, RunOutcome
from orchestrator.workflows import check
from orchestrator.workflows.execute import run
from orchestrator.workflows.match import Library, Match
from orchestrator.workflows.parse import load
from tests.workflows.office import OfficeHost
from tests.workflows.world import MemoryJournal

FILES = sorted(check.SHIPPED.glob("*.yaml"))
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
MakeHost = Callable[[], OfficeHost]


@pytest.fixture(scope="module")
def library() -> Library:
    return Library.load([check.SHIPPED])


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A seeded office, copied for each test."""
    path = tmp_path_factory.mktemp("office") / "office.db"
    seed(path, seed=1, now=NOW, people=16, weeks=8).close()
    return path


@pytest.fixture
def host(template: Path, tmp_path: Path) -> OfficeHost:
    from connectors.office.office import Office

    return OfficeHost.of(Office(template).copy_to(tmp_path / "office.db"))


def ask(library: Library, host: OfficeHost, text: str) -> RunOutcome:
    found = library.match(text, people=host.people, now=host.now, zone=host.zone, me=host.me)
    assert isinstance(found, Match), found.why
    return asyncio.run(run(found.workflow, found.slots, host, MemoryJournal()))


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_shipped_workflow_passes_its_own_test(path: Path) -> None:
    """Schema, tools, arguments and authority are right; its examples run it, its near misses do not."""
    assert [str(problem) for problem in check.test_workflow(path)] == []


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_shipped_workflow_has_examples_and_near_misses(path: Path) -> None:
    """At least eight ways to say it and four that sound like it."""
    workflow = load(path).workflow

    assert len(workflow.examples) >= 8
    assert len(workflow.near_misses) >= 4
    assert workflow.name == path.stem


def test_there_are_fourteen() -> None:
    """The library that the documents describe."""
    assert len(FILES) == 14


# What is asked of the seeded office, and the tools whose effects must follow, in order.
STORIES = [
    ("Set up a 30 minute call with Dana about her last mail", ["calendar.create_event", "mail.reply"]),
    ("Move the pricing workshop on Tuesday to Thursday", ["calendar.update_event"]),
    ("Push my forecast review back by 30 minutes", []),  # no such meeting
    ("Cancel the pricing workshop because I am ill", ["calendar.cancel_event"]),
    ("What's on my plate today?", []),
    ("Find a 30 minute slot for Dana, Teresa and me next week", []),
    ("Book a 30 minute meeting with Dana and Teresa about the pilot next week", ["calendar.create_event"]),
    ("Reply to Dana with my availability next week", ["mail.reply"]),
    ("Follow up on my mails nobody answered for 3 days", ["mail.reply"]),
    ("Post the notes of the pipeline review to #sales", ["chat.post_message"]),
    ("Show my unread mail grouped by sender", []),
    (
        "Set up my out of office from 7 to 11 December, Dana covers",
        ["calendar.create_event", "mail.set_auto_reply", "chat.send_direct"],
    ),
    ("Forward the latest invoice to the approver", ["mail.forward"]),
    ("What was decided in #finance last week?", []),
    ("Welcome Raquel", ["chat.post_message", "chat.invite", "calendar.create_event"]),
]


@pytest.mark.parametrize(("text", "tools"), STORIES, ids=[text for text, _ in STORIES])
def test_a_request_does_exactly_its_effects(library: Library, host: OfficeHost, text: str, tools: list[str]) -> None:
    """On the seeded office each workflow ends well with the effects it promises, in order, and no other."""
    outcome = ask(library, host, text)

    assert list(dict.fromkeys(call.tool for call in host.calls)) == tools
    if text.startswith("Push"):
        assert not isinstance(outcome, Done)
    else:
        assert isinstance(outcome, Done), outcome
        assert outcome.text


def test_the_call_lies_in_both_peoples_working_hours(library: Library, host: OfficeHost) -> None:
    """Dana works in New York: the call is in her morning and my afternoon, and the answer names her own time."""
    ask(library, host, "Set up a 30 minute call with Dana about her last mail")

    invite, reply = host.calls
    start = datetime.fromisoformat(invite.args["start"])
    assert 14 <= start.hour < 18
    assert "(New York time)" in reply.args["body"]
    assert reply.args["message_id"].startswith("msg_")


def describe(host: OfficeHost, title: str, notes: dict[int, str]) -> None:
    """Puts occurrences of a meeting, so many days from now, into the calendar, each with its notes."""
    for days, text in notes.items():
        start = NOW.replace(hour=15) + timedelta(days=days)
        host.office.add_event(
            organizer=host.me.address, title=title, start=start, end=start + timedelta(minutes=30), description=text
        )


@pytest.mark.parametrize(
    ("notes", "posted"),
    [
        ({0: "Today's points"}, "Today's points"),
        ({3: "Agenda to come"}, "Agenda to come"),
        ({-2: "What we said", 6: "Agenda to come"}, "What we said"),
        ({-9: "Long ago", 1: "Agenda to come"}, "Agenda to come"),
    ],
    ids=["later today", "in three days", "the past one is nearer", "the coming one is nearer"],
)
def test_the_notes_of_the_nearest_occurrence_are_posted(
    library: Library, host: OfficeHost, notes: dict[int, str], posted: str
) -> None:
    """A meeting that is still to come may have its notes already; of several of one title the nearest to now is meant."""
    describe(host, "Harbour council", notes)

    outcome = ask(library, host, "Post the notes of the harbour council meeting to #sales")

    assert isinstance(outcome, Done), outcome
    assert posted in host.calls[0].args["text"]


def test_two_meetings_with_notes_that_fit_alike_are_a_question(library: Library, host: OfficeHost) -> None:
    """One that was and one that comes, of different titles: nobody guesses which notes are meant."""
    describe(host, "Harbour council north", {-1: "North"})
    describe(host, "Harbour council south", {1: "South"})

    assert isinstance(ask(library, host, "Post the notes of the harbour council meeting to #sales"), Parked)
    assert len(host.questions[0][2]) == 2
    assert host.calls == []


def test_nothing_is_sent_when_nobody_owes_an_answer(library: Library, host: OfficeHost) -> None:
    """An empty selection is a good end for a follow-up, not a failure."""
    outcome = ask(library, host, "Follow up on my mails nobody answered for 50 days")

    assert isinstance(outcome, Done)
    assert outcome.output == {"nothing_found": True}
    assert host.calls == []


def test_several_meetings_that_fit_are_a_question(library: Library, host: OfficeHost) -> None:
    """Two meetings with Bruno: the request waits for an answer and then cancels that one."""
    assert isinstance(ask(library, host, "Cancel my meeting with Bruno"), Parked)
    (question_id, _, choices) = host.questions[0]
    host.answers[question_id] = choices[0]

    outcome = ask(library, host, "Cancel my meeting with Bruno")

    assert isinstance(outcome, Done)
    assert choices[0].split(",")[0] in outcome.text


def test_a_moved_meeting_keeps_its_length_and_where_it_can_its_hour(library: Library, host: OfficeHost) -> None:
    """Moved to another day, the workshop stays at two o'clock when everybody is free then."""
    outcome = ask(library, host, "Move the pricing workshop on Tuesday to Thursday")

    assert isinstance(outcome, Done)
    before, after = outcome.output["before"], outcome.output
    assert after["start"][11:16] == before["start"][11:16]
    assert datetime.fromisoformat(after["end"]) - datetime.fromisoformat(after["start"]) == datetime.fromisoformat(
        before["end"]
    ) - datetime.fromisoformat(before["start"])
