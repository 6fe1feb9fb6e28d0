"""Small answers to one person: where they are and to them alone, else in their direct messages. Not kept, and not posted twice on purpose."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from connectors.errors import ConnectorError, OutcomeUnknown
from connectors.slack.line import REQUEST_S, Line
from orchestrator.store.slack_inbox import Delivery
from orchestrator.surfaces.slack_bot.identity import Identity
from orchestrator.surfaces.slack_bot.posting import Poster
from orchestrator.surfaces.slack_bot.work_view import Drawn

log = logging.getLogger("deputy.slack")


class Replies:
    """`own_host`: where response URLs may lead beside Slack's own hosts, for a double of it."""

    def __init__(self, line: Line, identity: Identity, poster: Poster, *, own_host: str | None) -> None:
        self._line, self._identity, self._poster, self._own_host = line, identity, poster, own_host

    async def alone(self, delivery: Delivery, text: str) -> None:
        """Text in Slack's markup. Raises ConnectorError where Slack cannot be reached."""
        body, user = delivery.body, delivery.sender.partition("/")[2]
        url = str(body.get("response_url") or "")
        if url and await self._respond(url, {"response_type": "ephemeral", "replace_original": False, "text": text}):
            return
        channel = str(body.get("channel") or body.get("channel_id") or "")
        thread = str(body.get("thread_ts") or "") or None
        if channel and await self._poster.whisper(channel=channel, user=user, text=text, thread_ts=thread):
            return
        direct = await self._identity.direct(user)
        if not await self._poster.whisper(channel=direct, user=user, text=text):
            log.warning("somebody could not be told where they are")

    async def instead(self, delivery: Delivery, drawn: Drawn) -> None:
        """In place of the message whose button was pressed."""
        body = delivery.body
        try:
            await self._line.write(
                "chat.update", channel=body["channel"], ts=body["ts"], text=drawn.text, blocks=list(drawn.blocks)
            )
        except OutcomeUnknown:
            return
        except ConnectorError as error:
            log.warning("a message is not replaced: %s", error.message)

    async def at_rest(self, channel: str, thread_ts: str) -> None:
        """Takes the pane's "is on it" away where no message of ours follows, which would do so."""
        with suppress(ConnectorError):  # a workspace without the pane
            await self._line.write("assistant.threads.setStatus", channel_id=channel, thread_ts=thread_ts, status="")

    async def home(self, user: str, view: Mapping[str, Any]) -> None:
        try:
            await self._line.write("views.publish", user_id=user, view=dict(view))
        except OutcomeUnknown:
            return  # the next look publishes it again

    async def _respond(self, url: str, answer: Mapping[str, Any]) -> bool:
        """INVARIANT: only to Slack's own hosts, whatever a delivery names."""
        import aiohttp

        told = urlsplit(url)
        host = told.hostname or ""
        is_slack = told.scheme == "https" and (host == "slack.com" or host.endswith(".slack.com"))
        if not is_slack and host != self._own_host:
            return False
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=REQUEST_S)) as session,
                session.post(url, json=dict(answer), allow_redirects=False) as said,
            ):
                return said.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False
