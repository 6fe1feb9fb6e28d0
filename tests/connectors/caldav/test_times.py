"""Meetings stay where people's clocks put them: zones, both clock changes, whole days, series with their exceptions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connectors.errors import Conflict, InvalidCall, NotFound
from tests.connectors.caldav.world import ALEX, World

YEAR = {"start": "2026-12-01T00:00:00+00:00", "end": "2027-12-31T00:00:00+00:00"}


def _at(event: dict[str, Any], zone: str) -> datetime:
    return datetime.fromisoformat(event["start"]).astimezone(ZoneInfo(zone))


def _iso(*when: int, zone: str) -> str:
    return datetime(*when, tzinfo=ZoneInfo(zone)).isoformat()  # type: ignore[arg-type, misc]  # at most five of them


def _listed(world: World, **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.read("list_events", limit=200, **(YEAR | more))["events"]
    return found


@pytest.mark.parametrize(
    ("zone", "offsets"),
    [
        ("Europe/Lisbon", {0, 1}),
        ("America/New_York", {-5, -4}),
        ("Australia/Sydney", {10, 11}),
    ],
)
def test_a_weekly_meeting_keeps_its_hour_over_both_clock_changes(world: World, zone: str, offsets: set[int]) -> None:
    """Fifty-two Tuesdays at half past nine on the clock there, an hour apart in UTC for half of the year."""
    series = world.do(
        "create_event",
        title="Weekly",
        start=_iso(2027, 1, 5, 9, 30, zone=zone),
        end=_iso(2027, 1, 5, 10, 15, zone=zone),
        zone=zone,
        recurrence="RRULE:FREQ=WEEKLY;BYDAY=TU;COUNT=52",
    )

    events = _listed(world)

    assert series["zone"] == zone
    assert len(events) == 52
    assert {f"{_at(one, zone):%a %H:%M}" for one in events} == {"Tue 09:30"}
    assert {_at(one, zone).utcoffset() for one in events} == {timedelta(hours=hours) for hours in offsets}
    assert len({one["event_id"] for one in events}) == 52
    assert "BEGIN:VTIMEZONE" in next(iter(world.objects().values()))


@pytest.mark.parametrize(
    ("zone", "before", "after"),
    [
        ("Europe/Lisbon", (2027, 3, 27), (2027, 3, 28)),
        ("Europe/Lisbon", (2027, 10, 30), (2027, 10, 31)),
        ("America/New_York", (2027, 3, 13), (2027, 3, 14)),
        ("America/New_York", (2027, 11, 6), (2027, 11, 7)),
        ("Australia/Sydney", (2027, 4, 3), (2027, 4, 4)),
        ("Australia/Sydney", (2027, 10, 2), (2027, 10, 3)),
    ],
)
def test_moving_a_series_over_a_clock_change_moves_it_on_the_clock(
    world: World, zone: str, before: tuple[int, ...], after: tuple[int, ...]
) -> None:
    """Both days of a change, moved together by an hour and a half, are at the same new hour."""
    world.do(
        "create_event",
        title="Daily",
        start=_iso(*before, 15, 0, zone=zone),
        end=_iso(*before, 16, 0, zone=zone),
        zone=zone,
        recurrence="RRULE:FREQ=DAILY;COUNT=3",
    )
    second = _listed(world)[1]
    assert f"{_at(second, zone):%Y-%m-%d}" == "{:04}-{:02}-{:02}".format(*after)

    world.do("update_event", event_id=second["event_id"], start=_iso(*after, 16, 30, zone=zone), scope="series")

    assert [f"{_at(one, zone):%H:%M}" for one in _listed(world)] == ["16:30"] * 3


def test_whole_days_are_dates(world: World) -> None:
    """Midnight to midnight in the account's zone is stored as dates, and is a whole day for everybody who reads them."""
    zone = "Australia/Sydney"
    sydney = world.account(zone=zone)
    args = {"start": _iso(2027, 4, 3, 0, 0, zone=zone), "end": _iso(2027, 4, 5, 0, 0, zone=zone)}  # 49 hours

    event = world.do("create_event", by=sydney, title="Offsite", **args)

    assert event["all_day"] is True
    assert "DTSTART;VALUE=DATE:20270403" in next(iter(world.objects().values()))
    assert (_at(event, zone).isoformat(), event["end"]) == ("2027-04-03T00:00:00+11:00", "2027-04-04T14:00:00+00:00")
    [seen] = _listed(world)  # in Lisbon
    assert (seen["start"], seen["all_day"]) == ("2027-04-02T23:00:00+00:00", True)


def test_a_day_series_counts_in_days_over_the_clock_change(world: World) -> None:
    """Each of its days begins at midnight; UNTIL is a date where the start is one."""
    zone = "Europe/Lisbon"
    world.do(
        "create_event",
        title="Duty",
        start=_iso(2027, 3, 27, 0, 0, zone=zone),
        end=_iso(2027, 3, 28, 0, 0, zone=zone),
        recurrence="RRULE:FREQ=DAILY;UNTIL=20270330T120000Z",
    )

    events = _listed(world)
    [one] = [event for event in events if "@20270329" in event["event_id"]]
    world.do("cancel_event", event_id=one["event_id"])

    assert [f"{_at(event, zone):%d %H:%M}" for event in events] == ["27 00:00", "28 00:00", "29 00:00", "30 00:00"]
    assert all(event["all_day"] for event in events)
    assert [f"{_at(event, zone):%d}" for event in _listed(world)] == ["27", "28", "30"]
    assert world.read("get_event", event_id=one["event_id"])["status"] == "cancelled"


def test_exceptions_of_a_series(world: World) -> None:
    """A moved instance keeps its id and is listed where it is; a cancelled one is EXDATE; moving all keeps both."""
    zone = "Europe/Lisbon"
    series = world.do(
        "create_event",
        title="Stand-up",
        start=_iso(2027, 3, 22, 9, 0, zone=zone),
        end=_iso(2027, 3, 22, 9, 15, zone=zone),
        recurrence="RRULE:FREQ=DAILY;COUNT=10",
    )
    third, fifth = _listed(world)[2], _listed(world)[4]

    moved = world.do("update_event", event_id=third["event_id"], start=_iso(2027, 4, 20, 12, 0, zone=zone))
    world.do("cancel_event", event_id=fifth["event_id"])
    world.do("cancel_event", event_id=fifth["event_id"])
    days = [f"{_at(one, zone):%d.%m. %H:%M}" for one in _listed(world)]
    first = _listed(world)[0]
    world.do("update_event", event_id=first["event_id"], start=_iso(2027, 3, 22, 10, 0, zone=zone), scope="series")
    after = [f"{_at(one, zone):%d.%m. %H:%M}" for one in _listed(world)]

    text = next(iter(world.objects().values()))
    assert moved["event_id"] == third["event_id"]
    assert moved["series_id"] == series["event_id"]
    assert text.count("EXDATE") == 1
    assert text.count("RECURRENCE-ID") == 1
    kept = ["22", "23", "25", "27", "28", "29", "30", "31"]
    assert days == [f"{day}.03. 09:00" for day in kept] + ["20.04. 12:00"]
    assert after == [f"{day}.03. 10:00" for day in kept] + ["20.04. 12:00"]
    with pytest.raises(Conflict):
        world.do("update_event", event_id=fifth["event_id"].replace("T090000Z", "T100000Z"), title="Not there any more")


def test_ids_that_name_nothing_are_not_found(world: World) -> None:
    """An instance the rule does not have, a uid nobody has, and what is no id."""
    event = world.do("create_event", title="One", start="2027-02-01T10:00:00Z", end="2027-02-01T11:00:00Z")
    instance = f"{event['event_id']}@20270202T100000Z"

    for event_id in (instance, "evt_nobody", "evt_", "nonsense", "evt_..%2F..%2Fetc", f"{event['event_id']}@soon"):
        for tool in ("get_event", "cancel_event"):
            with pytest.raises(NotFound):
                (world.read if tool == "get_event" else world.do)(tool, event_id=event_id)


def test_a_day_named_by_the_rule_is_not_moved_silently(world: World) -> None:
    """Every Monday cannot become every Tuesday by moving one: that is another rule."""
    zone = "Europe/Lisbon"
    world.do(
        "create_event",
        title="Mondays",
        start=_iso(2027, 2, 1, 9, 0, zone=zone),
        end=_iso(2027, 2, 1, 10, 0, zone=zone),
        recurrence="FREQ=WEEKLY;BYDAY=MO;COUNT=4",
    )

    with pytest.raises(InvalidCall):
        world.do(
            "update_event",
            event_id=_listed(world)[0]["event_id"],
            start=_iso(2027, 2, 2, 9, 0, zone=zone),
            scope="series",
        )

    assert {f"{_at(one, zone):%a}" for one in _listed(world)} == {"Mon"}


# What other programs write: lines of events, and when they are in UTC for an account in Lisbon.
FOREIGN: list[tuple[str, list[str], list[str]]] = [
    ("no zone is the account's", ["DTSTART:20270701T090000\nDURATION:PT30M"], ["2027-07-01T08:00:00+00:00"]),
    (
        "a Windows zone",
        ["DTSTART;TZID=W. Europe Standard Time:20270701T090000\nDURATION:PT30M"],
        ["2027-07-01T07:00:00+00:00"],
    ),
    ("no end of a date", ["DTSTART;VALUE=DATE:20270110"], ["2027-01-10T00:00:00+00:00"]),
    (
        "dates besides the rule",
        [
            "DTSTART:20270110T100000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=2\nRDATE:20270120T100000Z"
            "\nEXDATE:20270111T100000Z"
        ],
        ["2027-01-10T10:00:00+00:00", "2027-01-20T10:00:00+00:00"],
    ),
    (
        "an instance cancelled by status",
        [
            "DTSTART:20270110T100000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=2",
            "RECURRENCE-ID:20270111T100000Z\nDTSTART:20270111T100000Z\nDURATION:PT1H\nSTATUS:CANCELLED",
        ],
        ["2027-01-10T10:00:00+00:00"],
    ),
    (
        "invited to one instance only",
        ["RECURRENCE-ID:20270111T100000Z\nDTSTART:20270111T120000Z\nDURATION:PT1H"],
        ["2027-01-11T12:00:00+00:00"],
    ),
]


@pytest.mark.parametrize(("name", "events", "starts"), FOREIGN, ids=[name for name, *_ in FOREIGN])
def test_what_other_programs_write_is_understood(world: World, name: str, events: list[str], starts: list[str]) -> None:
    """Each occurrence is where it belongs, and is found again by the id it was listed with."""
    world.server.put(ALEX, "foreign", *(f"SUMMARY:Theirs\n{one}".replace("\n", "\r\n") for one in events))

    listed = _listed(world)

    assert [one["start"] for one in listed] == starts
    assert [world.read("get_event", event_id=one["event_id"]) for one in listed] == listed


@pytest.mark.parametrize("file", ["plain", "a#b", "50%41", "ü ö", "a+b&c;d"])
def test_a_uid_of_any_signs_is_found_at_any_address(world: World, file: str) -> None:
    """Ids hold whatever other programs chose as UID, at whatever address they put it."""
    text = "SUMMARY:Theirs\r\nDTSTART:20270110T100000Z\r\nDURATION:PT1H"
    world.server.put(ALEX, "040000-82@host.example:x y", text, file=file)

    [listed] = _listed(world)
    changed = world.do("update_event", event_id=listed["event_id"], title="Ours")

    assert changed["title"] == "Ours"
    assert changed["event_id"] == listed["event_id"]
    assert "@" not in listed["event_id"]
    assert len(world.objects()) == 1


def test_times_beyond_calendars_are_refused(world: World) -> None:
    """A year no clock has, a span of centuries, an end before the start."""
    for start, end in (
        ("0001-01-01T00:00:00+14:00", "2027-01-01T00:00:00Z"),
        ("1900-01-01T00:00:00Z", "2900-01-01T00:00:00Z"),
        ("2027-01-02T00:00:00Z", "2027-01-01T00:00:00Z"),
    ):
        with pytest.raises(InvalidCall):
            world.read("list_events", start=start, end=end)
    assert datetime.now(UTC).year < 2900
