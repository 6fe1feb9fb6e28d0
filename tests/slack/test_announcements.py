"""What schedules did is heard in Slack: each thing once, and not before Slack has it; the digest decides what it lists."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from orchestrator.errors import NotFound, UsageError
from orchestrator.surfaces.slack_bot import commands, home_view, news_view
from tests.e2e.place import CALL, Place
from tests.services.fault_proxy import Fault, FaultProxy
from tests.slack.running import Door, until
from tests.slack.scene import DAY, Scene
from tests.slack.workspace import buttons, words

SAID = "did not end as expected"


@pytest.fixture
def scene(place: Place, door: Door) -> Scene:
    return Scene(place, door)


def order(place: Place, name: str = "morning", **more: Any) -> dict[str, Any]:
    """Given at a terminal: it answers nowhere."""
    given: dict[str, Any] = {"when": "daily 09:30 UTC", "request": DAY} | more
    return place.desk.schedules.add(place.me, name, **given)


def failed(place: Place, name: str = "morning", **more: Any) -> dict[str, Any]:
    """A run that leaves less than its owner expects."""
    order(place, name, expects=["effects>=1"], **more)
    fired = place.desk.schedules.fire_now(place.me, name)
    place.work(linger_s=0.0)
    return fired


def all_told(place: Place) -> None:
    until(lambda: not place.desk.slack.due_news())


def told(scene: Scene, what: str = SAID) -> list[dict[str, Any]]:
    return [one for one in scene.workspace.messages(scene.direct) if what in str(one.get("text"))]


def test_a_run_that_left_less_than_expected_is_told_its_owner(scene: Scene) -> None:
    """Schedule, when, what, why and what to do, in their direct messages, wherever the schedule was given."""
    fired = failed(scene.place)

    message = words(scene.seen(scene.direct, SAID))
    all_told(scene.place)

    assert "morning" in message and "<!date^" in message
    assert "effects" in message  # the check that did not hold
    assert f"/deputy work {fired['item_id']}" in message and "/deputy schedule run morning" in message
    assert len(told(scene)) == 1


def test_a_time_that_did_not_start_is_told_once(scene: Scene) -> None:
    """Nobody was working at three times: one message, for a schedule of a terminal and one of Slack each."""
    order(scene.place, "terminal", missed="skip")
    scene.slack.command(scene.me, f'schedule "daily 09:30 UTC" {DAY}')
    until(lambda: len(scene.place.desk.schedules.all(scene.place.me)) == 2)
    for one in scene.place.desk.schedules.all(scene.place.me):
        scene.place.desk.schedules.update(scene.place.me, one["schedule_id"], missed="skip")
    scene.settled()

    scene.place.later(timedelta(days=3))
    scene.place.work(linger_s=0.0)
    until(lambda: len(told(scene, "did not start")) == 2)
    all_told(scene.place)

    assert len(told(scene, "did not start")) == 2
    assert all("nobody was working" in words(one) for one in told(scene, "did not start"))


def test_it_is_kept_while_nothing_serves_slack_and_told_once_by_two(
    place: Place, open_door: Callable[..., Door]
) -> None:
    """The news waits for the next server; two of them, and one that comes back, post one message."""
    scene = Scene(place, open_door())
    scene.door.stop()
    failed(place)
    assert [one.kind for one in place.desk.slack.due_news()] == ["schedule.failed"]

    doors = [open_door(), open_door()]
    scene.seen(scene.direct, SAID)
    all_told(place)
    for one in doors:
        one.stop()
    open_door()
    failed(place, "evening")
    until(lambda: len(told(scene)) == 2)

    assert len(told(scene)) == 2


def test_whoever_has_not_said_who_they_are_has_no_news_waiting(place: Place, door: Door) -> None:
    """Nothing is kept for Slack of an owner who is not known there."""
    failed(place)

    assert place.desk.slack.due_news() == []


def test_a_lost_answer_makes_no_second_message(place: Place, slack: Any, open_door: Callable[..., Door]) -> None:
    """Slack posts, and the line breaks before it says so: the message is looked for, and found."""
    scene = Scene(place, open_door())
    scene.door.stop()
    failed(place)
    with FaultProxy(port=slack.port) as line:
        lost = line.arm(Fault.DROP_REPLY, when=b"POST /api/chat.postMessage")
        with Door(place, line.url):
            until(lambda: not place.desk.slack.due_news(), within_s=120.0)

    assert lost.struck.is_set()
    assert len(told(scene)) == 1


# ---- the digest ------------------------------------------------------------------------------------------------------
def a_digest(scene: Scene) -> dict[str, Any]:
    """Of one that was done, one that failed and one that waits for two cards; given and come in Slack."""
    scene.slack.command(scene.me, 'schedule digest "weekdays 17:00"')
    until(lambda: len(scene.place.desk.schedules.all(scene.place.me)) == 1)
    scene.settled()
    order(scene.place, "good")
    order(scene.place, "bad", expects=["effects>=1"])
    order(scene.place, "asking", request=CALL)
    for name in ("good", "bad", "asking"):
        scene.place.desk.schedules.fire_now(scene.place.me, name)
        scene.place.work(linger_s=0.0)
    scene.place.desk.schedules.fire_now(scene.place.me, "digest")
    scene.place.work(linger_s=0.0)
    return scene.seen(scene.direct, "Your schedules since")


def now(scene: Scene, message: dict[str, Any]) -> dict[str, Any]:
    return next(one for one in scene.workspace.messages(scene.direct) if one["ts"] == message["ts"])


def approvable(message: dict[str, Any]) -> dict[str, str]:
    """Approval id → digest, of every Approve button."""
    pressed = [one for block in message["blocks"] if block["type"] == "actions" for one in block["elements"]]
    values = [json.loads(one["value"]) for one in pressed if one["action_id"] == "approve"]
    return {one["a"]: one["d"] for one in values}


def test_a_digest_comes_once_with_its_groups_and_cards(scene: Scene) -> None:
    """One message: done, failed and waiting by name, without any terminal's commands, and a button for each card that waits."""
    digest = a_digest(scene)
    text = words(digest)

    assert all(part in text for part in ("Done", "Failed", "Waiting", "good", "bad", "asking", "To approve"))
    assert "deputy inbox" not in text
    waiting = scene.place.desk.approvals(scene.place.me)
    assert approvable(digest) == {one["approval_id"]: one["digest"] for one in waiting}
    until(lambda: not scene.place.desk.slack.due())
    assert len([one for one in scene.workspace.messages(scene.direct) if "Your schedules since" in words(one)]) == 1


def test_a_digests_button_decides_and_goes(scene: Scene) -> None:
    """The card is approved by who pressed; the digest says so, and so does one that is decided elsewhere."""
    digest = a_digest(scene)
    pressed = json.loads(buttons(digest)["approve"]["value"])["a"]

    scene.slack.click(scene.me, digest, "approve", channel=scene.direct)
    scene.settled()
    until(lambda: "Approved" in words(now(scene, digest)), within_s=60.0)

    assert scene.place.desk.approval(scene.place.me, pressed)["decided_by"] == [scene.me]
    assert set(approvable(now(scene, digest))) == set(approvable(digest)) - {pressed}


def test_a_card_of_a_digest_decided_elsewhere_loses_its_button(scene: Scene) -> None:
    """At the desk, while the digest stands in Slack."""
    digest = a_digest(scene)

    for card in scene.place.desk.approvals(scene.place.me):
        scene.place.desk.decide(scene.place.me, card["approval_id"], "deny", digest=card["digest"])
    until(lambda: words(now(scene, digest)).count("Denied") == 2, within_s=60.0)

    assert approvable(now(scene, digest)) == {}


def test_a_digest_of_anything_fits_into_what_slack_takes() -> None:
    """However many, however long, whatever letters: no part is longer than Slack's limits, and what is left out is counted."""
    entry = {"schedule": "&" * 80, "item_id": "item_1", "at": "2026-11-23T09:00:00+00:00", "why": "<&>" * 300}
    entry |= {"question": "", "text": "", "odd": ["&" * 200]}
    ask = {"approval_ids": ["appr_1", "appr_2"], "digest": "sha256:1", "preview": "&" * 900, "schedules": ["&" * 200]}
    groups = {name: [entry] * 40 for name in news_view.GROUPS}
    made = {**groups, "approve": [ask] * 30, "since": "2026-11-22T09:00:00+00:00"}
    card = {"state": "pending", "eligible": ["ana@firm.example"], "digest": "sha256:1", "item_id": "item_1"}

    cards = dict.fromkeys(("appr_1", "appr_2"), card)
    drawn = news_view.digest(made, cards, who="ana@firm.example", desk_url="https://desk.example")

    assert len(drawn.blocks) <= 50 and not drawn.is_settled
    assert all(len(one["text"]["text"]) <= 3000 for one in drawn.blocks if one["type"] == "section")
    assert " more" in words({"blocks": drawn.blocks}) and "48 more" in words({"blocks": drawn.blocks})


def test_a_digest_can_be_asked_for_at_once(scene: Scene) -> None:
    """In a few lines, to whoever types it."""
    desk, me = scene.place.desk, scene.place.me
    failed(scene.place, "bad")

    told = commands.run(
        desk, me, "schedule digest", direct=scene.direct, is_again=False, desk_url="https://desk.example"
    )

    (only,) = desk.schedules.digest(me)["failed"]
    assert f"<https://desk.example/work/{only['item_id']}|bad>" in str(told)
    assert "Failed" in str(told) and "Done" not in str(told)
    again = {"direct": scene.direct, "is_again": True, "desk_url": None}
    for _ in range(2):  # before a crash, and after it
        assert "daily 17:00" in str(commands.run(desk, me, 'schedule digest "daily 17:00"', **again))
    assert [one["kind"] for one in desk.schedules.all(me)].count("digest") == 1


# ---- naming ----------------------------------------------------------------------------------------------------------
def test_a_schedule_is_named_by_its_id_or_the_beginning_of_its_name(scene: Scene) -> None:
    """Short names from the request's words; what begins two of them is refused; paused reads as paused."""
    desk, me = scene.place.desk, scene.place.me

    def said(text: str) -> str | None:
        return commands.run(desk, me, text, direct=scene.direct, is_again=False, desk_url=None)

    long = "follow up on all of my unanswered mails of the last week"
    said(f'schedule "every monday 9:00" {long}')
    said(f'schedule "every friday 9:00" {long}')
    first, second = (one["name"] for one in desk.schedules.all(me))
    assert (first, second) == ("follow up on all of my", "follow up on all of my 2")
    with pytest.raises(UsageError, match="2 schedules begin with"):
        said("schedule pause follow")

    by_id = desk.schedules.all(me)[1]["schedule_id"]
    assert "*paused*" in str(said(f"schedule pause `{by_id}`"))
    assert "*paused*" in str(home_view.home(desk, me, None))
    assert str(said("schedule")).count("*paused*") == 1
    said("schedule rm follow up on all of my 2")
    assert "*paused*" in str(said("schedule pause FOLLOW"))
    assert "next" in str(said("schedule resume foll…"))
    with pytest.raises(NotFound):
        said("schedule pause nothing")
    assert said("schedule run club for Friday") is None  # a request
    assert "started" in str(said("schedule run follow"))
