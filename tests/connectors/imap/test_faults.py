"""Whatever breaks on the way, a mail is delivered once or not at all, and the connector never claims what it does not know."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.errors import ConnectorError, OutcomeUnknown, RateLimited, Unreachable
from connectors.imap.connector import ImapConnector, open_connector
from connectors.spec import Absent, Account, Done, Unknown
from tests.connectors.imap.world import ALEX, DANA, account, call, new_key, new_word, reconcile
from tests.services.dovecot import Dovecot
from tests.services.fault_proxy import Fault, FaultProxy

SENDS = ("mail.send", "mail.reply", "mail.forward")
DOT = b"\r\n.\r\n"
STAGING = b"X-Deputy-Effect"  # only what the account keeps says it, never what goes out


@pytest.fixture
def smtp(server: Dovecot) -> Iterator[FaultProxy]:
    with FaultProxy(port=server.smtp_port) as line:
        yield line


@pytest.fixture
def imap(server: Dovecot) -> Iterator[FaultProxy]:
    with FaultProxy(port=server.imap_port) as line:
        yield line


@pytest.fixture
def alex(server: Dovecot, smtp: FaultProxy, imap: FaultProxy) -> Account:
    return account(server, ALEX, imap_port=imap.port, smtp_port=smtp.port)


def args_of(server: Dovecot, connector: ImapConnector, tool: str, word: str) -> dict[str, Any]:
    """A call that writes `word` to Dana."""
    if tool == "mail.send":
        return {"to": [DANA], "subject": word, "body": f"Text {word}."}
    subject = new_word()
    call(connector, "mail.send", account(server, DANA), to=[ALEX], subject=subject, body="Please.")
    found = call(connector, "mail.search", account(server, ALEX), subject=subject)["messages"]
    more = {"to": [DANA]} if tool == "mail.forward" else {}
    return {"message_id": found[0]["message_id"], "body": f"Text {word}."} | more


def holding(server: Dovecot, user: str, folder: str, word: str) -> int:
    """How many messages on the server's disk carry the word."""
    return sum(word.encode() in path.read_bytes() for path in server.files(user, folder))


BEFORE = [
    pytest.param(Fault.DROP_AT_ACCEPT, b"", id="nobody answers"),
    pytest.param(Fault.DROP_REQUEST, b"MAIL FROM", id="cut before the sender"),
    pytest.param(Fault.DROP_REPLY, b"RCPT TO", id="cut after the recipient"),
    pytest.param(Fault.DROP_REQUEST, b"DATA\r\n", id="cut before DATA"),
    pytest.param(Fault.DROP_REPLY, b"DATA\r\n", id="cut after DATA and before the mail"),
]


@pytest.mark.parametrize("tool", SENDS)
@pytest.mark.parametrize(("fault", "when"), BEFORE)
def test_a_line_that_breaks_before_the_mail_is_no_mail(
    server: Dovecot, connector: ImapConnector, smtp: FaultProxy, alex: Account, tool: str, fault: Fault, when: bytes
) -> None:
    """Unreachable, nothing on the server, absent when asked; and the same key may be tried again."""
    word, key = new_word(), new_key()
    args = args_of(server, connector, tool, word)
    smtp.arm(fault, when=when)

    with pytest.raises(Unreachable):
        call(connector, tool, alex, key=key, **args)

    assert (holding(server, DANA, "INBOX", word), holding(server, ALEX, "Drafts", word)) == (0, 0)
    assert reconcile(connector, tool, alex, key, **args) == Absent()
    call(connector, tool, alex, key=key, **args)
    assert (holding(server, DANA, "INBOX", word), holding(server, ALEX, "Sent", word)) == (1, 1)


@pytest.mark.parametrize("tool", SENDS)
@pytest.mark.parametrize(
    ("fault", "when", "delivered"),
    [
        pytest.param(Fault.DROP_REQUEST, b"Text zq", 0, id="cut within the mail"),
        pytest.param(Fault.HALF_REQUEST, b"Text zq", 0, id="half a mail"),
        pytest.param(Fault.DROP_REQUEST, DOT, 0, id="cut before the final dot"),
        pytest.param(Fault.DROP_REPLY, DOT, 1, id="no answer to the final dot"),
    ],
)
def test_a_mail_without_an_answer_is_in_doubt(
    *,
    server: Dovecot,
    connector: ImapConnector,
    smtp: FaultProxy,
    alex: Account,
    tool: str,
    fault: Fault,
    when: bytes,
    delivered: int,
) -> None:
    """OutcomeUnknown; delivered at most once, kept as a draft, and asked later neither done nor absent is claimed."""
    word, key = new_word(), new_key()
    args = args_of(server, connector, tool, word)
    armed = smtp.arm(fault, when=when)

    with pytest.raises(OutcomeUnknown):
        call(connector, tool, alex, key=key, **args)

    assert armed.struck.is_set()
    assert holding(server, DANA, "INBOX", word) == delivered
    assert (holding(server, ALEX, "Drafts", word), holding(server, ALEX, "Sent", word)) == (1, 0)
    assert isinstance(reconcile(connector, tool, alex, key, **args), Unknown)


def test_a_draft_in_doubt_that_somebody_threw_away_proves_nothing(
    server: Dovecot, connector: ImapConnector, smtp: FaultProxy, alex: Account
) -> None:
    """The copy of an attempt in doubt stays a draft, in whatever folder a person puts it."""
    word, key = new_word(), new_key()
    args = args_of(server, connector, "mail.send", word)
    smtp.arm(Fault.DROP_REQUEST, when=DOT)
    with pytest.raises(OutcomeUnknown):
        call(connector, "mail.send", alex, key=key, **args)
    [draft] = call(connector, "mail.search", alex, query=word, label="draft")["messages"]

    call(connector, "mail.delete", alex, message_id=draft["message_id"])

    assert isinstance(reconcile(connector, "mail.send", alex, key, **args), Unknown)


def test_a_mail_in_doubt_that_came_back_to_me_was_sent(
    server: Dovecot, connector: ImapConnector, smtp: FaultProxy, alex: Account
) -> None:
    """A received copy under the attempt's Message-ID shows that the server took it."""
    word, key = new_word(), new_key()
    args = {"to": [DANA, ALEX], "subject": word, "body": "Text."}
    smtp.arm(Fault.DROP_REPLY, when=DOT)
    with pytest.raises(OutcomeUnknown):
        call(connector, "mail.send", alex, key=key, **args)

    found = reconcile(connector, "mail.send", alex, key, **args)

    assert isinstance(found, Done)
    assert isinstance(found.result, dict)
    mail = call(connector, "mail.get_message", alex, message_id=found.result["message_id"])
    assert mail["subject"] == word


@pytest.mark.parametrize(("seconds", "is_answered"), [(0.2, True), (3.0, False)])
def test_a_late_answer_is_waited_for_a_while(
    server: Dovecot, smtp: FaultProxy, alex: Account, seconds: float, is_answered: bool
) -> None:
    """Within patience the mail is sent; after it the outcome is unknown. Delivered once in both cases."""
    connector = open_connector(answer_s=1.0)
    word, key = new_word(), new_key()
    args = {"to": [DANA], "subject": word, "body": "Text."}
    smtp.arm(Fault.DELAY, when=DOT, seconds=seconds)

    try:
        call(connector, "mail.send", alex, key=key, **args)
        told = True
    except OutcomeUnknown:
        told = False

    connector.close()
    assert told is is_answered
    assert holding(server, DANA, "INBOX", word) == 1


@pytest.mark.parametrize(
    ("step", "answer", "error"),
    [
        ("MAIL", "451 4.3.0 later", RateLimited),
        ("RCPT", "550 5.1.1 unknown", ConnectorError),
        ("RCPT", "450 4.2.0 greylisted", RateLimited),
        ("DATA", "554 5.7.1 refused", ConnectorError),
        ("DATA", "452 4.3.1 full", RateLimited),
    ],
)
def test_a_refused_mail_leaves_nothing(
    server: Dovecot, connector: ImapConnector, alex: Account, step: str, answer: str, error: type[ConnectorError]
) -> None:
    """A definite no, at whatever step: not delivered to anybody, no draft left, absent when asked."""
    word, key = new_word(), new_key()
    args = {"to": [DANA, "sam@northwind.example"], "subject": word, "body": "Text."}
    server.submission.refuse(step, answer)

    with pytest.raises(error) as caught:
        call(connector, "mail.send", alex, key=key, **args)

    assert not isinstance(caught.value, OutcomeUnknown)
    assert holding(server, DANA, "INBOX", word) + holding(server, "sam@northwind.example", "INBOX", word) == 0
    assert holding(server, ALEX, "Drafts", word) == 0
    assert reconcile(connector, "mail.send", alex, key, **args) == Absent()


@pytest.mark.parametrize(("fault", "drafts"), [(Fault.DROP_REQUEST, 0), (Fault.HALF_REQUEST, 0), (Fault.DROP_REPLY, 1)])
def test_without_its_own_copy_no_mail_is_sent(
    server: Dovecot, connector: ImapConnector, imap: FaultProxy, alex: Account, fault: Fault, drafts: int
) -> None:
    """The copy is filed before DATA; where that breaks nothing is sent, and another attempt sends it once."""
    word, key = new_word(), new_key()
    args = {"to": [DANA], "subject": word, "body": "Text."}
    imap.arm(fault, when=STAGING)

    with pytest.raises(Unreachable):
        call(connector, "mail.send", alex, key=key, **args)

    assert (holding(server, DANA, "INBOX", word), holding(server, ALEX, "Drafts", word)) == (0, drafts)
    call(connector, "mail.send", alex, key=key, **args)
    assert (holding(server, DANA, "INBOX", word), holding(server, ALEX, "Sent", word)) == (1, 1)
    assert holding(server, ALEX, "Drafts", word) == 0


@pytest.mark.parametrize("fault", [Fault.DROP_REQUEST, Fault.DROP_REPLY])
def test_a_sent_mail_that_could_not_be_filed_is_sent_and_found(
    server: Dovecot, connector: ImapConnector, imap: FaultProxy, alex: Account, fault: Fault
) -> None:
    """The line to the mailbox breaks after the server took the mail: success, readable at once, and filed by the next effect."""
    word = new_word()
    imap.arm(fault, when=b" MOVE ")

    sent = call(connector, "mail.send", alex, to=[DANA], subject=word, body="Text.")

    assert call(connector, "mail.get_message", alex, message_id=sent["message_id"])["subject"] == word
    call(connector, "mail.create_draft", alex, to=[DANA], subject=new_word(), body="Text.")
    assert (holding(server, ALEX, "Drafts", word), holding(server, ALEX, "Sent", word)) == (0, 1)
    assert holding(server, DANA, "INBOX", word) == 1


@pytest.mark.parametrize(("fault", "filed"), [(Fault.DROP_REQUEST, 0), (Fault.HALF_REQUEST, 0), (Fault.DROP_REPLY, 1)])
def test_a_draft_in_doubt_is_found_or_absent(
    server: Dovecot, connector: ImapConnector, imap: FaultProxy, alex: Account, fault: Fault, filed: int
) -> None:
    """The mailbox itself tells; with the same key there is one draft in the end."""
    word, key = new_word(), new_key()
    args = {"to": [DANA], "subject": word, "body": "Text."}
    imap.arm(fault, when=STAGING)

    with pytest.raises(OutcomeUnknown):
        call(connector, "mail.create_draft", alex, key=key, **args)

    assert holding(server, ALEX, "Drafts", word) == filed
    found = reconcile(connector, "mail.create_draft", alex, key, **args)
    assert isinstance(found, Done if filed else Absent)
    call(connector, "mail.create_draft", alex, key=key, **args)
    assert holding(server, ALEX, "Drafts", word) == 1


ATTEMPT = """
import asyncio, json, sys
from connectors.imap.connector import open_connector
from connectors.spec import Account
told = json.loads(sys.argv[1])
whose = Account(**told["account"])
asyncio.run(open_connector().call("mail.send", told["args"], account=whose, key=told["key"]))
"""


@pytest.mark.parametrize(
    ("where", "when", "delivered", "found"),
    [
        pytest.param("smtp", b"RCPT TO", 0, Absent, id="before the copy"),
        pytest.param("imap", STAGING, 0, Unknown, id="after the copy"),
        pytest.param("smtp", b"DATA\r\n", 0, Unknown, id="after DATA"),
        pytest.param("smtp", DOT, 1, Unknown, id="after the final dot"),
        pytest.param("imap", b" MOVE ", 1, Done, id="after filing"),
    ],
)
def test_a_process_that_is_killed_leaves_a_mailbox_that_tells(
    *,
    server: Dovecot,
    connector: ImapConnector,
    smtp: FaultProxy,
    imap: FaultProxy,
    alex: Account,
    where: str,
    when: bytes,
    delivered: int,
    found: type[object],
) -> None:
    """Killed at any step, the mail is out once or not at all, and who asks afterwards is not told more than is known."""
    word, key = new_word(), new_key()
    args = {"to": [DANA], "subject": word, "body": "Text."}
    line = smtp if where == "smtp" else imap
    armed = line.arm(Fault.DELAY, when=when, seconds=30.0)
    whose = {
        "connection_id": alex.connection_id,
        "subject": alex.subject,
        "credentials": dict(alex.credentials),
        "settings": dict(alex.settings),
    }
    told = json.dumps({"account": whose, "args": args, "key": key})

    process = subprocess.Popen([sys.executable, "-c", ATTEMPT, told])
    assert armed.answered.wait(20)
    process.kill()
    process.wait()

    line.cut()
    assert holding(server, DANA, "INBOX", word) == delivered
    assert isinstance(reconcile(connector, "mail.send", alex, key, **args), found)
