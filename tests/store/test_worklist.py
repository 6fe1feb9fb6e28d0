"""Wishes come in once, and stand in an order that can be explained."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.domain.item import State
from orchestrator.errors import Conflict, NotFound, UsageError
from orchestrator.store import lease, worklist
from orchestrator.store.database import Store
from tests.store.nouns import ALEX, DANA, NOW, claim, enlist, later, running, state, submit, wish


def order(store: Store) -> list[str]:
    with store.read() as tx:
        return [item.request for item in worklist.list_items(tx, states=[State.READY])]


def test_the_same_key_meets_the_same_item(store: Store) -> None:
    """Submitting twice with one key makes one item; another requester's key is another one."""
    first = store.write(worklist.submit, wish("once", idempotency_key="k"), NOW)
    again = store.write(worklist.submit, wish("once", idempotency_key="k"), later(hours=1))
    other = store.write(worklist.submit, wish("once", idempotency_key="k", requester=DANA), NOW)

    assert first[1] is True
    assert again == (first[0], False)
    assert other[1] is True


def test_items_are_served_by_priority_age_and_due_date(store: Store) -> None:
    """The order is due date or creation, shifted by a minute per point of priority."""
    submit(store, "old", now=later(minutes=-30))
    submit(store, "new")
    submit(store, "urgent", priority=50)
    submit(store, "due", due_at=later(minutes=-10), priority=100)

    assert order(store) == ["urgent", "old", "due", "new"]


def test_bulk_items_keep_the_order_given_and_meet_their_keys(store: Store) -> None:
    """A bulk submission serves its items in the order given, and finds those already there."""
    known = submit(store, "r3", idempotency_key="3")
    made = store.write(worklist.submit_many, [wish(f"r{n}", idempotency_key=str(n)) for n in range(5)], NOW)

    assert made[3] == known
    assert len(set(made)) == 5
    assert order(store) == ["r3", "r0", "r1", "r2", "r4"]


def test_bulk_submission_is_one_audit_event(store: Store) -> None:
    """A hundred items of one submission make one link of the chain."""
    from orchestrator.store import audit

    store.write(worklist.submit_many, [wish() for _ in range(100)], NOW)

    with store.read() as tx:
        assert [event["kind"] for event in audit.tail(tx)] == ["items.submitted"]
        assert audit.tail(tx)[0]["body"]["count"] == 100


def test_reprioritising_moves_an_item(store: Store) -> None:
    """A new priority is a new place, at once."""
    submit(store, "a")
    second = submit(store, "b", now=later(seconds=1))

    store.write(worklist.reprioritise, second, 10, later(minutes=1))

    assert order(store) == ["b", "a"]


def test_a_bump_goes_before_everything_that_is_ready(store: Store) -> None:
    """The bumped item is claimed next, even before a far more urgent one."""
    submit(store, "urgent", priority=-100_000)
    usual = submit(store, "usual")

    store.write(worklist.bump, usual, NOW)

    enlist(store)
    assert claim(store).lease.item.item_id == usual


def test_why_here_names_place_priority_and_what_is_before(store: Store) -> None:
    """One sentence says where an item stands and why."""
    submit(store, "u1", priority=1)
    submit(store, "u2", priority=2)
    mine = submit(store, "mine")
    submit(store, "last", now=later(minutes=1))

    with store.read() as tx:
        assert worklist.position(tx, mine) == 3
        said = worklist.why_here(tx, mine, later(minutes=4))

    assert said == "3rd of 4: priority 100, submitted 4 min ago; behind 2 more urgent."


def test_pages_cover_every_item_once_in_serving_order(store: Store) -> None:
    """Pages of two, followed by their cursors, give every item exactly once: running, ready, waiting, then finished."""
    running(store, "runs", priority=1)
    for n in range(3):
        submit(store, f"ready{n}", now=later(seconds=n))
    submit(store, "snoozed", snooze_until=later(days=1))
    gone = submit(store, "gone", priority=900)
    store.write(worklist.cancel, gone, ALEX, NOW, "not needed")

    seen: list[str] = []
    cursor = None
    while True:
        with store.read() as tx:
            page = worklist.page(tx, limit=2, cursor=cursor)
        seen += [item.request for item in page.items]
        cursor = page.next
        if cursor is None:
            break

    assert seen == ["runs", "ready0", "ready1", "ready2", "snoozed", "gone"]


def test_a_foreign_cursor_is_refused(store: Store) -> None:
    """A cursor that no page gave is a usage error."""
    for cursor in ("nonsense", "ready.x.item_a", f"ready.{10**30}.item_a", "gone.1.item_a"):
        with store.read() as tx, pytest.raises(UsageError):
            worklist.page(tx, cursor=cursor)


def test_a_snoozed_item_is_not_served_before_its_time(store: Store) -> None:
    """Snoozed, an item is not claimed; the sweep at its time makes it ready, once."""
    from orchestrator.store import timers

    item = submit(store, snooze_until=later(hours=1))
    enlist(store)
    assert store.write(lease.claim, "w_one", NOW) is None
    assert store.write(timers.sweep, later(minutes=59)) == 0

    assert store.write(timers.sweep, later(hours=1)) == 1
    assert store.write(timers.sweep, later(hours=1)) == 0

    assert claim(store, now=later(hours=1)).lease.item.item_id == item


def test_dependencies_are_served_after_what_they_need(store: Store) -> None:
    """An item with two needs is ready only when both are done."""
    from orchestrator.domain.outcome import Done

    first, second = submit(store, "first"), submit(store, "second", now=later(seconds=1))
    blocked = submit(store, "blocked", priority=0, needs=[first, second])
    enlist(store)
    for expected in (first, second):
        assert state(store, blocked) == "waiting"
        mine = claim(store).lease
        assert mine.item.item_id == expected
        store.write(lease.settle, mine, Done(text="ok"), NOW)

    assert claim(store).lease.item.item_id == blocked


def test_dependents_end_with_a_need_that_fails(store: Store) -> None:
    """When a need ends without success, its dependents, and theirs, end cancelled with the reason."""
    from orchestrator.domain.outcome import Ended

    need = submit(store, "need")
    child = submit(store, "dependent", needs=[need])
    grandchild = submit(store, "dependent of it", needs=[child])
    enlist(store)
    mine = claim(store).lease
    store.write(lease.settle, mine, Ended(state="failed", code="unreachable", message="no"), NOW)

    with store.read() as tx:
        ended = worklist.get(tx, child)
        assert ended.state is State.CANCELLED
        assert ended.error is not None
        assert need in ended.error["message"]
    assert state(store, grandchild) == "cancelled"


def test_a_need_that_has_failed_already_ends_the_item_at_once(store: Store) -> None:
    """Depending on something cancelled is being cancelled."""
    need = submit(store)
    store.write(worklist.cancel, need, ALEX, NOW, "")

    assert state(store, submit(store, needs=[need])) == "cancelled"


def test_an_unknown_need_is_refused(store: Store) -> None:
    """Nothing is submitted that waits for what does not exist."""
    with pytest.raises(NotFound):
        submit(store, needs=["item_none"])


def test_what_has_ended_cannot_be_steered(store: Store) -> None:
    """A settled item takes no new priority and no nudge."""
    item = submit(store)
    store.write(worklist.cancel, item, ALEX, NOW, "")

    with pytest.raises(Conflict):
        store.write(worklist.reprioritise, item, 1, NOW)
    with pytest.raises(Conflict):
        store.write(worklist.nudge, item, ALEX, "human", "hurry", NOW)
    assert store.write(worklist.cancel, item, ALEX, NOW, "") == []


def test_a_paused_item_is_not_served_until_resumed(store: Store) -> None:
    """Paused, an item waits whatever happens to it; resumed, it is ready again."""
    item = submit(store)
    store.write(worklist.pause, item)
    store.write(worklist.nudge, item, ALEX, "human", "hurry", NOW)
    with store.read() as tx:
        assert worklist.waiting_on(tx, item) == ["paused"]
    enlist(store)
    assert store.write(lease.claim, "w_one", NOW) is None

    store.write(worklist.resume, item, NOW)

    assert [message.text for message in claim(store).messages] == ["hurry"]


def test_changing_the_due_date_moves_the_item(store: Store) -> None:
    """The due date, where there is one, counts instead of the creation."""
    submit(store, "a")
    late = submit(store, "b", now=later(minutes=1))

    store.write(worklist.set_due, late, NOW - timedelta(hours=1))

    assert order(store) == ["b", "a"]


@pytest.mark.parametrize("priority", [-1_000_001, 1_000_001])
def test_priorities_out_of_range_are_refused(store: Store, priority: int) -> None:
    """A priority beyond the range could starve others for ever."""
    with pytest.raises(UsageError):
        submit(store, priority=priority)
