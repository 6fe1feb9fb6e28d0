"""What changes Slack: one POST for each call, after reads that find the place and say who may.

A message carries the gate's key in its metadata, invisible to people; reading it back is the only proof there is, since Slack
refuses no second message. Links are never unfolded: Slack would fetch them, and tell their owner what was written.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import Any

from connectors import wire
from connectors.errors import ConnectorError, Forbidden, InvalidCall, NotFound, OutcomeUnknown
from connectors.slack import messages, text
from connectors.slack import people as users
from connectors.slack.messages import Raw
from connectors.slack.workspace import Channel, Workspace, channel_of
from connectors.wire import Args

EVENT_TYPE = "deputy_effect"  # of our metadata
MOST_TEXT = 40_000  # Slack cuts a longer message off, and posts the rest ("Changes to message length limits")


def metadata(key: str) -> dict[str, Any]:
    return {"event_type": EVENT_TYPE, "event_payload": {"key": key}}


def key_of(raw: Raw) -> str | None:
    """The gate's key that a message carries."""
    carried = raw.get("metadata") or {}
    if carried.get("event_type") != EVENT_TYPE:
        return None
    key = (carried.get("event_payload") or {}).get("key")
    return str(key) if key else None


async def written(ws: Workspace, plain: str) -> str:
    """The text as Slack takes it. InvalidCall for nothing, and for more than Slack would keep."""
    if not plain.strip():
        raise InvalidCall("the text is empty", fix="Write something.")
    escaped = text.write(plain, (await ws.people()).handles())
    if len(escaped) > MOST_TEXT:
        raise InvalidCall(f"the text is longer than {MOST_TEXT} characters", fix="Write less, or several messages.")
    return escaped


async def post_message(ws: Workspace, args: Args, key: str) -> dict[str, Any]:
    channel, thread_ts = await place(ws, args)
    return await _post(ws, channel, args["text"], key, thread_ts)


async def place(ws: Workspace, args: Args) -> tuple[Channel, str | None]:
    """The channel, and the time of the thread's first message, that a post to `to`, or to `channel`, goes into."""
    if args.get("to") is not None:
        return await _direct(ws, args["to"]), None
    channel = await ws.channel(args["channel"], join=True)
    return channel, await thread_in(ws, channel, args)


async def thread_in(ws: Workspace, channel: Channel, args: Args) -> str | None:
    """The time of the first message of the thread that a post goes into."""
    if args.get("thread_id") is None:
        return None
    where, first = await messages.find(ws, args["thread_id"])
    if where.channel_id != channel.channel_id:
        raise InvalidCall("the thread is in another channel", fix="Name the thread's own channel.")
    return messages.thread_of(first) or str(first["ts"])


async def send_direct(ws: Workspace, args: Args, key: str) -> dict[str, Any]:
    body = await written(ws, args["text"])
    return await _posted(ws, await _direct(ws, args["to"]), body, key, None)


async def _direct(ws: Workspace, address: str) -> Channel:
    to = users.reachable(await ws.people(), wire.addresses([address])[0])
    me = await ws.me()
    if to.user_id == me.user_id:
        raise InvalidCall("a direct message needs somebody else", fix="Choose somebody of chat.list_users.")
    # Opening what may be open already changes nothing that anybody sees.
    opened = await ws.line.read("conversations.open", users=to.user_id)
    return Channel(
        channel_id=str(opened["channel"]["id"]),
        name="",
        is_private=True,
        is_direct=True,
        is_member=True,
        other=to.user_id,
    )


async def _post(ws: Workspace, channel: Channel, plain: str, key: str, thread_ts: str | None) -> dict[str, Any]:
    return await _posted(ws, channel, await written(ws, plain), key, thread_ts)


async def _posted(ws: Workspace, channel: Channel, body: str, key: str, thread_ts: str | None) -> dict[str, Any]:
    await messages.prepare(ws, channel)
    answer = await ws.line.write(
        "chat.postMessage",
        channel=channel.channel_id,
        text=body,
        thread_ts=thread_ts,
        metadata=metadata(key),
        unfurl_links=False,
        unfurl_media=False,
    )
    posted = {"ts": answer.get("ts"), **(answer.get("message") or {})}
    return await told(messages.show_one(ws, channel, posted))


async def told(record: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    """The answer of an effect that happened. INVARIANT: from here on no error may say that nothing did."""
    try:
        return await record
    except OutcomeUnknown:
        raise
    except ConnectorError as error:
        raise OutcomeUnknown("Slack did it, but does not show it now", fix="Ask what became of it.") from error


async def mine(ws: Workspace, message_id: str) -> tuple[Channel, Raw]:
    """A message the account wrote itself. Forbidden for anybody else's."""
    channel, raw = await messages.find(ws, message_id)
    if not (await ws.me()).wrote(raw):
        raise Forbidden("only the author can change a message", fix="Write one of your own.")
    return channel, raw


async def update_message(ws: Workspace, args: Args) -> dict[str, Any]:
    channel, raw = await mine(ws, args["message_id"])
    body = await written(ws, args["text"])
    await messages.prepare(ws, channel)
    answer = await ws.line.write(
        "chat.update",
        channel=channel.channel_id,
        ts=str(raw["ts"]),
        text=body,
        metadata=raw.get("metadata"),  # the key of the post stays with it
        parse="none",  # chat.update's default looks for names and channels, unlike chat.postMessage's
        link_names=False,
    )
    changed = {**raw, **(answer.get("message") or {"text": answer.get("text")}), "edited": True}
    return await told(messages.show_one(ws, channel, changed))


async def delete_message(ws: Workspace, args: Args) -> dict[str, Any]:
    """Done as well where it is gone already."""
    done = {"message_id": args["message_id"], "deleted": True}
    channel_id, _ = messages.split_id(args["message_id"])
    await ws.channel(channel_id)
    try:
        channel, raw = await mine(ws, args["message_id"])
        await ws.line.write("chat.delete", channel=channel.channel_id, ts=str(raw["ts"]))
    except NotFound:
        return done
    return done


async def add_reaction(ws: Workspace, args: Args) -> dict[str, Any]:
    channel, raw = await messages.find(ws, args["message_id"])
    name = args["name"].strip(":")
    me = (await ws.me()).user_id
    if not has_reacted(raw, name, me):
        await messages.prepare(ws, channel)
        try:
            await ws.line.write("reactions.add", channel=channel.channel_id, timestamp=str(raw["ts"]), name=name)
        except InvalidCall as error:
            if "already_reacted" not in error.message:
                raise
        raw = with_reaction(raw, name, me)
    return await told(messages.show_one(ws, channel, raw))


def has_reacted(raw: Raw, name: str, user_id: str) -> bool:
    return any(one["name"] == name and user_id in (one.get("users") or ()) for one in raw.get("reactions") or ())


def with_reaction(raw: Raw, name: str, user_id: str) -> Raw:
    """The message as it is after the reaction."""
    reactions = [dict(one) for one in raw.get("reactions") or ()]
    for one in reactions:
        if one["name"] == name:
            one["users"] = [*(one.get("users") or ()), user_id]
            return {**raw, "reactions": reactions}
    return {**raw, "reactions": [*reactions, {"name": name, "users": [user_id]}]}


async def create_channel(ws: Workspace, args: Args) -> dict[str, Any]:
    """The channel is the effect. What could not be done to it afterwards is named in `lacking`, never hidden."""
    invited = await people_to_add(ws, args.get("members"))
    await ws.me()
    name = args["name"].removeprefix("#")
    created = await ws.line.write("conversations.create", name=name, is_private=bool(args.get("private")))
    channel = channel_of({"is_member": True, **created["channel"]})
    return await told(_furnished(ws, channel, args, invited))


async def _furnished(ws: Workspace, channel: Channel, args: Args, invited: Sequence[str]) -> dict[str, Any]:
    if purpose := args.get("purpose"):
        with suppress(ConnectorError):
            await ws.line.write("conversations.setPurpose", channel=channel.channel_id, purpose=text.escape(purpose))
    with suppress(ConnectorError):
        if invited and (missing := await _not_in(ws, channel, invited)):
            await ws.line.write("conversations.invite", channel=channel.channel_id, users=",".join(missing))
    return lacking(await shown(ws, channel), args)


def lacking(channel: dict[str, Any], args: Args) -> dict[str, Any]:
    """The new channel, and in `lacking` what was wanted of it and is not so."""
    missing = ["purpose"] if args.get("purpose") and channel["purpose"] != args["purpose"] else []
    missing += ["members"] if set(wire.addresses(args.get("members"))) - set(channel["members"]) else []
    return channel | ({"lacking": missing} if missing else {})


async def people_to_add(ws: Workspace, given: Sequence[str] | None) -> list[str]:
    """User ids of addresses. NotFound for who is not in the chat."""
    people = await ws.people()
    return [users.reachable(people, address).user_id for address in wire.addresses(given)]


async def shown(ws: Workspace, channel: Channel) -> dict[str, Any]:
    """The channel as it is now, read afresh."""
    ws.forget_channels(channel.channel_id)
    return await ws.show_channel(await ws.channel(channel.channel_id))


async def invite(ws: Workspace, args: Args) -> dict[str, Any]:
    channel = await ws.channel(args["channel"], join=True)
    if channel.is_direct:
        raise InvalidCall("nobody can be added to a direct conversation", fix="Create a channel.")
    if missing := await _not_in(ws, channel, await people_to_add(ws, args["people"])):
        await ws.line.write("conversations.invite", channel=channel.channel_id, users=",".join(missing))
    return await told(shown(ws, channel))


async def _not_in(ws: Workspace, channel: Channel, user_ids: Sequence[str]) -> list[str]:
    ws.forget_channels(channel.channel_id)
    inside = set(await ws.members(channel)) | {(await ws.me()).user_id}
    return [one for one in dict.fromkeys(user_ids) if one not in inside]
