"""Tells owners in Slack what their schedules did not do as expected: one message for each piece of news, kept until it is there.

INVARIANT: news is marked as told only once Slack has its message, whose row is named after the news; so it is never posted twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from connectors.errors import ConnectorError, Forbidden, InvalidCall, NotFound, RateLimited
from orchestrator import errors, ids
from orchestrator.deputy import Deputy
from orchestrator.deputy.slack import Due
from orchestrator.domain.schedule_news import HEADS
from orchestrator.store.slack_posts import Post
from orchestrator.surfaces.slack_bot import news_view
from orchestrator.surfaces.slack_bot.identity import Identity
from orchestrator.surfaces.slack_bot.work_view import Drawn

log = logging.getLogger("deputy.slack")
LOOK_EVERY_S = 30.0
AGAIN_S, LONGEST_AGAIN_S = 1.0, 60.0


class Announcer:
    """`put`: shows a message of ours; whether Slack has it now. Raises ConnectorError."""

    def __init__(
        self,
        desk: Deputy,
        identity: Identity,
        put: Callable[[Post, Drawn], Awaitable[bool]],
        *,
        desk_url: str | None,
    ) -> None:
        self._desk, self._identity, self._put, self._desk_url = desk, identity, put, desk_url
        self._fresh = asyncio.Event()

    def wake(self) -> None:
        """There may be news."""
        self._fresh.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        pause_s = AGAIN_S
        while True:
            self._fresh.clear()
            wait_s = LOOK_EVERY_S
            try:
                if await self.tell():
                    pause_s = AGAIN_S
                else:
                    wait_s = pause_s = min(LONGEST_AGAIN_S, pause_s * 2)
            except errors.StoreUnavailable:
                wait_s = pause_s = min(LONGEST_AGAIN_S, pause_s * 2)
            except Exception:
                log.exception("what schedules did cannot be told")
            try:
                async with asyncio.timeout(wait_s):
                    await self._fresh.wait()
            except TimeoutError:
                continue

    async def tell(self) -> bool:
        """Whether nothing is left to tell. One that Slack does not take now keeps no other back."""
        all_told = True
        for one in await asyncio.to_thread(self._desk.slack.due_news):
            try:
                is_told = await self._tell(one)
            except (Forbidden, InvalidCall, NotFound) as error:
                log.warning("an owner cannot be told in Slack: %s", error.message)
                is_told = True  # it would not become better: they have it at the desk
            except RateLimited as error:
                await asyncio.sleep(min(LONGEST_AGAIN_S, error.retry_after_s))
                is_told = False
            except ConnectorError as error:
                log.warning("an owner cannot be told in Slack yet: %s", error.message)
                is_told = False
            if is_told:
                await asyncio.to_thread(self._desk.slack.told, [one.number])
            all_told = all_told and is_told
        return all_told

    async def _tell(self, one: Due) -> bool:
        what, owner = one.kind.removeprefix("schedule."), str(one.body.get("owner") or "")
        visitor = await asyncio.to_thread(self._desk.access.of_address, owner)
        if what not in HEADS or visitor is None:
            return True  # nothing to tell, or nobody to be told
        drawn = news_view.news(what, one.body, item_id=one.item_id, desk_url=self._desk_url)
        shown = True
        for channel in await self._channels(one, owner):
            post = Post(
                post_id=ids.derived("post", "news", one.number, one.body.get("at"), channel),
                kind="news",
                item_id="",
                approval_id=None,
                person=owner,
                channel=channel,
                thread_ts=None,
                is_private=True,
            )
            await asyncio.to_thread(self._desk.slack.intend, post)
            kept = await asyncio.to_thread(self._desk.slack.post, post.post_id)
            shown = (kept is not None and kept.settled or await self._put(post, drawn)) and shown
        return shown

    async def _channels(self, one: Due, owner: str) -> list[str]:
        """The schedule's own address where only its owner reads it, else every direct channel with them."""
        if one.address.get("channel") and one.address.get("is_private"):
            return [str(one.address["channel"])]
        known = await asyncio.to_thread(self._desk.slack.senders_of, owner)
        return [each.channel or await self._identity.direct(each.sender.partition("/")[2]) for each in known]
