"""What is put on the wire, and what Slack refuses: posts, edits, reactions, channels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.conformance import Provider
from connectors.conformance.examples import a_post
from connectors.conformance.provider import new_key, new_word
from connectors.errors import (
    Conflict,
    ConnectorError,
    Forbidden,
    InvalidCall,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    ReconsentNeeded,
)
from connectors.slack.connector import SlackConnector
from connectors.spec import Absent, Done
from tests.connectors.slack import world
from tests.connectors.slack.double import ME, Slack, channel, user
from tests.services.emulate import Emulate

GENERAL = "C00000GENERAL"


@pytest.fixture
def room(slack: Slack) -> Slack:
    slack.users.append(user("U00000BOB", "bob"))
    slack.channels = [channel(GENERAL, "general", [ME]), channel("D0000000BOB", "", [ME], is_im=True, user="U00000BOB")]
    return slack


def test_a_post_carries_its_key_and_calls_nobody(room: Slack, seen: Provider) -> None:
    """Escaped, with the key in its metadata, and with no link unfolded: Slack would fetch it."""
    said = "<!channel> see https://x.example?q=1&r=2, @bob"

    answer = seen.do("chat.post_message", {"channel": "#general", "text": said}, key="k1")

    [sent] = room.called("chat.postMessage")
    assert sent == {
        "channel": GENERAL,
        "text": "&lt;!channel&gt; see https://x.example?q=1&amp;r=2, <@U00000BOB>",
        "metadata": {"event_type": "deputy_effect", "event_payload": {"key": "k1"}},
        "unfurl_links": False,
        "unfurl_media": False,
    }
    assert answer["text"] == said


def test_an_edit_calls_nobody_either(room: Slack, seen: Provider) -> None:
    """Slack is told not to look for names in it, which editing does by itself."""
    posted = seen.do("chat.post_message", {"channel": "#general", "text": "x"}, key="k1")

    edited = seen.do("chat.update_message", {"message_id": posted["message_id"], "text": "<!here> @here"})

    [sent] = room.called("chat.update")
    assert (sent["text"], sent["parse"], sent["link_names"]) == ("&lt;!here&gt; @here", "none", False)
    assert sent["metadata"]["event_payload"] == {"key": "k1"}
    assert (edited["text"], edited["edited"]) == ("<!here> @here", True)


@pytest.mark.parametrize("text", ["Grüße an 東京 🎉", "line\nbreak\ttab", "a" * 40_000, "‮override", "*b* _i_ `c` ~s~"])
def test_text_comes_back_as_it_was_written(provider: Provider, text: str) -> None:
    """On emulate: other scripts, pictures, the longest text, signs that turn writing round."""
    posted = provider.do("chat.post_message", {"channel": "#team", "text": text})

    [read] = provider.read("chat.get_thread", message_id=posted["message_id"])["messages"]

    assert posted["text"] == read["text"] == text


@pytest.mark.parametrize("text", ["", "  \n ", "&" * 10_000])
def test_a_text_that_would_be_empty_or_cut_is_refused(provider: Provider, text: str) -> None:
    """Slack posts the beginning of a text that is too long once escaped; we post nothing."""
    with pytest.raises(InvalidCall):
        provider.do("chat.post_message", {"channel": "#team", "text": text})


REFUSALS: list[tuple[str, type[ConnectorError]]] = [
    ("channel_not_found", NotFound),
    ("not_in_channel", Forbidden),
    ("is_archived", Forbidden),
    ("restricted_action_read_only_channel", Forbidden),
    ("msg_too_long", InvalidCall),
    ("invalid_blocks", InvalidCall),
    ("some_code_of_next_year", InvalidCall),
    ("missing_scope", ReconsentNeeded),
    ("invalid_auth", ReconsentNeeded),
    ("token_revoked", ReconsentNeeded),
    ("account_inactive", ReconsentNeeded),
    ("ratelimited", RateLimited),
    ("fatal_error", OutcomeUnknown),
]


@pytest.mark.parametrize(("code", "error"), REFUSALS)
def test_slacks_refusals_have_our_names(room: Slack, seen: Provider, code: str, error: type[ConnectorError]) -> None:
    """One attempt, one error, with something to do, and nothing posted."""
    room.refuse("chat.postMessage", code)

    with pytest.raises(ConnectorError) as caught:
        seen.do("chat.post_message", {"channel": "#general", "text": "x"})

    assert type(caught.value) is error
    assert caught.value.fix
    assert len(room.called("chat.postMessage")) == 1
    assert room.messages.get(GENERAL, []) == []


def test_slacks_own_time_to_wait_is_passed_on(room: Slack, seen: Provider) -> None:
    """Retry-After, in seconds."""
    room.refuse("chat.postMessage", "ratelimited", status=429, Retry_After="42")

    with pytest.raises(RateLimited) as caught:
        seen.do("chat.post_message", {"channel": "#general", "text": "x"})

    assert caught.value.retry_after_s == 42


def test_posting_faster_than_slack_allows_is_refused_here(room: Slack) -> None:
    """About one a second in each channel: the sixth at once is not sent, and waits are left to the gate."""
    import asyncio

    connector = SlackConnector(base_url=f"{room.url}/api/")

    async def post(where: str) -> object:
        args = {"channel": where, "text": "x"}
        return await connector.call("chat.post_message", args, account=world.account(), key="k1")

    async def flood() -> None:
        for _ in range(5):
            await post(GENERAL)
        with pytest.raises(RateLimited) as caught:
            await post(GENERAL)
        assert 0 < caught.value.retry_after_s <= 5

    asyncio.run(flood())
    assert len(room.called("chat.postMessage")) == 5


@pytest.mark.parametrize(
    ("tool", "method", "args"),
    [
        ("chat.create_channel", "conversations.create", {"name": "fresh", "purpose": "A try"}),
        ("chat.post_message", "chat.postMessage", {"channel": "#general", "text": "x"}),
        ("chat.send_direct", "chat.postMessage", {"to": "bob@northwind.example", "text": "x"}),
        ("chat.invite", "conversations.invite", {"channel": "#general", "people": ["bob@northwind.example"]}),
    ],
)
def test_what_happened_is_never_told_as_refused(
    room: Slack, seen: Provider, tool: str, method: str, args: dict[str, Any]
) -> None:
    """When Slack answers nothing any more behind the effect, the call tells it, or is in doubt: it may not be sent again."""
    key = new_key()
    room.fails_after = method
    refused: type[ConnectorError] | None = None
    try:
        seen.do(tool, args, key=key)
    except ConnectorError as error:
        refused = type(error)
    room.fails_after = ""
    at_once = replace(seen, now=lambda: datetime.fromtimestamp(1_795_000_000, UTC))

    assert refused in (None, OutcomeUnknown)
    assert len(room.called(method)) == 1
    assert isinstance(at_once.reconcile(tool, args, key), Done)


def test_a_reaction_that_is_there_is_done(room: Slack, seen: Provider) -> None:
    """already_reacted is no failure: it is there."""
    said = room.say(GENERAL, "1795000000.000100", "hello")

    answer = seen.do("chat.add_reaction", {"message_id": f"{GENERAL}:{said['ts']}", "name": ":eyes:"})

    assert answer["reactions"] == [{"name": "eyes", "by": ["ada@northwind.example"]}]


def test_an_edit_keeps_the_key_of_the_post(provider: Provider) -> None:
    """So that a post is still found after somebody changed its text."""
    key, args = new_key(), {"channel": "#team", "text": new_word()}
    posted = provider.do("chat.post_message", args, key=key)

    provider.do("chat.update_message", {"message_id": posted["message_id"], "text": "other"})

    found = provider.reconcile("chat.post_message", args, key)
    assert isinstance(found, Done) and isinstance(found.result, dict)
    assert (found.result["message_id"], found.result["text"], found.result["edited"]) == (
        posted["message_id"],
        "other",
        True,
    )


def test_an_answer_in_a_thread_is_found_by_its_key(provider: Provider) -> None:
    """Also below a message of a thread that is not its first."""
    first = a_post(provider, new_word())
    second = provider.do("chat.post_message", {"channel": "#team", "text": "a", "thread_id": first["message_id"]})
    key, args = new_key(), {"channel": "#team", "text": "b", "thread_id": second["message_id"]}

    answer = provider.do("chat.post_message", args, key=key)

    assert answer["thread_id"] == first["message_id"]
    assert provider.reconcile("chat.post_message", args, key) == Done(answer)
    assert provider.reconcile("chat.post_message", args, new_key()) == Absent()


def test_a_key_that_somebody_else_wrote_is_not_ours(provider: Provider) -> None:
    """Metadata can be copied by any app: only what this account posted counts."""
    colleague = provider.need_colleague()
    key, args = new_key(), {"channel": "#team", "text": new_word()}

    provider.do("chat.post_message", args, key=key, account=colleague)

    assert provider.reconcile("chat.post_message", args, key) == Absent()


def test_a_thread_of_another_channel_is_refused(provider: Provider) -> None:
    """The channel that was approved is the one that is written to."""
    first = a_post(provider, new_word())
    elsewhere = provider.do("chat.create_channel", {"name": new_word()})["channel"]

    with pytest.raises(InvalidCall):
        provider.do("chat.post_message", {"channel": elsewhere, "text": "x", "thread_id": first["message_id"]})


def test_a_deleted_message_breaks_what_was_approved(provider: Provider) -> None:
    """Editing and deleting take for granted that the message is as it was read."""
    args = {"message_id": a_post(provider, new_word())["message_id"], "text": "new"}
    [edit] = provider.preconditions("chat.update_message", args)
    provider.do("chat.update_message", args)
    [delete] = provider.preconditions("chat.delete_message", {"message_id": args["message_id"]})
    assert (provider.check(edit) is None, provider.check(delete) is None) == (False, True)

    provider.do("chat.delete_message", {"message_id": args["message_id"]})

    assert provider.check(delete) is not None


def _archive(provider: Provider, url: str) -> str:
    one = provider.do("chat.create_channel", {"name": new_word()})["channel"]
    world.raw(url, "conversations.archive", channel=one)
    return str(one)


def _taken(provider: Provider, url: str) -> str:
    name = new_word()
    world.raw(url, "conversations.create", token="xoxb-bob", name=name)
    return name


@pytest.mark.parametrize(
    ("tool", "args", "error"),
    [
        ("chat.post_message", lambda p, url: {"channel": _archive(p, url), "text": "x"}, Forbidden),
        ("chat.create_channel", lambda p, url: {"name": _taken(p, url)}, Conflict),
        ("chat.invite", lambda p, url: {"channel": "#team", "people": ["nobody@northwind.example"]}, NotFound),
        ("chat.send_direct", lambda p, url: {"to": p.account.subject, "text": "x"}, InvalidCall),
        ("chat.send_direct", lambda p, url: {"to": "nobody@northwind.example", "text": "x"}, NotFound),
        ("chat.send_direct", lambda p, url: {"to": "no address", "text": "x"}, InvalidCall),
    ],
)
def test_what_cannot_be_done_says_why(
    provider: Provider,
    emulated: Emulate,
    tool: str,
    args: Callable[[Provider, str], dict[str, Any]],
    error: type[ConnectorError],
) -> None:
    """Archived channels, taken names, strangers, oneself."""
    with pytest.raises(error):
        provider.do(tool, args(provider, emulated.url))


def test_somebody_elses_channel_of_that_name_is_not_our_attempt(provider: Provider, emulated: Emulate) -> None:
    """Only a channel this account made, since the attempt, is the one whose answer was lost."""
    args = {"name": _taken(provider, emulated.url)}

    assert provider.reconcile("chat.create_channel", args, new_key()) == Absent()


def test_a_channel_is_made_with_its_people_and_its_purpose(provider: Provider) -> None:
    """And when it is invited to again, nothing changes and nothing fails."""
    bob = provider.need_colleague().subject
    made = provider.do(
        "chat.create_channel", {"name": new_word(), "purpose": "a < b", "members": [bob], "private": True}
    )

    again = provider.do("chat.invite", {"channel": made["channel"], "people": [bob]})

    assert (made["purpose"], made["private"], made["members"]) == ("a < b", True, [provider.account.subject, bob])
    assert made["readers"] == made["members"]
    assert "lacking" not in made
    assert again == made


def test_what_a_new_channel_lacks_is_said(room: Slack, seen: Provider) -> None:
    """The channel is there; the purpose Slack refused is named, not hidden and not tried again."""
    room.refuse("conversations.setPurpose", "restricted_action")

    made = seen.do("chat.create_channel", {"name": "fresh", "purpose": "A try"})

    assert (made["name"], made["purpose"], made["lacking"]) == ("#fresh", "", ["purpose"])
