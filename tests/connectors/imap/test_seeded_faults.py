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
from connectors.imap.connector import ImapConnector
from connectors.spec import Absent, Done, Unknown
from tests.connectors.attempts import Outcome, perform, runs
from tests.connectors.imap.world import ALEX, DANA, account, mail
from tests.services.dovecot import Dovecot
from tests.services.fault_proxy import Fault, FaultProxy

TOOLS = ("mail.send", "mail.reply", "mail.forward", "mail.create_draft")
BREAKS = [one for one in Fault if one not in (Fault.DELAY, Fault.ANSWER, Fault.ANSWER_AFTER)]  # those two are of HTTP
TO_SMTP = [b"EHLO", b"AUTH", b"MAIL FROM", b"RCPT TO", b"DATA\r\n", b"Text zq", b"\r\n.\r\n"]
TO_IMAP = [b" LOGIN ", b" SELECT ", b" SEARCH ", b" FETCH ", b" APPEND ", b"X-Deputy-Effect", b" STORE ", b" MOVE "]
REFUSALS = [("AUTH", ""), ("MAIL", "451 4.3.0 later"), ("RCPT", "450 4.2.0 greylisted"), ("DATA", "452 4.3.1 full")]


@pytest.fixture(scope="module")
def lines(server: Dovecot) -> Iterator[tuple[FaultProxy, FaultProxy]]:
    """To IMAP and to SMTP."""
    with FaultProxy(port=server.imap_port) as imap, FaultProxy(port=server.smtp_port) as smtp:
        yield imap, smtp


@pytest.mark.parametrize("seed", range(runs(40)))
def test_a_mail_is_there_once_or_not_at_all(
    server: Dovecot, connector: ImapConnector, lines: tuple[FaultProxy, FaultProxy], seed: int
) -> None:
    """And what is said of it is so; where it is in doubt a draft is left that a person finds."""
    imap, smtp = lines
    draw = random.Random(seed)
    tool, word, key = draw.choice(TOOLS), new_word(), new_key()
    whose = account(server, ALEX, imap_port=imap.port, smtp_port=smtp.port)
    provider = Provider(connector=connector, account=whose)
    args = _args(server, provider, tool, word)
    for _ in range(draw.randint(1, 3)):
        if tool == "mail.create_draft" or draw.random() < 0.5:
            imap.arm(draw.choice(BREAKS), when=draw.choice(TO_IMAP))
        elif draw.random() < 0.7:
            smtp.arm(draw.choice(BREAKS), when=draw.choice(TO_SMTP))
        else:
            server.submission.refuse(*draw.choice(REFUSALS[1:]))

    outcome = perform(provider, tool, args, key)

    for line in lines:
        line.disarm()
    server.submission.forgive()
    arrived, drafts, kept = (_holding(server, *place, word) for place in _PLACES)
    there = drafts if tool == "mail.create_draft" else arrived
    assert there == {Outcome.DONE: 1, Outcome.NOT_DONE: 0}.get(outcome, there)
    assert there in (0, 1)
    if outcome is Outcome.IN_DOUBT:
        assert isinstance(provider.reconcile(tool, args, key), Unknown)
        assert (drafts, kept) == (1, 0)
        return
    # What was sent and could not be filed is a draft until the next effect.
    perform(provider, "mail.create_draft", {"to": [DANA], "subject": "Hello", "body": "Text."}, new_key())
    assert isinstance(provider.reconcile(tool, args, key), Done if there else Absent)


_PLACES = ((DANA, "INBOX"), (ALEX, "Drafts"), (ALEX, "Sent"))


def _args(server: Dovecot, provider: Provider, tool: str, word: str) -> dict[str, Any]:
    """A call that writes `word` to Dana."""
    if tool in ("mail.send", "mail.create_draft"):
        return {"to": [DANA], "subject": "Hello", "body": f"Text {word}."}
    subject = new_word()
    server.deliver(ALEX, mail(sender=DANA, to=[ALEX], subject=subject))
    [come] = provider.read("mail.search", subject=subject)["messages"]
    more = {"to": [DANA]} if tool == "mail.forward" else {}
    return {"message_id": come["message_id"], "body": f"Text {word}."} | more


def _holding(server: Dovecot, user: str, folder: str, word: str) -> int:
    """How many messages on the server's disk carry the word."""
    return sum(word.encode() in path.read_bytes() for path in server.files(user, folder))
