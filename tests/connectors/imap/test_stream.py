"""Following the inbox: every new mail once, at once, and again only when the server forgot its numbers."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time
from typing import Any

import pytest

from connectors.errors import InvalidCall, Unreachable
from connectors.imap.connector import ImapConnector, open_connector
from connectors.spec import Account, Change, Changes, Streaming
from tests.connectors.imap.world import OUTSIDER, SAM, account, call, mail, new_word
from tests.services.dovecot import Dovecot
from tests.services.fault_proxy import Fault, FaultProxy


@pytest.fixture
def sam(server: Dovecot) -> Account:
    return account(server, SAM)


def changes(connector: ImapConnector, whose: Account, cursor: str | None) -> Changes:
    return asyncio.run(connector.changes("mail", account=whose, cursor=cursor))


def subjects(found: list[Change]) -> list[Any]:
    return [one.record["subject"] for one in found]


def follow(connector: ImapConnector, whose: Account, cursor: str) -> tuple[list[Change], str]:
    """Every page until there is no more."""
    seen: list[Change] = []
    while True:
        page = changes(connector, whose, cursor)
        seen += page.changes
        cursor = page.cursor
        if not page.more:
            return seen, cursor


def test_is_a_streaming_connector(connector: ImapConnector) -> None:
    """It says which family can be followed, and refuses others."""
    assert isinstance(connector, Streaming)
    assert connector.streams == {"mail"}
    with pytest.raises(InvalidCall):
        asyncio.run(connector.changes("chat", account=Account(connection_id="x", subject="x@y.example"), cursor=None))


def test_without_a_cursor_nothing_is_new(server: Dovecot, connector: ImapConnector, sam: Account) -> None:
    """What lies there already is not news; what comes afterwards is, oldest first and once."""
    word = new_word()
    server.deliver(SAM, mail(sender=OUTSIDER, to=[SAM], subject=f"{word} old"))
    start = changes(connector, sam, None)

    for number in range(3):
        server.deliver(SAM, mail(sender=OUTSIDER, to=[SAM], subject=f"{word} {number}"))
    found, cursor = follow(connector, sam, start.cursor)

    assert start.changes == ()
    assert subjects(found) == [f"{word} 0", f"{word} 1", f"{word} 2"]
    assert all(one.kind == "message" and one.change_id == one.record["message_id"] for one in found)
    assert follow(connector, sam, cursor) == ([], cursor) or follow(connector, sam, cursor)[0] == []
    assert subjects(follow(connector, sam, start.cursor)[0]) == subjects(found)


def test_many_come_in_pages(server: Dovecot, connector: ImapConnector, sam: Account) -> None:
    """More than a page holds is told in several, without a gap or a repetition."""
    word = new_word()
    start = changes(connector, sam, None)
    for number in range(60):
        server.deliver(SAM, mail(sender=OUTSIDER, to=[SAM], subject=f"{word} {number}"))

    first = changes(connector, sam, start.cursor)
    found, _ = follow(connector, sam, start.cursor)

    assert first.more
    assert subjects(found) == [f"{word} {number}" for number in range(60)]


def test_reading_and_moving_is_no_news(server: Dovecot, connector: ImapConnector, sam: Account) -> None:
    """A mail read, labelled or archived by somebody is not told again; one moved back has the change_id it had."""
    word = new_word()
    start = changes(connector, sam, None)
    server.deliver(SAM, mail(sender=OUTSIDER, to=[SAM], subject=word))
    [new], cursor = follow(connector, sam, start.cursor)

    call(connector, "mail.mark_read", sam, message_id=new.change_id)
    call(connector, "mail.archive", sam, message_id=new.change_id)
    quiet, cursor = follow(connector, sam, cursor)
    call(connector, "mail.update_labels", sam, message_id=new.change_id, add=["inbox"])
    back, _ = follow(connector, sam, cursor)

    assert quiet == []
    assert [one.change_id for one in back] == [new.change_id]


def test_new_numbers_mean_a_resync_under_the_same_ids(server: Dovecot, connector: ImapConnector, sam: Account) -> None:
    """When UIDVALIDITY changes, what came lately is told again under the change_ids it had, and then each once as before."""
    word = new_word()
    start = changes(connector, sam, None)
    server.deliver(SAM, mail(sender=OUTSIDER, to=[SAM], subject=f"{word} known"))
    [known], cursor = follow(connector, sam, start.cursor)
    connector.close()

    server.forget_uids(SAM)
    server.deliver(SAM, mail(sender=OUTSIDER, to=[SAM], subject=f"{word} missed"))
    resync = changes(connector, sam, cursor)
    server.deliver(SAM, mail(sender=OUTSIDER, to=[SAM], subject=f"{word} later"))
    after = changes(connector, sam, resync.cursor)

    told = {one.record["subject"]: one.change_id for one in resync.changes}
    assert resync.is_resync
    assert told[f"{word} known"] == known.change_id
    assert f"{word} missed" in told
    assert not after.is_resync
    assert subjects(list(after.changes)) == [f"{word} later"]


@pytest.mark.parametrize(
    "cursor", ["", "nonsense", base64.urlsafe_b64encode(json.dumps(["a", 1, 2]).encode()).decode()]
)
def test_a_foreign_cursor_is_refused(connector: ImapConnector, sam: Account, cursor: str) -> None:
    """InvalidCall, as in searches."""
    with pytest.raises(InvalidCall):
        changes(connector, sam, cursor)


def waiting(
    connector: ImapConnector, whose: Account, cursor: str, at_most_s: float
) -> tuple[threading.Thread, list[float]]:
    took: list[float] = []

    def wait() -> None:
        began = time.monotonic()
        asyncio.run(connector.wait("mail", account=whose, cursor=cursor, at_most_s=at_most_s))
        took.append(time.monotonic() - began)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread, took


def test_waiting_ends_when_mail_comes_and_hinders_no_call(server: Dovecot, connector: ImapConnector) -> None:
    """IDLE runs on a line of its own; it wakes within seconds of a delivery, not at the end of its time."""
    with FaultProxy(port=server.imap_port) as line:
        sam = account(server, SAM, imap_port=line.port)
        cursor = changes(connector, sam, None).cursor
        idles = line.arm(Fault.DELAY, when=b"IDLE\r\n")
        thread, took = waiting(connector, sam, cursor, 20.0)
        assert idles.answered.wait(10)

        call(connector, "mail.search", sam, limit=1)
        server.deliver(SAM, mail(sender=OUTSIDER, to=[SAM], subject=new_word()))
        thread.join(15)

        assert took
        assert took[0] < 10
        assert len(changes(connector, sam, cursor).changes) == 1


def test_waiting_for_what_is_there_already_ends_at_once(
    server: Dovecot, connector: ImapConnector, sam: Account
) -> None:
    """What came between reading and waiting is not slept over."""
    cursor = changes(connector, sam, None).cursor
    server.deliver(SAM, mail(sender=OUTSIDER, to=[SAM], subject=new_word()))

    thread, took = waiting(connector, sam, cursor, 20.0)
    thread.join(10)

    assert took
    assert took[0] < 5


def test_waiting_ends_with_its_time(connector: ImapConnector, sam: Account) -> None:
    """Nothing came: it returns all the same."""
    cursor = changes(connector, sam, None).cursor

    thread, took = waiting(connector, sam, cursor, 0.3)
    thread.join(10)

    assert took
    assert 0.3 <= took[0] < 5


def test_a_wait_that_is_given_up_leaves_no_line(server: Dovecot, sam: Account) -> None:
    """Cancelled, it hangs up instead of waiting on in a thread."""
    connector = open_connector()

    async def give_up(line: FaultProxy) -> None:
        whose = account(server, SAM, imap_port=line.port)
        cursor = (await connector.changes("mail", account=whose, cursor=None)).cursor
        idles = line.arm(Fault.DELAY, when=b"IDLE\r\n")
        task = asyncio.create_task(connector.wait("mail", account=whose, cursor=cursor, at_most_s=60.0))
        assert await asyncio.to_thread(idles.answered.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with FaultProxy(port=server.imap_port) as line:
        began = time.monotonic()
        asyncio.run(give_up(line))
        connector.close()  # joins the thread that waited

    assert time.monotonic() - began < 20


def test_a_broken_line_ends_the_wait_as_unreachable(server: Dovecot, connector: ImapConnector) -> None:
    """Whoever follows is told, and tries again with the cursor it has."""
    with FaultProxy(port=server.imap_port) as line:
        sam = account(server, SAM, imap_port=line.port)
        cursor = changes(connector, sam, None).cursor
        line.arm(Fault.DROP_REPLY, when=b"IDLE\r\n")

        with pytest.raises(Unreachable):
            asyncio.run(connector.wait("mail", account=sam, cursor=cursor, at_most_s=20.0))

        assert changes(connector, sam, cursor).changes == []
