"""A claim as a lease, and the fence before every write under it.

The lease names the worker and the claim's epoch. A write passes only while the item's row still carries both, and keeps the row
locked until its commit: a take-over and a late write cannot both pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from orchestrator.domain.item import Item
from orchestrator.errors import Fenced
from orchestrator.store.database import Tx
from orchestrator.store.items import W
from orchestrator.store.prepared import Prepared


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A claimed item. `wake_seq` is as read at the claim; `claimed_at` by the clock of the caller's `now`."""

    item: Item
    worker_id: str
    epoch: int
    wake_seq: int
    claimed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the fence read under its lock: what people did to the item since the claim is in here."""

    item_id: str
    root_id: str
    run_count: int
    wake_seq: int
    cancel_requested: bool
    paused: bool


_fence = Prepared(
    sa.select(W.item_id, W.root_id, W.run_count, W.wake_seq, W.cancel_requested, W.paused)
    .where(
        W.tenant_id == sa.bindparam("tenant"),
        W.item_id == sa.bindparam("item"),
        W.claim_epoch == sa.bindparam("epoch"),
        W.worker_id == sa.bindparam("worker"),
        W.state == sa.literal_column("'running'"),
    )
    .with_for_update()
)


def fence(tx: Tx, lease: Lease) -> Held:
    """Locks the item's row. Raises `Fenced` when the lease is over; then the caller records nothing more.

    INVARIANT: the first statement of every verb under a lease, before it writes.
    """
    rows = _fence.rows(
        tx, {"tenant": tx.tenant_id, "item": lease.item.item_id, "epoch": lease.epoch, "worker": lease.worker_id}
    )
    if not rows:
        raise Fenced(
            f"{lease.worker_id} no longer owns {lease.item.item_id}", fix="nothing to do: its new owner goes on"
        )
    item_id, root_id, run_count, wake_seq, cancel_requested, paused = rows[0]
    return Held(
        item_id=item_id,
        root_id=root_id,
        run_count=run_count,
        wake_seq=wake_seq,
        cancel_requested=bool(cancel_requested),
        paused=bool(paused),
    )
