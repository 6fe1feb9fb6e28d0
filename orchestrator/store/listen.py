"""PostgreSQL's notifications as calls: a host learns at once that something became ready. Polling stays the safety net."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from orchestrator.store.database import READY_CHANNEL, Store

RECONNECT_S = 1.0


async def listen(store: Store, on_ready: Callable[[], None]) -> None:
    """Calls `on_ready` at every notification for this tenant, for ever; connects again when the session is lost.

    The session carries the store's name, so that ending all sessions of a stalled worker ends this one as well.
    """
    import psycopg

    conninfo = "postgresql://" + store.url.split("://", 1)[1]
    while True:
        try:
            connection = await psycopg.AsyncConnection.connect(conninfo, autocommit=True, application_name=store.name)
            async with connection:
                await connection.execute(f"listen {READY_CHANNEL}")
                on_ready()  # what was ready before this session heard
                async for notification in connection.notifies():
                    if notification.payload == store.tenant_id:
                        on_ready()
        except psycopg.Error:
            await asyncio.sleep(RECONNECT_S)
