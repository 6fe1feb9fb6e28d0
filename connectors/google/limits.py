"""How many requests one account may make, in Google's own units, so that its quota is never what stops a call half-way.

Gmail: 15,000 units a minute for each user (Gmail API, "Usage limits"); a method costs what that page says. Calendar and People
count requests: 600 and 90 a minute for each user are their defaults.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from connectors.errors import RateLimited

PATIENCE_S = 2.0  # longer waits are the gate's affair

PER_MINUTE: Mapping[str, float] = {"gmail": 15_000.0, "calendar": 600.0, "people": 90.0}
BURST = 1 / 3  # of a minute's units may be used at once

_COSTS: Mapping[str, float] = {
    "gmail.users.messages.send": 100,
    "gmail.users.drafts.send": 100,
    "gmail.users.drafts.create": 10,
    "gmail.users.threads.get": 10,
    "gmail.users.threads.list": 10,
    "gmail.users.history.list": 2,
    "gmail.users.getProfile": 1,
    "gmail.users.labels.list": 1,
    "gmail.users.settings.getVacation": 1,
}
_USUAL: Mapping[str, float] = {"gmail": 5.0, "calendar": 1.0, "people": 1.0}


class Buckets:
    """One account's token buckets, an API each. Thread-safe."""

    def __init__(self, per_minute: Mapping[str, float]) -> None:
        self._lock = threading.Lock()
        self._per_s = {api: units / 60 for api, units in per_minute.items()}
        self._most = {api: units * BURST for api, units in per_minute.items()}
        self._left = dict(self._most)
        self._at = dict.fromkeys(self._most, time.monotonic())

    def take(self, method_id: str) -> None:
        """Returns when the method may be called, after at most `PATIENCE_S`; RateLimited where it would take longer."""
        api = method_id.partition(".")[0]
        cost = _COSTS.get(method_id, _USUAL[api])
        with self._lock:
            now = time.monotonic()
            self._left[api] = min(self._most[api], self._left[api] + (now - self._at[api]) * self._per_s[api])
            self._at[api] = now
            wait_s = max(0.0, (cost - self._left[api]) / self._per_s[api])
            if wait_s > PATIENCE_S:
                raise RateLimited("this account's Google quota is used up", retry_after_s=wait_s, fix="Wait.")
            self._left[api] -= cost
        if wait_s:
            time.sleep(wait_s)
