"""The table of halts. One schema with `tables`."""

from __future__ import annotations

import sqlalchemy as sa

from orchestrator.store.tables import UtcDateTime, metadata

T = sa.Text

halts = sa.Table(
    "halts",
    metadata,
    sa.Column("tenant_id", T, primary_key=True),
    sa.Column("halt_id", T, primary_key=True),
    sa.Column("scope", T, nullable=False),  # all | agent | connector
    sa.Column("name", T, nullable=False),  # of the agent or connector
    sa.Column("reason", T, nullable=False),
    sa.Column("halted_by", T, nullable=False),
    sa.Column("halted_at", UtcDateTime, nullable=False),
    sa.Column("lifted_by", T),
    sa.Column("lifted_at", UtcDateTime),
)
_in_force = halts.c.lifted_at.is_(None)
sa.Index("halts_in_force", halts.c.tenant_id, sqlite_where=_in_force, postgresql_where=_in_force)
