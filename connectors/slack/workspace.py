"""One connection's view of its workspace: who it is, who is there, which channels there are. Kept for minutes, never for good.

Channels are looked up by id or by today's name: a name that was kept is checked before it is used, so that a renamed channel's
old name never leads anywhere.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors import wire
from connectors.errors import Forbidden, NotFound
from connectors.slack import people as users
from connectors.slack import text
from connectors.slack.line import Line
from connectors.slack.people import People

PEOPLE_S = 300.0
CHANNELS_S = 60.0
MEMBERS_S = 60.0
PAGE = 200
MEMBERS_PAGE = 1000
MOST_PAGES = 50
AT_ONCE = 6  # requests in flight for one call
NAMED = "public_channel,private_channel"
ALL = "public_channel,private_channel,mpim,im"
_ID = re.compile(r"[CDG][A-Z0-9]{7,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """Whom the token acts as."""

    user_id: str
    bot_id: str
    team_id: str

    def wrote(self, raw: Mapping[str, Any]) -> bool:
        if raw.get("user"):
            return bool(raw["user"] == self.user_id)
        return bool(self.bot_id) and raw.get("bot_id") == self.bot_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    channel_id: str
    name: str  # without #; empty for direct conversations
    purpose: str = ""
    is_private: bool = False
    is_direct: bool = False  # between two, or a few
    is_member: bool = False
    is_archived: bool = False
    is_shared: bool = False  # people of other organisations may be in it
    other: str = ""  # user id of the other of two
    creator: str = ""
    created_at: int = 0  # seconds since 1970

    @property
    def shown_name(self) -> str:
        return "direct" if self.is_direct else f"#{self.name}"


class Workspace:
    """`line` acts; `searching` is the person's own token where there is one, for search.messages alone."""

    def __init__(self, line: Line, searching: Line | None) -> None:
        self.line, self.searching = line, searching
        self._me: Me | None = None
        self._people: tuple[float, People] | None = None
        self._channels: dict[str, tuple[float, list[Channel]]] = {}
        self._members: dict[str, tuple[float, list[str]]] = {}

    async def me(self) -> Me:
        if self._me is None:
            answer = await self.line.read("auth.test")
            self._me = Me(
                user_id=str(answer.get("user_id") or ""),
                bot_id=str(answer.get("bot_id") or ""),
                team_id=str(answer.get("team_id") or ""),
            )
        return self._me

    async def people(self, met: Iterable[str] = ()) -> People:
        """Everybody, and whoever else is named by id in `met`."""
        if self._people is None or self._people[0] < time.monotonic():
            loaded = await users.load(self.line, (await self.me()).team_id)
            self._people = (time.monotonic() + PEOPLE_S, loaded)
        people = self._people[1]
        await users.meet(self.line, people, met)
        return people

    async def channels(self, types: str = NAMED, *, fresh: bool = False) -> list[Channel]:
        """Conversations of these types that the account may know of, archived ones left out."""
        kept = self._channels.get(types)
        if kept is not None and not fresh and kept[0] > time.monotonic():
            return kept[1]
        found: list[Channel] = []
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            answer = await self.line.read(
                "conversations.list", types=types, exclude_archived=True, limit=PAGE, cursor=cursor
            )
            found += [channel_of(raw) for raw in answer.get("channels") or ()]
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or None
            if cursor is None:
                break
        self._channels[types] = (time.monotonic() + CHANNELS_S, found)
        return found

    async def channel(self, named: str, *, join: bool = False) -> Channel:
        """By id or #name. A private one the account is not in is NotFound; with `join`, one it cannot write to Forbidden."""
        found = await self._by_id(named) if _ID.fullmatch(named) else await self._by_name(named)
        if found is None or ((found.is_private or found.is_direct) and not found.is_member):
            raise NotFound(f"there is no channel {named!r}", fix="Look with chat.list_channels.")
        if join and not found.is_member:
            raise Forbidden(f"this account is not in the channel {named!r}", fix="Ask a member to be invited.")
        if join and found.is_archived:
            raise Forbidden(f"the channel {named!r} is archived", fix="Choose another channel.")
        return found

    async def _by_id(self, channel_id: str) -> Channel | None:
        try:
            return channel_of((await self.line.read("conversations.info", channel=channel_id))["channel"])
        except (
            NotFound,
            Forbidden,
            KeyError,
        ):  # of a private channel Slack says that it does not exist, or that we are out
            return None

    async def _by_name(self, named: str) -> Channel | None:
        name = wire.fold(named.removeprefix("#"))
        for fresh in (False, True):
            for kept in await self.channels(fresh=fresh):
                if kept.name == name:
                    found = await self._by_id(kept.channel_id)
                    if found is not None and found.name == name:
                        return found
        return None

    async def members(self, channel: Channel) -> list[str]:
        """User ids. Of a public channel too, since guests may be among them."""
        kept = self._members.get(channel.channel_id)
        if kept is not None and kept[0] > time.monotonic():
            return kept[1]
        found: list[str] = []
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            try:
                answer = await self.line.read(
                    "conversations.members", channel=channel.channel_id, limit=MEMBERS_PAGE, cursor=cursor
                )
            except (Forbidden, NotFound):  # a public channel that Slack shows to members only
                break
            found += [str(one) for one in answer.get("members") or ()]
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or None
            if cursor is None:
                break
        self._members[channel.channel_id] = (time.monotonic() + MEMBERS_S, found)
        return found

    async def member_addresses(self, channel: Channel) -> list[str]:
        ids = await self.members(channel)
        people = await self.people(ids)
        return sorted({people.get(one).address for one in ids})

    async def readers(self, channel: Channel) -> list[str] | None:
        """Who alone can read it; None: every colleague. A public channel with outsiders in it names its members."""
        ids = await self.members(channel)
        people = await self.people(ids)
        known = [people.get(one) for one in ids]
        has_outsiders = channel.is_shared or any(one.is_human and one.is_active and not one.inside for one in known)
        if channel.is_private or channel.is_direct or has_outsiders:
            return sorted({one.address for one in known})
        return None

    async def show_channel(self, channel: Channel) -> dict[str, Any]:
        return {
            "channel": channel.channel_id,
            "name": channel.shown_name,
            "purpose": channel.purpose,
            "private": channel.is_private,
            "members": await self.member_addresses(channel),
            "member": channel.is_member,
            "readers": await self.readers(channel),
        }

    async def show_channels(self, channels: Sequence[Channel]) -> list[dict[str, Any]]:
        await self.people()  # once, before many ask at the same time
        at_once = asyncio.Semaphore(AT_ONCE)

        async def show(channel: Channel) -> dict[str, Any]:
            async with at_once:
                return await self.show_channel(channel)

        return list(await asyncio.gather(*(show(channel) for channel in channels)))

    def forget_channels(self, channel_id: str = "") -> None:
        """After a channel was made, or somebody invited."""
        self._channels.clear()
        self._members.pop(channel_id, None)


def channel_of(raw: Mapping[str, Any]) -> Channel:
    is_im, is_group = bool(raw.get("is_im")), bool(raw.get("is_mpim"))
    purpose = str((raw.get("purpose") or {}).get("value") or (raw.get("topic") or {}).get("value") or "")
    return Channel(
        channel_id=str(raw["id"]),
        name="" if is_im or is_group else str(raw.get("name") or ""),
        purpose=text.read(purpose, str, str),
        is_private=bool(raw.get("is_private")) or is_im or is_group,
        is_direct=is_im or is_group,
        is_member=bool(raw.get("is_member", is_im or is_group)),
        is_archived=bool(raw.get("is_archived")),
        is_shared=bool(raw.get("is_ext_shared") or raw.get("is_pending_ext_shared") or raw.get("is_org_shared")),
        other=str(raw.get("user") or "") if is_im else "",
        creator=str(raw.get("creator") or ""),
        created_at=int(raw.get("created") or 0),
    )
