"""A budget of effects holds for what workflows do, too: reserved before each call; what does not fit ends in exit code 10."""

from __future__ import annotations

import pytest

from orchestrator.surfaces.cli.exitcode import Exit
from tests.e2e.place import CALL, NOTHING, Place, tools
from tests.e2e.test_schedules import comes, firings, order


@pytest.mark.parametrize("most", [0, 1])
def test_what_does_not_fit_the_budget_is_not_sent(any_place: Place, most: int) -> None:
    """Of two effects none or one is sent, however freely they are approved; the document tells limit, use and what was done."""
    asked = any_place.ask(CALL, budget={"effects": most})

    ended = any_place.approve_all(asked)

    assert (ended["state"], ended["error"]["code"]) == ("over_budget", "over_budget"), ended["error"]
    assert any_place.exit_code(ended) is Exit.OVER_BUDGET
    assert f"({most} of {most})" in ended["error"]["message"]
    assert "--budget" in ended["error"]["fix"]
    assert len(any_place.sent()) == len(tools(ended, "done")) == most
    assert ended["budget"]["effects"] == {"most": most, "used": most}
    assert bool(ended["text"]) is (most > 0)
    any_place.restart()
    any_place.work()
    assert any_place.item(asked)["state"] == "over_budget"
    assert len(any_place.sent()) == most


def test_what_fits_the_budget_is_done_and_counted(any_place: Place) -> None:
    """Two effects under a limit of two; without a limit nothing is counted."""
    done = any_place.approve_all(any_place.ask(CALL, budget={"effects": 2}))

    assert done["state"] == "done", done["error"]
    assert done["budget"]["effects"] == {"most": 2, "used": 2}


def test_one_after_the_other_a_loop_ends_where_the_budget_does(place: Place) -> None:
    """Several replies of one step: as many as fit are sent, and the item says that it was too much."""
    asked = place.ask("Follow up on my unanswered mails", budget={"effects": 1})
    assert len(place.cards(asked)) > 1

    ended = place.approve_all(asked)

    assert (ended["state"], place.exit_code(ended)) == ("over_budget", Exit.OVER_BUDGET), ended["error"]
    assert len(place.sent()) == 1


def test_no_effects_on_the_command_line_is_exit_ten(place: Place) -> None:
    """`deputy ask … --budget effects=0 --yes` sends nothing."""
    code, ended = place.deputy("ask", CALL, "--budget", "effects=0", "--yes")

    assert (code, ended["state"]) == (Exit.OVER_BUDGET, "over_budget"), ended
    assert ended["budget"]["effects"] == {"most": 0, "used": 0}
    assert place.diff() == NOTHING


def test_a_schedule_keeps_to_its_budget(place: Place) -> None:
    """Each run of a standing order has the limit it was given."""
    order(place, request=CALL, options={"budget": {"effects": 1}})
    comes(place)
    (fired,) = firings(place)

    ended = place.approve_all(place.item(fired["item_id"]))

    assert ended["state"] == "over_budget", ended["error"]
    assert len(place.sent()) == 1
