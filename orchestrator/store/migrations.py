"""The schema's versions. Forward only: a fresh database is made whole and stamped; an older one is led through each step.

Two processes that open at once migrate once: SQLite by its write lock, PostgreSQL by an advisory lock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from orchestrator.errors import StoreUnavailable
from orchestrator.store.access_tables import TABLES as ACCESS_TABLES
from orchestrator.store.agent_tables import budgets, memories, packets
from orchestrator.store.credential_tables import credentials
from orchestrator.store.halt_tables import halts
from orchestrator.store.measure_tables import measures
from orchestrator.store.review_tables import reviews
from orchestrator.store.schedule_tables import firings, schedules
from orchestrator.store.slack_tables import TABLES as SLACK_TABLES
from orchestrator.store.tables import metadata, schema_version, step_log, worklist
from orchestrator.store.trigger_tables import followed, triggers

_LOCK = 4_242_424_241  # PostgreSQL advisory lock held while migrating


@dataclass(frozen=True, slots=True)
class Migration:
    """One step. `apply` may assume exactly the version before it, with data in the tables."""

    version: int
    name: str
    apply: Callable[[sa.Connection], None]


def _first_tables(c: sa.Connection) -> None:
    metadata.create_all(c)


def _agents(c: sa.Connection) -> None:
    metadata.create_all(c, tables=[packets, budgets, memories])


def _reserved_quota(c: sa.Connection) -> None:
    c.execute(sa.text("alter table effects add column reserved text"))


def _step_log_with_rowid(c: sa.Connection) -> None:
    """Rows of a table without rowid live in an index, where one above a quarter of a page takes overflow pages of its own."""
    if c.dialect.name != "sqlite":
        return
    c.execute(sa.text("alter table step_log rename to step_log_before"))
    step_log.create(c)
    names = ", ".join(column.name for column in step_log.columns)
    c.execute(sa.text(f"insert into step_log ({names}) select {names} from step_log_before"))
    c.execute(sa.text("drop table step_log_before"))


def _triggers(c: sa.Connection) -> None:
    metadata.create_all(c, tables=[triggers, followed])


def _sealed_credentials(c: sa.Connection) -> None:
    metadata.create_all(c, tables=[credentials])


def _halts(c: sa.Connection) -> None:
    metadata.create_all(c, tables=[halts])


def _access(c: sa.Connection) -> None:
    metadata.create_all(c, tables=list(ACCESS_TABLES))


def _restores_and_measures(c: sa.Connection) -> None:
    kind = worklist.c.lost_since.type.compile(c.dialect)
    c.execute(sa.text(f"alter table worklist add column lost_since {kind}"))
    c.execute(sa.text("alter table worklist add column legal_hold text"))
    metadata.create_all(c, tables=[measures])


def _schedules(c: sa.Connection) -> None:
    metadata.create_all(c, tables=[schedules, firings])


def _slack(c: sa.Connection) -> None:
    metadata.create_all(c, tables=list(SLACK_TABLES))


def _reviews(c: sa.Connection) -> None:
    metadata.create_all(c, tables=[reviews])


def _unattended(c: sa.Connection) -> None:
    if any(column["name"] == "unattended" for column in sa.inspect(c).get_columns("schedules")):
        return  # a database older than its schedules got them whole
    c.execute(sa.text("alter table schedules add column unattended text"))


MIGRATIONS: tuple[Migration, ...] = (
    Migration(1, "first tables", _first_tables),
    Migration(2, "task agents: packets, budgets, memories", _agents),
    Migration(3, "what an attempt has reserved", _reserved_quota),
    Migration(4, "step log rows of any size", _step_log_with_rowid),
    Migration(5, "sealed credentials", _sealed_credentials),
    Migration(6, "triggers and followed accounts", _triggers),
    Migration(7, "halts", _halts),
    Migration(8, "links, sessions, keys, roles", _access),
    Migration(9, "restores, legal holds, measures", _restores_and_measures),
    Migration(10, "schedules and their firings", _schedules),
    Migration(11, "the Slack bot, thumbs", _slack),
    Migration(12, "what was seen of tool servers", _reviews),
    Migration(13, "until when schedules wait, and what stands then", _unattended),
)


def version(c: sa.Connection) -> int:
    """The database's schema version; 0 for an empty database."""
    if not sa.inspect(c).has_table(schema_version.name):
        return 0
    return int(c.scalar(sa.select(sa.func.max(schema_version.c.version))) or 0)


def migrate(c: sa.Connection, steps: Sequence[Migration] = MIGRATIONS) -> int:
    """Brings the database to the last step's version and returns it; raises `StoreUnavailable` on a newer one."""
    if c.dialect.name == "postgresql":
        c.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    have, last = version(c), steps[-1].version
    if have > last:
        raise newer(have, last)
    if have == 0:  # made whole: tables.py always describes the last version
        _first_tables(c)
        _stamp(c, [step.version for step in steps])
        return last
    for step in steps:
        if step.version > have:
            step.apply(c)
            _stamp(c, [step.version])
    return last


def newer(have: int, known: int) -> StoreUnavailable:
    """The error for a database that a later Deputy has written."""
    return StoreUnavailable(
        f"the database has schema version {have}, this Deputy knows {known}",
        fix="upgrade Deputy, or point it at another database",
    )


def _stamp(c: sa.Connection, versions: Sequence[int]) -> None:
    at = datetime.now(UTC).isoformat(timespec="seconds")
    c.execute(sa.insert(schema_version), [{"version": number, "applied_at": at} for number in versions])
