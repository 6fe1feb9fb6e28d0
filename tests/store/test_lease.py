"""A claim is a lease: one owner at a time, fenced by its epoch; parking and waking cannot lose each other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from orchestrator.domain.effect import EffectState
from orchestrator.domain.item import State, WaitKind
from orchestrator.domain.outcome import Done, Ended, Parked, Replan
from orchestrator.errors import Conflict, Fenced
from orchestrator.store import (
    approvals,
    audit,
    effects,
    items,
    lease,
    outbox,
    runs,
    steplog,
    timers,
    waits,
    workers,
    worklist,
)
from orchestrator.store.database import Store, clock_s
from orchestrator.store.lease import Lease
from orchestrator.store.waits import NewWait
from tests.store.nouns import ALEX, NOW, card, claim, effect, enlist, later, running, state, submit, wish

QUESTION = NewWait(wait_id="g0.ask", kind=WaitKind.ANSWER, payload={"text": "Which day?"}, call_id="g0.ask")


def park(store: Store, mine: Lease) -> State:
    return store.write(lease.settle, mine, Parked(), NOW)


def ask(store: Store, mine: Lease, new: NewWait = QUESTION) -> None:
    store.write(lease.wait_for, mine, new, NOW)


def pass_hold(store: Store) -> None:
    """Lets every hold end, as waiting would."""
    import sqlalchemy as sa

    from orchestrator.store.tables import worklist as table

    with store.tx() as tx:
        tx.c.execute(sa.update(table).where(table.c.hold_until_s.is_not(None)).values(hold_until_s=clock_s(tx) - 1))
    store.write(timers.sweep, NOW)


# ---- claiming ------------------------------------------------------------------------------------------------------
def test_a_worker_without_its_row_claims_nothing(store: Store) -> None:
    """A worker that was taken over gets nothing: nobody would ever reap what it claimed."""
    submit(store)
    enlist(store)
    store.write(workers.remove, "w_one")

    assert store.write(lease.claim, "w_one", NOW) is None


def test_an_item_is_claimed_once(store: Store) -> None:
    """Two workers never hold one item."""
    submit(store)
    enlist(store, "w_one")
    enlist(store, "w_two")

    assert store.write(lease.claim, "w_one", NOW) is not None
    assert store.write(lease.claim, "w_two", NOW) is None


def test_a_claim_brings_everything_recorded(store: Store) -> None:
    """After a park, the next claim has the run, log, effects, cards, waits, answers and nudges."""
    mine = running(store)
    store.write(steplog.append, mine, [steplog.Row(kind="read", key="g0.mail", body={"n": 1})], NOW)
    entry = effect(mine)
    store.write(effects.intend, mine, entry, card(entry), wait_id="w1", now=NOW)
    ask(store, mine)
    assert park(store, mine) is State.WAITING
    store.write(waits.answer, mine.item.item_id, "g0.ask", "Monday", ALEX, NOW)
    store.write(worklist.nudge, mine.item.item_id, ALEX, "human", "hurry", NOW)

    again = claim(store)

    assert again.run is not None
    assert again.run.is_open
    assert [(row.seq, row.key, row.body) for row in again.log] == [(1, "g0.mail", {"n": 1})]
    assert [e.state for e in again.effects] == [EffectState.INTENDED]
    assert [a.digest for a in again.approvals] == ["sha256:one"]
    assert again.answers == {"g0.ask": "Monday"}
    assert [m.text for m in again.messages] == ["hurry"]
    assert again.lease.epoch == mine.epoch + 1


# ---- fencing -------------------------------------------------------------------------------------------------------
def _take_over(store: Store, mine: Lease) -> None:
    store.write(lease.take_over, mine.worker_id, NOW)


FENCED: dict[str, Callable[[Store, Lease], object]] = {
    "append": lambda s, m: s.write(steplog.append, m, [steplog.Row(kind="note", key="k", body=None)], NOW),
    "start a run": lambda s, m: s.write(runs.start, m, route=None, workflow=None, version=None, pins={}, now=NOW),
    "intend": lambda s, m: s.write(effects.intend, m, effect(m), None, wait_id="w", now=NOW),
    "hold": lambda s, m: s.write(effects.hold, m, effect(m, state=EffectState.APPROVED), NOW),
    "attempt": lambda s, m: s.write(
        effects.attempt, m, "eff", expect=EffectState.APPROVED, now=NOW, wire_timeout_s=1.0, reserve={}
    ),
    "done": lambda s, m: s.write(effects.done, m, "eff", None, NOW),
    "failed": lambda s, m: s.write(effects.failed, m, "eff", {}, NOW, expect=EffectState.ATTEMPTED),
    "unknown": lambda s, m: s.write(effects.unknown, m, "eff", wait_id="w", payload={}, now=NOW),
    "wait": lambda s, m: s.write(lease.wait_for, m, QUESTION, NOW),
    "delegate": lambda s, m: s.write(lease.delegate, m, [wish("part")], ["g0.part"], NOW),
    "settle": lambda s, m: s.write(lease.settle, m, Done(text=""), NOW),
}


@pytest.mark.parametrize("verb", FENCED)
@pytest.mark.parametrize("loss", ["taken over", "settled", "given back"])
def test_nothing_is_recorded_under_a_lease_that_is_over(store: Store, verb: str, loss: str) -> None:
    """After a take-over, a settling or a give-back, every verb of the old lease is refused and leaves no trace."""
    mine = running(store)
    if loss == "taken over":
        store.write(lease.take_over, mine.worker_id, NOW)
    elif loss == "settled":
        store.write(lease.settle, mine, Done(text="done"), NOW)
    else:
        store.write(lease.give_back, mine, NOW, count=False, why="test")
    with store.read() as tx:
        before = (audit.head(tx), items.row(tx, mine.item.item_id))

    with pytest.raises(Fenced):
        FENCED[verb](store, mine)

    with store.read() as tx:
        assert (audit.head(tx), items.row(tx, mine.item.item_id)) == before


# ---- wake and park -------------------------------------------------------------------------------------------------
def _approve(store: Store, mine: Lease) -> None:
    entry = effect(mine)
    store.write(approvals.decide, card(entry).approval_id, "approve", digest="sha256:one", by=ALEX, now=NOW)


def _deny(store: Store, mine: Lease) -> None:
    store.write(approvals.decide, card(effect(mine)).approval_id, "deny", digest="sha256:one", by=ALEX, now=NOW)


def _child_ends(store: Store, mine: Lease) -> None:
    child = claim(store).lease
    assert child.item.parent_id == mine.item.item_id
    store.write(lease.settle, child, Done(text="part"), NOW)


EVENTS: dict[str, Callable[[Store, Lease], object]] = {
    "approval": _approve,
    "denial": _deny,
    "expiry": lambda s, m: s.write(approvals.expire_due, later(days=8)),
    "nudge": lambda s, m: s.write(worklist.nudge, m.item.item_id, ALEX, "human", "hurry", NOW),
    "answer": lambda s, m: s.write(waits.answer, m.item.item_id, "g0.ask", "Monday", ALEX, NOW),
    "child's end": _child_ends,
}


OPEN_AT = {
    "after the card": ["approval", "denial", "expiry", "nudge"],
    "after the question": ["approval", "denial", "expiry", "nudge", "answer"],
    "after the child": list(EVENTS),
    "after the park": list(EVENTS),
}


@pytest.mark.parametrize(("instant", "event"), [(instant, event) for instant in OPEN_AT for event in OPEN_AT[instant]])
def test_what_comes_between_card_and_park_is_never_lost(store: Store, event: str, instant: str) -> None:
    """Approval, denial, expiry, nudge, answer and child's end, at each instant from card to park: the item is ready again."""
    mine = running(store)
    entry = effect(mine)
    steps: dict[str, Callable[[], object]] = {
        "after the card": lambda: store.write(effects.intend, mine, entry, card(entry), wait_id="w1", now=NOW),
        "after the question": lambda: ask(store, mine),
        "after the child": lambda: store.write(lease.delegate, mine, [wish("part")], ["g0.part"], NOW),
        "after the park": lambda: park(store, mine),
    }
    for name, step in steps.items():
        step()
        if name == instant:
            EVENTS[event](store, mine)

    assert state(store, mine.item.item_id) == "ready"


def test_a_park_without_news_waits_and_costs_nothing(store: Store) -> None:
    """Parked on an open question, the item is not served."""
    mine = running(store)
    ask(store, mine)

    assert park(store, mine) is State.WAITING
    assert store.write(lease.claim, "w_one", NOW) is None


def test_a_park_without_anything_to_wait_for_asks_a_person(store: Store) -> None:
    """Parking on nothing is a fault of the runner; it does not spin and is not lost."""
    mine = running(store)

    assert park(store, mine) is State.WAITING
    with store.read() as tx:
        assert worklist.waiting_on(tx, mine.item.item_id) == ["repair"]


def test_a_timer_wakes_its_item_exactly_once(store: Store) -> None:
    """At its time a timer wait is answered and its item ready; the next park does not wake again."""
    mine = running(store)
    timer = NewWait(wait_id="g0.tick", kind=WaitKind.TIMER, payload={}, due_at=later(minutes=5))
    ask(store, mine, timer)
    ask(store, mine)
    park(store, mine)
    assert store.write(timers.sweep, later(minutes=4)) == 0

    assert store.write(timers.sweep, later(minutes=5)) == 1
    again = claim(store, now=later(minutes=5))
    assert [w.answer for w in again.waits if w.kind is WaitKind.TIMER] == [{"fired": True}]
    store.write(lease.settle, again.lease, Parked(), later(minutes=5))
    assert store.write(timers.sweep, later(minutes=6)) == 0


def test_a_deadline_of_an_open_question_wakes_once_and_stays_open(store: Store) -> None:
    """A wait with a due time wakes its item then, and does not spin after it."""
    mine = running(store)
    ask(store, mine, NewWait(wait_id="q", kind=WaitKind.ANSWER, payload={}, due_at=later(minutes=5)))
    park(store, mine)
    assert store.write(timers.sweep, later(minutes=5)) == 1
    again = claim(store, now=later(minutes=5)).lease
    assert store.write(lease.settle, again, Parked(), later(minutes=6)) is State.WAITING
    assert store.write(timers.sweep, later(minutes=7)) == 0


def test_a_due_time_that_passes_during_the_advance_is_not_lost(store: Store) -> None:
    """Due after the claim and before the park, the item is woken by the next sweep."""
    mine = running(store)
    ask(store, mine, NewWait(wait_id="q", kind=WaitKind.ANSWER, payload={}, due_at=later(seconds=1)))
    store.write(lease.settle, mine, Parked(), later(seconds=2))

    assert store.write(timers.sweep, later(seconds=2)) == 1


# ---- losing a worker -----------------------------------------------------------------------------------------------
def test_a_dead_workers_items_are_ready_at_once(store: Store) -> None:
    """Nothing in flight: taken over at once, and counted as an attempt."""
    mine = running(store)

    assert store.write(lease.take_over, "w_one", NOW) == [mine.item.item_id]

    with store.read() as tx:
        item = worklist.get(tx, mine.item.item_id)
    assert (item.state, item.attempts) == (State.READY, 1)


def test_an_item_with_a_send_in_flight_waits_out_the_wire(store: Store) -> None:
    """An effect in `attempted` holds its item until nothing of it can arrive; no wake shortens that."""
    mine = running(store)
    entry = effect(mine, state=EffectState.APPROVED)
    store.write(effects.hold, mine, entry, NOW)
    said = store.write(
        effects.attempt,
        mine,
        entry.effect_id,
        expect=EffectState.APPROVED,
        now=NOW,
        wire_timeout_s=30.0,
        reserve={},
    )
    assert said.may_send

    store.write(lease.take_over, "w_one", NOW)
    store.write(worklist.nudge, mine.item.item_id, ALEX, "human", "hurry", NOW)

    assert state(store, mine.item.item_id) == "waiting"
    with store.read() as tx:
        left = timers.next_due(tx).hold_s
    assert left is not None
    assert 29 < left <= 30
    pass_hold(store)
    assert state(store, mine.item.item_id) == "ready"


def test_too_many_attempts_in_a_row_end_with_a_person(store: Store) -> None:
    """An item that kills its workers is asked about; an answer starts it again with a clean count."""
    mine = running(store)
    for attempt in range(lease.MAX_ATTEMPTS):
        if attempt:
            claim(store)
        store.write(lease.take_over, "w_one", NOW)

    with store.read() as tx:
        assert worklist.waiting_on(tx, mine.item.item_id) == ["repair"]
        (wait,) = waits.open_waits(tx, mine.item.item_id)
        assert outbox.after(tx, 0)[-1].kind == "repair.asked"
    assert wait.payload["choices"] == ["try again", "give up"]
    store.write(waits.answer, mine.item.item_id, wait.wait_id, "try again", ALEX, NOW)
    assert claim(store).lease.item.attempts == 0


def test_a_settled_advance_forgets_earlier_attempts(store: Store) -> None:
    """Only attempts in a row count: progress in between starts the count anew."""
    mine = running(store)
    store.write(lease.take_over, "w_one", NOW)
    mine = claim(store).lease
    assert mine.item.attempts == 1
    ask(store, mine)
    park(store, mine)

    with store.read() as tx:
        assert worklist.get(tx, mine.item.item_id).attempts == 0


def test_giving_back_without_counting_is_free(store: Store) -> None:
    """A drained worker's items are ready at once and have lost nothing."""
    mine = running(store)

    assert store.write(lease.give_back, mine, NOW, count=False, why="drain") is True
    assert store.write(lease.give_back, mine, NOW, count=False, why="drain") is False

    again = claim(store).lease
    assert (again.item.item_id, again.item.attempts) == (mine.item.item_id, 0)


def test_a_failed_advance_waits_before_the_next(store: Store) -> None:
    """Given back with a backoff, an item is held that long by the database's clock."""
    mine = running(store)
    store.write(lease.give_back, mine, NOW, count=True, why="it failed", backoff_s=60.0)

    assert store.write(lease.claim, "w_one", NOW) is None
    pass_hold(store)
    assert claim(store).lease.item.attempts == 1


def test_claims_without_a_workers_row_are_found(store: Store) -> None:
    """A claim that raced with the take-over of its worker is an orphan, and can be taken over."""
    mine = running(store)
    store.write(workers.remove, "w_one")

    with store.read() as tx:
        assert lease.orphans(tx) == ["w_one"]
    assert store.write(lease.take_over, "w_one", NOW) == [mine.item.item_id]


def test_own_claims_not_held_in_memory_go_back(store: Store) -> None:
    """A claim whose acknowledgement was lost is released by its epoch, and only that one."""
    mine = running(store)
    with store.read() as tx:
        recorded = lease.own_running(tx, "w_one")
    assert recorded == {mine.item.item_id: mine.epoch}

    assert store.write(lease.release_unheld, "w_one", {mine.item.item_id: mine.epoch - 1}, NOW) == 0
    assert store.write(lease.release_unheld, "w_one", recorded, NOW) == 1
    assert state(store, mine.item.item_id) == "ready"


# ---- ending --------------------------------------------------------------------------------------------------------
def test_done_records_output_receipt_and_news(store: Store) -> None:
    """A finished item has its text, output and receipt, its run is closed, and surfaces hear of it."""
    mine = running(store, reply_to={"kind": "cli"})
    store.write(
        lease.settle, mine, Done(text="Invited Dana.", output={"n": 1}), NOW, receipt={"model_calls": 0}, route="match"
    )

    with store.read() as tx:
        item = worklist.get(tx, mine.item.item_id)
        (run,) = runs.of_item(tx, mine.item.item_id)
        (news,) = outbox.due(tx, NOW)
    assert (item.state, item.text, item.output, item.route) == (State.DONE, "Invited Dana.", {"n": 1}, "match")
    assert (run.state, run.receipt) == ("done", {"model_calls": 0})
    assert (news.kind, news.address) == ("item.settled", {"kind": "cli"})


def test_the_end_closes_what_was_open(store: Store) -> None:
    """When an item ends, its pending cards become void, effects not sent have failed, and waits are closed."""
    mine = running(store)
    entry = effect(mine)
    store.write(effects.intend, mine, entry, card(entry), wait_id="w1", now=NOW)
    store.write(lease.settle, mine, Ended(state="denied", code="denied", message="no"), NOW)

    with store.read() as tx:
        assert [a.state.value for a in approvals.of_item(tx, mine.item.item_id)] == ["void"]
        assert [e.state.value for e in effects.by_item(tx, mine.item.item_id)] == ["failed"]
        assert waits.open_waits(tx, mine.item.item_id) == []


def test_an_end_with_a_send_in_flight_asks_a_person(store: Store) -> None:
    """An effect in `attempted` is never thrown away, even by a runner that says it is done."""
    mine = running(store)
    entry = effect(mine, state=EffectState.APPROVED)
    store.write(effects.hold, mine, entry, NOW)
    store.write(
        effects.attempt, mine, entry.effect_id, expect=EffectState.APPROVED, now=NOW, wire_timeout_s=1, reserve={}
    )

    assert store.write(lease.settle, mine, Done(text="done"), NOW) is State.WAITING
    with store.read() as tx:
        assert worklist.waiting_on(tx, mine.item.item_id) == ["repair"]


def test_children_answer_their_parent_and_end_with_it(store: Store) -> None:
    """A child's end answers the parent's wait and wakes it; when the parent ends, children left over are cancelled."""
    mine = running(store)
    later = {"priority": 101}  # served after their parent, whatever their derived ids
    wishes = [wish("a", **later), wish("b", **later)]
    first, second = store.write(lease.delegate, mine, wishes, ["g0.a", "g0.b"], NOW)
    assert store.write(lease.delegate, mine, wishes[:1], ["g0.a"], NOW) == [first]
    assert park(store, mine) is State.WAITING
    child = claim(store).lease
    store.write(lease.settle, child, Done(text="half", output={"n": 1}), NOW)

    again = claim(store)
    assert again.lease.item.item_id == mine.item.item_id
    answers = {w.wait_id: w.answer for w in again.waits}
    done = child.item.item_id
    other = second if done == first else first
    assert answers[f"child:{done}"]["output"] == {"n": 1}
    assert answers[f"child:{other}"] is None
    store.write(lease.settle, again.lease, Done(text="enough"), NOW)
    assert state(store, other) == "cancelled"


def test_a_replan_keeps_what_is_done_and_starts_the_next_generation(store: Store) -> None:
    """Re-planning voids what was not sent; after three times a person has to look."""
    mine = running(store)
    entry = effect(mine)
    store.write(effects.intend, mine, entry, card(entry), wait_id="w1", now=NOW)

    assert store.write(lease.settle, mine, Replan(reason="the slot is taken"), NOW) is State.READY
    again = claim(store)
    assert again.lease.item.generation == 1
    assert [e.error["code"] for e in again.effects if e.error] == ["replanned"]
    mine = again.lease
    for _ in range(2):
        store.write(lease.settle, mine, Replan(reason="again"), NOW)
        mine = claim(store).lease
    assert store.write(lease.settle, mine, Replan(reason="again"), NOW) is State.WAITING
    with store.read() as tx:
        assert worklist.waiting_on(tx, mine.item.item_id) == ["repair"]


# ---- cancelling ----------------------------------------------------------------------------------------------------
def test_cancelling_a_tree_ends_what_waits_and_tells_what_runs(store: Store) -> None:
    """Ready and waiting items of the tree end at once; a running one ends at its next park."""
    mine = running(store)
    first, second = store.write(lease.delegate, mine, [wish("a"), wish("b")], ["g0.a", "g0.b"], NOW)
    park(store, mine)
    child = claim(store).lease
    other = second if child.item.item_id == first else first

    told = store.write(worklist.cancel, mine.item.item_id, ALEX, NOW, "changed my mind")

    assert set(told) == {mine.item.item_id, first, second}
    assert state(store, mine.item.item_id) == "cancelled"
    assert state(store, other) == "cancelled"
    assert state(store, child.item.item_id) == "running"
    assert park(store, child) is State.CANCELLED


def test_cancelling_stops_a_send_that_has_not_begun(store: Store) -> None:
    """A cancel committed before `attempted` wins: nothing may be sent, and the effect has failed."""
    mine = running(store)
    entry = effect(mine, state=EffectState.APPROVED)
    store.write(effects.hold, mine, entry, NOW)
    store.write(worklist.cancel, mine.item.item_id, ALEX, NOW, "stop")

    said = store.write(
        effects.attempt, mine, entry.effect_id, expect=EffectState.APPROVED, now=NOW, wire_timeout_s=1, reserve={}
    )

    assert said.stopped == "cancelled"
    assert park(store, mine) is State.CANCELLED


def test_cancelling_keeps_a_send_in_flight_until_it_is_known(store: Store) -> None:
    """Cancelled with an effect in `attempted`, the item goes on, learns the outcome, and then ends."""
    mine = running(store)
    entry = effect(mine, state=EffectState.APPROVED)
    store.write(effects.hold, mine, entry, NOW)
    store.write(
        effects.attempt, mine, entry.effect_id, expect=EffectState.APPROVED, now=NOW, wire_timeout_s=1, reserve={}
    )
    ask(store, mine)
    park(store, mine)

    store.write(worklist.cancel, mine.item.item_id, ALEX, NOW, "stop")

    again = claim(store)
    assert again.lease.item.cancel_requested
    store.write(effects.done, again.lease, entry.effect_id, {"id": 1}, NOW)
    assert park(store, again.lease) is State.CANCELLED
    with store.read() as tx:
        assert effects.get(tx, entry.effect_id).state is EffectState.DONE


def test_pausing_stops_a_send_and_resuming_goes_on(store: Store) -> None:
    """Paused while it runs, an item sends nothing, parks, and is ready again when resumed."""
    mine = running(store)
    entry = effect(mine, state=EffectState.APPROVED)
    store.write(effects.hold, mine, entry, NOW)
    store.write(worklist.pause, mine.item.item_id)

    said = store.write(
        effects.attempt, mine, entry.effect_id, expect=EffectState.APPROVED, now=NOW, wire_timeout_s=1, reserve={}
    )

    assert said.stopped == "paused"
    assert park(store, mine) is State.WAITING
    store.write(worklist.resume, mine.item.item_id, NOW)
    assert claim(store).effects[0].state is EffectState.APPROVED


def test_snoozing_a_running_item_holds_at_its_park(store: Store) -> None:
    """Snoozed while it runs, an item that was also woken waits until the snooze ends."""
    mine = running(store)
    ask(store, mine)
    store.write(worklist.snooze, mine.item.item_id, later(hours=1), NOW)
    store.write(waits.answer, mine.item.item_id, "g0.ask", "Monday", ALEX, NOW)

    assert park(store, mine) is State.WAITING
    assert store.write(timers.sweep, NOW + timedelta(hours=1)) == 1
    assert claim(store, now=later(hours=1)).answers == {"g0.ask": "Monday"}


def test_logging_without_a_run_is_refused(store: Store) -> None:
    """A step log belongs to a run."""
    submit(store)
    enlist(store)
    mine = claim(store).lease

    with pytest.raises(Conflict):
        store.write(steplog.append, mine, [steplog.Row(kind="note", key="k", body=None)], NOW)
