"""Mailboxes as servers and other programs leave them: moved, spoofed, huge, nameless, and changing while they are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import imap_tools
import pytest

from connectors.errors import InvalidCall, NotFound
from connectors.imap.connector import ImapConnector
from connectors.spec import Account
from tests.connectors.imap.world import ALEX, DANA, OUTSIDER, account, call, mail, new_word
from tests.services.dovecot import Dovecot


@pytest.fixture
def alex(server: Dovecot) -> Account:
    return account(server, ALEX)


@pytest.fixture
def other_program(server: Dovecot) -> Iterator[imap_tools.MailBoxUnencrypted]:
    """Another mail program of Alex's."""
    box = imap_tools.MailBoxUnencrypted("127.0.0.1", server.imap_port, timeout=10)
    box.login(ALEX, server.password)
    yield box
    box.logout()


def find(connector: ImapConnector, whose: Account, **args: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = call(connector, "mail.search", whose, **args)["messages"]
    return found


def move(box: imap_tools.MailBoxUnencrypted, word: str, source: str, target: str) -> None:
    box.folder.set(source)
    uids = box.uids(f'BODY "{word}"')
    assert uids
    box.move(uids, target)


@pytest.mark.parametrize("headers", [b"Message-ID: <%s@outside.example>\r\n", b"", b"Message-ID: broken\r\n"])
def test_an_id_stays_when_another_program_moves_the_mail(
    server: Dovecot,
    connector: ImapConnector,
    alex: Account,
    other_program: imap_tools.MailBoxUnencrypted,
    headers: bytes,
) -> None:
    """With and without a Message-ID, the same id finds a mail in whatever folder it lies now."""
    word = new_word()
    named = headers.replace(b"%s", word.encode())
    head = f"From: {OUTSIDER}\r\nTo: {ALEX}\r\nSubject: {word}\r\nDate: Fri, 20 Nov 2026 23:30:00 -0700\r\n".encode()
    server.deliver(ALEX, head + named + f"\r\n{word}\r\n".encode())
    [before] = find(connector, alex, query=word)

    move(other_program, word, "INBOX", "Archive")
    after = call(connector, "mail.get_message", alex, message_id=before["message_id"])
    thread = call(connector, "mail.get_thread", alex, thread_id=before["thread_id"])

    assert (before["labels"], after["labels"]) == (["inbox", "unread"], ["archive", "unread"])
    assert [one["message_id"] for one in thread["messages"]] == [before["message_id"]]
    call(connector, "mail.delete", alex, message_id=before["message_id"])
    assert call(connector, "mail.get_message", alex, message_id=before["message_id"])["labels"] == ["trash", "unread"]


def test_a_second_mail_under_a_known_message_id_does_not_take_its_place(
    server: Dovecot, connector: ImapConnector, alex: Account
) -> None:
    """Who knows a Message-ID can write one more mail, which is another message; the first keeps its words."""
    word = new_word()
    server.deliver(ALEX, mail(sender=DANA, to=[ALEX], subject=word, body="Pay 10.", mid=f"{word}@northwind.example"))
    [first] = find(connector, alex, subject=word)

    for sender, subject in ((OUTSIDER, word), (DANA, f"{word} !"), (DANA, word)):
        body = "Pay 9999."
        server.deliver(
            ALEX, mail(sender=sender, to=[ALEX], subject=subject, body=body, mid=f"{word}@northwind.example")
        )

    assert call(connector, "mail.get_message", alex, message_id=first["message_id"])["body"] == "Pay 10."
    assert len({one["message_id"] for one in find(connector, alex, subject=word)}) == 3


def test_a_mail_dated_into_the_future_is_not_the_newest_for_ever(
    server: Dovecot, connector: ImapConnector, alex: Account
) -> None:
    """The time of arrival counts where the Date lies after it."""
    word = new_word()
    late = "Wed, 20 Nov 2199 09:00:00 +0000"
    server.deliver(ALEX, mail(sender=OUTSIDER, to=[ALEX], subject=word, Date=late))

    [found] = find(connector, alex, subject=word)

    assert not found["sent_at"].startswith("2199")


def test_pages_stay_right_while_mail_comes_and_moves(
    server: Dovecot, connector: ImapConnector, alex: Account, other_program: imap_tools.MailBoxUnencrypted
) -> None:
    """A cursor is a place in time: new mail, moved mail and new UIDs neither repeat nor hide what was there."""
    word = new_word()
    for number in range(1, 7):
        body = f"{word} no{number}."
        date = f"Fri, 20 Nov 2026 09:0{number}:00 +0000"
        server.deliver(ALEX, mail(sender=OUTSIDER, to=[ALEX], subject=f"{word} {number}", body=body, Date=date))
    first = call(connector, "mail.search", alex, query=word, limit=2)

    server.deliver(
        ALEX, mail(sender=OUTSIDER, to=[ALEX], subject=f"{word} new", Date="Fri, 20 Nov 2026 10:00:00 +0000")
    )
    move(other_program, f"{word} no3", "INBOX", "Archive")
    second = call(connector, "mail.search", alex, query=word, limit=2, cursor=first["next"])
    connector.close()
    server.forget_uids(ALEX)
    third = call(connector, "mail.search", alex, query=word, limit=2, cursor=second["next"])

    pages = [first, second, third]
    assert [one["subject"][-1] for page in pages for one in page["messages"]] == ["6", "5", "4", "3", "2", "1"]
    assert third["next"] is None


def test_threads_hold_without_references(server: Dovecot, connector: ImapConnector, alex: Account) -> None:
    """An answer that names only its parent belongs to the root above it, and what answers it as well."""
    word = new_word()
    ids = [f"{word}.{number}@outside.example" for number in range(4)]
    more: list[dict[str, str]] = [
        {},
        {"References": f"<{ids[0]}>", "In-Reply-To": f"<{ids[0]}>"},
        {"In-Reply-To": f"<{ids[1]}>"},
        {"In-Reply-To": f"<{ids[2]}>"},
    ]
    for number in (3, 1, 0, 2):
        date = f"Fri, 20 Nov 2026 09:0{number}:00 +0000"
        sender = DANA if number % 2 else OUTSIDER
        server.deliver(ALEX, mail(sender=sender, to=[ALEX], subject=word, mid=ids[number], Date=date, **more[number]))

    found = find(connector, alex, subject=word)
    thread = call(connector, "mail.get_thread", alex, thread_id=found[0]["thread_id"])

    assert len({one["thread_id"] for one in found}) == 1
    assert [one["sent_at"][14:16] for one in thread["messages"]] == ["00", "01", "02", "03"]
    parents = [one["in_reply_to"] for one in thread["messages"]]
    assert parents == [None, *[one["message_id"] for one in thread["messages"][:3]]]


def test_references_that_run_in_a_circle_end(server: Dovecot, connector: ImapConnector, alex: Account) -> None:
    """Two mails that answer each other are read like others."""
    word = new_word()
    a, b = f"{word}.a@outside.example", f"{word}.b@outside.example"
    server.deliver(ALEX, mail(sender=DANA, to=[ALEX], subject=word, mid=a, In_Reply_To=f"<{b}>"))
    server.deliver(ALEX, mail(sender=DANA, to=[ALEX], subject=word, mid=b, In_Reply_To=f"<{a}>"))

    found = find(connector, alex, subject=word)

    assert len(found) == 2
    for one in found:
        assert call(connector, "mail.get_message", alex, message_id=one["message_id"])["subject"] == word


def test_only_what_people_wrote_waits_for_an_answer(server: Dovecot, connector: ImapConnector, alex: Account) -> None:
    """Newsletters, machines, invitations and Cc do not; a machine's word after a person's leaves the person waiting."""
    word = new_word()
    person = f"{word}@outside.example"
    server.deliver(ALEX, mail(sender=OUTSIDER, to=[ALEX], subject=f"{word} person", mid=person))
    automatic = {
        "Auto_Submitted": "auto-replied",
        "References": f"<{person}>",
        "Date": "Fri, 20 Nov 2026 10:00:00 +0000",
    }
    server.deliver(ALEX, mail(sender=DANA, to=[ALEX], subject=f"{word} away", **automatic))
    for name, value in (("List_Id", "<news.example>"), ("Precedence", "bulk"), ("Auto_Submitted", "auto-generated")):
        server.deliver(ALEX, mail(sender=OUTSIDER, to=[ALEX], subject=f"{word} machine", **{name: value}))
    server.deliver(ALEX, mail(sender="no-reply@outside.example", to=[ALEX], subject=f"{word} machine"))
    server.deliver(ALEX, mail(sender=OUTSIDER, to=[DANA], subject=f"{word} copy", Cc=ALEX))

    waiting = find(connector, alex, query=word, unanswered=True)
    rest = find(connector, alex, query=word, unanswered=False)

    assert [one["subject"] for one in waiting] == [f"{word} person"]
    assert len(rest) == 6


def test_labels_of_every_kind(server: Dovecot, connector: ImapConnector, alex: Account) -> None:
    """Words of any script are keywords, folders are labels, and what is not to be given by hand is refused."""
    word = new_word()
    server.deliver(ALEX, mail(sender=DANA, to=[ALEX], subject=word))
    [found] = find(connector, alex, subject=word)
    one = found["message_id"]

    labelled = call(
        connector, "mail.update_labels", alex, message_id=one, add=["Reisen & Köln/2026", "important", "(x) \\*"]
    )
    by_label = find(connector, alex, subject=word, label="Reisen & Köln/2026")
    archived = call(connector, "mail.archive", alex, message_id=one)
    back = call(connector, "mail.update_labels", alex, message_id=one, add=["inbox"], remove=["important"])

    assert {"Reisen & Köln/2026", "important", "(x) \\*", "inbox"} <= set(labelled["labels"])
    assert [each["message_id"] for each in by_label] == [one]
    assert "archive" in archived["labels"]
    assert "inbox" not in archived["labels"]
    assert "inbox" in back["labels"]
    assert not {"archive", "important"} & set(back["labels"])
    assert find(connector, alex, label="Nothing has this") == []
    for label in ("sent", "draft", "a\r\nb", " "):
        with pytest.raises(InvalidCall):
            call(connector, "mail.update_labels", alex, message_id=one, add=[label])


def test_folders_of_ones_own_are_searched_and_are_labels(
    server: Dovecot, connector: ImapConnector, alex: Account, other_program: imap_tools.MailBoxUnencrypted
) -> None:
    """With whatever signs in their names."""
    word = new_word()
    name = f'Pro"jekte & Köln {word[:6]}'
    other_program.folder.create(name)
    server.deliver(ALEX, mail(sender=DANA, to=[ALEX], subject=word, body=word))
    move(other_program, word, "INBOX", name)

    [found] = find(connector, alex, query=word)
    inbox = call(connector, "mail.update_labels", alex, message_id=found["message_id"], add=["inbox"])
    again = call(connector, "mail.update_labels", alex, message_id=found["message_id"], add=[name])

    assert found["labels"][0] == name
    assert inbox["labels"][0] == "inbox"
    assert again["labels"][0] == name
    assert [one["message_id"] for one in find(connector, alex, label=name, subject=word)] == [found["message_id"]]


def test_deleting_takes_nobody_elses_deleted_mail_along(
    server: Dovecot, connector: ImapConnector, alex: Account, other_program: imap_tools.MailBoxUnencrypted
) -> None:
    """What another program has flagged as deleted and not yet expunged is still there."""
    word, kept = new_word(), new_word()
    server.deliver(ALEX, mail(sender=DANA, to=[ALEX], subject=kept, body=kept))
    server.deliver(ALEX, mail(sender=DANA, to=[ALEX], subject=word))
    other_program.folder.set("INBOX")
    [uid] = other_program.uids(f'BODY "{kept}"')
    other_program.client.uid("STORE", uid, "+FLAGS", "(\\Deleted)")  # `flag` would expunge as well
    [found] = find(connector, alex, subject=word)

    call(connector, "mail.delete", alex, message_id=found["message_id"])

    other_program.folder.set("INBOX")
    assert len(other_program.uids(f'BODY "{kept}"')) == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\n",
        b"no header",
        b'Subject: x\r\nContent-Type: multipart/mixed; boundary="\r\n\r\n--\r\n',
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n--b--",
        b'From: "\x00\xff\r\nTo: ,,,<>\r\nDate: never\r\nMessage-ID: <>\r\n\r\n\xff\xfe',
        (
            "Subject: d\r\n"
            + "".join(f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(120))
        ).encode(),
        b"References: " + b"<x@y> " * 2000 + b"\r\nSubject: many\r\n\r\nx",
        b"X-Long: " + b"x" * 200_000 + b"\r\nSubject: long\r\n\r\nx",
    ],
    ids=range(9),
)
def test_no_mail_makes_a_mailbox_unreadable(server: Dovecot, connector: ImapConnector, raw: bytes) -> None:
    """Whatever lies in it, the mailbox is listed and every message in it is read."""
    sam = account(server, "sam@northwind.example")
    before = len(find(connector, sam, limit=200))

    server.deliver("sam@northwind.example", raw)

    found = find(connector, sam, limit=200)
    assert len(found) == before + 1
    for one in found:
        read = call(connector, "mail.get_message", sam, message_id=one["message_id"])
        assert read["message_id"] == one["message_id"]
        assert call(connector, "mail.get_thread", sam, thread_id=one["thread_id"])["messages"]


@pytest.mark.parametrize(
    "message_id", ["msg_none", "msg_", "msg_.x.y", 'msg_" OR ALL', "thr_x", "msg_" + "A" * 5000, "msg_é"]
)
def test_ids_that_somebody_made_up_find_nothing(connector: ImapConnector, alex: Account, message_id: str) -> None:
    """NotFound, and nothing of them is spoken on the line."""
    with pytest.raises(NotFound):
        call(connector, "mail.get_message", alex, message_id=message_id)


@pytest.mark.parametrize("query", ['"', "\\", '" OR ALL "', "{5}", "*", "Grüße", "(", "%"])
def test_search_words_are_words(connector: ImapConnector, alex: Account, server: Dovecot, query: str) -> None:
    """Nothing in them is read as a command."""
    word = new_word()
    server.deliver(ALEX, mail(sender=DANA, to=[ALEX], subject=word, body="a"))

    assert find(connector, alex, query=f"{query} {word} zqnowhere") == []


def test_a_search_with_a_line_break_is_words_too(connector: ImapConnector, alex: Account) -> None:
    """White space parts words; other conditions on one line are refused when they hold a break."""
    assert find(connector, alex, query="zqnowhere\r\nA1 LOGOUT") == []
    with pytest.raises(InvalidCall):
        find(connector, alex, from_="a@b.example\r\nA1 LOGOUT")


def test_a_long_list_is_walked_page_by_page(server: Dovecot, connector: ImapConnector) -> None:
    """Every message once, newest first."""
    dana = account(server, DANA)
    word = new_word()
    for number in range(120):
        date = f"Fri, 20 Nov 2026 {9 + number // 60:02}:{number % 60:02}:00 +0000"
        server.deliver(DANA, mail(sender=OUTSIDER, to=[DANA], subject=f"{word} {number}", Date=date))

    walked: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = call(connector, "mail.search", dana, subject=word, limit=100, **cursor)
        walked += [one["subject"].split()[1] for one in page["messages"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}

    assert walked == [str(number) for number in reversed(range(120))]
