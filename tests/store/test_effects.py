"""The ledger: `attempted` is committed once per approval, within the tree's quotas, and an outcome is recorded once."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.domain.effect import EffectState
from orchestrator.domain.outcome import Parked
from orchestrator.errors import Conflict, NotFound
from orchestrator.store import approvals, audit, effects, lease, quotas, waits
from orchestrator.store.database import Store
from orchestrator.store.effects import Attempt
from orchestrator.store.lease import Lease
from tests.store.nouns import ALEX, NOW, card, claim, effect, later, running, wish


def attempt(store: Store, mine: Lease, effect_id: str, **more: Any) -> Attempt:
    fields: dict[str, Any] = {"expect": EffectState.APPROVED, "now": NOW, "wire_timeout_s": 10.0, "reserve": {}, **more}
    return store.write(effects.attempt, mine, effect_id, **fields)


def held(store: Store, call_id: str = "g0.send", mine: Lease | None = None) -> tuple[Lease, str]:
    """An allowed effect, not yet sent."""
    mine = mine or running(store)
    entry = effect(mine, call_id, state=EffectState.APPROVED)
    store.write(effects.hold, mine, entry, NOW)
    return mine, entry.effect_id


def approved(store: Store, **more: Any) -> tuple[Lease, str]:
    """An effect that a person approved, its item claimed again."""
    mine = running(store)
    entry = effect(mine)
    made = card(entry, **more)
    store.write(effects.intend, mine, entry, made, wait_id="w1", now=NOW)
    store.write(lease.settle, mine, Parked(), NOW)
    store.write(approvals.decide, made.approval_id, "approve", digest=made.digest, by=ALEX, now=NOW)
    return claim(store).lease, entry.effect_id


def test_an_approval_opens_one_attempt(store: Store) -> None:
    """The attempt uses the approval up; nothing can use it again."""
    mine, effect_id = approved(store)

    assert attempt(store, mine, effect_id).may_send
    with store.read() as tx:
        (used,) = approvals.of_item(tx, mine.item.item_id)
        assert used.consumed_at == NOW
        assert effects.get(tx, effect_id).state is EffectState.ATTEMPTED
    with pytest.raises(Conflict):
        attempt(store, mine, effect_id)


def test_an_effect_that_asks_is_not_sent_without_its_approval(store: Store) -> None:
    """An effect whose decision was ask, moved to approved by no card, cannot be attempted."""
    mine = running(store)
    entry = effect(mine)
    store.write(effects.hold, mine, entry, NOW)

    with pytest.raises(Conflict):
        attempt(store, mine, entry.effect_id)


def test_an_approval_that_ran_out_before_its_use_opens_nothing(store: Store) -> None:
    """Approved in time but sent too late: nothing is sent, and the effect has failed as expired."""
    mine, effect_id = approved(store, expires_at=later(hours=1))

    assert attempt(store, mine, effect_id, now=later(hours=2)).stopped == "approval_expired"

    with store.read() as tx:
        assert effects.get(tx, effect_id).state is EffectState.FAILED


def test_quotas_hold_over_the_whole_tree(store: Store) -> None:
    """A limit of two sends for a task counts its children's, and a refused attempt takes nothing."""
    mine, first = held(store)
    (child_id,) = store.write(lease.delegate, mine, [wish("part")], ["g0.part"], NOW)
    child = claim(store).lease
    assert child.item.item_id == child_id
    from orchestrator.store import runs

    store.write(runs.start, child, route=None, workflow=None, version=None, pins={}, now=NOW)
    _, second = held(store, mine=child)
    _, third = held(store, "g0.other", mine=mine)
    limit = {"mails": (1, 2), "bytes": (10, 1000)}

    assert attempt(store, mine, first, reserve=limit).may_send
    assert attempt(store, child, second, reserve=limit).may_send
    refused = attempt(store, mine, third, reserve=limit)

    assert refused == Attempt(over_quota="mails")
    with store.read() as tx:
        assert quotas.used(tx, mine.item.item_id) == {"mails": 2, "bytes": 20}
        assert effects.get(tx, third).state is EffectState.APPROVED


def test_a_resend_takes_no_second_quota(store: Store) -> None:
    """After `absent`, the second attempt of one effect is covered by the first's reservation."""
    mine, effect_id = held(store)
    limit = {"mails": (1, 1)}
    attempt(store, mine, effect_id, reserve=limit)

    assert attempt(store, mine, effect_id, expect=EffectState.ATTEMPTED, reserve=limit).may_send


def test_an_outcome_is_recorded_once(store: Store) -> None:
    """Saying done twice changes nothing; failed after done is a conflict."""
    mine, effect_id = held(store)
    attempt(store, mine, effect_id)
    store.write(effects.done, mine, effect_id, {"id": "m1"}, NOW)
    store.write(effects.done, mine, effect_id, {"id": "other"}, NOW)

    with store.read() as tx:
        entry = effects.get(tx, effect_id)
    assert (entry.state, entry.result, entry.finished_at) == (EffectState.DONE, {"id": "m1"}, NOW)
    with pytest.raises(Conflict):
        store.write(effects.failed, mine, effect_id, {"code": "x"}, NOW, expect=EffectState.ATTEMPTED)


def test_doubt_and_its_question_are_one_transaction(store: Store) -> None:
    """An unknown outcome and the question it raises come together; each doubt is a question of its own."""
    mine, effect_id = held(store)
    attempt(store, mine, effect_id)
    store.write(effects.unknown, mine, effect_id, wait_id="d!1", payload={"text": "Sent?"}, now=NOW)
    with store.read() as tx:
        (wait,) = waits.open_waits(tx, mine.item.item_id)
    assert wait.payload["outcome_unknown"] is True

    store.write(waits.answer, mine.item.item_id, "d!1", "it did not happen", ALEX, NOW)
    assert attempt(store, mine, effect_id, expect=EffectState.UNKNOWN).may_send
    store.write(effects.unknown, mine, effect_id, wait_id="d!2", payload={"text": "Sent?"}, now=NOW)

    with store.read() as tx:
        assert [w.wait_id for w in waits.open_waits(tx, mine.item.item_id)] == ["d!2"]
    store.write(effects.settle_unknown, mine, effect_id, happened=True, result={"seen": True}, error={}, now=NOW)
    with store.read() as tx:
        assert effects.get(tx, effect_id).state is EffectState.DONE


def test_a_person_may_find_that_it_did_not_happen(store: Store) -> None:
    """An unknown outcome settled as not happened is a failed effect."""
    mine, effect_id = held(store)
    attempt(store, mine, effect_id)
    store.write(effects.unknown, mine, effect_id, wait_id="d!1", payload={}, now=NOW)
    store.write(
        effects.settle_unknown, mine, effect_id, happened=False, result=None, error={"code": "not_sent"}, now=NOW
    )

    with store.read() as tx:
        assert effects.get(tx, effect_id).error == {"code": "not_sent"}


def test_a_refused_call_is_recorded_with_its_rules(store: Store) -> None:
    """A denied call is a failed effect, with a decision in the chain."""
    mine = running(store)
    entry = effect(mine, state=EffectState.FAILED, error={"code": "denied", "message": "no"})
    store.write(effects.record_denied, mine, entry, NOW)

    with store.read() as tx:
        assert effects.by_run(tx, entry.run_id)[0].state is EffectState.FAILED
        assert audit.tail(tx, 1)[0]["kind"] == "decision"


def test_failing_an_effect_closes_its_card_and_wait(store: Store) -> None:
    """When a run gives an intended effect up, nobody is asked about it any more."""
    mine = running(store)
    entry = effect(mine)
    store.write(effects.intend, mine, entry, card(entry), wait_id="w1", now=NOW)
    store.write(effects.failed, mine, entry.effect_id, {"code": "broken"}, NOW, expect=EffectState.INTENDED)

    with store.read() as tx:
        assert waits.open_waits(tx, mine.item.item_id) == []
        assert approvals.list_pending(tx) == []


def test_intending_twice_is_one_card(store: Store) -> None:
    """A re-run that asks again about the same card meets its own."""
    mine = running(store)
    entry = effect(mine)
    for _ in range(2):
        store.write(effects.intend, mine, entry, card(entry), wait_id="w1", now=NOW)

    with store.read() as tx:
        assert len(approvals.list_pending(tx)) == 1
        assert len(effects.of_tree(tx, mine.item.item_id)) == 1


def test_what_was_attempted_is_not_intended_again(store: Store) -> None:
    """No verb takes an attempted effect back to the beginning."""
    mine, effect_id = held(store)
    attempt(store, mine, effect_id)

    with pytest.raises(Conflict):
        store.write(effects.hold, mine, effect(mine, state=EffectState.APPROVED), NOW)


def test_the_chain_tells_an_effects_life(store: Store) -> None:
    """Decision, intention, approval, attempt and outcome follow each other in the audit chain."""
    mine, effect_id = approved(store)
    attempt(store, mine, effect_id)
    store.write(effects.done, mine, effect_id, None, NOW)

    with store.read() as tx:
        kinds = [event["kind"] for event in audit.tail(tx) if event["effect_id"] == effect_id]
        assert audit.verify(tx).ok
    assert kinds == ["decision", "effect.intended", "approval.approved", "effect.attempted", "effect.done"]


def test_an_unknown_effect_is_not_found(store: Store) -> None:
    """Effects are not made by asking for them."""
    with store.read() as tx, pytest.raises(NotFound):
        effects.get(tx, "eff_none")
