"""Searching by Slack's own search with a person's token, and by reading the channels without one, on our own double."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connectors.conformance import Provider
from tests.connectors.slack import world
from tests.connectors.slack.double import ME, Slack, channel, user

T0 = 1_795_000_000
BOB = "U00000BOB"


def ts(seconds: float) -> str:
    return f"{T0 + seconds:.6f}"


@pytest.fixture
def talking(slack: Slack) -> Slack:
    """Two channels the account is in, one it is not in, and a direct conversation."""
    slack.users.append(user(BOB, "bob"))
    slack.channels = [
        channel("C0000000ONE", "one", [ME, BOB]),
        channel("C0000000TWO", "two", [ME, BOB], is_private=True),
        channel("C0000000OUT", "out", [BOB]),
        channel("D0000000BOB", "", [ME, BOB], is_im=True, user=BOB),
    ]
    slack.say("C0000000ONE", ts(1), "Budget of <@U00000BOB>", user=BOB)
    slack.say("C0000000ONE", ts(5), "the BUDGÉT again", thread_ts=ts(1))
    slack.say("C0000000TWO", ts(2), "budget, in secret")
    slack.say("C0000000OUT", ts(3), "budget, elsewhere", user=BOB)
    slack.say("D0000000BOB", ts(4), "your budget", user=BOB)
    return slack


@pytest.fixture
def with_token(seen: Provider) -> Provider:
    return replace(seen, account=world.account("ada", user_token="xoxp-ada"))


def found(provider: Provider, **args: object) -> list[str]:
    return [one["text"] for one in provider.read("chat.search", **args)["messages"]]


def test_reading_finds_words_in_every_channel_of_mine(talking: Slack, seen: Provider) -> None:
    """Newest first, answers and direct messages included, whatever the case and accents; nothing is missing, so nothing is said."""
    answer = seen.read("chat.search", query="budget")

    assert [one["text"] for one in answer["messages"]] == [
        "the BUDGÉT again",
        "your budget",
        "budget, in secret",
        "Budget of @bob",
    ]
    assert "incomplete" not in answer


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"author": "bob@northwind.example"}, ["your budget", "Budget of @bob"]),
        ({"author": "nobody@northwind.example"}, []),
        ({"mentions": "bob@northwind.example"}, ["Budget of @bob"]),
        ({"channel": "#two"}, ["budget, in secret"]),
        ({"since": "2026-11-18T11:06:44+00:00"}, ["the BUDGÉT again", "your budget"]),  # T0 and 4 s
        ({"until": "2026-11-18T11:06:42+00:00"}, ["Budget of @bob"]),
        ({"query": "budget secret"}, ["budget, in secret"]),
    ],
)
def test_conditions_narrow_a_search(
    talking: Slack, seen: Provider, conditions: dict[str, str], expected: list[str]
) -> None:
    """Each alone."""
    assert found(seen, **({"query": "budget"} | conditions)) == expected


def test_a_search_is_walked_in_pages(talking: Slack, seen: Provider) -> None:
    """Each message once."""
    walked: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = seen.read("chat.search", query="budget", limit=1, **cursor)
        walked += [one["text"] for one in page["messages"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}

    assert walked == found(seen, query="budget")


def test_what_was_not_read_is_said(talking: Slack, seen: Provider) -> None:
    """When Slack's limit stops the reading, the answer has what was found, and that it may be less than there is."""
    talking.refuse("conversations.history", "ratelimited", status=429, Retry_After="60")

    answer = seen.read("chat.search", query="budget")

    assert 0 < len(answer["messages"]) < 4
    assert "limit" in answer["incomplete"]


def test_older_than_was_read_is_said(talking: Slack, seen: Provider) -> None:
    """So it is when a channel holds more than was looked at."""
    talking.page = 1
    for second in range(10, 20):
        talking.say("C0000000ONE", ts(second), str(second))

    assert "newest" in seen.read("chat.search", query="nowhere")["incomplete"]


def hit(channel_id: str, seconds: float, text: str, **more: object) -> dict[str, object]:
    return {"channel": {"id": channel_id}, "ts": ts(seconds), "text": text, "user": BOB, "type": "message"} | more


def test_slacks_own_search_is_asked_with_the_persons_token(talking: Slack, with_token: Provider) -> None:
    """The words go quoted, so that none of them steers the search; nothing is read by scanning."""
    query = 'budget from:@carol "in:secret"'
    talking.hits = [hit("C0000000ONE", 9, query)]

    assert found(with_token, query=query, channel="#one", author="bob@northwind.example") == [query]
    [(asked, token)] = [(fields, token) for name, fields, token in talking.calls if name == "search.messages"]
    assert asked["query"] == f'"budget" "from:@carol" "in:secret" in:one from:<@{BOB}>'
    assert token == "xoxp-ada"
    assert {token for name, _, token in talking.calls if name != "search.messages"} == {"xoxb-ada"}
    assert talking.called("conversations.history") == []


def test_a_hit_the_account_may_not_read_is_not_told(talking: Slack, with_token: Provider) -> None:
    """The person may be in private channels where the app is not: what the app cannot see stays there. Public ones are everybody's."""
    talking.channels.append(channel("C000PRIVATE", "private", [BOB], is_private=True))
    talking.hits = [
        hit("C000PRIVATE", 9, "budget one"),
        hit("C0000000OUT", 8, "budget two"),
        hit("C0000000ELS", 7, "budget"),
    ]

    assert found(with_token, query="budget") == ["budget two"]


def test_a_hit_names_its_thread(talking: Slack, with_token: Provider) -> None:
    """From its permalink; a first message names none."""
    link = f"https://northwind.slack.example/archives/C0000000ONE/p1?thread_ts={ts(1)}&cid=C0000000ONE"
    talking.hits = [hit("C0000000ONE", 5, "budget", permalink=link)]

    [one] = with_token.read("chat.search", query="budget")["messages"]

    assert one["thread_id"] == f"C0000000ONE:{ts(1)}"
    thread = with_token.read("chat.get_thread", message_id=one["message_id"])["messages"]
    assert [message["text"] for message in thread] == ["Budget of @bob", "the BUDGÉT again"]
