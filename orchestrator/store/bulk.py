"""A hundred thousand items in one statement: ids in bulk, columns instead of rows. For `worklist.submit_many` only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from orchestrator import ids
from orchestrator.store.database import Tx
from orchestrator.store.tables import Json, UtcDateTime, worklist

_PAIRS = [
    first + second for first in "0123456789abcdefghjkmnpqrstvwxyz" for second in "0123456789abcdefghjkmnpqrstvwxyz"
]


def many_ids(count: int) -> list[str]:
    """Fresh ids in ascending order: those of one batch of a million share the time and 40 random bits, and count up from there."""
    made: list[str] = []
    while len(made) < count:
        stem = ids.new_item()[:-4]
        made += [
            stem + _PAIRS[number >> 10] + _PAIRS[number & 1023] for number in range(min(count - len(made), 1 << 20))
        ]
    return sorted(made) if count > 1 << 20 else made


def insert(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """One statement for all rows; a column that is the same in all of them is processed once. What is there already stays."""
    columns = [worklist.c[name] for name in rows[0]]
    lists = [[row[column.name] for row in rows] for column in columns]
    same = [values.count(values[0]) == len(values) for values in lists]
    if tx.is_postgres:
        _insert_arrays(tx, columns, lists, same)
        return
    names = ", ".join(column.name for column in columns)
    marks = ", ".join("?" * len(columns))
    stored: list[Iterable[Any]] = []
    for column, values, one in zip(columns, lists, same, strict=True):
        kind = column.type
        if isinstance(kind, Json | UtcDateTime):
            values = [kind.process_bind_param(value, tx.c.dialect) for value in (values[:1] if one else values)]
        stored.append(repeat(values[0], len(rows)) if one else values)
    statement = f"insert into worklist ({names}) values ({marks}) on conflict do nothing"
    tx.c.exec_driver_sql(statement, list(zip(*stored, strict=True)))


_ARRAY_OF: dict[type, Any] = {Json: sa.Text(), UtcDateTime: sa.DateTime(timezone=True)}


def _insert_arrays(tx: Tx, columns: Sequence[Any], lists: Sequence[list[Any]], same: Sequence[bool]) -> None:
    """PostgreSQL: rows from arrays, which it reads faster than many values."""
    arrays: dict[str, Any] = {}
    picked: list[Any] = []
    for column, values, one in zip(columns, lists, same, strict=True):
        if one and column.name != "item_id":
            picked.append(sa.cast(sa.bindparam(None, values[0], type_=column.type), column.type).label(column.name))
            continue
        if isinstance(column.type, Json):
            values = [column.type.process_bind_param(value, tx.c.dialect) for value in values]
        kind = postgresql.ARRAY(_ARRAY_OF.get(type(column.type), column.type))
        arrays[column.name] = sa.cast(sa.bindparam(None, values, type_=kind), kind)
        picked.append(sa.column(column.name))
    unnested = sa.func.unnest(*arrays.values()).table_valued(*arrays).render_derived()
    made = postgresql.insert(worklist).from_select(
        [column.name for column in columns], sa.select(*picked).select_from(unnested), include_defaults=False
    )
    tx.c.execute(made.on_conflict_do_nothing())
