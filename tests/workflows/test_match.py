"""Matching: each rule that refuses has a case it decides and a neighbour it leaves alone; the tuning set bounds the whole."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.workflows.check import SHIPPED
from orchestrator.workflows.match import Library, Match, NoMatch
from tests.workflows.world import DANA, LI, ME, NOW, OMAR, PEOPLE, make_person

TUNING = Path(__file__).parent / "tuning.jsonl"


@pytest.fixture(scope="module")
def library() -> Library:
    loaded = Library.load([SHIPPED])
    assert not loaded.faults
    return loaded


def match(library: Library, text: str, **more: object) -> Match | NoMatch:
    given = {"people": PEOPLE, "now": NOW, "zone": "Europe/Lisbon", "me": ME} | more
    return library.match(text, **given)  # type: ignore[arg-type]  # the defaults above, or a test's own


# A request that runs, its neighbour that must not, and the rule between them.
NEIGHBOURS = [
    ("Cancel the budget review", "Don't cancel the budget review", "negation"),
    ("Cancel the budget review", "Cancel the budget review if Omar declines", "condition"),
    ("Cancel the budget review", "Cancel all budget reviews", "scope"),
    ("Cancel my meeting with Dana", "Cancel my meetings with Dana", "plural"),
    ("Cancel my meeting with Dana", "Cancel Dana's meeting with Omar", "somebody else's"),
    ("Cancel the budget review", "Was the budget review cancelled?", "question about the past"),
    ("Cancel the budget review", "Ask Dana to cancel the budget review", "another verb first"),
    ("Cancel the budget review", "Cancel the budget review and forward the invoice", "a second wish"),
    ("Cancel the budget review", "Cancel the budget review every Friday", "recurrence"),
    ("Cancel the meeting with Dana", "Cancel the meeting room", "leftover noun"),
    ("Cancel my meeting with Dana", "Cancel my meeting with Zoltan", "unknown person"),
    ("Set up a call with Dana about her last mail", "Call Dana about her last mail", "verb or noun"),
    ("Set up a call with Dana about her last mail", "Set up a call with Dana about my last mail", "whose mail"),
    ("Set up a call with Dana about her last mail", "Set up a call with Dana about her first mail", "which mail"),
    ("Set up a call with Dana about her last mail", "Set up a call with Dana about her last three mails", "number"),
    ("Forward the latest invoice from Sven to Omar", "Forward the latest invoices from Sven to Omar", "plural record"),
    ("Forward the latest invoice from Sven to Omar", "Forward the latest mail from Sven to Omar", "missing noun"),
    ("Book a meeting with Dana and Omar", "Book a meeting with Dana or Omar", "alternative"),
    ("Book a meeting with Dana and Omar", "Book a meeting with everyone except Omar", "exception"),
    ("Welcome Priya and set up a welcome meeting", "Welcome Priya to the meeting", "a noun without its action"),
    ("Reply to Dana with three times when I am free", "Reply to Dana that I am not available", "negated content"),
    ("I'm away next week, Dana covers for me", "Dana is away next week, I cover for her", "roles swapped"),
    ("Post the notes of the retro to #finance", "Post the notes of the retro to #finance tomorrow at 9", "when to act"),
    ("Show unread mail by sender", "Show unread mail by sender every morning", "schedule"),
]


@pytest.mark.parametrize(
    ("runs", "refused", "rule"), NEIGHBOURS, ids=[rule + ": " + text for _, text, rule in NEIGHBOURS]
)
def test_a_rule_refuses_one_request_and_leaves_its_neighbour_alone(
    library: Library, runs: str, refused: str, rule: str
) -> None:
    """The nearest request that means something else does not run, and says why."""
    found, other = match(library, runs), match(library, refused)

    assert isinstance(found, Match), found.why
    assert found.is_ready
    assert isinstance(other, NoMatch), rule
    assert other.why


def test_a_leftover_word_is_named(library: Library) -> None:
    """The person reads which words kept the workflow from running, how near it was, and what was needed."""
    found = match(library, "Cancel the budget review and the yoga class")

    assert isinstance(found, NoMatch)
    assert found.best is not None
    assert found.best.name == "cancel-meeting"
    assert "'yoga'" in found.sentence
    assert found.as_json()["threshold"] == found.threshold


def test_every_slot_says_where_it_comes_from(library: Library) -> None:
    """Name, value, source, reference and the very words, as the item document shows them."""
    found = match(library, "set up a 45 minute call with dana ruiz about her last mail next week")

    assert isinstance(found, Match)
    shown = {slot.name: slot.as_json() for slot in found.slots}
    assert shown["person"] | {"type": ""} == {
        "name": "person", "value": "Dana Ruiz", "source": "directory", "ref": DANA.address, "text": "dana ruiz", "type": "",
    }  # fmt: skip
    assert (shown["minutes"]["value"], shown["minutes"]["source"], shown["minutes"]["text"]) == (
        45,
        "request",
        "45 minute",
    )
    assert shown["window"]["value"] == {"start": "2026-11-23T00:00:00+00:00", "end": "2026-11-30T00:00:00+00:00"}


def test_two_people_of_one_name_are_a_question(library: Library) -> None:
    """With another Dana in the directory the request still matches, and asks which one."""
    people = (*PEOPLE, make_person("Dana Stone", team="Legal"))

    found = match(library, "Set up a call with Dana about her last mail", people=people)

    assert isinstance(found, Match)
    assert not found.is_ready
    slot = next(slot for slot in found.slots if slot.name == "person")
    assert slot.value is None
    assert [choice.refs[0] for choice in slot.choices] == [DANA.address, "dana.stone@northwind.example"]


def test_a_full_name_settles_it(library: Library) -> None:
    """The neighbour of the question: the family name leaves one Dana."""
    people = (*PEOPLE, make_person("Dana Stone", team="Legal"))

    found = match(library, "Set up a call with Dana Ruiz about her last mail", people=people)

    assert isinstance(found, Match)
    assert found.is_ready


def test_a_slot_without_a_value_is_asked_for(library: Library) -> None:
    """A move without a time is this workflow with one question, not another workflow."""
    found = match(library, "Move my meeting with Dana")

    assert isinstance(found, Match)
    assert found.workflow.name == "move-meeting"
    assert found.missing == ("when",)
    assert not found.is_ready


def test_a_team_stands_for_its_members_without_me(library: Library) -> None:
    """The marketing team is Dana and Priya."""
    found = match(library, "Find 45 minutes for the marketing team and me next week")

    assert isinstance(found, Match)
    people = next(slot for slot in found.slots if slot.name == "people")
    assert people.value == ["Dana Ruiz", "Priya Nair"]


def test_a_reason_is_kept_in_the_persons_own_words(library: Library) -> None:
    """What follows because is the reason, with its subject."""
    found = match(library, "Cancel tomorrow's budget review because I am ill")

    assert isinstance(found, Match)
    assert next(slot.value for slot in found.slots if slot.name == "reason") == "I am ill"


def test_a_reason_cannot_hide_a_second_wish(library: Library) -> None:
    """An action inside the reason is not swallowed by it."""
    found = match(library, "Cancel the budget review because I am ill and book a new one on Friday")

    assert isinstance(found, NoMatch)


def test_a_move_keeps_old_and_new_time_apart(library: Library) -> None:
    """The time before "to" says which meeting, the time after it where to."""
    found = match(library, "Move my 3pm with Omar on Monday to Thursday at 10")

    assert isinstance(found, Match)
    values = {slot.name: slot.value for slot in found.slots}
    assert values["event"] == {"words": None, "person": OMAR.address, "at": "2026-11-23T15:00:00+00:00"}
    assert values["when"] == {"kind": "at", "start": "2026-11-26T10:00:00+00:00", "clock": None}


def test_last_mondays_notes_are_of_last_monday(library: Library) -> None:
    """A weekday of something that lies in the past is the one before today."""
    found = match(library, "Post Monday's meeting notes to #finance")

    assert isinstance(found, Match)
    event = next(slot.value for slot in found.slots if slot.name == "event")
    assert isinstance(event, dict)
    assert str(event["start"]).startswith("2026-11-16")


def test_names_with_accents_are_found_without_them(library: Library) -> None:
    """Jose finds José, and the other way round."""
    people = (*PEOPLE, make_person("José Álvarez"))

    for name in ("Jose", "JOSÉ", "jose alvarez"):
        found = match(library, f"Welcome {name}", people=people)
        assert isinstance(found, Match), name


def test_a_first_name_that_is_a_word_needs_its_capital(library: Library) -> None:
    """ "will" is a verb, "Will" inside a sentence a colleague."""
    people = (*PEOPLE, make_person("Will Stone"))

    named = match(library, "Set up a call with Will about his last mail", people=people)
    verb = match(library, "Set up a call with Dana about her last mail, will you", people=people)

    assert isinstance(named, Match)
    assert isinstance(verb, Match)
    assert next(slot.refs for slot in verb.slots if slot.name == "person") == (DANA.address,)


def test_two_workflows_that_fit_alike_run_neither(library: Library) -> None:
    """A copy under another name takes the lead away: the margin decides, not the order of files."""
    first = library.workflows[0]
    twin = Library.of([*library.workflows, first.model_copy(update={"name": "a-twin"})])
    words = "Book a meeting with Dana and Omar next week"
    assert isinstance(match(library, words), Match)

    found = match(twin, words)

    assert isinstance(found, NoMatch)
    assert "fits as well" in found.sentence


def test_an_empty_library_abstains() -> None:
    """Without workflows there is nothing to run, and the sentence says so."""
    found = match(Library.of([]), "Cancel the budget review")

    assert isinstance(found, NoMatch)
    assert found.sentence == "The library holds no workflow."


def test_the_zone_of_the_requester_decides_the_day(library: Library) -> None:
    """At nine in the morning in Lisbon it is already Friday evening in Singapore, and tomorrow is Saturday in both."""
    found = match(library, "What's on my plate tomorrow?", zone="Asia/Singapore", me=replace(LI))

    assert isinstance(found, Match)
    assert found.slots[0].value == "2026-11-21"


def test_the_tuning_set_runs_right_or_not_at_all(library: Library) -> None:
    """At most one request in a hundred runs a wrong workflow; at least four in five of those that have one run it."""
    right = wrong = wanted = 0
    rows = [json.loads(line) for line in TUNING.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        found = match(library, row["text"])
        wanted += row["expect"] is not None
        if isinstance(found, Match) and found.is_ready:
            right, wrong = (
                right + (found.workflow.name == row["expect"]),
                wrong + (found.workflow.name != row["expect"]),
            )

    assert wrong / len(rows) <= 0.01
    assert right / wanted >= 0.8
