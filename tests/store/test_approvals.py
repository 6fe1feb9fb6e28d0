"""A card is one person's answer to one digest, once."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.domain.effect import ApprovalState, EffectState
from orchestrator.domain.outcome import Parked
from orchestrator.errors import Conflict, NotEligible, NotFound, UsageError
from orchestrator.store import approvals, audit, effects, lease, outbox, waits, worklist
from orchestrator.store.database import Store
from orchestrator.store.lease import Lease
from tests.store.nouns import ALEX, DANA, NOW, SAM, card, claim, effect, later, running, state


def asked(store: Store, **more: Any) -> tuple[Lease, str]:
    """A parked item with a pending card: (its last lease, approval id)."""
    mine = running(store)
    entry = effect(mine)
    made = card(entry, **more)
    store.write(effects.intend, mine, entry, made, wait_id="w1", now=NOW)
    store.write(lease.settle, mine, Parked(), NOW)
    return mine, made.approval_id


def decide(store: Store, approval_id: str, verdict: str = "approve", **more: Any) -> ApprovalState:
    fields = {"digest": "sha256:one", "by": ALEX, "now": NOW, **more}
    return store.write(approvals.decide, approval_id, verdict, **fields).state


def test_approving_moves_the_effect_answers_the_wait_and_wakes(store: Store) -> None:
    """One yes: effect approved, wait answered, item ready, and an audit event that names who."""
    mine, card_id = asked(store)

    assert decide(store, card_id) is ApprovalState.APPROVED

    again = claim(store)
    assert again.effects[0].state is EffectState.APPROVED
    assert again.waits[0].answer == {"verdict": "approve"}
    with store.read() as tx:
        assert audit.tail(tx, 1)[0]["kind"] == "approval.approved"
        assert audit.tail(tx, 1)[0]["actor"] == ALEX


def test_denying_fails_the_effect(store: Store) -> None:
    """One no: the effect has failed as approval_denied, and the item is ready to say so."""
    mine, card_id = asked(store)

    assert decide(store, card_id, "deny", reason="not now") is ApprovalState.DENIED

    again = claim(store)
    assert again.effects[0].error is not None
    assert again.effects[0].error["code"] == "approval_denied"
    assert again.waits[0].answer == {"verdict": "deny", "reason": "not now"}


def test_another_digest_does_not_open_the_gate(store: Store) -> None:
    """An approval for other arguments than those shown changes nothing."""
    mine, card_id = asked(store)

    with pytest.raises(Conflict):
        decide(store, card_id, digest="sha256:other")

    assert state(store, mine.item.item_id) == "waiting"


def test_a_card_is_decided_once(store: Store) -> None:
    """The second verdict is a conflict, whichever the first was."""
    _, card_id = asked(store)
    decide(store, card_id)

    for verdict in ("approve", "deny"):
        with pytest.raises(Conflict):
            decide(store, card_id, verdict)


def test_who_is_not_on_the_card_may_not_decide(store: Store) -> None:
    """Eligibility is checked where the decision is recorded."""
    _, card_id = asked(store)

    with pytest.raises(NotEligible):
        decide(store, card_id, by=DANA)


def test_after_its_expiry_a_card_decides_nothing(store: Store) -> None:
    """At its expiry a yes comes too late; the sweep ends the card, fails the effect and wakes the item, once."""
    mine, card_id = asked(store)
    with pytest.raises(Conflict):
        decide(store, card_id, now=later(days=7))

    assert store.write(approvals.expire_due, later(days=6)) == 0
    assert store.write(approvals.expire_due, later(days=7)) == 1
    assert store.write(approvals.expire_due, later(days=7)) == 0

    again = claim(store)
    assert again.approvals[0].state is ApprovalState.EXPIRED
    assert again.effects[0].error is not None
    assert again.effects[0].error["code"] == "approval_expired"


def test_a_quorum_needs_different_people(store: Store) -> None:
    """Two of three: one person twice is a conflict, the second person opens it."""
    mine, card_id = asked(store, eligible=[ALEX, DANA, SAM], needed=2)

    assert decide(store, card_id) is ApprovalState.PENDING
    assert state(store, mine.item.item_id) == "waiting"
    with pytest.raises(Conflict):
        decide(store, card_id)
    assert decide(store, card_id, by=SAM) is ApprovalState.APPROVED

    with store.read() as tx:
        assert approvals.get(tx, card_id).decided_by == [ALEX, SAM]


def test_one_no_ends_a_quorum(store: Store) -> None:
    """With a quorum, a single denial decides."""
    _, card_id = asked(store, eligible=[ALEX, DANA], needed=2)
    decide(store, card_id)

    assert decide(store, card_id, "deny", by=DANA) is ApprovalState.DENIED


def test_an_edit_voids_the_card_and_wakes_with_the_new_arguments(store: Store) -> None:
    """Void keeps the wait open for the edit that answers it; the void card decides nothing."""
    mine, card_id = asked(store)
    store.write(approvals.void, card_id, "edited", NOW)
    with store.read() as tx:
        wait_id = approvals.wait_id_of(tx, card_id)
    assert wait_id == "w1"
    assert store.write(waits.answer, mine.item.item_id, wait_id, {"verdict": "edit", "args": {"x": 1}}, ALEX, NOW)

    with pytest.raises(Conflict):
        decide(store, card_id)
    assert claim(store).waits[0].answer == {"verdict": "edit", "args": {"x": 1}}


def test_asking_again_replaces_the_older_card(store: Store) -> None:
    """A second card for one effect voids the first: only one can be decided."""
    mine, first = asked(store)
    store.write(worklist.nudge, mine.item.item_id, ALEX, "human", "again", NOW)
    mine = claim(store).lease
    entry = effect(mine, args_digest="sha256:two")
    second = card(entry, 2)
    store.write(effects.intend, mine, entry, second, wait_id="w2", now=NOW)

    with pytest.raises(Conflict):
        decide(store, first)
    assert decide(store, second.approval_id, digest="sha256:two") is ApprovalState.APPROVED


def test_pending_cards_are_listed_for_whom_they_concern(store: Store) -> None:
    """A list of pending cards is by item or by who may decide."""
    mine, card_id = asked(store)
    with store.read() as tx:
        assert [a.approval_id for a in approvals.list_pending(tx, eligible=ALEX)] == [card_id]
        assert approvals.list_pending(tx, eligible=DANA) == []
        assert approvals.list_pending(tx, item_id="item_other") == []


def test_asking_tells_the_surfaces(store: Store) -> None:
    """The card's news is in the transaction that made the card."""
    _, card_id = asked(store)
    with store.read() as tx:
        told = [(news.kind, news.body.get("approval_id")) for news in outbox.after(tx, 0)]
    assert told == [
        ("item.submitted", None),
        ("run.started", None),
        ("approval.asked", card_id),
        ("item.waiting", None),
    ]


def test_unknown_cards_and_verdicts_are_refused(store: Store) -> None:
    """There is no third verdict, and no card out of thin air."""
    _, card_id = asked(store)
    with pytest.raises(UsageError):
        decide(store, card_id, "maybe")
    with pytest.raises(NotFound):
        decide(store, "apr_none")
