"""What a trigger asks for is watched as what a schedule asks for: against its own earlier runs, and nobody else's."""

from __future__ import annotations

from orchestrator.domain.item import Origin
from tests.e2e.place import Place

CALENDAR = "what is on my calendar tomorrow"
FOLLOW_UP = "Follow up on my unanswered mails"


def asked_by(place: Place, trigger: str, change: int, request: str) -> str:
    """A request as a trigger makes one for each change."""
    key = f"trigger:{trigger}:conn_mine:{change}"
    return place.desk.submit(place.me, request, origin=Origin.TRIGGER, key=key)


def test_a_trigger_that_only_ever_read_asks_before_it_writes(place: Place) -> None:
    """Five runs without any effect, then replies: each is a card that says so. Another trigger's history is its own."""
    place.set(profile="delegated")
    for change in range(5):
        asked_by(place, "trg_reads", change, CALENDAR)
    place.work(linger_s=0.0)

    odd = asked_by(place, "trg_reads", 5, FOLLOW_UP)
    place.work(linger_s=0.0)
    assert place.sent() == []
    assert all("1 × mail.reply; the last 5 runs did none" in card["why"] for card in place.cards(place.item(odd))[:1])
    assert len(place.cards(place.item(odd))) == 4

    place.desk.cancel(place.me, odd)
    asked_by(place, "trg_new", 1, FOLLOW_UP)
    place.work(linger_s=0.0)
    assert len(place.sent()) == 4
