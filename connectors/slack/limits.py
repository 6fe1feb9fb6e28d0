"""How often one account may call each Slack method, so that its quota is never what stops a call half-way.

Slack, "Rate limits": tiers 1 to 4 are 1, 20, 50 and 100 and more calls a minute for each method, workspace and app; posting is
about one message a second for each channel. Apps that are sold outside Slack's Marketplace get one call a minute to the history
methods: install Deputy as your own internal app.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from connectors.errors import RateLimited

if TYPE_CHECKING:
    from aiolimiter import AsyncLimiter

PER_MINUTE: Mapping[str, float] = {
    "auth.test": 100,
    "users.list": 20,
    "users.info": 100,
    "conversations.list": 20,
    "conversations.info": 50,
    "conversations.members": 100,
    "conversations.history": 50,
    "conversations.replies": 50,
    "conversations.open": 50,
    "conversations.create": 20,
    "conversations.setPurpose": 20,
    "conversations.invite": 50,
    "chat.postMessage": 60,  # in each channel
    "chat.update": 50,
    "chat.delete": 50,
    "chat.scheduleMessage": 50,
    "chat.deleteScheduledMessage": 50,
    "chat.scheduledMessages.list": 50,
    "files.getUploadURLExternal": 100,
    "files.completeUploadExternal": 100,
    "files.info": 100,
    "files.list": 50,
    "reactions.add": 50,
    "search.messages": 20,
    "users.lookupByEmail": 50,
    "chat.postEphemeral": 100,
    "views.open": 100,
    "views.publish": 100,
    "assistant.threads.setStatus": 100,
    "assistant.threads.setSuggestedPrompts": 100,
    "assistant.threads.setTitle": 100,
}
_BURST_S = {"chat.postMessage": 5.0}  # the bucket holds so many seconds' worth; a minute's for all others


class Buckets:
    """One account's token buckets, one for each method (and channel). `share` of 1 is what Slack documents."""

    def __init__(self, share: float = 1.0) -> None:
        self._share = share
        # A limiter belongs to the loop it waits on.
        self._of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, AsyncLimiter]] = WeakKeyDictionary()

    def has_room(self, method: str) -> bool:
        """Whether at least half the bucket is left."""
        limiter = self._limiter(method, "")
        return limiter.has_capacity(limiter.max_rate / 2)

    async def take(self, method: str, where: str, *, patience_s: float) -> None:
        """Returns when the method may be called; RateLimited where that would take longer than `patience_s`."""
        limiter = self._limiter(method, where)
        try:
            async with asyncio.timeout(patience_s if not limiter.has_capacity() else None):
                await limiter.acquire()
        except TimeoutError as error:
            raise RateLimited(
                f"this account has called {method} as often as Slack allows",
                retry_after_s=limiter.time_period / limiter.max_rate,
                fix="Wait.",
            ) from error

    def _limiter(self, method: str, where: str) -> AsyncLimiter:
        from aiolimiter import AsyncLimiter  # here: client commands never call a tool

        limiters = self._of_loop.setdefault(asyncio.get_running_loop(), {})
        named = f"{method} {where}"
        if named not in limiters:
            period_s = _BURST_S.get(method, 60.0)
            rate = max(1.0, PER_MINUTE[method] * self._share * period_s / 60.0)
            limiters[named] = AsyncLimiter(rate, period_s)
        return limiters[named]
