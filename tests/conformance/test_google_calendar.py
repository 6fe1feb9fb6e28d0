"""Google Calendar keeps the contract, on a double of our own: no installable emulator keeps ids, etags, series and sync tokens.

So this run says that our requests are such as Google's discovery document has them, and that our handling of 409, 412 and 410 is
right where a server answers so. It is no proof of what Google itself does.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.conformance import Provider, TestCalendar, TestEffects, TestReads, TestTools
from connectors.errors import ConnectorError, RateLimited, ReconsentNeeded, Unreachable
from connectors.google.connector import GoogleConnector
from connectors.spec import Account
from tests.connectors.google_calendar.world import ANN, BEN, OUTSIDER, account, company, connecting
from tests.services.google_calendar import Fault, GoogleCalendar

__all__ = ["TestCalendar", "TestEffects", "TestReads", "TestTools"]

OFFERS = ("calendar",)  # mail and the directory have runs of their own
REFUSALS: dict[type[ConnectorError], Fault] = {RateLimited: Fault.RATE_LIMIT, ReconsentNeeded: Fault.UNAUTHORIZED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Google(Provider):
    """A dead line is another connector for one call, whose roots are a port at which nobody listens."""

    dead: list[GoogleConnector] = field(default_factory=list)

    def do(self, tool: str, args: Mapping[str, Any], *, key: str | None = None, account: Account | None = None) -> Any:
        if not self.dead:
            return Provider.do(self, tool, args, key=key, account=account)
        elsewhere = Provider(connector=self.dead.pop(), account=self.account)
        return elsewhere.do(tool, args, key=key, account=account)


@pytest.fixture(scope="module")
def server() -> Iterator[GoogleCalendar]:
    server = GoogleCalendar(company(_now))
    yield server
    server.stop()


@pytest.fixture
def provider(server: GoogleCalendar) -> Iterator[Provider]:
    server.begin_again(company(_now))
    with connecting(server.root, _now) as connector, connecting(f"http://127.0.0.1:{_dead_port()}", _now) as nowhere:
        dead: list[GoogleConnector] = []

        def refuse(tool: str, error: type[ConnectorError]) -> None:
            if error is Unreachable:
                dead.append(nowhere)
            else:
                server.fail_next(REFUSALS[error])

        yield Google(
            connector=connector,
            account=account(ANN),
            colleague=account(BEN),
            outsider=OUTSIDER,
            lose_answer=lambda tool: server.fail_next(Fault.LOSE_ANSWER),
            lose_request=lambda tool: server.fail_next(Fault.LOSE_REQUEST),
            refuse=refuse,
            dead=dead,
        )


def _now() -> datetime:
    return datetime.now(UTC)


def _dead_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
