"""A tenant's rows as lines of text, and back: the same lines for both engines, so that what was kept on one restores on the other.

A line is a JSON array in the order of the columns. Times are microseconds since 1970, JSON columns the text as it is stored, bytes
base64. Left out is what must not come back to life: worker processes, and who was signed in.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import sqlalchemy as sa

from orchestrator.store import migrations
from orchestrator.store.database import Tx
from orchestrator.store.tables import Json, UtcDateTime, metadata, outbox

LEFT_OUT = frozenset({"workers", "schema_version", "access_links", "access_sessions", "access_sign_ins"})
BATCH = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO = timedelta(microseconds=1)


def names() -> list[str]:
    """Every table that is kept, in the order in which it is written and read."""
    return sorted(name for name in metadata.tables if name not in LEFT_OUT)


def schema_version(tx: Tx) -> int:
    """The version of the schema that is there."""
    return migrations.version(tx.c)


def known_version() -> int:
    """The version of the schema that this program writes."""
    return migrations.MIGRATIONS[-1].version


def pending(have: int) -> list[str]:
    """What the steps from version `have` to the known one are called."""
    return [f"{step.version}: {step.name}" for step in migrations.MIGRATIONS if step.version > have]


def columns(name: str) -> list[str]:
    """The table's columns, in the order of a line."""
    return [column.name for column in metadata.tables[name].columns]


def lines(tx: Tx, name: str) -> Iterator[str]:
    """The tenant's rows of a table, a few at a time; inside one `Store.read` all tables are of one instant."""
    table = metadata.tables[name]
    told = [
        sa.type_coerce(column, sa.Text).label(column.name) if isinstance(column.type, Json) else column
        for column in table.columns
    ]
    stmt = sa.select(*told).where(table.c.tenant_id == tx.tenant_id).order_by(*table.primary_key.columns)
    writes = [_writing(column.type) for column in table.columns]
    for row in tx.c.execute(stmt.execution_options(yield_per=BATCH)):
        yield json.dumps(
            [
                value if value is None or write is None else write(value)
                for write, value in zip(writes, row, strict=True)
            ],
            separators=(",", ":"),
            ensure_ascii=False,
        )


def fits(name: str, given: Sequence[str]) -> str | None:
    """Why rows with these columns cannot go into today's table; None when they can.

    Migrations so far add tables and columns, so that rows of an older schema lack some, which then take their defaults.
    """
    table = metadata.tables.get(name)
    if table is None:
        return f"there is no table {name} any more"
    if gone := [column for column in given if column not in table.c]:
        return f"the table {name} has no column {gone[0]} any more"
    wanted = [c.name for c in table.columns if not c.nullable and c.server_default is None and not _is_drawn(c)]
    if lacking := [column for column in wanted if column not in given]:
        return f"rows of {name} need {lacking[0]}, which came later"
    return None


def load(tx: Tx, name: str, given: Sequence[str], rows: Iterable[str]) -> int:
    """How many rows were put into the table, which must hold none of the tenant's."""
    table = metadata.tables[name]
    reads = [_reading(table.c[column].type) for column in given]
    binds = {
        column: sa.bindparam(f"v_{column}", type_=sa.Text() if isinstance(kind := table.c[column].type, Json) else kind)
        for column in given
    }
    made = sa.insert(table).values(binds)
    places = [f"v_{column}" for column in given]
    tenant, count = given.index("tenant_id"), 0
    source = iter(rows)
    while batch := [json.loads(line) for line in islice(source, BATCH)]:
        for row in batch:
            row[tenant] = tx.tenant_id
        tx.c.execute(
            made,
            [
                dict(
                    zip(
                        places,
                        (
                            value if value is None or read is None else read(value)
                            for read, value in zip(reads, row, strict=True)
                        ),
                        strict=True,
                    )
                )
                for row in batch
            ],
        )
        count += len(batch)
    if tx.is_postgres and table is outbox:  # the next drawn number lies behind those that were given
        highest = sa.select(sa.func.max(outbox.c.outbox_id)).scalar_subquery()
        sequence = sa.func.pg_get_serial_sequence("outbox", "outbox_id")
        last = sa.select(sa.func.setval(sequence, sa.func.greatest(highest, sa.func.nextval(sequence))))
        if count:
            tx.c.execute(last)
    return count


def count(tx: Tx) -> dict[str, int]:
    """Table → rows of the tenant, tables without any left out."""
    found: dict[str, int] = {}
    for name in names():
        table = metadata.tables[name]
        if number := tx.c.scalar(
            sa.select(sa.func.count()).select_from(table).where(table.c.tenant_id == tx.tenant_id)
        ):
            found[name] = int(number)
    return found


def clear(tx: Tx) -> None:
    """Deletes every row of the tenant."""
    for name in names():
        table = metadata.tables[name]
        tx.c.execute(sa.delete(table).where(table.c.tenant_id == tx.tenant_id))


def keep_workers_out(tx: Tx) -> None:
    """PostgreSQL: until this transaction ends no worker can say that it is there. Raises `Conflict` when that takes too long."""
    if tx.is_postgres:
        tx.c.execute(sa.text("set local lock_timeout = '10s'"))
        tx.c.execute(sa.text("lock table workers in share row exclusive mode"))


def heads(told: Mapping[str, Any] | None) -> str:
    """An audit head as people copy it: SEQ:HASH."""
    return "" if told is None else f"{told['seq']}:{told['hash']}"


def _is_drawn(column: sa.Column[Any]) -> bool:
    return column.autoincrement is True


def _writing(kind: Any) -> Any:
    if isinstance(kind, UtcDateTime):
        return lambda value: (value - _EPOCH) // _MICRO
    if isinstance(kind, sa.LargeBinary):
        return lambda value: base64.b64encode(value).decode("ascii")
    return None


def _reading(kind: Any) -> Any:
    if isinstance(kind, UtcDateTime):
        return lambda value: _EPOCH + value * _MICRO
    if isinstance(kind, sa.LargeBinary):
        return lambda value: base64.b64decode(value, validate=True)
    return None
