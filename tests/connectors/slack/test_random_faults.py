"""Faults drawn at random between the connector and emulate: whatever breaks, and wherever, an effect is there once or not at all.

A sample here; DEPUTY_FAULT_RUNS=1000 for more.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.conformance import Provider
from connectors.conformance.provider import iso, new_key, new_word
from connectors.spec import Absent, Done
from tests.connectors.attempts import Outcome, perform, runs
from tests.connectors.slack import world
from tests.services.fault_proxy import Fault, FaultProxy

TOOLS = ["chat.post_message", "chat.send_direct", "chat.create_channel", "chat.send_file", "chat.schedule_message"]
READS = [b"/api/auth.test", b"/api/conversations.info", b"/api/conversations.members", b"/api/users.list"]
READS += [b"/api/conversations.list", b"/api/conversations.open", b"/api/conversations.history"]
READS += [b"/api/files.getUploadURLExternal", b"/api/files.info"]
MONTH_AHEAD = iso(datetime.now(UTC) + timedelta(days=30))


@pytest.mark.parametrize("seed", range(runs(60)))
def test_an_effect_is_there_once_or_not_at_all(provider: Provider, line: FaultProxy, seed: int) -> None:
    """And it is there exactly when the caller was told so, or would be told when it asks."""
    draw = random.Random(seed)
    tool, word, key = draw.choice(TOOLS), new_word(), new_key()
    args = _args(tool, word)
    for _ in range(draw.randint(1, 3)):
        where = world.POSTS[tool] if draw.random() < 0.6 else draw.choice(READS)
        fault = draw.choice([one for one in Fault if one is not Fault.DELAY])
        # A 429 for something that was done would be a lie that nobody can see through; Slack's means that it was not.
        status = draw.choice([500, 503] if fault is Fault.ANSWER_AFTER else [429, 500, 503])
        line.arm(fault, when=b"POST " + where, status=status, retry_after_s=1)

    outcome = perform(provider, tool, args, key)

    line.disarm()
    there = _count(line.url, tool, word)
    assert there == {Outcome.DONE: 1, Outcome.NOT_DONE: 0}[outcome]
    assert isinstance(provider.reconcile(tool, args, key), Done if there else Absent)


def _args(tool: str, word: str) -> dict[str, Any]:
    match tool:
        case "chat.post_message":
            return {"channel": "#team", "text": word}
        case "chat.send_direct":
            return {"to": "bob@northwind.example", "text": word}
        case "chat.send_file":
            return {"channel": "#team", "name": f"{word}.txt", "content": word}
        case "chat.schedule_message":
            return {"channel": "#team", "text": word, "send_at": MONTH_AHEAD}
    return {"name": word, "purpose": "A try", "members": ["bob@northwind.example"]}


def _count(url: str, tool: str, word: str) -> int:
    """Of objects on the server, past every cache of the connector."""
    if tool == "chat.send_file":
        return sum(one["name"] == f"{word}.txt" for one in world.raw(url, "files.list", count=1000)["files"])
    if tool == "chat.schedule_message":
        listed = world.raw(url, "chat.scheduledMessages.list", limit=1000)["scheduled_messages"]
        return sum(one["text"] == word for one in listed)
    types = {"chat.send_direct": "im"}.get(tool, "public_channel")
    channels = world.raw(url, "conversations.list", types=types, limit=1000)["channels"]
    if tool == "chat.create_channel":
        return sum(one["name"] == word for one in channels)
    wanted = [one["id"] for one in channels if one["name"] == "team" or one["is_im"]]
    said = [
        message["text"]
        for one in wanted
        for message in world.raw(url, "conversations.history", channel=one, limit=1000)["messages"]
    ]
    return said.count(word)
