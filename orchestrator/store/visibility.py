"""Which items a person may see, as a condition for queries: what they asked for, and what they were asked to decide."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from orchestrator.store.database import Tx
from orchestrator.store.tables import approvals, worklist

A, W = approvals.c, worklist.c


def may_decide(tx: Tx, person: str) -> sa.ColumnElement[bool]:
    """Condition on rows of `approvals`: the person is on the card."""
    quoted = json.dumps(
        person, ensure_ascii=False
    )  # a list of names is JSON text: a whole name stands between its quotes
    text = sa.type_coerce(A.eligible, sa.Text)
    found = sa.func.strpos(text, quoted) if tx.is_postgres else sa.func.instr(text, quoted)
    return found > 0


def item_is_seen(tx: Tx, item_id: sa.ColumnElement[Any], person: str) -> sa.ColumnElement[bool]:
    """Condition on any column of item ids: the person is its requester or is on one of its cards."""
    asked = sa.exists().where(W.tenant_id == tx.tenant_id, W.item_id == item_id, W.requester == person)
    decides = sa.exists().where(A.tenant_id == tx.tenant_id, A.item_id == item_id, may_decide(tx, person))
    return sa.or_(asked, decides)
