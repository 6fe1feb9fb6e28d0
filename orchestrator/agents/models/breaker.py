"""A circuit breaker per endpoint: after some failures in a row nothing is sent for a while, then one request tries.

Time is a parameter (monotonic seconds), so that it can be tested without waiting. Used from one event loop.
"""

from __future__ import annotations

from dataclasses import dataclass

PROBE_S = 1.0  # how long others hold back while a probe is under way


@dataclass(slots=True, kw_only=True)
class Breaker:
    """closed → open after `most_failures` in a row → half open after `rest_s` (doubled with each failed probe) → closed or open."""

    most_failures: int = 5
    rest_s: float = 5.0
    most_rest_s: float = 60.0
    failures: int = 0
    probing: bool = False
    _until: float = 0.0
    _rest: float = 0.0

    def state(self, now: float) -> str:
        if not self._rest:
            return "closed"
        return "half-open" if now >= self._until else "open"

    def wait_s(self, now: float) -> float:
        """Seconds until a request may be sent; 0: now."""
        if not self._rest:
            return 0.0
        if now < self._until:
            return self._until - now
        return PROBE_S if self.probing else 0.0

    def begin(self) -> None:
        """A request goes out. Call it when `wait_s` is 0; one of succeeded, failed, gave_up must follow."""
        if self._rest:
            self.probing = True

    def succeeded(self) -> None:
        self.failures, self.probing, self._rest = 0, False, 0.0

    def failed(self, now: float) -> None:
        self.failures += 1
        if self._rest and self.probing:
            self._open(min(self._rest * 2, self.most_rest_s), now)
        elif not self._rest and self.failures >= self.most_failures:
            self._open(self.rest_s, now)

    def gave_up(self) -> None:
        """The request ended without saying anything about the endpoint: cancelled, or out of the caller's time."""
        self.probing = False

    def _open(self, rest_s: float, now: float) -> None:
        self._rest, self._until, self.probing = rest_s, now + rest_s, False
