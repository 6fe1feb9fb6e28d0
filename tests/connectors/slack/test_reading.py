"""Channels, people and messages as Slack really has them, on our own double: guests, bots, notices, pages, threads, renames."""

from __future__ import annotations

import pytest

from connectors.conformance import Provider
from connectors.errors import Forbidden, InvalidCall, NotFound, ReconsentNeeded
from tests.connectors.slack import world
from tests.connectors.slack.double import ME, Slack, channel, user

GENERAL = "C00000GENERAL"
T0 = 1_795_000_000
DAY = 86_400


def ts(seconds: float) -> str:
    return f"{T0 + seconds:.6f}"


@pytest.fixture
def staffed(slack: Slack) -> Slack:
    """Colleagues, a guest, a stranger, a bot, and somebody who left; #general with all of them but the stranger."""
    slack.users += [
        user("U00000BOB", "bob", real_name="Bob Brown", tz="America/New_York"),
        user("U0000GUEST", "gus", is_restricted=True),
        user("U00000BOT", "helper", is_bot=True, email=None),
        user("U000GONE00", "zoe", deleted=True),
        user("U0000EXT00", "eve", team_id="T999999999", is_stranger=True, email="eve@partner.example"),
        user("USLACKBOT", "slackbot", email=None),
    ]
    slack.strangers = [user("U0000NEW00", "kim", team_id="T999999999", email=None)]
    slack.channels = [channel(GENERAL, "general", [ME, "U00000BOB"])]
    return slack


def test_the_directory_tells_colleagues_from_guests(staffed: Slack, seen: Provider) -> None:
    """Listed are people who are there, guests and strangers as outsiders; bots and who left are not."""
    people = seen.read("directory.list_people")["people"]

    assert {one["address"]: one["inside"] for one in people} == {
        "ada@northwind.example": True,
        "bob@northwind.example": True,
        "gus@northwind.example": False,
        "eve@partner.example": False,
    }
    assert [one["inside"] for one in people] == [True, True, False, False]
    bob = seen.read("directory.get_person", address="BOB@northwind.example")
    assert (bob["name"], bob["zone"], bob["aliases"]) == ("Bob Brown", "America/New_York", ["bob"])
    for gone in ({"person_id": "U000GONE00"}, {"address": "zoe@northwind.example"}, {"person_id": "U00000BOT"}):
        with pytest.raises(NotFound):
            seen.read("directory.get_person", **gone)


def test_users_come_page_by_page(staffed: Slack, seen: Provider) -> None:
    """However small Slack's pages are, everybody is read, once, and then kept."""
    staffed.page = 2

    assert len(seen.read("chat.list_users")["users"]) == 4
    assert len(seen.read("chat.list_users")["users"]) == 4
    assert len(staffed.called("users.list")) == 4


def test_without_addresses_somebody_has_to_connect_again(slack: Slack, seen: Provider) -> None:
    """Slack leaves them out silently where the scope is missing; that is said, with the scope."""
    slack.users = [user(ME, "ada", email=None)]

    with pytest.raises(ReconsentNeeded) as caught:
        seen.read("chat.list_users")

    assert "users:read.email" in caught.value.fix


def test_who_cannot_be_written_to_is_not_found(staffed: Slack, seen: Provider) -> None:
    """Neither who left, nor a bot, nor a stranger nobody knows gets a direct message."""
    for address in ("zoe@northwind.example", "u00000bot@t000000001.slack.invalid", "x@elsewhere.example"):
        with pytest.raises(NotFound):
            seen.do("chat.send_direct", {"to": address, "text": "Hello"})

    assert staffed.called("chat.postMessage") == []


def test_authors_are_named_whoever_they_are(staffed: Slack, seen: Provider) -> None:
    """Somebody who left, a stranger, an app, a webhook: each has a name and an address, and mentions are read as handles."""
    staffed.say(GENERAL, ts(1), "from <@U0000NEW00>", user="U000GONE00")
    staffed.say(
        GENERAL,
        ts(2),
        "deploy <https://ci.example|done>",
        user=None,
        bot_id="B0000CI",
        username="CI",
        subtype="bot_message",
    )
    staffed.say(GENERAL, ts(3), "hello <@U00000BOB>", user="U0000NEW00")

    found = seen.read("chat.history", channel="#general", order="oldest")["messages"]

    assert [(one["author"], one["author_name"], one["text"]) for one in found] == [
        ("zoe@northwind.example", "Zoe", "from @kim"),
        ("b0000ci@t000000001.slack.invalid", "CI", "deploy done (https://ci.example)"),
        ("u0000new00@t000000001.slack.invalid", "Kim", "hello @bob"),
    ]


def test_notices_are_not_messages(staffed: Slack, seen: Provider) -> None:
    """Joining, renaming and the stone over a deleted message are left out, and do not shorten a page."""
    for number in range(4):
        staffed.say(GENERAL, ts(number), f"Number {number}")
        for subtype in ("channel_join", "channel_name", "tombstone"):
            staffed.say(GENERAL, ts(number + 0.1), "notice", subtype=subtype)

    page = seen.read("chat.history", channel=GENERAL, limit=2)
    rest = seen.read("chat.history", channel=GENERAL, limit=2, cursor=page["next"])

    assert [one["text"] for one in page["messages"] + rest["messages"]] == [f"Number {n}" for n in (3, 2, 1, 0)]
    assert rest["next"] is None


@pytest.mark.parametrize("order", ["newest", "oldest"])
@pytest.mark.parametrize("slack_page", [1, 2, 1000])
@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_answers_stand_among_the_others_by_time(
    staffed: Slack, seen: Provider, order: str, slack_page: int, limit: int
) -> None:
    """Pages of a channel walk messages and answers in threads as one list, each once, in both orders."""
    staffed.page = slack_page
    for second, thread in ((0, None), (1, None), (2, 0), (3, None), (4, 1), (5, 0), (6, None), (7, 3)):
        more = {} if thread is None else {"thread_ts": ts(thread)}
        staffed.say(GENERAL, ts(second), str(second), **more)

    walked: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = seen.read("chat.history", channel=GENERAL, order=order, limit=limit, **cursor)
        walked += [one["text"] for one in page["messages"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}

    assert walked == [str(second) for second in range(8)][:: 1 if order == "oldest" else -1]


def test_an_answer_that_was_sent_to_the_channel_too_is_one_message(staffed: Slack, seen: Provider) -> None:
    """Slack lists it twice: among the channel's messages and in the thread."""
    staffed.say(GENERAL, ts(0), "question")
    staffed.say(GENERAL, ts(1), "answer", thread_ts=ts(0), subtype="thread_broadcast")

    found = seen.read("chat.history", channel=GENERAL)["messages"]

    assert [(one["text"], one["thread_id"]) for one in found] == [
        ("answer", f"{GENERAL}:{ts(0)}"),
        ("question", None),
    ]


@pytest.mark.parametrize("gives_whole_threads", [False, True])
@pytest.mark.parametrize("slack_page", [2, 1000])
def test_a_thread_is_found_by_any_of_its_messages(
    staffed: Slack, seen: Provider, gives_whole_threads: bool, slack_page: int
) -> None:
    """Whether Slack, asked by an answer's time, gives that answer or its whole thread: its page can be read either way."""
    staffed.page, staffed.gives_whole_threads = slack_page, gives_whole_threads
    for second in range(6):
        staffed.say(GENERAL, ts(second), str(second), **({"thread_ts": ts(0)} if second else {}))

    for second in (0, 1, 5):
        thread = seen.read("chat.get_thread", message_id=f"{GENERAL}:{ts(second)}")["messages"]
        assert [one["text"] for one in thread] == [str(number) for number in range(6)]


def test_nobody_of_another_workspace_passes_for_a_colleague(staffed: Slack, seen: Provider) -> None:
    """There somebody can have any address and any handle: an address of our domain is not believed, a handle not mentioned."""
    staffed.users.append(user("U000FALSE0", "bob", team_id="T999999999", email="boss@northwind.example"))
    staffed.strangers = [user("U000FALSE1", "x", team_id="T999999999", email="bob@northwind.example")]
    staffed.say(GENERAL, ts(0), "pay this", user="U000FALSE0")
    staffed.say(GENERAL, ts(1), "and this", user="U000FALSE1")

    found = seen.read("chat.history", channel=GENERAL, order="oldest")["messages"]
    seen.do("chat.post_message", {"channel": GENERAL, "text": "@bob?"})

    assert [one["author"] for one in found] == [
        "u000false0@t000000001.slack.invalid",
        "u000false1@t000000001.slack.invalid",
    ]
    assert staffed.called("chat.postMessage")[0]["text"] == "<@U00000BOB>?"
    assert [one["inside"] for one in seen.read("directory.list_people", query="boss")["people"]] == []


def test_a_window_of_time_holds_answers_to_older_messages(staffed: Slack, seen: Provider) -> None:
    """since is within, until is not; an answer counts by its own time, not its thread's."""
    staffed.say(GENERAL, ts(-3 * DAY), "old")
    staffed.say(GENERAL, ts(10), "answer", thread_ts=ts(-3 * DAY))
    staffed.say(GENERAL, ts(0), "first")
    staffed.say(GENERAL, ts(20), "after")
    window = {"since": "2026-11-18T11:06:40+00:00", "until": "2026-11-18T12:07:00+01:00"}  # T0, and 20 s later

    for order, expected in (("oldest", ["first", "answer"]), ("newest", ["answer", "first"])):
        found = seen.read("chat.history", channel=GENERAL, order=order, **window)["messages"]
        assert [one["text"] for one in found] == expected


def test_a_flood_is_refused_rather_than_cut(staffed: Slack, seen: Provider) -> None:
    """More messages than can be read in order is an error that says what to do, not a list with a hole."""
    staffed.page = 1
    for second in range(12):
        staffed.say(GENERAL, ts(second), str(second))

    with pytest.raises(InvalidCall):
        seen.read("chat.history", channel=GENERAL, order="oldest")


def test_an_old_name_leads_nowhere(staffed: Slack, seen: Provider) -> None:
    """A channel that was renamed is found by its new name and id; its old name may be another channel by now."""
    staffed.say(GENERAL, ts(0), "hello")
    before = seen.preconditions("chat.post_message", {"channel": "#general", "text": "x"})
    assert [seen.check(one) for one in before] == [None]

    staffed.channels[0]["name"] = "archive"
    with pytest.raises(NotFound):
        seen.read("chat.history", channel="#general")
    staffed.channels.append(channel("C0000000NEW", "general", [ME]))

    assert seen.read("chat.history", channel="#archive")["messages"][0]["channel_name"] == "#archive"
    assert seen.read("chat.history", channel="#general")["messages"] == []
    assert all(seen.check(one) is not None for one in before)


@pytest.mark.parametrize(
    ("change", "value"),
    [("is_private", True), ("is_ext_shared", True), ("name", "other")],
    ids=["closed", "shared", "named"],
)
def test_another_circle_breaks_an_approved_post(staffed: Slack, seen: Provider, change: str, value: object) -> None:
    """Whoever approved a post approved its readers: opening the channel to others, or giving it a new name, asks again."""
    [taken] = seen.preconditions("chat.post_message", {"channel": GENERAL, "text": "x"})

    staffed.channels[0][change] = value

    assert seen.check(taken) is not None


def test_readers_of_a_public_channel_are_all_colleagues_unless_outsiders_are_in_it(
    staffed: Slack, seen: Provider
) -> None:
    """With a guest in it, or another company, the members are named: what is posted there leaves the house."""
    staffed.channels += [
        channel("C0000GUESTS", "guests", [ME, "U0000GUEST"]),
        channel("C0000SHARED", "shared", [ME, "U0000NEW00"], is_ext_shared=True),
    ]

    listed = seen.read("chat.list_channels")["channels"]

    assert {one["name"]: one["readers"] for one in listed} == {
        "#general": None,
        "#guests": ["ada@northwind.example", "gus@northwind.example"],
        "#shared": ["ada@northwind.example", "u0000new00@t000000001.slack.invalid"],
    }


def test_a_public_channel_the_account_is_not_in_is_closed_to_it(staffed: Slack, seen: Provider) -> None:
    """It is listed; reading and posting are Forbidden, with what to do; nothing is sent."""
    staffed.channels.append(channel("C0000000OPS", "ops", ["U00000BOB"]))

    assert [one["member"] for one in seen.read("chat.list_channels", query="ops")["channels"]] == [False]
    with pytest.raises(Forbidden) as caught:
        seen.read("chat.history", channel="#ops")
    assert "invite" in caught.value.fix.lower()
    with pytest.raises(Forbidden):
        seen.do("chat.post_message", {"channel": "#ops", "text": "x"})
    assert staffed.called("chat.postMessage") == []


@pytest.mark.parametrize(
    "message_id", ["", "nonsense", "C1:", "C1:x.y", ":1.2", f"{GENERAL}:{T0}.000009", "C0NOWHERE00:1.2"]
)
def test_a_message_that_is_not_there_is_not_found(staffed: Slack, seen: Provider, message_id: str) -> None:
    """Whatever the id looks like."""
    with pytest.raises(NotFound):
        seen.read("chat.get_thread", message_id=message_id)


def test_an_account_knows_who_it_is(staffed: Slack, seen: Provider) -> None:
    """For connecting: the address becomes the connection's subject."""
    import asyncio

    from connectors.slack.connector import SlackConnector

    assert isinstance(seen.connector, SlackConnector)
    me = asyncio.run(seen.connector.whoami(world.account()))

    assert (me["address"], me["user_id"]) == ("ada@northwind.example", ME)
