"""The bot's own messages on the wire: each once, edited in place afterwards.

A message carries its row's id in its metadata. What was attempted and not recorded is looked for in Slack before anything else, and
not before the attempt can have arrived.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from connectors.errors import ConnectorError, Forbidden, InvalidCall, NotFound, OutcomeUnknown, Unreachable
from connectors.slack.line import REQUEST_S, Line
from orchestrator import clock
from orchestrator.deputy.slack import Slack
from orchestrator.store.slack_posts import Post
from orchestrator.surfaces.slack_bot.identity import Me
from orchestrator.surfaces.slack_bot.work_view import Drawn

EVENT_TYPE = "deputy_post"  # of our metadata
ARRIVES_WITHIN = timedelta(seconds=REQUEST_S + 4)
PAGE = 100
MOST_PAGES = 5


class Poster:
    """One workspace's messages of the bot."""

    def __init__(self, slack: Slack, line: Line, me: Me) -> None:
        self._slack, self._line, self._me = slack, line, me

    async def show(self, post_id: str, drawn: Drawn) -> bool:
        """Slack shows what is drawn when this returns True; False where it has to be tried again a little later.

        Raises ConnectorError where Slack refuses it, or cannot be reached.
        """
        post = await asyncio.to_thread(self._slack.lease, post_id)
        if post is None:
            return False
        try:
            return await self._shown(post, drawn)
        except OutcomeUnknown:
            await asyncio.to_thread(self._slack.let_go, post_id)
            return False
        except ConnectorError:
            await asyncio.to_thread(self._slack.let_go, post_id, attempted=post.ts is not None)
            raise

    async def _shown(self, post: Post, drawn: Drawn) -> bool:
        digest = _digest(drawn)
        ts = post.ts
        if ts is None and post.attempted_at is not None:
            if clock.real() < post.attempted_at + ARRIVES_WITHIN:
                await asyncio.to_thread(self._slack.let_go, post.post_id)
                return False
            try:
                ts = await self._find(post)
            except ConnectorError as error:
                # INVARIANT: not having looked is no reason to post again.
                raise OutcomeUnknown("whether it was posted cannot be told", fix="Look again.") from error
        if ts is None:
            await asyncio.to_thread(self._slack.attempting, post.post_id)
            ts = await self._post(post, drawn)
        elif post.shown == digest and post.settled == drawn.is_settled:
            await asyncio.to_thread(self._slack.let_go, post.post_id)
            return True
        elif post.shown != digest:
            await self._update(post, ts, drawn)
        await asyncio.to_thread(self._slack.record, post.post_id, ts=ts, shown=digest, settled=drawn.is_settled)
        return True

    async def _post(self, post: Post, drawn: Drawn) -> str:
        answer = await self._line.write(
            "chat.postMessage",
            channel=post.channel,
            thread_ts=post.thread_ts,
            text=drawn.text,
            blocks=list(drawn.blocks),
            metadata=_metadata(post),
            unfurl_links=False,
            unfurl_media=False,
        )
        if not answer.get("ts"):
            raise OutcomeUnknown("Slack does not name what it posted", fix="Look again.")
        return str(answer["ts"])

    async def _update(self, post: Post, ts: str, drawn: Drawn) -> None:
        try:
            await self._line.write(
                "chat.update",
                channel=post.channel,
                ts=ts,
                text=drawn.text,
                blocks=list(drawn.blocks),
                metadata=_metadata(post),
                parse="none",
                link_names=False,
            )
        except NotFound:
            return  # somebody has deleted it: that is theirs to do

    async def _find(self, post: Post) -> str | None:
        """Its name in Slack, where it arrived."""
        method, about = (
            ("conversations.replies", {"ts": post.thread_ts}) if post.thread_ts else ("conversations.history", {})
        )
        oldest = f"{(post.attempted_at or clock.real()).timestamp() - 120:.6f}"
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            answer = await self._line.read(
                method,
                channel=post.channel,
                oldest=oldest,
                limit=PAGE,
                cursor=cursor,
                include_all_metadata=True,
                **about,
            )
            for raw in answer.get("messages") or ():
                if post_id_of(raw) == post.post_id:
                    return str(raw["ts"])
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or None
            if cursor is None:
                return None
        raise Unreachable("there is too much to look through", fix="Look again.")

    async def whisper(
        self,
        *,
        channel: str,
        user: str,
        text: str,
        thread_ts: str | None = None,
        blocks: Sequence[Mapping[str, Any]] = (),
    ) -> bool:
        """To one person alone, where they are; it is not kept by Slack. False where they cannot be told there."""
        try:
            await self._line.write(
                "chat.postEphemeral",
                channel=channel,
                user=user,
                text=text,
                thread_ts=thread_ts,
                blocks=[dict(one) for one in blocks] or None,
            )
        except (NotFound, Forbidden, InvalidCall):
            return False
        except OutcomeUnknown:
            return True
        return True


def post_id_of(raw: Mapping[str, Any]) -> str | None:
    """The row that a message of ours belongs to."""
    carried = raw.get("metadata") or {}
    if carried.get("event_type") != EVENT_TYPE:
        return None
    found = (carried.get("event_payload") or {}).get("post_id")
    return str(found) if found else None


def _metadata(post: Post) -> dict[str, Any]:
    return {"event_type": EVENT_TYPE, "event_payload": {"post_id": post.post_id}}


def _digest(drawn: Drawn) -> str:
    told = json.dumps([drawn.text, list(drawn.blocks)], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(told.encode()).hexdigest()
