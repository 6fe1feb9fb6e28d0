"""Small corrections while work waits: nudges that are understood change the plan, others are noted; pause, snooze, bump, cancel."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from orchestrator.errors import Conflict, NotFound
from orchestrator.surfaces.cli.exitcode import Exit
from tests.e2e.place import CALL, NOTHING, Place


def start(card: dict[str, object]) -> datetime:
    args = card["args"]
    assert isinstance(args, dict)
    return datetime.fromisoformat(args["start"])


def minutes(card: dict[str, object]) -> float:
    args = card["args"]
    assert isinstance(args, dict)
    return (datetime.fromisoformat(args["end"]) - start(card)).total_seconds() / 60


def test_not_monday_finds_another_day(any_place: Place) -> None:
    """The card for Monday becomes void; the new one is for another day, and approving it sends once."""
    asked = any_place.ask(CALL)
    old = any_place.cards(asked)
    assert start(old[0]).weekday() == 0

    any_place.desk.nudge(any_place.me, asked["item_id"], "not Monday")
    any_place.work()

    again = any_place.item(asked)
    new = any_place.card(again, "calendar.create_event")
    assert start(new).weekday() != 0
    states = {a["approval_id"]: a["state"] for a in again["approvals"]}
    assert {states[card["approval_id"]] for card in old} == {"void"}
    with pytest.raises(Conflict):
        any_place.decide(old[0])
    assert any_place.approve_all(again)["state"] == "done"
    assert len(any_place.sent()) == 2


def test_forty_five_minutes_changes_the_length(any_place: Place) -> None:
    """The new card is for 45 minutes, in invitation and answer alike."""
    asked = any_place.ask(CALL)

    any_place.desk.nudge(any_place.me, asked["item_id"], "45 minutes")
    any_place.work()

    again = any_place.item(asked)
    invite, reply = any_place.cards(again)
    assert minutes(invite) == 45
    assert "45 minutes" in reply["args"]["body"]


def test_nudges_add_up(place: Place) -> None:
    """The second remark does not take back the first."""
    asked = place.ask(CALL)
    place.desk.nudge(place.me, asked["item_id"], "not Monday")
    place.work()
    place.desk.nudge(place.me, asked["item_id"], "make it 45 minutes")
    place.work()

    card = place.card(asked, "calendar.create_event")
    assert start(card).weekday() != 0
    assert minutes(card) == 45


def test_two_nudges_before_anybody_works_are_both_heard(place: Place) -> None:
    """One new plan, from both."""
    asked = place.ask(CALL)
    place.desk.nudge(place.me, asked["item_id"], "not Monday")
    place.desk.nudge(place.me, asked["item_id"], "45 minutes")
    place.work()

    card = place.card(asked, "calendar.create_event")
    assert start(card).weekday() != 0
    assert minutes(card) == 45
    assert place.item(asked)["generation"] == 1


def test_changing_ones_mind_often_is_no_fault(place: Place) -> None:
    """Four remarks in a row make four plans; only a world that moves by itself ends in a repair."""
    item = place.ask(CALL)
    for wish in ("45 minutes", "30 minutes", "60 minutes", "15 minutes"):
        place.desk.nudge(place.me, item["item_id"], wish)
        place.work()

    item = place.item(item)
    assert item["waiting_on"] == ["approval"]
    assert minutes(place.card(item, "calendar.create_event")) == 15


def test_a_nudge_nobody_understands_is_noted_and_changes_nothing(any_place: Place) -> None:
    """The cards stay as they are, the remark is in the step log as not understood, and approving them still works."""
    asked = any_place.ask(CALL)
    before = [(c["approval_id"], c["state"], c["digest"]) for c in any_place.cards(asked)]

    any_place.desk.nudge(any_place.me, asked["item_id"], "be charming about it")
    any_place.work()

    again = any_place.item(asked)
    assert [(c["approval_id"], c["state"], c["digest"]) for c in any_place.cards(again)] == before
    (noted,) = any_place.steps(again, "nudge")
    assert noted["body"]["text"] == "be charming about it"
    assert noted["body"]["understood"] is False
    assert any_place.approve_all(again)["state"] == "done"


def test_a_remark_of_somebody_else_changes_no_plan(place: Place) -> None:
    """Only the requester's own words steer: an operator's are noted."""
    colleague = place.desk.principal("aisha.weber@brightwater.example")
    place.desk.connect(
        place.admin,
        connector="office",
        owner=colleague.principal_id,
        subject=colleague.principal_id,
        families=["mail", "calendar", "chat"],
    )
    place.office.add_mail(
        author=place.me.principal_id, to=[colleague.principal_id], subject="Your probe", body="Does it run?"
    )
    asked = place.ask("set up a 30 minute call with Alex Moreau about his last mail", who=colleague)
    (before,) = [c for c in place.desk.approvals(colleague) if c["tool"] == "calendar.create_event"]

    place.desk.nudge(place.admin, asked["item_id"], "45 minutes")
    place.work()

    (after,) = [c for c in place.desk.approvals(colleague) if c["tool"] == "calendar.create_event"]
    assert after["approval_id"] == before["approval_id"]
    (noted,) = place.steps(asked, "nudge")
    assert noted["body"]["by"] == place.admin.principal_id


def test_a_nudge_that_names_the_person_takes_back_the_question(place: Place) -> None:
    """With two Danas, saying which one as a remark is as good as answering: no question stays open."""
    place.office.add_person("Dana Fox", zone="Europe/Lisbon")
    asked = place.ask(CALL)
    assert asked["waiting_on"] == ["answer"]

    place.desk.nudge(place.me, asked["item_id"], "with Dana Ruiz")
    place.work()

    again = place.item(asked)
    if again["waiting_on"] == ["answer"]:  # not understood: then it is noted, and the question stands
        (noted,) = place.steps(again, "nudge")
        assert noted["body"]["understood"] is False
    else:
        assert again["waiting_on"] == ["approval"]
        assert again["question"] is None


def test_a_nudge_after_the_first_send_keeps_what_is_done(place: Place) -> None:
    """The invitation is out: a remark re-plans only what is left, and nothing is sent twice."""
    asked = place.ask(CALL)
    place.decide(place.card(asked, "calendar.create_event"))
    place.work()

    place.desk.nudge(place.me, asked["item_id"], "not Monday")
    place.work()
    done = place.approve_all(place.item(asked))

    assert done["state"] == "done"
    assert [tool for tool, _ in place.sent()] == ["calendar.create_event", "mail.reply"]
    event, mail = place.diff()["events"][0], place.diff()["mails"][0]
    assert done["output"]["start"] == event["start"]
    assert "23 November" in mail["body"], "the answer tells the time that was booked"


def test_a_paused_item_sends_nothing_until_it_is_resumed(any_place: Place) -> None:
    """Cards approved while it is paused wait; resuming sends them once."""
    asked = any_place.ask(CALL)
    paused = any_place.desk.pause(any_place.me, asked["item_id"])
    assert "paused" in paused["waiting_on"]
    assert any_place.exit_code(paused) is Exit.APPROVAL
    for card in any_place.cards(asked):
        any_place.decide(card)
    any_place.work()
    assert any_place.sent() == []
    assert any_place.item(asked)["paused"]

    any_place.desk.resume(any_place.me, asked["item_id"])
    any_place.work()

    assert any_place.item(asked)["state"] == "done"
    assert len(any_place.sent()) == 2


def test_a_cancelled_item_voids_its_cards(any_place: Place) -> None:
    """Cancelled while it waits: ended at once, its cards void, nothing sent."""
    asked = any_place.ask(CALL)
    cards = any_place.cards(asked)

    ended = any_place.desk.cancel(any_place.me, asked["item_id"], reason="changed my mind")

    assert ended["state"] == "cancelled"
    assert any_place.exit_code(ended) is Exit.CANCELLED
    assert {a["state"] for a in ended["approvals"]} == {"void"}
    with pytest.raises(Conflict):
        any_place.decide(cards[0])
    any_place.work()
    assert any_place.diff() == NOTHING


def test_an_item_cancelled_between_approval_and_work_sends_nothing(place: Place) -> None:
    """The approvals were given, the cancel came before any worker: nothing goes out."""
    asked = place.ask(CALL)
    for card in place.cards(asked):
        place.decide(card)
    place.desk.cancel(place.me, asked["item_id"])
    place.work()

    assert place.item(asked)["state"] == "cancelled"
    assert place.diff() == NOTHING


def test_a_snoozed_item_waits_for_its_time(any_place: Place) -> None:
    """Not served before; its cards can be approved, and everything happens once the time has come."""
    item_id = any_place.submit(CALL)
    any_place.desk.snooze(any_place.me, item_id, any_place.office.now() + timedelta(hours=2))
    any_place.work(linger_s=0)
    assert any_place.item(item_id)["runs"] == []

    any_place.later(timedelta(hours=2, minutes=1))
    any_place.work(linger_s=0)

    assert any_place.item(item_id)["waiting_on"] == ["approval"]


def test_a_bumped_item_goes_first(any_place: Place) -> None:
    """The order of the list, its reasons, and what a bump does to both."""
    first, second = any_place.submit(CALL), any_place.submit("what is on my calendar today")
    assert [i["item_id"] for i in any_place.desk.items(any_place.me)["items"]] == [first, second]

    bumped = any_place.desk.bump(any_place.me, second)

    assert bumped["position"] == 1
    assert bumped["why_here"]
    assert [i["item_id"] for i in any_place.desk.items(any_place.me)["items"]] == [second, first]
    any_place.work()
    began = {i: any_place.item(i)["started_at"] for i in (first, second)}
    assert began[second] <= began[first]


def test_what_needs_another_item_waits_for_it(place: Place) -> None:
    """An item with `needs` starts only after the other is done; if that one fails to be, it ends too."""
    first = place.submit(CALL)
    after = place.submit("what is on my calendar today", needs=[first])
    place.work()
    assert place.item(after)["runs"] == []

    place.approve_all(place.item(first))
    place.work()
    assert place.item(after)["state"] == "done"

    poem = place.submit("write a poem for Dana")
    never = place.submit("what is on my calendar today", needs=[poem])
    place.work()
    assert place.item(never)["state"] == "cancelled"


def test_steering_what_is_not_there_is_refused(place: Place) -> None:
    """An unknown item, and one that has ended."""
    with pytest.raises(NotFound):
        place.desk.nudge(place.me, "item_nothere", "45 minutes")
    ended = place.ask("write a poem for Dana")
    with pytest.raises(Conflict):
        place.desk.nudge(place.me, ended["item_id"], "45 minutes")
