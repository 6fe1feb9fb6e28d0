"""What an agent does to the items it made: born with packet and budget, steered under its lease, limited in number and depth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from orchestrator import ids
from orchestrator.domain.item import State
from orchestrator.domain.outcome import Done, Parked
from orchestrator.errors import Fenced
from orchestrator.store import audit, budgets, lease, packets, retention, runs, tasks, waits, worklist
from orchestrator.store.agent_tables import packets as packet_rows
from orchestrator.store.database import Store
from orchestrator.store.lease import Lease
from orchestrator.store.packets import Packet
from orchestrator.store.tables import messages
from orchestrator.store.tasks import Refused, Size, Task
from tests.store.nouns import ALEX, DANA, NOW, claim, enlist, later, running, state, submit, wish

PACKET = Packet(
    spec={"name": "mail"}, context={"goal": "look"}, case={"state": {}}, delegated_by="run_one", call_id="t1.0"
)


def task(call_id: str, *, limits: dict[str, int] | None = None, **more: Any) -> Task:
    """Work for a child."""
    new = wish(f"part {call_id}", **more)
    return Task(new=new, call_id=call_id, packet=replace(PACKET, call_id=call_id), limits=limits or {})


def hand_on(store: Store, mine: Lease, *handed: Task, size: Size | None = None) -> list[str]:
    """Ids of the children."""
    made = store.write(tasks.delegate, mine, handed, NOW, size=size or Size())
    assert isinstance(made, list)
    return made


def told(store: Store, item_id: str) -> list[tuple[str, str, str]]:
    """(author, origin, text) of an item's remarks."""
    m = messages.c
    with store.read() as tx:
        stmt = sa.select(m.author, m.origin, m.text).where(m.item_id == item_id).order_by(m.seq)
        return [tuple(row) for row in tx.c.execute(stmt)]  # type: ignore[misc]


def answers(store: Store, mine: Lease) -> dict[str, str | None]:
    """Child id → the state its wait was answered with; None while it is open."""
    with store.read() as tx:
        return {
            wait.wait_id.removeprefix("child:"): None if wait.is_open else wait.answer["state"]
            for wait in waits.of_item(tx, mine.item.item_id)
        }


def next_lease(store: Store, worker_id: str) -> Lease:
    """A lease of another worker, with a run."""
    enlist(store, worker_id)
    mine = claim(store, worker_id).lease
    store.write(runs.start, mine, route="agent", workflow=None, version=None, pins={}, now=NOW)
    return mine


# ---- handing on ----------------------------------------------------------------------------------------------------
def test_a_child_is_born_with_packet_budget_and_wait(store: Store) -> None:
    """All in one commit; priority and due date are its own, the requester's words are not."""
    mine = running(store)
    store.write(budgets.open, mine.item.item_id, {"tokens": 100})

    (child,) = hand_on(store, mine, task("t1.0", limits={"tokens": 500}, priority=90, due_at=later(days=2)))

    with store.read() as tx:
        item = worklist.get(tx, child)
        assert (item.parent_id, item.depth, item.priority, item.due_at) == (mine.item.item_id, 1, 90, later(days=2))
        assert packets.get(tx, child) == PACKET
        assert budgets.of(tx, child)["tokens"] == {"most": 100, "used": 0}
        assert packets.get(tx, mine.item.item_id) is None
    assert child == ids.derived("item", ids.run_id(mine.item.item_id, 1), "t1.0")
    assert answers(store, mine) == {child: None}


def test_handing_on_again_meets_the_same_children(store: Store) -> None:
    """A re-run after a crash makes nothing twice, whatever the size allowed is by then."""
    mine = running(store)
    first = hand_on(store, mine, task("t1.0"), task("t1.1"))
    store.write(worklist.cancel, first[0], ALEX, NOW, "no")

    again = hand_on(store, mine, task("t1.0"), task("t1.1"), size=Size(depth=0, items=0))

    assert again == first
    assert answers(store, mine) == {first[0]: "cancelled", first[1]: None}
    with store.read() as tx:
        assert sorted(worklist.children(tx, mine.item.item_id)) == sorted(first)


def test_a_tree_grows_only_so_deep_and_so_large(store: Store) -> None:
    """Past its size the answer says so in words, and none of the asked-for children exists."""
    mine = running(store)
    deep = store.write(tasks.delegate, mine, [task("t1.0")], NOW, size=Size(depth=0, items=5))
    large = store.write(tasks.delegate, mine, [task("t1.0"), task("t1.1")], NOW, size=Size(depth=1, items=1))

    assert isinstance(deep, Refused)
    assert isinstance(large, Refused)
    assert (deep.code, large.code) == ("too_deep", "too_many")
    assert deep.reason and deep.fix and large.reason and large.fix
    with store.read() as tx:
        assert worklist.descendants(tx, mine.item.item_id) == []
    assert len(hand_on(store, mine, task("t1.0"), size=Size(depth=1, items=1))) == 1


def test_a_child_may_wait_for_an_earlier_one(store: Store) -> None:
    """Named by its call, or by its item; it is served once that one is done."""
    mine = running(store)
    first, second, third = hand_on(
        store, mine, task("t1.0"), task("t1.1", needs=["t1.0"]), task("t1.2", needs=["t1.0"])
    )
    (fourth,) = hand_on(store, mine, task("t2.0", needs=[first]))

    assert [state(store, one) for one in (first, second, third, fourth)] == ["ready", "waiting", "waiting", "waiting"]
    done = next_lease(store, "w_two")
    assert done.item.item_id == first
    store.write(lease.settle, done, Done(text="found"), NOW)

    assert [state(store, one) for one in (second, third, fourth)] == ["ready", "ready", "ready"]


def test_a_child_depends_on_no_stranger(store: Store) -> None:
    """Only what the same agent handed on can be named."""
    stranger = submit(store, "another's", requester=DANA, priority=500)
    mine = running(store)

    refused = store.write(tasks.delegate, mine, [task("t1.0", needs=[stranger])], NOW, size=Size())

    assert isinstance(refused, Refused)
    assert refused.code == "not_yours"
    with store.read() as tx:
        assert worklist.children(tx, mine.item.item_id) == []


def test_a_child_whose_need_has_failed_ends_at_once_and_its_parent_hears(store: Store) -> None:
    """It is born ended; nobody waits for it for ever."""
    mine = running(store)
    (first,) = hand_on(store, mine, task("t1.0"))
    store.write(tasks.cancel, mine, first, NOW, "no")

    (second,) = hand_on(store, mine, task("t2.0", needs=[first]))

    assert state(store, second) == "cancelled"
    assert answers(store, mine) == {first: "cancelled", second: "cancelled"}


def test_labels_are_told_when_the_child_has_ended(store: Store) -> None:
    """Until then they are not known; an item without a packet has none to keep."""
    mine = running(store)
    (child,) = hand_on(store, mine, task("t1.0"))

    store.write(packets.label, child, {"level": 1})
    store.write(packets.label, mine.item.item_id, {"level": 1})

    with store.read() as tx:
        found = packets.of_many(tx, [child, mine.item.item_id])
        assert {item_id: packet.labels for item_id, packet in found.items()} == {child: {"level": 1}}


def test_siblings_are_served_by_priority_then_in_order(store: Store) -> None:
    """However old their parent is, and after a change as well; all before what came after the parent."""
    mine = running(store)
    submit(store, "later", now=later(minutes=1))
    when = later(hours=2)
    handed = [task(f"t1.{n}", priority=priority) for n, priority in enumerate((101, 100, 99, 100, 100))]
    made = store.write(tasks.delegate, mine, handed, when, size=Size())
    assert isinstance(made, list)

    with store.read() as tx:
        order = [item.item_id for item in worklist.list_items(tx, states=[State.READY])]
    assert [made.index(one) for one in order if one in made] == [2, 1, 3, 4, 0]
    store.write(tasks.reprioritise, mine, made[4], 98, when)
    with store.read() as tx:
        order = [item.item_id for item in worklist.list_items(tx, states=[State.READY])]
    assert [made.index(one) for one in order if one in made] == [4, 2, 1, 3, 0]
    assert order.index(made[3]) < len(order) - 1


# ---- steering ------------------------------------------------------------------------------------------------------
def test_a_cancelled_child_is_known_at_once_and_wakes_nobody(store: Store) -> None:
    """The ending is in the answer; its wait is answered; the parent's next park is not missed because of it."""
    mine = running(store)
    first, second = hand_on(store, mine, task("t1.0"), task("t1.1"))

    ended = store.write(tasks.cancel, mine, first, NOW, "not needed")

    assert isinstance(ended, dict)
    assert {child: said["state"] for child, said in ended.items()} == {first: "cancelled"}
    assert ended[first]["error"]["code"] == "cancelled"
    assert answers(store, mine) == {first: "cancelled", second: None}
    assert store.write(lease.settle, mine, Parked(), NOW) is State.WAITING
    with store.read() as tx:
        asked = next(row for row in audit.tail(tx, limit=50) if row["kind"] == "item.cancel_asked")
        assert asked["actor"] == f"agent of {ALEX}"


def test_cancelling_again_says_the_same(store: Store) -> None:
    """A re-run gets the ending again, and nothing changes."""
    mine = running(store)
    (child,) = hand_on(store, mine, task("t1.0"))

    first = store.write(tasks.cancel, mine, child, NOW, "no")
    again = store.write(tasks.cancel, mine, child, NOW, "no")

    assert first == again
    assert list(first) == [child]  # type: ignore[arg-type]


def test_what_needed_a_cancelled_child_ends_with_it(store: Store) -> None:
    """The answer holds every child that ended."""
    mine = running(store)
    first, second = hand_on(store, mine, task("t1.0"), task("t1.1", needs=["t1.0"]))

    ended = store.write(tasks.cancel, mine, first, NOW, "no")

    assert set(ended) == {first, second}  # type: ignore[arg-type]


def test_a_running_child_is_told_to_end_and_its_parent_woken_when_it_has(store: Store) -> None:
    """The answer does not hold it; its wait stays open until it has ended."""
    mine = running(store)
    (child,) = hand_on(store, mine, task("t1.0"))
    childs = next_lease(store, "w_two")

    assert store.write(tasks.cancel, mine, child, NOW, "no") == {}
    assert store.write(lease.settle, mine, Parked(), NOW) is State.WAITING
    store.write(lease.settle, childs, Parked(), NOW)

    assert state(store, child) == "cancelled"
    assert state(store, mine.item.item_id) == "ready"
    assert answers(store, mine) == {child: "cancelled"}


def test_a_wake_by_others_survives_a_cancelling(store: Store) -> None:
    """What the requester said before the agent cancelled something is not lost with the agent's own wake."""
    mine = running(store)
    (child,) = hand_on(store, mine, task("t1.0"))
    store.write(worklist.nudge, mine.item.item_id, ALEX, "human", "hurry", NOW)

    store.write(tasks.cancel, mine, child, NOW, "no")

    assert store.write(lease.settle, mine, Parked(), NOW) is State.READY


def test_an_agent_moves_and_corrects_what_is_below_it(store: Store) -> None:
    """Its words are an agent's, for that item alone; both are on record as the agent's of the requester."""
    mine = running(store)
    first, second = hand_on(store, mine, task("t1.0"), task("t1.1"))
    below = next_lease(store, "w_two")
    (grandchild,) = hand_on(store, below, task("t1.0"))

    assert store.write(tasks.reprioritise, mine, second, 10, NOW) is None
    assert store.write(tasks.nudge, mine, first, "only this week", NOW) is None
    assert store.write(tasks.nudge, mine, grandchild, "and you", NOW) is None

    with store.read() as tx:
        assert worklist.get(tx, second).priority == 10
        moved = next(row for row in audit.tail(tx, limit=50) if row["kind"] == "item.reprioritised")
        assert moved["actor"] == f"agent of {ALEX}"
    assert told(store, first) == [(f"agent of {ALEX}", "agent", "only this week")]
    assert told(store, grandchild) == [(f"agent of {ALEX}", "agent", "and you")]


STEER = {
    "reprioritise": lambda store, mine, other: store.write(tasks.reprioritise, mine, other, 10, NOW),
    "nudge": lambda store, mine, other: store.write(tasks.nudge, mine, other, "stop", NOW),
    "cancel": lambda store, mine, other: store.write(tasks.cancel, mine, other, NOW, "no"),
}


@pytest.mark.parametrize("verb", STEER)
def test_an_agent_reaches_nothing_but_what_is_below_it(store: Store, verb: str) -> None:
    """Neither itself, nor its parent, nor a sibling, nor a stranger, nor what does not exist."""
    stranger = submit(store, priority=500)
    root = running(store)
    first, second = hand_on(store, root, task("t1.0"), task("t1.1"))
    mine = next_lease(store, "w_two")
    assert mine.item.item_id == first

    for other in (first, second, root.item.item_id, stranger, "item_unknown"):
        refused = STEER[verb](store, mine, other)
        assert isinstance(refused, Refused)
        assert refused.code == "not_yours"
    assert [state(store, one) for one in (first, second, stranger)] == ["running", "ready", "ready"]


@pytest.mark.parametrize("verb", STEER)
def test_a_lost_lease_steers_nothing(store: Store, verb: str) -> None:
    """Fenced like every other verb under a lease."""
    mine = running(store)
    (child,) = hand_on(store, mine, task("t1.0"))
    store.write(lease.take_over, mine.worker_id, NOW)

    with pytest.raises(Fenced):
        STEER[verb](store, mine, child)
    with pytest.raises(Fenced):
        store.write(tasks.delegate, mine, [task("t1.1")], NOW, size=Size())
    assert state(store, child) == "ready"


def test_what_has_ended_is_not_moved_or_corrected(store: Store) -> None:
    """A value that says so, not an error."""
    mine = running(store)
    (child,) = hand_on(store, mine, task("t1.0"))
    store.write(tasks.cancel, mine, child, NOW, "no")

    for verb in ("reprioritise", "nudge"):
        refused = STEER[verb](store, mine, child)
        assert isinstance(refused, Refused)
        assert refused.code == "ended"


# ---- the requester's words -----------------------------------------------------------------------------------------
def test_the_requesters_nudge_reaches_everything_unfinished_below(store: Store) -> None:
    """A message each, all woken; what has ended hears nothing."""
    root = running(store)
    first, second = hand_on(store, root, task("t1.0"), task("t1.1"))
    below = next_lease(store, "w_two")
    (grandchild,) = hand_on(store, below, task("t1.0"))
    store.write(tasks.cancel, root, second, NOW, "no")
    assert store.write(lease.settle, below, Parked(), NOW) is State.WAITING

    assert store.write(worklist.nudge, root.item.item_id, ALEX, "human", "not Monday", NOW) == 1

    said = [(ALEX, "human", "not Monday")]
    assert [told(store, one) for one in (root.item.item_id, first, grandchild, second)] == [said, said, said, []]
    assert state(store, first) == "ready"
    assert store.write(worklist.nudge, first, ALEX, "human", "nor Tuesday", NOW) == 2
    assert [text for _, _, text in told(store, grandchild)] == ["not Monday", "nor Tuesday"]
    assert [text for _, _, text in told(store, root.item.item_id)] == ["not Monday"]


@pytest.mark.parametrize(("author", "origin"), [(DANA, "human"), (ALEX, "agent"), (ALEX, "schedule")])
def test_others_remarks_stay_with_the_item(store: Store, author: str, origin: str) -> None:
    """Only the requester as a human speaks to the whole tree."""
    root = running(store)
    (child,) = hand_on(store, root, task("t1.0"))

    store.write(worklist.nudge, root.item.item_id, author, origin, "hm", NOW)

    assert told(store, root.item.item_id) == [(author, origin, "hm")]
    assert told(store, child) == []


def test_packets_and_budgets_go_after_their_time(store: Store) -> None:
    """What is open keeps its own."""
    mine = running(store)
    store.write(budgets.open, mine.item.item_id, {})
    first, second = hand_on(store, mine, task("t1.0"), task("t1.1"))
    store.write(tasks.cancel, mine, first, NOW, "no")

    counts = store.write(retention.sweep, later(days=366), retention.Policy())

    assert (counts["packets"], counts["budgets"]) == (1, len(budgets.NAMES))
    with store.read() as tx:
        assert tx.c.scalars(sa.select(packet_rows.c.item_id)).all() == [second]
