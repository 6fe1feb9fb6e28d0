"""The tables, their columns and indexes. Every row carries its tenant; times are aware UTC; bodies are JSON text.

A verb on a table lives in the file of that table. Migrations are numbered and only go forward (`migrations.py`).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class UtcDateTime(sa.TypeDecorator[datetime]):
    """Aware datetimes in and out. SQLite: INTEGER microseconds since the epoch, so that comparisons sort; PostgreSQL: timestamptz."""

    impl = sa.BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(sa.DateTime(timezone=True))
        return dialect.type_descriptor(sa.BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone cannot be stored: {value!r}")
        if dialect.name == "postgresql":
            return value
        return (value - _EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if isinstance(value, datetime):
            return value.astimezone(UTC)
        return _EPOCH + timedelta(microseconds=value)


class Json(sa.TypeDecorator[Any]):
    """JSON as text in both engines: written once, read whole, never queried into."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:
        return None if value is None else json.dumps(value, separators=(",", ":"), ensure_ascii=False)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else json.loads(value)


def _c(name: str, kind: Any, **more: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, **more)


def _tenant() -> sa.Column[str]:
    return sa.Column("tenant_id", sa.Text, primary_key=True)


T, INT, B = sa.Text, sa.Integer, sa.Boolean

worklist = sa.Table(
    "worklist",
    metadata,
    _tenant(),
    _c("item_id", T, primary_key=True),
    _c("root_id", T, nullable=False),
    _c("parent_id", T),
    _c("depth", INT, nullable=False, server_default="0"),
    _c("request", T, nullable=False),
    _c("requester", T, nullable=False),
    _c("origin", T, nullable=False),
    _c("state", T, nullable=False),
    _c("priority", INT, nullable=False),
    _c("due_at", UtcDateTime),
    _c("deadline_at", UtcDateTime, nullable=False),
    _c("snooze_until", UtcDateTime),
    _c("wake_at", UtcDateTime),
    _c("blocked_by", INT, nullable=False, server_default="0"),  # unfinished items it depends on; ready only at 0
    _c(
        "hold_until_s", sa.Float
    ),  # database clock: a lost worker's attempt may still arrive until then; not served before
    _c("claim_epoch", INT, nullable=False, server_default="0"),
    _c("wake_seq", INT, nullable=False, server_default="0"),
    _c("worker_id", T),
    _c("attempts", INT, nullable=False, server_default="0"),
    _c("generation", INT, nullable=False, server_default="0"),
    _c("run_count", INT, nullable=False, server_default="0"),
    _c("created_at", UtcDateTime, nullable=False),
    _c("started_at", UtcDateTime),
    _c("finished_at", UtcDateTime),
    _c("idempotency_key", T),
    _c("reply_to", Json),
    _c("options", Json, nullable=False),
    _c("route", T),
    _c("match", Json),
    _c("slots", Json),
    _c("output", Json),
    _c("text", T),
    _c("error", Json),
    _c("cancel_requested", B, nullable=False, server_default=sa.false()),
    _c("paused", B, nullable=False, server_default=sa.false()),
    _c("lost_since", UtcDateTime),  # restored from a backup of this instant: what was done after it is not known
    _c("legal_hold", T),  # why nothing of this tree may be forgotten; on the root
)
_ready = worklist.c.state == "ready"
_order = (worklist.c.tenant_id, worklist.c.deadline_at, worklist.c.item_id)
sa.Index("worklist_ready", *_order, sqlite_where=_ready, postgresql_where=_ready)
_waiting = worklist.c.state == "waiting"
sa.Index("worklist_waiting", *_order, sqlite_where=_waiting, postgresql_where=_waiting)
_running = worklist.c.state == "running"
sa.Index("worklist_running", worklist.c.worker_id, sqlite_where=_running, postgresql_where=_running)
_timed = worklist.c.wake_at.is_not(None)
sa.Index("worklist_timer", worklist.c.tenant_id, worklist.c.wake_at, sqlite_where=_timed, postgresql_where=_timed)
_held = worklist.c.hold_until_s.is_not(None)
sa.Index("worklist_held", worklist.c.hold_until_s, sqlite_where=_held, postgresql_where=_held)
_finished = worklist.c.finished_at.is_not(None)
sa.Index(
    "worklist_finished",
    worklist.c.tenant_id,
    worklist.c.finished_at,
    worklist.c.item_id,
    sqlite_where=_finished,
    postgresql_where=_finished,
)
_child = worklist.c.parent_id.is_not(None)
sa.Index("worklist_parent", worklist.c.parent_id, worklist.c.tenant_id, sqlite_where=_child, postgresql_where=_child)
# INVARIANT: apart from partial ones, a secondary index never begins with the tenant. One that does fits "this tenant, this id" as well
# as the primary key to a planner that met the table while it was small, and reads the whole tenant from then on.
sa.Index("worklist_root", worklist.c.root_id, worklist.c.tenant_id)
_keyed = worklist.c.idempotency_key.is_not(None)
sa.Index(
    "worklist_key",
    worklist.c.tenant_id,
    worklist.c.requester,
    worklist.c.idempotency_key,
    unique=True,
    sqlite_where=_keyed,
    postgresql_where=_keyed,
)

dependencies = sa.Table(
    "dependencies",
    metadata,
    _tenant(),
    _c("item_id", T, primary_key=True),
    _c("needs_id", T, primary_key=True),
    sqlite_with_rowid=False,
)
sa.Index("dependencies_needs", dependencies.c.needs_id, dependencies.c.tenant_id)

runs = sa.Table(
    "runs",
    metadata,
    _tenant(),
    _c("run_id", T, primary_key=True),
    _c("item_id", T, nullable=False),
    _c("number", INT, nullable=False),
    _c("route", T),
    _c("workflow", T),
    _c("workflow_version", T),
    _c("pins", Json, nullable=False),  # digests of workflow, tool schemas, prompts: what this run keeps over an upgrade
    _c("state", T, nullable=False),  # open | done | failed | …: the item's own words
    _c("receipt", Json),
    _c("started_at", UtcDateTime, nullable=False),
    _c("finished_at", UtcDateTime),
)
sa.Index("runs_item", runs.c.item_id, runs.c.tenant_id, runs.c.number)

step_log = sa.Table(
    "step_log",
    metadata,
    _tenant(),
    _c("run_id", T, primary_key=True),
    _c("seq", INT, primary_key=True),
    _c("epoch", INT, nullable=False),
    _c(
        "kind", T, nullable=False
    ),  # match | slots | read | effect | decision | answer | nudge | replan | reply | result | note
    _c("key", T, nullable=False),  # derived from the step, e.g. "g0.mail"; unique per run for kinds that are replayed
    _c("body", Json),
    _c("at", UtcDateTime, nullable=False),
)

waits = sa.Table(
    "waits",
    metadata,
    _tenant(),
    _c("item_id", T, primary_key=True),
    _c("wait_id", T, primary_key=True),
    _c("run_id", T),
    _c("call_id", T),
    _c("kind", T, nullable=False),  # domain.item.WaitKind
    _c("payload", Json),  # question and choices, child id, approval id, what is in doubt
    _c("answer", Json),  # null: open
    _c("answered_by", T),
    _c("due_at", UtcDateTime),
    _c("created_at", UtcDateTime, nullable=False),
    _c("answered_at", UtcDateTime),
    _c("closed", B, nullable=False, server_default=sa.false()),  # void: no longer waited for
    sqlite_with_rowid=False,
)
_open_wait = sa.and_(waits.c.answered_at.is_(None), waits.c.closed == sa.false())
sa.Index("waits_open", waits.c.kind, waits.c.tenant_id, sqlite_where=_open_wait, postgresql_where=_open_wait)

messages = sa.Table(
    "messages",
    metadata,
    _tenant(),
    _c("item_id", T, primary_key=True),
    _c("seq", INT, primary_key=True),
    _c("author", T, nullable=False),
    _c("origin", T, nullable=False),  # human | agent | …
    _c("kind", T, nullable=False),  # nudge
    _c("text", T, nullable=False),
    _c("at", UtcDateTime, nullable=False),
    _c("seen_at", UtcDateTime),
    sqlite_with_rowid=False,
)

effects = sa.Table(
    "effects",
    metadata,
    _tenant(),
    _c("effect_id", T, primary_key=True),
    _c("item_id", T, nullable=False),
    _c("run_id", T, nullable=False),
    _c("call_id", T, nullable=False),
    _c("tool", T, nullable=False),
    _c("args", Json, nullable=False),
    _c("args_digest", T, nullable=False),
    _c("connection_id", T, nullable=False),
    _c("key", T, nullable=False),
    _c("state", T, nullable=False),
    _c("decision", T, nullable=False),
    _c("rules", Json, nullable=False),
    _c("reason", T, nullable=False),
    _c("bundle_digest", T, nullable=False),
    _c("facts", Json, nullable=False),
    _c("preview", T, nullable=False),
    _c("result", Json),
    _c("error", Json),
    _c("epoch", INT, nullable=False),
    _c("attempted_at", UtcDateTime),
    _c("attempted_on_s", sa.Float),  # the same instant by the database's clock, which nobody shifts
    _c("wire_timeout_s", sa.Float),  # this long after `attempted_on_s` nothing of the attempt can arrive any more
    _c("created_at", UtcDateTime, nullable=False),
    _c("finished_at", UtcDateTime),
    _c("reserved", Json),  # quota name → amount taken by the attempt; null: nothing, or given back
)
sa.Index("effects_run", effects.c.run_id, effects.c.tenant_id)
sa.Index("effects_item", effects.c.item_id, effects.c.tenant_id)

approvals = sa.Table(
    "approvals",
    metadata,
    _tenant(),
    _c("approval_id", T, primary_key=True),
    _c("effect_id", T, nullable=False),
    _c("item_id", T, nullable=False),
    _c("wait_id", T),  # the wait this card answers
    _c("digest", T, nullable=False),
    _c("state", T, nullable=False),
    _c("eligible", Json, nullable=False),
    _c("needed", INT, nullable=False),
    _c("preconditions", Json, nullable=False),
    _c("card", Json, nullable=False),
    _c("created_at", UtcDateTime, nullable=False),
    _c("expires_at", UtcDateTime, nullable=False),
    _c("decided_at", UtcDateTime),
    _c("decided_by", Json, nullable=False),
    _c("reason", T),
    _c("consumed_at", UtcDateTime),
)
_pending = approvals.c.state == "pending"
sa.Index(
    "approvals_pending", approvals.c.tenant_id, approvals.c.expires_at, sqlite_where=_pending, postgresql_where=_pending
)
sa.Index("approvals_item", approvals.c.item_id, approvals.c.tenant_id)
sa.Index("approvals_effect", approvals.c.effect_id, approvals.c.tenant_id)

quotas = sa.Table(  # reserved in the `attempted` transaction, over the whole tree
    "quotas",
    metadata,
    _tenant(),
    _c("root_id", T, primary_key=True),
    _c("name", T, primary_key=True),
    _c("used", INT, nullable=False),
    sqlite_with_rowid=False,
)

connections = sa.Table(
    "connections",
    metadata,
    _tenant(),
    _c("connection_id", T, primary_key=True),
    _c("connector", T, nullable=False),
    _c("owner", T, nullable=False),  # principal id
    _c("subject", T, nullable=False),  # the account's own address at the provider
    _c("families", Json, nullable=False),
    _c("shared_with", Json, nullable=False),  # principal ids, or ["*"]
    _c("state", T, nullable=False),  # active | reconsent | revoked
    _c("settings", Json, nullable=False),
    _c("created_at", UtcDateTime, nullable=False),
)
sa.Index("connections_owner", connections.c.owner, connections.c.tenant_id)

people = sa.Table(
    "people",
    metadata,
    _tenant(),
    _c("address", T, primary_key=True),
    _c("name", T, nullable=False),
    _c("body", Json, nullable=False),  # domain.person.Person's other fields
    _c("source", T, nullable=False),
    _c("updated_at", UtcDateTime, nullable=False),
)

audit = sa.Table(
    "audit",
    metadata,
    _tenant(),
    _c("seq", INT, primary_key=True),
    _c("at", T, nullable=False),
    _c("kind", T, nullable=False),
    _c("actor", T, nullable=False),
    _c("item_id", T),
    _c("run_id", T),
    _c("effect_id", T),
    _c("body", Json, nullable=False),
    _c("hash", T, nullable=False),
)
sa.Index("audit_item", audit.c.item_id, audit.c.tenant_id)

audit_heads = sa.Table(
    "audit_heads",
    metadata,
    _tenant(),
    _c("seq", INT, nullable=False),
    _c("hash", T, nullable=False),
    _c("base_seq", INT, nullable=False),  # everything up to here was deleted by order; 0: nothing was
    _c("base_hash", T, nullable=False),
)

outbox = sa.Table(  # news for surfaces: written in the transaction that made it, delivered at least once
    "outbox",
    metadata,
    _c("tenant_id", T, nullable=False),
    _c("outbox_id", sa.BigInteger().with_variant(INT, "sqlite"), primary_key=True, autoincrement=True),
    _c("item_id", T, nullable=False),
    _c("kind", T, nullable=False),  # item.settled | approval.asked | question.asked | …
    _c("address", Json),  # where to; null: only for followers
    _c("body", Json, nullable=False),
    _c("created_at", UtcDateTime, nullable=False),
    _c("delivered_at", UtcDateTime),
    _c("attempts", INT, nullable=False, server_default="0"),
    _c("next_at", UtcDateTime),
)

spans = sa.Table(
    "spans",
    metadata,
    _tenant(),
    _c("trace_id", T, primary_key=True),
    _c("span_id", T, primary_key=True),
    _c("parent_id", T),
    _c("name", T, nullable=False),
    _c("started_at", UtcDateTime, nullable=False),
    _c("ended_at", UtcDateTime, nullable=False),
    _c("status", T, nullable=False),
    _c("attributes", Json, nullable=False),
    _c("links", Json),
    sqlite_with_rowid=False,
)

workers = sa.Table(
    "workers",
    metadata,
    _tenant(),
    _c("worker_id", T, primary_key=True),
    _c("lock_key", sa.BigInteger, nullable=False),
    _c("host", T, nullable=False),
    _c("pid", INT, nullable=False),
    _c("started_at", sa.Float, nullable=False),  # database clock, seconds since the epoch
    _c("beat_at", sa.Float, nullable=False),
    _c("progress", Json),
)

schema_version = sa.Table(
    "schema_version", metadata, _c("version", INT, primary_key=True), _c("applied_at", T, nullable=False)
)
