"""Files and scheduled messages on the wire: what is sent, where the token goes, and what is told of a lost answer."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.conformance import Provider
from connectors.conformance.examples import a_file
from connectors.conformance.provider import iso, new_key, new_word
from connectors.errors import Conflict, NotFound, ReconsentNeeded, Unreachable
from connectors.slack.limits import Buckets
from connectors.slack.line import Line
from connectors.spec import Absent, Done, Unknown
from tests.connectors.slack.double import ME, Slack, channel, user

GENERAL = "C00000GENERAL"
FILE = {"channel": "#general", "name": "plan.txt", "content": "The plan"}


@pytest.fixture
def room(slack: Slack) -> Slack:
    slack.users.append(user("U00000BOB", "bob"))
    slack.channels = [channel(GENERAL, "general", [ME]), channel("D0000000BOB", "", [ME], is_im=True, user="U00000BOB")]
    return slack


def _later(seconds: int) -> dict[str, Any]:
    at = datetime.now(UTC) + timedelta(seconds=seconds)
    return {"channel": "#general", "text": "Lunch, @bob", "send_at": iso(at)}


# ---- scheduled messages ----------------------------------------------------------------------------------------------


def test_what_is_scheduled_carries_its_key_and_calls_nobody(room: Slack, seen: Provider) -> None:
    """One request, for that second, with the key that the message will carry, and no link unfolded."""
    args = _later(3600)

    made = seen.do("chat.schedule_message", args, key="k1")

    [sent] = room.called("chat.scheduleMessage")
    assert sent == {
        "channel": GENERAL,
        "text": "Lunch, <@U00000BOB>",
        "post_at": int(datetime.fromisoformat(args["send_at"]).timestamp()),
        "metadata": {"event_type": "deputy_effect", "event_payload": {"key": "k1"}},
        "unfurl_links": False,
        "unfurl_media": False,
    }
    assert (made["text"], made["send_at"]) == (args["text"], args["send_at"])


def test_a_lost_one_whose_moment_came_is_found_by_its_key(room: Slack, seen: Provider) -> None:
    """Posted meanwhile, it is no longer listed: the message carries the key; one of another key is somebody else's."""
    args = _later(60)
    seen.do("chat.schedule_message", args, key="k1")
    room.post_scheduled()

    found = seen.reconcile("chat.schedule_message", args, "k1")

    assert isinstance(found, Done)
    assert isinstance(found.result, dict)
    assert (found.result["text"], found.result["send_at"]) == (args["text"], args["send_at"])
    assert seen.reconcile("chat.schedule_message", args, "k2") == Absent()


def test_one_that_was_scheduled_long_before_is_not_the_attempt(room: Slack, seen: Provider) -> None:
    """The same text for the same moment, made an hour ago, says nothing about this attempt."""
    args = _later(3600)
    seen.do("chat.schedule_message", args, key="k1")
    room.scheduled[0]["date_created"] = int(time.time()) - 3600

    assert seen.reconcile("chat.schedule_message", args, "k2") == Absent()


def test_nothing_is_said_to_be_cancelled_that_may_have_been_posted(room: Slack, seen: Provider) -> None:
    """From minutes before its moment a message that Slack knows no more was posted, or cancelled: nobody can tell."""
    made = seen.do("chat.schedule_message", _later(60))
    room.post_scheduled()
    args = {"scheduled_id": made["scheduled_id"]}

    with pytest.raises(Conflict):
        seen.do("chat.cancel_scheduled", args)

    assert isinstance(seen.reconcile("chat.cancel_scheduled", args, "k1"), Unknown)


def test_anothers_scheduled_message_is_not_touched(room: Slack, seen: Provider) -> None:
    """An id says whose it is; another's is not found, and nothing is sent."""
    made = seen.do("chat.schedule_message", _later(3600))

    with pytest.raises(NotFound):
        seen.do("chat.cancel_scheduled", {"scheduled_id": made["scheduled_id"].replace(ME, "U00000BOB")})

    assert room.called("chat.deleteScheduledMessage") == []


# ---- files -----------------------------------------------------------------------------------------------------------


def test_a_file_is_laid_aside_and_posted_once(room: Slack, seen: Provider) -> None:
    """The upload, which nobody sees, goes without the token; one call posts it, with its word escaped."""
    posted = seen.do("chat.send_file", FILE | {"text": "<!channel> here"})

    [sent] = room.called("files.completeUploadExternal")
    assert sent == {
        "files": [{"id": posted["file_id"], "title": "plan.txt"}],
        "channel_id": GENERAL,
        "initial_comment": "&lt;!channel&gt; here",
    }
    assert room.contents[posted["file_id"]] == b"The plan"
    assert [token for method, _, token in room.calls if method == "upload"] == ["None"]


def test_a_failed_upload_posts_nothing(room: Slack, seen: Provider) -> None:
    """It is Unreachable, and may be tried again: nobody saw anything."""
    room.refuse("upload", "", status=500)

    with pytest.raises(Unreachable):
        seen.do("chat.send_file", FILE)

    assert room.called("files.completeUploadExternal") == []


@pytest.mark.parametrize(("looks", "is_known"), [(2, True), (100, False)])
def test_the_message_of_a_file_is_waited_for(room: Slack, seen: Provider, looks: int, is_known: bool) -> None:
    """Slack makes it a moment after it answered; if it takes longer the answer leaves it open, and the file is posted."""
    room.shared_after = looks

    posted = seen.do("chat.send_file", FILE)

    assert (posted["message_id"] == f"{GENERAL}:1795000900.000100") is is_known
    assert posted["message_id"] is None or is_known


def test_a_page_to_log_in_is_no_file(room: Slack, seen: Provider) -> None:
    """Without its scope Slack answers with a page of HTML: that is told, and not taken for the file."""
    posted = seen.do("chat.send_file", FILE)
    room.file_page = b"<html>Sign in</html>"

    with pytest.raises(ReconsentNeeded):
        seen.read("chat.get_file", file_id=posted["file_id"])


@pytest.mark.parametrize(
    "url",
    [
        "http://files.slack.com/files-pri/F1/a.txt",  # not enciphered
        "https://files.slack.com.attacker.example/a.txt",
        "https://attackerslack.com/a.txt",
        "https://files.slack.com@attacker.example/a.txt",
        "file:///etc/passwd",
        "",
    ],
)
def test_the_token_goes_to_slack_alone(url: str) -> None:
    """A file that an answer places anywhere else is not fetched, and nothing is uploaded there."""
    line = Line("xoxb-secret", Buckets())

    for transfer in (line.download(url), line.upload(url, b"x")):
        with pytest.raises(Unreachable, match="not its own"):
            asyncio.run(transfer)  # type: ignore[arg-type]  # both are coroutines, of bytes and of nothing


def test_another_file_of_the_same_name_and_size_is_not_the_attempt(provider: Provider) -> None:
    """A lost file is found by its content too."""
    word = new_word()
    posted = a_file(provider, word, channel="#team", content="Version 1")
    args = {"channel": "#team", "name": posted["name"], "content": "Version 2"}

    found = [provider.reconcile("chat.send_file", args | more, new_key()) for more in ({}, {"content": "Version 1"})]

    assert found == [Absent(), Done(posted)]
