"""Lists and their pages, what others may see, working hours, rooms, and which scopes reading needs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.conformance import Provider
from connectors.errors import Forbidden, InvalidCall, ReconsentNeeded
from connectors.google.calendar import SCOPES
from connectors.google.connector import GoogleConnector
from tests.connectors.google_calendar.world import ANN, BEN, BLUE, CHO, OUTSIDER, provider
from tests.services.google_calendar import GoogleCalendar

MONTH = {"start": "2027-05-01T00:00:00+00:00", "end": "2027-06-01T00:00:00+00:00"}
HOUR: dict[str, Any] = {
    "title": "Talk",
    "start": "2027-05-04T10:00:00+01:00",
    "end": "2027-05-04T11:00:00+01:00",
}


def _event(person: Provider, **more: Any) -> dict[str, Any]:
    event: dict[str, Any] = person.do("calendar.create_event", HOUR | more)
    return event


def _fill(server: GoogleCalendar, count: int) -> None:
    """Two events at each hour from ten on, the second of them without any length, as Google allows."""
    calendar = server.world.calendars[ANN]
    for number in range(count):
        start = datetime(2027, 5, 1, 10, tzinfo=UTC) + timedelta(hours=number // 2)
        event = {"id": f"event{number:04d}", "status": "confirmed", "summary": "x", "organizer": {"email": ANN}}
        event["start"] = {"dateTime": start.isoformat()}
        event["end"] = {"dateTime": (start + timedelta(hours=0 if number % 2 else 3)).isoformat()}
        calendar.store(event, now=server.world.now())


@pytest.mark.parametrize("order", ["oldest", "newest"])
@pytest.mark.parametrize("limit", [1, 7, 200])
def test_pages_join_to_the_whole_list(ann: Provider, server: GoogleCalendar, order: str, limit: int) -> None:
    """Each event comes once, also where several begin at once and Google's own pages end elsewhere."""
    _fill(server, 23)
    walked: list[str] = []
    page = ann.read("calendar.list_events", order=order, limit=limit, **MONTH)
    walked += [one["event_id"] for one in page["events"]]
    while page["next"] is not None:
        page = ann.read("calendar.list_events", order=order, limit=limit, cursor=page["next"], **MONTH)
        walked += [one["event_id"] for one in page["events"]]

    expected = [f"evt_event{number:04d}" for number in range(23)]
    assert walked == (expected if order == "oldest" else expected[::-1])


def test_a_list_longer_than_googles_page_is_whole(ann: Provider, server: GoogleCalendar) -> None:
    """Google gives 250 at once; asked for the newest, the last of them all comes first."""
    _fill(server, 601)

    newest = ann.read("calendar.list_events", order="newest", limit=1, **MONTH)["events"]

    assert [one["event_id"] for one in newest] == ["evt_event0600"]


@pytest.mark.parametrize("cursor", ["nonsense", "W10=", "WyJ4IiwgInkiXQ=="])
def test_a_cursor_of_another_list_is_refused(ann: Provider, cursor: str) -> None:
    """InvalidCall instead of a page from anywhere."""
    with pytest.raises(InvalidCall):
        ann.read("calendar.list_events", cursor=cursor, **MONTH)


def test_words_and_people_narrow_a_list(ann: Provider) -> None:
    """Words in any case and without accents, in title, notes, place or names; people by their address."""
    talk = _event(ann, title="Café", description="Budget", attendees=[BEN])
    _event(ann, title="Walk")

    def ids(**query: Any) -> list[str]:
        return [one["event_id"] for one in ann.read("calendar.list_events", **MONTH, **query)["events"]]

    assert ids(query="cafe BUDGET ben") == ids(attendee=BEN.upper()) == [talk["event_id"]]
    assert ids(query="cafe walk") == ids(attendee=CHO) == []
    assert len(ids(attendee=ANN)) == 2


def test_what_was_declined_is_on_nobodys_list(ann: Provider, ben: Provider) -> None:
    """A declined invitation is not listed, and stays with its organizer."""
    event = _event(ben, attendees=[ANN])
    ann.do("calendar.respond", {"event_id": event["event_id"], "response": "declined"})

    assert ann.read("calendar.list_events", **MONTH)["events"] == []
    assert len(ben.read("calendar.list_events", **MONTH)["events"]) == 1
    assert ann.read("calendar.get_event", event_id=event["event_id"])["attendees"][0]["response"] == "declined"


def test_a_colleagues_event_can_be_read_again_by_its_id(ann: Provider, ben: Provider) -> None:
    """Its id says whose calendar it is on; a private one shows as busy there, and in full on the calendar of its guest."""
    _event(ben, title="Open")
    _event(ben, title="Secret", visibility="private")
    _event(ben, title="Shared secret", visibility="private", attendees=[ANN])
    own = ann.read("calendar.list_events", **MONTH)["events"]

    found = ann.read("calendar.list_events", calendar=BEN, **MONTH)["events"]

    assert sorted(one["title"] for one in found) == ["Open", "busy", "busy"]
    assert [one["title"] for one in own] == ["Shared secret"]
    assert {one["calendar"] for one in found} == {BEN}
    for one in found:
        assert ann.read("calendar.get_event", event_id=one["event_id"]) == one


def test_a_calendar_open_for_free_and_busy_alone_shows_nothing_else(
    ann: Provider, ben: Provider, server: GoogleCalendar
) -> None:
    """With no more than free/busy rights every event is busy; without any the calendar is unknown."""
    _event(ben, title="Secret")
    server.world.roles[ANN, BEN] = "freeBusyReader"
    server.world.roles[ANN, CHO] = "none"

    found = ann.read("calendar.list_events", calendar=BEN, **MONTH)["events"]
    times = ann.read("calendar.freebusy", people=[BEN, CHO], **MONTH)

    assert [one["title"] for one in found] == ["busy"]
    assert len(times["busy"][BEN]) == 1
    assert times["unknown"] == [CHO]
    with pytest.raises(Forbidden):
        ann.read("calendar.list_events", calendar=CHO, **MONTH)


def test_free_and_busy_over_a_year_is_asked_in_pieces(ann: Provider, server: GoogleCalendar) -> None:
    """Google refuses long spans; joined, the pieces give one answer."""
    _event(ann)
    _event(ann, start="2027-11-04T10:00:00+00:00", end="2027-11-04T11:00:00+00:00")

    times = ann.read(
        "calendar.freebusy", people=[ANN], start="2027-01-01T00:00:00+00:00", end="2028-01-01T00:00:00+00:00"
    )

    assert [one["start"] for one in times["busy"][ANN]] == ["2027-05-04T09:00:00+00:00", "2027-11-04T10:00:00+00:00"]
    assert sum(one.method_id == "calendar.freebusy.query" for one in server.requests) > 1


def test_more_people_than_google_takes_at_once(ann: Provider, server: GoogleCalendar) -> None:
    """Nobody is left out."""
    people = [f"p{number}@north.example" for number in range(120)]
    for address in people:
        server.world.add_user(address, zone="UTC", token=address)

    times = ann.read("calendar.freebusy", people=people, **MONTH)

    assert list(times["busy"]) == people
    assert times["unknown"] == []


@pytest.mark.parametrize(
    ("told", "settings", "expected"),
    [
        (None, {}, {"days": ["mon", "tue", "wed", "thu", "fri"], "start": "09:00", "end": "17:00"}),  # never set
        (  # each day its own, one with a break: the stretch that every day has
            [("monday", 8, 12), ("monday", 13, 18), ("friday", 9, 15)],
            {},
            {"days": ["mon", "fri"], "start": "09:00", "end": "15:00"},
        ),
        ([("monday", 0, 24)], {}, {"days": ["mon"], "start": "00:00", "end": "23:59"}),
        (  # no stretch in common: from the first hour to the last
            [("monday", 6, 10), ("friday", 14, 20)],
            {},
            {"days": ["mon", "fri"], "start": "06:00", "end": "20:00"},
        ),
        (  # the connection knows better
            [("monday", 8, 12)],
            {
                "people": {
                    BEN: {"zone": "Asia/Tokyo", "working_hours": {"days": ["tue"], "start": "10:00", "end": "16:00"}}
                }
            },
            {"days": ["tue"], "start": "10:00", "end": "16:00"},
        ),
    ],
)
def test_working_hours_are_those_of_each_calendar(
    connector: GoogleConnector, server: GoogleCalendar, told: Any, settings: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Workspace keeps them with the primary calendar; the family has one stretch for all days."""
    times = [{"dayOfWeek": day, "periodStart": one * 60, "periodEnd": two * 60} for day, one, two in told or ()]
    hours = {"workingHoursEnabled": True, "availableTimes": times} if told else None
    server.world.calendars[BEN].working_hours = hours

    person = provider(connector, ANN, settings)
    considered = person.read("calendar.find_slots", attendees=[BEN, OUTSIDER], minutes=30, **MONTH)["considered"]

    assert set(considered) == {ANN, BEN}
    assert considered[BEN]["working_hours"] == expected
    assert considered[BEN]["zone"] == ("Asia/Tokyo" if settings else "America/New_York")


def test_rooms_are_those_on_the_list_or_those_of_the_settings(
    connector: GoogleConnector, ann: Provider, server: GoogleCalendar
) -> None:
    """Resource calendars on the account's own list, or what the connection names; never the administrator's directory."""
    red = {"address": "Red@north.example", "name": "Red", "capacity": 2}
    named = provider(connector, ANN, {"rooms": [red]})

    found = ann.read("calendar.list_rooms")["rooms"]
    server.requests.clear()
    told = named.read("calendar.list_rooms")["rooms"]

    assert found == [{"room": f"room_{BLUE}", "name": "Blue (6)", "capacity": 6, "address": BLUE}]
    assert told == [{"room": "room_red@north.example", "name": "Red", "capacity": 2, "address": "red@north.example"}]
    assert server.requests == []


def test_slots_with_a_room_are_when_one_is_free(
    connector: GoogleConnector, ann: Provider, server: GoogleCalendar
) -> None:
    """The smallest room that is large enough and free; without one there is no slot."""
    server.world.add_room("red@north.example", zone="Europe/Lisbon", name="Red")
    settings = {
        "rooms": [
            {"address": BLUE, "name": "Blue", "capacity": 6},
            {"address": "red@north.example", "name": "Red", "capacity": 2},
        ]
    }
    person = provider(connector, ANN, settings)
    day = {"start": "2027-05-04T14:00:00+00:00", "end": "2027-05-04T15:00:00+00:00"}
    ask: dict[str, Any] = {"minutes": 60, "room": True, **day}

    def rooms(attendees: list[str]) -> list[str]:
        slots = person.read("calendar.find_slots", attendees=attendees, **ask)["slots"]
        return [slot["room"] for slot in slots]

    assert (rooms([]), rooms([BEN])) == (["red@north.example"], ["red@north.example"])
    server.world.add_user("dee@north.example", zone="Europe/Lisbon", token="token-dee")
    assert rooms([BEN, "dee@north.example"]) == [BLUE]
    guest = provider(connector, "dee@north.example", settings)
    guest.do("calendar.create_event", {"title": "Talk", "room": BLUE} | day)
    assert rooms([BEN]) == ["red@north.example"]
    assert rooms([BEN, OUTSIDER]) == []


@pytest.mark.parametrize("tool", sorted(SCOPES))
def test_the_scopes_named_are_enough_and_all_needed(
    connector: GoogleConnector, server: GoogleCalendar, tool: str
) -> None:
    """With its scopes alone a tool works; without any of them it asks for consent. Scopes are judged by the discovery document."""
    ben, ann = provider(connector, BEN), provider(connector, ANN)
    invited = _event(ben, attendees=[ANN])["event_id"]
    mine = _event(ann)["event_id"]
    later = {"start": "2027-05-06T10:00:00+00:00", "end": "2027-05-06T11:00:00+00:00"}
    args: dict[str, Any] = {
        "calendar.list_events": dict(MONTH),
        "calendar.get_event": {"event_id": mine},
        "calendar.freebusy": {"people": [BEN], **MONTH},
        "calendar.find_slots": {"attendees": [BEN], "minutes": 30, "room": True, **MONTH},
        "calendar.list_rooms": {},
        "calendar.create_event": HOUR | later | {"room": BLUE},
        "calendar.update_event": {"event_id": mine, "room": BLUE} | later,
        "calendar.cancel_event": {"event_id": mine},
        "calendar.respond": {"event_id": invited, "response": "accepted"},
    }[tool]

    for missing in SCOPES[tool]:
        server.world.scopes["token-ann"] = frozenset(SCOPES[tool]) - {missing}
        if len(SCOPES[tool]) == 1:
            with pytest.raises(ReconsentNeeded):
                ann.do(tool, args)
    server.world.scopes["token-ann"] = frozenset(SCOPES[tool])
    answer = ann.do(tool, args)

    assert answer
