"""Google's event times, and when a recurring event happens. Expansion is recurring-ical-events', never our own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import recurring_ical_events
from dateutil.rrule import rrulestr
from icalendar import Calendar as ICalendar

from tests.services.google_calendar.discovery import Refusal

When = datetime | date  # an aware instant on its own zone's clock, or a day


def zone_of(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise Refusal(400, "invalid", f"Invalid time zone definition: {name}") from error


def parse_instant(text: str, name: str) -> datetime:
    """An RFC 3339 time with its mandatory offset."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refusal(400, "badRequest", f"Bad Request: {name} {text!r}") from error
    if moment.tzinfo is None:
        raise Refusal(400, "badRequest", f"Bad Request: {name} has no offset")
    return moment


def parse_when(value: Mapping[str, Any] | None, zone: str, name: str) -> When:
    """From an EventDateTime; a dateTime without offset is on the clock of its timeZone. `zone`: the calendar's."""
    if not value or bool(value.get("date")) == bool(value.get("dateTime")):
        raise Refusal(400, "required", f"Missing {name} time.")
    try:
        if value.get("date"):
            return date.fromisoformat(value["date"])
        moment = datetime.fromisoformat(value["dateTime"])
    except ValueError as error:
        raise Refusal(400, "invalid", f"Invalid value for {name}") from error
    tz = zone_of(value.get("timeZone") or zone)
    if moment.tzinfo is None:
        if not value.get("timeZone"):
            raise Refusal(400, "required", f"Missing time zone definition for {name} time.")
        return moment.replace(tzinfo=tz)
    return moment.astimezone(tz)


def show_when(when: When, zone: str | None) -> dict[str, str]:
    if not isinstance(when, datetime):
        return {"date": when.isoformat()}
    text = when.isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"dateTime": text} | ({"timeZone": zone} if zone else {})


def instant(when: When, zone: str) -> datetime:
    """In UTC; a day begins at midnight of the calendar's zone."""
    if isinstance(when, datetime):
        return when.astimezone(UTC)
    return datetime.combine(when, time.min, tzinfo=zone_of(zone)).astimezone(UTC)


def stamp(when: When) -> str:
    """The end of an instance's id."""
    return f"{when.astimezone(UTC):%Y%m%dT%H%M%SZ}" if isinstance(when, datetime) else f"{when:%Y%m%d}"


def check_rules(lines: list[str], start: When) -> None:
    """Refusal 400 for recurrence lines that cannot be expanded."""
    for line in lines:
        if line.partition(":")[0].partition(";")[0] not in ("RRULE", "EXRULE", "RDATE", "EXDATE"):
            raise Refusal(400, "invalid", "Invalid recurrence rule.")
    try:
        for line in lines:
            if "RULE" in line.partition(":")[0]:  # recurring-ical-events passes over what it cannot read
                rrulestr(line, dtstart=instant(start, "UTC"))
        list(_starts(tuple(lines), start, start + timedelta(days=1)))
    except (ValueError, KeyError, TypeError) as error:
        raise Refusal(400, "invalid", f"Invalid recurrence rule. {error}") from error


def starts_between(lines: list[str], start: When, length: timedelta, low: datetime, high: datetime) -> Iterator[When]:
    """Starts of the instances that overlap low–high (or begin in it), in order."""
    for one in _starts(tuple(lines), start, high + timedelta(days=1)):
        first = one if isinstance(one, datetime) else datetime.combine(one, time.min, tzinfo=high.tzinfo)
        if first + length > low - timedelta(days=1) and first < high + timedelta(days=1):
            yield one


@lru_cache(maxsize=512)
def _starts(lines: tuple[str, ...], start: When, until: When) -> tuple[When, ...]:
    if isinstance(start, datetime):
        zone = getattr(start.tzinfo, "key", "UTC")
        opening = f"DTSTART;TZID={zone}:{start:%Y%m%dT%H%M%S}"
    else:
        opening = f"DTSTART;VALUE=DATE:{start:%Y%m%d}"
    text = "\r\n".join(
        ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//double//EN", "BEGIN:VEVENT", "UID:one", opening, *lines]
        + ["END:VEVENT", "END:VCALENDAR", ""]
    )
    found = recurring_ical_events.of(ICalendar.from_ical(text)).between(start, until)
    moments = (one["DTSTART"].dt for one in found)
    same_zone = (one.astimezone(start.tzinfo) if isinstance(start, datetime) else one for one in moments)
    return tuple(sorted(same_zone))
