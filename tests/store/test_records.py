"""People, connections, runs, steps, spans, news, workers, and what may be forgotten."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from orchestrator import ids
from orchestrator.domain.item import WaitKind
from orchestrator.domain.outcome import Done
from orchestrator.domain.person import Person
from orchestrator.errors import NotFound
from orchestrator.store import (
    audit,
    connections,
    lease,
    outbox,
    people,
    retention,
    runs,
    spans,
    steplog,
    waits,
    workers,
    worklist,
)
from orchestrator.store.database import Store
from orchestrator.store.spans import SpanRow
from orchestrator.store.steplog import Row
from tests.store.nouns import ALEX, DANA, NOW, SAM, later, running, submit


def person(address: str, **more: Any) -> Person:
    return Person(address=address, name=address.split("@")[0].title(), **more)


def test_preferences_survive_the_directory(store: Store) -> None:
    """What a person set stays when the directory is fed again; whoever is gone from it is forgotten."""
    store.write(people.upsert_many, [person(ALEX, team="Sales"), person(DANA)], "office", NOW)
    store.write(people.upsert_many, [person(SAM)], "contacts", NOW)
    store.write(people.set_preferences, ALEX, {"earliest": "10:00", "lunch": None})

    store.write(people.upsert_many, [person(ALEX, team="Service")], "office", later(days=1))

    with store.read() as tx:
        assert [p.address for p in people.all(tx)] == [ALEX, SAM]
        alex = people.get(tx, ALEX.upper())
    assert (alex.team, alex.preferences, alex.name) == ("Service", {"earliest": "10:00"}, "Alex")


def test_a_preference_can_be_taken_away(store: Store) -> None:
    """None removes a preference; an unknown person has none to set."""
    store.write(people.upsert_many, [person(ALEX)], "office", NOW)
    store.write(people.set_preferences, ALEX, {"earliest": "10:00"})

    assert store.write(people.set_preferences, ALEX, {"earliest": None}).preferences == {}
    with pytest.raises(NotFound):
        store.write(people.set_preferences, DANA, {"earliest": "9:00"})


def connect(store: Store, connection_id: str, owner: str, **more: Any) -> None:
    fields = {"connector": "office", "subject": owner, "families": ["mail", "calendar"], "now": NOW, **more}
    store.write(connections.add, connection_id=connection_id, owner=owner, **fields)


def test_a_principal_uses_their_own_connection_before_a_shared_one(store: Store) -> None:
    """Own, then shared with them; never another person's."""
    connect(store, "c_dana", DANA)
    connect(store, "c_shared", DANA, shared_with=[ALEX], families=["chat", "mail"])
    connect(store, "c_alex", ALEX)

    with store.read() as tx:
        mine = connections.find(tx, ALEX, "mail")
        shared = connections.find(tx, ALEX, "chat")
        assert mine is not None
        assert shared is not None
        assert (mine.connection_id, shared.connection_id) == ("c_alex", "c_shared")
        assert connections.find(tx, SAM, "mail") is None
        assert [c.connection_id for c in connections.list_for(tx, ALEX)] == ["c_alex", "c_shared"]


def test_a_lapsed_connection_is_not_found(store: Store) -> None:
    """After its consent lapsed, a connection serves nobody until it is renewed."""
    connect(store, "c", ALEX)
    store.write(connections.set_state, "c", "reconsent")
    with store.read() as tx:
        assert connections.find(tx, ALEX, "mail") is None
    connect(store, "c", ALEX)
    with store.read() as tx:
        assert connections.find(tx, ALEX, "mail") is not None
    store.write(connections.remove, ["c"])
    with pytest.raises(NotFound):
        store.write(connections.set_state, "c", "active")


def test_an_items_open_run_is_started_once(store: Store) -> None:
    """Starting meets the open run; after a finished one the next has the next number and a derived id."""
    mine = running(store)
    start: dict[str, Any] = {
        "route": "agent",
        "workflow": None,
        "version": None,
        "pins": {"prompt": "sha256:x"},
        "now": NOW,
    }
    first = store.write(runs.start, mine, **start)
    assert first == ids.run_id(mine.item.item_id, 1)
    store.write(runs.finish, mine, first, state="failed", receipt=None, now=NOW)

    second = store.write(runs.start, mine, **start)

    assert second == ids.run_id(mine.item.item_id, 2)
    with store.read() as tx:
        assert [(run.number, run.state) for run in runs.of_item(tx, mine.item.item_id)] == [(1, "failed"), (2, "open")]
        assert runs.get(tx, second).pins == {"prompt": "sha256:x"}
        assert {run.run_id for run in runs.list_runs(tx)} == {first, second}
        assert [run.run_id for run in runs.list_runs(tx, state="open")] == [second]
        with pytest.raises(NotFound):
            runs.get(tx, "run_none")


def test_the_step_log_keeps_order_and_values(store: Store) -> None:
    """Rows come back in the order appended, with exactly the values, over many appends."""
    mine = running(store)
    values: list[Any] = [None, {"ü": ["x", 1.5, None]}, "text", [True]]
    for number, value in enumerate(values):
        rows = [Row(kind="read", key=f"g0.{number}", body=value), Row(kind="note", key=f"n{number}", body=number)]
        store.write(steplog.append, mine, rows, NOW)

    with store.read() as tx:
        log = steplog.load(tx, ids.run_id(mine.item.item_id, 1))
    assert [row.seq for row in log] == list(range(1, 9))
    assert [row.body for row in log if row.kind == "read"] == values


def test_spans_are_kept_once(store: Store) -> None:
    """A span put twice, as after a crash, is one span."""
    span = SpanRow(trace_id="t", span_id="s", parent_id=None, name="run", started_at=NOW, ended_at=later(seconds=1))
    store.write(spans.put_many, [span])
    store.write(
        spans.put_many,
        [span, SpanRow(trace_id="t", span_id="s2", parent_id="s", name="x", started_at=NOW, ended_at=NOW)],
    )
    store.write(spans.put_many, [])

    with store.read() as tx:
        assert [row.span_id for row in spans.of_trace(tx, "t")] == ["s", "s2"]


def test_news_is_due_until_delivered(store: Store) -> None:
    """Addressed news is due again after a failed delivery, and never after a delivered one."""
    item = submit(store)
    store.write(outbox.put, item, "question.asked", {"text": "?"}, {"kind": "slack"}, NOW)
    store.write(outbox.put, item, "progress", {}, None, NOW)
    store.write(outbox.put, item, "item.settled", {}, {"door": "mcp", "fetches": True}, NOW)  # who asked comes for it
    with store.read() as tx:
        (first,) = outbox.due(tx, NOW)
        told = [news.kind for news in outbox.after(tx, 0, item_id=item)]
    assert told == ["item.submitted", "question.asked", "progress", "item.settled"]
    store.write(outbox.postponed, first.outbox_id, NOW, timedelta(minutes=1))
    with store.read() as tx:
        assert outbox.due(tx, NOW) == []
        assert outbox.due(tx, later(minutes=1))[0].attempts == 1
    store.write(outbox.delivered, [first.outbox_id], NOW)
    with store.read() as tx:
        assert outbox.due(tx, later(days=1)) == []


def test_a_worker_without_its_row_has_no_beat(store: Store) -> None:
    """Beating tells a worker whether it still is one."""
    store.write(workers.register, "w", lock_key=7, host="here", pid=1)
    assert store.write(workers.beat, "w", {"live": 1}) is True
    with store.read() as tx:
        (row,) = workers.every(tx)
    assert (row.lock_key, row.progress) == (7, {"live": 1})
    assert 0 <= row.silent_s < 5

    store.write(workers.remove, "w")
    assert store.write(workers.beat, "w", {}) is False


def test_an_answer_counts_once(store: Store) -> None:
    """The second answer to a question is told that it came too late; an ended item takes none."""
    mine = running(store)
    store.write(lease.wait_for, mine, waits.NewWait(wait_id="q", kind=WaitKind.ANSWER, payload={}), NOW)
    item = mine.item.item_id

    assert store.write(waits.answer, item, "q", "yes", ALEX, NOW) is True
    assert store.write(waits.answer, item, "q", "no", DANA, NOW) is False
    assert store.write(waits.answer, item, "other", "no", DANA, NOW) is False
    with store.read() as tx:
        assert waits.list_open(tx, [WaitKind.ANSWER]) == []
    store.write(lease.settle, mine, Done(text=""), NOW)
    assert store.write(waits.answer, item, "q", "late", DANA, NOW) is False


def test_a_wait_asked_again_after_its_answer_is_open_again(store: Store) -> None:
    """A connection that lapses twice is asked for twice under one id; an open one is not asked again."""
    mine = running(store)
    ask = waits.NewWait(wait_id="connect:mail", kind=WaitKind.RECONSENT, payload={"family": "mail"})
    for _ in range(2):
        store.write(lease.wait_for, mine, ask, NOW)
    store.write(waits.answer, mine.item.item_id, "connect:mail", "connected", ALEX, NOW)
    store.write(lease.wait_for, mine, ask, later(days=1))

    with store.read() as tx:
        (again,) = waits.open_waits(tx, mine.item.item_id)
    assert (again.answer, again.created_at) == (None, later(days=1))
    with store.tx() as tx:
        waits.close(tx, mine.item.item_id, "connect:mail")
        assert waits.open_waits(tx, mine.item.item_id) == []


def test_old_records_go_and_the_ledger_stays(store: Store) -> None:
    """After their time the bulky records of settled items go; items, receipts and the audit chain stay; what is open is untouched."""
    old = running(store, "old")
    store.write(steplog.append, old, [Row(kind="read", key="k", body={})], NOW)
    store.write(lease.settle, old, Done(text="done"), NOW, receipt={"model_calls": 0})
    store.write(worklist.nudge, submit(store, "open"), ALEX, "human", "hurry", NOW)

    counts = store.write(retention.sweep, later(days=400), retention.Policy())

    assert counts["step_log"] == 1
    assert counts["outbox"] == 4  # submitted, started, settled; the other item submitted
    assert counts["messages"] == 0
    with store.read() as tx:
        (run,) = runs.of_item(tx, old.item.item_id)
        assert steplog.load(tx, run.run_id) == []
        assert run.receipt == {"model_calls": 0}
        assert audit.verify(tx).ok
        assert worklist.get(tx, old.item.item_id).text == "done"


def test_a_policy_of_none_keeps_everything(store: Store) -> None:
    """Classes without a time are kept for ever."""
    policy = retention.Policy(
        step_log=None,
        waits=None,
        messages=None,
        spans=None,
        outbox=None,
        packets=None,
        budgets=None,
        memories=None,
    )
    assert store.write(retention.sweep, later(days=4000), policy) == {}


def test_the_tree_lists_ancestors_first(store: Store) -> None:
    """Children and grandchildren are found from the root, in order."""
    from tests.store.nouns import claim, wish

    mine = running(store)
    (child_id,) = store.write(lease.delegate, mine, [wish("child")], ["g0.c"], NOW)
    child = claim(store).lease
    store.write(runs.start, child, route=None, workflow=None, version=None, pins={}, now=NOW)
    (grandchild_id,) = store.write(lease.delegate, child, [wish("grandchild")], ["g0.c"], NOW)

    with store.read() as tx:
        root = mine.item.item_id
        assert [item.item_id for item in worklist.tree(tx, root)] == [root, child_id, grandchild_id]
        assert worklist.descendants(tx, root) == [child_id, grandchild_id]
        assert worklist.children(tx, root) == [child_id]
        assert worklist.get(tx, grandchild_id).depth == 2
