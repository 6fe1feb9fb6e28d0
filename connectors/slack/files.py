"""Files in Slack: uploaded aside, where nobody sees them, then posted by one call; listed, and read with the account's token.

An upload can be marked with nothing that Slack gives back, so that a lost answer is found by what it made: a file of this account
in that place, of that name and with that very content, made since the attempt.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from connectors import posting, wire
from connectors.errors import InvalidCall, NotFound
from connectors.slack import effects, messages
from connectors.slack.workspace import ALL, Channel, Workspace
from connectors.wire import Args

Raw = Mapping[str, Any]

PAGE = 200
MOST_PAGES = 20
MOST_BYTES = 20 * 1024 * 1024  # of a file that is posted again
MOST_READ_BYTES = 1024 * 1024  # of a file that is read as text
LOOKS = 4  # for the message that a file has become, which Slack makes a moment after answering
PAUSE_S = 0.4
_GONE = frozenset({"tombstone", "hidden_by_limit"})


async def send_file(ws: Workspace, args: Args, key: str) -> dict[str, Any]:
    posting.check_place(args)
    name, content = await source(ws, args)
    comment = await effects.written(ws, args["text"]) if args.get("text") else None
    channel, thread_ts = await effects.place(ws, args)
    await messages.prepare(ws, channel)
    upload = await ws.line.read("files.getUploadURLExternal", filename=name, length=len(content))
    await ws.line.upload(str(upload["upload_url"]), content)
    file_id = str(upload["file_id"])
    await ws.line.write(
        "files.completeUploadExternal",
        files=[{"id": file_id, "title": name}],
        channel_id=channel.channel_id,
        thread_ts=thread_ts,
        initial_comment=comment,
    )
    return await effects.told(_posted(ws, channel, file_id))


async def _posted(ws: Workspace, channel: Channel, file_id: str) -> dict[str, Any]:
    raw = await _info(ws, file_id)
    for _ in range(LOOKS - 1):
        if _shares(raw, channel.channel_id):
            break
        await asyncio.sleep(PAUSE_S)
        raw = await _info(ws, file_id)
    return await show(ws, channel, raw)


async def source(ws: Workspace, args: Args) -> tuple[str, bytes]:
    """Name and content of the file to post."""
    match posting.source_of(args):
        case posting.Written(name=name, content=text):
            return name, text.encode()
        case posting.Posted(file_id=file_id):
            raw = await _info(ws, file_id)
            await _placed(ws, raw)
            if int(raw.get("size") or 0) > MOST_BYTES:
                raise InvalidCall("the file is larger than 20 MB", fix="Post a smaller one, or a link to it.")
            return posting.file_name(str(raw["name"])), await _content(ws, raw)
        case posting.Attached():
            raise InvalidCall(
                "Slack does not reach the mailbox that has this attachment",
                fix="Read it with mail.get_attachment, and give its name and text as name and content.",
            )


async def list_files(ws: Workspace, args: Args) -> dict[str, Any]:
    channel = await ws.channel(args["channel"]) if args.get("channel") is not None else None
    author = None
    if args.get("author") is not None:
        person = (await ws.people()).find(wire.lower(args["author"]))
        if person is None:
            return {"files": [], "next": None}
        author = person.user_id
    position = wire.read_cursor(args, int, str)
    since, until = wire.time_of(args, "since"), wire.time_of(args, "until")
    latest = [bound for bound in (until, position[0] if position else None) if bound is not None]
    wanted, limit = wire.words(args.get("query")), wire.limit_of(args)
    found: list[Raw] = []
    async for page in _pages(ws, channel, author, since, min(latest, default=None)):
        found += [
            raw
            for raw in page
            if (position is None or _order(raw) < (position[0], position[1]))
            and (until is None or _order(raw)[0] < until)
            and all(word in wire.fold(str(raw.get("name") or "")) for word in wanted)
        ]
        found.sort(key=_order, reverse=True)
        if len(found) > limit and page and _order(page[-1])[0] < _order(found[limit - 1])[0]:
            break
    shown = [await show(ws, channel or await _placed(ws, raw), raw) for raw in found[:limit]]
    last = found[limit - 1] if len(found) > limit else None
    return {"files": shown, "next": None if last is None else wire.write_cursor(list(_order(last)))}


async def _pages(
    ws: Workspace, channel: Channel | None, author: str | None, since: int | None, latest: int | None
) -> AsyncIterator[list[Raw]]:
    """Files that the account may see where they were posted, page by page, newest first."""
    for number in range(1, MOST_PAGES + 1):
        answer = await ws.line.read(
            "files.list",
            channel=None if channel is None else channel.channel_id,
            user=author,
            ts_from=since,
            ts_to=latest,
            count=PAGE,
            page=number,
        )
        page = [raw for raw in answer.get("files") or () if raw.get("mode") not in _GONE]
        yield page if channel is not None else [raw for raw in page if await _place(ws, raw) is not None]
        if number >= int((answer.get("paging") or {}).get("pages") or 0):
            return


def _order(raw: Raw) -> tuple[int, str]:
    return int(raw.get("created") or 0), str(raw["id"])


async def get_file(ws: Workspace, args: Args) -> dict[str, Any]:
    raw = await _info(ws, args["file_id"])
    shown = await show(ws, await _placed(ws, raw), raw)
    text = None
    if shown["size_bytes"] <= MOST_READ_BYTES and posting.is_text(shown["mime"]):
        text = posting.text_of(await _content(ws, raw), shown["mime"])
    return shown | {"text": text}


async def _info(ws: Workspace, file_id: str) -> Raw:
    if not (file_id.startswith("F") and file_id.isalnum()):
        raise NotFound(f"there is no file {file_id[:80]!r}", fix="Find it with chat.list_files.")
    raw: Raw = (await ws.line.read("files.info", file=file_id)).get("file") or {}
    if not raw.get("id") or raw.get("mode") in _GONE:
        raise NotFound(f"there is no file {file_id[:80]!r}", fix="Find it with chat.list_files.")
    return raw


async def _content(ws: Workspace, raw: Raw) -> bytes:
    url = str(raw.get("url_private_download") or raw.get("url_private") or "")
    return await ws.line.download(url, is_page="html" in str(raw.get("mimetype")))


async def _place(ws: Workspace, raw: Raw) -> Channel | None:
    """Where the file was posted, as far as this account can see: an open place before a closed one."""
    known = {one.channel_id: one for one in await ws.channels(ALL)}
    for kind in ("channels", "groups", "ims"):
        for channel_id in map(str, raw.get(kind) or ()):
            try:
                found = known.get(channel_id) or await ws.channel(channel_id)
            except NotFound:
                continue
            if found.is_member or not (found.is_private or found.is_direct):
                return found
    return None


async def _placed(ws: Workspace, raw: Raw) -> Channel:
    channel = await _place(ws, raw)
    if channel is None:
        raise NotFound(f"there is no file {raw['id']!r}", fix="Find it with chat.list_files.")
    return channel


def _shares(raw: Raw, channel_id: str) -> list[Raw]:
    """The messages of one channel that the file became."""
    return [
        share
        for kind in ("public", "private")
        for share in ((raw.get("shares") or {}).get(kind) or {}).get(channel_id) or ()
    ]


async def show(ws: Workspace, channel: Channel, raw: Raw) -> dict[str, Any]:
    author_id = str(raw.get("user") or "")
    author = (await ws.people([author_id])).get(author_id)
    shares = _shares(raw, channel.channel_id)
    return {
        "file_id": str(raw["id"]),
        "name": str(raw.get("name") or raw.get("title") or ""),
        "mime": str(raw.get("mimetype") or "application/octet-stream"),
        "size_bytes": int(raw.get("size") or 0),
        "message_id": messages.message_id(channel.channel_id, str(shares[0]["ts"])) if shares else None,
        "channel": channel.channel_id,
        "channel_name": channel.shown_name,
        "author": author.address,
        "author_name": author.name,
        "sent_at": wire.format_time(int(raw.get("created") or 0)),
        "readers": await ws.readers(channel),
    }


async def made(
    ws: Workspace, args: Args, channel: Channel, thread_ts: str | None, since_s: int
) -> dict[str, Any] | None:
    """The file that a call with these arguments made since then, if it is there."""
    name, content = await source(ws, args)
    async for page in _pages(ws, channel, (await ws.me()).user_id, since_s, None):
        for raw in page:
            if raw.get("name") != name or int(raw.get("size") or 0) != len(content):
                continue
            threads = [_thread_of(share) for share in _shares(raw, channel.channel_id)]
            if thread_ts in threads and await _content(ws, raw) == content:
                return await show(ws, channel, raw)
    return None


def _thread_of(share: Raw) -> str | None:
    first = share.get("thread_ts")
    return None if first is None or first == share["ts"] else str(first)
