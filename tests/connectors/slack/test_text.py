"""What is written cannot call anybody who is not named in sight, and what is read is what people see."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.slack import text

USERS = {"ada": "U01ADA", "bob.b": "U01BOB"}


def _read(written: str) -> str:
    names = {user_id: handle for handle, user_id in USERS.items()}
    return text.read(written, lambda one: names.get(one, one.lower()), lambda one: {"C01OPS": "ops"}.get(one, one))


@pytest.mark.parametrize(
    ("plain", "written"),
    [
        ("<!channel> now", "&lt;!channel&gt; now"),  # calls nobody
        ("<@U01BOB> hello", "&lt;@U01BOB&gt; hello"),  # an id is no name
        ("<#C01OPS|x>", "&lt;#C01OPS|x&gt;"),
        ("<https://evil.example|your bank>", "&lt;https://evil.example|your bank&gt;"),  # no label over a link
        ("a & b &amp; c", "a &amp; b &amp;amp; c"),
        ("@ada, look", "<@U01ADA>, look"),  # as typed by a person
        ("ask @bob.b.", "ask <@U01BOB>."),  # the full stop is not part of the name
        ("@everyone @here @channel", "@everyone @here @channel"),  # only words
        ("mail ada@ada.example", "mail ada@ada.example"),  # no mention inside an address
        ("see https://x.example/@ada", "see https://x.example/@ada"),  # nor inside a link
        ("@nobody", "@nobody"),
        ("Grüße, 東京 🎉", "Grüße, 東京 🎉"),
    ],
)
def test_text_is_written_escaped(plain: str, written: str) -> None:
    """Only a handle in plain sight becomes a mention."""
    assert text.write(plain, USERS) == written
    assert _read(written) == plain


@given(st.text() | st.text(alphabet="@ad.bo<>&!#|U01ADA "))
def test_nothing_but_known_handles_survives_as_markup(plain: str) -> None:
    """Whatever is written, the only thing in angle brackets is a user that was named by handle; reading gives it back."""
    written = text.write(plain, USERS)

    assert set(re.findall(r"<([^<>]*)>", written)) <= {"@U01ADA", "@U01BOB"}
    assert _read(written) == plain


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("<@U01ADA> and <@U01ADA|old name>", "@ada and @ada"),
        ("<@U99>", "@u99"),  # nobody we know
        ("<#C01OPS> <#C02|renamed>", "#ops #renamed"),
        ("<!here> <!channel|channel> <!subteam^S1|@sales> <!subteam^S2>", "@here @channel @sales @group"),
        ("<!date^1392734382^{date}|18 Feb>", "18 Feb"),
        ("<https://x.example>", "https://x.example"),
        ("<https://x.example|x.example>", "https://x.example"),  # linked by Slack itself
        ("<https://evil.example|your bank>", "your bank (https://evil.example)"),  # where it leads stays visible
        ("<mailto:a@b.example|a@b.example>", "a@b.example"),
        ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 < 2 && 3 > 2"),
        ("&lt;!channel&gt;", "<!channel>"),
        ("&amp;lt;", "&lt;"),  # unescaped once
    ],
)
def test_markup_is_read_as_people_see_it(written: str, plain: str) -> None:
    """Mentions, channels, calls, dates and links become words."""
    assert _read(written) == plain


def test_a_message_without_text_says_what_its_parts_say() -> None:
    """Blocks, attachments and files stand in where the text is empty."""
    blocks = [
        {
            "type": "section",
            "text": {"type": "mrkdwn", "text": "*Deploy*"},
            "fields": [{"type": "plain_text", "text": "ok"}],
        },
        {
            "type": "rich_text",
            "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "done"}]}],
        },
    ]
    message = {
        "text": "",
        "blocks": blocks,
        "attachments": [{"fallback": "fallback"}, {"title": "Title", "text": "Text"}],
        "files": [{"name": "a<b.pdf"}],
    }

    assert text.of_message(message).split("\n") == [
        "*Deploy*",
        "ok",
        "done",
        "fallback",
        "Title",
        "Text",
        "[file: a&lt;b.pdf]",
    ]
