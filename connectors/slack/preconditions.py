"""What a person who approves an effect on Slack takes for granted: that the place and the person are still the same ones.

A channel's name can be given to another channel, a private one can be opened, another company can be let in, and a message can
be edited between the asking and the sending.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from connectors import wire
from connectors.errors import NotFound
from connectors.slack import effects, messages, scheduled
from connectors.slack.workspace import Channel, Workspace
from connectors.spec import Precondition
from connectors.wire import Args

CHANNEL = "channel"
PERSON = "person"
UNCHANGED = "unchanged"
NOT_PAST = "not_past"


async def of(ws: Workspace, tool: str, args: Args) -> Sequence[Precondition]:
    match tool:
        case "chat.post_message" | "chat.invite" | "chat.send_direct" | "chat.send_file":
            return await _of_place(ws, args)
        case "chat.schedule_message":
            post_at = wire.parse_time(args["send_at"], "send_at")
            return [*await _of_place(ws, args), *_still_to_come(post_at)]
        case "chat.cancel_scheduled":
            return _still_to_come(scheduled.split_id(args["scheduled_id"])[2])
        case "chat.update_message" | "chat.delete_message":
            channel, raw = await effects.mine(ws, args["message_id"])
            facts = {"message_id": args["message_id"], "digest": _digest(raw)}
            return [Precondition(kind=UNCHANGED, args=facts, text="The message is as it was read")]
    return []


async def _of_place(ws: Workspace, args: Args) -> list[Precondition]:
    if args.get("to") is not None:
        address = wire.lower(args["to"])
        person = (await ws.people()).find(address)
        if person is None or not person.is_active:
            return []
        facts = {"address": address, "user_id": person.user_id}
        return [Precondition(kind=PERSON, args=facts, text=f"{person.name} is still in the chat")]
    if args.get("channel") is None:
        return []
    channel = await ws.channel(args["channel"])
    return [
        Precondition(
            kind=CHANNEL,
            args={"named": args["channel"], **_facts(channel)},
            text=f"{channel.shown_name} is still the same channel, open to the same circle",
        )
    ]


def _still_to_come(at: int) -> list[Precondition]:
    if at <= scheduled.now_s():
        return []
    when = f"{wire.moment(at):%a %d %b %H:%M} UTC"
    return [Precondition(kind=NOT_PAST, args={"at": at, "when": when}, text=f"{when} is still to come")]


async def broken(ws: Workspace, precondition: Precondition, now: datetime) -> str | None:
    """None while it holds, else what changed."""
    args = precondition.args
    match precondition.kind:
        case "channel":
            try:
                channel = await ws.channel(args["named"])
            except NotFound:
                return "The channel is gone, or closed to this account"
            same = {name: args[name] for name in ("channel_id", "name", "private", "shared")}
            return None if _facts(channel) == same else "The channel has changed: its name, or who can read it"
        case "person":
            person = (await ws.people()).find(args["address"])
            is_same = person is not None and person.is_active and person.user_id == args["user_id"]
            return None if is_same else "The person is no longer in the chat"
        case "not_past":
            return None if args["at"] > wire.epoch(now) else f"{args['when']} is past"
        case "unchanged":
            try:
                _, raw = await messages.find(ws, args["message_id"])
            except NotFound:
                return "The message was deleted"
            return None if _digest(raw) == args["digest"] else "The message was edited in the meantime"
        case kind:
            return f"Slack knows no condition {kind!r}"


def _facts(channel: Channel) -> dict[str, Any]:
    return {
        "channel_id": channel.channel_id,
        "name": channel.name,
        "private": channel.is_private,
        "shared": channel.is_shared,
    }


def _digest(raw: messages.Raw) -> str:
    return wire.digest(str(raw.get("text") or ""))
