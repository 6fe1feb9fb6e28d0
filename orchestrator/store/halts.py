"""The kill switch as rows: while a halt is in force nothing it is about begins an effect or a model call; lifted, what met it goes on.

INVARIANT: whoever is about to begin reads the halts in the transaction that commits to beginning, and waits for the lift in the
same one. The row stays locked against the lift meanwhile, so that nobody waits for a lift that has been.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from orchestrator.domain.audit import AuditEvent
from orchestrator.domain.item import FINAL, WaitKind
from orchestrator.errors import Conflict, NotFound
from orchestrator.store import outbox, waits
from orchestrator.store.agent_tables import packets
from orchestrator.store.database import Tx
from orchestrator.store.fence import Lease, fence
from orchestrator.store.halt_tables import halts
from orchestrator.store.tables import connections, runs, worklist

H = halts.c
PREFIX = "halt:"  # of the ids of waits that a lift ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """`scope`: all | agent | connector; `name` of the latter two."""

    halt_id: str
    scope: str
    name: str
    reason: str
    halted_by: str
    halted_at: datetime

    def is_about(self, *, agent: str, connector: str) -> bool:
        return (
            self.scope == "all"
            or (self.scope == "agent" and self.name == agent)
            or (self.scope == "connector" and self.name == connector)
        )

    def __str__(self) -> str:
        what = "everything" if self.scope == "all" else f"the {self.scope} {self.name}"
        return f"{self.halted_by} has halted {what}" + (f": {self.reason}" if self.reason else "")


_active = sa.select(halts).where(H.tenant_id == sa.bindparam("tenant"), H.lifted_at.is_(None)).order_by(H.halted_at)
_locked = _active.with_for_update(read=True)


def in_force(tx: Tx) -> list[Halt]:
    """Oldest first."""
    return [_halt(row) for row in tx.c.execute(_active, {"tenant": tx.tenant_id})]


def meets(tx: Tx, item_id: str, now: datetime, *, agent: str = "", connection_id: str | None = None) -> Halt | None:
    """The halt that keeps the item from beginning something; the item waits for its lift from now on. For verbs that hold its row."""
    found = [_halt(row) for row in tx.c.execute(_locked, {"tenant": tx.tenant_id})]
    connector = ""
    if connection_id is not None and any(one.scope == "connector" for one in found):
        of = sa.select(connections.c.connector).where(
            connections.c.tenant_id == tx.tenant_id, connections.c.connection_id == connection_id
        )
        connector = tx.c.scalar(of) or ""
    halt = next((one for one in found if one.is_about(agent=agent, connector=connector)), None)
    if halt is not None:
        payload = {"text": f"{halt}; it goes on when that is lifted", "halt_id": halt.halt_id}
        waits.record(
            tx, item_id, waits.NewWait(wait_id=PREFIX + halt.halt_id, kind=WaitKind.PAUSED, payload=payload), now
        )
    return halt


def stops(tx: Tx, lease: Lease, now: datetime, *, agent: str = "") -> bool:
    """Whether a claimed item may not go on; then it waits for the lift."""
    return meets(tx, fence(tx, lease).item_id, now, agent=agent) is not None


def begin(tx: Tx, halt: Halt) -> None:
    """From this commit on. Raises `Conflict` where the same is halted already."""
    same = next((one for one in in_force(tx) if (one.scope, one.name) == (halt.scope, halt.name)), None)
    if same is not None:
        raise Conflict(f"{same} already", fix=f"lift it first: deputy halt --lift {same.halt_id}")
    row = {
        "tenant_id": tx.tenant_id,
        "halt_id": halt.halt_id,
        "scope": halt.scope,
        "name": halt.name,
        "reason": halt.reason,
        "halted_by": halt.halted_by,
        "halted_at": halt.halted_at,
    }
    tx.c.execute(sa.insert(halts).values(row))
    _tell(tx, "halt.begun", halt, halt.halted_by, halt.halted_at)


def agents_under_way(tx: Tx) -> frozenset[str]:
    """Names of agents that have begun and not ended, and of those that wait to begin."""
    W, U, P = worklist.c, runs.c, packets.c
    unfinished = sa.select(W.item_id).where(W.tenant_id == tx.tenant_id, W.state.not_in(sorted(FINAL)))
    begun = sa.select(U.pins).where(U.tenant_id == tx.tenant_id, U.item_id.in_(unfinished), U.route == "agent")
    born = sa.select(P.spec).where(P.tenant_id == tx.tenant_id, P.item_id.in_(unfinished))
    names = [
        *((pins or {}).get("agent") for pins in tx.c.scalars(begun)),
        *((spec or {}).get("name") for spec in tx.c.scalars(born)),
    ]
    return frozenset(name for name in names if name)


def lift(tx: Tx, halt_id: str, by: str, now: datetime) -> tuple[Halt, Sequence[str]]:
    """The halt, and the items that go on because of it. Raises `NotFound`, `Conflict` where it was lifted before."""
    mine = (H.tenant_id == tx.tenant_id, H.halt_id == halt_id)
    row = tx.c.execute(
        sa.update(halts).where(*mine, H.lifted_at.is_(None)).values(lifted_at=now, lifted_by=by).returning(halts)
    ).first()
    if row is None:
        known = tx.c.scalar(sa.select(H.lifted_by).where(*mine))
        if known is None:
            raise NotFound(f"there is no halt {halt_id!r}", fix="see: deputy halt --ls")
        raise Conflict(f"{known} has lifted it already", fix="see: deputy halt --ls")
    halt = _halt(row)
    freed = []
    for wait in waits.list_open(tx, [WaitKind.PAUSED], limit=None):
        if wait.wait_id == PREFIX + halt_id and waits.answer(tx, wait.item_id, wait.wait_id, "lifted", by, now):
            freed.append(wait.item_id)
    _tell(tx, "halt.lifted", halt, by, now)
    return halt, freed


def _tell(tx: Tx, kind: str, halt: Halt, by: str, now: datetime) -> None:
    body = {"halt_id": halt.halt_id, "scope": halt.scope, "name": halt.name, "reason": halt.reason}
    tx.audit(AuditEvent(kind=kind, actor=by, at=now.isoformat(), body=body))
    outbox.put(tx, outbox.EVERYBODYS, kind, body, None, now)
    tx.nudge()


def _halt(row: Any) -> Halt:
    return Halt(
        halt_id=row.halt_id,
        scope=row.scope,
        name=row.name,
        reason=row.reason,
        halted_by=row.halted_by,
        halted_at=row.halted_at,
    )
