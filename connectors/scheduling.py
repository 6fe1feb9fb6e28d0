"""Searching free slots over busy intervals, zones, working hours and preferences. Pure: no clock, no calendar, no I/O.

Every provider's `calendar.find_slots` is this search over what its own free/busy read gave.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

Interval: TypeAlias = tuple[datetime, datetime]  # aware, start < end, the end not included

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
GRID = timedelta(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """When somebody works, on the clock of their own zone. `days`: 0 is Monday."""

    zone: ZoneInfo
    days: frozenset[int]
    start: time
    end: time

    @classmethod
    def parse(cls, zone: str, hours: Mapping[str, Any]) -> Hours:
        """From the directory's words: {"days": ["mon", …], "start": "09:00", "end": "17:30"}."""
        return cls(
            zone=ZoneInfo(zone),
            days=frozenset(DAYS.index(day) for day in hours["days"]),
            start=time.fromisoformat(hours["start"]),
            end=time.fromisoformat(hours["end"]),
        )

    def hold(self, start: datetime, end: datetime) -> bool:
        """Whether the whole interval lies within one working day."""
        first, last = start.astimezone(self.zone), end.astimezone(self.zone)
        if first.date() != last.date() or first.weekday() not in self.days:
            return False
        return self.start <= first.time() and last.time() <= self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """What a meeting should respect beyond being free, on the clock of `zone`."""

    zone: ZoneInfo
    earliest: time = time.min
    latest: time = time.max
    avoid_days: frozenset[int] = frozenset()
    buffer: timedelta = timedelta(0)
    lunch: tuple[time, time] | None = None

    @classmethod
    def parse(cls, words: Mapping[str, Any], *, zone: str) -> Preferences:
        """From the words of calendar.find_slots; `zone` is used where they name none."""
        lunch = words.get("lunch")
        return cls(
            zone=ZoneInfo(words.get("zone") or zone),
            earliest=time.fromisoformat(words.get("earliest") or "00:00"),
            latest=time.fromisoformat(words["latest"]) if words.get("latest") else time.max,
            avoid_days=frozenset(DAYS.index(day) for day in words.get("avoid_days") or ()),
            buffer=timedelta(minutes=words.get("buffer_minutes") or 0),
            lunch=(time.fromisoformat(lunch[0]), time.fromisoformat(lunch[1])) if lunch else None,
        )

    def hold(self, start: datetime, end: datetime) -> bool:
        first, last = start.astimezone(self.zone), end.astimezone(self.zone)
        if first.weekday() in self.avoid_days or first.time() < self.earliest:
            return False
        if first.date() != last.date():
            return self.latest == time.max and self.lunch is None
        if last.time() > self.latest:
            return False
        return self.lunch is None or last.time() <= self.lunch[0] or first.time() >= self.lunch[1]


@dataclass(frozen=True, slots=True)
class Slot:
    start: datetime  # UTC
    end: datetime
    room: str | None = None


def merge(intervals: Iterable[Interval]) -> list[Interval]:
    """Sorted and disjoint; touching ones become one."""
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def is_free(merged: Sequence[Interval], start: datetime, end: datetime) -> bool:
    """Whether nothing of `merged` (sorted, disjoint) overlaps start–end."""
    index = bisect_right(merged, start, key=lambda interval: interval[1])
    return index == len(merged) or merged[index][0] >= end


def find_slots(
    *,
    length: timedelta,
    start: datetime,
    end: datetime,
    now: datetime,
    hours: Sequence[Hours],
    busy: Iterable[Interval],
    preferences: Preferences | None = None,
    rooms: Mapping[str, Sequence[Interval]] | None = None,
    count: int = 3,
    grid: timedelta = GRID,
) -> list[Slot]:
    """The earliest `count` slots within start–end, not past, when nobody is busy and everybody works.

    `busy` is everybody's time together, unmerged. The grid is that of the clock of `hours[0]` (the account's own; UTC without
    any). Slots offered do not overlap each other. With `rooms` (busy times by room) each slot takes the first free room, and
    a time without one is no slot.
    """
    margin = preferences.buffer if preferences else timedelta(0)
    taken = merge((first - margin, last + margin) for first, last in busy)
    free_rooms = {room: merge(times) for room, times in rooms.items()} if rooms is not None else None

    found: list[Slot] = []
    at = _next_on_grid(max(start, now), hours[0].zone if hours else ZoneInfo("UTC"), grid)
    while at + length <= end and len(found) < count:
        until = at + length
        fits = is_free(taken, at, until)
        fits = fits and all(one.hold(at, until) for one in hours)
        fits = fits and (preferences is None or preferences.hold(at, until))
        room = None
        if fits and free_rooms is not None:
            room = next((name for name, times in free_rooms.items() if is_free(times, at, until)), None)
            fits = room is not None
        if fits:
            found.append(Slot(at, until, room))
            while at < until:
                at += grid
        else:
            at += grid
    return found


def _next_on_grid(at: datetime, zone: ZoneInfo, grid: timedelta) -> datetime:
    local = at.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    past = (local.replace(tzinfo=None) - midnight) % grid
    return at.astimezone(UTC) + (grid - past if past else timedelta(0))
