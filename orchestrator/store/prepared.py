"""Statements that every step of an agent runs, on SQLite past the statement machinery: compiled once, bound as they are kept.

On PostgreSQL they are executed as any other; there the round trip is what costs. Errors are those of SQLAlchemy either way.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from orchestrator.store.database import Tx

_DIALECT = sqlite.dialect(paramstyle="qmark")


class Prepared:
    """A statement without result types of its own: rows come as the driver gives them, with names in the order selected."""

    def __init__(self, stmt: Any, names: Sequence[str] = ()) -> None:
        self.stmt = stmt
        compiled = stmt.compile(dialect=_DIALECT, column_keys=list(names) or None)
        self._sql = str(compiled)
        self._order: tuple[str, ...] = tuple(compiled.positiontup or ())
        self._constants = {name: value for name, value in compiled.params.items() if value is not None}
        self._processors = {
            name: made
            for name in self._order
            if (made := compiled.binds[name].type.dialect_impl(_DIALECT).bind_processor(_DIALECT)) is not None
        }

    def _values(self, binds: Mapping[str, Any]) -> list[Any]:
        of, constants = self._processors, self._constants
        return [
            of[name](binds[name]) if name in of else binds[name] if name in binds else constants[name]
            for name in self._order
        ]

    def rows(self, tx: Tx, binds: Mapping[str, Any]) -> Sequence[Any]:
        """All rows."""
        if tx.is_postgres:
            return tx.c.execute(self.stmt, binds).all()
        rows: Sequence[Any] = self._run(tx, self._values(binds)).fetchall()
        return rows

    def run(self, tx: Tx, binds: Mapping[str, Any]) -> None:
        if tx.is_postgres:
            tx.c.execute(self.stmt, binds)
        else:
            self._run(tx, self._values(binds))

    def run_many(self, tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
        if tx.is_postgres:
            tx.c.execute(self.stmt, rows)
            return
        for row in rows:
            self._run(tx, self._values(row))

    def _run(self, tx: Tx, values: Sequence[Any]) -> Any:
        driver: Any = tx.driver
        try:
            return driver.execute(self._sql, values)
        except sqlite3.Error as error:
            raise sa.exc.DBAPIError.instance(self._sql, None, error, sqlite3.Error, hide_parameters=True) from error
