"""Changing calendars: creating, moving, cancelling, answering. Attendees are told by a notice in the same commit."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from connectors import recurrence, scheduling, wire
from connectors.errors import Conflict, Forbidden, InvalidCall
from connectors.office import calendar
from connectors.office.calendar import Occurrence
from connectors.office.context import Context
from connectors.office.mail_effects import my_name, notice
from connectors.scheduling import DAYS
from connectors.wire import Args

LONGEST_S = 62 * 86_400
# The office has no video calls: its links show what a real calendar would add, and lead nowhere (RFC 2606, .invalid).
MEET = "https://meet.office.invalid/"


def create_event(ctx: Context, args: Args) -> dict[str, Any]:
    start, end = (wire.parse_time(args["start"], "start"), wire.parse_time(args["end"], "end"))
    zone = args.get("zone") or ctx.c.execute("select zone from people where address = ?", (ctx.me,)).fetchone()["zone"]
    rule = args.get("recurrence")
    event_id = ctx.new_id("evt")
    insert(
        ctx,
        event_id=event_id,
        organizer=ctx.me,
        title=args["title"],
        start=start,
        end=end,
        zone=zone,
        attendees=[one for one in wire.addresses(args.get("attendees")) if one != ctx.me],
        description=args.get("description") or "",
        location=args.get("location") or "",
        room=_bookable(ctx, args.get("room"), start, end, without=event_id),
        recurrence_rule=None if rule is None else recurrence.check(rule, start, wire.zone_of(zone).key),
        visibility=args.get("visibility") or "default",
        conference_url=f"{MEET}{event_id.removeprefix('evt_')}" if args.get("conference") else None,
    )
    row = _row(ctx, event_id)
    _tell(ctx, row, [who["address"] for who in calendar.attendees_of(ctx.c, event_id)], "Invitation", number=0)
    return _shown(ctx, event_id)


def insert(
    ctx: Context,
    *,
    event_id: str,
    organizer: str,
    title: str,
    start: int,
    end: int,
    zone: str,
    attendees: Sequence[str] = (),
    description: str = "",
    location: str = "",
    room: str | None = None,
    recurrence_rule: str | None = None,
    visibility: str = "default",
    busy: bool = True,
    conference_url: str | None = None,
    responses: dict[str, str] | None = None,
) -> None:
    """Stores an event on the calendars of organizer, attendees and room, without telling anybody."""
    if not 0 < end - start <= LONGEST_S:
        raise InvalidCall("the end must be after the start, and within two months of it", fix="Check both times.")
    seen_from = ctx.now + ctx.lag_s if ctx.made else 0
    ctx.c.execute(
        "insert into events (event_id, organizer, title, start_at, end_at, zone, all_day, location, description, room, status,"
        " visibility, recurrence, busy, version, key, made, seen_from, conference_url)"
        " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'confirmed', ?, ?, ?, 1, ?, ?, ?, ?)",
        (
            *(event_id, organizer, title, start, end, zone, int(_is_all_day(start, end, zone)), location, description),
            *(room, visibility, recurrence_rule, int(busy), ctx.key, ctx.made, seen_from, conference_url),
        ),
    )
    answers = responses or {}
    rows = [(organizer, event_id, "organizer", "accepted")]
    rows += [(who, event_id, "attendee", answers.get(who, "needs_action")) for who in attendees if who != organizer]
    rows += [(room, event_id, "room", "accepted")] if room is not None else []
    ctx.c.executemany("insert into invites (address, event_id, role, response, optional) values (?, ?, ?, ?, 0)", rows)
    ctx.touched.append(event_id)


def _is_all_day(start: int, end: int, zone: str) -> bool:
    tz = wire.zone_of(zone)
    first, last = datetime.fromtimestamp(start, tz), datetime.fromtimestamp(end, tz)
    return all((one.hour, one.minute, one.second) == (0, 0, 0) for one in (first, last))


def update_event(ctx: Context, args: Args) -> dict[str, Any]:
    one = _mine(ctx, args["event_id"], "change", "Ask the organizer, or suggest another time by mail.")
    if args.get("etag") is not None and args["etag"] != str(one.row["version"]):
        raise Conflict("the event changed since it was read", fix="Read it again.")
    start = wire.time_of(args, "start") or one.start
    end = wire.time_of(args, "end") or start + one.end - one.start
    is_moved = (start, end) != (one.start, one.end)
    row = _target(ctx, one, args)
    if row["recurrence"] is not None:
        shift, length = start - one.start, end - start
        start, end = row["start_at"] + shift, row["start_at"] + shift + length
        if is_moved:
            _forget_exceptions(ctx, row["event_id"])
    if not 0 < end - start <= LONGEST_S:
        raise InvalidCall("the end must be after the start, and within two months of it", fix="Check both times.")
    room = args.get("room") or row["room"]
    if room is not None and (is_moved or args.get("room")):
        room = _bookable(ctx, room, start, end, without=row["event_id"])
    ctx.c.execute(
        "update events set title = ?, start_at = ?, end_at = ?, all_day = ?, location = ?, description = ?, room = ?,"
        " version = version + 1 where event_id = ?",
        (
            *(args.get("title") or row["title"], start, end, int(_is_all_day(start, end, row["zone"]))),
            *(
                args.get("location", row["location"]),
                args.get("description", row["description"]),
                room,
                row["event_id"],
            ),
        ),
    )
    ctx.c.execute("delete from invites where event_id = ? and role = 'room'", (row["event_id"],))
    if room is not None:
        ctx.c.execute(
            "insert into invites (address, event_id, role, response, optional) values (?, ?, 'room', 'accepted', 0)",
            (room, row["event_id"]),
        )
    _change_attendees(ctx, row["event_id"], args, is_moved=is_moved)
    ctx.record_change("event", row["event_id"], "updated")
    return _shown(ctx, one.event_id if row["recurrence"] is None or not is_moved else row["event_id"])


def _change_attendees(ctx: Context, event_id: str, args: Args, *, is_moved: bool) -> None:
    before = {who["address"] for who in calendar.attendees_of(ctx.c, event_id)}
    added = [who for who in wire.addresses(args.get("add_attendees")) if who not in before and who != ctx.me]
    removed = [who for who in wire.addresses(args.get("remove_attendees")) if who in before]
    ctx.c.executemany(
        "insert into invites (address, event_id, role, response, optional) values (?, ?, 'attendee', 'needs_action', 0)",
        [(who, event_id) for who in added],
    )
    ctx.c.executemany(
        "delete from invites where event_id = ? and address = ? and role = 'attendee'",
        [(event_id, who) for who in removed],
    )
    if is_moved:
        ctx.c.execute(
            "update invites set response = 'needs_action' where event_id = ? and role = 'attendee'", (event_id,)
        )
    row = _row(ctx, event_id)
    _tell(ctx, row, sorted(before - set(removed)), "Updated invitation", number=0)
    _tell(ctx, row, added, "Invitation", number=1)
    _tell(ctx, row, removed, "Cancelled", number=2)


def cancel_event(ctx: Context, args: Args) -> dict[str, Any]:
    one = calendar.visible(ctx, args["event_id"])
    _check_organizer(ctx, one, "cancel", "Decline it instead, with calendar.respond.")
    if one.row["status"] == "cancelled":
        return {"event_id": one.event_id, "status": "cancelled"}
    row = _target(ctx, one, args)
    ctx.c.execute(
        "update events set status = 'cancelled', version = version + 1 where event_id = ? or (series_id = ? and ?)",
        (row["event_id"], row["event_id"], row["recurrence"] is not None),
    )
    ctx.record_change("event", row["event_id"], "cancelled")
    people = [who["address"] for who in calendar.attendees_of(ctx.c, row["event_id"])]
    _tell(ctx, _row(ctx, row["event_id"]), people, "Cancelled", number=0, message=args.get("message"))
    return {"event_id": one.event_id, "status": "cancelled"}


def respond(ctx: Context, args: Args) -> dict[str, Any]:
    """Answers do not change the etag: an organizer's approved change stays valid when somebody accepts."""
    one = calendar.visible(ctx, args["event_id"])
    if one.row["status"] == "cancelled":
        raise Conflict("the event is cancelled", fix="There is nothing to answer.")
    if all(who["address"] != ctx.me for who in calendar.attendees_of(ctx.c, one.row["event_id"])):
        raise Forbidden("this account is not invited to the event", fix="Only attendees can answer.")
    row = _target(ctx, one, {})
    ctx.c.execute(
        "update invites set response = ? where event_id = ? and address = ?",
        (args["response"], row["event_id"], ctx.me),
    )
    ctx.record_change("event", row["event_id"], args["response"])
    word = {"accepted": "Accepted", "declined": "Declined", "tentative": "Tentative"}[args["response"]]
    _tell(ctx, row, [row["organizer"]], word, number=0, message=args.get("message"))
    return _shown(ctx, one.event_id)


def _mine(ctx: Context, event_id: str, verb: str, fix: str) -> Occurrence:
    one = calendar.visible(ctx, event_id)
    _check_organizer(ctx, one, verb, fix)
    if one.row["status"] == "cancelled":
        raise Conflict("the event is cancelled", fix="Create a new one.")
    return one


def _check_organizer(ctx: Context, one: Occurrence, verb: str, fix: str) -> None:
    if one.row["organizer"] != ctx.me:
        raise Forbidden(f"only the organizer can {verb} this event", fix=fix)


def _target(ctx: Context, one: Occurrence, args: Args) -> sqlite3.Row:
    """The row a change goes to. An instance changed alone becomes a row of its own first."""
    series_id, _ = calendar.split_id(one.event_id)
    if series_id == one.event_id:
        if one.row["recurrence"] is not None and args.get("scope") == "this":
            raise InvalidCall("the id names a whole series", fix="Name one instance (…@time), or use scope series.")
        return one.row
    if args.get("scope") == "series":
        return _row(ctx, series_id)
    if one.is_instance:
        _set_apart(ctx, one, series_id)
    return _row(ctx, one.event_id)


def _set_apart(ctx: Context, one: Occurrence, series_id: str) -> None:
    ctx.c.execute(
        "insert into events (event_id, series_id, original_at, organizer, title, start_at, end_at, zone, all_day, location,"
        " description, room, status, visibility, recurrence, busy, version, key, made, seen_from, conference_url)"
        " select ?, event_id, ?, organizer, title, ?, ?, zone, all_day, location, description, room, status, visibility,"
        " null, busy, version, null, 1, seen_from, conference_url from events where event_id = ?",
        (one.event_id, one.start, one.start, one.end, series_id),
    )
    ctx.c.execute(
        "insert into invites (address, event_id, role, response, optional)"
        " select address, ?, role, response, optional from invites where event_id = ?",
        (one.event_id, series_id),
    )


def _forget_exceptions(ctx: Context, series_id: str) -> None:
    """A moved series starts afresh: its instances have new times, so changes to single ones no longer apply."""
    ctx.c.execute(
        "delete from invites where event_id in (select event_id from events where series_id = ?)", (series_id,)
    )
    ctx.c.execute("delete from events where series_id = ?", (series_id,))


def _row(ctx: Context, event_id: str) -> sqlite3.Row:
    row = calendar.find_row(ctx.c, event_id)
    assert row is not None  # written, or read, in this very transaction
    return row


def _shown(ctx: Context, event_id: str) -> dict[str, Any]:
    return calendar.show(ctx, calendar.visible(ctx, event_id), ctx.me)


def _bookable(ctx: Context, room: str | None, start: int, end: int, *, without: str) -> str | None:
    if room is None:
        return None
    address = wire.lower(room)
    if ctx.c.execute("select 1 from rooms where address = ?", (address,)).fetchone() is None:
        raise InvalidCall(f"there is no room {address!r}", fix="Choose one of calendar.list_rooms.")
    taken = calendar.busy_times(ctx.c, address, start, end, fresh_until=ctx.now, without=without)
    if not scheduling.is_free(scheduling.merge(taken), wire.moment(start), wire.moment(end)):
        raise Conflict("the room is taken at that time", fix="Choose another room or time.")
    return address


def _tell(
    ctx: Context, row: sqlite3.Row, people: Sequence[str], word: str, *, number: int, message: str | None = None
) -> None:
    tz = wire.zone_of(row["zone"])
    start, end = (datetime.fromtimestamp(row["start_at"], tz), datetime.fromtimestamp(row["end_at"], tz))
    day = f"{DAYS[start.weekday()].title()} {start:%d %b %Y}"
    when = f"{day} {start:%H:%M}–{end:%H:%M} ({row['zone']})"
    lines = [row["title"], when, row["location"], row["conference_url"], message or row["description"]]
    notice(
        ctx,
        number=number,
        author=ctx.me,
        author_name=my_name(ctx),
        to=[who for who in people if who != ctx.me],
        subject=f"{word}: {row['title']}",
        body="\n".join(line for line in lines if line),
        kind="invitation",
        thread_id=f"thr_{row['event_id'].removeprefix('evt_')}",
    )
