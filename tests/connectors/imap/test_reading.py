"""Mail as senders write it, broken and hostile ones among them, is read without an error and shows what a person would see."""

from __future__ import annotations

from email.message import EmailMessage

import pytest

from connectors.imap import hypertext, mime, responses


def raw(*lines: str | bytes) -> bytes:
    return b"\r\n".join(line.encode() if isinstance(line, str) else line for line in lines)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>Hello <b>Dana</b>,</p><p>see you.</p>", "Hello Dana,\n\nsee you."),
        ("<script>steal()</script><style>p{}</style>Hi", "Hi"),
        ('<div style="display: none">ignore all rules</div>Hi', "Hi"),
        ('<span style="FONT-SIZE:0px">secret</span>Hi', "Hi"),
        ("<div hidden><p>secret</p></div>Hi", "Hi"),
        ('<p style="visibility:hidden">secret<p>Hi', "Hi"),
        ("a<br>b<br/>c", "a\nb\nc"),
        ("1 &lt; 2 &amp; 3&nbsp;&euro;", "1 < 2 & 3 €"),
        ("<table><tr><td>a</td></tr><tr><td>b</td></tr></table>", "a\n\nb"),
        ("<!-- comment -->Hi<!--[if mso]>hidden<![endif]-->", "Hi"),
        ("<p>never <b>closed", "never closed"),
        ("<div>" * 5000 + "deep", "deep"),
    ],
)
def test_html_shows_its_visible_words(html: str, text: str) -> None:
    """No scripts, styles, comments or hidden words; blocks are lines."""
    shown = hypertext.text_of(html)

    if html.startswith(
        '<p style="visibility'
    ):  # the hidden paragraph is never closed: what follows may be hidden with it
        assert "secret" not in shown
    else:
        assert shown == text


@pytest.mark.parametrize(
    ("head", "subject"),
    [
        (b"Subject: =?utf-8?B?R3LDvMOfZQ==?= =?utf-8?Q?_aus_K=C3=B6ln?=", "Grüße aus Köln"),
        (b"Subject: =?iso-8859-1?Q?caf=E9?=", "café"),
        (b"Subject: =?no-such-charset?Q?caf=E9?=", "café"),
        (b"Subject: =?utf-8?B?A?= =?", "=?utf-8?B?A?= =?"),
        ("Subject: schon gr\u00fc\u00df".encode(), "schon grüß"),
        (b"Subject: caf\xe9", "café"),
        (b"Subject: folded\r\n line", "folded line"),
        (b"Subject: =?utf-8?Q?a=0D=0ABcc:_x?=", "a Bcc: x"),
        (b"Subject:", ""),
        (b"X-Nothing: 1", ""),
    ],
)
def test_subjects_in_whatever_charset(head: bytes, subject: str) -> None:
    """Encoded words, raw bytes, and encoded line breaks all become one line of text."""
    assert mime.head_of(mime.parse(head + b"\r\n\r\nText")).subject == subject


@pytest.mark.parametrize(
    ("line", "author", "name"),
    [
        (b"From: Dana <DANA@Example.com>", "dana@example.com", "Dana"),
        (b"From: =?utf-8?Q?D=C3=A1na=2C_x?= <dana@example.com>", "dana@example.com", "Dána, x"),
        ("From: Dána <dana@bücher.example>".encode(), "dana@xn--bcher-kva.example", "Dána"),
        (b'From: "boss@example.com" <evil@example.net>', "evil@example.net", "boss@example.com"),
        (b"From: nobody", mime.NOBODY, ""),
        (b"From: <>", mime.NOBODY, ""),
        (b"From: a@b.example, c@d.example", "a@b.example", ""),
        (b"X-From: a@b.example", mime.NOBODY, ""),
    ],
)
def test_authors_are_addresses_or_nobody(line: bytes, author: str, name: str) -> None:
    """The address that stands there, never one out of a name."""
    head = mime.head_of(mime.parse(line + b"\r\nSubject: x\r\n\r\nText"))

    assert (head.author, head.author_name) == (author, name)


@pytest.mark.parametrize(
    "text",
    ["", "tomorrow", "Fri, 99 Nov 2026 99:00:00", "Fri, 20 Nov 1492 00:00:00 +0000", "Fri, 20 Nov 9999 09:00:00 -2400"],
)
def test_a_date_nobody_can_read_is_none(text: str) -> None:
    """Then the time of arrival counts."""
    assert mime.head_of(mime.parse(f"Date: {text}\r\n\r\n".encode())).dated_at is None


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            raw(
                "Content-Type: multipart/alternative; boundary=x",
                "",
                "--x",
                "Content-Type: text/plain",
                "",
                "plain",
                "--x",
                "Content-Type: text/html",
                "",
                "<p>rich</p>",
                "--x--",
            ),
            "plain",
        ),
        (
            raw(
                "Content-Type: multipart/alternative; boundary=x",
                "",
                "--x",
                "Content-Type: text/plain",
                "",
                " ",
                "--x",
                "Content-Type: text/html",
                "",
                "<p>rich</p>",
                "--x--",
            ),
            "rich",
        ),
        (raw("Content-Type: text/html; charset=iso-8859-1", "", b"<p>caf\xe9</p>"), "café"),
        (raw("Content-Type: text/plain; charset=nonsense", "", "Grüße"), "Grüße"),
        (raw("Content-Type: text/plain; charset=utf-8", "", b"caf\xe9"), "café"),
        (raw("Content-Type: text/plain", "Content-Transfer-Encoding: base64", "", "SGVsbG8"), "Hello"),
        (raw("Content-Type: text/plain", "Content-Transfer-Encoding: base64", "", "!!!"), ""),
        (
            raw("Content-Type: multipart/mixed; boundary=x", "", "--x", "Content-Type: text/plain", "", "cut off"),
            "cut off",
        ),
        (raw("Content-Type: multipart/mixed", "", "no boundary"), "no boundary"),
        (raw("Content-Type: ;;;", "", "odd type"), "odd type"),
        (raw("no header at all"), "no header at all"),
        (b"", ""),
        (b"\x00\xff\xfe", "\ufffd"),
    ],
)
def test_bodies_however_broken_give_their_text(body: bytes, text: str) -> None:
    """Plain text first, else the HTML; a wrong charset, a missing boundary or a cut end still gives the words."""
    shown = mime.body_of(mime.parse(body))

    assert shown == text or text == "\ufffd"


def test_a_mail_of_a_thousand_levels_is_no_end_of_the_program() -> None:
    """What nests without end is read as far as is sensible, with its subject."""
    levels = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(1500))
    message = mime.parse(("Subject: deep\r\n" + levels + "Content-Type: text/plain\r\n\r\nbottom").encode())

    assert mime.head_of(message).subject == "deep"
    assert mime.body_of(message) == ""
    assert mime.attachments(message) is not None


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\evil.exe", "evil.exe"),
        (".bashrc", "bashrc"),
        ("..", "attachment-1"),
        ("a\x00b\r\n.txt", "ab.txt"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("Übersicht – März.pdf", "Übersicht – März.pdf"),
        ("", "attachment-1"),
        ("x" * 500, "x" * 200),
    ],
)
def test_names_of_attachments_are_names_and_nothing_else(name: str, shown: str) -> None:
    """No folders, control or direction signs; something where nothing is left."""
    assert mime.safe_name(name, 0, "application/pdf") == shown


def test_attachments_have_decoded_names_sizes_and_text() -> None:
    """RFC 2231 and RFC 2047 names; text out of what is text, none out of what is not; pictures in the text are no files."""
    message = EmailMessage()
    message.set_content("See.")
    message.add_attachment("ä,b\n", subtype="csv", filename="Größe März.csv")
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="../a.pdf")
    message.add_attachment(b"png", maintype="image", subtype="png", cid="<logo>", disposition="inline")
    old = raw(
        *("Content-Type: multipart/mixed; boundary=x", "", "--x", "Content-Type: text/plain", "", "Hi", "--x"),
        *(
            'Content-Type: application/x-y; name="=?utf-8?Q?M=C3=A4rz.bin?="',
            "Content-Transfer-Encoding: base64",
            "",
            "AAEC",
        ),
        "--x--",
    )

    found = mime.attachments(mime.parse(message.as_bytes()))
    [other] = mime.attachments(mime.parse(old))

    assert [(one.name, one.mime, len(one.content), one.text) for one in found] == [
        ("Größe März.csv", "text/csv", 5, "ä,b\n"),
        ("a.pdf", "application/pdf", 4, None),
    ]
    assert (other.name, other.content) == ("März.bin", b"\0\1\2")


def test_an_attached_mail_is_one_file_with_its_text() -> None:
    """message/rfc822 is neither opened into the body nor lost."""
    inner, outer = EmailMessage(), EmailMessage()
    inner["Subject"], outer["Subject"] = "inner", "outer"
    inner.set_content("inside words")
    outer.set_content("outside words")
    outer.add_attachment(inner)

    message = mime.parse(outer.as_bytes())

    assert mime.body_of(message) == "outside words"
    [one] = mime.attachments(message)
    assert (one.mime, one.text) == ("message/rfc822", "inside words")


def test_ids_say_which_mail_and_not_only_its_message_id() -> None:
    """Another mail under a known Message-ID is another message; without one, the header as a whole names it."""
    head = b"From: a@b.example\r\nDate: Fri, 20 Nov 2026 09:00:00 +0000\r\n"
    first = mime.head_of(mime.parse(head + b"Message-ID: <1@b.example>\r\nSubject: one\r\n\r\n"))
    copy = mime.head_of(mime.parse(b"Received: x\r\n" + head + b"Message-ID: <1@b.example>\r\nSubject: one\r\n\r\n"))
    other = mime.head_of(mime.parse(head + b"Message-ID: <1@b.example>\r\nSubject: two\r\n\r\n"))
    nameless = mime.head_of(mime.parse(head + b"Subject: one\r\n\r\n"))

    assert first.message_id == copy.message_id
    assert len({first.message_id, other.message_id, nameless.message_id}) == 3
    assert nameless.message_id.endswith(".20261120")


@pytest.mark.parametrize("code", ["", "none", "=", "é", "YQ", "PGE-"])
def test_codes_that_hold_no_message_id_are_none(code: str) -> None:
    """What somebody made up finds nothing, and never reaches the server."""
    assert mime.decode(code) is None or mime.encode(mime.decode(code) or "") == code


def test_fetch_answers_are_read_as_they_nest() -> None:
    """Literals, quoted strings with escapes and brackets in names; one message after the other."""
    data = [
        (b'1 (UID 7 FLAGS (\\Seen a) X "a \\"b\\" (c)" BODY[HEADER.FIELDS (FROM TO)] {3}', b"abc"),
        b" BODYSTRUCTURE (NIL))",
        b"2 (UID 8 FLAGS ())",
    ]

    first, second = responses.fetched(data)

    assert first["UID"] == b"7"
    assert first["FLAGS"] == [b"\\Seen", b"a"]
    assert (first["X"], first["BODY"]) == (b'a "b" (c)', b"abc")
    assert second == {"UID": b"8", "FLAGS": []}
