"""Reading Google calendars: events with series expanded, free/busy, slots, rooms. Changes nothing.

What Google lacks, by name: an instance of a series does not say its series' rule (`recurrence` is null; its series does). Rooms
come from the connection's setting `rooms`, or else from the resource calendars on the account's own calendar list; the company's
whole list of rooms would need an administrator's scope and is not asked for. Working hours come from each person's calendar, where
Workspace keeps them, unless the setting `people` (address → {"zone", "working_hours"}) says otherwise; of people who set none,
`DEFAULT_HOURS` are assumed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from connectors import scheduling
from connectors.errors import Forbidden, NotFound
from connectors.google import calendar_values as values
from connectors.google.calendar_values import Args, Resource
from connectors.google.context import Context
from connectors.scheduling import DAYS, Hours, Interval, Preferences

DEFAULT_HOURS: Mapping[str, Any] = {"days": ["mon", "tue", "wed", "thu", "fri"], "start": "09:00", "end": "17:00"}
EVENT_TYPES = ("default", "focusTime", "fromGmail", "outOfOffice")  # birthdays and work places are no appointments
PAGE = 250  # events a page, Calendar's own default
MOST_PAGES = 400
PEOPLE_AT_ONCE = 50  # calendarExpansionMax of freeBusy.query
FREEBUSY_SPAN = timedelta(days=60)  # Google refuses long spans without saying how long
A_DAY = timedelta(days=1)
CANNOT_SEE = "Only calendars shared with the account are visible."

_MINUTES_A_DAY = 24 * 60


# ---- events --------------------------------------------------------------------------------------------------------


def list_events(ctx: Context, args: Args) -> dict[str, Any]:
    start, end = values.span_of(args)
    owner = calendar_of(ctx, args.get("calendar"))
    newest_first = args.get("order", "oldest") == "newest"
    position = values.read_cursor(args)
    if position is not None:
        at = values.parse_time(position[0], "cursor")
        if newest_first:
            end = min(end, at + timedelta(seconds=1))
        else:
            start = max(start, at - timedelta(seconds=1))
    found: Iterable[dict[str, Any]] = (
        one for one in shown_between(ctx, owner, start, end) if _is_asked_for(one, args, position, newest_first)
    )
    if newest_first:
        found = sorted(found, key=_order, reverse=True)
    limit = values.limit_of(args)
    events: list[dict[str, Any]] = []
    for event in found:
        if len(events) == limit:
            return {"events": events, "next": values.write_cursor(_order(events[-1]))}
        events.append(event)
    return {"events": events, "next": None}


def _order(event: Mapping[str, Any]) -> tuple[str, str]:
    return event["start"], event["event_id"]


def _is_asked_for(event: Mapping[str, Any], args: Args, position: tuple[str, str] | None, newest_first: bool) -> bool:
    if position is not None and (_order(event) >= position if newest_first else _order(event) <= position):
        return False
    people = [event["organizer"], *(who["address"] for who in event["attendees"])]
    if args.get("attendee") is not None and args["attendee"].strip().lower() not in people:
        return False
    names = " ".join(who["name"] for who in event["attendees"])
    text = values.fold(f"{event['title']} {event['description']} {event['location']} {names}")
    return all(word in text for word in values.fold(args.get("query") or "").split())


def shown_between(ctx: Context, owner: str, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
    """What lies on somebody's calendar, earliest first, cancelled and declined ones left out; pages are asked for as needed."""
    rooms = room_addresses(ctx)
    waiting: list[dict[str, Any]] = []  # those of one instant come in no order of ours
    for zone, event in raw_between(ctx, owner, start, end):
        shown = values.show(event, calendar=owner, me=ctx.me, zone=zone, rooms=rooms)
        if waiting and waiting[0]["start"] != shown["start"]:
            yield from sorted(waiting, key=_order)
            waiting = []
        waiting.append(shown)
    yield from sorted(waiting, key=_order)


def raw_between(ctx: Context, owner: str, start: datetime, end: datetime) -> Iterator[tuple[str, Resource]]:
    """(zone of the calendar, event), by start. Forbidden for a calendar that is not shared with the account."""
    asked = {
        "calendarId": calendar_id(ctx, owner),
        "timeMin": values.rfc3339(start),
        "timeMax": values.rfc3339(end),
        "singleEvents": True,
        "orderBy": "startTime",
        "eventTypes": list(EVENT_TYPES),
        "maxResults": PAGE,
    }
    try:
        for page in ctx.pages("calendar.events.list", most=MOST_PAGES, **asked):
            for event in page.get("items", ()):
                if event.get("status") != "cancelled" and values.own_response(event, owner) != "declined":
                    yield page.get("timeZone") or "UTC", event
    except (NotFound, Forbidden) as error:
        if owner == ctx.me:
            raise
        raise Forbidden("this calendar cannot be seen", fix=CANNOT_SEE) from error


def get_event(ctx: Context, args: Args) -> dict[str, Any]:
    google_id, calendar = values.split_id(args["event_id"])
    return shown(ctx, raw_event(ctx, google_id, calendar), calendar)


def raw_event(ctx: Context, google_id: str, calendar: str = "primary") -> Resource:
    """As it is now, cancelled or not. NotFound when it is not on that calendar."""
    try:
        return ctx.request("calendar.events.get", calendarId=calendar, eventId=google_id)
    except (NotFound, Forbidden) as error:
        raise NotFound("there is no such event on this calendar", fix="Find it with calendar.list_events.") from error


def shown(ctx: Context, event: Resource, calendar: str = "primary") -> dict[str, Any]:
    """NotFound for one of which Google keeps only that it was cancelled."""
    if "start" not in event:
        raise NotFound("the event is cancelled", fix="Create a new one.")
    owner = ctx.me if calendar == "primary" else calendar
    zone = event["start"].get("timeZone") if "dateTime" in event["start"] else None
    return values.show(
        event, calendar=owner, me=ctx.me, zone=zone or calendar_zone(ctx, calendar), rooms=room_addresses(ctx)
    )


def calendar_of(ctx: Context, address: str | None) -> str:
    return values.addresses([address])[0] if address else ctx.me


def calendar_id(ctx: Context, owner: str) -> str:
    return "primary" if owner == ctx.me else owner


def calendar_zone(ctx: Context, calendar: str = "primary") -> str:
    """The zone a calendar is kept in; needs no scope beyond that of events."""
    page = ctx.request("calendar.events.list", calendarId=calendar, maxResults=1, fields="timeZone")
    return str(page.get("timeZone") or "UTC")


# ---- free and busy -------------------------------------------------------------------------------------------------


def freebusy(ctx: Context, args: Args) -> dict[str, Any]:
    start, end = values.span_of(args)
    people = values.addresses(args["people"])
    busy = busy_times(ctx, people, start, end)
    return {
        "busy": {
            who: [{"start": values.iso(one), "end": values.iso(two)} for one, two in scheduling.merge(times)]
            for who, times in busy.items()
        },
        "unknown": [who for who in people if who not in busy],
    }


def busy_times(ctx: Context, people: Sequence[str], start: datetime, end: datetime) -> dict[str, list[Interval]]:
    """Busy times within start–end of those whose calendar can be seen, in the order asked; the others are left out."""
    busy: dict[str, list[Interval]] = {who: [] for who in people}
    for first in range(0, len(people), PEOPLE_AT_ONCE):
        low = start
        while low < end:
            high = min(end, low + FREEBUSY_SPAN)
            for who, times in _ask_busy(ctx, people[first : first + PEOPLE_AT_ONCE], low, high).items():
                if times is None:
                    busy.pop(who, None)
                elif who in busy:
                    busy[who] += times
            low = high
    return busy


def _ask_busy(ctx: Context, people: Sequence[str], low: datetime, high: datetime) -> dict[str, list[Interval] | None]:
    body = {
        "timeMin": values.rfc3339(low),
        "timeMax": values.rfc3339(high),
        "items": [{"id": who} for who in people],
        "calendarExpansionMax": PEOPLE_AT_ONCE,
    }
    answer = ctx.request("calendar.freebusy.query", body=body).get("calendars", {})
    calendars = {str(who).lower(): told for who, told in answer.items()}
    return {
        who: None
        if who not in calendars or calendars[who].get("errors")
        else [(_moment(one["start"]), _moment(one["end"])) for one in calendars[who].get("busy", ())]
        for who in people
    }


def _moment(text: str) -> datetime:
    return values.parse_time(text, "time")


def is_free(ctx: Context, who: str, start: datetime, end: datetime, *, without: str | None = None) -> bool | None:
    """Whether somebody is free; None where their calendar cannot be seen. `without`: Google's id of an event (or series) that
    does not count, because it is the one being moved."""
    busy = busy_times(ctx, [who], start, end)
    if who not in busy:
        return None
    if not busy[who] or without is None:
        return not busy[who]
    try:
        found = list(raw_between(ctx, who, start, end))
    except Forbidden:
        return False  # busy with something that cannot be seen
    others = [one for _, one in found if without not in (one["id"], one.get("recurringEventId"))]
    return all(one.get("transparency") == "transparent" for one in others)


# ---- slots ---------------------------------------------------------------------------------------------------------


def find_slots(ctx: Context, args: Args) -> dict[str, Any]:
    start, end = values.span_of(args)
    people = list(dict.fromkeys([ctx.me, *values.addresses(args["attendees"])]))
    busy = busy_times(ctx, people, start - A_DAY, end + A_DAY)
    considered = _hours_of(ctx, [who for who in people if who in busy or who == ctx.me])
    if ctx.me not in considered:
        considered[ctx.me] = {"zone": calendar_zone(ctx), "working_hours": dict(DEFAULT_HOURS)}
    words = args.get("preferences") or {}
    zone = values.zone_of(words.get("zone") or considered[ctx.me]["zone"]).key
    slots = scheduling.find_slots(
        length=timedelta(minutes=args["minutes"]),
        start=start,
        end=end,
        now=ctx.clock(),
        hours=[
            Hours.parse(considered[who]["zone"], considered[who]["working_hours"])
            for who in people
            if who in considered
        ],
        busy=[one for times in busy.values() for one in times],
        preferences=Preferences.parse(words, zone=zone) if words else None,
        rooms=_free_rooms(ctx, len(people), start, end) if args.get("room") else None,
        count=int(args.get("count") or 3),
    )
    return {
        "slots": [{"start": values.iso(slot.start), "end": values.iso(slot.end), "room": slot.room} for slot in slots],
        "considered": considered,
        "unknown": [who for who in people if who not in busy],
    }


def _hours_of(ctx: Context, people: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Zone and working hours: those of the connection's settings, else of the calendar; of whoever has a zone."""
    told: Mapping[str, Any] = ctx.account.settings.get("people") or {}
    usual = ctx.account.settings.get("working_hours") or DEFAULT_HOURS
    found: dict[str, dict[str, Any]] = {
        who: {"zone": told[who]["zone"], "working_hours": dict(told[who].get("working_hours") or usual)}
        for who in people
        if isinstance(told.get(who), Mapping) and told[who].get("zone")
    }
    asked = [who for who in people if who not in found]
    for who, calendar in zip(asked, _calendars(ctx, asked), strict=True):
        if calendar is not None and calendar.get("timeZone"):
            hours = _plain_hours(calendar.get("workingHours") or {}, usual)
            found[who] = {"zone": calendar["timeZone"], "working_hours": hours}
    return found


def _calendars(ctx: Context, people: Sequence[str]) -> list[dict[str, Any] | None]:
    """What each person's calendar says of itself; None where it is not told."""
    many = [{"calendarId": calendar_id(ctx, who)} for who in people]
    try:
        return ctx.read_all("calendar.calendars.get", many)
    except Forbidden:  # one closed calendar closes no others
        return [_calendar(ctx, one["calendarId"]) for one in many]


def _calendar(ctx: Context, which: str) -> dict[str, Any] | None:
    try:
        return ctx.request("calendar.calendars.get", calendarId=which)
    except (NotFound, Forbidden):
        return None


def _plain_hours(told: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    """One stretch for all days, as the family has it: within the hours of every working day, where those leave one."""
    if not told.get("workingHoursEnabled") or not told.get("availableTimes"):
        return dict(usual)
    by_day: dict[str, list[tuple[int, int]]] = {}
    for one in told["availableTimes"]:
        by_day.setdefault(str(one["dayOfWeek"])[:3].lower(), []).append((one["periodStart"], one["periodEnd"]))
    days = {day: (min(one for one, _ in times), max(two for _, two in times)) for day, times in by_day.items()}
    start, end = max(one for one, _ in days.values()), min(two for _, two in days.values())
    if start >= end:
        start, end = min(one for one, _ in days.values()), max(two for _, two in days.values())
    return {"days": [day for day in DAYS if day in days], "start": _clock(start), "end": _clock(end)}


def _clock(minutes: int) -> str:
    whole = min(minutes, _MINUTES_A_DAY - 1)
    return f"{whole // 60:02d}:{whole % 60:02d}"


# ---- rooms ---------------------------------------------------------------------------------------------------------


def list_rooms(ctx: Context, args: Args) -> dict[str, Any]:
    return {"rooms": rooms(ctx)}


def rooms(ctx: Context) -> list[dict[str, Any]]:
    """By name. A capacity nobody told is 0."""
    told = ctx.account.settings.get("rooms")
    if told is not None:
        found = [
            _room(str(one["address"]), str(one.get("name") or one["address"]), one.get("capacity")) for one in told
        ]
    else:
        found = [
            _room(entry["id"], entry.get("summaryOverride") or entry.get("summary") or entry["id"], None)
            for page in ctx.pages("calendar.calendarList.list", most=20, maxResults=PAGE)
            for entry in page.get("items", ())
            if str(entry["id"]).lower().endswith(values.RESOURCE_SUFFIX)
        ]
    return sorted(found, key=lambda one: (one["name"], one["address"]))


def _room(address: str, name: str, capacity: object) -> dict[str, Any]:
    seats = re.search(r"\((\d{1,4})\)", name)  # Workspace writes a room's capacity into its generated name
    size = int(str(capacity)) if capacity is not None else int(seats.group(1)) if seats else 0
    return {"room": f"room_{address.lower()}", "name": name, "capacity": size, "address": address.lower()}


def room_addresses(ctx: Context) -> frozenset[str]:
    """Those that settings name; Google's own rooms are known by their addresses."""
    return frozenset(str(one["address"]).lower() for one in ctx.account.settings.get("rooms") or ())


def _free_rooms(ctx: Context, people: int, start: datetime, end: datetime) -> dict[str, list[Interval]]:
    """Busy times of the rooms that are large enough, the smallest first; of unknown size last."""
    fitting = [one for one in rooms(ctx) if not 0 < one["capacity"] < people]
    fitting.sort(key=lambda one: (one["capacity"] == 0, one["capacity"], one["address"]))
    return busy_times(ctx, [one["address"] for one in fitting], start, end)
