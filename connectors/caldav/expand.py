"""What happens when: the occurrences of a calendar object, expanded by recurring-ical-events within bounds a sender cannot lift."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from connectors.caldav import ical
from connectors.caldav.ical import Stored

A_DAY = 24  # instances; what repeats more often stands at its first instance only
OLDEST = 1900
DAY = timedelta(days=1)
_PER_DAY = {"SECONDLY": 86_400, "MINUTELY": 1440, "HOURLY": 24}
_PROBLEMS = (ValueError, KeyError, TypeError, AttributeError, OverflowError, IndexError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One event as it happens once: a single event, an instance of a series, or an instance changed by hand."""

    stored: Stored
    component: Any
    event_id: str
    start: datetime  # UTC
    end: datetime
    original: date | datetime | None  # where the rule puts it; None of what is no instance
    is_apart: bool = False  # an instance with a component of its own
    is_left_out: bool = False  # an EXDATE: an instance that was cancelled

    @property
    def is_all_day(self) -> bool:
        return not isinstance(self.component["DTSTART"].dt, datetime)


def is_series(stored: Stored) -> bool:
    master = stored.master
    return master is None or "RRULE" in master or "RDATE" in master


def occurrences(stored: Stored, start: datetime, end: datetime, home: ZoneInfo) -> Iterator[Occurrence]:
    """Those that touch start–end; nothing of an object that cannot be read. Left-out instances are not among them."""
    try:
        yield from _occurrences(stored, start, end, home)
    except _PROBLEMS:
        return


def _occurrences(stored: Stored, start: datetime, end: datetime, home: ZoneInfo) -> Iterator[Occurrence]:
    if not is_series(stored) or not _is_sane(stored):
        one = whole(stored, home)
        if one is not None and _touches(one.start, one.end, start, end):
            yield one
        return
    import recurring_ical_events

    apart = {_key(one, home) for one in stored.events if "RECURRENCE-ID" in one}
    # Days begin and end elsewhere for the library than in `home`.
    found = recurring_ical_events.of(stored.calendar, skip_bad_series=True).between(start - DAY, end + DAY)
    for component in found:
        begins, ends = ical.span_of(component, home)
        if not _touches(begins, ends, start, end):
            continue
        original = _original(component, home)
        yield Occurrence(
            stored=stored,
            component=component,
            event_id=ical.instance_id_of(stored.uid, original),
            start=begins,
            end=ends,
            original=original,
            is_apart=_key(component, home) in apart,
        )


def whole(stored: Stored, home: ZoneInfo) -> Occurrence | None:
    """The event, or a series at its first instance. None for an object of single instances, or one that cannot be read."""
    master = stored.master
    try:
        if master is None:
            return None
        start, end = ical.span_of(master, home)
    except _PROBLEMS:
        return None
    return Occurrence(
        stored=stored,
        component=master,
        event_id=ical.event_id_of(stored.uid),
        start=start,
        end=end,
        original=None,
    )


def instance(stored: Stored, original: date | datetime, home: ZoneInfo) -> Occurrence | None:
    """The instance that an id names, left out or not; None where the series has none then."""
    wanted = ical.moment(original, home)
    try:
        own = next((one for one in stored.events if "RECURRENCE-ID" in one and _key(one, home) == wanted), None)
        if own is not None:
            start, end = ical.span_of(own, home)
            return _at(stored, own, original, start, end, is_apart=True)
        master = stored.master
        if master is None or not is_series(stored):
            return None
        start, end = ical.span_of(master, home)
        length = end - start
        if wanted in left_out(master, home):
            return _at(stored, master, original, wanted, wanted + length, is_left_out=True)
        around = _occurrences(stored, wanted - timedelta(seconds=1), wanted + timedelta(seconds=1), home)
        return next((one for one in around if one.original is not None and _same(one.original, wanted, home)), None)
    except _PROBLEMS:
        return None


def first_apart(stored: Stored, home: ZoneInfo) -> Occurrence | None:
    """The first of the instances that an object holds on their own."""
    try:
        originals = [_original(one, home) for one in stored.events if "RECURRENCE-ID" in one]
    except _PROBLEMS:
        return None
    first = min(originals, key=lambda one: ical.moment(one, home), default=None)
    return None if first is None else instance(stored, first, home)


def left_out(master: Any, home: ZoneInfo) -> set[datetime]:
    """The instances taken out by EXDATE, in UTC."""
    found = master.get("EXDATE", [])
    lists = found if isinstance(found, list) else [found]
    return {ical.moment(one.dt, home) for group in lists for one in group.dts}


def rule_text(stored: Stored) -> str | None:
    """The series' rule as "RRULE:…"; None of what has none."""
    rule = stored.master.get("RRULE") if stored.master is not None else None
    if rule is None:
        return None
    one = rule[0] if isinstance(rule, list) else rule
    return f"RRULE:{one.to_ical().decode()}"


def _at(
    stored: Stored,
    component: Any,
    original: date | datetime,
    start: datetime,
    end: datetime,
    *,
    is_apart: bool = False,
    is_left_out: bool = False,
) -> Occurrence:
    return Occurrence(
        stored=stored,
        component=component,
        event_id=ical.instance_id_of(stored.uid, original),
        start=start,
        end=end,
        original=original,
        is_apart=is_apart,
        is_left_out=is_left_out,
    )


def _original(component: Any, home: ZoneInfo) -> date | datetime:
    """RECURRENCE-ID in UTC, or the date of an all-day one."""
    value: date | datetime = component["RECURRENCE-ID"].dt
    return ical.moment(value, home) if isinstance(value, datetime) else value


def _key(component: Any, home: ZoneInfo) -> datetime:
    return ical.moment(component["RECURRENCE-ID"].dt, home)


def _same(original: date | datetime, wanted: datetime, home: ZoneInfo) -> bool:
    return ical.moment(original, home) == wanted


def _touches(begins: datetime, ends: datetime, start: datetime, end: datetime) -> bool:
    return begins < end and (ends > start or (begins == ends and begins >= start))


def _is_sane(stored: Stored) -> bool:
    """Whether expanding takes a bounded time: neither many times an hour, nor since antiquity."""
    for event in stored.events:
        rules = event.get("RRULE", [])
        for rule in rules if isinstance(rules, list) else [rules]:
            steps = [int(one) for one in rule.get("INTERVAL", [1])]
            if event["DTSTART"].dt.year < OLDEST or min(steps) < 1 or _a_day(rule) > A_DAY or _never(rule):
                return False
    return True


def _a_day(rule: Any) -> float:
    frequency = str(rule.get("FREQ", ["DAILY"])[0]).upper()
    step = max(int(rule.get("INTERVAL", [1])[0]), 1)
    times = 1
    for name in ("BYHOUR", "BYMINUTE", "BYSECOND"):
        times *= max(len(rule.get(name, [])), 1)
    return _PER_DAY.get(frequency, 1) / step * times


def _never(rule: Any) -> bool:
    """A day that no month named has, for which a search would go on to the end of time."""
    months, days = rule.get("BYMONTH", []), rule.get("BYMONTHDAY", [])
    longest = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
    return bool(months and days) and all(abs(int(d)) > longest.get(int(m), 31) for m in months for d in days)
