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
from connectors.conformance.provider import new_key, new_word
from connectors.google.connector import open_connector
from connectors.spec import Absent, Done
from tests.connectors.attempts import Outcome, perform, runs
from tests.connectors.google.world import COLLEAGUE, FURTHER_TOKENS, World, a_mail
from tests.services.fault_proxy import Fault, FaultProxy

USER = b" /gmail/v1/users/me/"
WRITES = {  # what a tool says on the wire that changes something
    "mail.send": [b"POST" + USER + b"drafts?", b"POST" + USER + b"drafts/send"],
    "mail.reply": [b"POST" + USER + b"drafts?", b"POST" + USER + b"drafts/send"],
    "mail.forward": [b"POST" + USER + b"drafts?", b"POST" + USER + b"drafts/send"],
    "mail.create_draft": [b"POST" + USER + b"drafts?"],
    "mail.update_labels": [b"/modify"],
    "mail.delete": [b"/trash"],
}
READS = [b"GET" + USER + one for one in (b"messages", b"drafts", b"messages/", b"drafts/", b"labels")]


@pytest.fixture(scope="module")
def broken(running_world: World) -> Iterator[tuple[FaultProxy, Provider]]:
    """A line to the emulator that can break, and the connector at its other end."""
    with FaultProxy(port=int(running_world.front.upstream.rpartition(":")[2])) as line:
        connector = open_connector(gmail_root=line.url, people_root=line.url, units_per_minute={"gmail": 1e9})
        yield line, Provider(connector=connector, account=running_world.account)
        connector.close()


@pytest.mark.parametrize("seed", range(runs(60)))
def test_a_mail_is_there_once_or_not_at_all(world: World, broken: tuple[FaultProxy, Provider], seed: int) -> None:
    """And what the caller was told, or would be told when it asks, is what Gmail holds."""
    line, provider = broken
    credentials = dict(world.account.credentials) | {"access_token": FURTHER_TOKENS[seed // 4 % len(FURTHER_TOKENS)]}
    world = world.with_(credentials=credentials)
    provider = replace(provider, account=world.account)
    draw = random.Random(seed)
    tool, word, key = draw.choice(sorted(WRITES)), new_word(), new_key()
    args = _args(world, tool, word)
    for _ in range(draw.randint(1, 4)):
        fault = draw.choice([one for one in Fault if one is not Fault.DELAY])
        # A 429 for something that was done would be a lie that nobody can see through.
        status = draw.choice([500, 503] if fault is Fault.ANSWER_AFTER else [429, 500, 503])
        when = draw.choice(WRITES[tool] if draw.random() < 0.7 else READS)
        line.arm(fault, when=when, status=status, retry_after_s=1)

    outcome = perform(provider, tool, args, key)

    line.disarm()
    there = _count(world, tool, word)
    assert there == {Outcome.DONE: 1, Outcome.NOT_DONE: 0}.get(outcome, there)
    assert there in (0, 1)
    if outcome is not Outcome.IN_DOUBT:
        assert isinstance(provider.reconcile(tool, args, key), Done if there else Absent)
    for draft in world.ask("GET", "/gmail/v1/users/me/drafts?maxResults=500").get("drafts", ()):
        world.ask("DELETE", f"/gmail/v1/users/me/drafts/{draft['id']}")  # else later runs look through them all


def _args(world: World, tool: str, word: str) -> dict[str, Any]:
    letter = {"to": [COLLEAGUE], "subject": word, "body": "Text."}
    if tool in ("mail.send", "mail.create_draft"):
        return letter
    come: dict[str, Any] = {"message_id": f"msg_{world.deliver(a_mail(word))['id']}"}
    more: dict[str, dict[str, Any]] = {
        "mail.reply": {"body": "Yes."},
        "mail.forward": {"to": [COLLEAGUE], "body": "See below."},
        "mail.update_labels": {"add": ["important"]},
    }
    return come | more.get(tool, {})


def _count(world: World, tool: str, word: str) -> int:
    """Of messages that the emulator holds, where the tool puts them."""
    label = {"mail.create_draft": "DRAFT", "mail.update_labels": "IMPORTANT", "mail.delete": "TRASH"}.get(tool, "SENT")
    found = world.ask("GET", f"/gmail/v1/users/me/messages?q=subject:{word}&includeSpamTrash=true&labelIds={label}")
    return len(found.get("messages", ()))
