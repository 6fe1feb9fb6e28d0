"""Follows accounts that triggers are about: waits for something new, and takes it in as requests. Beside the pump, in every worker.

One task an account and family; among several workers a row says who reads it. Whatever dies in between is read again from the
cursor that was committed, and meets the requests that are there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

from connectors.errors import ConnectorError, RateLimited, ReconsentNeeded
from connectors.spec import Account, Streaming
from orchestrator import clock
from orchestrator.errors import DeputyError
from orchestrator.gate import execute
from orchestrator.gate.toolbox import Toolbox
from orchestrator.store import connections, triggers
from orchestrator.store.connections import Connection
from orchestrator.store.triggers import Followed
from orchestrator.store.writer import Writer

log = logging.getLogger("deputy.engine")
LOOK_S = 5.0  # which accounts are to be followed
WAIT_S = 25.0  # for something new
HOLD = timedelta(seconds=120)  # above a wait and a page: a reader that died is succeeded after so long
LEAST_S, MOST_S = 5.0, 300.0  # pauses after failures


class Followers:
    """`toolbox`: the present one. `account`: a connection with its credentials, opened for one page. Seconds: for tests."""

    def __init__(
        self,
        writer: Writer,
        worker_id: str,
        toolbox: Callable[[], Toolbox],
        account: Callable[[Connection], Awaitable[Account]],
        *,
        look_s: float = LOOK_S,
        wait_s: float = WAIT_S,
    ) -> None:
        self._writer = writer
        self._worker_id = worker_id
        self._toolbox = toolbox
        self._account = account
        self._look_s = look_s
        self._wait_s = wait_s
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                with suppress(DeputyError):  # the pump says so when the store is away
                    self._follow(set(await self._writer.read(triggers.wanted)))
                await asyncio.sleep(self._look_s)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
            await self._writer.put(triggers.let_go, self._worker_id)

    async def once(self) -> int:
        """One look at every account, without waiting; how many requests it made."""
        made = 0
        try:
            for connection_id, family in await self._writer.read(triggers.wanted):
                more = True
                while more:
                    found, more = await self._page(connection_id, family, 0.0)
                    made += found
        finally:
            await self._writer.put(triggers.let_go, self._worker_id)
        return made

    def _follow(self, wanted: set[tuple[str, str]]) -> None:
        for key in [key for key, task in self._tasks.items() if key not in wanted or task.done()]:
            self._tasks.pop(key).cancel()
        for key in wanted - set(self._tasks):
            self._tasks[key] = asyncio.create_task(self._on(*key), name=f"follow {key[0]} {key[1]}")

    async def _on(self, connection_id: str, family: str) -> None:
        """One account, for ever. A failure is told on its row, and tried again after a pause that grows."""
        pause_s, wait_s = LEAST_S, 0.0
        while True:
            try:
                _, more = await self._page(connection_id, family, wait_s)
                pause_s, wait_s = LEAST_S, 0.0 if more else self._wait_s
            except RateLimited as error:
                await asyncio.sleep(max(LEAST_S, error.retry_after_s))
            except (ConnectorError, DeputyError) as error:
                log.warning("%s of %s cannot be followed: %s", family, connection_id, error.message)
                await asyncio.sleep(pause_s)
                pause_s = min(MOST_S, pause_s * 2)

    async def _page(self, connection_id: str, family: str, wait_s: float) -> tuple[int, bool]:
        """(requests made, whether more is waiting at the provider)."""
        found = {one.connection_id: one for one in await self._writer.read(connections.every)}.get(connection_id)
        self._toolbox().enable([found] if found is not None else ())
        connector = self._connector(found) if found is not None else None
        if found is None or connector is None or family not in connector.streams:
            return 0, await self._nothing()
        now = clock.now()
        known = await self._writer.put(triggers.take, connection_id, family, self._worker_id, now, HOLD)
        if known is None:
            return 0, await self._nothing()
        try:
            page = await execute.changes(connector, family, await self._account(found), known.cursor, wait_s)
        except ConnectorError as error:
            await self._failed(found, known, error)
            raise
        made = await self._writer.put(triggers.take_in, known, page, found.subject, clock.now())
        return len(made or ()), page.more

    async def _nothing(self) -> bool:
        await asyncio.sleep(min(self._wait_s, LOOK_S))
        return False

    async def _failed(self, connection: Connection, known: Followed, error: ConnectorError) -> None:
        await self._writer.put(triggers.failed, known, f"{error.message}. {error.fix}".strip())
        if isinstance(error, ReconsentNeeded) and connection.state == "active":
            await self._writer.put(connections.set_state, connection.connection_id, "reconsent", actor="engine")

    def _connector(self, connection: Connection) -> Streaming | None:
        found: object = self._toolbox().connector(connection.connector)
        return found if isinstance(found, Streaming) else None
