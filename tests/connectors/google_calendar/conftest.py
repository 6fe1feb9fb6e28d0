"""One double and one connector for the whole folder; each test finds the company as new."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.conformance import Provider
from connectors.google.connector import GoogleConnector
from tests.connectors.google_calendar.world import ANN, BEN, CHO, company, provider, serving
from tests.services.google_calendar import GoogleCalendar


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[GoogleCalendar, GoogleConnector]]:
    with serving() as pair:
        yield pair


@pytest.fixture
def server(running: tuple[GoogleCalendar, GoogleConnector]) -> GoogleCalendar:
    running[0].begin_again(company())
    return running[0]


@pytest.fixture
def connector(running: tuple[GoogleCalendar, GoogleConnector], server: GoogleCalendar) -> GoogleConnector:
    return running[1]


@pytest.fixture
def ann(connector: GoogleConnector) -> Provider:
    return provider(connector, ANN)


@pytest.fixture
def ben(connector: GoogleConnector) -> Provider:
    return provider(connector, BEN)


@pytest.fixture
def cho(connector: GoogleConnector) -> Provider:
    return provider(connector, CHO)
