"""Between card and deed the world goes on: what no longer fits is planned again, what is done stays done."""

from __future__ import annotations

from datetime import datetime, timedelta

from orchestrator.surfaces.cli.exitcode import Exit
from tests.e2e.place import CALL, DANA, NOTHING, Place, tools


def take_slot(place: Place, card: dict[str, object]) -> None:
    """Somebody else books Dana at the time on the card."""
    args = card["args"]
    assert isinstance(args, dict)
    place.office.add_event(
        organizer=DANA,
        title="Customer visit",
        start=datetime.fromisoformat(args["start"]),
        end=datetime.fromisoformat(args["end"]),
    )


def test_a_slot_taken_meanwhile_is_never_booked(any_place: Place) -> None:
    """Approved after somebody took the time: nothing is sent, a new card shows another time, the old cards are void."""
    asked = any_place.ask(CALL)
    old = any_place.cards(asked)
    take_slot(any_place, any_place.card(asked, "calendar.create_event"))
    before = any_place.diff()

    for card in old:
        any_place.decide(card)
    any_place.work()

    again = any_place.item(asked)
    assert again["waiting_on"] == ["approval"]
    assert again["generation"] == 1
    assert any_place.diff() == before
    assert any_place.sent() == []
    new = any_place.cards(again)
    assert {card["tool"] for card in new} == {"calendar.create_event", "mail.reply"}
    assert {card["approval_id"] for card in new}.isdisjoint(card["approval_id"] for card in old)
    assert any_place.card(again, "calendar.create_event")["args"]["start"] != old[0]["args"]["start"]
    assert not [
        a for a in again["approvals"] if a["state"] == "pending" and a["approval_id"] in [c["approval_id"] for c in old]
    ]
    assert any_place.approve_all(again)["state"] == "done"
    assert [tool for tool, _ in any_place.sent()] == ["calendar.create_event", "mail.reply"]


def test_a_slot_taken_with_one_card_still_open_voids_that_card(place: Place) -> None:
    """Only the invitation was approved: the answer's card, which names the old time, must not survive the new plan."""
    asked = place.ask(CALL)
    invite, reply = place.cards(asked)
    take_slot(place, invite)

    place.decide(invite)
    place.work()

    again = place.item(asked)
    states = {a["approval_id"]: a["state"] for a in again["approvals"]}
    assert states[reply["approval_id"]] == "void"
    assert len(place.cards(again)) == 2
    assert place.sent() == []


def test_another_mail_in_the_thread_stops_both_cards(any_place: Place) -> None:
    """She wrote again before both were approved: neither invitation nor answer goes out on the old mail."""
    asked = any_place.ask(CALL)
    reply = any_place.card(asked, "mail.reply")
    newest = any_place.write_again(in_reply_to=reply["args"]["message_id"], subject="Re: it is solved")
    before = any_place.diff()

    for card in any_place.cards(asked):
        any_place.decide(card)
    any_place.work()

    again = any_place.item(asked)
    assert again["waiting_on"] == ["approval"]
    assert any_place.diff() == before
    assert any_place.sent() == []
    assert any_place.card(again, "mail.reply")["args"]["message_id"] == newest
    assert any_place.approve_all(again)["state"] == "done"
    assert len(any_place.sent()) == 2


def test_another_mail_in_a_thread_of_its_own_is_her_last_mail_now(place: Place) -> None:
    """`her last mail` means the one that is her last when it happens: a newer one, wherever it stands, makes a new plan."""
    asked = place.ask(CALL)
    newest = place.write_again(subject="Something else entirely")
    before = place.diff()

    for card in place.cards(asked):
        place.decide(card)
    place.work()

    again = place.item(asked)
    assert again["waiting_on"] == ["approval"]
    assert place.diff() == before
    assert place.card(again, "mail.reply")["args"]["message_id"] == newest


def test_done_effects_stay_facts_when_the_rest_is_planned_again(any_place: Place) -> None:
    """The invitation is out when she writes again: it is not sent twice, and only the answer gets a new card."""
    asked = any_place.ask(CALL)
    invite, reply = any_place.cards(asked)
    any_place.decide(invite)
    any_place.work()
    assert [tool for tool, _ in any_place.sent()] == ["calendar.create_event"]

    any_place.write_again(in_reply_to=reply["args"]["message_id"], subject="Re: and another question")
    any_place.decide(reply)
    any_place.work()

    again = any_place.item(asked)
    assert [card["tool"] for card in any_place.cards(again)] == ["mail.reply"]
    assert tools(again, "done") == ["calendar.create_event"]
    done = any_place.approve_all(again)
    assert done["state"] == "done"
    assert [tool for tool, _ in any_place.sent()] == ["calendar.create_event", "mail.reply"]
    start = any_place.diff()["events"][0]["start"]
    assert done["output"]["start"] == start, "the answer is about the time that was booked"


def test_after_three_new_plans_a_person_has_to_look(place: Place) -> None:
    """A world that moves under every plan ends in a repair, said as such; nothing was sent."""
    item = place.ask(CALL)
    for _ in range(4):
        assert item["waiting_on"] == ["approval"]
        take_slot(place, place.card(item, "calendar.create_event"))
        for card in place.cards(item):
            place.decide(card)
        place.work()
        item = place.item(item)

    assert item["waiting_on"] == ["repair"]
    assert place.exit_code(item) is Exit.APPROVAL
    assert not item["outcome_unknown"]
    assert "give up" in item["question"]["choices"]
    assert place.sent() == []
    assert place.cards(item) == []

    place.desk.answer(place.me, item["item_id"], "give up")
    place.work()
    assert place.item(item)["state"] == "failed"


def test_trying_again_after_the_repair_goes_on(place: Place) -> None:
    """`try again` plans once more, and the cards of that plan can be approved."""
    item = place.ask(CALL)
    for _ in range(4):
        take_slot(place, place.card(item, "calendar.create_event"))
        for card in place.cards(item):
            place.decide(card)
        place.work()
        item = place.item(item)

    place.desk.answer(place.me, item["item_id"], "try again")
    place.work()

    item = place.item(item)
    assert item["waiting_on"] == ["approval"]
    assert place.approve_all(item)["state"] == "done"
    assert len(place.sent()) == 2


def test_an_approval_given_after_the_time_has_passed_sends_nothing(place: Place) -> None:
    """The reply's card outlives the meeting's time: approving it late never announces a time that is past."""
    asked = place.ask(CALL)
    invite, reply = place.cards(asked)
    start = datetime.fromisoformat(invite["args"]["start"])
    place.office.set_now(start + timedelta(hours=1))

    place.work()

    ended = place.item(asked)
    assert ended["state"] == "denied"
    assert ended["error"]["code"] == "approval_expired"
    assert place.exit_code(ended) is Exit.DENIED
    assert place.diff() == NOTHING
    assert {a["state"] for a in ended["approvals"]} <= {"expired", "void"}
    assert reply["approval_id"] not in [c["approval_id"] for c in place.desk.approvals(place.me)]
