"""Against a double of our own (`double.py`): the same bot over Socket Mode, and what it sends where no emulator listens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.errors import UsageError
from orchestrator.surfaces.http_api.draining import Drain
from orchestrator.surfaces.http_api.feed import Feed
from orchestrator.surfaces.slack_bot.bot import Bot
from tests.e2e.place import CALL, Place
from tests.slack.double import Double
from tests.slack.running import Door, until
from tests.slack.scene import DAY
from tests.slack.workspace import Sender, buttons, fresh, words


@pytest.fixture
def double(place: Place) -> Iterator[Double]:
    people = [one["address"] for one in place.desk.people() if one["inside"]]
    with Double({address: f"U{number:08d}" for number, address in enumerate(people, 1)}) as made:
        for address in people[:3]:
            sender = f"{made.team}/{made.users[address]}"
            place.desk.slack.propose(sender, address, made.direct(address))
            place.desk.slack.confirm(place.desk.principal(address), sender)
        yield made


def event(double: Double, who: str, text: str, **more: Any) -> dict[str, Any]:
    return Sender(double, "").message(who, text, channel=None, **more)  # type: ignore[arg-type]  # the same shape


def test_the_same_bot_speaks_socket_mode(place: Place, double: Double) -> None:
    """A message by websocket is acknowledged, becomes work and is answered; a dropped connection comes back by itself."""
    me = place.me.principal_id
    with Door(place, double.url, mode="socket") as door:
        assert door.bot.routes() == []
        double.acked(double.deliver("events_api", event(double, me, DAY)))
        (item,) = until(lambda: place.desk.items(place.admin)["items"])
        until(lambda: double.sent("chat.postMessage"))
        place.work()
        until(lambda: [one for one in double.sent("chat.update") if "Done" in words(one)])
        double.drop()
        until(lambda: double.connections >= 2)
        double.acked(double.deliver("events_api", event(double, me, "what is on my calendar tomorrow")))
        until(lambda: len(double.sent("chat.postMessage")) >= 2)

    assert item["request"] == DAY


def test_a_delivery_by_two_roads_counts_once(place: Place, double: Double) -> None:
    """Slack sends what was not acknowledged on another connection again."""
    told = event(double, place.me.principal_id, DAY)
    with Door(place, double.url, mode="socket"):
        for _ in range(2):
            double.acked(double.deliver("events_api", told))
        until(lambda: place.desk.items(place.admin)["items"])
        until(lambda: not place.desk.slack.open_deliveries())

    assert len(place.desk.items(place.admin)["items"]) == 1


def test_edit_and_deny_open_their_forms_at_once(place: Place, double: Double) -> None:
    """For who may decide, with every argument in a field; for a colleague there is a whisper, and no form."""
    me = place.me.principal_id
    colleague = next(one for one in double.users if one != me)
    with Door(place, double.url, mode="socket"):
        double.deliver("events_api", event(double, me, CALL))
        until(lambda: place.desk.items(place.admin)["items"])
        place.work()
        card = until(lambda: next((one for one in double.sent("chat.postMessage") if "edit" in buttons(one)), None))
        for action in ("edit", "deny"):
            double.acked(double.deliver("interactive", _press(double, me, card, action)))
        views = until(lambda: len(found := double.sent("views.open")) == 2 and found)
        double.acked(double.deliver("interactive", _press(double, colleague, card, "edit")))
        whisper = until(lambda: double.sent("chat.postEphemeral"))

    approval = place.desk.approval(place.admin, json.loads(views[0]["view"]["private_metadata"])["a"])
    fields = {one["block_id"] for one in views[0]["view"]["blocks"] if one["type"] == "input"}
    assert fields == {f"arg:{name}" for name in approval["args"]}
    assert [one["view"]["callback_id"] for one in views] == ["edit", "deny"]
    assert whisper[0]["user"] == double.users[colleague]
    assert len(double.sent("views.open")) == 2


def test_a_click_that_counts_for_nothing_says_why_to_that_person_alone(place: Place, double: Double) -> None:
    """A second click, a stranger's: a whisper to them, and no message."""
    me = place.me.principal_id
    colleague = next(one for one in double.users if one != me)
    with Door(place, double.url, mode="socket"):
        double.deliver("events_api", event(double, me, CALL))
        until(lambda: place.desk.items(place.admin)["items"])
        place.work()
        card = until(lambda: next((one for one in double.sent("chat.postMessage") if "approve" in buttons(one)), None))
        for who in (colleague, me, me):
            double.acked(double.deliver("interactive", _press(double, who, card, "approve")))
            until(lambda: not place.desk.slack.open_deliveries())
        posted = len(double.sent("chat.postMessage"))
        told = until(lambda: len(found := double.sent("chat.postEphemeral")) >= 2 and found)

    assert [one["user"] for one in told] == [double.users[colleague], double.users[me]]
    assert all("Nothing was changed" in one["text"] for one in told)
    assert posted == len(double.sent("chat.postMessage"))


def test_why_tells_rule_and_reason_alone(place: Place, double: Double) -> None:
    me = place.me.principal_id
    with Door(place, double.url, mode="socket"):
        double.deliver("events_api", event(double, me, CALL))
        until(lambda: place.desk.items(place.admin)["items"])
        place.work()
        card = until(lambda: next((one for one in double.sent("chat.postMessage") if "why" in buttons(one)), None))
        double.acked(double.deliver("interactive", _press(double, me, card, "why")))
        (told,) = until(lambda: double.sent("chat.postEphemeral"))

    approval = place.desk.approval(place.admin, json.loads(buttons(card)["why"]["value"])["a"])
    assert approval["rules"][0] in told["text"]


def test_the_pane_suggests_and_answers(place: Place, double: Double) -> None:
    """An opened thread has suggestions; what is said there is a request, with a status meanwhile."""
    me = place.me.principal_id
    direct, ts = double.direct(me), "1700000000.000100"
    thread = {"user_id": double.users[me], "channel_id": direct, "thread_ts": ts, "context": {}}
    opened = Sender(double, "").event({"type": "assistant_thread_started", "assistant_thread": thread, "event_ts": ts})  # type: ignore[arg-type]
    with Door(place, double.url, mode="socket"):
        double.acked(double.deliver("events_api", opened))
        (suggested,) = until(lambda: double.sent("assistant.threads.setSuggestedPrompts"))
        double.acked(double.deliver("events_api", event(double, me, DAY, thread=ts)))
        until(lambda: double.sent("assistant.threads.setStatus"))
        (posted,) = until(lambda: double.sent("chat.postMessage"))

    assert len(suggested["prompts"]) > 0
    assert (posted["channel"], posted["thread_ts"]) == (direct, ts)


def test_the_home_is_published_for_its_owner(place: Place, double: Double) -> None:
    me = place.me.principal_id
    place.submit(DAY)
    looked = {"type": "app_home_opened", "user": double.users[me], "tab": "home", "channel": double.direct(me)}
    with Door(place, double.url, mode="socket"):
        double.acked(double.deliver("events_api", Sender(double, "").event(looked)))  # type: ignore[arg-type]
        (home,) = until(lambda: double.sent("views.publish"))

    assert home["user_id"] == double.users[me]
    assert DAY in words(home["view"])


@pytest.mark.parametrize(
    ("mode", "missing"),
    [("http", "slack_signing_secret"), ("socket", "slack_app_token"), ("socket", "slack_bot_token")],
)
def test_what_is_not_set_is_named(place: Place, mode: str, missing: str) -> None:
    """The server does not start half a bot."""
    given = {"slack_bot_token": "xoxb-1", "slack_app_token": "xapp-1", "slack_signing_secret": "s"} | {missing: ""}
    drain = Drain()

    with pytest.raises(UsageError, match=missing):
        Bot.of(place.desk, place.load(slack_mode=mode, **given), Feed(place.desk, drain), drain)


def test_switched_off_there_is_none(place: Place) -> None:
    drain = Drain()

    assert Bot.of(place.desk, place.settings, Feed(place.desk, drain), drain) is None


def _press(double: Double, who: str, card: dict[str, Any], action: str) -> dict[str, Any]:
    return {
        "type": "block_actions",
        "team": {"id": double.team},
        "user": {"id": double.users[who], "team_id": double.team},
        "channel": {"id": card["channel"]},
        "message": {"ts": "1700000000.000200"},
        "container": {"type": "message", "message_ts": "1700000000.000200", "channel_id": card["channel"]},
        "actions": [{**buttons(card)[action], "block_id": "b", "action_ts": "1.1"}],
        "trigger_id": fresh("T"),
    }
