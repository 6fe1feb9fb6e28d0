"""How often a caller or an address may ask. Leaky buckets in this process's memory: each desk keeps its own."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict

from aiolimiter import AsyncLimiter

MOST_BUCKETS = 10_000
PERIOD_S = 60.0


class Limits:
    """One bucket for each name: `rate` at once, and as many again within a minute."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._buckets: OrderedDict[str, AsyncLimiter] = OrderedDict()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def take(self, name: str) -> bool:
        """False, and nothing taken, where the bucket is full."""
        bucket = self._bucket(name)
        if not bucket.has_capacity():
            return False
        await bucket.acquire()
        return True

    @property
    def retry_after_s(self) -> int:
        """When one more fits into a full bucket."""
        return math.ceil(PERIOD_S / self._rate)

    def _bucket(self, name: str) -> AsyncLimiter:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # a bucket belongs to its event loop
            self._loop = loop
            self._buckets.clear()
        found = self._buckets.pop(name, None) or AsyncLimiter(self._rate, PERIOD_S)
        self._buckets[name] = found
        if len(self._buckets) > MOST_BUCKETS:
            self._buckets.popitem(last=False)
        return found
