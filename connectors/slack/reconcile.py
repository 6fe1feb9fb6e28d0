"""What became of an attempt nobody heard back from. Reads only.

A posted message is known by the key in its metadata; a file and a scheduled message, which show no metadata, by being exactly
what was to be made, since then, in that place. All else that can be asked about is a state: the text is the new one, the
message is gone, the reaction is there, they are in the channel, a channel of that name was made by this account since. Such a
state is Done, whoever brought it about, and its lack is Absent.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from connectors import wire
from connectors.errors import Forbidden, InvalidCall, NotFound, ReconsentNeeded
from connectors.slack import effects, files, messages, scheduled
from connectors.slack import people as users
from connectors.slack.messages import Window
from connectors.slack.workspace import Channel, Workspace
from connectors.spec import Absent, Done, Reconciled, Unknown
from connectors.wire import Args

SKEW_S = 300  # how far our clock may be from Slack's


async def reconcile(ws: Workspace, tool: str, args: Args, key: str, attempted_at: datetime) -> Reconciled:
    """Unknown where Slack does not let us look; its being busy or out of reach is raised, and asked about later."""
    since_s = wire.epoch(attempted_at) - SKEW_S
    try:
        match tool:
            case "chat.post_message":
                channel = await ws.channel(args["channel"])
                thread_ts = await effects.thread_in(ws, channel, args)
                return await _posted(ws, channel, thread_ts, key, since_s)
            case "chat.send_direct":
                return await _sent_directly(ws, args, key, since_s)
            case "chat.send_file":
                return await _file_sent(ws, args, since_s)
            case "chat.schedule_message":
                return await _scheduled(ws, args, key, since_s)
            case "chat.cancel_scheduled":
                return await _cancelled(ws, args)
            case "chat.update_message":
                return await _updated(ws, args)
            case "chat.delete_message":
                return await _deleted(ws, args)
            case "chat.add_reaction":
                return await _reacted(ws, args)
            case "chat.create_channel":
                return await _created(ws, args, since_s)
            case "chat.invite":
                return await _invited(ws, args)
    except (Forbidden, InvalidCall, NotFound, ReconsentNeeded) as error:
        return Unknown(f"Slack does not let this account look: {error.message}")
    return Unknown(f"Slack cannot tell about {tool}")


async def _posted(ws: Workspace, channel: Channel, thread_ts: str | None, key: str, since_s: int) -> Reconciled:
    window = Window(oldest=messages.ts_of(since_s), lookback_s=0)
    if thread_ts is None:
        await messages.fill(ws, channel.channel_id, window, enough=1 << 30)
        raws = window.tops
        if not window.is_whole:
            return Unknown("too much was said in the channel since")
    else:
        raws = await messages.replies(ws, channel.channel_id, thread_ts, oldest=window.oldest)
    me = await ws.me()
    for raw in raws:
        if effects.key_of(raw) == key and me.wrote(raw):
            return Done(await messages.show_one(ws, channel, raw))
    return Absent()


async def _sent_directly(ws: Workspace, args: Args, key: str, since_s: int) -> Reconciled:
    found = await _place(ws, args)
    return Absent() if found is None else await _posted(ws, found[0], None, key, since_s)


async def _place(ws: Workspace, args: Args) -> tuple[Channel, str | None] | None:
    """As `effects.place`, without opening anything. None where nothing was ever said to that person."""
    if args.get("to") is None:
        channel = await ws.channel(args["channel"])
        return channel, await effects.thread_in(ws, channel, args)
    to = users.reachable(await ws.people(), wire.addresses([args["to"]])[0])
    for channel in await ws.channels("im", fresh=True):
        if channel.other == to.user_id:
            return channel, None
    return None


async def _file_sent(ws: Workspace, args: Args, since_s: int) -> Reconciled:
    found = await _place(ws, args)
    shown = None if found is None else await files.made(ws, args, *found, since_s)
    return Absent() if shown is None else Done(shown)


async def _scheduled(ws: Workspace, args: Args, key: str, since_s: int) -> Reconciled:
    """In the list until its moment; from then on it is a message, which carries the key, and whose id is given in its place."""
    found = await _place(ws, args)
    if found is None:
        return Absent()
    channel, thread_ts = found
    shown = await scheduled.made(ws, args, channel, since_s)
    if shown is not None:
        return Done(shown)
    post_at = wire.parse_time(args["send_at"], "send_at")
    if not scheduled.has_come(post_at):
        return Absent()
    posted = await _posted(ws, channel, thread_ts, key, min(since_s, post_at - SKEW_S))
    if not isinstance(posted, Done):
        return posted
    told: Any = posted.result
    was = {name: told[name] for name in ("channel", "channel_name", "author", "text", "readers")}
    return Done(was | {"scheduled_id": told["message_id"], "send_at": wire.format_time(post_at)})


async def _cancelled(ws: Workspace, args: Args) -> Reconciled:
    _, _, post_at, _ = scheduled.split_id(args["scheduled_id"])
    if await scheduled.is_listed(ws, args["scheduled_id"]):
        return Absent()
    if scheduled.has_come(post_at):
        return Unknown("its moment has come: it was cancelled before, or posted")
    return Done({"scheduled_id": args["scheduled_id"], "cancelled": True})


async def _updated(ws: Workspace, args: Args) -> Reconciled:
    channel, raw = await effects.mine(ws, args["message_id"])
    shown = await messages.show_one(ws, channel, raw)
    return Done(shown) if shown["edited"] and shown["text"] == args["text"] else Absent()


async def _deleted(ws: Workspace, args: Args) -> Reconciled:
    channel_id, _ = messages.split_id(args["message_id"])
    await ws.channel(channel_id)
    try:
        await messages.find(ws, args["message_id"])
    except NotFound:
        return Done({"message_id": args["message_id"], "deleted": True})
    return Absent()


async def _reacted(ws: Workspace, args: Args) -> Reconciled:
    channel, raw = await messages.find(ws, args["message_id"])
    if effects.has_reacted(raw, args["name"].strip(":"), (await ws.me()).user_id):
        return Done(await messages.show_one(ws, channel, raw))
    return Absent()


async def _created(ws: Workspace, args: Args, since_s: int) -> Reconciled:
    ws.forget_channels()
    try:
        channel = await ws.channel("#" + args["name"].removeprefix("#"))
    except NotFound:
        return Absent()
    is_ours = channel.creator == (await ws.me()).user_id and channel.created_at >= since_s
    if not is_ours or channel.is_private != bool(args.get("private")):
        return Absent()
    return Done(effects.lacking(await effects.shown(ws, channel), args))


async def _invited(ws: Workspace, args: Args) -> Reconciled:
    channel = await ws.channel(args["channel"])
    shown = await effects.shown(ws, channel)
    return Done(shown) if set(wire.addresses(args["people"])) <= set(shown["members"]) else Absent()
