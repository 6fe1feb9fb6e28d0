"""The table of what workers have counted and timed. One schema with `tables`."""

from __future__ import annotations

import sqlalchemy as sa

from orchestrator.store.tables import Json, metadata

measures = sa.Table(  # sums over all workers there ever were: each adds what it has counted since it last did
    "measures",
    metadata,
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("labels", sa.Text, primary_key=True),  # canonical JSON
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("total", sa.Float, nullable=False),
    sa.Column("buckets", Json),  # how many lay in each; null: a counter
)
