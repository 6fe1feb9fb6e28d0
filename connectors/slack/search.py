"""Searching chat. Slack's own search needs a person's token; without one the newest history of the account's channels is read.

With a user token search.messages is asked, and what it finds is shown as far as the acting account may see it itself; reply
counts and reactions are not in its answer, so read the thread for those. Without one at most `MOST_CHANNELS` channels are read,
`PAGES` pages back in each: an answer that could not look everywhere says so in `incomplete`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from connectors import wire
from connectors.errors import Forbidden, NotFound, RateLimited
from connectors.slack import messages, text
from connectors.slack.line import Line
from connectors.slack.messages import Raw, Window
from connectors.slack.people import People
from connectors.slack.workspace import ALL, AT_ONCE, Channel, Workspace
from connectors.wire import Args

MOST_CHANNELS = 200
PAGES = 3
FOUND_PAGE = 100  # of search.messages, its largest
FOUND_PAGES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    words: Sequence[str]
    author: str | None  # user id; empty where nobody has the address
    mentions: str | None
    window: Window

    def met(self, raw: Raw, people: People, names: Mapping[str, str]) -> bool:
        if not messages.is_said(raw) or not self.window.holds(raw):
            return False
        if self.author is not None and raw.get("user") != self.author:
            return False
        if self.mentions is not None and self.mentions not in text.mentioned(text.of_message(raw)):
            return False
        folded = wire.fold(messages.plain(raw, people, names)) if self.words else ""
        return all(word in folded for word in self.words)


async def search(ws: Workspace, args: Args) -> dict[str, Any]:
    people = await ws.people()
    channel = None if args.get("channel") is None else await ws.channel(args["channel"])
    since, until = wire.time_of(args, "since"), wire.time_of(args, "until")
    position = wire.read_cursor(args, str, str)
    window = Window(
        oldest="" if since is None else messages.ts_of(since), latest="" if until is None else messages.ts_of(until)
    )
    conditions = Conditions(
        words=wire.words(args.get("query")),
        author=_user_id(people, args.get("author")),
        mentions=_user_id(people, args.get("mentions")),
        window=window,
    )
    if conditions.author == "" or conditions.mentions == "":
        return {"messages": [], "next": None}
    limit = wire.limit_of(args)
    if ws.searching is not None and conditions.words:
        found, incomplete = await _asked(ws, ws.searching, args, conditions, channel)
    else:
        found, incomplete = await _read(ws, conditions, channel)
    found = sorted(
        {(one.channel_id, str(raw["ts"])): (one, raw) for one, raw in found}.values(),
        key=lambda pair: (str(pair[1]["ts"]), pair[0].channel_id),
        reverse=True,
    )
    if position:
        found = [(one, raw) for one, raw in found if (str(raw["ts"]), one.channel_id) < (position[0], position[1])]
    page = found[:limit]
    answer: dict[str, Any] = {
        "messages": [record for one, raw in page for record in await messages.show(ws, one, [raw])],
        "next": wire.write_cursor([str(page[-1][1]["ts"]), page[-1][0].channel_id]) if len(found) > limit else None,
    }
    return answer | ({"incomplete": incomplete} if incomplete else {})


def _user_id(people: People, address: str | None) -> str | None:
    if address is None:
        return None
    person = people.find(wire.lower(address))
    return "" if person is None else person.user_id


# ---- by reading ----------------------------------------------------------------------------------------------------


async def _read(
    ws: Workspace, conditions: Conditions, channel: Channel | None
) -> tuple[list[tuple[Channel, Raw]], str]:
    joined = [one for one in await ws.channels(ALL, fresh=True) if one.is_member]
    wanted = joined if channel is None else [channel]
    notes = {"not every channel was read"} if len(wanted) > MOST_CHANNELS else set()
    names = {one.channel_id: one.name for one in await ws.channels()}
    at_once = asyncio.Semaphore(AT_ONCE)

    async def read(one: Channel) -> list[tuple[Channel, Raw]]:
        window = Window(conditions.window.oldest, conditions.window.latest)
        raws: list[Raw] = []
        async with at_once:
            try:
                floor = await messages.fill(ws, one.channel_id, window, enough=1 << 30, most_pages=PAGES)
                raws = [raw for raw in window.tops if window.holds(raw)]
                raws += await messages.answers(ws, one.channel_id, window, floor)
            except RateLimited:
                notes.add("Slack's limit for reading was reached")
            except (NotFound, Forbidden):  # left since the list was read
                if channel is not None:
                    raise
        if not window.is_whole:
            notes.add(f"only the newest {PAGES * messages.PAGE} messages of each channel were read")
        people = await ws.people(messages.people_in(raws))
        return [(one, raw) for raw in raws if conditions.met(raw, people, names)]

    lists = await asyncio.gather(*(read(one) for one in wanted[:MOST_CHANNELS]))
    return [pair for pairs in lists for pair in pairs], "; ".join(sorted(notes))


# ---- by asking -----------------------------------------------------------------------------------------------------


async def _asked(
    ws: Workspace, line: Line, args: Args, conditions: Conditions, channel: Channel | None
) -> tuple[list[tuple[Channel, Raw]], str]:
    seen = {one.channel_id: one for one in await ws.channels(ALL, fresh=True) if one.is_member or not one.is_private}
    people = await ws.people()
    names = {one.channel_id: one.name for one in seen.values()}
    question = _question(args, conditions, channel)
    found: list[tuple[Channel, Raw]] = []
    for number in range(1, FOUND_PAGES + 1):
        answer = await line.read(
            "search.messages", query=question, sort="timestamp", sort_dir="desc", count=FOUND_PAGE, page=number
        )
        hits: Mapping[str, Any] = answer.get("messages") or {}
        for hit in hits.get("matches") or ():
            one = seen.get(str((hit.get("channel") or {}).get("id")))
            raw = _raw(hit)
            fits = one is not None and (channel is None or one.channel_id == channel.channel_id)
            if one is not None and fits and conditions.met(raw, people, names):
                found.append((one, raw))
        pages = int((hits.get("paging") or {}).get("pages") or 1)
        if number >= pages:
            return found, ""
    return found, f"only the newest {FOUND_PAGES * FOUND_PAGE} hits were looked at"


def _question(args: Args, conditions: Conditions, channel: Channel | None) -> str:
    """In Slack's search language. Words are quoted, so that none of them is taken for one of its modifiers."""
    parts = [f'"{bare}"' for word in str(args.get("query") or "").split() if (bare := re.sub(r'["“”]', "", word))]
    if channel is not None and channel.name:
        parts.append(f"in:{channel.name}")
    if conditions.author:
        parts.append(f"from:<@{conditions.author}>")
    if conditions.mentions:
        parts.append(f"<@{conditions.mentions}>")
    return " ".join(parts)


def _raw(hit: Raw) -> Raw:
    """A hit as a message of a channel. Its permalink alone says in which thread it stands."""
    thread = parse_qs(urlsplit(str(hit.get("permalink") or "")).query).get("thread_ts")
    return {**hit, "thread_ts": thread[0]} if thread else hit
