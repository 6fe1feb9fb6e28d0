"""Work and values that pass from one case to another, at their edges. What single values get is told by the cases."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from policies.grants import Grant
from policies.guard import Call, Case, Guard, Result
from tests.policy.test_bundle import SEND

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
GUARD = Guard.load()
ME = "alex@northwind.example"
KIM = "kim@partner.example"
WAIT = Call(tool="worklist.wait")


def opened(words: str = f"Email {KIM} that I am late") -> Case:
    return GUARD.open(request=words, principal=ME, now=NOW, tools=[SEND])


def test_a_huge_value_is_of_level_0_as_a_whole() -> None:
    """Nobody looks up a novel word by word; what it says of the user's own people is not known any more."""
    case = opened()

    assert case.labels_of({"to": KIM})["values"] == {KIM: 4}
    assert case.labels_of({"to": KIM, "novel": "once upon a time " * 4000})["values"] == {}
    assert case.labels_of([f"word{number}" for number in range(3000)] + [KIM])["values"] == {}


def test_labels_are_told_for_numbers_and_for_names_of_several_words() -> None:
    """A title counts as one value, and a number as its text; words that designate nothing are left out."""
    told = opened("Delete the mail 'Budget review' with id 4711123").labels_of(
        {"title": "Budget review", "id": 4711123}
    )

    assert told["values"] == {"4711123": 4, "budget": 4, "budget review": 4, "review": 4}


def test_an_empty_result_still_carries_what_was_read() -> None:
    """Nothing at all is an answer too, and who gave it had read something."""
    case = opened()
    told = {"level": 0, "class": "secret", "readers": [ME]}

    case.observe(Result(call=WAIT, value=None, labels=told))

    assert (case.label.secret, case.label.readers) == (True, frozenset({ME}))


def test_keys_of_a_result_are_no_source() -> None:
    """An address smuggled in as a field's name is from nowhere."""
    case = opened("Email the winner that I am late")
    value = {"drop@evil.example": "r"}

    case.observe(Result(call=WAIT, value=value, labels={"level": 3}))

    decision = case.decide(Call(tool="mail.send", args={"to": ["drop@evil.example"], "body": "late"}))
    assert decision.effect == "deny"


@pytest.mark.parametrize("may", [[{"noun": "email"}], [{"effect": "explode"}], [{"effect": 3}], ["send"], [None]])
def test_clauses_that_cannot_be_read_hand_nothing_on(may: list[object]) -> None:
    """What an agent asks to hand on is never guessed at."""
    with pytest.raises(ValueError, match="grant:"):
        opened().child_grant(["mail.send"], may)  # type: ignore[arg-type]  # the point of the test


def test_handing_on_again_and_again_does_not_grow_a_grant() -> None:
    """Ten generations later it is no longer than it was, and means the same."""
    clauses = [{"effect": ["send", "create"], "quotas": {f"q{number}": number + 1}} for number in range(8)]
    first = grant = Grant.from_json(clauses)

    for _ in range(10):
        grant = first.intersect(grant)

    assert len(grant.clauses) == len(first.clauses)
    assert grant.handed_on(["mail.send"], None).scope == ("mail.send",)


def test_a_person_is_shown_no_link_that_they_did_not_write() -> None:
    """A question to the requester is cleaned as a mail is."""
    case = opened("Email kim@partner.example the page www.trade-news.example/rates")

    shown = case.without_links("Is www.trade-news.example/rates right, or https://evil.example/x?kim@partner.example")

    assert shown == "Is www.trade-news.example/rates right, or [link removed]"


def test_an_equal_question_is_answered_once_and_another_one_anew() -> None:
    """The answers that are remembered are told apart by everything a rule can look at."""
    guard = Guard.load()
    case = guard.open(request=f"Email {KIM} that I am late", principal=ME, now=NOW, tools=[SEND])
    call = Call(tool="mail.send", args={"to": [KIM], "body": "I am late"})

    effects = [case.decide(call, flags=flags).effect for flags in ({}, {"all": True}, {}, {"all": False})]

    assert effects == ["allow", "deny", "allow", "allow"]
