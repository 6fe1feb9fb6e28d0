"""The Slack connector keeps the contract, against a Slack that nobody here wrote: emulate, behind a line that can break.

The emulator lacks: search.messages (the connector reads the channels instead), the time bounds of conversations.history and
.replies, `latest_reply`, time zones, guests, deactivated users, rate limits, tokens that lapse, and idempotent posting (as Slack
does), marks on files (as Slack does), and posting what was scheduled. Lapsed tokens and limits are answered by the line instead.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from connectors.conformance import *  # noqa: F403
from connectors.conformance import Provider
from connectors.errors import ConnectorError, RateLimited, ReconsentNeeded, Unreachable
from tests.connectors.slack import world
from tests.services import emulate
from tests.services.emulate import Emulate
from tests.services.fault_proxy import Fault, FaultProxy

OFFERS = ("chat", "directory")

LOOKS = {
    "chat.post_message": b"/api/conversations.history",
    "chat.send_direct": b"/api/conversations.history",
    "chat.send_file": b"/api/files.list",
    "chat.schedule_message": b"/api/chat.scheduledMessages.list",
}


@pytest.fixture(scope="module")
def slack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulate]:
    with emulate.running("slack", world.WORLD, tmp_path_factory.mktemp("slack")) as service:
        yield service


@pytest.fixture
def line(slack: Emulate) -> Iterator[FaultProxy]:
    with FaultProxy(port=slack.port) as proxy:
        yield proxy


@pytest.fixture
def provider(line: FaultProxy, request: pytest.FixtureRequest) -> Provider:
    if request.node.name.startswith("test_at_its_moment"):
        pytest.skip("the emulator lacks posting what was scheduled")

    def refuse(tool: str, error: type[ConnectorError]) -> None:
        if error is Unreachable:
            line.arm(Fault.DROP_AT_ACCEPT)
        elif error is RateLimited:
            line.arm(Fault.ANSWER, when=world.POSTS[tool], status=429, retry_after_s=7, body=_said("ratelimited"))
        else:
            assert error is ReconsentNeeded
            line.arm(Fault.ANSWER, when=world.POSTS[tool], status=200, body=_said("token_revoked"))

    return Provider(
        connector=world.connect(line.url),
        account=world.account("ada"),
        colleague=world.account("bob"),
        channel="#team",
        found_by_state=frozenset({"chat.send_file", "chat.schedule_message"}),
        shares_mailbox=False,
        lose_answer=lambda tool: _arm(line, Fault.DROP_REPLY, tool),
        lose_request=lambda tool: _arm(line, Fault.DROP_REQUEST, tool),
        refuse=refuse,
        cannot_tell=lambda tool: _close(line, tool),
    )


def _said(code: str) -> bytes:
    return json.dumps({"ok": False, "error": code}).encode()


def _arm(line: FaultProxy, fault: Fault, tool: str) -> None:
    line.arm(fault, when=b"POST " + world.POSTS[tool])


def _close(line: FaultProxy, tool: str) -> None:
    """The next look at what was said is forbidden; at what there is, anything."""
    looks = LOOKS.get(tool, b"POST /api/")
    line.arm(Fault.ANSWER, when=looks, status=200, body=_said("access_denied"))
