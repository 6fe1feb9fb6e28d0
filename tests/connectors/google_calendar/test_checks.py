"""What an approval of a change takes for granted: named while it holds, broken by what undoes it and by nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connectors.conformance import Provider
from connectors.errors import NotFound
from connectors.google import calendar_values as values
from connectors.google.connector import GoogleConnector
from tests.connectors.google_calendar.world import ANN, BEN, BLUE, CHO, NOW, OUTSIDER, provider
from tests.services.google_calendar import GoogleCalendar

HOUR: dict[str, Any] = {
    "title": "Talk",
    "start": "2027-05-04T10:00:00+01:00",
    "end": "2027-05-04T11:00:00+01:00",
}
HALF_AN_HOUR_LATER = "2027-05-04T10:30:00+01:00"


@pytest.fixture
def ann(connector: GoogleConnector) -> Provider:
    person = provider(connector, ANN)
    return Provider(connector=connector, account=person.account, now=lambda: NOW)


def _event(person: Provider, **more: Any) -> dict[str, Any]:
    event: dict[str, Any] = person.do("calendar.create_event", HOUR | more)
    return event


def _texts(person: Provider, tool: str, args: dict[str, Any]) -> list[str]:
    return [one.text for one in person.preconditions(tool, args)]


def test_a_booking_names_everybody_who_is_free(ann: Provider, ben: Provider) -> None:
    """The account, its guests and the room, on the account's clock; not whoever is busy or cannot be seen."""
    _event(ben)

    found = _texts(ann, "calendar.create_event", HOUR | {"attendees": [BEN, CHO, OUTSIDER], "room": BLUE})

    when = "Tue 04 May 10:00–11:00"
    assert found == [
        f"{when} is still to come",
        f"{ANN} is free on {when}",
        f"{CHO} is free on {when}",
        f"{BLUE} is free on {when}",
    ]


def test_a_meeting_moved_into_its_own_time_stands_in_nobodys_way(ann: Provider, ben: Provider) -> None:
    """Guests are busy with the very meeting that is moved: that does not count, another meeting of theirs does."""
    event = _event(ann, attendees=[BEN, CHO], room=BLUE)
    _event(ben, title="Own", start="2027-05-04T11:00:00+01:00", end="2027-05-04T12:00:00+01:00")
    args = {"event_id": event["event_id"], "start": HALF_AN_HOUR_LATER}

    found = ann.preconditions("calendar.update_event", args)
    broken = [ann.check(one) for one in found]

    free = [one.args["address"] for one in found if one.kind == "free"]
    assert free == [ANN, CHO, BLUE]
    assert broken == [None] * len(found)


def test_a_series_moved_into_its_own_time_stands_in_nobodys_way(ann: Provider) -> None:
    """The same of a whole series, named by one of its instances."""
    _event(ann, attendees=[BEN], recurrence="FREQ=WEEKLY;COUNT=3")
    span = {"start": "2027-05-01T00:00:00+00:00", "end": "2027-06-01T00:00:00+00:00"}
    second = ann.read("calendar.list_events", **span)["events"][1]
    args = {"event_id": second["event_id"], "start": "2027-05-11T10:30:00+01:00", "scope": "series"}

    free = [one.args["address"] for one in ann.preconditions("calendar.update_event", args) if one.kind == "free"]

    assert free == [ANN, BEN]


def test_each_is_broken_by_what_undoes_it(ann: Provider, ben: Provider, cho: Provider) -> None:
    """A new meeting of a guest, a change and a cancellation break their own; an acceptance breaks none; time breaks one."""
    event = _event(ann, attendees=[BEN, CHO])
    args = {"event_id": event["event_id"], "start": "2027-05-06T09:00:00+00:00"}
    taken = {one.text: one for one in ann.preconditions("calendar.update_event", args)}

    def broken(later: timedelta = timedelta(0)) -> list[str]:
        return [text for text, one in taken.items() if ann.check(one, later=later) is not None]

    when = "Thu 06 May 10:00–11:00"
    cho.do("calendar.respond", {"event_id": event["event_id"], "response": "accepted"})
    after_acceptance = broken()
    _event(ben, start="2027-05-06T09:30:00+00:00", end="2027-05-06T10:30:00+00:00")
    after_booking = broken()
    ann.do("calendar.update_event", {"event_id": event["event_id"], "title": "Walk"})
    after_change = broken()

    assert after_acceptance == []
    assert after_booking == [f"Ben is free on {when}"]
    assert after_change == ["“Talk” is as it was read", f"Ben is free on {when}"]
    assert f"{when} is still to come" in broken(timedelta(days=365))
    ann.do("calendar.cancel_event", {"event_id": event["event_id"]})
    assert ann.check(taken["“Talk” is as it was read"]) == "The event is cancelled"


def test_what_is_past_or_gone_is_not_taken_for_granted(ann: Provider) -> None:
    """A meeting that is over has no time to come; a cancelled one nothing at all; one that never was is not found."""
    past = _event(ann, start="2026-11-20T10:00:00+00:00", end="2026-11-20T11:00:00+00:00")
    gone = _event(ann)
    ann.do("calendar.cancel_event", {"event_id": gone["event_id"]})

    assert _texts(ann, "calendar.cancel_event", {"event_id": past["event_id"]}) == ["“Talk” is as it was read"]
    assert _texts(ann, "calendar.cancel_event", {"event_id": gone["event_id"]}) == []
    with pytest.raises(NotFound):
        ann.preconditions("calendar.cancel_event", {"event_id": "evt_neverwas"})


def test_what_google_adds_afterwards_does_not_undo_an_approval(
    connector: GoogleConnector, ann: Provider, server: GoogleCalendar
) -> None:
    """A meeting link that appears later, and a room's answer, leave the etag; another place does not."""
    event = _event(ann, room=BLUE)
    stored = server.world.calendars[ANN].events[event["event_id"].removeprefix("evt_")]
    stored["hangoutLink"] = "https://meet.google.com/abc"
    stored["attendees"][0]["responseStatus"] = "declined"

    after = ann.read("calendar.get_event", event_id=event["event_id"])
    stored["location"] = "Hall"
    moved = ann.read("calendar.get_event", event_id=event["event_id"])

    assert (after["location"], after["room"]) == ("https://meet.google.com/abc", None)
    assert after["etag"] == event["etag"]
    assert moved["etag"] != event["etag"]


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("Bring the figures.", "Bring the figures."),
        ("a < b & c > d, x <y@z.example>", "a < b & c > d, x <y@z.example>"),  # no tags of Google's
        ("One<br>Two &amp; three", "One\nTwo & three"),
        ("<p>One</p><ul><li>Two</li></ul>", "One\n\nTwo"),
        ('See <a href="https://x.example">this</a>', "See this"),
        ("<b>unfinished", "unfinished"),
    ],
)
def test_notes_are_plain_text(told: str, shown: str) -> None:
    """Google's programs write HTML into notes; a model and a card get the words."""
    assert values.plain(told) == shown


@pytest.mark.parametrize(
    ("event_id", "parts"),
    [
        ("evt_abc", ("abc", "primary")),
        ("evt_abc_20270504T090000Z", ("abc_20270504T090000Z", "primary")),
        ("evt_abc~ben@north.example", ("abc", "ben@north.example")),
        ("evt__60q30_x", ("_60q30_x", "primary")),  # imported events have such ids
    ],
)
def test_ids_say_whose_calendar_they_are_of(event_id: str, parts: tuple[str, str]) -> None:
    """And are Google's own behind the mark."""
    assert values.split_id(event_id) == parts
    assert values.join_id(parts[0], ANN if parts[1] == "primary" else parts[1], ANN) == event_id


def test_ids_of_new_events_are_such_as_google_takes() -> None:
    """Base32hex in small letters, 5 to 1024 signs; one key always gives one id."""
    made = {values.client_id(f"{number:032d}") for number in range(500)}

    assert len(made) == 500
    assert all(5 <= len(one) <= 1024 and set(one) <= set("0123456789abcdefghijklmnopqrstuv") for one in made)
    assert values.client_id("a" * 32) == values.client_id("a" * 32)
