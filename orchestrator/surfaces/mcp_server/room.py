"""What every tool of the door works with: the front desk, who calls, waiting without polling, and what a caller was asked already."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from mcp.server.context import ServerRequestContext

from orchestrator.deputy import Deputy
from orchestrator.errors import DeputyError
from orchestrator.settings import Settings
from orchestrator.surfaces.http_api.auth.limits import Limits
from orchestrator.surfaces.http_api.feed import Feed, Progress
from orchestrator.surfaces.mcp_server import documents
from orchestrator.surfaces.mcp_server.callers import Caller, Callers

LONGEST_WAIT_S = 25.0  # clients give up on a call after 30 to 60 seconds
SAFETY_S = 2.0
MOST_ASKED = 5000
Context = ServerRequestContext[Any, Any]
log = logging.getLogger("deputy.mcp")


class TooOften(DeputyError):
    code = "rate_limited"


class Room:
    """`pages`: where people find the desk, None where nobody serves it. `wake`: sees to it that somebody works."""

    def __init__(
        self,
        desk: Deputy,
        settings: Settings,
        feed: Feed,
        *,
        callers: Callers,
        pages: Callable[[Context], str | None],
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self.desk = desk
        self.settings = settings
        self.caller = callers
        self.pages = pages
        self._feed = feed
        self._wake = wake
        self._calls = Limits(settings.mcp_calls_per_minute)
        self._starts = Limits(settings.mcp_starts_per_minute)
        self._asked: OrderedDict[tuple[str, str], None] = OrderedDict()

    async def count_call(self, caller: Caller) -> None:
        """Raises TooOften."""
        await _take(self._calls, caller, "calls")

    async def count_start(self, caller: Caller) -> None:
        """Raises TooOften."""
        await _take(self._starts, caller, "starts")

    async def wake(self) -> None:
        """Somebody works, as far as can be seen to; what is on the list stays there anyway."""
        try:
            await asyncio.to_thread(self._wake)
        except DeputyError as error:
            log.warning("no worker: %s", error.message)

    async def item(self, caller: Caller, item_id: str) -> dict[str, Any]:
        """The item document, with the name of the workflow that does it."""
        return await asyncio.to_thread(self._item, caller, item_id)

    def _item(self, caller: Caller, item_id: str) -> dict[str, Any]:
        item = self.desk.item(caller.who, item_id)
        match, route = item["match"] or {}, item["route"]
        item["workflow"] = match.get("workflow") if route in ("match", "workflow") else None
        if route == "workflow" and item["workflow"] is None and item["run_id"] is not None:  # named, not matched
            item["workflow"] = self.desk.run(caller.who, item["run_id"])["workflow"]
        return item

    async def resting(
        self, caller: Caller, item_id: str, wait_s: float, tell: Callable[[int, str], Any]
    ) -> dict[str, Any]:
        """The item document as soon as it rests, or after so many seconds. `tell`: a coroutine function told of each step forward."""
        item = await self.item(caller, item_id)
        if wait_s <= 0 or _rests(item):
            return item
        clock = asyncio.get_running_loop().time
        until, steps = clock() + min(wait_s, LONGEST_WAIT_S), 0
        async with self._feed.listening(caller.who, tree=item_id) as listener:
            while True:
                item = await self.item(caller, item_id)
                left_s = until - clock()
                if _rests(item) or left_s <= 0:
                    return item
                await self.wake()
                try:
                    heard = await listener.next(min(left_s, SAFETY_S))
                except EOFError:
                    return item
                if heard is not None:
                    steps += 1
                    await tell(steps, f"step {heard.step}" if isinstance(heard, Progress) else heard.kind)

    def was_asked(self, caller: Caller, key: str) -> bool:
        """Whether this person was asked this by way of their client already; from now on they were. Lost with the process."""
        name = (caller.who.principal_id, key)
        if name in self._asked:
            return True
        self._asked[name] = None
        if len(self._asked) > MOST_ASKED:
            self._asked.popitem(last=False)
        return False


def _rests(item: Mapping[str, Any]) -> bool:
    return documents.is_final(item) or item["state"] == "waiting"


async def _take(limits: Limits, caller: Caller, what: str) -> None:
    if not await limits.take(caller.name):
        raise TooOften(f"too many {what} a minute", fix=f"try again in {limits.retry_after_s} s")
