"""The house in numbers, for whoever watches it: what workers have counted, and how much there is now."""

from __future__ import annotations

from orchestrator import clock
from orchestrator.measures import exposition
from orchestrator.store import measures
from orchestrator.store.database import Store


class Measured:
    """Answers for the whole house, whichever desk is asked."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def text(self) -> bytes:
        """Prometheus text format 0.0.4. Names tools and models; no people, no texts."""
        with self._store.read() as tx:
            sums, gauges = measures.every(tx), measures.gauges(tx, clock.now())
        return exposition(sums, gauges)
