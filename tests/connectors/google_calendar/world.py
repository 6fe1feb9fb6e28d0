"""A small company on our Google Calendar double, and its accounts as the connector takes them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from connectors.conformance import Provider
from connectors.google.connector import ROOTS, GoogleConnector
from connectors.spec import Account
from tests.services.google_calendar import GoogleCalendar, World

ANN, BEN, CHO = "ann@north.example", "ben@north.example", "cho@north.example"
OUTSIDER = "x@outside.example"
NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)  # a Monday; every date in these tests is behind it
BLUE = "blue@resource.calendar.google.com"
ZONES = {ANN: "Europe/Lisbon", BEN: "America/New_York", CHO: "Australia/Sydney"}


def company(now: Callable[[], datetime] | None = None) -> World:
    """Three people in three zones, whose clocks change on three different days, and a room for six. Without `now` its clock goes
    on by a second each time it is looked at, from `NOW`."""
    seconds = itertools.count()
    world = World(now=now or (lambda: NOW + timedelta(seconds=next(seconds))))
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
def connecting(root: str, now: Callable[[], datetime] = lambda: NOW) -> Iterator[GoogleConnector]:
    """A connector whose every request goes to one address."""
    connector = GoogleConnector(dict.fromkeys(ROOTS, root), clock=now)
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
