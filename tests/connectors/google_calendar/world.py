"""A small company on our Google Calendar double, and its accounts as the connector takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import requests

from connectors.conformance import Provider
from connectors.google.connector import GoogleConnector, open_connector
from connectors.spec import Account
from tests.services.google_calendar import GoogleCalendar, World

ANN, BEN, CHO = "ann@north.example", "ben@north.example", "cho@north.example"
OUTSIDER = "x@outside.example"
BLUE = "blue@resource.calendar.google.com"
ZONES = {ANN: "Europe/Lisbon", BEN: "America/New_York", CHO: "Australia/Sydney"}


def company(now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> World:
    """Three people in three zones, whose clocks change on three different days, and a room for six."""
    world = World(now=now)
    for address, zone in ZONES.items():
        name = address.partition("@")[0]
        world.add_user(address, zone=zone, token=f"token-{name}", name=name.title())
    world.add_room(BLUE, zone="Europe/Lisbon", name="Blue (6)")
    return world


def account(address: str, settings: Mapping[str, Any] | None = None) -> Account:
    name = address.partition("@")[0]
    return Account(
        connection_id=name,
        subject=address,
        credentials={"access_token": f"token-{name}"},
        settings=dict(settings or {}),
    )


@contextmanager
def connecting(root: str) -> Iterator[GoogleConnector]:
    """A connector whose every request goes to one address."""
    connector = open_connector(gmail_root=root, calendar_root=root, people_root=root)
    yield connector
    connector.close()


def provider(connector: GoogleConnector, address: str, settings: Mapping[str, Any] | None = None) -> Provider:
    """One person's view, with `read`, `do`, `reconcile`, `preconditions` and `check`."""
    return Provider(connector=connector, account=account(address, settings))


def ask(
    server: GoogleCalendar,
    verb: str,
    path: str,
    *,
    who: str = ANN,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    **query: Any,
) -> requests.Response:
    """One plain request to the double, without any connector."""
    name = who.partition("@")[0]
    return requests.request(
        verb,
        f"{server.root}/calendar/v3/{path}",
        headers={"Authorization": f"Bearer token-{name}", "Connection": "close", **(headers or {})},
        params=query,
        json=body,
        timeout=10,
    )
