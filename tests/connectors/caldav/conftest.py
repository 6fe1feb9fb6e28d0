"""One Radicale for all tests of this folder, without scheduling, behind a line that can be broken."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.caldav.connector import open_connector
from tests.connectors.caldav.world import USERS, World
from tests.requirements import need
from tests.services import radicale
from tests.services.fault_proxy import FaultProxy
from tests.services.radicale import Radicale


@pytest.fixture(scope="session")
def caldav_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Radicale]:
    need("Radicale", radicale.available())
    server = Radicale(tmp_path_factory.mktemp("radicale"), USERS)
    yield server
    server.stop()


@pytest.fixture
def world(caldav_server: Radicale) -> Iterator[World]:
    """Empty calendars, a whole line, and a connector that knows nothing yet."""
    caldav_server.empty()
    connector = open_connector(poll_s=0.05)
    with FaultProxy(port=caldav_server.port) as line:
        yield World(server=caldav_server, line=line, connector=connector)
    connector.close()
