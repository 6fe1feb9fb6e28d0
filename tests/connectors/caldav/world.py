"""Alex, Dana and a room on one Radicale, as a connection of each sees them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from connectors.caldav.connector import CaldavConnector
from connectors.conformance.provider import new_key
from connectors.spec import Account, Reconciled
from tests.services.fault_proxy import FaultProxy
from tests.services.radicale import CALENDAR, PASSWORD, Radicale

ALEX = "alex@northwind.example"
DANA = "dana@northwind.example"
ATLAS = "atlas@northwind.example"  # a room with a calendar
OUTSIDER = "vera@outside.example"
USERS = (ALEX, DANA, ATLAS)


def account(user: str, root: str, **settings: Any) -> Account:
    """A connection of `user` to the server at `root`, which knows the others' calendars."""
    people = {one: f"{root}{one}/{CALENDAR}/" for one in (ALEX, DANA) if one != user}
    room = {"address": ATLAS, "name": "Atlas", "room": "room_atlas", "capacity": 6, "url": f"{root}{ATLAS}/{CALENDAR}/"}
    said = {"url": f"{root}{user}/", "zone": "Europe/Lisbon", "people": people, "rooms": [room]}
    return Account(
        connection_id=f"conn-{user}",
        subject=user,
        credentials={"username": user, "password": PASSWORD},
        settings=said | settings,
    )


@dataclass(frozen=True, kw_only=True)
class World:
    """The server, the line before it that can be broken, and the connector under test."""

    server: Radicale
    line: FaultProxy
    connector: CaldavConnector

    @property
    def root(self) -> str:
        return f"{self.line.url}/"

    def account(self, user: str = ALEX, **settings: Any) -> Account:
        return account(user, self.root, **settings)

    def read(self, tool: str, /, *, by: Account | None = None, **args: Any) -> Any:
        call = self.connector.call(f"calendar.{tool}", args, account=by or self.account(), key=None)
        return asyncio.run(call)

    def do(self, tool: str, /, *, by: Account | None = None, key: str | None = None, **args: Any) -> Any:
        call = self.connector.call(f"calendar.{tool}", args, account=by or self.account(), key=key or new_key())
        return asyncio.run(call)

    def reconcile(self, tool: str, args: Mapping[str, Any], key: str) -> Reconciled:
        looking = self.connector.reconcile(
            f"calendar.{tool}", args, account=self.account(), key=key, attempted_at=datetime.now(UTC)
        )
        return asyncio.run(looking)

    def objects(self, user: str = ALEX) -> dict[str, str]:
        return self.server.objects(user)


def elsewhere(account: Account, port: int) -> Account:
    """The same connection, but its server is said to be at another port."""
    settings = dict(account.settings) | {"url": f"http://127.0.0.1:{port}/{account.subject}/"}
    return replace(account, settings=settings)
