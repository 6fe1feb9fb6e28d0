"""The table of sealed credentials. One schema with `tables`."""

from __future__ import annotations

import sqlalchemy as sa

from orchestrator.store.tables import UtcDateTime, metadata

T = sa.Text

credentials = sa.Table(
    "credentials",
    metadata,
    sa.Column("tenant_id", T, primary_key=True),
    sa.Column("connection_id", T, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("key_id", T, nullable=False),  # which key-encryption key wraps the data key
    sa.Column("wrapped", sa.LargeBinary, nullable=False),  # the data key, wrapped
    sa.Column("sealed", sa.LargeBinary, nullable=False),  # the credentials under the data key
    sa.Column("issued_at", UtcDateTime, nullable=False),  # when these credentials were put here
)
