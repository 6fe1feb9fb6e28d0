"""What a connector keeps of its accounts between calls: lines, clients, caches. One thing for each connection and what it was
told (subject, credentials, settings), so that other credentials never meet what the old ones saw; the latest `most` of them."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from connectors.spec import Account

MOST_ACCOUNTS = 64

T = TypeVar("T")


class Kept(Generic[T]):
    """Thread-safe. `leave` is called, outside the lock, with what is let go: it closes what is open there."""

    def __init__(self, leave: Callable[[T], object], *, most: int = MOST_ACCOUNTS) -> None:
        self._leave, self._most = leave, most
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, T] = OrderedDict()

    def of(self, account: Account, make: Callable[[], T]) -> T:
        """What is kept of the account; made by `make`, which must be quick and open nothing, where nothing is."""
        place = _place(account)
        dropped: list[T] = []
        with self._lock:
            if place not in self._kept:
                self._kept[place] = make()
            self._kept.move_to_end(place)
            while len(self._kept) > self._most:
                dropped.append(self._kept.popitem(last=False)[1])
            found = self._kept[place]
        for one in dropped:
            self._leave(one)
        return found

    def let_go(self) -> None:
        """Lets go of everything. What is asked for afterwards is made anew."""
        with self._lock:
            kept, self._kept = self._kept, OrderedDict()
        for one in kept.values():
            self._leave(one)


def _place(account: Account) -> str:
    """The connection, and a digest of what it was told: no secret stays in a key."""
    told = [account.subject, dict(account.credentials), dict(account.settings)]
    return (
        f"{account.connection_id} {hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()}"
    )
