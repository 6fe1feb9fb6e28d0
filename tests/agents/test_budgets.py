"""Budgets of requests and of tasks: never exceeded in the rows, whatever runs at once; the end says what was done so far."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import sqlalchemy as sa

from orchestrator.store import budgets
from orchestrator.store.agent_tables import budgets as table
from orchestrator.store.database import Store
from tests.agents.cast import ODD, Script, cast, delegate, ended, hire, supervise, wait
from tests.agents.puppet import Asked, Call, Puppet, Says, finish, puppet
from tests.agents.test_asks import AISHA, DANA, mail
from tests.agents.test_limits import never
from tests.e2e.place import Place

LOOKS = ("directory.list_people",)
PRICED = {"openai:puppet": {"input": 100.0, "output": 100.0}}  # dollars per million tokens


def rows(place: Place) -> list[tuple[str, str, int | None, int]]:
    """(item, name, most, used) of everything that is counted."""
    store = Store.open(place.settings.store_url, migrate=False)
    try:
        with store.read() as tx:
            c = table.c
            return [tuple(row) for row in tx.c.execute(sa.select(c.item_id, c.name, c.most, c.used))]  # type: ignore[misc]  # a row of four
    finally:
        store.close()


def overdrawn(place: Place) -> list[tuple[str, str, int | None, int]]:
    return [row for row in rows(place) if row[2] is not None and row[3] > row[2]]


class Watched:
    """A script around which the rows are looked at before and after every reply."""

    def __init__(self, place: Place, script: Script) -> None:
        self.place, self.script = place, script
        self.found: list[Any] = []

    def __call__(self, asked: Asked) -> Says:
        self.found += overdrawn(self.place)
        return self.script(asked)


def used(place: Place, item: Mapping[str, Any]) -> dict[str, Any]:
    store = Store.open(place.settings.store_url, migrate=False)
    try:
        with store.read() as tx:
            return dict(budgets.of(tx, str(item["item_id"])))
    finally:
        store.close()


SOLO: list[tuple[dict[str, int], dict[str, Any], Callable[[Puppet], bool]]] = [
    ({"model_calls": 3}, {}, lambda model: len(model.asked) == 3),
    ({"tokens": 12_000}, {}, lambda model: 0 < len(model.asked) < 12),
    ({"cost_microusd": 900_000}, {"prices": PRICED}, lambda model: 0 < len(model.asked) < 30),
]


@pytest.mark.parametrize(("limits", "settings", "fits"), SOLO, ids=["calls", "tokens", "money"])
def test_a_request_ends_at_its_budget(
    place: Place, limits: dict[str, int], settings: dict[str, Any], fits: Callable[[Puppet], bool]
) -> None:
    """State over_budget, exit 10, the limit named, and never more used than allowed."""
    hire(place, "clerk", LOOKS, max_turns=100)
    watched = Watched(place, never)
    with puppet(watched) as model:
        place.set(model="openai:puppet", model_base_url=model.url, **settings)
        done = place.ask(ODD, agent="clerk", budget=limits)

    ((name, most),) = limits.items()
    assert (done["state"], done["error"]["code"]) == ("over_budget", "over_budget"), done["error"]
    assert name in done["error"]["message"]
    assert place.exit_code(done) == 10
    assert fits(model), len(model.asked)
    assert watched.found == [] and overdrawn(place) == []
    taken = used(place, done)[name]
    assert taken["most"] == most and 0 < taken["used"] <= most
    assert done["budget"][name] == taken
    assert used(place, done)["model_calls"]["used"] == len(model.asked)


def test_wall_time_is_a_budget(place: Place) -> None:
    """A model that is slower than what is left is given up in time: over_budget, not a fault of the model."""
    hire(place, "clerk", LOOKS, max_turns=100)

    def slow(asked: Asked) -> Says:
        time.sleep(0.6)
        return never(asked)

    with puppet(slow) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        began = time.monotonic()
        done = place.ask(ODD, agent="clerk", budget={"wall_ms": 2500})
        took = time.monotonic() - began

    assert (done["state"], place.exit_code(done)) == ("over_budget", 10), (done["state"], done["error"])
    assert "wall_ms" in done["error"]["message"]
    assert overdrawn(place) == []
    assert 1 <= len(model.asked) <= 5
    assert took < 6


def test_a_model_that_hangs_is_over_the_wall_budget(place: Place) -> None:
    """It answers nothing within all the time that was left: the budget ended it, and says so."""
    hire(place, "clerk", LOOKS)
    go_on = threading.Event()

    def hangs(_: Asked) -> Says:
        go_on.wait(8)
        return "late"

    with puppet(hangs) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD, agent="clerk", budget={"wall_ms": 1500})
        go_on.set()

    assert (done["state"], place.exit_code(done)) == ("over_budget", 10), (done["state"], done["error"])
    assert overdrawn(place) == []


def test_effects_are_a_budget(place: Place) -> None:
    """The second of two approved sends is not made; the text says what was done."""

    def script(asked: Asked) -> Says:
        return [mail(DANA), mail(AISHA)] if asked.turn == 0 else finish("both")

    hire(place, "clerk", ["mail.send"])
    with puppet(script) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        asked = place.ask(
            "Please write Dana Ruiz and Aisha Weber one line each that the fire drill is at noon",
            agent="clerk",
            budget={"effects": 1},
        )
        for card in place.cards(asked):
            place.decide(card)
        place.work()
        done = place.item(asked)

    assert (done["state"], place.exit_code(done)) == ("over_budget", 10), (done["state"], done["error"])
    assert len(place.sent()) == 1
    assert used(place, done)["effects"] == {"most": 1, "used": 1}
    assert "Dana" in done["text"] or "Aisha" in done["text"]


def test_an_effect_that_was_not_made_costs_nothing(place: Place) -> None:
    """A denied card leaves the budget of effects as it was."""
    hire(place, "clerk", ["mail.send"])
    with puppet(lambda asked: mail(DANA) if asked.turn == 0 else finish("no")) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        asked = place.ask(
            "write Dana Ruiz that the fire drill is at noon, however you like", agent="clerk", budget={"effects": 3}
        )
        place.decide(place.card(asked, "mail.send"), "deny")
        place.work()

    assert used(place, asked)["effects"] == {"most": 3, "used": 0}


def test_a_child_over_its_own_budget_is_a_value(place: Place) -> None:
    """The parent hears over_budget with what the child had done, and goes on with its own budget."""
    child = delegate("clerk", *LOOKS, budget={"model_calls": 2})
    with puppet(cast(supervise(child), clerk=never)) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD)

    assert done["state"] == "done", done["error"]
    (told,) = ended(done)
    assert (told["state"], told["report"]["code"]) == ("over_budget", "over_budget")
    assert len(model.asked) == 5


def test_a_child_never_gets_more_than_its_parent_has(place: Place) -> None:
    """A supervisor that hands out a million calls hands out its own limit at most."""
    child = delegate("clerk", *LOOKS, budget={"model_calls": 1_000_000, "usd": 5_000})
    with puppet(cast(supervise(child), clerk=never)) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD, budget={"model_calls": 7})

    assert done["state"] == "over_budget"
    assert len(model.asked) == 7
    (below,) = done["children"]
    assert used(place, {"item_id": below})["model_calls"]["most"] == 7
    assert overdrawn(place) == []


@pytest.mark.parametrize("limits", [{"model_calls": 9}, {"tokens": 90_000}], ids=["calls", "tokens"])
def test_parallel_children_together_stay_within_the_root(any_place: Place, limits: dict[str, int]) -> None:
    """Four children at once, each without a limit of its own: the root's is never exceeded, at any instant; exit 10."""
    place = any_place
    names = ("one", "two", "three", "four")
    watched = Watched(
        place, cast(supervise(*(delegate(name, *LOOKS) for name in names)), **dict.fromkeys(names, never))
    )
    with puppet(watched) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD, budget=limits)

    assert watched.found == [] and overdrawn(place) == []
    assert (done["state"], place.exit_code(done)) == ("over_budget", 10), (done["state"], done["error"])
    assert used(place, done)["model_calls"]["used"] == len(model.asked)
    assert all(place.item(child)["state"] in ("over_budget", "cancelled") for child in done["children"])


def test_a_budget_that_ends_below_says_what_the_tasks_returned(place: Place) -> None:
    """One child answered before the money was gone: its answer stands in the request's text."""

    def lead(asked: Asked) -> Says:
        if asked.turn == 0:
            return delegate("one", *LOOKS)
        if asked.turn == 1:
            return wait()
        return delegate(f"more{asked.turn}", *LOOKS)

    def script(asked: Asked) -> Says:
        if asked.is_supervisor:
            return lead(asked)
        return finish("the week has nine meetings") if "do one" in asked.told else never(asked)

    with puppet(script) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD, budget={"model_calls": 6})

    assert done["state"] == "over_budget", done["error"]
    assert "nine meetings" in done["text"]
    assert len(model.asked) == 6
    assert {place.item(child)["state"] for child in done["children"]} <= {"done", "cancelled", "over_budget"}


def test_a_failed_model_call_gives_its_reservation_back(place: Place) -> None:
    """What an endpoint refused costs neither tokens nor money."""
    hire(place, "clerk", LOOKS)
    with puppet(lambda asked: (400, {"error": {"message": "no", "type": "invalid_request_error"}})) as model:
        place.set(model="openai:puppet", model_base_url=model.url, prices=PRICED)
        done = place.ask(ODD, agent="clerk", budget={"tokens": 100_000, "cost_microusd": 90_000_000})

    assert done["state"] == "failed", done["error"]
    taken = used(place, done)
    assert (taken["tokens"]["used"], taken["cost_microusd"]["used"], taken["model_calls"]["used"]) == (0, 0, 0)


def test_a_budget_of_one_call_is_used_by_the_call_not_by_the_wait(place: Place) -> None:
    """Waiting for a person takes no wall time: a question left open for days does not end the run."""
    from datetime import timedelta

    hire(place, "clerk", LOOKS)

    def script(asked: Asked) -> Says:
        return Call("agent_ask_requester", {"question": "Which?"}) if asked.turn == 0 else finish("fine")

    with puppet(script) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        asked = place.ask(ODD, agent="clerk", budget={"wall_ms": 60_000, "model_calls": 2})
        place.later(timedelta(days=3))
        place.desk.answer(place.me, asked["item_id"], "that one")
        place.work()
        done = place.item(asked)

    assert done["state"] == "done", done["error"]
    assert used(place, done)["wall_ms"]["used"] < 60_000
