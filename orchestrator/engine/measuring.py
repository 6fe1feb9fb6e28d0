"""A worker that is measured: its runner timed, its sums carried into the store, the house's gauges to a collector."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass

from orchestrator import __version__, clock, logs
from orchestrator.engine.runner import Advanced, Runner
from orchestrator.errors import StoreUnavailable
from orchestrator.measures import Measures, Tally, meters
from orchestrator.store import measures as sums
from orchestrator.store.database import Store
from orchestrator.store.lease import Claimed
from orchestrator.store.writer import Writer

log = logging.getLogger("deputy.engine")
EVERY_S = 10.0


@dataclass(slots=True, kw_only=True)
class Timed:
    """A runner whose advances are counted and timed, and whose log lines say which item they are about."""

    runner: Runner
    measures: Measures

    async def advance(self, claimed: Claimed, writer: Writer) -> Advanced:
        began_s = time.monotonic()
        outcome = "raised"
        try:
            item, run = claimed.lease.item, claimed.run
            with logs.about(item_id=item.item_id, root_id=item.root_id, run_id=run.run_id if run is not None else None):
                result = await self.runner.advance(claimed, writer)
            outcome = type(result.outcome).__name__.lower()
            return result
        finally:
            self.measures.advanced(outcome=outcome, seconds=time.monotonic() - began_s)


class Carrier:
    """Carries what a process has counted to where it is asked for: always to the store, and to a collector where one is named."""

    def __init__(self, store: Store, *, endpoint: str | None = None) -> None:
        self._store = store
        self._tally = Tally()
        self._meters = meters(endpoint, tenant=store.tenant_id, version=__version__)
        self.measures = Measures((self._tally,) if self._meters is None else (self._tally, self._meters))

    async def run(self) -> None:
        """Carries at a calm pace until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            await asyncio.to_thread(self.carry)

    def carry(self) -> None:
        """Writes the sums; what could not be written is counted again."""
        taken = self._tally.take()
        try:
            if taken:
                self._store.write(sums.add, taken)
            if self._meters is not None:
                with self._store.read() as tx:
                    self._meters.set(sums.gauges(tx, clock.now()))
        except StoreUnavailable as error:
            self._tally.give_back(taken)
            log.warning("measures wait for the store: %s", error.message)

    def close(self) -> None:
        """The rest, to both."""
        self.carry()
        if self._meters is not None:
            self._meters.close()
