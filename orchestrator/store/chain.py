"""Links staged audit events into their tenant's chain, and writes the news, as the last thing a transaction does before its commit.

The head row is locked after every other lock, so that two transactions never wait for each other in a circle. News is numbered under
that lock: its ids rise in the order of the commits, so that who has read up to one has missed none before it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from orchestrator.domain.audit import FOLLOWED, GENESIS, AuditEvent, canonical, link
from orchestrator.store.tables import audit, audit_heads, outbox

_head = (
    sa.select(audit_heads.c.seq, audit_heads.c.hash)
    .where(audit_heads.c.tenant_id == sa.bindparam("tenant"))
    .with_for_update()
)
_advance = (
    sa.update(audit_heads)
    .where(audit_heads.c.tenant_id == sa.bindparam("tenant"))
    .values(seq=sa.bindparam("to_seq"), hash=sa.bindparam("to_hash"))
)
_append = sa.insert(audit)
_tell = sa.insert(outbox)


def begin(c: sa.Connection, tenant_id: str) -> None:
    """Makes the tenant's head row if it has none."""
    row = {"tenant_id": tenant_id, "seq": 0, "hash": GENESIS, "base_seq": 0, "base_hash": GENESIS}
    if c.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        c.execute(postgresql.insert(audit_heads).values(row).on_conflict_do_nothing())
    else:
        from sqlalchemy.dialects import sqlite

        c.execute(sqlite.insert(audit_heads).values(row).on_conflict_do_nothing())


def append(
    c: sa.Connection, tenant_id: str, events: Sequence[AuditEvent], news: Sequence[Mapping[str, Any]] = ()
) -> bool:
    """Inserts `events` in order behind the present head and moves the head; then what is news of them, and `news`. Whether there is any."""
    head = c.execute(_head, {"tenant": tenant_id}).first()
    if head is None:
        begin(c, tenant_id)
        head = c.execute(_head, {"tenant": tenant_id}).one()
    seq, digest = head.seq, head.hash
    rows = []
    for event in events:
        seq += 1
        digest = link(digest, seq, event)
        rows.append(
            {
                "tenant_id": tenant_id,
                "seq": seq,
                "at": event.at,
                "kind": event.kind,
                "actor": event.actor,
                "item_id": event.item_id,
                "run_id": event.run_id,
                "effect_id": event.effect_id,
                "body": dict(event.body or {}),
                "hash": digest,
            }
        )
    if rows:
        c.execute(_append, rows)
        c.execute(_advance, {"tenant": tenant_id, "to_seq": seq, "to_hash": digest})
    followed = (event for event in events if event.kind in FOLLOWED and event.item_id is not None)
    told = [*(_news(tenant_id, event) for event in followed), *news]
    if told:
        c.execute(_tell, told)
    return bool(told)


def _news(tenant_id: str, event: AuditEvent) -> dict[str, Any]:
    body = {"actor": event.actor, "effect_id": event.effect_id, "approval_id": (event.body or {}).get("approval_id")}
    return {
        "tenant_id": tenant_id,
        "item_id": event.item_id,
        "kind": event.kind,
        "address": None,
        "body": {name: value for name, value in body.items() if value is not None},
        "created_at": datetime.fromisoformat(event.at),
        "next_at": None,
    }


def settled(event: AuditEvent) -> AuditEvent:
    """The event with its body as it will be read back: what is hashed is exactly what is stored."""
    from dataclasses import replace

    return replace(event, body=json.loads(canonical(dict(event.body or {}))))
