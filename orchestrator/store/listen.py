"""How a process learns of commits: PostgreSQL's notifications as calls, and a look at SQLite's own counter. Polling stays the safety net."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from orchestrator.store.database import READY_CHANNEL, Store

RECONNECT_S = 1.0


async def listen(store: Store, on_ready: Callable[[], None], channel: str = READY_CHANNEL) -> None:
    """Calls `on_ready` at every notification of the channel for this tenant, for ever; connects again when the session is lost.

    The session carries the store's name, so that ending all sessions of a stalled worker ends this one as well.
    """
    import psycopg

    conninfo = "postgresql://" + store.url.split("://", 1)[1]
    while True:
        try:
            connection = await psycopg.AsyncConnection.connect(conninfo, autocommit=True, application_name=store.name)
            async with connection:
                await connection.execute(f"listen {channel}")
                on_ready()  # what was ready before this session heard
                async for notification in connection.notifies():
                    if notification.payload == store.tenant_id:
                        on_ready()
        except psycopg.Error:
            await asyncio.sleep(RECONNECT_S)


class Pulse:
    """Whether anybody has committed to a SQLite file since the last look, for one reader; on PostgreSQL it always says so."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._connection: Any = None
        self._version = -1

    def beats(self) -> bool:
        """Costs microseconds: SQLite counts the commits of others for each connection (PRAGMA data_version)."""
        if self._store.path is None:
            return True
        if self._connection is None:
            self._connection = self._store.engine.raw_connection()
        cursor = self._connection.cursor()
        try:
            (version,) = cursor.execute("PRAGMA data_version").fetchone()
        finally:
            cursor.close()
        changed, self._version = version != self._version, version
        return bool(changed)

    def close(self) -> None:
        """Gives its connection back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            self._version = -1
