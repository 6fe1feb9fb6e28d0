"""Connections to the office's file: borrowed for one transaction, safe for several threads and processes."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from connectors.errors import OutcomeUnknown, Unreachable
from connectors.office import schema

PATIENCE_S = 20.0  # how long to wait for another writer


class Database:
    """A few open connections to one file. WAL: readers never wait for the one writer, nor hold it up."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def create(self) -> None:
        """Makes file, folder and tables where they are missing, and brings a file of an earlier version up to this one.

        Unreachable for a file of a later version, or none of ours.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable(self.path, error) from error
        with self._borrowed() as connection:
            version = connection.execute("pragma user_version").fetchone()[0]
            if version == schema.VERSION:
                return
            if version in schema.MIGRATIONS:
                _migrate(connection)
                return
            if version != 0:
                raise Unreachable(
                    f"the office file {self.path.name!r} is of version {version}, not {schema.VERSION}",
                    fix="Delete it and make a new one: deputy office reset.",
                )
            _use_wal(connection)
            connection.executescript(f"begin immediate; {schema.DDL} pragma user_version = {schema.VERSION}; commit;")

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """One consistent view of what is committed."""
        with self._borrowed() as connection:
            connection.execute("begin")
            try:
                yield connection
            finally:
                _roll_back(connection)

    @contextmanager
    def write(self, *, patience_s: float = PATIENCE_S) -> Iterator[sqlite3.Connection]:
        """One write transaction: committed when the block ends, rolled back when it raises.

        Unreachable when the file cannot be written, and OutcomeUnknown when that shows at the commit itself.
        """
        with self._borrowed() as connection:
            connection.execute(f"pragma busy_timeout = {int(patience_s * 1000)}")
            connection.execute("begin immediate")
            try:
                yield connection
            except BaseException:
                _roll_back(connection)
                raise
            try:
                connection.execute("commit")
            except sqlite3.DatabaseError as error:
                raise OutcomeUnknown("the office's file failed while committing", fix="Check the disk.") from error

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    @contextmanager
    def _borrowed(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._pid != os.getpid():  # after a fork the parent's connections must not be used, nor closed
                self._idle, self._pid = [], os.getpid()
            connection = self._idle.pop() if self._idle else None
        try:
            if connection is None:
                connection = self._open()
        except sqlite3.DatabaseError as error:
            raise _unusable(self.path, error) from error
        try:
            yield connection
        except sqlite3.DatabaseError as error:
            connection.close()
            raise _unusable(self.path, error) from error
        except BaseException:
            self._return(connection)
            raise
        self._return(connection)

    def _return(self, connection: sqlite3.Connection) -> None:
        if connection.in_transaction:  # its commit failed
            connection.close()
            return
        with self._lock:
            self._idle.append(connection)

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute("pragma synchronous = normal")
        return connection


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:  # some errors, such as a full disk, have ended it already
        connection.execute("rollback")


def _migrate(connection: sqlite3.Connection) -> None:
    """All steps in one transaction, by whichever process comes first; nothing the file holds is lost."""
    connection.execute("begin immediate")
    try:
        version = connection.execute("pragma user_version").fetchone()[0]
        while version in schema.MIGRATIONS:
            for statement in schema.MIGRATIONS[version]:
                connection.execute(statement)
            version += 1
        connection.execute(f"pragma user_version = {version}")
        connection.execute("update meta set value = ? where name = 'schema'", (str(version),))
        connection.execute("commit")
    except BaseException:
        _roll_back(connection)
        raise


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switches the file to WAL for good. SQLite answers "locked" here without waiting, so that waiting is ours."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            connection.execute("pragma journal_mode = wal")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)


def _unusable(path: Path, error: Exception) -> Unreachable:
    return Unreachable(
        f"the office file {path.name!r} cannot be used: {error}", fix="Check its path, disk and permissions."
    )
