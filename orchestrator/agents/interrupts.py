"""Ending a model call early: the worker rings when halts have changed, and the call asks whether it is meant.

Only model calls are ended so. What changes the world is never cut short: its outcome would be unknown.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
bell: contextvars.ContextVar[asyncio.Event | None] = contextvars.ContextVar("deputy_bell", default=None)


class Halted(Exception):
    """The call was ended, because what it is for was halted."""


async def unless_halted(call: Coroutine[Any, Any, T], is_halted: Callable[[], Awaitable[bool]]) -> T:
    """The call's own result or error; `Halted` as soon as the bell rings for it."""
    ring = bell.get()
    if ring is None:
        return await call
    task = asyncio.create_task(call)
    try:
        while not task.done():
            rung = asyncio.create_task(ring.wait())
            try:
                await asyncio.wait({task, rung}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                rung.cancel()
            if task.done():
                break
            ring.clear()
            if await is_halted():
                raise Halted
    finally:
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    return task.result()
