"""What people say to the bot, in every form and as often as Slack likes, becomes work once; who is nobody here gets nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from tests.e2e.place import CALL, Place
from tests.slack.running import Door, until
from tests.slack.scene import DAY, Scene
from tests.slack.workspace import JSON, STRANGER, Sender, buttons, words

COUNT = """\
name: list-people
version: 1.0.0
title: List everybody
description: Everybody of the directory.
examples:
  - List everybody who works here
near_misses:
  - List everything that I do
grant: []
slots: {}
steps:
  - id: found
    call: directory.list_people
    args: {}
    says: I look.
text: Here they are.
output:
  people: "{{ found.people }}"
"""


@pytest.fixture
def scene(place: Place, door: Door) -> Scene:
    return Scene(place, door)


def test_a_mention_is_answered_in_its_thread(scene: Scene) -> None:
    """The one message about it stands in the thread of the mention, and is edited as the work goes on."""
    ts = scene.workspace.say(scene.workspace.channel, "a thread")
    text = f"<@{scene.workspace.bot}> {DAY}"

    scene.slack.said(scene.me, text, channel=scene.workspace.channel, thread=ts, ts=ts, kind="app_mention")
    (item_id,) = scene.asked()
    first = scene.seen(scene.workspace.channel, item_id, ts)
    scene.place.work()
    last = scene.seen(scene.workspace.channel, "Done", ts)

    assert scene.items() == [DAY]
    assert first["ts"] == last["ts"]


def test_a_private_answer_is_not_told_in_a_channel(scene: Scene) -> None:
    """A calendar is not every member's to read: the channel is told so, the answer goes to the asker, who may share it."""
    ts = scene.workspace.say(scene.workspace.channel, "a thread")
    text = f"<@{scene.workspace.bot}> {DAY}"
    scene.slack.said(scene.me, text, channel=scene.workspace.channel, thread=ts, ts=ts, kind="app_mention")
    (item_id,) = scene.asked()
    scene.place.work()
    answer = scene.place.item(item_id)["text"]

    mine = until(lambda: next((one for one in scene.workspace.messages(scene.direct) if "share" in buttons(one)), None))
    told = scene.seen(scene.workspace.channel, "Done", ts)
    assert answer.splitlines()[0] in words(mine)
    assert answer.splitlines()[0] not in words(told)
    scene.slack.click(scene.me, mine, "share", channel=scene.direct)
    shared = scene.seen(scene.workspace.channel, "shared by", ts)
    assert answer.splitlines()[0] in words(shared)


def test_what_every_colleague_may_read_is_told_where_it_was_asked(scene: Scene) -> None:
    """The directory is everybody's; but not where somebody from outside reads along."""
    folder = scene.place.home / "workflows"
    folder.mkdir(exist_ok=True)
    (folder / "count-people.yaml").write_text(COUNT)
    made = scene.workspace.call("conversations.create", name="colleagues")["channel"]["id"]
    scene.workspace.call("conversations.invite", channel=made, users=scene.workspace.users[scene.me])
    answers = []
    for number, channel in enumerate((made, scene.workspace.channel), 1):
        ts = scene.workspace.say(channel, "a thread")
        text = f"<@{scene.workspace.bot}> list everybody who works here"
        scene.slack.said(scene.me, text, channel=channel, thread=ts, ts=ts, kind="app_mention")
        scene.asked(number)
        scene.place.work()
        answers.append(words(scene.seen(channel, "Done", ts)))

    assert "Here they are" in answers[0]
    assert "Here they are" not in answers[1]


def test_the_same_delivery_counts_once(scene: Scene) -> None:
    """Slack sends again what it believes lost, with the same ids: events, commands and clicks."""
    event = scene.slack.message(scene.me, DAY)
    retry = {"x-slack-retry-num": "1", "x-slack-retry-reason": "http_timeout"}
    for _ in range(3):
        assert scene.slack.post(json.dumps(event), JSON, headers=retry).status_code == 200
    for _ in range(3):
        assert scene.slack.command(scene.me, CALL, trigger="1.2.3").status_code == 200

    scene.asked(2)
    scene.settled()
    assert sorted(scene.items()) == sorted([DAY, CALL])


def test_two_servers_take_one_delivery_once(place: Place, open_door: Callable[..., Door]) -> None:
    """Both are told of it at the same moment; one message stands there."""
    scene, other = Scene(place, open_door()), open_door().sender()
    ts = scene.workspace.say(scene.direct, "what I said")
    event = json.dumps(scene.slack.message(scene.me, DAY, ts=ts))

    for sender in (scene.slack, other):
        assert sender.post(event, JSON).status_code == 200
    (item_id,) = scene.asked()
    scene.seen(scene.direct, item_id, ts)
    place.work()
    scene.seen(scene.direct, "Done", ts)
    scene.settled()

    assert len([one for one in scene.workspace.messages(scene.direct, ts) if item_id in words(one)]) == 1


@pytest.mark.parametrize("how", ["forged", "other secret", "stale", "unsigned"])
def test_what_slack_did_not_sign_comes_to_nothing(scene: Scene, how: str) -> None:
    """Bad and missing signatures, and old ones sent again, are refused before anything is kept."""
    event = json.dumps(scene.slack.message(scene.me, DAY))
    match how:
        case "forged":
            answer = scene.slack.post(event, JSON, signature="v0=" + "0" * 64)
        case "other secret":
            answer = Sender(scene.workspace, scene.door.address, secret="f" * 32).post(event, JSON)
        case "stale":
            answer = scene.slack.post(event, JSON, at=time.time() - 400)
        case _:
            answer = scene.slack.post(event, JSON, signature="", headers={"x-slack-signature": ""})

    assert answer.status_code == 401
    assert scene.items() == []
    assert scene.place.desk.slack.open_deliveries() == 0


def test_slack_may_verify_the_address(scene: Scene) -> None:
    body = json.dumps({"type": "url_verification", "challenge": "c123"})

    answer = scene.slack.post(body, JSON)

    assert (answer.status_code, answer.json()["challenge"]) == (200, "c123")


def test_a_stranger_is_told_so_and_nothing_else(scene: Scene) -> None:
    """Whose address the directory does not know gets no work, no card, no home."""
    scene.slack.said(STRANGER, DAY)
    scene.slack.command(STRANGER, "work")
    scene.settled()

    assert scene.items() == []
    assert scene.place.desk.slack.linked(f"{scene.workspace.team}/{scene.workspace.users[STRANGER]}") is None


def test_somebody_of_another_workspace_is_a_stranger(scene: Scene) -> None:
    """In a shared channel the same user id of another team is somebody else."""
    event = scene.slack.message(scene.me, DAY)
    event["event"]["user_team"] = "TOTHER"

    scene.slack.post(json.dumps(event), JSON)
    scene.settled()

    assert scene.items() == []


def test_who_lost_their_role_gets_nothing(scene: Scene) -> None:
    """A link of before does not outlive the role; their messages show nothing any more."""
    colleague = scene.colleague()
    scene.link(colleague)
    direct = scene.workspace.direct(colleague)
    ts = scene.workspace.say(direct, "what they said")
    scene.slack.said(colleague, DAY, ts=ts)
    (item_id,) = scene.asked()
    scene.seen(direct, item_id, ts)

    scene.place.desk.roles.give(scene.place.admin, colleague, ["none"])
    scene.slack.said(colleague, "what is on my calendar tomorrow")
    scene.slack.command(colleague, f"cancel {item_id}")
    scene.settled()
    scene.place.work()

    assert scene.items() == [DAY]
    assert scene.place.item(item_id)["state"] != "cancelled"
    scene.seen(direct, "not shown any more", ts)


def test_a_reply_in_the_thread_steers_the_work(scene: Scene) -> None:
    """What the requester says there without a mention is a remark on the work; a colleague's chatter is nobody's."""
    colleague = scene.colleague()
    scene.link(colleague)
    channel, ts = scene.workspace.channel, scene.workspace.say(scene.workspace.channel, "a thread")
    text = f"<@{scene.workspace.bot}> {CALL}"
    scene.slack.said(scene.me, text, channel=channel, thread=ts, ts=ts, kind="app_mention")
    (item_id,) = scene.asked()

    scene.slack.said(colleague, "I like Mondays", channel=channel, thread=ts)
    scene.slack.said(scene.me, "not Monday", channel=channel, thread=ts)
    scene.settled()

    nudges = [one for one in scene.place.desk.audit_tail(scene.place.admin) if one["kind"] == "item.nudged"]
    assert [(one["actor"], one["item_id"]) for one in nudges] == [(scene.me, item_id)]
    assert scene.items() == [CALL]


def test_a_reply_that_comes_before_its_thread_is_kept(scene: Scene) -> None:
    """Deliveries come in any order: the reply waits for the mention that it belongs to."""
    channel, ts = scene.workspace.channel, scene.workspace.say(scene.workspace.channel, "a thread")
    text = f"<@{scene.workspace.bot}> {CALL}"

    scene.slack.said(scene.me, "not Monday", channel=channel, thread=ts)
    until(lambda: scene.place.desk.slack.parked_deliveries() == 1)
    scene.slack.said(scene.me, text, channel=channel, ts=ts, kind="app_mention")
    (item_id,) = scene.asked()
    scene.settled()

    nudges = [one for one in scene.place.desk.audit_tail(scene.place.admin) if one["kind"] == "item.nudged"]
    assert [one["item_id"] for one in nudges] == [item_id]


def test_the_words_of_a_command_are_read_as_they_are_meant(scene: Scene) -> None:
    """ "cancel" with an id is the verb, with other words a request."""
    scene.slack.command(scene.me, DAY)
    (item_id,) = scene.asked()
    scene.slack.command(scene.me, f"bump {item_id}")
    scene.slack.command(scene.me, f"cancel {item_id}")
    scene.slack.command(scene.me, "cancel my call with Dana")
    scene.slack.command(scene.me, 'schedule "every monday 9:00" what is on my calendar today')
    scene.slack.command(scene.me, "halt odd mails")
    scene.settled()

    assert scene.place.item(item_id)["state"] == "cancelled"
    assert "cancel my call with Dana" in scene.items()
    assert [one["request"] for one in scene.place.desk.schedules.all(scene.place.me)] == [DAY]
    assert [one["reason"] for one in scene.place.desk.halts.all()] == ["odd mails"]
    scene.slack.command(scene.me, "halt lift")
    until(lambda: not scene.place.desk.halts.all())


def test_a_mentioned_colleague_is_meant_by_name(scene: Scene) -> None:
    """Slack writes an id where people see a name."""
    colleague = scene.colleague()
    name = next(one["name"] for one in scene.place.desk.people() if one["address"] == colleague)

    scene.slack.said(scene.me, f"find 30 minutes with <@{scene.workspace.users[colleague]}> &amp; me")
    scene.asked()

    assert scene.items() == [f"find 30 minutes with {name} & me"]


def test_who_says_no_is_asked_again_the_next_time(scene: Scene) -> None:
    """What they had sent is not done; a later word of theirs is a new beginning."""
    colleague = scene.colleague()
    direct = scene.workspace.direct(colleague)
    asked = []
    for request, verdict in (("the first thing", "link_no"), ("the second thing", "link_yes")):
        scene.slack.said(colleague, request)
        asked.append(
            until(lambda: next((one for one in scene.workspace.messages(direct) if "link_yes" in buttons(one)), None))
        )
        until(lambda: scene.place.desk.slack.parked_deliveries() == 1)
        scene.slack.click(colleague, asked[-1], verdict, channel=direct)
        until(lambda: not scene.place.desk.slack.parked_deliveries())
    scene.asked()
    scene.settled()

    assert scene.items() == ["the second thing"]
    assert asked[0]["ts"] != asked[1]["ts"]


def test_a_click_of_somebody_unconfirmed_counts_for_nothing(scene: Scene) -> None:
    """An eligible person's address is not enough: they have to have said that it is them."""
    scene.place.desk.slack.unlink(scene.place.me, f"{scene.workspace.team}/{scene.workspace.users[scene.me]}")
    scene.place.submit(CALL)
    scene.place.work()
    (approval, *_) = scene.place.desk.approvals(scene.place.admin)
    value = json.dumps({"a": approval["approval_id"], "d": approval["digest"]})

    scene.slack.press(
        scene.me, {"ts": "1.1"}, {"type": "button", "action_id": "approve", "value": value}, channel=scene.direct
    )
    scene.settled()

    assert scene.place.desk.approval(scene.place.admin, approval["approval_id"])["state"] == "pending"


def test_a_schedule_of_slack_answers_there(scene: Scene) -> None:
    """Its runs are nobody's delivery: their news is addressed, and told once, behind whatever waits for other doors."""
    for number in range(120):
        scene.place.submit(f"another door's {number}", reply_to={"door": "mcp"})
    for item in scene.place.desk.items(scene.place.admin, limit=500)["items"]:
        scene.place.desk.cancel(scene.place.me, item["item_id"])
    scene.slack.command(scene.me, f'schedule "every monday 9:00" {DAY}')
    (schedule,) = until(lambda: scene.place.desk.schedules.all(scene.place.me))
    scene.settled()

    scene.place.desk.schedules.fire_now(scene.place.me, schedule["name"])
    scene.place.work(linger_s=0.0)

    answer = scene.seen(scene.direct, "Done")
    assert DAY in words(answer)
    until(lambda: not scene.place.desk.slack.due())


def test_thumbs_are_kept(scene: Scene) -> None:
    """The latest of a person counts."""
    ts = scene.workspace.say(scene.direct, "what I said")
    scene.slack.said(scene.me, DAY, ts=ts)
    (item_id,) = scene.asked()
    scene.place.work()
    answer = scene.seen(scene.direct, "model calls", ts)

    for verdict in ("good", "bad"):
        scene.slack.thumb(scene.me, answer, f"{verdict}:{item_id}", channel=scene.direct)
        scene.settled()

    (kept,) = scene.place.desk.feedback.of_item(scene.place.me, item_id)
    assert (kept["person"], kept["is_good"], kept["door"]) == (scene.me, False, "slack")


def test_the_home_shows_ones_own(scene: Scene) -> None:
    """Published for whoever opened it; a stranger's stays empty."""
    scene.slack.said(scene.me, DAY)
    scene.asked()
    event = {"type": "app_home_opened", "user": scene.workspace.users[scene.me], "tab": "home", "channel": scene.direct}

    scene.slack.post(json.dumps(scene.slack.event(event)), JSON)
    scene.settled()

    from orchestrator.surfaces.slack_bot import home_view

    view = home_view.home(scene.place.desk, scene.place.me, None)
    assert DAY in words(view)
