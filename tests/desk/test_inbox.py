"""The inbox at the front desk: short rows in order, what stands beside a card, and nothing for whom it is not."""

from __future__ import annotations

from datetime import datetime

import pytest

from orchestrator.errors import NotFound
from tests.e2e.place import CALL, DANA, Place


def test_rows_are_short_and_in_the_order_they_came(place: Place) -> None:
    """Oldest first, with what a list shows; a page goes on behind the last row of the one before."""
    place.ask(CALL)
    whole = place.desk.inbox.page(place.me)
    first = place.desk.inbox.page(place.me, limit=1)
    assert place.desk.inbox.counts(place.me) == {"approvals": 2, "work": 1}
    assert {one["tool"] for one in whole} == {"calendar.create_event", "mail.reply"}
    came = [(one["created_at"], one["approval_id"]) for one in whole]
    assert came == sorted(came)  # both steps go at once: which card is first is chance
    assert whole[0]["outside"] == 0
    assert "args" not in whole[0]

    mark = (datetime.fromisoformat(first[0]["created_at"]), first[0]["approval_id"])
    assert place.desk.inbox.page(place.me, after=mark) == whole[1:]


def test_beside_a_reply_stands_the_mail_that_it_answers(place: Place) -> None:
    """The record as the run has read it, who the people are, and the other card of the request."""
    item = place.ask(CALL)
    event, reply = place.card(item, "calendar.create_event"), place.card(item, "mail.reply")

    told = place.desk.inbox.beside(place.me, reply["approval_id"])

    assert told["records"]["message_id"]["from"] == DANA
    assert told["people"][DANA]["inside"] is True
    assert [one["approval_id"] for one in told["siblings"]] == [event["approval_id"]]
    assert told["similar"] == []


def test_similar_decisions_are_those_about_the_same_tool(place: Place) -> None:
    """What was decided before about the tool, that to the same people first; what waits is none."""
    before = place.ask(CALL)
    place.decide(place.card(before, "calendar.create_event"), "deny", reason="not now")
    again = place.ask(CALL)

    told = place.desk.inbox.beside(place.me, place.card(again, "calendar.create_event")["approval_id"])

    assert [(one["tool"], one["state"], one["same_people"]) for one in told["similar"]] == [
        ("calendar.create_event", "denied", True)
    ]


def test_who_may_not_see_the_card_sees_nothing(place: Place) -> None:
    """Neither asked nor on the card: no row, no number, no such approval."""
    item = place.ask(CALL)
    other = place.desk.principal(DANA)

    assert place.desk.inbox.page(other) == []
    assert place.desk.inbox.counts(other) == {"approvals": 0, "work": 0}
    with pytest.raises(NotFound):
        place.desk.inbox.beside(other, place.card(item, "mail.reply")["approval_id"])
