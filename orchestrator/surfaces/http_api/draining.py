"""The server's end, as everything that is open learns of it: not ready any more, and long answers end."""

from __future__ import annotations

import asyncio


class Drain:
    """One for each server. `ends` is waited for by whatever would otherwise never end, e.g. a stream of events."""

    def __init__(self) -> None:
        self._begun = asyncio.Event()
        self.worker: int | None = (
            0  # process id of the worker that belongs to this server; 0: none does; None: it has ended
        )

    def has_begun(self) -> bool:
        return self._begun.is_set()

    def begin(self) -> None:
        self._begun.set()

    async def ends(self, within_s: float) -> bool:
        """Whether the end has begun, after waiting for it `within_s` seconds at most."""
        try:
            async with asyncio.timeout(within_s):
                await self._begun.wait()
        except TimeoutError:
            return False
        return True
