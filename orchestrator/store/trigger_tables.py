"""The tables of triggers, and of how far each account is read for them. One schema with `tables`."""

from __future__ import annotations

import sqlalchemy as sa

from orchestrator.store.tables import Json, UtcDateTime, metadata

T = sa.Text

triggers = sa.Table(
    "triggers",
    metadata,
    sa.Column("tenant_id", T, primary_key=True),
    sa.Column("trigger_id", T, primary_key=True),
    sa.Column("name", T, nullable=False),
    sa.Column("owner", T, nullable=False),
    sa.Column("family", T, nullable=False),
    sa.Column("connection_id", T),
    sa.Column("conditions", Json, nullable=False),
    sa.Column("request", T, nullable=False),
    sa.Column("options", Json, nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("own", sa.Boolean, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("asked", sa.Integer, nullable=False),  # requests it has made
    sa.UniqueConstraint("tenant_id", "owner", "name", name="triggers_name"),
)

followed = sa.Table(
    "followed",
    metadata,
    sa.Column("tenant_id", T, primary_key=True),
    sa.Column("connection_id", T, primary_key=True),
    sa.Column("family", T, primary_key=True),
    sa.Column("cursor", T),  # null: not read yet
    sa.Column("worker_id", T),  # who reads it now, until
    sa.Column("held_until", UtcDateTime),
    sa.Column("read_at", UtcDateTime),
    sa.Column("error", T),  # why it could not be read last
)
