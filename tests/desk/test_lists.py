"""Pages of the worklist, short and long, and wishes handed over as a list."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.errors import Conflict
from tests.e2e.place import MONDAY, Place

SAME = ("item_id", "state", "position", "waiting_on", "pausing", "priority", "due", "snooze_until")


def test_a_long_page_says_what_short_ones_say(place: Place) -> None:
    """Places, waits and states are the same, however many items a page has."""
    made = place.desk.submit_many(place.me, [{"request": f"number {n}", "priority": 100 + n % 3} for n in range(60)])
    place.desk.snooze(place.me, made[3]["item_id"], MONDAY + timedelta(days=1))
    place.desk.pause(place.me, made[4]["item_id"])
    place.desk.cancel(place.me, made[5]["item_id"])
    place.desk.bump(place.me, made[50]["item_id"])

    whole = place.desk.items(place.me, limit=500)["items"]
    short, cursor = [], None
    while True:
        page = place.desk.items(place.me, limit=25, cursor=cursor)
        short += page["items"]
        cursor = page["next"]
        if cursor is None:
            break

    assert len(whole) == 60
    assert [{name: one[name] for name in SAME} for one in whole] == [{n: one[n] for n in SAME} for one in short]
    assert whole[0]["item_id"] == made[50]["item_id"]
    assert all(one["why_here"] for one in whole)


def test_a_list_is_taken_whole_or_not_at_all(place: Place) -> None:
    """Keys meet what was submitted before, in the list itself, too; a key of another request refuses the whole list."""
    first = place.desk.submit(place.me, "one", key="a")
    told = place.desk.submit_many(
        place.me, [{"request": "one", "key": "a"}, {"request": "two", "key": "b"}, {"request": "two", "key": "b"}]
    )
    with pytest.raises(Conflict):
        place.desk.submit_many(place.me, [{"request": "three"}, {"request": "another", "key": "a"}])

    assert [one["item_id"] for one in told] == [first, told[1]["item_id"], told[1]["item_id"]]
    assert len(place.desk.items(place.me)["items"]) == 2
    assert place.desk.item(place.me, told[1]["item_id"])["request"] == "two"
