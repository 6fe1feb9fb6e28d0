"""Zones, clock changes, whole days, series with changed instances: the answers people expect of any calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connectors.conformance import Provider
from connectors.google.connector import GoogleConnector
from tests.connectors.google_calendar.world import ANN, BEN, CHO, ZONES, provider
from tests.services.google_calendar import GoogleCalendar

wall = datetime.fromisoformat  # a time on a clock on the wall: no zone

# Per zone both changes of the clock in 2027: the local day of each.
CHANGES = [
    (ANN, wall("2027-03-28"), timedelta(hours=-1)),  # Lisbon goes forward: the day is an hour shorter
    (ANN, wall("2027-10-31"), timedelta(hours=1)),
    (BEN, wall("2027-03-14"), timedelta(hours=-1)),  # New York
    (BEN, wall("2027-11-07"), timedelta(hours=1)),
    (CHO, wall("2027-10-03"), timedelta(hours=-1)),  # Sydney, where spring is in October
    (CHO, wall("2027-04-04"), timedelta(hours=1)),
]
EACH_CHANGE = pytest.mark.parametrize(("who", "day", "longer"), CHANGES)


def _iso(local: datetime, who: str) -> str:
    return local.replace(tzinfo=ZoneInfo(ZONES[who])).astimezone(UTC).isoformat(timespec="seconds")


def _local(text: str, who: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(ZoneInfo(ZONES[who])).replace(tzinfo=None)


def _make(person: Provider, local: datetime, who: str, minutes: int = 30, **more: Any) -> dict[str, Any]:
    start, end = _iso(local, who), _iso(local + timedelta(minutes=minutes), who)
    event: dict[str, Any] = person.do("calendar.create_event", {"title": "Talk", "start": start, "end": end} | more)
    return event


def _list(person: Provider, local: datetime, who: str, days: int = 30) -> list[dict[str, Any]]:
    span = {"start": _iso(local, who), "end": _iso(local + timedelta(days=days), who)}
    events: list[dict[str, Any]] = person.read("calendar.list_events", **span)["events"]
    return events


@EACH_CHANGE
def test_a_series_keeps_its_hour_over_a_clock_change(
    connector: GoogleConnector, who: str, day: datetime, longer: timedelta
) -> None:
    """On the clock of its zone every instance begins at the same hour; between the two there is an hour more or less."""
    person = provider(connector, who)
    first = day - timedelta(days=1) + timedelta(hours=9, minutes=30)
    series = _make(person, first, who, recurrence="RRULE:FREQ=DAILY;COUNT=3")

    found = _list(person, day - timedelta(days=2), who)

    assert [_local(one["start"], who).time() for one in found] == [first.time()] * 3
    starts = [datetime.fromisoformat(one["start"]) for one in found]
    assert starts[1] - starts[0] == timedelta(days=1) + longer
    assert {(one["series_id"], one["zone"]) for one in found} == {(series["event_id"], ZONES[who])}


@EACH_CHANGE
def test_a_whole_day_is_as_long_as_its_day(
    connector: GoogleConnector, server: GoogleCalendar, who: str, day: datetime, longer: timedelta
) -> None:
    """A whole day is kept as a date and lasts from midnight to midnight, 23 or 25 hours on such a day; it is busy as long."""
    person = provider(connector, who)

    event = _make(person, day, who, minutes=24 * 60)
    [found] = _list(person, day, who, days=1)
    busy = person.read("calendar.freebusy", people=[who], start=event["start"], end=event["end"])["busy"][who]

    stored = server.world.calendars[who].events[event["event_id"].removeprefix("evt_")]
    assert stored["start"] == {"date": day.date().isoformat()}
    assert stored["end"] == {"date": (day + timedelta(days=1)).date().isoformat()}
    assert found == event
    assert found["all_day"] is True
    length = datetime.fromisoformat(found["end"]) - datetime.fromisoformat(found["start"])
    assert length == timedelta(days=1) + longer
    assert busy == [{"start": found["start"], "end": found["end"]}]


@EACH_CHANGE
def test_a_moved_series_keeps_its_new_hour(
    connector: GoogleConnector, who: str, day: datetime, longer: timedelta
) -> None:
    """Moved by way of an instance that crosses the change, the whole series stands at the new hour, before it and behind it."""
    person = provider(connector, who)
    first = day - timedelta(days=8) + timedelta(hours=9)
    _make(person, first, who, recurrence="RRULE:FREQ=WEEKLY;COUNT=4")
    eve = _list(person, first - timedelta(days=1), who, days=60)[1]  # the day before the change
    later = _iso(_local(eve["start"], who) + timedelta(days=1, hours=2), who)

    series = person.do("calendar.update_event", {"event_id": eve["event_id"], "start": later, "scope": "series"})

    found = _list(person, first - timedelta(days=1), who, days=60)
    assert series["event_id"] == eve["series_id"]
    assert [_local(one["start"], who) for one in found] == [
        first + timedelta(days=7 * n + 1, hours=2) for n in range(4)
    ]
    assert {datetime.fromisoformat(one["end"]) - datetime.fromisoformat(one["start"]) for one in found} == {
        timedelta(minutes=30)
    }


@EACH_CHANGE
def test_slots_follow_working_hours_on_the_clock(
    connector: GoogleConnector, who: str, day: datetime, longer: timedelta
) -> None:
    """On the working day before a change and on the one after it, the first slot is at nine on the wall."""
    person = provider(connector, who)
    start = _iso(day - timedelta(days=2, hours=12), who)  # the change is on a Sunday
    ask = {"attendees": [], "minutes": 8 * 60, "start": start, "end": _iso(day + timedelta(days=2), who)}

    slots = person.read("calendar.find_slots", **ask)["slots"]

    local = [_local(slot["start"], who) for slot in slots]
    assert [(one.date() - day.date()).days for one in local] == [-2, 1]
    assert {one.hour for one in local} == {9}


def test_slots_lie_within_everybodys_hours(ann: Provider) -> None:
    """Lisbon and New York share their afternoon and morning; while only one of them has changed its clock, an hour more."""
    ask = {"attendees": [BEN], "minutes": 30, "count": 50}

    def hours(day: str) -> list[str]:
        span = {"start": f"{day}T00:00:00+00:00", "end": f"{day}T23:59:00+00:00"}
        slots = ann.read("calendar.find_slots", **ask, **span)["slots"]
        return [slot["start"][11:16] for slot in slots]

    assert (hours("2027-03-10")[0], hours("2027-03-10")[-1], len(hours("2027-03-10"))) == ("14:00", "16:30", 6)
    assert (hours("2027-03-17")[0], hours("2027-03-17")[-1], len(hours("2027-03-17"))) == ("13:00", "16:30", 8)
    assert ann.read("calendar.find_slots", **ask | {"attendees": [CHO]}, **_week())["slots"] == []


def _week() -> dict[str, str]:
    return {"start": "2027-03-08T00:00:00+00:00", "end": "2027-03-13T00:00:00+00:00"}


def test_whole_days_of_another_zone_stay_times(ann: Provider, server: GoogleCalendar) -> None:
    """A day in Sydney is no date in a calendar kept in Lisbon: as a date it would shift by half a day."""
    start, end = (_iso(wall(f"2027-05-{day:02d}"), CHO) for day in (4, 5))

    event = ann.do(
        "calendar.create_event", {"title": "Day off", "start": start, "end": end, "zone": "Australia/Sydney"}
    )

    stored = server.world.calendars[ANN].events[event["event_id"].removeprefix("evt_")]
    assert stored["start"]["dateTime"] == "2027-05-04T00:00:00+10:00"
    assert (event["start"], event["end"], event["zone"], event["all_day"]) == (start, end, "Australia/Sydney", True)


def test_a_whole_day_becomes_an_hour_and_a_day_again(ann: Provider, server: GoogleCalendar) -> None:
    """Moving between whole days and times takes the other kind away in the same patch."""
    event = _make(ann, wall("2027-05-04"), ANN, minutes=24 * 60)
    at = {name: _iso(wall(f"2027-05-04 {hour}:00"), ANN) for name, hour in (("start", 10), ("end", 11))}
    whole = {name: _iso(wall(f"2027-05-{day:02d}"), ANN) for name, day in (("start", 6), ("end", 8))}

    hour = ann.do("calendar.update_event", {"event_id": event["event_id"]} | at)
    days = ann.do("calendar.update_event", {"event_id": event["event_id"]} | whole)

    assert (hour["all_day"], hour["start"], hour["end"]) == (False, at["start"], at["end"])
    assert (days["all_day"], days["start"], days["end"]) == (True, whole["start"], whole["end"])
    stored = server.world.calendars[ANN].events[event["event_id"].removeprefix("evt_")]
    assert stored["start"] == {"date": "2027-05-06"}


def test_a_weekly_whole_day_is_a_series_of_days(ann: Provider) -> None:
    """Instances of a series of whole days over the clock change begin at midnight, each with an id and its series."""
    series = _make(ann, wall("2027-03-22"), ANN, minutes=24 * 60, recurrence="RRULE:FREQ=WEEKLY;COUNT=2")

    found = _list(ann, wall("2027-03-20"), ANN)

    assert [one["start"] for one in found] == ["2027-03-22T00:00:00+00:00", "2027-03-28T23:00:00+00:00"]
    assert all(one["all_day"] and one["series_id"] == series["event_id"] for one in found)
    assert ann.read("calendar.get_event", event_id=found[1]["event_id"]) == found[1]


def test_a_moved_instance_keeps_its_id_and_leaves_the_series(ann: Provider, ben: Provider) -> None:
    """An instance moved to another day is found there, once, also by its guest; its old time is free, the others stay."""
    first = wall("2027-03-22 10:00")
    _make(ann, first, ANN, recurrence="RRULE:FREQ=WEEKLY;COUNT=3", attendees=[BEN])
    before = _list(ann, wall("2027-03-20"), ANN)
    old = before[1]
    new = _iso(wall("2027-03-31 15:00"), ANN)

    moved = ann.do("calendar.update_event", {"event_id": old["event_id"], "start": new})

    for person in (ann, ben):
        found = _list(person, wall("2027-03-20"), ANN)
        assert [one["start"] for one in found] == [before[0]["start"], new, before[2]["start"]]
        assert found[1]["event_id"] == old["event_id"] == moved["event_id"]
        assert found[1]["series_id"] == old["series_id"]
    span = {"start": old["start"], "end": old["end"]}
    assert ann.read("calendar.freebusy", people=[ANN, BEN], **span)["busy"] == {ANN: [], BEN: []}
    assert moved["attendees"][0]["response"] == "needs_action"


def test_an_instance_moved_out_of_the_span_is_not_listed_there(ann: Provider) -> None:
    """What counts is where an instance is, not where its rule puts it."""
    _make(ann, wall("2027-03-22 10:00"), ANN, recurrence="RRULE:FREQ=WEEKLY;COUNT=3")
    second = _list(ann, wall("2027-03-28"), ANN, days=2)[0]
    ann.do("calendar.update_event", {"event_id": second["event_id"], "start": _iso(wall("2027-06-01 09:00"), ANN)})

    assert _list(ann, wall("2027-03-28"), ANN, days=2) == []
    assert [one["event_id"] for one in _list(ann, wall("2027-06-01"), ANN)] == [second["event_id"]]


def test_a_cancelled_series_leaves_nothing_and_a_cancelled_instance_the_others(ann: Provider, ben: Provider) -> None:
    """Cancelled again, or named by an instance that is no more, it stays cancelled without a second notice."""
    _make(ann, wall("2027-03-22 10:00"), ANN, recurrence="RRULE:FREQ=WEEKLY;COUNT=3", attendees=[BEN])
    one, two, three = _list(ann, wall("2027-03-20"), ANN)

    ann.do("calendar.cancel_event", {"event_id": two["event_id"]})
    left = [_list(person, wall("2027-03-20"), ANN) for person in (ann, ben)]
    ann.do("calendar.cancel_event", {"event_id": two["event_id"]})
    ann.do("calendar.cancel_event", {"event_id": three["event_id"], "scope": "series"})
    again = ann.do("calendar.cancel_event", {"event_id": one["event_id"], "scope": "series"})

    assert [[event["event_id"] for event in found] for found in left] == [[one["event_id"], three["event_id"]]] * 2
    assert [_list(person, wall("2027-03-20"), ANN) for person in (ann, ben)] == [[], []]
    assert again == {"event_id": one["event_id"], "status": "cancelled"}
