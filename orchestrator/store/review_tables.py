"""The table of what people saw of tool servers. One schema with `tables`."""

from __future__ import annotations

import sqlalchemy as sa

from orchestrator.store.tables import Json, UtcDateTime, metadata

T = sa.Text

reviews = sa.Table(
    "reviews",
    metadata,
    sa.Column("tenant_id", T, primary_key=True),
    sa.Column("connector", T, primary_key=True),  # the server's name
    sa.Column("digest", T, nullable=False),  # of the description
    sa.Column("seen_at", UtcDateTime, nullable=False),
    sa.Column("description", Json, nullable=False),  # every tool, word for word, with its own digest; last: it is long
)
