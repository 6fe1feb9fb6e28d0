"""A first listing that failed is tried again while work goes on: nobody waits for a server that may never come."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeAlias

from connectors.mcp import loop

AGAIN_S = 60.0

Listing: TypeAlias = "Future[tuple[list[dict[str, Any]], dict[str, str]]]"


class Again:
    """Asks at the earliest `after_s` after each failure, and only while somebody looks for the answer."""

    def __init__(
        self, ask: Callable[[], Coroutine[Any, Any, tuple[list[dict[str, Any]], dict[str, str]]]], *, after_s: float
    ) -> None:
        self._ask, self._after_s = ask, after_s
        self._at: float | None = None
        self.asked: Listing | None = None  # under way, or answered and not taken yet

    def begin(self) -> None:
        """It failed."""
        self._at = time.monotonic() + self._after_s

    def has_answer(self) -> bool:
        """Whether an answer, or another failure, lies ready. Never blocks; asks when it is time."""
        if self._at is None:
            return False
        if self.asked is None and time.monotonic() >= self._at:
            self.asked = loop.submit(self._ask())
        return self.asked is not None and self.asked.done()

    def take(self) -> Listing | None:
        """What lies ready; afterwards nothing is asked until the next failure."""
        asked, self.asked, self._at = self.asked, None, None
        return asked
