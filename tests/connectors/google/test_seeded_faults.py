"""Faults drawn at random between the connector and Gmail as emulate has it: a mail leaves once or not at all, as was said of it.

A sample here; DEPUTY_FAULT_RUNS=1000 for more. emulate keeps drafts as Gmail documents them (a second send of one is 404), and it
alone is the judge here: nobody's real Gmail was asked.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from connectors.conformance import Provider
from connectors.conformance.provider import new_word
from connectors.google.connector import open_connector
from tests.connectors.attempts import ANSWER_S, Attempt, arm, is_true, look, perform_alone, runs
from tests.connectors.gated import Gated
from tests.connectors.google.world import COLLEAGUE, FURTHER_TOKENS, World, a_mail
from tests.services.fault_proxy import FaultProxy

USER = b" /gmail/v1/users/me/"
WRITES = {  # what a tool says on the wire that changes something
    "mail.send": [b"POST" + USER + b"drafts?", b"POST" + USER + b"drafts/send"],
    "mail.reply": [b"POST" + USER + b"drafts?", b"POST" + USER + b"drafts/send"],
    "mail.forward": [b"POST" + USER + b"drafts?", b"POST" + USER + b"drafts/send"],
    "mail.create_draft": [b"POST" + USER + b"drafts?"],
    "mail.update_labels": [b"/modify"],
    "mail.archive": [b"/modify"],
    "mail.mark_read": [b"/modify"],
    "mail.delete": [b"/trash"],
}  # the automatic reply is not among them: the emulator lacks it
AFTER: dict[str, tuple[set[str], set[str]]] = {  # labels that the message then has, and has no more; of the rest: SENT
    "mail.create_draft": ({"DRAFT"}, set()),
    "mail.update_labels": ({"IMPORTANT", "INBOX"}, {"UNREAD"}),
    "mail.archive": ({"UNREAD"}, {"INBOX"}),
    "mail.mark_read": ({"INBOX"}, {"UNREAD"}),
    "mail.delete": ({"TRASH"}, set()),
}
READS = [b"GET" + USER + one for one in (b"messages", b"drafts", b"messages/", b"drafts/", b"labels")]


@pytest.fixture(scope="module")
def broken(running_world: World) -> Iterator[tuple[FaultProxy, Provider]]:
    """A line to the emulator that can break, and the connector at its other end."""
    with FaultProxy(port=int(running_world.front.upstream.rpartition(":")[2])) as line:
        connector = open_connector(gmail_root=line.url, people_root=line.url, units_per_minute={"gmail": 1e9})
        yield line, Provider(connector=connector, account=running_world.account)
        connector.close()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that an answer can be too late without a test of minutes."""
    monkeypatch.setattr("connectors.google.transport.ANSWER_S", ANSWER_S)


@pytest.mark.parametrize("seed", range(runs(80)))
def test_a_mail_is_there_once_or_not_at_all(world: World, broken: tuple[FaultProxy, Provider], seed: int) -> None:
    """And what the caller was told, or would be told when it asks, is what Gmail holds."""
    _attempt(world, broken, seed, perform_alone)


@pytest.mark.parametrize("seed", range(runs(20, share=10)))
def test_what_the_gate_attempts_is_there_once_or_not_at_all(
    world: World, broken: tuple[FaultProxy, Provider], gated: Gated, seed: int
) -> None:
    """And the ledger says which."""
    _attempt(world, broken, 10_000 + seed, gated.perform)


def _attempt(world: World, broken: tuple[FaultProxy, Provider], seed: int, attempt: Attempt) -> None:
    line, provider = broken
    credentials = dict(world.account.credentials) | {"access_token": FURTHER_TOKENS[seed // 4 % len(FURTHER_TOKENS)]}
    world = world.with_(credentials=credentials)
    provider = replace(provider, account=world.account)
    draw = random.Random(seed)
    tool, word = draw.choice(sorted(WRITES)), new_word()
    args = _args(world, tool, word)
    for _ in range(draw.randint(1, 4)):
        arm(draw, line, draw.choice(WRITES[tool] if draw.random() < 0.7 else READS))

    outcome, key = attempt(provider, tool, args)

    line.disarm()
    there = _count(world, tool, word)
    found = look(provider, tool, args, key) if key else None
    assert is_true(outcome, there, found), (tool, outcome, there, found)
    for draft in world.ask("GET", "/gmail/v1/users/me/drafts?maxResults=500").get("drafts", ()):
        world.ask("DELETE", f"/gmail/v1/users/me/drafts/{draft['id']}")  # else later runs look through them all


def _args(world: World, tool: str, word: str) -> dict[str, Any]:
    letter = {"to": [COLLEAGUE], "subject": word, "body": "Text."}
    if tool in ("mail.send", "mail.create_draft"):
        return letter
    come: dict[str, Any] = {"message_id": f"msg_{_delivered(world, word)}"}
    more: dict[str, dict[str, Any]] = {
        "mail.reply": {"body": "Yes."},
        "mail.forward": {"to": [COLLEAGUE], "body": "See below."},
        "mail.update_labels": {"add": ["important"], "remove": ["unread"]},
    }
    return come | more.get(tool, {})


def _delivered(world: World, word: str) -> str:
    """Id of a mail that came in. One of emulate's that ends in a hyphen is no word of a request, as the guard reads one; Gmail's
    are hexadecimal."""
    while not (message_id := str(world.deliver(a_mail(word))["id"]))[-1].isalnum():
        pass
    return message_id


def _count(world: World, tool: str, word: str) -> int:
    """How often it happened: of messages that the emulator holds, those as the tool leaves them."""
    found = world.ask("GET", f"/gmail/v1/users/me/messages?q=subject:{word}&includeSpamTrash=true")
    held = [world.ask("GET", f"/gmail/v1/users/me/messages/{one['id']}") for one in found.get("messages", ())]
    given, taken = AFTER.get(tool, ({"SENT"}, set()))
    return sum(given <= set(one["labelIds"]) and not taken & set(one["labelIds"]) for one in held)
