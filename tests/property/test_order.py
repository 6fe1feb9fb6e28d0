"""The order of the worklist: nothing starves, a bump goes first, and it is the same everywhere."""

from __future__ import annotations

import heapq
import tempfile
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.domain.item import DEFAULT_PRIORITY, PRIORITY_RANGE, PRIORITY_STEP, State, virtual_deadline
from orchestrator.domain.outcome import Done
from orchestrator.store import lease, workers, worklist
from orchestrator.store.database import Store
from orchestrator.store.worklist import NewItem

NOW = datetime(2026, 11, 23, tzinfo=UTC)
FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
WISHES = st.lists(
    st.tuples(st.integers(-500, 500), st.integers(0, 3600), st.none() | st.integers(-3600, 7200)),
    min_size=1,
    max_size=12,
)


@given(st.integers(-200, 200), st.integers(1, 5), st.data())
@FEW
def test_no_item_starves_under_a_stream_of_urgent_work(priority: int, load: int, data: st.DataObject) -> None:
    """Whatever arrives each minute at whatever priority down to a bound, an item is served after a bounded wait."""
    floor = data.draw(st.integers(-300, 100))
    mine = virtual_deadline(created_at=NOW, due_at=None, priority=priority)
    bound = max(0, priority - floor) + 1  # minutes until nothing that arrives any more goes before it
    waiting = [(mine, 0, "mine")]
    served_at = None
    number = 1
    for minute in range(bound * (load + 1) + 2):
        arrives = NOW + minute * PRIORITY_STEP
        if minute < 10_000:
            for _ in range(load - 1 if load > 1 else 0):
                heapq.heappush(
                    waiting, (virtual_deadline(created_at=arrives, due_at=None, priority=floor), number, "other")
                )
                number += 1
        for _ in range(load):
            if waiting and heapq.heappop(waiting)[2] == "mine":
                served_at = minute
        if served_at is not None:
            break
    assert served_at is not None
    assert served_at <= bound * (load + 1)


@given(WISHES, st.data())
@FEW
def test_claims_follow_the_listed_order(wishes: list[tuple[int, int, int | None]], data: st.DataObject) -> None:
    """What the list shows is what is claimed, after any reprioritising and bumping; positions and reasons agree."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(f"sqlite:///{folder}/order.sqlite")
        store.write(workers.register, "w", lock_key=1, host="here", pid=1)
        made = []
        for number, (priority, age_s, due_s) in enumerate(wishes):
            due = None if due_s is None else NOW + timedelta(seconds=due_s)
            new = NewItem(request=str(number), requester="a", priority=priority, due_at=due)
            made.append(store.write(worklist.submit, new, NOW - timedelta(seconds=age_s))[0])
        for item_id in data.draw(st.lists(st.sampled_from(made), max_size=4)):
            if data.draw(st.booleans()):
                store.write(worklist.bump, item_id, NOW)
                with store.read() as tx:
                    assert worklist.position(tx, item_id) == 1
            else:
                store.write(worklist.reprioritise, item_id, data.draw(st.integers(-500, 500)), NOW)
        with store.read() as tx:
            listed = [item.item_id for item in worklist.list_items(tx, states=[State.READY])]
            assert [worklist.position(tx, item_id) for item_id in listed] == list(range(1, len(listed) + 1))
            for place, item_id in enumerate(listed, start=1):
                assert worklist.why_here(tx, item_id, NOW).startswith(f"{place}")
        claimed = []
        while (one := store.write(lease.claim, "w", NOW)) is not None:
            claimed.append(one.lease.item.item_id)
            store.write(lease.settle, one.lease, Done(text=""), NOW)
        assert claimed == listed
        store.close()


@given(st.integers(-1000, 1000), st.integers(-1000, 1000))
def test_a_smaller_priority_is_more_urgent(first: int, second: int) -> None:
    """Of two items made together, the smaller number is served first; a point is worth a minute."""
    one = virtual_deadline(created_at=NOW, due_at=None, priority=first)
    two = virtual_deadline(created_at=NOW, due_at=None, priority=second)
    assert (one - two) == (first - second) * PRIORITY_STEP
    assert virtual_deadline(created_at=NOW, due_at=None, priority=DEFAULT_PRIORITY) == NOW


@given(st.sampled_from(PRIORITY_RANGE), st.datetimes(timezones=st.just(UTC)))
def test_any_due_date_can_be_shifted_by_any_priority(priority: int, due_at: datetime) -> None:
    """A due date at either end of the calendar still has an instant to be served by, and an order of its own priorities."""
    for due in (due_at, datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        found = virtual_deadline(created_at=NOW, due_at=due, priority=priority)
        assert found <= virtual_deadline(created_at=NOW, due_at=due, priority=PRIORITY_RANGE[-1])
