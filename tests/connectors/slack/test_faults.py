"""Whatever breaks on the way, emulate holds none or one of each effect, one request was sent, and the error says which it may be."""

from __future__ import annotations

import json
import socket
import threading

import pytest

from connectors.conformance import Provider
from connectors.conformance.examples import count, example
from connectors.conformance.provider import new_key
from connectors.errors import (
    ConnectorError,
    InvalidCall,
    OutcomeUnknown,
    RateLimited,
    ReconsentNeeded,
    Unreachable,
)
from connectors.spec import Absent, Account, Done
from tests.connectors.slack import world
from tests.services.fault_proxy import Fault, FaultProxy
from tests.services.npm import free_port

# fault, the HTTP status it answers, what the caller is told, whether it happened
FAULTS = [
    (Fault.DROP_REQUEST, 0, OutcomeUnknown, False),
    (Fault.HALF_REQUEST, 0, OutcomeUnknown, False),
    (Fault.DROP_REPLY, 0, OutcomeUnknown, True),
    (Fault.HALF_REPLY, 0, OutcomeUnknown, True),
    (Fault.ANSWER, 500, OutcomeUnknown, False),
    (Fault.ANSWER_AFTER, 500, OutcomeUnknown, True),
    (Fault.ANSWER_AFTER, 502, OutcomeUnknown, True),
    (Fault.ANSWER, 429, RateLimited, False),
]
MAKERS = ["chat.post_message", "chat.send_direct", "chat.create_channel"]


@pytest.mark.parametrize(("fault", "status", "error", "happened"), FAULTS)
@pytest.mark.parametrize("tool", MAKERS)
def test_an_effect_is_sent_once_and_found_again(
    provider: Provider,
    line: FaultProxy,
    tool: str,
    fault: Fault,
    status: int,
    error: type[ConnectorError],
    happened: bool,
) -> None:
    """One request on the wire; reconcile says done if and only if the server has the object."""
    one, key = example(provider, tool), new_key()
    armed = line.arm(fault, when=b"POST " + world.POSTS[tool], status=status, retry_after_s=3)
    line.forget()

    with pytest.raises(ConnectorError) as caught:
        provider.do(tool, one.args, key=key)

    assert armed.struck.is_set()
    assert type(caught.value) is error
    assert line.sent(b"POST " + world.POSTS[tool]) == 1
    assert count(provider, one) == int(happened)
    assert isinstance(provider.reconcile(tool, one.args, key), Done if happened else Absent)


@pytest.mark.parametrize("code", ["fatal_error", "internal_error", "service_unavailable"])
@pytest.mark.parametrize("tool", sorted(world.POSTS))
def test_an_error_of_slacks_own_leaves_an_effect_in_doubt(
    provider: Provider, line: FaultProxy, tool: str, code: str
) -> None:
    """Of these codes Slack itself says that some of the operation may have succeeded."""
    one = example(provider, tool)
    body = json.dumps({"ok": False, "error": code}).encode()
    line.arm(Fault.ANSWER, when=b"POST " + world.POSTS[tool], status=200, body=body)

    with pytest.raises(OutcomeUnknown):
        provider.do(tool, one.args)


@pytest.mark.parametrize("words", [b"/api/conversations.info", b"/api/conversations.members"])
def test_an_answer_that_cannot_be_shown_is_in_doubt(provider: Provider, line: FaultProxy, words: bytes) -> None:
    """A channel that was made is found again, though reading it back failed; it is never called refused."""
    one, key = example(provider, "chat.create_channel"), new_key()
    provider.read("chat.list_channels")
    line.arm(Fault.ANSWER, when=words, status=503)

    with pytest.raises(OutcomeUnknown):
        provider.do(one.tool, one.args, key=key)

    assert isinstance(provider.reconcile(one.tool, one.args, key), Done)
    assert count(provider, one) == 1


@pytest.mark.parametrize(
    ("fault", "status", "error"),
    [
        (Fault.DROP_AT_ACCEPT, 0, Unreachable),
        (Fault.DROP_REPLY, 0, Unreachable),
        (Fault.HALF_REPLY, 0, Unreachable),
        (Fault.ANSWER, 503, Unreachable),
        (Fault.ANSWER, 429, RateLimited),
        (Fault.ANSWER, 401, ReconsentNeeded),
        (Fault.ANSWER, 400, InvalidCall),
    ],
)
def test_a_read_that_fails_may_be_repeated(
    provider: Provider, line: FaultProxy, fault: Fault, status: int, error: type[ConnectorError]
) -> None:
    """Never in doubt: unreachable, held back, or refused."""
    line.arm(fault, when=b"POST /api/users.list", status=status, retry_after_s=3, body=b"<html>busy</html>")

    with pytest.raises(error) as caught:
        provider.read("directory.list_people")

    assert not isinstance(caught.value, RateLimited) or caught.value.retry_after_s == 3
    assert provider.read("directory.list_people")["people"]


def test_a_server_that_is_not_there_is_unreachable() -> None:
    """Nothing was sent, and an effect may be tried again."""
    provider = Provider(connector=world.connect(f"http://127.0.0.1:{free_port()}"), account=world.account())

    with pytest.raises(Unreachable):
        provider.do("chat.post_message", {"channel": "#team", "text": "Hello"})


def test_an_answer_that_is_no_http_shows_no_token() -> None:
    """aiohttp's own error for it holds the headers of the request; ours does not hold that error."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_mumble, args=(server,), daemon=True)
        thread.start()
        connector = world.connect(f"http://127.0.0.1:{server.getsockname()[1]}")

        with pytest.raises(Unreachable) as caught:
            Provider(connector=connector, account=world.account()).read("chat.list_users")
        thread.join(10)

    assert caught.value.__cause__ is None


def _mumble(server: socket.socket) -> None:
    """Answers one connection with what is no HTTP."""
    client, _ = server.accept()
    with client:
        client.recv(65536)
        client.sendall(b"mumble mumble\r\n\r\n")


def test_without_a_token_somebody_has_to_connect_again(provider: Provider) -> None:
    """Neither a bot's token nor a person's: said before anything is sent."""
    with pytest.raises(ReconsentNeeded):
        provider.do("chat.list_users", {}, account=Account(connection_id="none", subject="ada@northwind.example"))


def test_no_token_appears_in_an_error_or_a_log(
    provider: Provider, line: FaultProxy, caplog: pytest.LogCaptureFixture
) -> None:
    """Refused, cut off or out of reach: the token and the text are in neither message, cause nor log."""
    caplog.set_level("DEBUG")
    secret = "zq-quite-secret"
    for fault in (Fault.DROP_REPLY, Fault.HALF_REPLY):
        line.arm(fault, when=b"POST /api/chat.postMessage")
        with pytest.raises(OutcomeUnknown) as caught:
            provider.do("chat.post_message", {"channel": "#team", "text": secret})
        told = repr(caught.value) + repr(caught.value.__cause__) + repr(provider.account)
        assert "xoxb-" not in told and secret not in told

    assert "xoxb-" not in caplog.text and secret not in caplog.text
