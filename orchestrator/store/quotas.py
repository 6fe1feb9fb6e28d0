"""What a tree of items has used up. Reserved in the transaction that commits `attempted`, so that two branches cannot both take the last one;
given back in the one that records that the attempt certainly did nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from orchestrator.store import items
from orchestrator.store.database import Tx
from orchestrator.store.tables import quotas

Q = quotas.c


_used = sa.select(Q.name, Q.used).where(Q.tenant_id == sa.bindparam("tenant"), Q.root_id == sa.bindparam("root"))


def used(tx: Tx, root_id: str) -> dict[str, int]:
    """Name → how much the tree has used."""
    return {row.name: row.used for row in tx.c.execute(_used, {"tenant": tx.tenant_id, "root": root_id})}


def reserve(tx: Tx, root_id: str, wanted: Mapping[str, tuple[int, int]]) -> str | None:
    """Takes every (amount, limit) of `wanted`, or none: then the name of a quota that does not suffice."""
    if not wanted:
        return None
    names = sorted(wanted)
    tx.c.execute(
        items.insert_new(tx, quotas),
        [{"tenant_id": tx.tenant_id, "root_id": root_id, "name": name, "used": 0} for name in names],
    )
    stmt = sa.select(Q.name, Q.used).where(Q.tenant_id == tx.tenant_id, Q.root_id == root_id, Q.name.in_(names))
    so_far = {row.name: row.used for row in tx.c.execute(stmt.order_by(Q.name).with_for_update())}
    for name in names:
        amount, limit = wanted[name]
        if so_far[name] + amount > limit:
            return name
    for name in names:
        taken = sa.update(quotas).where(Q.tenant_id == tx.tenant_id, Q.root_id == root_id, Q.name == name)
        tx.c.execute(taken.values(used=Q.used + wanted[name][0]))
    return None


def give_back(tx: Tx, root_id: str, amounts: Mapping[str, int]) -> None:
    """Takes back a reservation of name → amount."""
    for name in sorted(amounts):
        taken = sa.update(quotas).where(Q.tenant_id == tx.tenant_id, Q.root_id == root_id, Q.name == name)
        tx.c.execute(taken.values(used=Q.used - amounts[name]))
