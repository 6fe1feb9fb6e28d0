"""Locks that the database frees by itself when their holder's session ends (PostgreSQL): liveness of workers, and who leads.

On SQLite the host's lock is a file lock; see `engine.hosts`.
"""

from __future__ import annotations

import hashlib

import sqlalchemy as sa

from orchestrator.store.database import Store, translated


def key_of(*parts: str) -> int:
    """A lock's 63-bit number, the same for the same parts everywhere."""
    return int.from_bytes(hashlib.sha256("\x1f".join(parts).encode()).digest()[:8], "big") >> 1


class Session:
    """A session kept open for the locks it holds. Used by one thread at a time."""

    def __init__(self, store: Store) -> None:
        self._url = store.url
        with translated(store.url):
            self._c = store.engine.connect().execution_options(isolation_level="AUTOCOMMIT")

    def take(self, key: int) -> None:
        """Waits for the lock and holds it."""
        with translated(self._url):
            self._c.execute(sa.select(sa.func.pg_advisory_lock(key)))

    def try_take(self, key: int) -> bool:
        """Whether the lock was free; then it is held."""
        with translated(self._url):
            return bool(self._c.scalar(sa.select(sa.func.pg_try_advisory_lock(key))))

    def release(self, key: int) -> None:
        """Lets the lock go."""
        with translated(self._url):
            self._c.execute(sa.select(sa.func.pg_advisory_unlock(key)))

    def lives(self) -> bool:
        """Whether the session, hence every lock it took, is still there."""
        try:
            self._c.execute(sa.select(1))
        except sa.exc.DBAPIError:
            return False
        return True

    def end_sessions(self, name: str) -> int:
        """Ends every session under `name`; how many. An open transaction of a stalled worker would keep its row locks."""
        ended = sa.text("select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = :name")
        with translated(self._url):
            return int(self._c.scalar(ended, {"name": name}) or 0)

    def close(self) -> None:
        """Ends the session and frees its locks."""
        self._c.invalidate()
        self._c.close()
