"""The step log: append-only rows of a run, the truth from which its state is rebuilt after every wait and crash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from connectors.spec import Json
from orchestrator import ids
from orchestrator.errors import Conflict
from orchestrator.store.database import Tx
from orchestrator.store.fence import Lease, fence
from orchestrator.store.prepared import Prepared
from orchestrator.store.tables import step_log

S = step_log.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row before it is appended. `key` is derived from the step, e.g. "g0.find_slot"."""

    kind: str
    key: str
    body: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """One row as read: `seq` from 1, `epoch` of the claim that wrote it; epochs never go back along `seq`."""

    seq: int
    epoch: int
    kind: str
    key: str
    body: Any
    at: datetime


_last = Prepared(
    sa.select(sa.func.max(S.seq)).where(S.tenant_id == sa.bindparam("tenant"), S.run_id == sa.bindparam("run"))
)
_append = Prepared(sa.insert(step_log), [column.name for column in step_log.columns])
_load = (
    sa.select(S.seq, S.epoch, S.kind, S.key, S.body, S.at)
    .where(S.tenant_id == sa.bindparam("tenant"), S.run_id == sa.bindparam("run"), S.seq > sa.bindparam("after"))
    .order_by(S.seq)
)


def append(tx: Tx, lease: Lease, rows: Sequence[Row], now: datetime) -> None:
    """Adds rows to the item's latest run, in order. Constant cost, whatever the length of the log."""
    held = fence(tx, lease)
    if not held.run_count:
        raise Conflict(f"item {held.item_id} has no run to log to", fix="start a run first")
    add(tx, ids.run_id(held.item_id, held.run_count), lease.epoch, rows, now)


def add(tx: Tx, run_id: str, epoch: int, rows: Sequence[Row], now: datetime, last: int | None = None) -> None:
    """The same without a fence: for verbs that hold it already. `last`: the run's latest `seq`, from whoever knows it."""
    if not rows:
        return
    if last is None:
        last = int(_last.rows(tx, {"tenant": tx.tenant_id, "run": run_id})[0][0] or 0)
    _append.run_many(
        tx,
        [
            {
                "tenant_id": tx.tenant_id,
                "run_id": run_id,
                "seq": last + place,
                "epoch": epoch,
                "kind": row.kind,
                "key": row.key,
                "body": row.body,
                "at": now,
            }
            for place, row in enumerate(rows, start=1)
        ],
    )


def load(tx: Tx, run_id: str, *, after: int = 0) -> list[StepRow]:
    """Rows of a run behind the row `after`, `seq` ascending."""
    return [
        StepRow(seq=row.seq, epoch=row.epoch, kind=row.kind, key=row.key, body=row.body, at=row.at)
        for row in tx.c.execute(_load, {"tenant": tx.tenant_id, "run": run_id, "after": after})
    ]
