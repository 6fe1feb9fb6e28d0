"""Forgets what has had its time, while a worker works: a little at a time, and never what a hold keeps."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from orchestrator import clock
from orchestrator.errors import StoreUnavailable
from orchestrator.settings import Settings
from orchestrator.store import retention
from orchestrator.store.database import Store

log = logging.getLogger("deputy.engine")
FIRST_S = 60.0  # after a worker's start it has better things to do
EVERY_S = 3600.0
PAUSE_S = 0.5  # between two portions


def policy_of(settings: Settings) -> retention.Policy:
    """What the settings say, by the classes of the store. 0 days: for ever."""

    def days(value: float) -> timedelta | None:
        return timedelta(days=value) if value else None

    steps, messages = days(settings.keep_steps_days), days(settings.keep_messages_days)
    return retention.Policy(
        step_log=steps,
        waits=steps,
        packets=steps,
        memories=steps,
        messages=messages,
        budgets=messages,
        spans=days(settings.keep_spans_days),
        outbox=days(settings.keep_news_days),
        texts=days(settings.keep_texts_days),
        audit=days(settings.keep_audit_days),
    )


class Sweeper:
    """One per worker; several do no harm to each other: who comes second finds nothing left."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._policy = policy_of(settings)

    async def run(self) -> None:
        """Sweeps at a calm pace until cancelled."""
        await asyncio.sleep(FIRST_S)
        while True:
            while await asyncio.to_thread(self.portion):
                await asyncio.sleep(PAUSE_S)
            await asyncio.sleep(EVERY_S)

    def portion(self) -> int:
        """How many rows went, at most a few hundred of a class. Looking holds nobody up; only the deleting takes the write lock."""
        try:
            now = clock.now()
            with self._store.read() as tx:
                found = retention.find(tx, now, self._policy, retention.PORTION)
            counts = self._store.write(retention.forget, found, now) if found else {}
        except StoreUnavailable as error:
            log.warning("nothing could be forgotten: %s", error.message)
            return 0
        if counts:
            log.info("forgotten: %s", ", ".join(f"{count} of {name}" for name, count in sorted(counts.items())))
        return sum(counts.values())
