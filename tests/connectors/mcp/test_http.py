"""What a server's front door does is told apart: refused, broken off, not allowed, too much."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from connectors.errors import (
    ConnectorError,
    Forbidden,
    InvalidCall,
    OutcomeUnknown,
    RateLimited,
    ReconsentNeeded,
    Unreachable,
)
from connectors.mcp.connector import McpConnector, open_connector
from connectors.spec import Account
from tests.connectors.mcp import front
from tests.connectors.mcp.front import Front
from tests.connectors.mcp.support import call


@pytest.fixture
def door() -> Iterator[Front]:
    with front.running() as one:
        yield one


@pytest.fixture
def connector(door: Front) -> Iterator[McpConnector]:
    one = open_connector(name="front", url=door.url, timeout_s=10.0, max_message_bytes=1_000_000)
    yield one
    one.close()


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        ("401", ReconsentNeeded),  # the credentials are gone
        ("403", Forbidden),
        ("404", Unreachable),  # the session is forgotten: it was not begun
        ("429", RateLimited),
        ("400", InvalidCall),
        ("500", OutcomeUnknown),
        ("503", OutcomeUnknown),
        ("202", OutcomeUnknown),  # taken, and no answer will come
        ("drop", OutcomeUnknown),  # read, and then the line was cut
        ("half", OutcomeUnknown),
        ("bomb", OutcomeUnknown),  # packed answers are not unpacked
        ("huge", OutcomeUnknown),  # over the limit of a message
        ("-32602", InvalidCall),  # wrong arguments
        ("-32601", InvalidCall),  # no such method
        ("-32603", OutcomeUnknown),  # failed inside
        ("-32000", OutcomeUnknown),
        ("-32001", OutcomeUnknown),  # says it timed out
        ("-32020", InvalidCall),  # headers that do not fit: never sent a second time by itself
    ],
)
def test_what_the_door_does_to_an_effect(
    door: Front, connector: McpConnector, trouble: str, error: type[ConnectorError]
) -> None:
    """Each trouble is its own error, the request went out exactly once, and the next call works."""
    connector.tools()
    door.trouble = trouble

    with pytest.raises(error) as caught:
        call(connector, "add_note", text="x")

    assert type(caught.value) is error
    assert door.calls == 1
    assert call(connector, "add_note", text="y") == {"text": "noted"}


@pytest.mark.parametrize("trouble", ["500", "drop", "half", "huge", "-32000"])
def test_a_read_is_never_in_doubt(door: Front, connector: McpConnector, trouble: str) -> None:
    """What leaves an effect in doubt makes a read unreachable."""
    connector.tools()
    door.trouble = trouble

    with pytest.raises(Unreachable):
        call(connector, "get_note", text="x")


def test_the_servers_own_time_is_passed_on(door: Front, connector: McpConnector) -> None:
    """Retry-After of a 429 comes through."""
    connector.tools()
    door.trouble = "429"

    with pytest.raises(RateLimited) as caught:
        call(connector, "add_note", text="x")

    assert caught.value.retry_after_s == 7.0


def test_nobody_at_the_address_is_unreachable() -> None:
    """A refused connection: nothing arrived, and the connector offers nothing."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    connector = open_connector(name="front", url=f"http://127.0.0.1:{port}/mcp", timeout_s=5.0)

    with pytest.raises(Unreachable):
        connector.describe()


def test_each_account_speaks_with_its_own_credentials(door: Front, connector: McpConnector) -> None:
    """A token travels as a bearer, and only its owner's."""
    connector.tools()
    for who in ("one", "two"):
        account = Account(connection_id=who, subject=who, credentials={"token": f"token-of-{who}"})
        asyncio.run(connector.call("front.get_note", {}, account=account, key=None))

    assert [seen.get("authorization") for seen in door.seen] == ["Bearer token-of-one", "Bearer token-of-two"]


def test_credentials_do_not_travel_in_the_clear() -> None:
    """Over plain HTTP only this machine itself gets a token."""
    connector = open_connector(name="front", url="http://mcp.northwind.example/mcp", timeout_s=5.0)
    account = Account(connection_id="one", subject="one", credentials={"token": "secret"})

    with pytest.raises(ConnectorError) as caught:
        connector.describe(account)

    assert "in the clear" in caught.value.message
    assert "secret" not in str(caught.value)


def test_a_credential_that_is_missing_asks_for_consent(door: Front) -> None:
    """A header that stands for a credential nobody gave is not sent empty."""
    connector = open_connector(name="front", url=door.url, headers={"x-key": "credential:key"}, timeout_s=5.0)

    with pytest.raises(ReconsentNeeded):
        connector.describe()
