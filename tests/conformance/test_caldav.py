"""Calendars on a real CalDAV server keep the contract. The emulator lacks scheduling, which a proxy of the tests adds."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from connectors.caldav.connector import CaldavConnector, open_connector
from connectors.conformance import *  # noqa: F403
from connectors.conformance import Provider
from connectors.errors import ConnectorError, RateLimited, ReconsentNeeded, Unreachable
from connectors.spec import Account
from tests.connectors.caldav.scheduling import SchedulingProxy
from tests.connectors.caldav.world import ALEX, DANA, OUTSIDER, USERS, account, elsewhere
from tests.requirements import need
from tests.services import radicale
from tests.services.fault_proxy import Fault, FaultProxy
from tests.services.radicale import Radicale

OFFERS = ("calendar",)
PUT = b"PUT /"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caldav(Provider):
    """A dead line is another port at which nobody listens, for one call."""

    dead_ports: list[int] = field(default_factory=list)

    def do(self, tool: str, args: Mapping[str, Any], *, key: str | None = None, account: Account | None = None) -> Any:
        whose = account or self.account
        if self.dead_ports:
            whose = elsewhere(whose, self.dead_ports.pop())
        return Provider.do(self, tool, args, key=key, account=whose)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Radicale]:
    need("Radicale", radicale.available())
    server = Radicale(tmp_path_factory.mktemp("radicale"), USERS)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def line(server: Radicale) -> Iterator[FaultProxy]:
    scheduling = SchedulingProxy(server.url, USERS)
    with FaultProxy(port=scheduling.port) as line:
        yield line
    scheduling.stop()


@pytest.fixture(scope="module")
def connector() -> Iterator[CaldavConnector]:
    connector = open_connector()
    yield connector
    connector.close()


@pytest.fixture
def provider(line: FaultProxy, connector: CaldavConnector) -> Iterator[Provider]:
    root = f"{line.url}/"
    dead_ports: list[int] = []

    def refuse(tool: str, error: type[ConnectorError]) -> None:
        if error is RateLimited:
            line.arm(Fault.ANSWER, when=PUT, status=429, retry_after_s=9)
        elif error is ReconsentNeeded:
            line.arm(Fault.ANSWER, when=PUT, status=401)
        elif error is Unreachable:
            dead_ports.append(_dead_port())

    def lose_answer(tool: str) -> None:
        line.arm(Fault.DROP_REPLY, when=PUT)

    def lose_request(tool: str) -> None:
        line.arm(Fault.DROP_REQUEST, when=PUT)

    yield Caldav(
        connector=connector,
        account=account(ALEX, root),
        colleague=account(DANA, root),
        outsider=OUTSIDER,
        makes_conferences=False,
        lose_answer=lose_answer,
        lose_request=lose_request,
        refuse=refuse,
        dead_ports=dead_ports,
    )
    line.disarm()


def _dead_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
