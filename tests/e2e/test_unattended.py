"""Nobody is there when a schedule's run asks: a question takes the answer named beforehand, a card is never approved by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.errors import UsageError
from tests.e2e.place import CALL, NOTHING, Place
from tests.e2e.test_questions import with_two_danas
from tests.e2e.test_schedules import NOTES, comes, firings, news, order, states

LATE = timedelta(hours=2)  # past 10:30, when asked at 9:30


def test_a_question_that_nobody_answers_takes_the_named_choice(any_place: Place) -> None:
    """Two people of one name: at 10:30 the one that was named is meant, also after a restart; who set it, and when, is on record."""
    place = any_place
    with_two_danas(place)
    order(place, request=CALL, unattended={"until": "10:30", "then": "default", "answer": "Dana Fox"})
    comes(place)
    (one,) = firings(place)
    assert place.item(one["item_id"])["waiting_on"] == ["answer"]
    assert one["asks_until"].endswith("T10:30:00+00:00")

    place.restart()
    place.later(LATE)
    place.work(linger_s=0.0)
    ended = place.item(one["item_id"])

    assert "Dana Fox" in (ended["text"] or ended["error"]["message"])  # who never wrote
    assert ended["state"] != "cancelled" and place.diff() == NOTHING
    assert "schedule.defaulted" in news(place)
    (event,) = place.desk.audit_tail(place.admin, item_id=one["item_id"], kind="item.answered")
    assert event["actor"] == "clock"
    assert event["body"]["by"].startswith(f"by the schedule's default, set by {place.me.principal_id} at ")


def test_a_default_permits_nothing(any_place: Place) -> None:
    """The named choice leads on to cards; these are denied, because their wait is over, and nothing is sent."""
    place = any_place
    with_two_danas(place)
    order(place, request=CALL, unattended={"until": "1h", "then": "default", "answer": "Ruiz"})
    comes(place)
    place.later(LATE)
    for _ in range(3):
        place.work(linger_s=0.0)
    (one,) = firings(place)
    ended = place.item(one["item_id"])

    assert ended["state"] == "denied", ended["error"]
    assert place.desk.approvals(place.me) == [] and place.sent() == [] and place.diff() == NOTHING
    assert states(place) == ["failed"]


def test_a_card_is_denied_whatever_the_default_is(place: Place) -> None:
    """Not even a default that reads like a yes approves what nobody has seen; the desk refuses to be told so."""
    order(place, request=NOTES, unattended={"until": "10:30", "then": "default", "answer": "approve"})
    comes(place)
    (one,) = firings(place)
    (card,) = place.cards(place.item(one["item_id"]))
    assert card["expires_at"] == one["asks_until"]
    place.later(LATE)
    place.work(linger_s=0.0)

    assert (place.item(one["item_id"])["error"]["code"], place.sent()) == ("approval_expired", [])
    with pytest.raises(UsageError) as error:
        order(place, name="trusting", unattended={"until": "10:30", "then": "approve"})
    assert "a card is always a person's to decide" in error.value.fix


def test_a_wait_is_changed_and_taken_away(place: Place) -> None:
    """`unattended` and the older `asks_wait` say one thing; given both, neither is guessed."""
    order(place, asks_wait=timedelta(minutes=90))
    room = place.desk.schedules
    assert room.one(place.me, "job")["unattended"]["until"] == "1h30m"
    changed = room.update(place.me, "job", unattended={"until": "9:45", "then": "default", "answer": "yes"})
    assert (changed["asks_wait_s"], changed["unattended"]["until"], changed["unattended"]["set_by"]) == (
        None, "09:45", place.me.principal_id,
    )  # fmt: skip
    with pytest.raises(UsageError, match="twice"):
        room.update(place.me, "job", unattended={"until": "9:45"}, asks_wait=LATE)
    assert room.update(place.me, "job", unattended=None)["unattended"] is None
