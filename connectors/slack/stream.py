"""Following the account's channels without a public address: each is read from where it was left, a few at every turn, and with
half of what Slack allows at most.

What Deputy itself posted is left out, so that nothing answers itself. Reported once each are messages and answers in threads
that began less than `LOOKBACK_S` ago; edits, deletions and reactions are not followed.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.errors import Forbidden, InvalidCall, NotFound, RateLimited, Unreachable
from connectors.slack import effects, messages
from connectors.slack.messages import Raw, Window
from connectors.slack.workspace import ALL, Channel, Workspace
from connectors.spec import Change, Changes

CHANNELS_A_TURN = 20
POLL_S = 20.0
LOOKBACK_S = 2 * 24 * 3600
MOST_PAGES = 40  # of one channel at one turn; who is further behind gets the newest, and is told so


@dataclass(slots=True)
class Cursor:
    """Slack's times. A channel that is not in `last` counts from `since`."""

    since: str
    last: dict[str, str] = field(default_factory=dict)
    begin: str = ""  # id of the channel the next turn begins with; empty: the first, of a new round
    mark: str = ""  # `since` of the next round: the newest that was known when this one began

    def write(self) -> str:
        value = json.dumps([self.since, self.begin, self.mark, self.last], separators=(",", ":"))
        return base64.urlsafe_b64encode(value.encode()).decode()


def read_cursor(written: str) -> Cursor:
    try:
        *times, last = json.loads(base64.urlsafe_b64decode(written.encode()))
        since, begin, mark = times
        fits = all(isinstance(one, str) for one in times) and isinstance(last, dict)
    except (ValueError, TypeError, binascii.Error):
        fits = False
    if not fits:
        raise InvalidCall("the cursor is none of Slack's", fix="Begin without one.")
    return Cursor(since=since, begin=begin, mark=mark, last={str(name): str(ts) for name, ts in last.items()})


async def changes(ws: Workspace, cursor: str | None) -> Changes:
    if cursor is None:
        _, now = await ws.line.read_at("auth.test")
        if now is None:
            raise Unreachable("Slack does not say what time it is", fix="Try again later.")
        return Changes(changes=(), cursor=Cursor(since=messages.ts_of(now)).write())
    place = read_cursor(cursor)
    joined = sorted(
        (one for one in await ws.channels(ALL, fresh=not place.begin) if one.is_member), key=lambda one: one.channel_id
    )
    if not place.begin:
        place.mark = max([place.since, *place.last.values()])
    place.last = {one.channel_id: place.last[one.channel_id] for one in joined if one.channel_id in place.last}
    waiting = [one for one in joined if one.channel_id >= place.begin]
    found: list[Change] = []
    is_behind = False
    for number, channel in enumerate(waiting):
        try:
            if number >= CHANNELS_A_TURN:
                break
            if not ws.line.has_room("conversations.history"):
                raise RateLimited("following leaves the rest of Slack's limit to people", retry_after_s=POLL_S)
            new, is_whole = await _new(ws, channel, place)
            found += new
            is_behind = is_behind or not is_whole
        except RateLimited:
            if number == 0:
                raise
            break
        except (NotFound, Forbidden):  # left since the list was read
            continue
    else:
        number = len(waiting)
    rest = waiting[number:]
    place.begin = rest[0].channel_id if rest else ""
    if not rest:
        # INVARIANT: what a channel that is not listed yet may have said since this round began is told when it is.
        place.since = place.mark
    found.sort(key=lambda change: change.change_id.partition(":")[2])
    return Changes(changes=found, cursor=place.write(), more=bool(rest), is_resync=is_behind)


async def _new(ws: Workspace, channel: Channel, place: Cursor) -> tuple[Sequence[Change], bool]:
    last = place.last.get(channel.channel_id, place.since)
    window = Window(oldest=last, lookback_s=LOOKBACK_S)
    await messages.fill(ws, channel.channel_id, window, enough=1 << 30, most_pages=MOST_PAGES)
    answers = await messages.answers(ws, channel.channel_id, window, last)
    horizon = _horizon(window.tops, answers, last)
    raws = [raw for raw in (*window.tops, *answers) if last < str(raw["ts"]) <= horizon]
    raws.sort(key=lambda raw: str(raw["ts"]))
    me = await ws.me()
    said = [raw for raw in raws if messages.is_said(raw) and not (me.wrote(raw) and effects.key_of(raw))]
    records = await messages.show(ws, channel, said)
    place.last[channel.channel_id] = horizon  # only now: whatever fails above is read again
    return [_change(record) for record in records], window.is_whole


def _horizon(tops: Sequence[Raw], answers: Sequence[Raw], last: str) -> str:
    """Up to when the channel is known whole: the newest that was there when its list was read.

    INVARIANT: an answer that came while threads were being fetched waits for the next turn, or a message that was posted in
    between would lie behind the cursor unseen. A server that does not name the latest answer (Slack does) gives what it has.
    """
    times = [last, *(str(raw["ts"]) for raw in tops)]
    times += [str(raw["latest_reply"]) for raw in tops if raw.get("latest_reply")]
    if not any(raw.get("latest_reply") for raw in tops):
        times += [str(raw["ts"]) for raw in answers]
    return max(times)


def _change(record: Mapping[str, Any]) -> Change:
    return Change(change_id=str(record["message_id"]), kind="chat_message", record=record)


async def wait(at_most_s: float) -> None:
    """Slack tells nobody without a public address or a socket: the next look is a poll."""
    await asyncio.sleep(min(at_most_s, POLL_S))
