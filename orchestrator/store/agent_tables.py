"""The tables of task agents: how an item was born, what its tree may use, what is remembered. One schema with `tables`."""

from __future__ import annotations

import sqlalchemy as sa

from orchestrator.store.tables import Json, UtcDateTime, metadata

T = sa.Text

packets = sa.Table(
    "packets",
    metadata,
    sa.Column("tenant_id", T, primary_key=True),
    sa.Column("item_id", T, primary_key=True),
    sa.Column("spec", Json, nullable=False),
    sa.Column("context", Json, nullable=False),
    sa.Column("case", Json, nullable=False),
    sa.Column("labels", Json),  # null until the item has ended: where the words of its answer came from
    sa.Column("delegated_by", T, nullable=False),  # run id
    sa.Column("call_id", T, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
)

budgets = sa.Table(  # limits of an item and everything below it, and what is used or reserved of them
    "budgets",
    metadata,
    sa.Column("tenant_id", T, primary_key=True),
    sa.Column("item_id", T, primary_key=True),
    sa.Column("name", T, primary_key=True),
    sa.Column("most", sa.BigInteger),  # null: counted, without a limit
    sa.Column("used", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

memories = sa.Table(
    "memories",
    metadata,
    sa.Column("tenant_id", T, primary_key=True),
    sa.Column("memory_id", T, primary_key=True),
    sa.Column("scope", T, nullable=False),  # run | workflow | person | team
    sa.Column("owner", T, nullable=False),  # root item id | workflow | address | team
    sa.Column("text", T, nullable=False),
    sa.Column("source", Json, nullable=False),  # kind, ref, by
    sa.Column("label", Json),
    sa.Column("created_by", T, nullable=False),  # principal id
    sa.Column("shared", sa.Boolean, nullable=False),  # a workflow's fact that everybody who runs it may read
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime),
    sa.Index("memories_owner", "owner", "tenant_id", "scope"),
)
