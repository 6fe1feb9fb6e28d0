"""Cards in Slack: only who may decides, once, in time and about exactly what was shown; every door tells the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.e2e.place import CALL, Place
from tests.services.fault_proxy import Fault, FaultProxy
from tests.slack.running import Door, until
from tests.slack.scene import DAY, Scene
from tests.slack.workspace import buttons, words


@pytest.fixture
def scene(place: Place, door: Door) -> Scene:
    return Scene(place, door)


def a_card(scene: Scene) -> tuple[dict[str, Any], str]:
    """The first open card of the main job in the asker's direct messages, and its thread."""
    ts = scene.workspace.say(scene.direct, "what I said")
    scene.slack.said(scene.me, CALL, ts=ts)
    scene.asked()
    scene.place.work()
    return until(lambda: next(iter(cards(scene, ts)), None)), ts


def cards(scene: Scene, ts: str) -> list[dict[str, Any]]:
    return [one for one in scene.workspace.messages(scene.direct, ts) if "approve" in buttons(one)]


def again(scene: Scene, message: dict[str, Any], ts: str) -> dict[str, Any]:
    return next(one for one in scene.workspace.messages(scene.direct, ts) if one["ts"] == message["ts"])


def the_approval(scene: Scene, message: dict[str, Any]) -> dict[str, Any]:
    value = json.loads(buttons(message)["approve"]["value"])
    assert set(value) == {"a", "d"}
    return scene.place.desk.approval(scene.place.admin, value["a"])


def test_a_card_tells_everything_that_is_decided_on(scene: Scene) -> None:
    """Arguments, outside people, the request, rule, expiry, and whether it can be taken back."""
    card, _ = a_card(scene)
    approval = the_approval(scene, card)
    told = words(card)

    assert set(buttons(card)) >= {"approve", "edit", "deny", "why"}
    for name in approval["args"]:
        assert name.replace("_", " ") in told
    for address in approval["card"]["outside"]:
        assert address in told
    assert CALL in told
    assert approval["card"]["rule"].split(",")[0] in told
    assert "expires" in told
    assert approval["digest"] not in told


def test_a_click_decides_once_and_the_buttons_go(scene: Scene) -> None:
    """The second click changes nothing; the card is stamped with who and what came of it."""
    card, ts = a_card(scene)
    approval = the_approval(scene, card)

    for _ in range(2):
        assert scene.slack.click(scene.me, card, "approve", channel=scene.direct).status_code == 200
    scene.settled()
    decided = until(lambda: "Approved" in words(again(scene, card, ts)) and again(scene, card, ts))
    scene.place.work()
    until(lambda: "done" in words(again(scene, card, ts)).partition("Approved")[2])

    assert "approve" not in buttons(decided)
    assert scene.place.desk.approval(scene.place.admin, approval["approval_id"])["decided_by"] == [scene.me]
    granted = [one for one in scene.place.desk.audit_tail(scene.place.admin) if one["kind"] == "approval.approved"]
    assert len(granted) == 1


def test_nobody_else_decides(scene: Scene) -> None:
    """A colleague who is not on the card clicks it all the same, and presses its every button: nothing comes of it."""
    colleague = scene.colleague()
    scene.link(colleague)
    card, _ = a_card(scene)
    approval = the_approval(scene, card)

    for action in ("approve", "deny", "edit"):
        assert scene.slack.click(colleague, card, action, channel=scene.direct).status_code == 200
    view = {"type": "modal", "callback_id": "deny", "private_metadata": _about(approval)}
    scene.slack.submit(colleague, view, {"reason": "no"})
    scene.settled()

    assert scene.place.desk.approval(scene.place.admin, approval["approval_id"])["state"] == "pending"
    assert scene.workspace.messages(scene.workspace.direct(colleague)) == []


def test_a_late_click_changes_nothing(scene: Scene) -> None:
    """After its time a card can be pressed, and stays undecided."""
    card, ts = a_card(scene)
    approval = the_approval(scene, card)
    scene.place.later(timedelta(days=8))

    scene.slack.click(scene.me, card, "approve", channel=scene.direct)
    scene.settled()
    scene.place.work(linger_s=0.0)

    assert scene.place.desk.approval(scene.place.admin, approval["approval_id"])["state"] == "expired"
    until(lambda: "Expired" in words(again(scene, card, ts)))
    assert scene.place.diff()["events"] == []


def test_a_forged_digest_does_not_open_the_gate(scene: Scene) -> None:
    """A button's value says which arguments were shown; for others the desk refuses."""
    card, _ = a_card(scene)
    approval = the_approval(scene, card)
    other = json.dumps({"a": approval["approval_id"], "d": f"sha256:{'0' * 64}"})
    forged = dict(buttons(card)["approve"]) | {"value": other}

    scene.slack.press(scene.me, card, forged, channel=scene.direct)
    scene.settled()

    assert scene.place.desk.approval(scene.place.admin, approval["approval_id"])["state"] == "pending"


def test_a_decision_elsewhere_stamps_the_card(scene: Scene) -> None:
    """Approved at the desk; Slack says so within a second and has no buttons any more."""
    card, ts = a_card(scene)
    approval = the_approval(scene, card)

    scene.place.decide(approval)

    stamped = until(lambda: "approve" not in buttons(again(scene, card, ts)) and again(scene, card, ts), within_s=2.0)
    assert f"Approved* by {scene.me}" in words(stamped)


def test_denied_with_a_reason(scene: Scene) -> None:
    """The form's words go with the denial, and stand on the card."""
    card, ts = a_card(scene)
    approval = the_approval(scene, card)
    view = {"type": "modal", "callback_id": "deny", "private_metadata": _about(approval)}

    answer = scene.slack.submit(scene.me, view, {"reason": "Dana is on leave"})
    scene.settled()

    assert (answer.status_code, answer.text) == (200, "")
    assert scene.place.desk.approval(scene.place.admin, approval["approval_id"])["reason"] == "Dana is on leave"
    until(lambda: "Dana is on leave" in words(again(scene, card, ts)))


def test_an_edit_asks_again_about_the_changed_call(scene: Scene) -> None:
    """The old card is void, and a new one with a digest of its own takes its place; only the change reaches the world."""
    card, ts = a_card(scene)
    approval = the_approval(scene, card)
    view = {"type": "modal", "callback_id": "edit", "private_metadata": _about(approval)}
    name = next(one for one in ("title", "subject", "body", "text") if isinstance(approval["args"].get(one), str))

    scene.slack.submit(scene.me, view, {f"arg:{name}": "Something else"})
    scene.settled()
    scene.place.work()

    old = scene.place.desk.approval(scene.place.admin, approval["approval_id"])
    assert old["state"] == "void"
    until(lambda: "No longer asked" in words(again(scene, card, ts)))
    fresh = until(lambda: next((one for one in cards(scene, ts) if "Something else" in words(one)), None))
    assert the_approval(scene, fresh)["digest"] != approval["digest"]


def test_an_edit_that_is_none_stays_open_in_the_form(scene: Scene) -> None:
    """The form itself says what is wrong, and nothing is changed."""
    card, _ = a_card(scene)
    approval = the_approval(scene, card)
    view = {"type": "modal", "callback_id": "edit", "private_metadata": _about(approval)}
    name = next(one for one, value in approval["args"].items() if isinstance(value, str))

    answer = scene.slack.submit(scene.me, view, {f"arg:{name}": approval["args"][name]})

    assert answer.json()["response_action"] == "errors"
    assert scene.place.desk.approval(scene.place.admin, approval["approval_id"])["state"] == "pending"


def test_work_begun_elsewhere_is_approved_in_slack(scene: Scene) -> None:
    """A request from the terminal: its card comes to who may decide it, in their direct messages."""
    item_id = scene.place.submit(CALL)
    scene.place.work()
    card = until(
        lambda: next((one for one in scene.workspace.messages(scene.direct) if "approve" in buttons(one)), None)
    )
    approval = the_approval(scene, card)

    scene.slack.click(scene.me, card, "approve", channel=scene.direct)
    scene.settled()

    decided = scene.place.desk.approval(scene.place.admin, approval["approval_id"])
    assert (decided["item_id"], decided["state"]) == (item_id, "approved")


def test_a_crash_between_post_and_record_leaves_one_message(
    place: Place, slack: Any, open_door: Callable[..., Door]
) -> None:
    """Slack has the message, the answer is lost: it is found by its mark, and edited, never posted again."""
    scene = Scene(place, open_door())
    ts = scene.workspace.say(scene.direct, "what I said")
    with FaultProxy(port=slack.port) as line:
        line.arm(Fault.DROP_REPLY, when=b"POST /api/chat.postMessage")
        with Door(place, line.url) as broken:
            sender = type(scene.slack)(scene.workspace, broken.address)
            sender.said(scene.me, DAY, ts=ts)
            (item_id,) = scene.asked()
            scene.seen(scene.direct, item_id, ts)
            place.work()
            until(lambda: "Done" in words(scene.seen(scene.direct, item_id, ts)), within_s=60.0)

    assert len([one for one in scene.workspace.messages(scene.direct, ts) if item_id in words(one)]) == 1


def test_a_workspace_without_the_newer_blocks_has_the_older_ones(
    place: Place, slack: Any, open_door: Callable[..., Door]
) -> None:
    """Plan, task cards and feedback buttons are refused: the same message comes without them."""
    scene = Scene(place, open_door())
    ts = scene.workspace.say(scene.direct, "what I said")
    refusal = json.dumps({"ok": False, "error": "invalid_blocks"}).encode()
    with FaultProxy(port=slack.port) as line:
        with Door(place, line.url) as poorer:
            scene.door.stop()
            type(scene.slack)(scene.workspace, poorer.address).said(scene.me, DAY, ts=ts)
            (item_id,) = scene.asked()
            scene.seen(scene.direct, item_id, ts)
            line.arm(Fault.ANSWER, when=b"context_actions", status=200, body=refusal)
            place.work()
            last = until(
                lambda: next(
                    (one for one in scene.workspace.messages(scene.direct, ts) if "thumb_good" in buttons(one)), None
                )
            )

    assert {one["type"] for one in last["blocks"]} <= {"section", "context", "actions"}


@pytest.mark.parametrize("database", ["sqlite", "postgres"], ids=str)
def test_the_main_job_on_each_database(
    database: str, request: pytest.FixtureRequest, world: Any, tmp_path: Any
) -> None:
    """Asked, approved and told in Slack, whatever the rows lie in."""
    from tests.services import emulate
    from tests.slack import workspace

    url = request.getfixturevalue("postgres_url") if database == "postgres" else ""
    home = Place(tmp_path / "home", world, url)
    try:
        with (
            emulate.running("slack", workspace.seed(home), tmp_path) as service,
            Door(home, service.url) as door,
        ):
            scene = Scene(home, door)
            _, ts = a_card(scene)
            for _ in range(2):
                for card in cards(scene, ts):
                    scene.slack.click(scene.me, card, "approve", channel=scene.direct)
                scene.settled()
                home.work(linger_s=0.0)
                until(lambda: not cards(scene, ts) or scene.place.desk.approvals(scene.place.admin))
            (item_id,) = scene.asked()
            until(lambda: home.item(item_id)["state"] == "done" or not home.work(linger_s=0.0) and None)
            scene.seen(scene.direct, "Done", ts)
    finally:
        home.close()


def _about(approval: dict[str, Any]) -> str:
    return json.dumps({"a": approval["approval_id"], "d": approval["digest"], "c": "D0", "t": "1.1"})
