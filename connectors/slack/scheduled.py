"""Messages that Slack posts later. An id of ours says the channel, Slack's own id, the moment and whose it is: Slack forgets a
scheduled message once it was posted or cancelled, and then nothing else could tell the two apart.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from connectors import posting, wire
from connectors.errors import Conflict, NotFound
from connectors.slack import effects, messages
from connectors.slack.workspace import Channel, Workspace
from connectors.wire import Args

Raw = Mapping[str, Any]

PAGE = 100
MOST_PAGES = 20
# Slack takes nothing back in the last minute (chat.deleteScheduledMessage), and its clock may be ahead of ours.
TOO_LATE_S = 300


def join_id(channel_id: str, slack_id: str, post_at: int, user_id: str) -> str:
    return f"{channel_id}:{slack_id}:{post_at}:{user_id}"


def split_id(one: str) -> tuple[str, str, int, str]:
    """Channel, Slack's id, moment and author. NotFound for what is no such id."""
    parts = one.split(":")
    if len(parts) != 4 or not parts[2].isdigit():
        raise NotFound(f"there is no scheduled message {one[:80]!r}", fix="Look with chat.list_scheduled.")
    return parts[0], parts[1], int(parts[2]), parts[3]


def now_s() -> int:
    return int(time.time())


def has_come(post_at: int) -> bool:
    """Whether a message of that moment may have been posted."""
    return post_at <= now_s() + TOO_LATE_S


async def schedule_message(ws: Workspace, args: Args, key: str) -> dict[str, Any]:
    posting.check_place(args)
    post_at = wire.parse_time(args["send_at"], "send_at")
    posting.check_moment(post_at, now_s())
    body = await effects.written(ws, args["text"])
    channel, thread_ts = await effects.place(ws, args)
    await messages.prepare(ws, channel)
    answer = await ws.line.write(
        "chat.scheduleMessage",
        channel=channel.channel_id,
        text=body,
        post_at=post_at,
        thread_ts=thread_ts,
        metadata=effects.metadata(key),
        unfurl_links=False,
        unfurl_media=False,
    )
    raw = {"id": answer.get("scheduled_message_id"), "post_at": post_at, "text": body}
    return await effects.told(show(ws, channel, raw))


async def list_scheduled(ws: Workspace, args: Args) -> dict[str, Any]:
    channel = await ws.channel(args["channel"]) if args.get("channel") is not None else None
    wanted = wire.words(args.get("query"))
    places: dict[str, Channel | None] = {} if channel is None else {channel.channel_id: channel}
    shown: list[dict[str, Any]] = []
    for raw in await listed(ws, channel):
        channel_id = str(raw["channel_id"])
        if channel_id not in places:
            places[channel_id] = await _seen(ws, channel_id)
        place = places[channel_id]
        if place is not None:
            one = await show(ws, place, raw)
            shown += [one] if all(word in wire.fold(one["text"]) for word in wanted) else []
    return wire.cut_page(shown, args, "scheduled")


async def _seen(ws: Workspace, channel_id: str) -> Channel | None:
    try:
        return await ws.channel(channel_id)
    except NotFound:
        return None


async def listed(ws: Workspace, channel: Channel | None) -> list[Raw]:
    """What the account has scheduled, the next one first."""
    found: list[Raw] = []
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        answer = await ws.line.read(
            "chat.scheduledMessages.list",
            channel=None if channel is None else channel.channel_id,
            limit=PAGE,
            cursor=cursor,
        )
        found += answer.get("scheduled_messages") or ()
        cursor = (answer.get("response_metadata") or {}).get("next_cursor") or None
        if cursor is None:
            break
    return sorted(found, key=lambda raw: (int(raw["post_at"]), str(raw["id"])))


async def cancel_scheduled(ws: Workspace, args: Args) -> dict[str, Any]:
    """Done as well where it is gone before its moment; Conflict from shortly before, when it may have been posted."""
    channel_id, slack_id, post_at, user_id = split_id(args["scheduled_id"])
    if user_id != (await ws.me()).user_id:
        raise NotFound("the scheduled message is not this account's", fix="Look with chat.list_scheduled.")
    done = {"scheduled_id": args["scheduled_id"], "cancelled": True}
    try:
        await ws.line.write("chat.deleteScheduledMessage", channel=channel_id, scheduled_message_id=slack_id)
    except NotFound as error:
        if has_come(post_at):
            said = "its moment has come: the message was posted, or is about to be"
            raise Conflict(said, fix="Delete it with chat.delete_message.") from error
    return done


async def is_listed(ws: Workspace, scheduled_id: str) -> bool:
    channel_id, slack_id, _, _ = split_id(scheduled_id)
    return any((raw["channel_id"], raw["id"]) == (channel_id, slack_id) for raw in await listed(ws, None))


async def show(ws: Workspace, channel: Channel, raw: Raw) -> dict[str, Any]:
    me = await ws.me()
    people = await ws.people(messages.people_in([raw]) | {me.user_id})
    names = {one.channel_id: one.name for one in await ws.channels()}
    post_at = int(raw["post_at"])
    return {
        "scheduled_id": join_id(channel.channel_id, str(raw["id"]), post_at, me.user_id),
        "channel": channel.channel_id,
        "channel_name": channel.shown_name,
        "author": people.get(me.user_id).address,
        "text": messages.plain(raw, people, names),
        "send_at": wire.format_time(post_at),
        "readers": await ws.readers(channel),
    }


async def made(ws: Workspace, args: Args, channel: Channel, since_s: int) -> dict[str, Any] | None:
    """What a call with these arguments has scheduled since then, if it still stands: of this text, there, for that moment."""
    post_at = wire.parse_time(args["send_at"], "send_at")
    wanted = await show(ws, channel, {"id": "", "post_at": post_at, "text": await effects.written(ws, args["text"])})
    for raw in await listed(ws, channel):
        if int(raw["post_at"]) == post_at and int(raw.get("date_created") or 0) >= since_s:
            shown = await show(ws, channel, raw)
            if shown["text"] == wanted["text"]:
                return shown
    return None
