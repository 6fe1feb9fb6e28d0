"""Two people of one name is a question, no guess; what no workflow knows needs a model and touches nothing."""

from __future__ import annotations

import pytest

from orchestrator.errors import Conflict, NotEligible, UsageError
from orchestrator.surfaces.cli.exitcode import Exit
from tests.e2e.place import CALL, DANA, NOTHING, Place


def with_two_danas(place: Place) -> str:
    return place.office.add_person("Dana Fox", zone="Europe/Lisbon", team="Finance", role="Controller")


def test_a_second_dana_is_a_question_and_the_answer_continues_the_same_item(any_place: Place) -> None:
    """Which one? Nothing is read about either before the answer; then the same item goes on to its cards."""
    with_two_danas(any_place)
    asked = any_place.ask(CALL)

    assert asked["waiting_on"] == ["answer"]
    assert any_place.exit_code(asked) is Exit.ANSWER
    assert len(asked["question"]["choices"]) == 2
    assert not any_place.steps(asked, "read")
    any_place.restart()

    choice = next(c for c in asked["question"]["choices"] if "Ruiz" in c)
    any_place.desk.answer(any_place.me, asked["item_id"], choice)
    any_place.work()

    carded = any_place.item(asked)
    assert carded["waiting_on"] == ["approval"]
    assert carded["run_id"] == asked["run_id"]
    (person,) = [slot for slot in carded["slots"] if slot["name"] == "person"]
    assert person["ref"] == DANA
    assert person["source"] == "answer"
    assert any_place.approve_all(carded)["state"] == "done"
    assert len(any_place.sent()) == 2


def test_answering_for_the_other_dana_finds_that_she_never_wrote(place: Place) -> None:
    """The answer decides: with no mail from her, the run says so and changes nothing."""
    with_two_danas(place)
    asked = place.ask(CALL)

    place.desk.answer(place.me, asked["item_id"], "Dana Fox")
    place.work()

    ended = place.item(asked)
    assert "Dana Fox" in (ended["text"] or ended["error"]["message"])
    assert place.diff() == NOTHING


def test_only_one_of_the_choices_is_an_answer(place: Place) -> None:
    """An answer that names no choice, a second answer, and a stranger's answer change nothing."""
    with_two_danas(place)
    asked = place.ask(CALL)
    stranger = place.desk.principal("aisha.weber@brightwater.example")

    with pytest.raises(UsageError):
        place.desk.answer(place.me, asked["item_id"], "Teresa")
    with pytest.raises((NotEligible, LookupError, Exception)) as refused:
        place.desk.answer(stranger, asked["item_id"], "1")
    assert getattr(refused.value, "code", "") in ("not_eligible", "not_found")
    place.desk.answer(place.me, asked["item_id"], "1")
    with pytest.raises(Conflict):
        place.desk.answer(place.me, asked["item_id"], "2")


def test_a_question_on_the_command_line_is_exit_nine(place: Place) -> None:
    """`deputy ask` ends with 9 and the question; `deputy work answer` with a number continues."""
    with_two_danas(place)

    code, asked = place.deputy("ask", CALL)
    assert code == Exit.ANSWER
    number = 1 + next(n for n, c in enumerate(asked["question"]["choices"]) if "Ruiz" in c)
    code, _ = place.deputy("work", "answer", asked["item_id"], str(number))

    assert code in (Exit.OK, Exit.APPROVAL)
    place.work()
    assert place.item(asked)["waiting_on"] == ["approval"]


def test_a_poem_needs_a_model_and_says_how_near_the_nearest_workflow_was(any_place: Place) -> None:
    """Exit 8 with the best score, the threshold and what was missing; the office is as it was, and nothing was read in it."""
    ended = any_place.ask("write a poem for Dana")

    assert ended["state"] == "needs_model"
    assert any_place.exit_code(ended) is Exit.NEEDS_MODEL
    assert ended["error"]["code"] == "needs_model"
    assert ended["error"]["fix"]
    assert 0 <= ended["match"]["score"] <= 1
    assert 0 < ended["match"]["threshold"] <= 1
    assert ended["match"]["missing"] or ended["match"]["why"]
    assert ended["runs"] == []
    assert ended["receipt"]["model_calls"] == 0
    assert any_place.diff() == NOTHING
    assert any_place.sent() == []


@pytest.mark.parametrize(
    "request_text",
    [
        "do not set up a call with Dana about her last mail",  # negation
        "set up a call with Dana about her last three mails",  # another scope
        "call Dana about her last mail every week",  # a repetition
        "set up a call with Dana and forward her last mail to Teresa",  # two wishes in one
        "pay Dana's last invoice",  # a verb nobody knows
    ],
)
def test_what_is_only_nearly_a_workflow_does_not_run(place: Place, request_text: str) -> None:
    """Better a model or a question than a wrong effect."""
    ended = place.ask(request_text)

    assert ended["state"] == "needs_model"
    assert place.diff() == NOTHING


def test_answers_that_cannot_be_read_leave_the_question_open(any_place: Place) -> None:
    """However often: one question, with a remark about the latest answer alone; the right answer then goes on."""
    asked = any_place.ask("Schedule a call with Noah about his last mail")
    assert asked["waiting_on"] == ["answer"], asked["error"]
    first = asked["question"]["text"]

    for number in range(95, 100):
        any_place.desk.answer(any_place.me, asked["item_id"], str(number))
        any_place.work()
        again = any_place.item(asked)
        assert again["waiting_on"] == ["answer"]
        assert f"'{number}'" in again["question"]["text"]
        assert again["question"]["text"].endswith(first)
        assert again["question"]["text"].count("could not read") == 1
        assert again["question"]["choices"] == asked["question"]["choices"]

    any_place.desk.answer(any_place.me, asked["item_id"], DANA)
    any_place.work()
    assert any_place.item(asked)["waiting_on"] == ["approval"]
    assert any_place.approve_all(asked)["state"] == "done"
