"""Thumbs on answers, one of each person for each item: the latest counts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from orchestrator.store.database import Tx
from orchestrator.store.items import insert_new
from orchestrator.store.slack_tables import feedback

F = feedback.c


def put(tx: Tx, item_id: str, person: str, *, is_good: bool, door: str, now: datetime) -> None:
    mine = (F.tenant_id == tx.tenant_id, F.item_id == item_id, F.person == person)
    tx.c.execute(sa.delete(feedback).where(*mine))
    row = {"item_id": item_id, "person": person, "is_good": is_good, "door": door, "at": now}
    tx.c.execute(insert_new(tx, feedback).values(tenant_id=tx.tenant_id, **row))


def of_item(tx: Tx, item_id: str) -> list[dict[str, Any]]:
    """[{"person", "is_good", "door", "at"}], oldest first."""
    stmt = sa.select(feedback).where(F.tenant_id == tx.tenant_id, F.item_id == item_id).order_by(F.at)
    return [
        {"person": row.person, "is_good": row.is_good, "door": row.door, "at": row.at.isoformat()}
        for row in tx.c.execute(stmt)
    ]
