"""What emulate lacks of Slack, by name: each is shown to be lacking, and skipped as such. Our own double stands in (`double`).

Once emulate has one of them the test fails: then it belongs among those that run on emulate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from connectors.conformance import Provider
from connectors.conformance.examples import a_post
from connectors.conformance.provider import new_word
from tests.connectors.slack import world
from tests.services.emulate import Emulate

Ask = Callable[..., dict[str, Any]]


def _history_by_time(provider: Provider, ask: Ask) -> bool:
    post = a_post(provider, new_word())
    return not ask("conversations.history", channel=post["channel"], oldest="9000000000.000000")["messages"]


def _latest_reply(provider: Provider, ask: Ask) -> bool:
    post = a_post(provider, new_word())
    where = {"channel": post["channel"], "thread_id": post["message_id"]}
    provider.do("chat.post_message", {"text": "Yes", **where})
    first = ask("conversations.replies", channel=post["channel"], ts=post["message_id"].partition(":")[2])["messages"][
        0
    ]
    return "latest_reply" in first


def _members_only(provider: Provider, ask: Ask) -> bool:
    one = provider.do("chat.create_channel", {"name": new_word()})["channel"]
    return not ask("chat.postMessage", token="xoxb-bob", channel=one, text="x")["ok"]


def _pages_of_replies(provider: Provider, ask: Ask) -> bool:
    post = a_post(provider, new_word())
    for _ in range(3):
        provider.do(
            "chat.post_message", {"channel": post["channel"], "thread_id": post["message_id"], "text": new_word()}
        )
    ts = post["message_id"].partition(":")[2]
    return len(ask("conversations.replies", channel=post["channel"], ts=ts, limit=2)["messages"]) == 2


def _limits(provider: Provider, ask: Ask) -> bool:
    return not all(ask("users.list")["ok"] for _ in range(60))


HAS: Mapping[str, Callable[[Provider, Ask], bool]] = {
    "search.messages": lambda provider, ask: bool(ask("search.messages", query="x").get("ok")),
    "time bounds of conversations.history": _history_by_time,
    "latest_reply of a thread's first message": _latest_reply,
    "time zones of users": lambda provider, ask: "tz" in ask("users.list")["members"][0],
    "guests and strangers": lambda provider, ask: "is_restricted" in ask("users.list")["members"][0],
    "pages of conversations.replies": _pages_of_replies,
    "closing public channels to posts of those outside them": _members_only,
    "rate limits": _limits,
}


@pytest.mark.parametrize("what", HAS)
def test_the_emulator_lacks(provider: Provider, emulated: Emulate, what: str) -> None:
    """Named in the summary of skipped tests."""

    def ask(method: str, **fields: Any) -> dict[str, Any]:
        return world.raw(emulated.url, method, **fields)

    assert not HAS[what](provider, ask), f"emulate has {what} by now: try it there"
    pytest.skip(f"the emulator lacks {what}")
