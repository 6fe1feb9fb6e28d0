"""Faults drawn at random on the lines to Dovecot and the submission server: a mail arrives once or not at all, as was said of it.

A sample here; DEPUTY_FAULT_RUNS=1000 for more. Counted are the files in the mailboxes.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.conformance import Provider
from connectors.conformance.provider import new_key, new_word
from connectors.imap.connector import ImapConnector, open_connector
from connectors.spec import Unknown
from tests.connectors.attempts import ANSWER_S, Attempt, Outcome, arm, is_true, look, perform, perform_alone, runs
from tests.connectors.gated import Gated
from tests.connectors.imap.world import ALEX, DANA, account, mail
from tests.services.dovecot import Dovecot
from tests.services.fault_proxy import Fault, FaultProxy

SENDS = ("mail.send", "mail.reply", "mail.forward")
CHANGES: dict[
    str, tuple[dict[str, Any], str, str, str]
] = {  # of a mail: what is asked; the folder, flags it has, and has not
    "mail.update_labels": ({"add": ["important"], "remove": ["unread"]}, "INBOX", "FS", ""),
    "mail.mark_read": ({}, "INBOX", "S", ""),
    "mail.archive": ({}, "Archive", "", "S"),
    "mail.delete": ({}, "Trash", "", "S"),
}
TOOLS = (*SENDS, "mail.create_draft", *CHANGES)
BREAKS = [one for one in Fault if one not in (Fault.ANSWER, Fault.ANSWER_AFTER)]  # those are of HTTP
TO_SMTP = [b"EHLO", b"AUTH", b"MAIL FROM", b"RCPT TO", b"DATA\r\n", b"Text zq", b"\r\n.\r\n"]
TO_IMAP = [b" LOGIN ", b" SELECT ", b" SEARCH ", b" FETCH ", b" APPEND ", b"X-Deputy-Effect", b" STORE ", b" MOVE "]
REFUSALS = [("AUTH", ""), ("MAIL", "451 4.3.0 later"), ("RCPT", "450 4.2.0 greylisted"), ("DATA", "452 4.3.1 full")]


@pytest.fixture(scope="module")
def lines(server: Dovecot) -> Iterator[tuple[FaultProxy, FaultProxy]]:
    """To IMAP and to SMTP."""
    with FaultProxy(port=server.imap_port) as imap, FaultProxy(port=server.smtp_port) as smtp:
        yield imap, smtp


@pytest.fixture(scope="module")
def connector() -> Iterator[ImapConnector]:
    """So impatient that an answer can be too late without a test of minutes."""
    opened = open_connector(answer_s=ANSWER_S)
    yield opened
    opened.close()


@pytest.mark.parametrize("seed", range(runs(60)))
def test_a_mail_is_there_once_or_not_at_all(
    server: Dovecot, connector: ImapConnector, lines: tuple[FaultProxy, FaultProxy], seed: int
) -> None:
    """And what is said of it is so; where it is in doubt a draft is left that a person finds."""
    _attempt(server, connector, lines, seed, perform_alone)


@pytest.mark.parametrize("seed", range(runs(20, share=10)))
def test_what_the_gate_attempts_is_there_once_or_not_at_all(
    server: Dovecot, connector: ImapConnector, lines: tuple[FaultProxy, FaultProxy], gated: Gated, seed: int
) -> None:
    """And the ledger says which."""
    _attempt(server, connector, lines, 10_000 + seed, gated.perform)


def _attempt(
    server: Dovecot, connector: ImapConnector, lines: tuple[FaultProxy, FaultProxy], seed: int, attempt: Attempt
) -> None:
    imap, smtp = lines
    draw = random.Random(seed)
    tool, word = draw.choice(TOOLS), new_word()
    whose = account(server, ALEX, imap_port=imap.port, smtp_port=smtp.port)
    provider = Provider(connector=connector, account=whose)
    args = _args(server, provider, tool, word)
    for _ in range(draw.randint(1, 3)):
        if tool not in SENDS or draw.random() < 0.5:
            arm(draw, imap, draw.choice(TO_IMAP), BREAKS)
        elif draw.random() < 0.7:
            arm(draw, smtp, draw.choice(TO_SMTP), BREAKS)
        else:
            server.submission.refuse(*draw.choice(REFUSALS[1:]))

    outcome, key = attempt(provider, tool, args)

    for line in lines:
        line.disarm()
    server.submission.forgive()
    if tool in CHANGES:
        there, found = _changed(server, tool, word), look(provider, tool, args, key) if key else None
        assert not isinstance(found, Unknown)  # the mailbox can always tell
        assert is_true(outcome, there, found), (tool, outcome, there, found)
        return
    arrived, drafts, kept = (_holding(server, *place, word) for place in _PLACES)
    there = drafts if tool == "mail.create_draft" else arrived
    if outcome is Outcome.IN_DOUBT and tool in SENDS:
        found = look(provider, tool, args, key)
        assert is_true(outcome, there, found), (tool, there, found)
        assert (drafts, kept) == ((1, 0) if isinstance(found, Unknown) else (0, there))
        return
    # What was sent and could not be filed is a draft until the next effect.
    perform(provider, "mail.create_draft", {"to": [DANA], "subject": "Hello", "body": "Text."}, new_key())
    assert is_true(outcome, there, look(provider, tool, args, key) if key else None), (tool, outcome, there)


_PLACES = ((DANA, "INBOX"), (ALEX, "Drafts"), (ALEX, "Sent"))


def _args(server: Dovecot, provider: Provider, tool: str, word: str) -> dict[str, Any]:
    """A call that writes `word` to Dana, or changes a mail of hers that says it."""
    if tool in ("mail.send", "mail.create_draft"):
        return {"to": [DANA], "subject": "Hello", "body": f"Text {word}."}
    subject = word if tool in CHANGES else new_word()
    server.deliver(ALEX, mail(sender=DANA, to=[ALEX], subject=subject))
    [come] = provider.read("mail.search", subject=subject)["messages"]
    if tool in CHANGES:
        return {"message_id": come["message_id"], **CHANGES[tool][0]}
    more = {"to": [DANA]} if tool == "mail.forward" else {}
    return {"message_id": come["message_id"], "body": f"Text {word}."} | more


def _holding(server: Dovecot, user: str, folder: str, word: str) -> int:
    """How many messages on the server's disk carry the word."""
    return sum(word.encode() in path.read_bytes() for path in server.files(user, folder))


def _changed(server: Dovecot, tool: str, word: str) -> int:
    """Whether Dana's mail stands on the server's disk as the call leaves it; of the mail there is one in any case.

    Flags are letters at the end of a file's name (Maildir: F flagged, S seen).
    """
    _, wanted, has, has_not = CHANGES[tool]
    folders = ("INBOX", "Archive", "Trash")
    found = [
        (folder, set(path.name.partition(":2,")[2]))
        for folder in folders
        for path in server.files(ALEX, folder)
        if word.encode() in path.read_bytes()
    ]
    ((folder, flags),) = found
    return int(folder == wanted and set(has) <= flags and not set(has_not) & flags)
