"""Factories with sensible defaults: items, effects, cards, and a worker that has claimed something."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator import ids
from orchestrator.domain.effect import Approval, ApprovalState, Effect, EffectState
from orchestrator.store import lease, runs, workers, worklist
from orchestrator.store.database import Store
from orchestrator.store.lease import Claimed, Lease
from orchestrator.store.worklist import NewItem

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ALEX, DANA, SAM = "alex@northwind.example", "dana@northwind.example", "sam@northwind.example"


def later(**span: float) -> datetime:
    """An instant after `NOW`."""
    return NOW + timedelta(**span)


def wish(request: str = "a wish", **more: Any) -> NewItem:
    """A new item of Alex's."""
    return NewItem(request=request, requester=more.pop("requester", ALEX), **more)


def submit(store: Store, request: str = "a wish", *, now: datetime = NOW, **more: Any) -> str:
    """Id of a submitted item."""
    return store.write(worklist.submit, wish(request, **more), now)[0]


def enlist(store: Store, worker_id: str = "w_one") -> str:
    """A worker with its row."""
    store.write(workers.register, worker_id, lock_key=1, host="here", pid=1)
    return worker_id


def claim(store: Store, worker_id: str = "w_one", *, now: datetime = NOW) -> Claimed:
    """What the worker gets, which has to be something."""
    claimed = store.write(lease.claim, worker_id, now)
    assert claimed is not None
    return claimed


def running(store: Store, request: str = "a wish", *, worker_id: str = "w_one", **more: Any) -> Lease:
    """A lease on a fresh item with a run, the worker enlisted."""
    submit(store, request, **more)
    enlist(store, worker_id)
    mine = claim(store, worker_id).lease
    store.write(runs.start, mine, route="match", workflow="w", version="1", pins={}, now=NOW)
    return mine


def effect(mine: Lease, call_id: str = "g0.send", *, state: EffectState = EffectState.INTENDED, **more: Any) -> Effect:
    """A ledger entry of the lease's first run."""
    run_id = ids.run_id(mine.item.item_id, 1)
    effect_id = ids.effect_id(run_id, call_id)
    return Effect(
        effect_id=effect_id,
        item_id=mine.item.item_id,
        run_id=run_id,
        call_id=call_id,
        tool=more.pop("tool", "mail.send"),
        args={"to": [DANA]},
        args_digest=more.pop("args_digest", "sha256:one"),
        connection_id="conn_1",
        key=ids.effect_key(effect_id),
        state=state,
        decision="ask" if state is EffectState.INTENDED else "allow",
        rules=["sends-ask"],
        reason="",
        bundle_digest="sha256:bundle",
        created_at=NOW,
        **more,
    )


def card(entry: Effect, number: int = 1, **more: Any) -> Approval:
    """A pending card for an effect, decided by Alex, valid for a week."""
    fields: dict[str, Any] = {
        "digest": entry.args_digest,
        "state": ApprovalState.PENDING,
        "eligible": [ALEX],
        "needed": 1,
        "preconditions": [],
        "card": {"title": "Send a mail"},
        "created_at": NOW,
        "expires_at": later(days=7),
    }
    return Approval(
        approval_id=ids.approval_id(entry.effect_id, number),
        effect_id=entry.effect_id,
        item_id=entry.item_id,
        **{**fields, **more},
    )


def state(store: Store, item_id: str) -> str:
    """The item's state."""
    with store.read() as tx:
        return worklist.get(tx, item_id).state.value
