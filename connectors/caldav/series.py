"""What a change to a series does to its object: an instance set apart or taken out, the whole of it moved."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from connectors import wire
from connectors.caldav import expand, ical
from connectors.caldav.expand import Occurrence
from connectors.caldav.home import Home
from connectors.caldav.ical import Stored
from connectors.errors import Conflict, InvalidCall
from connectors.wire import Args


def target(home: Home, one: Occurrence, args: Args) -> tuple[Stored, Any]:
    """A copy of the object, and the event in it that a change goes to. An instance changed alone becomes one of its own."""
    stored = ical.copy_of(one.stored)
    master = stored.master
    if one.original is None:
        if args.get("scope") == "this" and expand.is_series(stored):
            raise names_a_series()
        return stored, master
    if args.get("scope") == "series":
        if master is None:
            raise Conflict("only single instances of the series are here", fix="Change the instance, with scope this.")
        return stored, master
    apart = next((event for event in stored.events if is_at(home, event, one.original)), None)
    if apart is not None:
        return stored, apart
    assert master is not None  # an instance that is not apart comes from its rule
    return stored, _set_apart(home, stored, master, one)


def _set_apart(home: Home, stored: Stored, master: Any, one: Occurrence) -> Any:
    import icalendar

    event: Any = icalendar.Event()
    for name, value in master.items():
        if name not in ("RRULE", "RDATE", "EXDATE", "EXRULE", "DTSTART", "DTEND", "DURATION", ical.MARK):
            event[name] = value
    # A property's values are shared with the master until the object is written out and read again.
    first, last = _like(master, one.start, home), _like(master, one.end, home)
    event.add("DTSTART", first)
    event.add("DTEND", last)
    event.add("RECURRENCE-ID", first)
    stored.calendar.add_component(event)
    fresh = ical.copy_of(stored)
    stored.calendar.subcomponents[:] = fresh.calendar.subcomponents
    return next(other for other in stored.events if one.original is not None and is_at(home, other, one.original))


def _like(master: Any, when: datetime, home: Home) -> date | datetime:
    """An instant written as the series' start is: a date, a time in its zone, or one without a zone."""
    start = master["DTSTART"].dt
    if not isinstance(start, datetime):
        return when.astimezone(home.zone).date()
    if start.tzinfo is None:
        return when.astimezone(home.zone).replace(tzinfo=None)
    return when.astimezone(start.tzinfo)


def is_at(home: Home, event: Any, original: date | datetime) -> bool:
    if "RECURRENCE-ID" not in event:
        return False
    return ical.moment(event["RECURRENCE-ID"].dt, home.zone) == ical.moment(original, home.zone)


def take_out(home: Home, stored: Stored, master: Any, one: Occurrence) -> None:
    assert one.original is not None
    master.add("EXDATE", [_like(master, ical.moment(one.original, home.zone), home)])
    gone = [event for event in stored.events if is_at(home, event, one.original)]
    stored.calendar.subcomponents[:] = [part for part in stored.calendar.subcomponents if part not in gone]


def move_series(home: Home, stored: Stored, master: Any, one: Occurrence, start: datetime, end: datetime) -> None:
    """By as much as the named instance moves on the clock of its zone, with exceptions and the rule's end."""
    zone = wire.zone_of(ical.zone_name(master, home.zone))
    first, _ = ical.span_of(master, home.zone)
    shift = _naive(start, zone) - _naive(one.start, zone)
    moved = (_naive(first, zone) + shift).replace(tzinfo=zone)
    rule = master["RRULE"]
    if moved.date() != first.astimezone(zone).date() and any(name.startswith("BY") for name in rule):
        raise InvalidCall("the series' rule names its days", fix="Cancel the series and create one with the new rule.")

    def later(value: date | datetime) -> date | datetime:
        if not isinstance(value, datetime):
            return value + timedelta(days=shift.days)
        if value.tzinfo is None:
            return value + shift
        local = (_naive(value, zone) + shift).replace(tzinfo=zone)
        return local.astimezone(value.tzinfo)

    was_all_day = not isinstance(master["DTSTART"].dt, datetime)
    left_out = sorted(expand.left_out(master, home.zone))
    is_all_day = set_times(home, master, moved, moved + (end - start), zone)
    if is_all_day != was_all_day:
        raise InvalidCall("a series of whole days stays one", fix="Cancel it and create another.")
    if "UNTIL" in rule:
        rule["UNTIL"] = [later(value) for value in rule["UNTIL"]]
    master.pop("EXDATE", None)
    for when in left_out:
        master.add("EXDATE", [_like(master, ical.moment(later(when), home.zone), home)])
    for event in stored.events:
        if "RECURRENCE-ID" in event:
            ical.set_value(event, "RECURRENCE-ID", later(event["RECURRENCE-ID"].dt))


def _naive(when: datetime, zone: Any) -> datetime:
    return when.astimezone(zone).replace(tzinfo=None)


def set_times(home: Home, event: Any, start: datetime, end: datetime, zone: ZoneInfo) -> bool:
    """Dates for whole days in the account's own zone, which is what an all-day event means; else times in `zone`."""
    first, last = start.astimezone(zone), end.astimezone(zone)
    is_all_day = zone.key == home.zone.key and first.time() == last.time() == datetime.min.time()
    ical.set_value(event, "DTSTART", first.date() if is_all_day else first)
    event.pop("DURATION", None)
    ical.set_value(event, "DTEND", last.date() if is_all_day else last)
    return is_all_day


def names_a_series() -> InvalidCall:
    return InvalidCall("the id names a whole series", fix="Name one instance (…@time), or use scope series.")
