"""A card answers one digest, once, by an eligible person, in time; anything else is refused and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from orchestrator.errors import Conflict, NotEligible, UsageError
from orchestrator.surfaces.cli.exitcode import Exit
from tests.e2e.place import CALL, NOTHING, Place

STRANGER = "aisha.weber@brightwater.example"


def test_one_denial_ends_the_item_and_voids_the_other_card(any_place: Place) -> None:
    """Denied: nothing is sent, the other card can no longer be approved."""
    asked = any_place.ask(CALL)
    invite, reply = any_place.cards(asked)

    any_place.decide(reply, "deny", reason="not now")
    any_place.work()

    ended = any_place.item(asked)
    assert ended["state"] == "denied"
    assert ended["error"]["code"] == "approval_denied"
    assert "not now" in ended["error"]["message"]
    assert any_place.exit_code(ended) is Exit.DENIED
    states = {a["approval_id"]: a["state"] for a in ended["approvals"]}
    assert states == {invite["approval_id"]: "void", reply["approval_id"]: "denied"}
    with pytest.raises(Conflict):
        any_place.decide(invite)
    any_place.work()
    assert any_place.diff() == NOTHING


def test_denying_the_second_card_keeps_the_first_effect_and_says_so(place: Place) -> None:
    """What is out is told with the denial: nobody has to guess what happened."""
    asked = place.ask(CALL)
    invite, reply = place.cards(asked)
    place.decide(invite)
    place.work()

    place.decide(reply, "deny")
    place.work()

    ended = place.item(asked)
    assert ended["state"] == "denied"
    assert [tool for tool, _ in place.sent()] == ["calendar.create_event"]
    assert "invited" in ended["text"]


def test_a_card_nobody_answers_expires(any_place: Place) -> None:
    """Moved past its expiry, the card is worth nothing: the item ends as expired, and nothing is sent."""
    asked = any_place.ask(CALL)
    (invite, reply) = any_place.cards(asked)
    any_place.office.set_now(datetime.fromisoformat(invite["expires_at"]) + timedelta(seconds=1))

    with pytest.raises(Conflict):
        any_place.decide(invite)
    any_place.work()

    ended = any_place.item(asked)
    assert ended["state"] == "denied"
    assert ended["error"]["code"] == "approval_expired"
    with pytest.raises(Conflict):
        any_place.decide(reply)
    assert any_place.diff() == NOTHING


def test_an_approval_that_runs_out_before_it_is_used_sends_nothing(place: Place) -> None:
    """Approved in time, but no worker ran until the meeting's time had passed."""
    asked = place.ask(CALL)
    cards = place.cards(asked)
    for card in cards:
        place.decide(card)
    place.office.set_now(datetime.fromisoformat(cards[0]["args"]["start"]) + timedelta(minutes=1))

    place.work()

    assert place.sent() == []
    assert place.item(asked)["state"] in ("denied", "waiting")


@pytest.mark.parametrize(
    "wrong", ["another digest", "the other card's digest", "a second use", "a stranger", "a program"]
)
def test_what_is_no_valid_answer_changes_nothing(any_place: Place, wrong: str) -> None:
    """Refused, and every row is as it was."""
    asked = any_place.ask(CALL)
    invite, reply = any_place.cards(asked)
    if wrong == "a second use":
        any_place.decide(invite)
    before = rows(any_place, asked)
    digest, who = invite["digest"], any_place.me
    match wrong:
        case "another digest":
            digest = "sha256:" + "0" * 64
        case "the other card's digest":
            digest = reply["digest"]
        case "a stranger":
            who = any_place.desk.principal(STRANGER)
        case "a program":
            from dataclasses import replace

            who = replace(any_place.me, is_human=False)

    with pytest.raises((Conflict, NotEligible)):
        any_place.desk.decide(who, invite["approval_id"], "approve", digest=digest)

    assert rows(any_place, asked) == before
    assert any_place.sent() == []


def rows(place: Place, item: Mapping[str, Any]) -> dict[str, Any]:
    """What a refused answer must leave as it was."""
    found = place.item(item)
    return {
        "approvals": found["approvals"],
        "effects": found["effects"],
        "state": found["state"],
        "head": place.desk.audit_head(place.admin),
    }


def test_an_edit_asks_again_about_exactly_the_changed_call(any_place: Place) -> None:
    """Edited: another digest, another card, the old one void; approved, it is sent as edited, once."""
    asked = any_place.ask(CALL)
    invite, reply = any_place.cards(asked)

    any_place.decide(invite, "edit", args={"title": "About Kestrel"})
    any_place.work()

    again = any_place.item(asked)
    new = any_place.card(again, "calendar.create_event")
    assert new["approval_id"] != invite["approval_id"]
    assert new["digest"] != invite["digest"]
    assert new["args"] == {**invite["args"], "title": "About Kestrel"}
    states = {a["approval_id"]: a["state"] for a in again["approvals"]}
    assert states[invite["approval_id"]] == "void"
    assert states[reply["approval_id"]] == "pending"
    with pytest.raises(Conflict):
        any_place.decide(invite)
    assert any_place.sent() == []

    done = any_place.approve_all(again)
    assert done["state"] == "done"
    assert [e["title"] for e in any_place.diff()["events"]] == ["About Kestrel"]
    assert len(any_place.sent()) == 2


def test_an_edit_can_be_edited_and_denied(place: Place) -> None:
    """A second edit builds on the first; a denial of the edited card denies the item."""
    asked = place.ask(CALL)
    place.decide(place.card(asked, "calendar.create_event"), "edit", args={"title": "First"})
    place.work()
    place.decide(place.card(asked, "calendar.create_event"), "edit", args={"location": "Room 2"})
    place.work()

    last = place.card(asked, "calendar.create_event")
    assert last["args"]["title"] == "First"
    assert last["args"]["location"] == "Room 2"
    place.decide(last, "deny")
    place.work()

    assert place.item(asked)["state"] == "denied"
    assert place.sent() == []


def test_an_edit_to_a_stranger_is_shown_as_such_or_refused(place: Place) -> None:
    """An address nobody knows never slips through: the new card names it as outside, or policy refuses."""
    asked = place.ask(CALL)

    place.decide(place.card(asked, "calendar.create_event"), "edit", args={"attendees": ["somebody@elsewhere.example"]})
    place.work()

    again = place.item(asked)
    assert place.sent() == []
    if again["state"] == "waiting":
        card = place.card(again, "calendar.create_event")["card"]
        assert "somebody@elsewhere.example" in str(card["outside"])
    else:
        assert again["state"] == "denied"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"start": "not a time"}, "not a time"),
        ({"start": "2026-11-24T10:00:00"}, "not a time"),
        ({"end": "2020-01-01T09:00:00+00:00"}, "start"),
        ({"colour": "blue"}, "colour"),
        ({"titel": "Kestrel"}, "titel"),
        ({"attendees": "dana"}, "attendees"),
    ],
)
def test_an_edit_that_the_tool_would_not_take_is_refused_and_leaves_the_cards(
    any_place: Place, args: dict[str, Any], said: str
) -> None:
    """Said at the front desk with what would do; every row is as it was, and both cards can still be approved."""
    asked = any_place.ask(CALL)
    invite = any_place.card(asked, "calendar.create_event")
    before = rows(any_place, asked)

    with pytest.raises(UsageError) as refused:
        any_place.decide(invite, "edit", args=args)

    assert said in refused.value.message
    assert refused.value.fix
    any_place.work()
    assert rows(any_place, asked) == before
    assert any_place.approve_all(asked)["state"] == "done"


def test_a_misspelt_edit_on_the_command_line_is_exit_two(place: Place) -> None:
    """`deputy inbox edit APR titel=…` says which name was meant; the card is still open."""
    asked = place.ask(CALL)
    invite = place.card(asked, "calendar.create_event")

    code, said = place.deputy("inbox", "edit", invite["approval_id"], "titel=Kestrel")

    assert code == 2
    assert "'title'" in str(said)
    assert place.card(asked, "calendar.create_event")["approval_id"] == invite["approval_id"]


def test_four_ways_out_of_a_card_leave_an_intact_chain(place: Place) -> None:
    """Approve, deny, edit and expire each leave their event, and the chain stays whole."""
    for verdict in ("approve", "deny", "edit", "expire"):
        asked = place.ask(CALL)
        card = place.cards(asked)[0]
        if verdict == "edit":
            place.decide(card, "edit", args={"title": "Edited"})
        elif verdict == "expire":
            place.office.set_now(datetime.fromisoformat(card["expires_at"]) + timedelta(minutes=1))
        else:
            place.decide(card, verdict)
        place.work()

    kinds = {event["kind"] for event in place.desk.audit_tail(place.admin, limit=500)}
    assert {"approval.approved", "approval.denied", "approval.void", "approval.expired"} <= kinds
    assert place.desk.audit_verify(place.admin)["ok"]
