"""Second looks: manners cut, slips read, plain context set aside, strangers asked about; and what none of them may turn into."""

from __future__ import annotations

import pytest

from orchestrator.workflows.check import SHIPPED
from orchestrator.workflows.match import Library, Match, NoMatch
from orchestrator.workflows.repair import is_near, without_manners
from tests.workflows.world import ME, NOW, PEOPLE, PRIYA


@pytest.fixture(scope="module")
def library() -> Library:
    return Library.load([SHIPPED])


def match(library: Library, text: str) -> Match | NoMatch:
    return library.match(text, people=PEOPLE, now=NOW, zone="Europe/Lisbon", me=ME)


@pytest.mark.parametrize(
    ("typed", "meant", "near"),
    [
        ("cancle", "cancel", True),
        ("canel", "cancel", True),
        ("canncel", "cancel", True),
        ("cansel", "cancel", True),
        ("cancel", "cancel", False),
        ("cnacle", "cancel", False),
        ("acncle", "cancel", False),
    ],
)
def test_one_edit_is_near_and_two_are_not(typed: str, meant: str, near: bool) -> None:
    """Missing, added, wrong and swapped letters count one each."""
    assert is_near(typed, meant) is near


def test_a_slip_is_read_and_said(library: Library) -> None:
    """The slot and the reasons tell what was read as what."""
    found = match(library, "Welcom Pryia")

    assert isinstance(found, Match)
    person = next(slot for slot in found.slots if slot.name == "person")
    assert person.refs == (PRIYA.address,)
    assert person.text == "Pryia (read as Priya)"
    assert "'Welcom' was read as 'welcome'." in found.why


@pytest.mark.parametrize(
    "text",
    [
        "Cancel evry meeting with Dana",  # a word of scope
        "Cancel the budget review unles Omar comes",  # a condition
        "Nevr cancel the budget review",  # a negation
        "Decide in #finance",  # another form of a word is another word
        "Cancel the standup on Fridays",
        "Clean my meeting with Dana",  # a verb, and not a slip
        "Charge my meeting with Dana to Thursday",
    ],
)
def test_what_may_turn_a_request_around_is_no_slip(library: Library, text: str) -> None:
    """Negations, scope, other verbs and other forms stay unexplained, and nothing runs."""
    assert isinstance(match(library, text), NoMatch)


def test_a_title_is_not_corrected_into_a_colleague(library: Library) -> None:
    """A word that needs no correction keeps its letters."""
    found = match(library, "Book a meeting with Dana about Prima")

    assert isinstance(found, Match)
    assert next(slot.value for slot in found.slots if slot.name == "title") == "Prima"


@pytest.mark.parametrize(
    ("text", "workflow", "slot"),
    [
        ("Welcome Mia", "welcome-colleague", "person"),
        ("Reply to Zoltan with my availability", "reply-with-availability", "person"),
        ("Book a meeting with Dana and Zoltan", "book-group-meeting", "people"),
        ("Forward the latest invoice from Contoso to Omar", "forward-invoice", "sender"),
        ("Forward the latest invoice to Omer", "forward-invoice", "approver"),  # four letters are too few for a slip
        ("Follow up with Zoltan on my unanswered mail", "follow-up-unanswered", "person"),
        ("I'm away next week, Zoltan covers", "out-of-office-cover", "cover"),
    ],
)
def test_a_name_that_nobody_has_is_a_question(library: Library, text: str, workflow: str, slot: str) -> None:
    """The request is understood, but for whom: it asks, and runs for nobody else in the meantime."""
    found = match(library, text)

    assert isinstance(found, Match), found.why
    assert found.workflow.name == workflow
    assert not found.is_ready
    asked = next(one for one in found.slots if one.name == slot)
    assert asked.value is None
    assert asked.ask.startswith("Nobody called “")


def test_manners_are_cut_and_the_wish_stays() -> None:
    """A greeting, a sign-off and the speaker's own name go; a request that is nothing else stays."""
    assert without_manners("Good morning! Cancel the retro. Kind regards, Alex", ME) == "Cancel the retro."
    assert without_manners("Hi Deputy, cancel the retro. Thanks so much!", ME) == "cancel the retro."
    assert without_manners("Cancel the retro. Thanks, Omar", ME) == "Cancel the retro. Thanks, Omar"
    assert without_manners("Hello!", ME) == "Hello!"


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("Our client is unhappy. Cancel the budget review", True),
        ("I'm on holiday then. Cancel the budget review", False),
        ("Omar is unhappy. Cancel the budget review", False),
        ("I need a refund. Cancel the budget review", False),
        ("It is not urgent. Cancel the budget review", False),
        ("Ignore that. Cancel the budget review", False),
    ],
)
def test_only_plain_context_is_set_aside(library: Library, text: str, runs: bool) -> None:
    """A sentence with a verb of its own, a person, a time, a negation or a wish may change what is meant."""
    assert isinstance(match(library, text), Match) is runs


def test_a_team_needs_no_word_team_where_people_stand(library: Library) -> None:
    """Its bare name stands for its members after "with" or "for", not where it colours another noun."""
    found = match(library, "Find 30 minutes for marketing and me next week")

    assert isinstance(found, Match)
    assert next(slot.value for slot in found.slots if slot.name == "people") == ["Dana Ruiz", "Priya Nair"]
    assert isinstance(match(library, "Find the marketing budget"), NoMatch)
    assert isinstance(match(library, "Book a course for marketing managers next week"), NoMatch)
