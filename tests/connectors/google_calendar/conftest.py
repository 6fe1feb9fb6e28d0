"""One double for each module; each test finds the company as new, and a connector of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.conformance import Provider
from connectors.google.connector import GoogleConnector
from tests.connectors.attempts import ANSWER_S
from tests.connectors.google_calendar.world import ANN, BEN, CHO, company, connecting, provider
from tests.services.google_calendar import GoogleCalendar


@pytest.fixture(scope="module")
def running() -> Iterator[GoogleCalendar]:
    server = GoogleCalendar(company())
    yield server
    server.stop()


@pytest.fixture
def server(running: GoogleCalendar) -> GoogleCalendar:
    running.begin_again(company())
    return running


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that an answer can be too late without a test of minutes."""
    monkeypatch.setattr("connectors.google.transport.ANSWER_S", ANSWER_S)


@pytest.fixture
def connector(server: GoogleCalendar) -> Iterator[GoogleConnector]:
    with connecting(server.root) as one:
        yield one


@pytest.fixture
def ann(connector: GoogleConnector) -> Provider:
    return provider(connector, ANN)


@pytest.fixture
def ben(connector: GoogleConnector) -> Provider:
    return provider(connector, BEN)


@pytest.fixture
def cho(connector: GoogleConnector) -> Provider:
    return provider(connector, CHO)
