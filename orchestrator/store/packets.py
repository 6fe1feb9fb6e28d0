"""How a task agent's item is born: what it is to be, what it was told, the guard's case above it. Written once, with the item.

What its answer's words are worth (`labels`) is added when it ends, so that its parent can take them for what they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from orchestrator.store import items
from orchestrator.store.agent_tables import packets
from orchestrator.store.database import Tx

P = packets.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """spec: the agent; context: what it was told; case: the guard's state and grant. labels: None until the item has ended."""

    spec: Mapping[str, Any]
    context: Mapping[str, Any]
    case: Mapping[str, Any]
    delegated_by: str  # run id
    call_id: str
    labels: Mapping[str, Any] | None = None


_get = sa.select(packets).where(P.tenant_id == sa.bindparam("tenant"), P.item_id == sa.bindparam("item"))
_label = (
    sa.update(packets)
    .where(P.tenant_id == sa.bindparam("tenant"), P.item_id == sa.bindparam("item"))
    .values(labels=sa.bindparam("said", type_=P.labels.type))
)


def put(tx: Tx, item_id: str, packet: Packet, now: datetime) -> None:
    """Records how the item is born. One that has its packet keeps it."""
    row = {
        "tenant_id": tx.tenant_id,
        "item_id": item_id,
        "spec": dict(packet.spec),
        "context": dict(packet.context),
        "case": dict(packet.case),
        "labels": None if packet.labels is None else dict(packet.labels),
        "delegated_by": packet.delegated_by,
        "call_id": packet.call_id,
        "created_at": now,
    }
    tx.c.execute(items.insert_new(tx, packets), [row])


def get(tx: Tx, item_id: str) -> Packet | None:
    """The item's packet; None for one that no agent made."""
    row = tx.c.execute(_get, {"tenant": tx.tenant_id, "item": item_id}).first()
    return None if row is None else packet_of(row)


def of_many(tx: Tx, item_ids: Sequence[str]) -> dict[str, Packet]:
    """Item id → packet, of those that have one."""
    found: dict[str, Packet] = {}
    for part in items.slices(item_ids):
        stmt = sa.select(packets).where(P.tenant_id == tx.tenant_id, P.item_id.in_(part))
        found |= {row.item_id: packet_of(row) for row in tx.c.execute(stmt)}
    return found


def label(tx: Tx, item_id: str, labels: Mapping[str, Any]) -> None:
    """Records where the words of the item's answer came from. An item without a packet has nobody to tell."""
    tx.c.execute(_label, {"tenant": tx.tenant_id, "item": item_id, "said": dict(labels)})


def packet_of(row: Any) -> Packet:
    """A row as a `Packet`."""
    return Packet(
        spec=row.spec,
        context=row.context,
        case=row.case,
        delegated_by=row.delegated_by,
        call_id=row.call_id,
        labels=row.labels,
    )
