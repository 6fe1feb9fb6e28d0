"""What goes over the wire when a calendar is changed: one change for each call, guarded, and told to the guests once."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.conformance import Provider
from connectors.errors import Conflict, Forbidden, InvalidCall, NotFound
from connectors.google.connector import GoogleConnector
from connectors.spec import Absent, Done
from tests.connectors.google_calendar.world import ANN, BEN, BLUE, CHO, OUTSIDER, ask, provider
from tests.services.google_calendar import GoogleCalendar

KEY = "0123456789abcdefghijklmnopqrstuv"
HOUR: dict[str, Any] = {
    "title": "Talk",
    "start": "2027-05-04T10:00:00+01:00",
    "end": "2027-05-04T11:00:00+01:00",
}


def _event(person: Provider, **more: Any) -> dict[str, Any]:
    event: dict[str, Any] = person.do("calendar.create_event", HOUR | more)
    return event


def test_a_create_is_one_insert_with_an_id_of_its_key(ann: Provider, server: GoogleCalendar) -> None:
    """The id is base32hex and comes from the key alone; the key is kept; guests are told by that very insert."""
    event = ann.do("calendar.create_event", HOUR | {"attendees": [BEN, OUTSIDER]}, key=KEY)

    [insert] = server.writes()
    assert insert.body is not None
    assert insert.method_id == "calendar.events.insert"
    assert insert.query["sendUpdates"] == "all"
    assert set(insert.body["id"]) <= set("0123456789abcdefghijklmnopqrstuv")
    assert event["event_id"] == f"evt_{insert.body['id']}"
    assert insert.body["extendedProperties"]["private"]["deputyKey"] == KEY
    assert [set(notice.to) for notice in server.world.notices] == [{BEN, OUTSIDER}]


def test_without_guests_nobody_is_told(ann: Provider, server: GoogleCalendar) -> None:
    """`sendUpdates` is named in any case."""
    _event(ann)

    assert server.writes()[0].query["sendUpdates"] == "none"


def test_a_second_create_under_the_key_is_the_first_one(ann: Provider, server: GoogleCalendar) -> None:
    """Google's 409 is answered with the event that stands there; under other arguments it is a Conflict."""
    args = HOUR | {"attendees": [BEN], "room": BLUE}
    first = ann.do("calendar.create_event", args, key=KEY)

    second = ann.do("calendar.create_event", args, key=KEY)
    with pytest.raises(Conflict):
        ann.do("calendar.create_event", HOUR | {"title": "Walk"}, key=KEY)

    assert second == first
    assert len(server.world.calendars[ANN].events) == 1
    assert len(server.world.notices) == 1


def test_an_id_that_somebody_else_took_is_no_success(ann: Provider, server: GoogleCalendar) -> None:
    """What stands under the id is compared: an event without our key is not ours."""
    ann.do("calendar.create_event", HOUR, key=KEY)
    [event] = server.world.calendars[ANN].events.values()
    event["extendedProperties"]["private"]["deputyKey"] = KEY[::-1]

    with pytest.raises(Conflict):
        ann.do("calendar.create_event", HOUR, key=KEY)

    assert ann.reconcile("calendar.create_event", HOUR, KEY) == Absent()


@pytest.mark.parametrize(
    ("tool", "args"),
    [
        ("calendar.update_event", {"title": "Other"}),
        ("calendar.update_event", {"start": "2027-05-05T10:00:00+01:00", "add_attendees": [CHO]}),
        ("calendar.update_event", {"room": BLUE}),
        ("calendar.cancel_event", {}),
        ("calendar.cancel_event", {"message": "Sorry."}),
    ],
)
def test_a_change_is_one_patch_that_tells_the_guests(
    ann: Provider, server: GoogleCalendar, tool: str, args: dict[str, Any]
) -> None:
    """One request changes everything, and every guest is told once."""
    event = _event(ann, attendees=[BEN])
    server.requests.clear()
    server.world.notices.clear()

    ann.do(tool, {"event_id": event["event_id"]} | args)

    assert [one.method_id for one in server.writes()] == ["calendar.events.patch"]
    assert [notice.send_updates for notice in server.world.notices] == ["all"]
    assert BEN in server.world.notices[0].to


def test_an_update_is_conditional_on_what_was_just_read(ann: Provider, server: GoogleCalendar) -> None:
    """Somebody who changes the event between our read and our patch wins: 412 comes back as Conflict, nothing is lost."""
    event = _event(ann)
    path = f"calendars/primary/events/{event['event_id'].removeprefix('evt_')}"

    def meanwhile() -> None:
        stored = server.world.calendars[ANN].events[path.rpartition("/")[2]]
        server.world.calendars[ANN].store(stored | {"location": "Hall"}, now=server.world.now())

    server.meanwhile = meanwhile
    with pytest.raises(Conflict):
        ann.do("calendar.update_event", {"event_id": event["event_id"], "location": "Yard"})

    assert ask(server, "GET", path).json()["location"] == "Hall"
    assert server.writes()[-1].if_match


def test_an_acceptance_does_not_undo_an_approval(ann: Provider, ben: Provider, server: GoogleCalendar) -> None:
    """The etag shown is of what the organizer decides: a guest's answer leaves it, any other change does not. Guests who stay
    as they are are not written."""
    event = _event(ann, attendees=[BEN])
    ben.do("calendar.respond", {"event_id": event["event_id"], "response": "accepted"})

    changed = ann.do(
        "calendar.update_event", {"event_id": event["event_id"], "etag": event["etag"], "location": "Hall"}
    )

    assert changed["attendees"][0]["response"] == "accepted"
    assert changed["etag"] != event["etag"]
    assert set(server.writes()[-1].body or {}) == {"location", "extendedProperties"}


def test_guests_are_added_and_taken_off_and_asked_again(ann: Provider, ben: Provider, server: GoogleCalendar) -> None:
    """A new guest is asked, one taken off loses the event, answers of the others stay; a new time asks everybody again."""
    event = _event(ann, attendees=[BEN, OUTSIDER])
    ben.do("calendar.respond", {"event_id": event["event_id"], "response": "accepted", "message": "With pleasure."})

    changed = ann.do(
        "calendar.update_event",
        {"event_id": event["event_id"], "add_attendees": [CHO.upper()], "remove_attendees": [OUTSIDER]},
    )
    moved = ann.do("calendar.update_event", {"event_id": event["event_id"], "start": "2027-05-06T09:00:00+00:00"})

    assert [(who["address"], who["response"]) for who in changed["attendees"]] == [
        (BEN, "accepted"),
        (CHO, "needs_action"),
    ]
    assert {who["response"] for who in moved["attendees"]} == {"needs_action"}
    assert moved["end"] == "2027-05-06T10:00:00+00:00"
    stored = server.world.calendars[ANN].events[event["event_id"].removeprefix("evt_")]
    assert stored["attendees"][0]["comment"] == "With pleasure."


def test_an_update_is_found_by_its_key_after_later_ones(ann: Provider) -> None:
    """The event remembers the keys of its latest changes, not only of the last."""
    event = _event(ann)
    args = {"event_id": event["event_id"], "location": "Hall"}
    ann.do("calendar.update_event", args, key=KEY)
    later = ann.do("calendar.update_event", {"event_id": event["event_id"], "title": "Other"})

    assert ann.reconcile("calendar.update_event", args, KEY) == Done(later)


def test_a_moved_series_is_found_by_its_key(ann: Provider) -> None:
    """Though the instance that was named has gone with the move."""
    _event(ann, recurrence="FREQ=WEEKLY;COUNT=3")
    span = {"start": "2027-05-01T00:00:00+00:00", "end": "2027-06-01T00:00:00+00:00"}
    second = ann.read("calendar.list_events", **span)["events"][1]
    args = {"event_id": second["event_id"], "start": "2027-05-11T12:00:00+00:00", "scope": "series"}

    moved = ann.do("calendar.update_event", args, key=KEY)

    assert ann.reconcile("calendar.update_event", args, KEY) == Done(moved)
    assert not isinstance(ann.reconcile("calendar.update_event", args, KEY[::-1]), Done)


def test_a_whole_series_is_renamed_and_answered_with_the_instance(ann: Provider) -> None:
    """The instance named is still there, so it is the answer; all have the new title."""
    _event(ann, recurrence="FREQ=WEEKLY;COUNT=3")
    span = {"start": "2027-05-01T00:00:00+00:00", "end": "2027-06-01T00:00:00+00:00"}
    second = ann.read("calendar.list_events", **span)["events"][1]
    args = {"event_id": second["event_id"], "title": "Walk", "scope": "series"}

    renamed = ann.do("calendar.update_event", args, key=KEY)

    assert (renamed["event_id"], renamed["title"]) == (second["event_id"], "Walk")
    assert [one["title"] for one in ann.read("calendar.list_events", **span)["events"]] == ["Walk"] * 3
    assert ann.reconcile("calendar.update_event", args, KEY) == Done(renamed)


def test_a_cancelled_instance_without_our_key_is_absent_and_cancelled_again_for_nothing(
    ann: Provider, server: GoogleCalendar
) -> None:
    """Google guarantees no key on a cancelled instance: a second attempt finds it cancelled, and sends nothing."""
    _event(ann, recurrence="FREQ=WEEKLY;COUNT=3", attendees=[BEN])
    span = {"start": "2027-05-01T00:00:00+00:00", "end": "2027-06-01T00:00:00+00:00"}
    args = {"event_id": ann.read("calendar.list_events", **span)["events"][1]["event_id"]}
    ann.do("calendar.cancel_event", args, key=KEY)
    sent = len(server.writes())

    assert ann.reconcile("calendar.cancel_event", args, KEY) == Absent()
    assert ann.do("calendar.cancel_event", args, key=KEY)["status"] == "cancelled"
    assert len(server.writes()) == sent


def test_events_of_others_are_not_changed(ann: Provider, ben: Provider, server: GoogleCalendar) -> None:
    """A guest is refused, and so is whoever only sees the event on a colleague's calendar; unknown ids are not found."""
    invited = _event(ben, attendees=[ANN])
    seen = _event(ben)
    span = {"start": "2027-05-01T00:00:00+00:00", "end": "2027-06-01T00:00:00+00:00"}
    ids = [one["event_id"] for one in ann.read("calendar.list_events", calendar=BEN, **span)["events"]]
    server.requests.clear()

    for event_id in (invited["event_id"], *ids):
        for tool in ("calendar.update_event", "calendar.cancel_event"):
            with pytest.raises(Forbidden):
                ann.do(tool, {"event_id": event_id})
    with pytest.raises((Forbidden, NotFound)):
        ann.do("calendar.respond", {"event_id": seen["event_id"], "response": "accepted"})
    for nothing in ("evt_neverwas", "neverwas", "evt_"):
        with pytest.raises(NotFound):
            ann.read("calendar.get_event", event_id=nothing)

    assert len(ids) == 2
    assert server.writes() == []


def test_a_meeting_link_is_asked_for_where_the_connection_says_so(
    connector: GoogleConnector, server: GoogleCalendar
) -> None:
    """With the setting `conference` an invitation brings a link, which stands as its place; in the same insert."""
    person = provider(connector, ANN, {"conference": "meet"})

    event = _event(person, attendees=[BEN])
    alone = _event(person)

    assert event["location"].startswith("https://meet.google.com/")
    assert alone["location"] == ""
    assert [one.method_id for one in server.writes()] == ["calendar.events.insert"] * 2


def test_a_meeting_link_that_is_asked_for_is_made_with_the_key(
    connector: GoogleConnector, server: GoogleCalendar
) -> None:
    """`conference` asks in the same insert, by an id that the key gives, so that a second attempt makes no second call; and
    `conference` false stands against the connection's setting."""
    person = provider(connector, ANN, {})
    set_up = provider(connector, ANN, {"conference": "meet"})
    when = {"title": "Plan", "start": "2027-05-04T09:00:00+00:00", "end": "2027-05-04T09:30:00+00:00"}

    event = person.do("calendar.create_event", when | {"conference": True}, key="k1")
    again = person.do("calendar.create_event", when | {"conference": True}, key="k1")
    without = set_up.do("calendar.create_event", when | {"conference": False, "attendees": [BEN]}, key="k2")

    asked = [
        (one.body or {}).get("conferenceData") for one in server.writes() if one.method_id == "calendar.events.insert"
    ]
    assert event["conference_url"].startswith("https://meet.google.com/")
    assert again["conference_url"] == event["conference_url"]
    assert without["conference_url"] is None
    assert asked[0]["createRequest"]["requestId"] == asked[1]["createRequest"]["requestId"] == event["event_id"][4:]
    assert asked[2] is None


def test_a_room_is_booked_once(ann: Provider, ben: Provider) -> None:
    """A free room comes with the event, a taken one is a Conflict, an unknown one refused; moved with its event, it is kept."""
    event = _event(ann, room=BLUE.upper(), attendees=[BEN])

    with pytest.raises(Conflict):
        _event(ben, room=BLUE)
    with pytest.raises(InvalidCall):
        _event(ann, room="red@north.example")
    moved = ann.do("calendar.update_event", {"event_id": event["event_id"], "start": "2027-05-04T09:30:00+00:00"})
    later = _event(ben, start="2027-05-04T11:00:00+00:00", end="2027-05-04T12:00:00+00:00", room=BLUE)

    assert (event["room"], moved["room"], later["room"]) == (BLUE, BLUE, BLUE)
    assert [who["address"] for who in event["attendees"]] == [BEN]
    with pytest.raises(Conflict):
        ann.do("calendar.update_event", {"event_id": event["event_id"], "start": "2027-05-04T10:30:00+00:00"})


@pytest.mark.parametrize(
    "wrong",
    [
        {"recurrence": "RRULE:FREQ=WEEKLY\nRRULE:FREQ=DAILY"},
        {"end": "2029-05-04T11:00:00+01:00"},
        {"attendees": ["two words@north.example"]},
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(
    ann: Provider, server: GoogleCalendar, wrong: dict[str, Any]
) -> None:
    """InvalidCall, and no change reaches Google."""
    with pytest.raises(InvalidCall):
        _event(ann, **wrong)

    assert server.writes() == []
