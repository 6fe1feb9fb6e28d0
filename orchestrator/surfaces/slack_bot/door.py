"""The bolt app: one for Socket Mode and HTTP. What comes in is written down, then acknowledged; the work is done elsewhere.

Bolt checks signatures and timestamps. A delivery that cannot be written down is not acknowledged: Slack sends it again.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from slack_bolt.async_app import AsyncApp, AsyncAssistant
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from orchestrator.deputy.slack import Slack
from orchestrator.store.slack_inbox import Taken
from orchestrator.surfaces.slack_bot.identity import Me
from orchestrator.surfaces.slack_bot.manifest import COMMAND, PROMPTS

BUTTONS = (
    "approve",
    "why",
    "cancel",
    "bump",
    "share",
    "thumb",
    "thumb_good",
    "thumb_bad",
    "link_yes",
    "link_no",
    "unlink",
)
MODALS = ("edit", "deny")
EVENTS = ("app_mention", "message", "app_home_opened", "user_change")

Ack = Callable[..., Awaitable[Any]]
Body = Mapping[str, Any]


class Modals(Protocol):
    """What opens and reads modals: it has three seconds, so it is not for the workshop."""

    async def open(self, kind: str, body: Body) -> None: ...

    async def read(self, kind: str, body: Body) -> tuple[dict[str, str], dict[str, Any]]: ...


class Intake:
    """Writes deliveries down, all that wait in one commit, and tells the workshop."""

    def __init__(self, slack: Slack, on_new: Callable[[], None]) -> None:
        self._slack, self._on_new = slack, on_new
        self._waiting: list[tuple[Taken, asyncio.Future[bool]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def take(self, one: Taken) -> bool:
        """Whether it is new; durable when this returns. Raises StoreUnavailable."""
        told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((one, told))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        return await told

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                fresh = await asyncio.to_thread(self._slack.take, [one for one, _ in batch])
            except Exception as error:
                for _, told in batch:
                    if not told.done():
                        told.set_exception(error)
                continue
            for (_, told), is_new in zip(batch, fresh, strict=True):
                if not told.done():
                    told.set_result(is_new)
            self._on_new()


def bolt(
    client: AsyncWebClient,
    token: str,
    *,
    me: Callable[[], Awaitable[Me]],
    signing_secret: str,
    intake: Intake,
    modals: Modals,
) -> AsyncApp:
    """The app with its listeners; nothing goes over the wire before something comes in."""

    async def authorize(**_: Any) -> AuthorizeResult:
        known = await me()
        return AuthorizeResult(
            enterprise_id=None,
            team_id=known.team_id,
            bot_user_id=known.user_id,
            bot_id=known.bot_id,
            bot_token=token,
        )

    app = AsyncApp(
        client=client,
        signing_secret=signing_secret,
        authorize=authorize,
        logger=logging.getLogger("deputy.slack.bolt"),
        name="deputy",
    )
    app.use(_events(intake))
    app.command(COMMAND)(_command(intake))
    for name in EVENTS:
        app.event(name)(_taken)
    for name in BUTTONS:
        app.action(name)(_action(intake))
    app.action(re.compile(r"^answer_\d+$"))(_action(intake))
    app.action("look")(_only_ack)
    for kind in MODALS:
        app.action(kind)(_opening(modals, kind))
        app.view(kind)(_submission(intake, modals, kind))
    app.use(_pane())
    return app


def sender_of(body: Body) -> str:
    """team/user of whoever acted."""
    user = body.get("user")
    user_id = user.get("id") if isinstance(user, Mapping) else body.get("user_id")
    team = body.get("team")
    team_id = team.get("id") if isinstance(team, Mapping) else body.get("team_id")
    if isinstance(user, Mapping) and user.get("team_id"):
        team_id = user["team_id"]
    return f"{team_id}/{user_id}"


def _command(intake: Intake) -> Callable[..., Awaitable[None]]:
    async def listener(ack: Ack, body: Body) -> None:
        kept = {name: str(body.get(name) or "") for name in ("text", "channel_id", "response_url")}
        await intake.take(
            Taken(delivery_id=f"trigger {body['trigger_id']}", kind="command", sender=sender_of(body), body=kept)
        )
        await ack()

    return listener


def _events(intake: Intake) -> Callable[..., Awaitable[None]]:
    """Bolt acknowledges an event before its listener runs, so that events are written down on the way there."""

    async def middleware(body: Body, context: Any, next: Ack) -> None:
        if body.get("type") == "event_callback":
            taken = of_event(body, str(context.bot_user_id or ""))
            if taken is not None:
                await intake.take(taken)
        await next()

    return middleware


async def _taken() -> None:
    """It is written down already."""


def of_event(body: Body, bot: str) -> Taken | None:
    """A person's words to the bot, or into a thread that may be about its work; a look at its home. None: not ours to keep."""
    event = body.get("event") or {}
    kind, user = event.get("type"), event.get("user")
    delivery_id, team = f"event {body['event_id']}", body.get("team_id")
    if kind == "app_home_opened" and event.get("tab") in (None, "home"):
        return Taken(delivery_id=delivery_id, kind="home", sender=f"{team}/{user}", body={})
    if kind == "user_change" and isinstance(user, Mapping):
        return Taken(delivery_id=delivery_id, kind="user", sender=f"{team}/{user.get('id')}", body={})
    if kind not in ("message", "app_mention") or not user or event.get("bot_id"):
        return None
    if event.get("subtype") not in (None, "file_share", "thread_broadcast"):
        return None
    is_mention, text = kind == "app_mention", str(event.get("text") or "")
    is_direct = event.get("channel_type") == "im" or str(event["channel"]).startswith("D")
    if not is_mention and not is_direct and (not event.get("thread_ts") or f"<@{bot}" in text):
        return None  # said to others; or a mention, which comes by itself, too
    kept = {
        "channel": str(event["channel"]),
        "ts": str(event["ts"]),
        "thread_ts": str(event.get("thread_ts") or ""),
        "text": text,
        "is_direct": is_direct,
        "is_mention": is_mention,
    }
    sender = f"{event.get('user_team') or event.get('team') or team}/{user}"
    return Taken(delivery_id=delivery_id, kind="message", sender=sender, body=kept)


def _action(intake: Intake) -> Callable[..., Awaitable[None]]:
    async def listener(ack: Ack, body: Body, action: Body) -> None:
        number = body.get("trigger_id") or f"{action.get('action_ts')} {sender_of(body)}"
        await intake.take(
            Taken(delivery_id=f"trigger {number}", kind="action", sender=sender_of(body), body=kept_of(body, action))
        )
        await ack()

    return listener


def kept_of(body: Body, action: Body) -> dict[str, Any]:
    """Of a click, what the work needs."""
    message, container = body.get("message") or {}, body.get("container") or {}
    return {
        "action": str(action.get("action_id") or ""),
        "value": str(action.get("value") or ""),
        "channel": str((body.get("channel") or {}).get("id") or container.get("channel_id") or ""),
        "ts": str(message.get("ts") or container.get("message_ts") or ""),
        "thread_ts": str(message.get("thread_ts") or container.get("thread_ts") or ""),
        "response_url": str(body.get("response_url") or ""),
    }


async def _only_ack(ack: Ack) -> None:
    await ack()


def _opening(modals: Modals, kind: str) -> Callable[..., Awaitable[None]]:
    async def listener(ack: Ack, body: Body) -> None:
        await ack()
        await modals.open(kind, body)

    return listener


def _submission(intake: Intake, modals: Modals, kind: str) -> Callable[..., Awaitable[None]]:
    async def listener(ack: Ack, body: Body, view: Body) -> None:
        problems, kept = await modals.read(kind, body)
        if problems:
            await ack(response_action="errors", errors=problems)
            return
        number = f"{view.get('id')} {view.get('hash') or body.get('trigger_id')}"
        await intake.take(Taken(delivery_id=f"view {number}", kind=kind, sender=sender_of(body), body=kept))
        await ack()

    return listener


def _pane() -> AsyncAssistant:
    """The agent pane. What is said there is a direct message like any other, and written down by now; this is its decoration."""
    assistant = AsyncAssistant()

    async def started(set_suggested_prompts: Ack) -> None:
        await set_suggested_prompts(prompts=[dict(one) for one in PROMPTS], title="For example")

    async def said(set_status: Ack) -> None:
        with suppress(SlackApiError):  # a workspace without the pane has none to decorate
            await set_status("is on it…")

    async def moved() -> None:
        """What channel somebody looks at is no business of ours."""

    assistant.thread_started(started)
    assistant.user_message(said)
    assistant.thread_context_changed(moved)
    return assistant
