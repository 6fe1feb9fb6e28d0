"""Who speaks in Slack: a verified address that the directory knows, and their own word, once, that it is them.

Asked anew at every delivery: whoever left the directory, lost their role or changed their address in Slack speaks for nobody.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from connectors.errors import ConnectorError, Forbidden, NotFound
from connectors.slack.line import Line
from orchestrator.deputy import Deputy
from orchestrator.deputy.roles import Visitor
from policies.listeners import Place
from policies.words import normal

log = logging.getLogger("deputy.slack")
KEPT_S = 300.0  # what Slack said of a user
MOST_MEMBERS = 1000  # of a channel that gets an answer
FEW = 20  # users who are asked about one by one
PAGE = 200
MOST_PAGES = 20  # of the workspace's users, as many as Slack gives in a minute


@dataclass(frozen=True, slots=True)
class Me:
    """The bot in its workspace."""

    team_id: str
    user_id: str
    bot_id: str


@dataclass(frozen=True, slots=True)
class Known:
    visitor: Visitor


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """The directory knows the address; they have not said that it is them."""

    person: str
    name: str


@dataclass(frozen=True, slots=True)
class Unknown:
    why: str


Who: TypeAlias = Known | Unconfirmed | Unknown


class Identity:
    """Over one workspace. Keeps for minutes what Slack said of its users, nothing else."""

    def __init__(self, desk: Deputy, line: Line, me: Me) -> None:
        self._desk, self._line, self._me = desk, line, me
        self._users: dict[str, tuple[float, Mapping[str, Any]]] = {}

    def sender(self, user_id: str) -> str:
        return f"{self._me.team_id}/{user_id}"

    async def who(self, sender: str, *, is_quick: bool = False) -> Who:
        """`is_quick`: by what is known already, without asking Slack. Raises ConnectorError where Slack does not answer."""
        team_id, _, user_id = sender.partition("/")
        if team_id != self._me.team_id:
            return Unknown("you are in another workspace")
        linked = await asyncio.to_thread(self._desk.slack.linked, sender)
        if is_quick and (linked is None or not linked.is_confirmed):
            return Unknown("I do not know yet who you are: write to me first")
        address = linked.person if is_quick and linked is not None else await self.address(user_id)
        if not address:
            return Unknown("Slack does not say a confirmed address of yours that is this company's")
        visitor = await asyncio.to_thread(self._desk.access.of_address, address)
        if visitor is None:
            return Unknown("the directory here does not know your address, or you have no role (any more)")
        if linked is None or linked.person != address or not linked.is_confirmed:
            return Unconfirmed(address, visitor.principal.name)
        return Known(visitor)

    async def address(self, user_id: str) -> str:
        """Verified by Slack, of a full member of this workspace; empty for anybody else."""
        raw = await self._user(user_id)
        outside = raw.get("team_id") not in (None, self._me.team_id) or raw.get("is_stranger")
        guest = raw.get("is_restricted") or raw.get("is_ultra_restricted")
        if (
            not raw
            or raw.get("deleted")
            or raw.get("is_bot")
            or outside
            or guest
            or raw.get("is_email_confirmed") is False
        ):
            return ""
        return str((raw.get("profile") or {}).get("email") or "").strip().lower()

    async def name(self, user_id: str) -> str:
        """As the directory has it, for whose address it knows; else as Slack does."""
        raw = await self._user(user_id)
        address = str((raw.get("profile") or {}).get("email") or "").strip().lower()
        known = {one["address"]: one["name"] for one in await asyncio.to_thread(self._desk.people)}
        return str(known.get(address) or raw.get("real_name") or raw.get("name") or user_id)

    async def place(self, channel: str) -> Place | None:
        """Who reads the channel. None where somebody from outside does, a guest, or anybody unknown; where Slack does not say;
        and for more than `MOST_MEMBERS`."""
        # INVARIANT: no place is better than one with a listener left out.
        try:
            told = (await self._line.read("conversations.info", channel=channel)).get("channel") or {}
            if told.get("is_ext_shared") or told.get("is_pending_ext_shared") or told.get("is_org_shared"):
                return None
            others = await self._members(channel)
            if others is None or not await self._meet(others):
                return None
            addresses = [await self.address(one) for one in others]
        except ConnectorError as error:
            log.info("who is in the channel cannot be told: %s", error.message)
            return None
        inside = {one["address"] for one in await asyncio.to_thread(self._desk.people) if one["inside"]}
        if not addresses or not all(one in inside for one in addresses):
            return None
        return Place(listeners=frozenset(map(normal, addresses)), is_public=told.get("is_private") is not True)

    async def _members(self, channel: str) -> list[str] | None:
        """User ids of everybody but the bot; None for more than are looked at."""
        found: dict[str, None] = {}
        cursor: str | None = None
        while len(found) <= MOST_MEMBERS:
            answer = await self._line.read("conversations.members", channel=channel, limit=PAGE, cursor=cursor)
            page = [str(one) for one in answer.get("members") or ()]
            found |= dict.fromkeys(page)
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or None
            if cursor is None:
                found.pop(self._me.user_id, None)
                return list(found) if len(found) <= MOST_MEMBERS else None
            if not page:  # a page that leads on and holds nobody
                return None
        return None

    async def _meet(self, user_ids: Sequence[str]) -> bool:
        """Learns many users by the workspace's list: to ask about each would take Slack's patience. False where many stay
        unknown."""
        now, unknown = time.monotonic(), set(user_ids)
        unknown -= {one for one, (until, _) in self._users.items() if until > now}
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            if len(unknown) <= FEW:
                return True
            answer = await self._line.read("users.list", limit=PAGE, cursor=cursor)
            for raw in answer.get("members") or ():
                if raw.get("id") in unknown:
                    self._users[str(raw["id"])] = (time.monotonic() + KEPT_S, raw)
                    unknown.discard(str(raw["id"]))
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or None
            if cursor is None:
                break
        return len(unknown) <= FEW

    async def direct(self, user_id: str) -> str:
        """The channel of direct messages between the bot and them."""
        opened = await self._line.read("conversations.open", users=user_id)
        return str(opened["channel"]["id"])

    async def _user(self, user_id: str) -> Mapping[str, Any]:
        kept = self._users.get(user_id)
        if kept is not None and kept[0] > time.monotonic():
            return kept[1]
        try:
            raw = (await self._line.read("users.info", user=user_id)).get("user") or {}
        except (NotFound, Forbidden):
            raw = {}
        self._users[user_id] = (time.monotonic() + KEPT_S, raw)
        return raw

    def forget(self, user_id: str) -> None:
        """Slack says that something about them has changed."""
        self._users.pop(user_id, None)
