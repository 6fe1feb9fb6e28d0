"""Who may use the processor between two waits: few advances at a time, so that the first is out again before the last begins.

Without it, a hundred agents whose replies arrive together are worked on in turns of one callback each, all of them leave together,
and every one of them has waited for all. Nothing is guarded by a lane: whoever keeps it for long, waiting for a tool or the disk,
loses it, and goes on beside the others.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

AT_ONCE = 16
LONGEST_S = 0.02  # an advance that needs the processor only is through long before


class Lanes:
    """The lanes of one worker; belongs to the event loop that first uses it."""

    def __init__(self, at_once: int = AT_ONCE, longest_s: float = LONGEST_S) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._longest_s = longest_s

    def lane(self) -> Lane:
        return Lane(self._free, self._longest_s)


class Lane:
    """One advance's place: `async with` enters and leaves; `leave` and `enter` again around a wait that is known to be long."""

    __slots__ = ("_free", "_longest_s", "_timer")

    def __init__(self, free: asyncio.Semaphore, longest_s: float) -> None:
        self._free = free
        self._longest_s = longest_s
        self._timer: asyncio.TimerHandle | None = None  # set while the lane is held

    async def enter(self) -> None:
        await self._free.acquire()
        self._timer = asyncio.get_running_loop().call_later(self._longest_s, self.leave)

    def leave(self) -> None:
        """Nothing happens where the lane is not held."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._free.release()

    async def __aenter__(self) -> Self:
        await self.enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()
