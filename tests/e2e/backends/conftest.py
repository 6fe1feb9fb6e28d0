"""Servers with the office on them, started once for a module; time on them is the office's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.google.connector import ROOTS, GoogleConnector
from orchestrator import clock
from tests.crash.forkserver import ForkServer
from tests.e2e.backends.google_slack import GoogleAndSlack
from tests.e2e.backends.mirror import MailAndCalendar
from tests.requirements import need
from tests.services import dovecot, radicale


@pytest.fixture(autouse=True)
def _office_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real servers live in real time; here it is Monday, as in the office."""
    monkeypatch.setattr("connectors.caldav.connector._now", lambda: clock.now().replace(microsecond=0))
    monkeypatch.setattr("connectors.imap.effects._now", clock.now)
    monkeypatch.setattr("connectors.google.connector.open_connector", _google)


def _google(**settings: Any) -> GoogleConnector:
    """As the registry builds it, but for its clock."""
    roots = {api: settings[f"{api}_root"] for api in ROOTS}
    return GoogleConnector(roots, settings["units_per_minute"], clock=clock.now)


@pytest.fixture(scope="module")
def killable() -> Iterator[ForkServer]:
    """Workers to kill."""
    with ForkServer("tests.e2e.backends.killed") as server:
        yield server


@pytest.fixture(scope="module")
def google_and_slack(company: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoogleAndSlack]:
    """emulate and our calendar, holding what the office of forty people holds."""
    servers = GoogleAndSlack(company, tmp_path_factory.mktemp("servers"))
    yield servers
    servers.stop()


@pytest.fixture(scope="module")
def mail_and_calendar(company: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailAndCalendar]:
    """Dovecot and Radicale, holding what the office of forty people holds."""
    need("Dovecot", dovecot.available())
    need("Radicale", radicale.available())
    servers = MailAndCalendar(company, tmp_path_factory.mktemp("servers"), copies=48)
    yield servers
    servers.stop()
