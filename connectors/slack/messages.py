"""Messages as the chat family tells them, and reading a channel: answers in threads stand among the others, by time.

Slack lists a channel without the answers in its threads. They are fetched thread by thread; an answer to a thread that began
more than `LOOKBACK_S` before the page it belongs to is found by chat.get_thread alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors import wire
from connectors.errors import InvalidCall, NotFound
from connectors.slack import text
from connectors.slack.people import People, stand_in
from connectors.slack.workspace import Channel, Workspace
from connectors.wire import Args

Raw = Mapping[str, Any]

PAGE = 200
LOOKBACK_S = 7 * 24 * 3600
MOST_PAGES = 10  # of one window
_SAID = frozenset({"", "bot_message", "me_message", "file_share", "thread_broadcast"})  # all other subtypes are notices


def message_id(channel_id: str, ts: str) -> str:
    return f"{channel_id}:{ts}"


def split_id(one: str) -> tuple[str, str]:
    """Channel id and Slack's time of a message id. NotFound for one that Slack never gave."""
    channel_id, _, ts = one.partition(":")
    seconds, _, part = ts.partition(".")
    if not channel_id or not seconds.isdigit() or not part.isdigit():
        raise NotFound(f"there is no chat message {one!r}", fix="Find it with chat.search.")
    return channel_id, ts


def ts_of(seconds: int) -> str:
    """Slack's form of a time: sorts as text, like every other."""
    return f"{max(seconds, 0):010d}.000000"


def sent_s(raw: Raw) -> int:
    return int(str(raw["ts"]).partition(".")[0])


def is_said(raw: Raw) -> bool:
    """Whether somebody said it; joining, renaming and deleted first messages of threads are only notices."""
    return str(raw.get("subtype") or "") in _SAID


def thread_of(raw: Raw) -> str | None:
    """The first message's time, for an answer in a thread."""
    first = raw.get("thread_ts")
    return None if first is None or first == raw["ts"] else str(first)


def people_in(raws: Iterable[Raw]) -> set[str]:
    """User ids of authors, of who is mentioned, and of who reacted."""
    found: set[str] = set()
    for raw in raws:
        found.add(str(raw.get("user") or ""))
        found.update(text.mentioned(text.of_message(raw)))
        for reaction in raw.get("reactions") or ():
            found.update(str(one) for one in reaction.get("users") or ())
    return found - {""}


async def show(ws: Workspace, channel: Channel, raws: Sequence[Raw]) -> list[dict[str, Any]]:
    """Records of messages of one channel, in the order given."""
    if not raws:
        return []
    people = await ws.people(people_in(raws))
    readers = await ws.readers(channel)
    names = {one.channel_id: one.name for one in await ws.channels()}
    return [_record(raw, channel, people, names, readers) for raw in raws]


async def prepare(ws: Workspace, channel: Channel) -> None:
    """Before an effect: what showing its answer will need, so that nothing can fail between the two."""
    await ws.people()
    await ws.me()
    await ws.readers(channel)
    await ws.channels()


async def show_one(ws: Workspace, channel: Channel, raw: Raw) -> dict[str, Any]:
    return (await show(ws, channel, [raw]))[0]


def plain(raw: Raw, people: People, names: Mapping[str, str]) -> str:
    return text.read(
        text.of_message(raw), lambda user_id: people.get(user_id).handle, lambda one: names.get(one) or one
    )


def _record(
    raw: Raw, channel: Channel, people: People, names: Mapping[str, str], readers: list[str] | None
) -> dict[str, Any]:
    author = (
        people.get(str(raw["user"]))
        if raw.get("user")
        else stand_in(str(raw.get("bot_id") or "unknown"), people.team_id, str(raw.get("username") or ""))
    )
    first = thread_of(raw)
    return {
        "message_id": message_id(channel.channel_id, str(raw["ts"])),
        "channel": channel.channel_id,
        "channel_name": channel.shown_name,
        "author": author.address,
        "author_name": author.name,
        "text": plain(raw, people, names),
        "sent_at": wire.format_time(sent_s(raw)),
        "thread_id": None if first is None else message_id(channel.channel_id, first),
        "reply_count": int(raw.get("reply_count") or 0),
        "reactions": [
            {"name": str(one["name"]), "by": sorted(people.get(str(who)).address for who in one.get("users") or ())}
            for one in raw.get("reactions") or ()
        ],
        "edited": bool(raw.get("edited")),
        "files": [
            {
                "file_id": str(one["id"]),
                "name": str(one.get("name") or one.get("title") or ""),
                "mime": str(one.get("mimetype") or "application/octet-stream"),
                "size_bytes": int(one.get("size") or 0),
            }
            for one in raw.get("files") or ()
            if one.get("id") and one.get("mode") != "tombstone"
        ],
        "readers": readers,
    }


# ---- reading a channel ---------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Window:
    """Messages with `oldest` <= ts < `latest` (Slack's times; empty: no bound), and whether something is missing."""

    oldest: str = ""
    latest: str = ""
    lookback_s: int = LOOKBACK_S  # how far before `oldest` threads may have begun whose answers count
    tops: list[Raw] = field(default_factory=list)  # reaching back beyond `oldest` for the sake of threads
    is_whole: bool = True

    def holds(self, raw: Raw) -> bool:
        ts = str(raw["ts"])
        return (not self.oldest or ts >= self.oldest) and (not self.latest or ts < self.latest)


async def fill(ws: Workspace, channel_id: str, window: Window, *, enough: int, most_pages: int = MOST_PAGES) -> str:
    """Reads a channel backwards into `window.tops` until `enough` of them lie in it and threads are looked back upon.

    Returns the time before which answers cannot belong to the newest `enough`.
    """
    floor = window.oldest
    cursor: str | None = None
    for _ in range(most_pages):
        answer = await ws.line.read(
            "conversations.history",
            channel=channel_id,
            limit=PAGE,
            cursor=cursor,
            oldest=_before(window.oldest, window.lookback_s) or None,
            latest=window.latest or None,
            include_all_metadata=True,
        )
        page = [raw for raw in answer.get("messages") or () if not window.latest or str(raw["ts"]) < window.latest]
        window.tops += page
        inside = sorted((str(raw["ts"]) for raw in window.tops if is_said(raw) and window.holds(raw)), reverse=True)
        if len(inside) >= enough:
            floor = max(floor, inside[enough - 1])
        cursor = (answer.get("response_metadata") or {}).get("next_cursor") or None
        # Slack gives the newest page first, but does not promise it where only `oldest` is named: then all are read.
        is_backwards = bool(window.latest) or not window.oldest
        is_far = bool(floor and page) and min(str(raw["ts"]) for raw in page) < _before(floor, window.lookback_s)
        if cursor is None or (is_backwards and is_far):
            return floor
    window.is_whole = False
    return floor


async def answers(ws: Workspace, channel_id: str, window: Window, floor: str) -> list[Raw]:
    """Answers in threads of `window.tops` that lie in the window, not before `floor`."""
    found: list[Raw] = []
    for top in window.tops:
        if not top.get("reply_count") or str(top.get("latest_reply") or "~") < floor:
            continue
        thread = await replies(ws, channel_id, str(top["ts"]), oldest=floor)
        # An answer that was sent to the channel as well is there already.
        found += [raw for raw in thread if thread_of(raw) and window.holds(raw) and str(raw["ts"]) >= floor]
    known = {str(raw["ts"]) for raw in window.tops}
    return [raw for raw in found if str(raw["ts"]) not in known]


async def replies(ws: Workspace, channel_id: str, ts: str, *, oldest: str = "") -> list[Raw]:
    """A thread by its first message, which comes first; or, by the time of any other message, that one alone."""
    found: list[Raw] = []
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        answer = await ws.line.read(
            "conversations.replies",
            channel=channel_id,
            ts=ts,
            limit=PAGE,
            cursor=cursor,
            oldest=oldest or None,
            inclusive=True if oldest else None,
            include_all_metadata=True,
        )
        found += answer.get("messages") or ()
        cursor = (answer.get("response_metadata") or {}).get("next_cursor") or None
        if cursor is None:
            break
    return found


def _before(ts: str, seconds: int) -> str:
    return ts_of(int(ts.partition(".")[0]) - seconds) if ts else ""


async def history(ws: Workspace, args: Args) -> dict[str, Any]:
    channel = await ws.channel(args["channel"])
    newest_first = args.get("order", "newest") == "newest"
    since, until = wire.time_of(args, "since"), wire.time_of(args, "until")
    position = wire.read_cursor(args, str)
    limit = wire.limit_of(args)
    window = Window(
        oldest="" if since is None else ts_of(since),
        latest="" if until is None else ts_of(until),
    )
    after = ""
    if position:
        if newest_first:
            window.latest = min(window.latest or "~", position[0])
        else:
            after = position[0]
            window.oldest = max(window.oldest, after)
    floor = await fill(ws, channel.channel_id, window, enough=limit + 1 if newest_first else 1 << 30)
    if not window.is_whole and (not newest_first or (window.oldest and not window.latest)):
        raise InvalidCall(
            f"more than {MOST_PAGES * PAGE} messages lie in that time",
            fix="Name since and until, or read newest first.",
        )
    raws = [raw for raw in window.tops if window.holds(raw)]
    raws += await answers(ws, channel.channel_id, window, floor)
    said = sorted(
        (raw for raw in raws if is_said(raw) and str(raw["ts"]) != after),
        key=lambda raw: str(raw["ts"]),
        reverse=newest_first,
    )
    page = said[:limit]
    has_more = len(said) > limit
    return {
        "messages": await show(ws, channel, page),
        "next": wire.write_cursor([str(page[-1]["ts"])]) if has_more else None,
    }


async def find(ws: Workspace, one: str) -> tuple[Channel, Raw]:
    """A message the account may see, by its id."""
    channel_id, ts = split_id(one)
    channel = await ws.channel(channel_id)
    # A thread's first message comes first, whatever the limit; any other is the only one.
    answer = await ws.line.read(
        "conversations.replies", channel=channel.channel_id, ts=ts, limit=2, include_all_metadata=True
    )
    page = list(answer.get("messages") or ())
    if (answer.get("response_metadata") or {}).get("next_cursor") and ts not in {str(raw["ts"]) for raw in page}:
        page = await replies(
            ws, channel.channel_id, ts
        )  # Slack's page leaves open whether an answer brings its whole thread
    for raw in page:
        if str(raw["ts"]) == ts and is_said(raw):
            return channel, raw
    raise NotFound(f"there is no chat message {one!r}", fix="Find it with chat.search.")


async def get_thread(ws: Workspace, args: Args) -> dict[str, Any]:
    channel, one = await find(ws, args["message_id"])
    thread = await replies(ws, channel.channel_id, thread_of(one) or str(one["ts"]))
    said = sorted((raw for raw in thread if is_said(raw)), key=lambda raw: str(raw["ts"]))
    return {"messages": await show(ws, channel, said)}
