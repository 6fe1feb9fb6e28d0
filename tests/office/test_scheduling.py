"""The pure slot search: nobody busy, everybody at work, preferences kept, nothing earlier overlooked."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.scheduling import DAYS, Hours, Interval, Preferences, find_slots, is_free, merge

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
OFFICE = {"days": ["mon", "tue", "wed", "thu", "fri"], "start": "09:00", "end": "17:00"}
LISBON = Hours.parse("Europe/Lisbon", OFFICE)
NEW_YORK = Hours.parse("America/New_York", OFFICE)
KATHMANDU = Hours.parse("Asia/Kathmandu", OFFICE)


def _at(hour: int, minute: int = 0, day: int = 0) -> datetime:
    return MONDAY + timedelta(days=day, hours=hour, minutes=minute)


def _starts(hours: list[Hours], busy: list[Interval], words: dict[str, object] | None = None, **more: int) -> list[str]:
    slots = find_slots(
        length=timedelta(minutes=more.get("minutes", 30)),
        start=MONDAY,
        end=MONDAY + timedelta(days=7),
        now=_at(more.get("now", 0)),
        hours=hours,
        busy=busy,
        preferences=Preferences.parse(words, zone="Europe/Lisbon") if words else None,
        count=more.get("count", 2),
    )
    return [f"{DAYS[slot.start.weekday()]} {slot.start:%H:%M}" for slot in slots]


@pytest.mark.parametrize(
    ("hours", "busy", "words", "more", "expected"),
    [
        ([LISBON], [], None, {}, ["mon 09:00", "mon 09:30"]),
        ([LISBON, NEW_YORK], [], None, {}, ["mon 14:00", "mon 14:30"]),  # nine in New York
        ([KATHMANDU], [], None, {}, ["mon 03:15", "mon 03:45"]),  # its half hours lie on :15 and :45 of UTC
        ([LISBON], [(_at(9), _at(12))], None, {}, ["mon 12:00", "mon 12:30"]),  # touching is free
        ([LISBON], [(_at(9, 10), _at(9, 20))], None, {}, ["mon 09:30", "mon 10:00"]),
        ([LISBON], [], None, {"now": 16}, ["mon 16:00", "mon 16:30"]),  # not past, and over by five
        ([LISBON], [], None, {"now": 17}, ["tue 09:00", "tue 09:30"]),
        ([LISBON], [], None, {"minutes": 60}, ["mon 09:00", "mon 10:00"]),  # offers do not overlap
        ([LISBON], [], {"earliest": "10:00", "latest": "10:30"}, {}, ["mon 10:00", "tue 10:00"]),
        ([LISBON], [], {"avoid_days": ["mon", "tue"]}, {}, ["wed 09:00", "wed 09:30"]),
        ([LISBON], [(_at(9, 30), _at(10))], {"buffer_minutes": 15}, {}, ["mon 10:30", "mon 11:00"]),
        ([LISBON], [(_at(9), _at(12))], {"lunch": ["12:30", "13:30"]}, {}, ["mon 12:00", "mon 13:30"]),
        ([LISBON], [], {"earliest": "09:00", "zone": "America/New_York"}, {}, ["mon 14:00", "mon 14:30"]),
        ([LISBON], [(_at(0), _at(0, day=7))], None, {}, []),
        ([], [], None, {}, ["mon 00:00", "mon 00:30"]),  # nobody's hours are known
    ],
)
def test_the_earliest_slots_are_found(
    hours: list[Hours], busy: list[Interval], words: dict[str, object] | None, more: dict[str, int], expected: list[str]
) -> None:
    """Each line of the table: whose hours, what is taken, which wishes, and the first two slots (UTC)."""
    assert _starts(hours, busy, words, **more) == expected


def test_working_hours_follow_the_clocks_change() -> None:
    """Nine in Lisbon is eight o'clock UTC in summer and nine in winter."""
    for day, hour in ((datetime(2026, 10, 23, tzinfo=UTC), 8), (datetime(2026, 10, 26, tzinfo=UTC), 9)):
        [slot] = find_slots(
            length=timedelta(minutes=30),
            start=day,
            end=day + timedelta(days=1),
            now=day,
            hours=[LISBON],
            busy=[],
            count=1,
        )
        assert slot.start.hour == hour


def test_a_slot_takes_the_first_free_room_or_is_none() -> None:
    """Rooms are tried in order; when all are taken the time is skipped."""
    rooms = {"small": [(_at(9), _at(10))], "large": [(_at(9, 30), _at(10))]}

    slots = find_slots(
        length=timedelta(minutes=30),
        start=_at(9),
        end=_at(11),
        now=MONDAY,
        hours=[LISBON],
        busy=[],
        rooms=rooms,
        count=5,
    )

    assert [(f"{slot.start:%H:%M}", slot.room) for slot in slots] == [
        ("09:00", "large"),
        ("10:00", "small"),
        ("10:30", "small"),
    ]


minutes = st.integers(min_value=0, max_value=5 * 24 * 60)
intervals = st.lists(
    st.tuples(minutes, st.integers(min_value=1, max_value=600)).map(
        lambda pair: (MONDAY + timedelta(minutes=pair[0]), MONDAY + timedelta(minutes=pair[0] + pair[1]))
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(
    busy=intervals,
    length=st.sampled_from([15, 30, 45, 60, 90]),
    zones=st.lists(
        st.sampled_from(["Europe/Lisbon", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu"]), min_size=1, max_size=3
    ),
)
def test_slots_are_exactly_the_free_working_times_of_the_grid(
    busy: list[Interval], length: int, zones: list[str]
) -> None:
    """Compared with trying every half hour: each slot fits, and the first one that fits is the first one offered."""
    hours = [Hours.parse(zone, OFFICE) for zone in zones]
    duration = timedelta(minutes=length)
    end = MONDAY + timedelta(days=5)

    slots = find_slots(length=duration, start=MONDAY, end=end, now=MONDAY, hours=hours, busy=busy, count=4)

    def fits(at: datetime) -> bool:
        free = all(last <= at or first >= at + duration for first, last in busy)
        return free and at + duration <= end and all(_works(zone, at, at + duration) for zone in zones)

    shift = 15 if zones[0] == "Asia/Kathmandu" else 0
    grid = [MONDAY + timedelta(minutes=shift + 30 * step) for step in range(5 * 48)]
    first = next((at for at in grid if fits(at)), None)
    assert all(fits(slot.start) and slot.end - slot.start == duration for slot in slots)
    assert (slots[0].start if slots else None) == first
    assert all(one.end <= other.start for one, other in zip(slots, slots[1:], strict=False))


def _works(zone: str, start: datetime, end: datetime) -> bool:
    first, last = start.astimezone(ZoneInfo(zone)), end.astimezone(ZoneInfo(zone))
    nine, five = time(9), time(17)
    return first.date() == last.date() and first.weekday() < 5 and nine <= first.time() and last.time() <= five


@settings(max_examples=150, deadline=None)
@given(busy=intervals, at=minutes, length=st.integers(min_value=1, max_value=300))
def test_merging_changes_nothing_about_what_is_free(busy: list[Interval], at: int, length: int) -> None:
    """Merged intervals are sorted and apart, and a time is free in them exactly if it is free in each."""
    start = MONDAY + timedelta(minutes=at)
    end = start + timedelta(minutes=length)

    merged = merge(busy)

    assert all(one[1] < other[0] for one, other in zip(merged, merged[1:], strict=False))
    assert is_free(merged, start, end) == all(last <= start or first >= end for first, last in busy)
