"""Reading calendars: events with series expanded, what others may see of them, free/busy, rooms, slots."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from connectors import scheduling, wire
from connectors.caldav import expand, ical
from connectors.caldav.expand import Occurrence
from connectors.caldav.home import Home, is_cancelled
from connectors.caldav.ical import RESPONSES, ROOMS
from connectors.errors import InvalidCall, NotFound
from connectors.scheduling import Hours, Interval, Preferences
from connectors.wire import Args

PRIVATE = ("PRIVATE", "CONFIDENTIAL")


def list_events(home: Home, args: Args) -> dict[str, Any]:
    start, end = _span(args)
    calendar = wire.lower(args.get("calendar") or home.me)
    newest_first = args.get("order", "oldest") == "newest"
    shown = [show(home, one, calendar) for one in home.on_calendar(calendar, start, end)]
    shown.sort(key=_place, reverse=newest_first)
    if (position := wire.read_cursor(args, int, str)) is not None:
        after = (position[0], position[1])
        shown = [one for one in shown if (_place(one) < after if newest_first else _place(one) > after)]
    wanted = wire.words(args.get("query"))
    if wanted:
        shown = [one for one in shown if _has_words(one, wanted)]
    if args.get("attendee") is not None:
        attendee = wire.lower(args["attendee"])
        shown = [one for one in shown if attendee in (one["organizer"], *(who["address"] for who in one["attendees"]))]
    limit = wire.limit_of(args)
    page = shown[:limit]
    return {"events": page, "next": wire.write_cursor(_place(page[-1])) if len(shown) > limit else None}


def get_event(home: Home, args: Args) -> dict[str, Any]:
    return show(home, visible(home, args["event_id"]), home.me)


def visible(home: Home, event_id: str) -> Occurrence:
    """The occurrence an id names, cancelled or not; a series stands at its first instance. NotFound otherwise."""
    one = find(home, event_id)
    if one is None:
        raise NotFound(f"there is no event {event_id[:200]!r}", fix="Find it with calendar.list_events.")
    return one


def find(home: Home, event_id: str) -> Occurrence | None:
    uid, original = ical.split_id(event_id)
    stored = None if uid is None else home.find(uid)
    if stored is None:
        return None
    return expand.whole(stored, home.zone) if original is None else expand.instance(stored, original, home.zone)


def show(home: Home, one: Occurrence, calendar: str) -> dict[str, Any]:
    """An event as this account may see it on `calendar`: in full, or of another's private one only that it is there."""
    component, zone = one.component, home.zone
    organizer = ical.address_of(component.get("ORGANIZER", "")) or calendar
    people = [(who, ical.address_of(who)) for who in ical.people_of(component)]
    base = {
        "event_id": one.event_id,
        "series_id": None if one.original is None else ical.event_id_of(one.stored.uid),
        "calendar": calendar,
        "start": iso(one.start),
        "end": iso(one.end),
        "zone": ical.zone_name(component, zone),
        "all_day": one.is_all_day or _is_all_day(one, ical.zone_name(component, zone)),
        "status": "cancelled" if is_cancelled(one) else "confirmed",
        "visibility": "private" if str(component.get("CLASS", "")).upper() in PRIVATE else "default",
    }
    is_involved = bool(home.mine & {calendar, organizer, *(address for _, address in people if address)})
    if base["visibility"] == "private" and not is_involved:
        nothing = {"title": "busy", "location": "", "description": "", "organizer": calendar, "attendees": []}
        return base | nothing | {"room": None, "recurrence": None, "conference_url": None, "etag": ""}
    rooms = [address for who, address in people if address and _kind(who) in ROOMS]
    return base | {
        "title": str(component.get("SUMMARY", "")),
        "location": str(component.get("LOCATION", "")),
        "description": str(component.get("DESCRIPTION", "")),
        "organizer": organizer,
        "attendees": [
            _person(home, who, address)
            for who, address in people
            if address and address != organizer and _kind(who) not in ROOMS
        ],
        "room": rooms[0] if rooms else None,
        "recurrence": None if one.is_apart else expand.rule_text(one.stored),
        "conference_url": ical.conference_of(component),
        "etag": one.stored.etag,
    }


def _person(home: Home, who: Any, address: str) -> dict[str, Any]:
    name = ical.one_line(str(who.params.get("CN", "")))
    return {
        "address": address,
        "name": name or home.name_of(address),
        "response": RESPONSES.get(str(who.params.get("PARTSTAT", "NEEDS-ACTION")).upper(), "needs_action"),
        "optional": str(who.params.get("ROLE", "")).upper() in ("OPT-PARTICIPANT", "NON-PARTICIPANT"),
    }


def _kind(who: Any) -> str:
    return str(who.params.get("CUTYPE", "INDIVIDUAL")).upper()


def _is_all_day(one: Occurrence, zone: str) -> bool:
    tz = wire.zone_of(zone)
    ends = (one.start.astimezone(tz), one.end.astimezone(tz))
    return one.start < one.end and all((at.hour, at.minute, at.second) == (0, 0, 0) for at in ends)


def freebusy(home: Home, args: Args) -> dict[str, Any]:
    start, end = _span(args)
    busy: dict[str, Any] = {}
    unknown: list[str] = []
    for address in ical.addresses(args["people"]):
        times = home.busy_times(address, start, end)
        if times is None:
            unknown.append(address)
            continue
        busy[address] = [{"start": iso(one), "end": iso(two)} for one, two in scheduling.merge(times)]
    return {"busy": busy, "unknown": unknown}


def find_slots(home: Home, args: Args) -> dict[str, Any]:
    start, end = _span(args)
    people = list(dict.fromkeys([home.me, *ical.addresses(args["attendees"])]))
    day = timedelta(days=1)
    busy: list[Interval] = []
    unknown: list[str] = []
    for address in people:
        times = home.busy_times(address, start - day, end + day)
        if times is None:
            unknown.append(address)
        else:
            busy.extend(times)
    considered = {address: hours for address in people if (hours := home.hours_of(address)) is not None}
    words = args.get("preferences") or {}
    zone = words.get("zone") or home.zone.key
    wire.zone_of(zone)
    slots = scheduling.find_slots(
        length=timedelta(minutes=args["minutes"]),
        start=start,
        end=end,
        now=home.now,
        hours=[Hours.parse(one["zone"], one["working_hours"]) for one in considered.values()],
        busy=busy,
        preferences=Preferences.parse(words, zone=zone) if words else None,
        rooms=_free_rooms(home, len(people), start, end) if args.get("room") else None,
        count=int(args.get("count") or 3),
    )
    found = [{"start": iso(slot.start), "end": iso(slot.end), "room": slot.room} for slot in slots]
    return {"slots": found, "considered": considered, "unknown": unknown}


def _free_rooms(home: Home, people: int, start: datetime, end: datetime) -> dict[str, list[Interval]]:
    """Busy times of the rooms that are large enough and whose calendar can be seen, smallest first."""
    rooms = sorted((one for one in home.rooms if one["capacity"] >= people), key=lambda one: one["capacity"])
    known = {one["address"]: home.busy_times(one["address"], start, end) for one in rooms}
    return {address: times for address, times in known.items() if times is not None}


def list_rooms(home: Home, args: Args) -> dict[str, Any]:
    names = ("room", "name", "capacity", "address")
    return {"rooms": [{name: one[name] for name in names} for one in sorted(home.rooms, key=lambda one: one["name"])]}


def iso(when: datetime) -> str:
    return wire.format_time(int(when.timestamp()))


def time_of(args: Args, name: str) -> datetime:
    try:
        return wire.moment(wire.parse_time(args[name], name))
    except (OverflowError, OSError, ValueError) as error:
        raise InvalidCall(f"the {name} is out of any calendar", fix="Give a year like 2026.") from error


def _span(args: Args) -> tuple[datetime, datetime]:
    start, end = time_of(args, "start"), time_of(args, "end")
    if end <= start:
        raise InvalidCall("the end is not after the start", fix="Give a later end.")
    return start, end


def _place(event: dict[str, Any]) -> tuple[int, str]:
    return wire.parse_time(event["start"]), event["event_id"]


def _has_words(event: dict[str, Any], wanted: list[str]) -> bool:
    names = " ".join(who["name"] for who in event["attendees"])
    text = wire.fold(f"{event['title']} {event['description']} {event['location']} {names}")
    return all(word in text for word in wanted)
