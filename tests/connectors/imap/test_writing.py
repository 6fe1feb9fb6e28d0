"""What goes out is what was approved: no header more, no recipient less, nobody's Bcc."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest

from connectors.errors import InvalidCall
from connectors.imap.connector import ImapConnector
from connectors.imap.letters import MOST_BYTES
from tests.connectors.imap.world import ALEX, DANA, OUTSIDER, SAM, account, call, mail, new_word
from tests.services.dovecot import Dovecot

HEADERS = {"From", "To", "Subject", "Date", "Message-ID", "Content-Type", "Content-Transfer-Encoding", "MIME-Version"}


def sent(server: Dovecot, word: str) -> tuple[tuple[str, ...], EmailMessage]:
    """Envelope recipients and the mail, as the submission server was handed it, once."""
    [(_, to, raw)] = [one for one in server.submission.taken if word.encode() in one[2]]
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return to, message


@pytest.mark.parametrize(
    "args",
    [
        {"subject": "Hi\r\nBcc: evil@outside.example"},
        {"subject": "Hi\nX: y"},
        {"subject": "Hi\u2028Bcc: evil@outside.example"},
        {"subject": "Hi\x00"},
        {"to": ["dana@northwind.example\r\nRCPT TO:<evil@outside.example>"]},
        {"to": ["dana@northwind.example>,<evil@outside.example"]},
        {"to": ["dana@northwind.example, evil@outside.example"]},
        {"to": ["Dana <dana@northwind.example>"]},
        {"to": ["dana"]},
        {"to": ["dana@"]},
        {"to": ["@northwind.example"]},
        {"cc": ["a b@northwind.example"]},
        {"bcc": ["evil@outside.example\n"[:-1] + "\tx"]},
        {"to": ["x" * 65 + "@northwind.example"]},
        {"body": "\ud800"},
    ],
)
def test_what_could_end_a_header_is_refused(server: Dovecot, connector: ImapConnector, args: dict[str, Any]) -> None:
    """Line breaks, control signs and lists where one address belongs never reach the server."""
    before = len(server.submission.taken)
    whole = {"to": [DANA], "subject": new_word(), "body": "Text."} | args

    with pytest.raises(InvalidCall):
        call(connector, "mail.send", account(server, ALEX), **whole)

    assert len(server.submission.taken) == before


def test_a_mail_has_the_headers_it_needs_and_no_other(server: Dovecot, connector: ImapConnector) -> None:
    """Bcc is in the envelope and in the own copy alone; the note of the effect leaves the account never."""
    word = new_word()
    alex = account(server, ALEX, name="Ålex Ng")

    answer = call(connector, "mail.send", alex, to=[DANA], bcc=[SAM, OUTSIDER], subject=word, body="Text.")

    to, message = sent(server, word)
    assert to == (DANA, SAM, OUTSIDER)
    assert set(message.keys()) == HEADERS
    assert message["From"] == "Ålex Ng <alex@northwind.example>"
    [kept] = [path.read_bytes() for path in server.files(ALEX, "Sent") if word.encode() in path.read_bytes()]
    assert b"\nBcc: sam@northwind.example" in kept
    assert b"\nX-Deputy-Effect: " in kept
    mine = call(connector, "mail.get_message", alex, message_id=answer["message_id"])
    assert (mine["labels"], mine["unread"]) == (["sent"], False)


def test_words_in_every_script_arrive_as_written(server: Dovecot, connector: ImapConnector) -> None:
    """Subject and text beyond ASCII, dots at line ends, long lines, and every way to end a line."""
    word = new_word()
    subject = f"{word} Grüße 你好 " + "lang " * 30 + "🎉"
    body = "Grüße\r\n.\r\n..\n.dot\rmac\n" + "x" * 2000 + "\nFrom here\n你好"

    call(connector, "mail.send", account(server, ALEX), to=[DANA], subject=subject, body=body)

    [found] = call(connector, "mail.search", account(server, DANA), query=word)["messages"]
    mail_ = call(connector, "mail.get_message", account(server, DANA), message_id=found["message_id"])
    assert mail_["subject"] == subject
    assert mail_["body"] == body.replace("\r\n", "\n").replace("\r", "\n")


def test_domains_of_every_script_are_written_in_ascii(server: Dovecot, connector: ImapConnector) -> None:
    """IDN addresses go out as A-labels, and are found by either spelling."""
    word, alex = new_word(), account(server, ALEX)

    call(connector, "mail.send", alex, to=["Dana@Bücher.example"], subject=word, body="Text.")

    to, _ = sent(server, word)
    assert to == ("dana@xn--bcher-kva.example",)
    for spelling in ("dana@bücher.example", "dana@xn--bcher-kva.example"):
        [found] = call(connector, "mail.search", alex, to=spelling, query=word)["messages"]
        assert found["to"] == ["dana@xn--bcher-kva.example"]


def test_local_parts_beyond_ascii_need_and_use_smtputf8(server: Dovecot, connector: ImapConnector) -> None:
    """RFC 6531: the address goes out as it is where the server takes it."""
    word = new_word()

    call(connector, "mail.send", account(server, ALEX), to=["jörg@outside.example"], subject=word, body="Text.")

    to, message = sent(server, word)
    assert to == ("jörg@outside.example",)
    assert "jörg@outside.example" in str(message["To"])


def test_long_message_ids_are_answered_unbroken(server: Dovecot, connector: ImapConnector) -> None:
    """References and In-Reply-To hold the ids as they came, however long: no encoded words, root first."""
    word, alex = new_word(), account(server, ALEX)
    long = "x" * 180 + "@outside.example"
    above = " ".join(f"<{number}{'y' * 60}@outside.example>" for number in range(30))
    server.deliver(ALEX, mail(sender=OUTSIDER, to=[ALEX], subject=f"Q {word}", mid=long, References=above))
    [found] = call(connector, "mail.search", alex, query=word)["messages"]

    answer = call(connector, "mail.reply", alex, message_id=found["message_id"], body=f"A {word}")

    _, message = sent(server, f"A {word}")
    assert " ".join(str(message["In-Reply-To"]).split()) == f"<{long}>"
    references = str(message["References"]).split()
    assert references[0] == f"<0{'y' * 60}@outside.example>"
    assert references[-1] == f"<{long}>"
    assert answer["thread_id"] == found["thread_id"]


def test_an_answer_goes_to_the_author_and_not_where_a_header_points(server: Dovecot, connector: ImapConnector) -> None:
    """Reply-To was shown to nobody who approved."""
    word, alex = new_word(), account(server, ALEX)
    server.deliver(ALEX, mail(sender=OUTSIDER, to=[ALEX], subject=word, Reply_To="evil@elsewhere.example"))
    [found] = call(connector, "mail.search", alex, subject=word)["messages"]

    answer = call(connector, "mail.reply", alex, message_id=found["message_id"], body="Yes.", reply_all=True)

    assert (answer["to"], answer["cc"]) == ([OUTSIDER], [])


def test_attachments_travel_unchanged_under_safe_names(server: Dovecot, connector: ImapConnector) -> None:
    """Forwarding and sending along keep the bytes; what a sender called ../x is x."""
    word, alex = new_word(), account(server, ALEX)
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = OUTSIDER, ALEX, word
    message["Date"], message["Message-ID"] = "Fri, 20 Nov 2026 09:00:00 +0000", f"<{word}@outside.example>"
    message.set_content("See.")
    message.add_attachment(bytes(range(256)), maintype="application", subtype="x-thing", filename="../../März.bin")
    inner = EmailMessage()
    inner["Subject"] = "inner"
    inner.set_content("inside")
    message.add_attachment(inner)
    server.deliver(ALEX, message.as_bytes())
    [found] = call(connector, "mail.search", alex, subject=word)["messages"]

    call(connector, "mail.forward", alex, message_id=found["message_id"], to=[DANA], body=f"f{word}")
    one = {"message_id": found["message_id"], "attachment_id": "att_1"}
    call(connector, "mail.send", alex, to=[DANA], subject=f"s{word}", body="Text.", attachments=[one])

    assert found["has_attachment"] is True
    _, forwarded = sent(server, f"f{word}")
    first, second = forwarded.iter_attachments()
    assert (first.get_filename(), first.get_content()) == ("März.bin", bytes(range(256)))
    assert second.get_content()["Subject"] == "inner"
    _, along = sent(server, f"s{word}")
    assert [part.get_content() for part in along.iter_attachments()] == [bytes(range(256))]


def test_a_mail_that_is_too_large_is_not_begun(server: Dovecot, connector: ImapConnector) -> None:
    """More than 25 MB of attachments is InvalidCall, and nothing is filed or sent."""
    word, alex = new_word(), account(server, ALEX)
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = OUTSIDER, ALEX, word
    message["Date"], message["Message-ID"] = "Fri, 20 Nov 2026 09:00:00 +0000", f"<{word}@outside.example>"
    message.set_content("Large.")
    message.add_attachment(
        b"\0" * int(MOST_BYTES * 0.8), maintype="application", subtype="x-thing", filename="large.bin"
    )
    server.deliver(ALEX, message.as_bytes())
    [found] = call(connector, "mail.search", alex, subject=word)["messages"]
    read = call(connector, "mail.get_message", alex, message_id=found["message_id"])

    with pytest.raises(InvalidCall):
        call(connector, "mail.forward", alex, message_id=found["message_id"], to=[DANA])

    assert read["attachments"][0]["size_bytes"] == int(MOST_BYTES * 0.8)
    assert server.files(DANA, "Drafts") == []
