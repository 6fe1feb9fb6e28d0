"""Slack as a provider: the chat and directory families over the Web API, as the bot whose token the connection holds.

Credentials: `bot_token`, and optionally the person's own `user_token` for Slack's search; a `user_token` alone acts as that
person. Every tool of both families is there. See `tools` for classes and scopes, `search` and `messages` for how far reading
goes, `reconcile` for what can be told about a lost answer.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from connectors import wire
from connectors.arguments import Arguments
from connectors.errors import InvalidCall, ReconsentNeeded
from connectors.keeping import Kept
from connectors.slack import effects, files, messages, preconditions, reconcile, scheduled, search, stream
from connectors.slack import people as users
from connectors.slack.limits import Buckets
from connectors.slack.line import Line
from connectors.slack.tools import FAMILIES, specs
from connectors.slack.workspace import Workspace
from connectors.spec import Account, Changes, Json, Precondition, Reconciled, ToolSpec
from connectors.wire import Args

Reader = Callable[[Workspace, Args], Awaitable[dict[str, Any]]]
Writer = Callable[[Workspace, Args, str], Awaitable[dict[str, Any]]]


class SlackConnector:
    """One app installation for each connection. Holds caches of what Slack told it, nothing that has to survive."""

    name = "slack"
    families = FAMILIES
    quota = (
        "20 to 100 calls a minute for each method, one message a second in a channel; Slack does not tell what is left"
    )
    streams = frozenset({"chat"})

    def __init__(self, *, base_url: str | None = None, share: float = 1.0) -> None:
        self._base_url, self._share = base_url, share
        self._kept: Kept[Workspace] = Kept(lambda _: None)  # nothing stays open there

    def tools(self) -> Sequence[ToolSpec]:
        return tuple(specs().values())

    async def call(self, tool: str, args: Mapping[str, Any], *, account: Account, key: str | None) -> Json:
        spec = _validate(tool, args)
        ws = self._workspace(account)
        if spec.is_read:
            return await _READERS[tool](ws, args)
        if key is None or re.fullmatch(r"[a-z0-9]{1,64}", key) is None:
            raise InvalidCall(f"{tool} needs a key of lower-case letters and digits", fix="Call it through the gate.")
        return await _WRITERS[tool](ws, args, key)

    async def reconcile(
        self, tool: str, args: Mapping[str, Any], *, account: Account, key: str, attempted_at: datetime
    ) -> Reconciled:
        _validate(tool, args)
        return await reconcile.reconcile(self._workspace(account), tool, args, key, attempted_at)

    async def preconditions(
        self, tool: str, args: Mapping[str, Any], *, account: Account, now: datetime
    ) -> Sequence[Precondition]:
        _validate(tool, args)
        return await preconditions.of(self._workspace(account), tool, args)

    async def check(self, precondition: Precondition, *, account: Account, now: datetime) -> str | None:
        return await preconditions.broken(self._workspace(account), precondition, now)

    async def changes(self, family: str, *, account: Account, cursor: str | None) -> Changes:
        _followed(family)
        return await stream.changes(self._workspace(account), cursor)

    async def wait(self, family: str, *, account: Account, cursor: str, at_most_s: float) -> None:
        _followed(family)
        await stream.wait(at_most_s)

    async def whoami(self, account: Account) -> dict[str, str]:
        """Whom the tokens act as: `address` (the account's subject), `user_id`, `team_id`. For connecting and `doctor`."""
        ws = self._workspace(account)
        me = await ws.me()
        person = (await ws.people([me.user_id])).get(me.user_id)
        return {"address": person.address, "name": person.name, "user_id": me.user_id, "team_id": me.team_id}

    async def granted(self, account: Account) -> str | None:
        """Scopes of the acting token, with commas, as Slack says them of it; None where it does not."""
        return await self._workspace(account).line.granted()

    def _workspace(self, account: Account) -> Workspace:
        bot, user = account.credentials.get("bot_token"), account.credentials.get("user_token")
        acting = bot or user
        if not acting:
            raise ReconsentNeeded("this connection has no Slack token", fix="Connect again: deputy connect slack.")

        def made() -> Workspace:
            line = Line(acting, Buckets(self._share), base_url=self._base_url)
            searching = Line(user, Buckets(self._share), base_url=self._base_url) if user else None
            return Workspace(line, searching)

        return self._kept.of(account, made)


async def _list_channels(ws: Workspace, args: Args) -> dict[str, Any]:
    wanted = wire.words(args.get("query"))
    channels = sorted(
        (one for one in await ws.channels(fresh=args.get("cursor") is None) if one.is_member or not one.is_private),
        key=lambda one: one.name,
    )
    found = [one for one in channels if all(word in wire.fold(f"#{one.name} {one.purpose}") for word in wanted)]
    page = wire.cut_page(found, args, "channels")
    return {"channels": await ws.show_channels(page["channels"]), "next": page["next"]}


async def _list_people(ws: Workspace, args: Args) -> dict[str, Any]:
    return users.list_people(await ws.people(), args)


async def _get_person(ws: Workspace, args: Args) -> dict[str, Any]:
    return users.get_person(await ws.people(), args)


async def _list_users(ws: Workspace, args: Args) -> dict[str, Any]:
    return users.list_users(await ws.people(), args)


def _without_key(act: Reader) -> Writer:
    async def acting(ws: Workspace, args: Args, key: str) -> dict[str, Any]:
        return await act(ws, args)

    return acting


_READERS: Mapping[str, Reader] = {
    "directory.list_people": _list_people,
    "directory.get_person": _get_person,
    "chat.list_channels": _list_channels,
    "chat.list_users": _list_users,
    "chat.history": messages.history,
    "chat.search": search.search,
    "chat.get_thread": messages.get_thread,
    "chat.list_files": files.list_files,
    "chat.get_file": files.get_file,
    "chat.list_scheduled": scheduled.list_scheduled,
}
_WRITERS: Mapping[str, Writer] = {
    "chat.post_message": effects.post_message,
    "chat.send_direct": effects.send_direct,
    "chat.update_message": _without_key(effects.update_message),
    "chat.delete_message": _without_key(effects.delete_message),
    "chat.add_reaction": _without_key(effects.add_reaction),
    "chat.create_channel": _without_key(effects.create_channel),
    "chat.invite": _without_key(effects.invite),
    "chat.send_file": files.send_file,
    "chat.schedule_message": scheduled.schedule_message,
    "chat.cancel_scheduled": _without_key(scheduled.cancel_scheduled),
}


def _followed(family: str) -> None:
    if family not in SlackConnector.streams:
        raise InvalidCall(f"{family!r} cannot be followed on Slack", fix="Follow chat.")


_validate = Arguments("Slack", specs)


def open_connector(*, base_url: str | None = None, share: float = 1.0) -> SlackConnector:
    """For the registry. `base_url`: another Web API root, for tests; `share`: of Slack's documented limits, e.g. 0.5 for two."""
    return SlackConnector(base_url=base_url, share=share)
