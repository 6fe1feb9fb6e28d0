"""One thread with an event loop for all servers of this process.

A connection outlives the call that opened it, while whoever calls may come from any loop, each time from another one; so
connections live here, and callers wait. Nothing else runs on it, and no server can hold up anything but other servers.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, wait
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
CLOSES_WITHIN_S = 10.0


class Closable(Protocol):
    async def close(self) -> None: ...


class _Thread:
    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="deputy-mcp", daemon=True)
        self.thread.start()


_lock = threading.Lock()
_thread: _Thread | None = None
_open: set[Closable] = set()  # held here, so that nothing that runs is forgotten with the connector that opened it


def submit(work: Coroutine[Any, Any, T]) -> Future[T]:
    """Starts the work on the shared loop."""
    global _thread
    with _lock:
        if _thread is None or _thread.pid != os.getpid():  # a fork takes no threads along
            if _thread is None:
                atexit.register(_close_all)
            _thread = _Thread()
        return asyncio.run_coroutine_threadsafe(work, _thread.loop)


async def run(work: Coroutine[Any, Any, T]) -> T:
    """What the work gives, awaited from any loop. Cancelling the wait cancels the work."""
    return await asyncio.wrap_future(submit(work))


def keep(one: Closable) -> None:
    """Closes it when the process ends, unless it is dropped before."""
    _open.add(one)


def drop(one: Closable) -> None:
    _open.discard(one)


def _close_all() -> None:
    closing = [submit(one.close()) for one in list(_open)]
    wait(closing, timeout=CLOSES_WITHIN_S)
