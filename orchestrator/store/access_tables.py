"""The tables of who may come in: one-time links, sessions, API keys, roles, sign-ins on their way. One schema with `tables`.

INVARIANT: nothing here opens a door. A link, session, key or sign-in is kept as the SHA-256 of at least 192 random bits.
"""

from __future__ import annotations

import sqlalchemy as sa

from orchestrator.store.tables import Json, UtcDateTime, metadata

T = sa.Text

links = sa.Table(
    "access_links",
    metadata,
    sa.Column("tenant_id", T, primary_key=True),
    sa.Column("hash", T, primary_key=True),
    sa.Column("person", T, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
)

sessions = sa.Table(
    "access_sessions",
    metadata,
    sa.Column("tenant_id", T, primary_key=True),
    sa.Column("hash", T, primary_key=True),
    sa.Column("session_id", T, nullable=False),  # may be shown; opens nothing
    sa.Column("person", T, nullable=False),
    sa.Column("via", T, nullable=False),  # link | oidc
    sa.Column("device", T, nullable=False),  # the browser's own name for itself
    sa.Column("idle_s", sa.Integer, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("seen_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
)
sa.Index("access_sessions_person", sessions.c.tenant_id, sessions.c.person)

keys = sa.Table(
    "access_keys",
    metadata,
    sa.Column("tenant_id", T, primary_key=True),
    sa.Column("key_id", T, primary_key=True),  # the prefix of the key itself
    sa.Column("hash", T, nullable=False),
    sa.Column("name", T, nullable=False),
    sa.Column("person", T, nullable=False),  # for whom it speaks
    sa.Column("scopes", Json, nullable=False),
    sa.Column("is_human", sa.Boolean, nullable=False),
    sa.Column("created_by", T, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("used_at", UtcDateTime),
    sa.Column("revoked_at", UtcDateTime),
)

roles = sa.Table(
    "access_roles",
    metadata,
    sa.Column("tenant_id", T, primary_key=True),
    sa.Column("person", T, primary_key=True),
    sa.Column("role", T, primary_key=True),
    sa.Column("source", T, primary_key=True),  # assigned: by an admin | groups: by the identity provider
    sa.Column("limits", Json, nullable=False),  # of an approver: families, tools, requesters
    sa.Column("given_by", T, nullable=False),
    sa.Column("given_at", UtcDateTime, nullable=False),
)

sign_ins = sa.Table(
    "access_sign_ins",
    metadata,
    sa.Column("tenant_id", T, primary_key=True),
    sa.Column("hash", T, primary_key=True),  # of the state
    sa.Column("browser", T, nullable=False),  # hash of what only the browser that began it holds
    sa.Column("nonce", T, nullable=False),
    sa.Column("verifier", T, nullable=False),  # of PKCE: worthless without the code, and short-lived
    sa.Column("next", T, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
)
TABLES = (links, sessions, keys, roles, sign_ins)
