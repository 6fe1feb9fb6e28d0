"""Durable executions of an item: the unit of recovery, budget and receipt. What a run pins it keeps over an upgrade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from orchestrator import ids
from orchestrator.errors import NotFound
from orchestrator.store import items, outbox, visibility
from orchestrator.store.database import Tx
from orchestrator.store.fence import Lease, fence
from orchestrator.store.tables import runs, worklist

U = runs.c
OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One row. `state` is "open" or the item's own final word; `pins`: digests of workflow, tool schemas and prompts."""

    run_id: str
    item_id: str
    number: int
    route: str | None
    workflow: str | None
    workflow_version: str | None
    pins: Mapping[str, Any]
    state: str
    receipt: Mapping[str, Any] | None
    started_at: datetime
    finished_at: datetime | None

    @property
    def is_open(self) -> bool:
        return self.state == OPEN


def run_of(row: Any) -> Run:
    """A row as a `Run`."""
    return Run(
        run_id=row.run_id,
        item_id=row.item_id,
        number=row.number,
        route=row.route,
        workflow=row.workflow,
        workflow_version=row.workflow_version,
        pins=row.pins,
        state=row.state,
        receipt=row.receipt,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def start(
    tx: Tx,
    lease: Lease,
    *,
    route: str | None,
    workflow: str | None,
    version: str | None,
    pins: Mapping[str, Any],
    now: datetime,
) -> str:
    """Id of the item's open run: a new one, unless it has one already."""
    held = fence(tx, lease)
    if held.run_count:
        latest = ids.run_id(held.item_id, held.run_count)
        if get(tx, latest).is_open:
            return latest
    number = held.run_count + 1
    run_id = ids.run_id(held.item_id, number)
    tx.c.execute(
        sa.insert(runs),
        [
            {
                "tenant_id": tx.tenant_id,
                "run_id": run_id,
                "item_id": held.item_id,
                "number": number,
                "route": route,
                "workflow": workflow,
                "workflow_version": version,
                "pins": dict(pins),
                "state": OPEN,
                "started_at": now,
            }
        ],
    )
    w = worklist.c
    changes: dict[str, Any] = {"run_count": number}
    if route is not None:
        changes["route"] = route
    tx.c.execute(sa.update(worklist).where(w.tenant_id == tx.tenant_id, w.item_id == held.item_id).values(changes))
    outbox.put(tx, held.item_id, "run.started", {"run_id": run_id}, None, now)
    return run_id


def finish(tx: Tx, lease: Lease, run_id: str, *, state: str, receipt: Mapping[str, Any] | None, now: datetime) -> None:
    """Closes a run while its item goes on, for instance on a new workflow. A settled item closes its run by itself."""
    fence(tx, lease)
    closed = sa.update(runs).where(U.tenant_id == tx.tenant_id, U.run_id == run_id, U.state == OPEN)
    tx.c.execute(closed.values(state=state, finished_at=now, receipt=sa.null() if receipt is None else dict(receipt)))


def get(tx: Tx, run_id: str) -> Run:
    """The run. Raises `NotFound`."""
    row = tx.c.execute(sa.select(runs).where(U.tenant_id == tx.tenant_id, U.run_id == run_id)).first()
    if row is None:
        raise NotFound(f"there is no run {run_id!r}", fix="`deputy run ls` lists them")
    return run_of(row)


_of_item = (
    sa.select(runs).where(U.tenant_id == sa.bindparam("tenant"), U.item_id == sa.bindparam("item")).order_by(U.number)
)


def of_item(tx: Tx, item_id: str) -> list[Run]:
    """The item's runs, the first first."""
    return [run_of(row) for row in tx.c.execute(_of_item, {"tenant": tx.tenant_id, "item": item_id})]


def of_items(tx: Tx, item_ids: Sequence[str]) -> dict[str, list[Run]]:
    """Item id → its runs, the first first, of those that have run."""
    found: dict[str, list[Run]] = {}
    for part in items.slices(item_ids):
        stmt = sa.select(runs).where(U.tenant_id == tx.tenant_id, U.item_id.in_(part)).order_by(U.number)
        for row in tx.c.execute(stmt):
            found.setdefault(row.item_id, []).append(run_of(row))
    return found


def list_runs(
    tx: Tx,
    limit: int = 50,
    *,
    state: str | None = None,
    workflow: str | None = None,
    seen_by: str | None = None,
    after: tuple[datetime, str] | None = None,
) -> list[Run]:
    """Runs, latest first. `seen_by`: only of items this person may see. `after`: (started_at, run_id) of the last one of the page before."""
    stmt = sa.select(runs).where(U.tenant_id == tx.tenant_id)
    if workflow is not None:
        stmt = stmt.where(U.workflow == workflow)
    if after is not None:
        at, run_id = sa.literal(after[0], U.started_at.type), after[1]
        stmt = stmt.where(sa.or_(U.started_at < at, sa.and_(U.started_at == at, U.run_id > run_id)))
    if state is not None:
        stmt = stmt.where(U.state == state)
    if seen_by is not None:
        stmt = stmt.where(visibility.item_is_seen(tx, U.item_id, seen_by))
    return [run_of(row) for row in tx.c.execute(stmt.order_by(U.started_at.desc(), U.run_id).limit(limit))]
