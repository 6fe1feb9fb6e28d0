"""Records go when their time is over: class by class, a portion at a time; a hold keeps them; the audit chain holds after each cut."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from orchestrator import clock, ids
from orchestrator.domain.outcome import Done
from orchestrator.engine.sweeping import Sweeper, policy_of
from orchestrator.errors import NotEligible
from orchestrator.settings import Settings
from orchestrator.store import audit, lease, outbox, retention, runs, spans, steplog, workers, worklist
from orchestrator.store.database import Store
from orchestrator.store.retention import FORGOTTEN, PORTION, Policy
from orchestrator.store.spans import SpanRow
from orchestrator.store.steplog import Row
from tests.store.nouns import ALEX, NOW, later, running

NEVER = Policy(**dict.fromkeys(Policy.__dataclass_fields__))
DAY = timedelta(days=1)


def settled(store: Store, *, rows: int = 1) -> str:
    """A finished item with a step log, a span and news."""
    with store.read() as tx:
        number = len(workers.every(tx))
    mine = running(store, worker_id=f"w_{number}")
    lines = [Row(kind="read", key=f"g0.{number}", body={"secret": "words"}) for number in range(rows)]
    store.write(steplog.append, mine, lines, NOW)
    row = SpanRow(
        trace_id=ids.trace_id(mine.item.root_id), span_id=ids.span_id("run", mine.item.item_id, 0), parent_id=None, name="x",
        started_at=NOW, ended_at=NOW, status="ok", attributes={}, links=(),
    )  # fmt: skip
    store.write(spans.put_many, [row])
    store.write(lease.settle, mine, Done(text="the answer"), NOW)
    return mine.item.item_id


def steps(store: Store, item_id: str) -> int:
    with store.read() as tx:
        (run,) = runs.of_item(tx, item_id)
        return len(steplog.load(tx, run.run_id))


def swept(store: Store, policy: Policy, days: float, most: int | None = None) -> dict[str, int]:
    with store.read() as tx:
        found = retention.find(tx, later(days=days), policy, most)
    return store.write(retention.forget, found, later(days=days))


@pytest.mark.parametrize("name", ["step_log", "spans", "outbox"])
def test_each_class_has_its_own_time(name: str, store: Store) -> None:
    """A day before nothing goes, a day after only this class does."""
    settled(store)
    policy = replace(NEVER, **{name: 10 * DAY})

    before, after = swept(store, policy, 9), swept(store, policy, 11)

    assert before == {}
    assert set(after) == {name}


def test_what_is_not_finished_stays(store: Store) -> None:
    """Records of an item that still runs have no age."""
    mine = running(store)
    store.write(steplog.append, mine, [Row(kind="read", key="g0.x", body={})], NOW)

    assert swept(store, replace(Policy(), texts=DAY, outbox=None), 4000) == {}
    assert steps(store, mine.item.item_id) == 1


def test_a_portion_is_bounded(store: Store) -> None:
    """Of thirty old runs ten go at a time, until none is left."""
    for _ in range(30):
        settled(store)
    policy = replace(NEVER, step_log=DAY, spans=DAY)

    portions = [swept(store, policy, 2, most=10) for _ in range(4)]

    assert portions == [{"step_log": 10, "spans": 10}] * 3 + [{}]


def test_texts_go_and_what_was_done_stays(store: Store) -> None:
    """Words of request and answer are gone; state, times and the chain are there."""
    item_id = settled(store)

    assert swept(store, replace(NEVER, texts=DAY), 2) == {"texts": 1}
    assert swept(store, replace(NEVER, texts=DAY), 3) == {}

    with store.read() as tx:
        item = worklist.get(tx, item_id)
        assert audit.verify(tx).ok
    assert (item.request, item.text, item.output, item.state.value) == (FORGOTTEN, None, None, "done")


def test_a_hold_keeps_a_whole_tree(store: Store) -> None:
    """Nothing of it goes, of any class, nor the audit events from its first on; lifted, it has its time like the others."""
    held, free = settled(store), settled(store)
    policy = Policy(**dict.fromkeys(Policy.__dataclass_fields__, DAY))
    store.write(retention.hold, held, "case 7", actor=ALEX, now=NOW)
    with store.read() as tx:
        first = min(event["seq"] for event in audit.tail(tx, 500, held))
        before = len(audit.tail(tx, 500))

    swept(store, policy, 30)

    assert (steps(store, held), steps(store, free)) == (1, 0)
    with store.read() as tx:
        kept = audit.tail(tx, 500)
        assert worklist.get(tx, held).request != FORGOTTEN
        assert worklist.get(tx, free).request == FORGOTTEN
        assert len(spans.of_trace(tx, ids.trace_id(held))) == 1
        assert spans.of_trace(tx, ids.trace_id(free)) == []
        assert audit.verify(tx).ok
    assert first in [event["seq"] for event in kept]
    assert before - first < len(kept)
    store.write(retention.hold, held, None, actor=ALEX, now=NOW)
    assert swept(store, policy, 31)["step_log"] == 1


def test_a_hold_that_comes_in_between_counts(store: Store) -> None:
    """Found before the hold, forgotten after it: spared."""
    item_id = settled(store)
    policy = Policy(**dict.fromkeys(Policy.__dataclass_fields__, DAY))
    with store.read() as tx:
        found = retention.find(tx, later(days=9), policy, None)
    store.write(retention.hold, item_id, "case 8", actor=ALEX, now=NOW)

    counts = store.write(retention.forget, found, later(days=9))

    assert not {"step_log", "spans", "texts", "audit"} & set(counts)
    assert steps(store, item_id) == 1


def test_the_chain_is_cut_at_its_old_end_only(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """In portions; verified after each; a head kept from behind the cut still holds, one from before it says why not."""
    for _ in range(6):
        settled(store)
    with store.read() as tx:
        old, new = audit.tail(tx, 500)[0], audit.head(tx)
    monkeypatch.setattr(retention, "AUDIT_PORTION", 4)
    policy = replace(NEVER, audit=DAY)

    cut = 0
    for _ in range(3):
        cut += swept(store, policy, 2)["audit"]
        with store.read() as tx:
            assert audit.verify(tx, new).ok

    assert cut == 12
    with store.read() as tx:
        verdict = audit.verify(tx, {"seq": old["seq"], "hash": old["hash"]})
        assert audit.base(tx)["seq"] == 12
    assert not verdict.ok
    assert "by order" in str(verdict.reason)


def test_news_that_was_not_delivered_waits(store: Store) -> None:
    """A surface that was away for a month still gets what is addressed to it."""
    item_id = settled(store)
    store.write(outbox.put, item_id, "item.settled", {}, {"slack": "C1"}, NOW)

    swept(store, replace(NEVER, outbox=DAY), 40)

    with store.read() as tx:
        assert [one.address for one in outbox.after(tx, 0)] == [{"slack": "C1"}]


def test_the_settings_name_every_class() -> None:
    """Days as set; 0 for ever; and `deputy config show` lists them."""
    settings = Settings.load(keep_steps_days=7, keep_audit_days=3650, keep_spans_days=0)

    policy = policy_of(settings)

    assert (policy.step_log, policy.waits, policy.audit) == (7 * DAY, 7 * DAY, 3650 * DAY)
    assert (policy.spans, policy.texts) == (None, None)
    listed = {entry["name"] for entry in settings.describe()}
    assert {f"keep_{one}_days" for one in ("spans", "steps", "news", "messages", "texts", "audit")} <= listed


def test_a_worker_forgets_beside_its_work(store: Store) -> None:
    """Portions until nothing is left, then none; a store that does not answer is tried again later."""
    settled(store)
    sweeper = Sweeper(store, Settings.load(keep_steps_days=1, keep_spans_days=1))
    clock.follow(lambda: timedelta(days=30))
    try:
        counts = [sweeper.portion() for _ in range(3)]
    finally:
        clock.follow(lambda: timedelta(0))

    assert counts[0] >= 2
    assert counts[1:] == [0, 0]
    assert PORTION <= 500


def test_only_admins_and_auditors_hold(store: Store) -> None:
    """People with the role; the reason stands in the chain."""
    from orchestrator.deputy.holds import Holds
    from orchestrator.domain.principal import Principal

    item_id = settled(store)
    auditor = Principal(principal_id=ALEX, name="Alex", roles=frozenset({"auditor"}), is_human=True)
    member = replace(auditor, roles=frozenset())
    holds = Holds(store)

    told: dict[str, Any] = holds.begin(auditor, item_id, "case 9")

    assert holds.all(auditor) == [told] == [{"item_id": item_id, "why": "case 9"}]
    for who in (member, replace(auditor, is_human=False)):
        with pytest.raises(NotEligible):
            holds.lift(who, item_id)
    with store.read() as tx:
        event = audit.tail(tx, 1)[0]
    assert (event["kind"], json.dumps(event["body"])) == ("hold.set", '{"why": "case 9"}')
