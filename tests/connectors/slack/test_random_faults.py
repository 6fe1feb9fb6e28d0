"""Faults drawn at random between the connector and emulate: whatever breaks, and wherever, an effect is there once or not at all.

A sample here; DEPUTY_FAULT_RUNS=1000 for more.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from connectors.conformance import Provider
from connectors.conformance.provider import iso, new_word
from connectors.spec import Unknown
from tests.connectors.attempts import ANSWER_S, Attempt, arm, is_true, look, perform_alone, runs
from tests.connectors.gated import Gated
from tests.connectors.slack import world
from tests.services.fault_proxy import FaultProxy

TOOLS = sorted(world.POSTS)
READS = [b"/api/auth.test", b"/api/conversations.info", b"/api/conversations.members", b"/api/users.list"]
READS += [b"/api/conversations.list", b"/api/conversations.open", b"/api/conversations.history"]
READS += [b"/api/files.getUploadURLExternal", b"/api/files.info", b"/api/chat.scheduledMessages.list"]
MONTH_AHEAD = iso(datetime.now(UTC) + timedelta(days=30))
BOB = "bob@northwind.example"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that an answer can be too late without a test of minutes."""
    monkeypatch.setattr("connectors.slack.line.REQUEST_S", ANSWER_S)


@pytest.mark.parametrize("seed", range(runs(100)))
def test_an_effect_is_there_once_or_not_at_all(provider: Provider, line: FaultProxy, seed: int) -> None:
    """And it is there exactly when the caller was told so, or would be told when it asks."""
    _attempt(provider, line, seed, perform_alone)


@pytest.mark.parametrize("seed", range(runs(20, share=10)))
def test_what_the_gate_attempts_is_there_once_or_not_at_all(
    provider: Provider, line: FaultProxy, gated: Gated, seed: int
) -> None:
    """And the ledger says which."""
    _attempt(provider, line, 10_000 + seed, gated.perform)


def _attempt(provider: Provider, line: FaultProxy, seed: int, attempt: Attempt) -> None:
    token = world.FURTHER_TOKENS[seed // 4 % len(world.FURTHER_TOKENS)]
    provider = provider.of(world.account("ada", token=token))
    draw = random.Random(seed)
    tool, word = draw.choice(TOOLS), new_word()
    args = _args(provider, tool, word)
    for _ in range(draw.randint(1, 3)):
        arm(draw, line, b"POST " + (world.POSTS[tool] if draw.random() < 0.6 else draw.choice(READS)))

    outcome, key = attempt(provider, tool, args)

    line.disarm()
    there = _count(partial(world.raw, line.url, token=token), tool, word)
    found = look(provider, tool, args, key) if key else None
    assert not isinstance(found, Unknown)  # Slack can always tell
    assert is_true(outcome, there, found), (tool, outcome, there, found)


def _args(provider: Provider, tool: str, word: str) -> dict[str, Any]:
    """A call, after whatever it changes was made."""
    match tool:
        case "chat.post_message":
            return {"channel": "#team", "text": word}
        case "chat.send_direct":
            return {"to": BOB, "text": word}
        case "chat.send_file":
            return {"channel": "#team", "name": f"{word}.txt", "content": word}
        case "chat.schedule_message":
            return {"channel": "#team", "text": word, "send_at": MONTH_AHEAD}
        case "chat.create_channel":
            return {"name": word, "purpose": "A try", "members": [BOB]}
        case "chat.invite":
            return {"channel": provider.do("chat.create_channel", {"name": word})["channel"], "people": [BOB]}
        case "chat.cancel_scheduled":
            args = {"channel": "#team", "text": word, "send_at": MONTH_AHEAD}
            return {"scheduled_id": provider.do("chat.schedule_message", args)["scheduled_id"]}
    before = f"before {word}" if tool == "chat.update_message" else word
    message = provider.do("chat.post_message", {"channel": "#team", "text": before})
    more = {"chat.update_message": {"text": word}, "chat.add_reaction": {"name": "eyes"}}
    return {"message_id": message["message_id"], **more.get(tool, {})}


def _count(ask: Callable[..., dict[str, Any]], tool: str, word: str) -> int:
    """How often it happened on the server, past every cache of the connector."""
    if tool == "chat.send_file":
        return sum(one["name"] == f"{word}.txt" for one in ask("files.list", count=1000)["files"])
    if tool in ("chat.schedule_message", "chat.cancel_scheduled"):
        listed = ask("chat.scheduledMessages.list", limit=1000)["scheduled_messages"]
        waiting = [one["text"] for one in listed].count(word)
        return waiting if tool == "chat.schedule_message" else 1 - waiting
    types = {"chat.send_direct": "im"}.get(tool, "public_channel")
    channels = ask("conversations.list", types=types, limit=1000)["channels"]
    named = [one["id"] for one in channels if one["name"] == word]
    if tool == "chat.create_channel":
        return len(named)
    if tool == "chat.invite":
        bob = next(one["id"] for one in ask("users.list")["members"] if one["name"] == "bob")
        members: list[str] = ask("conversations.members", channel=named[0])["members"]
        return members.count(bob)
    wanted = [one["id"] for one in channels if one["name"] == "team" or one["is_im"]]
    said = [
        message
        for one in wanted
        for message in ask("conversations.history", channel=one, limit=1000)["messages"]
        if message["text"] == word
    ]
    if tool == "chat.delete_message":
        return 1 - len(said)
    if tool == "chat.add_reaction":
        return sum(len(one["users"]) for message in said for one in message.get("reactions", ()))
    return len(said)
