"""One emulate for the room, a line to it that can break, and a Slack of ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.conformance import Provider
from tests.connectors.slack import world
from tests.connectors.slack.double import Slack
from tests.services import emulate
from tests.services.emulate import Emulate
from tests.services.fault_proxy import FaultProxy


@pytest.fixture(scope="session")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulate]:
    with emulate.running("slack", world.WORLD, tmp_path_factory.mktemp("slack")) as service:
        yield service


@pytest.fixture
def line(emulated: Emulate) -> Iterator[FaultProxy]:
    with FaultProxy(port=emulated.port) as proxy:
        yield proxy


@pytest.fixture
def provider(line: FaultProxy) -> Provider:
    return Provider(
        connector=world.connect(line.url),
        account=world.account("ada"),
        colleague=world.account("bob"),
        channel="#team",
    )


@pytest.fixture
def slack() -> Iterator[Slack]:
    with Slack() as double:
        yield double


@pytest.fixture
def seen(slack: Slack) -> Provider:
    """The connector on our own double."""
    return Provider(connector=world.connect(slack.url), account=world.account("ada"))
