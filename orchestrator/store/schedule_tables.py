"""The tables of schedules, and of each time they came. One schema with `tables`."""

from __future__ import annotations

import sqlalchemy as sa

from orchestrator.store.tables import Json, UtcDateTime, metadata

T = sa.Text

schedules = sa.Table(
    "schedules",
    metadata,
    sa.Column("tenant_id", T, primary_key=True),
    sa.Column("schedule_id", T, primary_key=True),
    sa.Column("name", T, nullable=False),
    sa.Column("owner", T, nullable=False),
    sa.Column("kind", T, nullable=False),
    sa.Column("rule", T, nullable=False),  # as `str(When)` spells it
    sa.Column("request", T, nullable=False),
    sa.Column("options", Json, nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("missed", T, nullable=False),
    sa.Column("overlap", T, nullable=False),
    sa.Column("grace_s", sa.Integer, nullable=False),
    sa.Column("asks_s", sa.Integer),  # null: questions and cards wait as long as they do by themselves
    sa.Column("expects", Json, nullable=False),
    sa.Column("reply_to", Json),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("next_at", UtcDateTime),  # null: paused, or its rule has ended
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("unattended", Json),  # domain.unattended; null: `asks_s`, and then no
    sa.UniqueConstraint("tenant_id", "owner", "name", name="schedules_name"),
)
_coming = schedules.c.next_at.is_not(None)
schedules_coming = sa.Index(
    "schedules_coming", schedules.c.tenant_id, schedules.c.next_at, sqlite_where=_coming, postgresql_where=_coming
)

firings = sa.Table(
    "firings",
    metadata,
    sa.Column("tenant_id", T, primary_key=True),
    sa.Column("schedule_id", T, primary_key=True),
    sa.Column("at", UtcDateTime, primary_key=True),  # when it came by the rule
    sa.Column("owner", T, nullable=False),
    sa.Column("state", T, nullable=False),  # domain.schedule.FiringState
    sa.Column("item_id", T),
    sa.Column("why", T, nullable=False),
    sa.Column("asks_until", UtcDateTime),
    sa.Column("told", sa.Boolean, nullable=False, server_default=sa.false()),  # that it waits for a connection
    sa.Column("counts", Json),
    sa.Column("started_at", UtcDateTime),
    sa.Column("settled_at", UtcDateTime),  # null: queued or started
)
_open = firings.c.settled_at.is_(None)
firings_open = sa.Index(
    "firings_open", firings.c.tenant_id, firings.c.schedule_id, sqlite_where=_open, postgresql_where=_open
)
firings_item = sa.Index("firings_item", firings.c.item_id, firings.c.tenant_id)
