"""Keeps Slack's messages true: whatever door changed the work or decided a card, the messages about it are drawn anew.

Follows the desk's news; what was missed while nobody followed is looked up at the start. A message is drawn for the person it is for,
by what they may see at this moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from typing import Any

from connectors.errors import ConnectorError, Forbidden, InvalidCall, NotFound, RateLimited, Unreachable
from orchestrator import errors, ids
from orchestrator.deputy import Deputy
from orchestrator.deputy.news import Heard
from orchestrator.domain.effect import Approval
from orchestrator.domain.principal import Principal
from orchestrator.store.slack_people import Linked
from orchestrator.store.slack_posts import Post
from orchestrator.surfaces.http_api.draining import Drain
from orchestrator.surfaces.http_api.feed import Feed
from orchestrator.surfaces.slack_bot import card_view, news_view, work_view
from orchestrator.surfaces.slack_bot.announcing import Announcer
from orchestrator.surfaces.slack_bot.identity import Identity
from orchestrator.surfaces.slack_bot.posting import Poster
from orchestrator.surfaces.slack_bot.work_view import Drawn
from policies.listeners import may_hear

log = logging.getLogger("deputy.slack")
AT_ONCE = 8
LOOK_EVERY_S = 30.0  # for what another process left half-done
AGAIN_S = 1.0
LONGEST_AGAIN_S = 60.0
# What an item's reply address is told of.
ADDRESSED = frozenset({"item.settled", "approval.asked", "question.asked", "repair.asked", "reconsent.asked"})


def work_post(item_id: str, channel: str, thread_ts: str | None) -> str:
    """The id of the one message about the item in that place."""
    return ids.derived("post", "work", item_id, channel, thread_ts)


class Board:
    """One for each process."""

    def __init__(self, desk: Deputy, identity: Identity, poster: Poster, *, desk_url: str | None) -> None:
        self._desk, self._identity, self._poster, self._desk_url = desk, identity, poster, desk_url
        self._is_plain = False
        self._wanted: dict[str, float] = {}  # root item → not before, by the loop's clock
        self._tries: dict[str, int] = {}
        self._busy: set[str] = set()
        self._fresh = asyncio.Event()
        self._lists: dict[str, set[str]] = {}  # item with a card → digests that list it
        self._announcer = Announcer(desk, identity, self.put, desk_url=desk_url)

    # ---- following ---------------------------------------------------------------------------------------------------
    async def follow(self, feed: Feed, drain: Drain) -> None:
        """Until the server ends."""
        beside = [asyncio.create_task(self._draw()), asyncio.create_task(self._announcer.run())]
        try:
            while not drain.has_begun():
                with contextlib.suppress(EOFError, errors.StoreUnavailable):
                    async with feed.listening(None) as listener:
                        await self._look()
                        looked = asyncio.get_running_loop().time()
                        while True:
                            told = await listener.next(LOOK_EVERY_S)
                            if isinstance(told, Heard):
                                self._hear(told)
                                if told.kind in ADDRESSED:
                                    await self._deliver()
                            if asyncio.get_running_loop().time() - looked >= LOOK_EVERY_S:
                                await self._look()
                                looked = asyncio.get_running_loop().time()
                await drain.ends(AGAIN_S)
        finally:
            for task in beside:
                task.cancel()

    def _hear(self, told: Heard) -> None:
        if told.kind.startswith("schedule."):
            self._announcer.wake()
            return
        for listing in self._lists.get(str(told.item_id), ()):
            self.want(listing)
        if told.root_id or told.item_id:
            self.want(str(told.root_id or told.item_id))

    async def _deliver(self) -> None:
        """What was asked for with Slack as its address has its message, whoever asked: a schedule's runs begin here."""
        slack = self._desk.slack
        due = await asyncio.to_thread(slack.due)
        for one in due:
            channel, thread_ts = one.address.get("channel"), one.address.get("thread_ts")
            if one.item_id is None or not channel:
                continue
            post = Post(
                post_id=work_post(one.item_id, str(channel), thread_ts),
                kind="work",
                item_id=one.item_id,
                approval_id=None,
                person=one.requester,
                channel=str(channel),
                thread_ts=thread_ts,
                is_private=bool(one.address.get("is_private")),
            )
            await asyncio.to_thread(slack.intend, post)
            self.want(one.item_id)
        await asyncio.to_thread(slack.told, [one.number for one in due])

    async def _look(self) -> None:
        await self._deliver()
        for root_id in await asyncio.to_thread(self._desk.slack.unsettled):
            self.want(root_id)

    def want(self, root_id: str, *, after_s: float = 0.0) -> None:
        """Draws everything about the item, soon."""
        at = asyncio.get_running_loop().time() + after_s
        self._wanted[root_id] = min(at, self._wanted.get(root_id, at)) if after_s else at
        self._fresh.set()

    async def _draw(self) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            while True:
                now = loop.time()
                for root_id in [one for one, at in self._wanted.items() if at <= now and one not in self._busy]:
                    if len(self._busy) >= AT_ONCE:
                        break
                    del self._wanted[root_id]
                    self._busy.add(root_id)
                    group.create_task(self._refresh_again(root_id))
                self._fresh.clear()
                later = [at for one, at in self._wanted.items() if one not in self._busy and len(self._busy) < AT_ONCE]
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, min(later) - loop.time()) if later else None):
                        await self._fresh.wait()

    async def _refresh_again(self, root_id: str) -> None:
        again_s: float | None = None
        try:
            if not await self.refresh(root_id):
                again_s = self._pause_s(root_id)
            else:
                self._tries.pop(root_id, None)
        except RateLimited as error:
            again_s = max(AGAIN_S, error.retry_after_s)
        except (Unreachable, errors.StoreUnavailable):
            again_s = self._pause_s(root_id)
        except Exception:
            log.exception("the messages about %s cannot be drawn", root_id)
        finally:
            self._busy.discard(root_id)
        if again_s is not None:
            self.want(root_id, after_s=again_s)
        self._fresh.set()

    def _pause_s(self, root_id: str) -> float:
        tries = self._tries[root_id] = self._tries.get(root_id, 0) + 1
        return min(LONGEST_AGAIN_S, AGAIN_S * float(2 ** (min(6, tries) - 1)))

    # ---- drawing -----------------------------------------------------------------------------------------------------
    async def refresh(self, root_id: str) -> bool:
        """Whether Slack shows everything about this tree as it is. Raises ConnectorError."""
        slack = self._desk.slack
        followed = await asyncio.to_thread(slack.followed, root_id)
        posts = {post.post_id: post for post in followed.posts}
        home = next((one for one in followed.posts if one.kind == "work" and one.is_private), None)
        for approval, linked in followed.cards:
            await self._intend(posts, await self._card_post(root_id, approval, linked, home))
        shown = True
        # Cards first: somebody waits for them. The work's own message may want another one beside it.
        for post in sorted(posts.values(), key=lambda one: one.kind != "card"):
            if not post.settled:
                drawn = await self._drawn(post, posts)
                shown = await self.put(post, drawn) and shown
        return shown

    async def _intend(self, posts: dict[str, Post], post: Post) -> Post:
        """The row of that message, made where it is not there yet."""
        if post.post_id not in posts:
            await asyncio.to_thread(self._desk.slack.intend, post)
            posts[post.post_id] = post
        return posts[post.post_id]

    async def put(self, post: Post, drawn: Drawn) -> bool:
        """As the poster's `show`; what Slack does not take where it was meant to go is put into the direct messages."""
        try:
            return await self._poster.show(post.post_id, drawn)
        except (RateLimited, Unreachable):
            raise
        except InvalidCall as error:
            if self._is_plain or not any(one["type"] in work_view.NEWER for one in drawn.blocks):
                return await self._elsewhere(post, error)
            log.info("this workspace does not have the newer blocks: %s", error.message)
            self._is_plain = True
            return False
        except (NotFound, Forbidden) as error:
            return await self._elsewhere(post, error)
        except ConnectorError as error:
            log.warning("Slack does not take a message (%s): %s", post.kind, error.message)
            return False

    async def _elsewhere(self, post: Post, error: ConnectorError) -> bool:
        """Work that cannot be told where it was asked is told in direct messages; anything else is let go."""
        log.warning("Slack does not take a message (%s): %s", post.kind, error.message)
        if post.ts is None and not post.is_private and post.kind == "work":
            for linked in await asyncio.to_thread(self._desk.slack.senders_of, post.person):
                channel = await self._identity.direct(linked.sender.partition("/")[2])
                await asyncio.to_thread(self._desk.slack.moved, post.post_id, channel, None, is_private=True)
                return False
        if post.ts is None:
            await asyncio.to_thread(self._desk.slack.settle, [post.post_id])
        return True  # what stands there stays, until there is something else to say

    async def _card_post(self, root_id: str, approval: Approval, linked: Linked, home: Post | None) -> Post:
        """Cards stand in direct messages, whose reader is known; in the work's own thread where that is there."""
        channel = linked.channel or await self._identity.direct(linked.sender.partition("/")[2])
        in_thread = home is not None and home.channel == channel
        return Post(
            post_id=ids.derived("post", "card", approval.approval_id, linked.sender),
            kind="card",
            item_id=root_id,
            approval_id=approval.approval_id,
            person=linked.person,
            channel=channel,
            thread_ts=(home.thread_ts or home.ts) if home is not None and in_thread else None,
            is_private=True,
        )

    async def _drawn(self, post: Post, posts: dict[str, Post]) -> Drawn:
        visitor = await asyncio.to_thread(self._desk.access.of_address, post.person)
        if visitor is None:
            return work_view.gone()
        who = visitor.principal
        try:
            if post.kind == "card":
                return await asyncio.to_thread(self._card, who, str(post.approval_id))
            document = await asyncio.to_thread(self._desk.item, who, post.item_id)
        except errors.NotFound:
            return work_view.gone()
        if post.kind == "shared":
            return work_view.shared(document, who.name)
        if post.is_private and (made := news_view.digest_of(document)) is not None:
            return await self._digest(who, post.item_id, made)
        is_open = post.is_private or await self._may_all_read(who, document, post.channel)
        public = next((one for one in posts.values() if one.kind == "work" and not one.is_private), None)
        if not is_open and (document["state"] in work_view.FINAL or document.get("questions")):
            await self._beside(post, posts)
        return work_view.work(
            document,
            is_private=post.is_private,
            is_open=is_open,
            desk_url=self._desk_url,
            is_plain=self._is_plain,
            share=(public.channel, public.thread_ts) if public is not None and post.is_private else None,
        )

    async def _beside(self, post: Post, posts: dict[str, Post]) -> None:
        """The same for its reader alone, in their direct messages."""
        for linked in await asyncio.to_thread(self._desk.slack.senders_of, post.person):
            channel = linked.channel or await self._identity.direct(linked.sender.partition("/")[2])
            made = Post(
                post_id=ids.derived("post", "beside", post.item_id, linked.sender),
                kind="work",
                item_id=post.item_id,
                approval_id=None,
                person=post.person,
                channel=channel,
                thread_ts=None,
                is_private=True,
            )
            if made.post_id not in posts:
                await self._intend(posts, made)
                self.want(post.item_id)

    def _card(self, who: Principal, approval_id: str) -> Drawn:
        approval = self._desk.approval(who, approval_id)
        may_decide = who.principal_id in approval["eligible"] and "decide" in who.scopes
        return card_view.card(approval, may_decide=may_decide, desk_url=self._desk_url)

    async def _digest(self, who: Principal, item_id: str, made: Mapping[str, Any]) -> Drawn:
        """With each card as it is now; whatever becomes of one draws the digest anew."""
        cards = await asyncio.to_thread(self._listed, who, made)
        for card in cards.values():
            listings = self._lists.setdefault(str(card["item_id"]), set())
            listings.add(item_id)
            if card["state"] != "pending":
                listings.discard(item_id)
        return news_view.digest(made, cards, who=who.principal_id, desk_url=self._desk_url)

    def _listed(self, who: Principal, made: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        cards: dict[str, Mapping[str, Any]] = {}
        for approval_id, _, _ in news_view.asked(made):
            with contextlib.suppress(errors.NotFound):
                cards[approval_id] = self._desk.approval(who, approval_id)
        return cards

    async def _may_all_read(self, who: Principal, document: Mapping[str, Any], channel: str) -> bool:
        """Whether everybody who reads the channel could have read all that the work has read."""
        if document["state"] not in work_view.FINAL and not document.get("questions"):
            return False
        readers = await asyncio.to_thread(self._desk.slack.readers_of, who, document)
        # INVARIANT: an answer stands in a channel only by this rule; whatever is not known, or fails, is answered in private.
        return readers is not None and may_hear(readers, await self._identity.place(channel))
