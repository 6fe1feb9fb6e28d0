"""An item as its document shows it: with everything below it, and paused only when nothing of it runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from orchestrator.deputy import Deputy
from orchestrator.domain import document as documents
from orchestrator.domain.effect import EffectState
from orchestrator.domain.item import WaitKind
from orchestrator.domain.outcome import Done, Parked
from orchestrator.domain.principal import Principal
from orchestrator.store import budgets, effects, lease, runs, tasks, waits, worklist
from orchestrator.store.database import Store
from orchestrator.store.lease import Lease
from orchestrator.store.packets import Packet
from orchestrator.store.tasks import Size, Task
from orchestrator.surfaces.cli.exitcode import Exit, of_item
from tests.store.nouns import ALEX, NOW, card, claim, effect, enlist, later, running, submit, wish

ME = Principal(principal_id=ALEX, name="Alex", roles=frozenset({"admin"}))
ENDPOINT = {"endpoint": "one", "model": "m", "calls": 2, "bytes": 10, "classes": ["normal"], "dropped": []}


@pytest.fixture
def desk(store: Store) -> Deputy:
    """The front desk over the store of the test."""
    return Deputy(store, owner=ALEX)


def hand_on(store: Store, mine: Lease, *names: str) -> list[str]:
    """Ids of children, one for each name."""
    handed = [
        Task(
            new=wish(f"part {name}"),
            call_id=name,
            packet=Packet(spec={"name": name}, context={}, case={}, delegated_by="run_one", call_id=name),
            limits={"tokens": 100},
        )
        for name in names
    ]
    made = store.write(tasks.delegate, mine, handed, NOW, size=Size())
    assert isinstance(made, list)
    return made


def next_lease(store: Store, worker_id: str) -> Lease:
    """What another worker claims, with a run."""
    enlist(store, worker_id)
    mine = claim(store, worker_id).lease
    store.write(runs.start, mine, route="agent", workflow=None, version=None, pins={"agent": "x"}, now=NOW)
    return mine


def receipt(**more: Any) -> dict[str, Any]:
    """What an agent's run took."""
    return {
        "model_calls": 2,
        "input_tokens": 100,
        "output_tokens": 10,
        "cost_usd": 0.1,
        "wall_s": 3.0,
        "determinism": "model",
        "endpoints": [ENDPOINT],
        "retries": 1,
        **more,
    }


# ---- pause is true -------------------------------------------------------------------------------------------------
def test_a_running_item_pauses_before_it_is_paused(store: Store, desk: Deputy) -> None:
    """Pausing until it has parked, paused from then on; a follower goes on meanwhile and stops then."""
    mine = running(store)
    item_id = mine.item.item_id

    asked = desk.pause(ME, item_id)
    assert (asked["pausing"], asked["waiting_on"], of_item(asked, NOW)) == (True, [], None)
    assert "pause at its next step" in asked["why_here"]

    store.write(lease.settle, mine, Parked(), NOW)
    paused = desk.item(ME, item_id)
    assert (paused["pausing"], paused["waiting_on"], of_item(paused, NOW)) == (False, ["paused"], Exit.APPROVAL)
    assert paused["why_here"].startswith("Paused")


def test_a_waiting_item_is_paused_only_when_nothing_below_it_runs(store: Store, desk: Deputy) -> None:
    """In document, list and words alike, two levels down as well."""
    root = running(store)
    hand_on(store, root, "one")
    assert store.write(lease.settle, root, Parked(), NOW).value == "waiting"
    child = next_lease(store, "w_two")
    hand_on(store, child, "two")
    assert store.write(lease.settle, child, Parked(), NOW).value == "waiting"
    grandchild = next_lease(store, "w_three")

    for at_rest in (False, True):
        if at_rest:
            store.write(lease.settle, grandchild, Parked(), NOW)
        else:
            desk.pause(ME, root.item.item_id)
        seen = desk.item(ME, root.item.item_id)
        brief = next(one for one in desk.items(ME)["items"] if one["item_id"] == root.item.item_id)
        assert [one["pausing"] for one in (seen, brief)] == [not at_rest, not at_rest]
        assert ["paused" in one["waiting_on"] for one in (seen, brief)] == [at_rest, at_rest]
        assert seen["why_here"].startswith("Paused" if at_rest else "Pausing")
        assert seen["agents"][0]["why_here"].startswith("Paused" if at_rest else "Pausing")
        assert of_item(seen, NOW) == (Exit.APPROVAL if at_rest else None)
        with store.read() as tx:
            assert worklist.is_pausing(tx, root.item.item_id) is not at_rest

    resumed = desk.resume(ME, root.item.item_id)
    assert (resumed["pausing"], "paused" in resumed["waiting_on"]) == (False, False)


def test_a_paused_task_shows_at_its_root_once_nothing_else_moves(store: Store, desk: Deputy) -> None:
    """A follower of the whole request is told why nothing goes on; while a sibling may still run, it is not."""
    root = running(store)
    first, second = hand_on(store, root, "one", "two")
    store.write(lease.settle, root, Parked(), NOW)
    desk.pause(ME, first)

    assert desk.item(ME, root.item.item_id)["waiting_on"] == ["child"]
    desk.pause(ME, second)
    assert desk.item(ME, root.item.item_id)["waiting_on"] == ["child", "paused"]


# ---- the whole tree ------------------------------------------------------------------------------------------------
def test_effects_and_cards_of_the_whole_tree_are_shown_when_it_has_ended(store: Store, desk: Deputy) -> None:
    """Those of tasks that are done as well, each with its item, in the order they were made."""
    root = running(store)
    own = effect(root, state=EffectState.APPROVED)
    store.write(effects.hold, root, own, NOW)
    (child,) = hand_on(store, root, "one")
    mine = next_lease(store, "w_two")
    below = effect(mine, "t1.0", state=EffectState.APPROVED)
    store.write(effects.hold, mine, below, NOW)
    asked = effect(mine, "t2.0")
    store.write(effects.intend, mine, asked, card(asked), wait_id="w1", now=NOW)
    store.write(lease.settle, mine, Done(text="found"), NOW)
    store.write(lease.settle, root, Parked(), NOW)
    store.write(worklist.cancel, root.item.item_id, ALEX, later(minutes=1), "enough")

    seen = desk.item(ME, root.item.item_id)

    assert seen["state"] == "cancelled"
    assert {(one["item_id"], one["call_id"]) for one in seen["effects"]} == {
        (root.item.item_id, "g0.send"),
        (child, "t1.0"),
        (child, "t2.0"),
    }
    assert [(one["item_id"], one["state"]) for one in seen["approvals"]] == [(child, "void")]
    assert [one["call_id"] for one in desk.item(ME, child)["effects"]] == ["t1.0", "t2.0"]


def test_questions_of_unfinished_tasks_stand_behind_the_items_own(store: Store, desk: Deputy) -> None:
    """Each with its item, so that it can be answered at the root."""
    root = running(store)
    (child,) = hand_on(store, root, "one")
    mine = next_lease(store, "w_two")
    for held, text in ((mine, "Which day?"), (root, "Which room?")):
        new = waits.NewWait(wait_id="ask", kind=WaitKind.ANSWER, payload={"text": text})
        store.write(lease.wait_for, held, new, NOW)
        store.write(lease.settle, held, Parked(), NOW)

    seen = desk.item(ME, root.item.item_id)

    assert [(one["item_id"], one["text"]) for one in seen["questions"]] == [
        (root.item.item_id, "Which room?"),
        (child, "Which day?"),
    ]
    assert seen["waiting_on"] == ["answer", "child"]


def test_the_receipt_is_summed_over_the_tree(store: Store, desk: Deputy) -> None:
    """Calls, tokens and money add up, endpoints merge, the wall time is the item's own; one model makes the whole a model's."""
    root = running(store)
    hand_on(store, root, "one", "two")
    for worker_id, other in (("w_two", ENDPOINT), ("w_three", {**ENDPOINT, "endpoint": "other"})):
        mine = next_lease(store, worker_id)
        store.write(lease.settle, mine, Done(text="found"), NOW, receipt=receipt(endpoints=[other]))
    plain = {"model_calls": 0, "cost_usd": 0.0, "wall_s": 9.5, "determinism": "replayable", "endpoints": []}
    root = claim(store, "w_one").lease if worklist_state(store, root) == "ready" else root
    store.write(lease.settle, root, Parked(), NOW)
    again = claim(store, "w_one").lease
    store.write(lease.settle, again, Done(text="all"), NOW, receipt=plain)

    total = desk.item(ME, root.item.item_id)["receipt"]

    assert (total["model_calls"], total["input_tokens"], total["output_tokens"]) == (4, 200, 20)
    assert (total["cost_usd"], total["wall_s"], total["determinism"], total["retries"]) == (0.2, 9.5, "model", 2)
    assert total["endpoints"] == [ENDPOINT, {**ENDPOINT, "endpoint": "other"}]


def worklist_state(store: Store, mine: Lease) -> str:
    with store.read() as tx:
        return worklist.get(tx, mine.item.item_id).state.value


def test_one_endpoint_used_twice_is_one_entry() -> None:
    """Numbers add up, lists unite, and the receipts that were summed are untouched."""
    own, other = receipt(), receipt(endpoints=[{**ENDPOINT, "classes": ["secret"]}, "local"])

    total = documents.summed(own, [other])

    assert total["endpoints"] == ["local", {**ENDPOINT, "calls": 4, "bytes": 20, "classes": ["normal", "secret"]}]
    assert own == receipt()
    assert documents.summed(None, []) == {**documents.EMPTY_RECEIPT}
    assert documents.EMPTY_RECEIPT["endpoints"] == []


def test_agents_are_named_with_what_they_do_and_may_use(store: Store, desk: Deputy) -> None:
    """Each item below with its own budget; the item's own budget counts them all; one without agents has none."""
    root = running(store)
    store.write(budgets.open, root.item.item_id, {"tokens": 1000})
    first, second = hand_on(store, root, "mail", "calendar")
    store.write(budgets.reserve, (first, root.item.item_id), {"tokens": 30, "model_calls": 1})
    mine = next_lease(store, "w_two")
    store.write(lease.settle, mine, Done(text="three mails"), NOW)

    seen = desk.item(ME, root.item.item_id)

    assert seen["children"] == [first, second]
    assert seen["budget"]["tokens"] == {"most": 1000, "used": 30}
    assert seen["budget"]["model_calls"] == {"most": None, "used": 1}
    assert [(one["item_id"], one["name"], one["state"], one["text"]) for one in seen["agents"]] == [
        (first, "mail", "done", "three mails"),
        (second, "calendar", "ready", None),
    ]
    assert [one["budget"]["tokens"]["used"] for one in seen["agents"]] == [30, 0]
    assert [one["parent"] for one in seen["agents"]] == [root.item.item_id] * 2
    assert [one["request"] for one in seen["agents"]] == ["part mail", "part calendar"]
    assert seen["agents"][1]["why_here"].startswith("1st in line: priority 100")
    alone = desk.item(ME, submit(store))
    assert (alone["agents"], alone["budget"], alone["pausing"]) == ([], {}, False)


def said_by(store: Store, work: Callable[[], object]) -> list[str]:
    """The statements that the work sends."""
    said: list[str] = []

    def listen(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        said.append(statement)

    sa.event.listen(store.engine, "before_cursor_execute", listen)
    work()
    sa.event.remove(store.engine, "before_cursor_execute", listen)
    return said


def test_a_document_costs_the_same_number_of_queries_for_a_large_tree(sqlite_url: str) -> None:
    """One query a table, for one task and for forty."""
    store = Store.open(sqlite_url)
    counts = []
    for number in (1, 40):
        root = running(store, f"wish {number}", worker_id=f"w_{number}", priority=number)
        hand_on(store, root, *(f"t{n}" for n in range(number)))
        show = partial(Deputy(store, owner=ALEX).item, ME, root.item.item_id)
        counts.append(len(said_by(store, show)))
        assert len(show()["agents"]) == number
    store.close()

    assert counts[0] == counts[1] <= 16


def test_many_cards_cost_the_same_number_of_queries_as_one(sqlite_url: str) -> None:
    """Each is shown with its call and its request, all of them together."""
    store = Store.open(sqlite_url)
    desk = Deputy(store, owner=ALEX)
    counts = []
    for number in range(12):
        mine = running(store, f"wish {number}", worker_id=f"w_{number}")
        entry = effect(mine)
        store.write(effects.intend, mine, entry, card(entry), wait_id=f"w{number}", now=NOW)
        store.write(lease.settle, mine, Parked(), NOW)
        counts.append(len(said_by(store, lambda: desk.approvals(ME))))
    shown = desk.approvals(ME)
    store.close()

    assert set(counts) == {counts[0]}
    assert {one["request"] for one in shown} == {f"wish {n}" for n in range(12)}
