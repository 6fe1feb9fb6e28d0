"""Reading calendars: events with series expanded, what others may see of them, free/busy, rooms, slots."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors import recurrence, scheduling, wire
from connectors.errors import Forbidden, InvalidCall, NotFound
from connectors.office import directory
from connectors.office.context import Context
from connectors.scheduling import Hours, Interval, Preferences
from connectors.wire import Args

_COLUMNS = (
    "e.event_id, e.series_id, e.original_at, e.organizer, e.title, e.start_at, e.end_at, e.zone, e.all_day, e.location,"
    " e.description, e.room, e.status, e.visibility, e.recurrence, e.busy, e.version, e.conference_url"
)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One event as it happens once: a single event, an instance of a series, or an instance changed by hand."""

    row: sqlite3.Row
    event_id: str
    start: int
    end: int

    @property
    def is_instance(self) -> bool:
        return self.row["recurrence"] is not None


def instance_id(series_id: str, start: int) -> str:
    return f"{series_id}@{wire.moment(start):%Y%m%dT%H%M%SZ}"


def split_id(event_id: str) -> tuple[str, int | None]:
    """(series, original start) of an instance's id; (id, None) of any other."""
    series_id, mark, stamp = event_id.partition("@")
    if not mark:
        return event_id, None
    try:
        return series_id, int(datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp())
    except ValueError:
        return event_id, None


def find_row(c: sqlite3.Connection, event_id: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = c.execute(f"select {_COLUMNS} from events e where e.event_id = ?", (event_id,)).fetchone()
    return row


def find(c: sqlite3.Connection, event_id: str) -> Occurrence | None:
    """The occurrence an id names, visible or not, cancelled or not; a series stands at its first instance."""
    row = find_row(c, event_id)
    if row is not None:
        return Occurrence(row, event_id, row["start_at"], row["end_at"])
    series_id, original = split_id(event_id)
    series = find_row(c, series_id) if original is not None else None
    if series is None or original is None or series["recurrence"] is None:
        return None
    starts = recurrence.starts_between(
        series["recurrence"], series["start_at"], series["zone"], original - 1, original + 1
    )
    if original not in starts:
        return None
    return Occurrence(series, event_id, original, original + series["end_at"] - series["start_at"])


def on_calendar(c: sqlite3.Connection, address: str, start: int, end: int, fresh_until: int) -> list[Occurrence]:
    """What lies on somebody's calendar between two instants, cancelled and declined ones left out, unsorted."""
    rows = c.execute(
        f"select {_COLUMNS}, i.response from invites i join events e on e.event_id = i.event_id"
        " where i.address = ? and i.response <> 'declined' and e.seen_from <= ? and e.start_at < ?"
        " and (e.recurrence is not null or (e.end_at > ? and e.status = 'confirmed'))",
        (address, fresh_until, end, start),
    ).fetchall()
    found: list[Occurrence] = []
    for row in rows:
        if row["recurrence"] is None:
            found.append(Occurrence(row, row["event_id"], row["start_at"], row["end_at"]))
        elif row["status"] == "confirmed":
            found.extend(_instances(c, row, start, end))
    return found


def _instances(c: sqlite3.Connection, series: sqlite3.Row, start: int, end: int) -> Iterable[Occurrence]:
    length = series["end_at"] - series["start_at"]
    starts = recurrence.starts_between(series["recurrence"], series["start_at"], series["zone"], start - length, end)
    if not starts:
        return
    apart = {
        row["original_at"]
        for row in c.execute("select original_at from events where series_id = ?", (series["event_id"],))
    }
    for at in starts:
        if at not in apart:
            yield Occurrence(series, instance_id(series["event_id"], at), at, at + length)


def busy_times(
    c: sqlite3.Connection, address: str, start: int, end: int, *, fresh_until: int, without: str | None = None
) -> list[Interval]:
    """Unmerged. `without`: an event (or series) that does not count, because it is the one being moved."""
    return [
        (wire.moment(one.start), wire.moment(one.end))
        for one in on_calendar(c, address, start, end, fresh_until)
        if one.row["busy"] and without not in (one.event_id, one.row["event_id"], one.row["series_id"] or "")
    ]


def is_visible(c: sqlite3.Connection, address: str) -> bool:
    """Whether the office holds this calendar: colleagues and rooms."""
    room = c.execute("select 1 from rooms where address = ?", (address,)).fetchone()
    return room is not None or directory.is_inside(c, address)


def attendees_of(c: sqlite3.Connection, event_id: str) -> list[sqlite3.Row]:
    return c.execute(
        "select i.address, i.response, i.optional, p.name from invites i left join people p on p.address = i.address"
        " where i.event_id = ? and i.role = 'attendee' order by i.optional, i.address",
        (event_id,),
    ).fetchall()


def show(ctx: Context, one: Occurrence, calendar: str) -> dict[str, Any]:
    """An event as this account may see it on `calendar`: in full, or of a private one only that it is there."""
    row = one.row
    base = {
        "event_id": one.event_id,
        "series_id": row["event_id"] if one.is_instance and one.event_id != row["event_id"] else row["series_id"],
        "calendar": calendar,
        "start": wire.format_time(one.start),
        "end": wire.format_time(one.end),
        "zone": row["zone"],
        "all_day": bool(row["all_day"]),
        "status": row["status"],
        "visibility": row["visibility"],
    }
    attendees = attendees_of(ctx.c, row["event_id"])
    involved = row["organizer"] == ctx.me or any(who["address"] == ctx.me for who in attendees)
    if row["visibility"] == "private" and not involved:
        nothing = {"title": "busy", "location": "", "description": "", "organizer": calendar, "attendees": []}
        return base | nothing | {"room": None, "recurrence": None, "conference_url": None, "etag": ""}
    return base | {
        "title": row["title"],
        "location": row["location"],
        "description": row["description"],
        "organizer": row["organizer"],
        "attendees": [
            {
                "address": who["address"],
                "name": who["name"] or who["address"],
                "response": who["response"],
                "optional": bool(who["optional"]),
            }
            for who in attendees
        ],
        "room": row["room"],
        "recurrence": row["recurrence"],
        "conference_url": row["conference_url"],
        "etag": str(row["version"]),
    }


def list_events(ctx: Context, args: Args) -> dict[str, Any]:
    start, end = _span(args)
    calendar = wire.lower(args.get("calendar") or ctx.me)
    if not is_visible(ctx.c, calendar):
        raise Forbidden("this calendar cannot be seen", fix="Only colleagues' calendars and rooms are visible.")
    newest_first = args.get("order", "oldest") == "newest"
    found = sorted(
        on_calendar(ctx.c, calendar, start, end, ctx.fresh_until),
        key=lambda one: (one.start, one.event_id),
        reverse=newest_first,
    )
    if (position := wire.read_cursor(args, int, str)) is not None:
        after = (position[0], position[1])
        found = [
            one
            for one in found
            if ((one.start, one.event_id) < after if newest_first else (one.start, one.event_id) > after)
        ]
    wanted = wire.words(args.get("query"))
    attendee = wire.lower(args["attendee"]) if args.get("attendee") is not None else None
    limit = wire.limit_of(args)
    events: list[dict[str, Any]] = []
    for one in found:
        event = show(ctx, one, calendar)
        if wanted and not _has_words(event, wanted):
            continue
        if attendee is not None and attendee not in (
            event["organizer"],
            *(who["address"] for who in event["attendees"]),
        ):
            continue
        if len(events) == limit:
            last = events[-1]
            return {"events": events, "next": wire.write_cursor([wire.parse_time(last["start"]), last["event_id"]])}
        events.append(event)
    return {"events": events, "next": None}


def _has_words(event: dict[str, Any], wanted: list[str]) -> bool:
    names = " ".join(who["name"] for who in event["attendees"])
    text = wire.fold(f"{event['title']} {event['description']} {event['location']} {names}")
    return all(word in text for word in wanted)


def _span(args: Args) -> tuple[int, int]:
    start, end = (wire.parse_time(args["start"], "start"), wire.parse_time(args["end"], "end"))
    if end <= start:
        raise InvalidCall("the end is not after the start", fix="Give a later end.")
    return start, end


def visible(ctx: Context, event_id: str) -> Occurrence:
    """An occurrence this account may see: on its own calendar or a colleague's. NotFound otherwise."""
    one = find(ctx.c, event_id)
    if one is None:
        raise NotFound(f"there is no event {event_id!r}", fix="Find it with calendar.list_events.")
    return one


def get_event(ctx: Context, args: Args) -> dict[str, Any]:
    one = visible(ctx, args["event_id"])
    mine = ctx.c.execute(
        "select 1 from invites where address = ? and event_id = ?", (ctx.me, one.row["event_id"])
    ).fetchone()
    return show(ctx, one, ctx.me if mine else one.row["organizer"])


def freebusy(ctx: Context, args: Args) -> dict[str, Any]:
    start, end = _span(args)
    busy: dict[str, Any] = {}
    unknown: list[str] = []
    for address in wire.addresses(args["people"]):
        if not is_visible(ctx.c, address):
            unknown.append(address)
            continue
        times = scheduling.merge(busy_times(ctx.c, address, start, end, fresh_until=ctx.fresh_until))
        busy[address] = [
            {"start": one.isoformat(timespec="seconds"), "end": two.isoformat(timespec="seconds")} for one, two in times
        ]
    return {"busy": busy, "unknown": unknown}


def find_slots(ctx: Context, args: Args) -> dict[str, Any]:
    start, end = _span(args)
    people = list(dict.fromkeys([ctx.me, *wire.addresses(args["attendees"])]))
    hours: list[Hours] = []
    busy: list[Interval] = []
    unknown: list[str] = []
    considered: dict[str, Any] = {}
    for address in people:
        person = directory.find(ctx.c, address)
        if person is not None:
            considered[address] = {"zone": person["zone"], "working_hours": person["working_hours"]}
            hours.append(Hours.parse(person["zone"], person["working_hours"]))
        if is_visible(ctx.c, address):
            busy.extend(busy_times(ctx.c, address, start - 86_400, end + 86_400, fresh_until=ctx.fresh_until))
        else:
            unknown.append(address)
    words = args.get("preferences") or {}
    zone = words.get("zone") or considered[ctx.me]["zone"]
    wire.zone_of(zone)
    rooms = None
    if args.get("room"):
        needed = len(people)
        rows = ctx.c.execute(
            "select address from rooms where capacity >= ? order by capacity, address", (needed,)
        ).fetchall()
        rooms = {
            row["address"]: busy_times(ctx.c, row["address"], start, end, fresh_until=ctx.fresh_until) for row in rows
        }
    slots = scheduling.find_slots(
        length=timedelta(minutes=args["minutes"]),
        start=wire.moment(start),
        end=wire.moment(end),
        now=wire.moment(ctx.now),
        hours=hours,
        busy=busy,
        preferences=Preferences.parse(words, zone=zone) if words else None,
        rooms=rooms,
        count=int(args.get("count") or 3),
    )
    return {
        "slots": [
            {
                "start": slot.start.isoformat(timespec="seconds"),
                "end": slot.end.isoformat(timespec="seconds"),
                "room": slot.room,
            }
            for slot in slots
        ],
        "considered": considered,
        "unknown": unknown,
    }


def list_rooms(ctx: Context, args: Args) -> dict[str, Any]:
    rows = ctx.c.execute("select room_id as room, name, capacity, address from rooms order by name").fetchall()
    return {"rooms": [dict(row) for row in rows]}
