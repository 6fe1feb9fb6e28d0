"""Following channels by polling: each message once, none lost, nothing of our own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from email.utils import formatdate

import pytest

from connectors.conformance import Provider
from connectors.conformance.provider import new_word
from connectors.errors import InvalidCall, RateLimited
from connectors.slack.connector import SlackConnector
from connectors.slack.stream import CHANNELS_A_TURN
from connectors.spec import Account, Changes, Streaming
from tests.connectors.slack import world
from tests.connectors.slack.double import ME, Slack, channel, user

T0 = 1_795_000_000
ONE = "C0000000ONE"
DAY = 86_400


def ts(seconds: float) -> str:
    return f"{T0 + seconds:.6f}"


@dataclass
class Follower:
    """Keeps the cursor, and all it was told."""

    connector: SlackConnector
    account: Account = field(default_factory=world.account)
    cursor: str | None = None
    texts: list[str] = field(default_factory=list)

    def look(self) -> Changes:
        found = asyncio.run(self.connector.changes("chat", account=self.account, cursor=self.cursor))
        self.cursor = found.cursor
        self.texts += [str(change.record["text"]) for change in found.changes]
        return found

    def catch_up(self) -> list[str]:
        """What is new, over as many turns as it takes."""
        self.texts = []
        while self.look().more:
            pass
        return self.texts


@pytest.fixture
def follower(slack: Slack) -> Follower:
    """Of a workspace with one channel, on our own double, from T0 on."""
    slack.users.append(user("U00000BOB", "bob"))
    slack.channels = [channel(ONE, "one", [ME, "U00000BOB"])]
    slack.date = formatdate(T0, usegmt=True)
    return Follower(world.connect(slack.url))


def test_without_a_cursor_there_is_nothing_but_now(slack: Slack, follower: Follower) -> None:
    """What was said before is not new; what is said afterwards is told once."""
    assert isinstance(follower.connector, Streaming)
    slack.say(ONE, ts(-5), "before")
    assert follower.catch_up() == []

    slack.say(ONE, ts(1), "after")

    assert follower.catch_up() == ["after"]
    assert follower.catch_up() == []


def test_answers_to_older_messages_are_told(slack: Slack, follower: Follower) -> None:
    """Each once, in order, with the channel's other messages between them."""
    slack.say(ONE, ts(-DAY), "yesterday")
    follower.catch_up()
    slack.say(ONE, ts(1), "answer one", thread_ts=ts(-DAY))
    assert follower.catch_up() == ["answer one"]

    slack.say(ONE, ts(4), "answer two", thread_ts=ts(-DAY))
    slack.say(ONE, ts(3), "between")

    assert follower.catch_up() == ["between", "answer two"]
    assert follower.catch_up() == []


@pytest.mark.parametrize("channels", [1, CHANNELS_A_TURN, CHANNELS_A_TURN + 1, 3 * CHANNELS_A_TURN])
def test_many_channels_are_read_in_turns(slack: Slack, follower: Follower, channels: int) -> None:
    """A few at a time, all of them, and nothing twice, also when something is said between the turns."""
    slack.channels = [channel(f"C{number:09}", f"c{number}", [ME]) for number in range(channels)]
    follower.catch_up()
    for number in range(channels):
        slack.say(f"C{number:09}", ts(1), f"first {number}")

    follower.texts = []
    turns = 0
    while True:
        is_more = follower.look().more
        turns += 1
        slack.say("C000000000", ts(1 + turns), f"later {turns}")
        if not is_more:
            break
    told = follower.texts + follower.catch_up()

    assert sorted(told) == sorted([f"first {n}" for n in range(channels)] + [f"later {n + 1}" for n in range(turns)])


def test_a_limit_in_the_middle_loses_nothing(slack: Slack, follower: Follower) -> None:
    """What was read is told, the rest at the next turn; when nothing was read, the limit is passed on."""
    slack.channels = [channel(f"C{number:09}", f"c{number}", [ME]) for number in range(3)]
    follower.catch_up()
    for number in range(3):
        slack.say(f"C{number:09}", ts(1), str(number))

    slack.refuse("conversations.history", "ratelimited", status=429, Retry_After="9")
    with pytest.raises(RateLimited):
        follower.look()
    slack.refuse("conversations.history", "")  # the first is answered
    slack.refuse("conversations.history", "ratelimited", status=429, Retry_After="9")
    first = follower.look()

    assert (follower.texts, first.more) == (["0"], True)
    assert follower.catch_up() == ["1", "2"]


def test_following_leaves_half_of_the_limit_to_people(slack: Slack) -> None:
    """However many channels there are: a person's own look at a channel still goes through."""
    slack.channels = [channel(f"C{number:09}", f"c{number}", [ME]) for number in range(60)]
    connector = SlackConnector(base_url=f"{slack.url}/api/")
    account = world.account()

    async def follow() -> None:
        cursor = None
        while True:
            cursor = (await connector.changes("chat", account=account, cursor=cursor)).cursor

    async def follow_and_look() -> None:
        with pytest.raises(RateLimited):
            await follow()
        await connector.call("chat.history", {"channel": "#c1"}, account=account, key=None)

    asyncio.run(follow_and_look())
    assert 20 <= len(slack.called("conversations.history")) <= 27


def test_a_channel_joined_later_is_followed_from_then(slack: Slack, follower: Follower) -> None:
    """Its past is not news."""
    follower.catch_up()
    slack.say(ONE, ts(100), "meanwhile")
    assert follower.catch_up() == ["meanwhile"]
    assert follower.catch_up() == []

    slack.channels.append(channel("C0000000TWO", "two", [ME]))
    slack.say("C0000000TWO", ts(50), "before I came")
    slack.say("C0000000TWO", ts(101), "since")

    assert follower.catch_up() == ["since"]


def test_the_first_words_in_a_new_channel_are_told(slack: Slack, follower: Follower) -> None:
    """Though something newer was said elsewhere while the account was being invited."""
    follower.catch_up()
    slack.say(ONE, ts(20), "elsewhere")
    assert follower.catch_up() == ["elsewhere"]

    slack.channels.append(channel("C0000000TWO", "two", [ME]))
    slack.say("C0000000TWO", ts(19), "please look at this")

    assert follower.catch_up() == ["please look at this"]


def test_notices_and_our_own_posts_are_not_told(slack: Slack, follower: Follower) -> None:
    """What Deputy posted carries its key; what the same person wrote by hand does not, and is told."""
    follower.catch_up()
    key = {"event_type": "deputy_effect", "event_payload": {"key": "k1"}}
    slack.say(ONE, ts(1), "joined", subtype="channel_join")
    slack.say(ONE, ts(2), "by Deputy", metadata=key)
    slack.say(ONE, ts(3), "by hand")
    slack.say(ONE, ts(4), "by another app", user="U00000BOB", metadata=key)

    assert follower.catch_up() == ["by hand", "by another app"]


@pytest.mark.parametrize("cursor", ["", "nonsense", "W10=", "bnVsbA=="])
def test_a_cursor_of_nobodys_is_refused(follower: Follower, cursor: str) -> None:
    """Rather than beginning somewhere."""
    follower.cursor = cursor

    with pytest.raises(InvalidCall):
        follower.look()


def test_only_chat_can_be_followed(follower: Follower) -> None:
    """Slack tells nothing new about people."""
    with pytest.raises(InvalidCall):
        asyncio.run(follower.connector.changes("directory", account=follower.account, cursor=None))


def test_on_emulate_each_message_comes_once(provider: Provider) -> None:
    """Direct messages and private channels too, to whoever is in them."""
    assert isinstance(provider.connector, SlackConnector)
    bob = Follower(provider.connector, provider.need_colleague())
    bob.catch_up()
    words = [new_word() for _ in range(3)]
    provider.do("chat.post_message", {"channel": "#team", "text": words[0]})
    provider.do("chat.send_direct", {"to": "bob@northwind.example", "text": words[1]})
    secret = provider.do("chat.create_channel", {"name": new_word(), "private": True})["channel"]
    provider.do("chat.post_message", {"channel": secret, "text": words[2]})

    told = bob.catch_up()

    assert [told.count(word) for word in words] == [1, 1, 0]
    assert set(bob.catch_up()).isdisjoint(words)


def test_waiting_ends_in_time(follower: Follower) -> None:
    """It returns by itself after the time given."""
    asyncio.run(follower.connector.wait("chat", account=follower.account, cursor="", at_most_s=0.01))
