"""Changing events of a Google calendar. Each call makes one change on the wire, and never a second one to complete the first.

update_event reads, compares, and patches under If-Match, so that nothing written in between is lost; the key is kept with the event.
cancel_event patches the status, which is a deletion that carries our key and a word to the guests. respond patches the account's
own copy. Guests are told by `sendUpdates`, which every request names.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connectors.errors import Conflict, Forbidden, InvalidCall, NotFound
from connectors.google import calendar_guard as guard
from connectors.google import calendar_reads as reads
from connectors.google import calendar_values as values
from connectors.google.calendar_values import Args, Resource
from connectors.google.context import Context
from connectors.spec import Absent, Done, Reconciled

_OF_AN_ATTENDEE = (
    "email",
    "displayName",
    "optional",
    "resource",
    "responseStatus",
    "comment",
    "additionalGuests",
    "id",
)


# ---- update --------------------------------------------------------------------------------------------------------


def update_event(ctx: Context, args: Args) -> dict[str, Any]:
    event = _own(ctx, args["event_id"], "change", "Ask the organizer, or suggest another time by mail.")
    if event.get("status") == "cancelled":
        raise Conflict("the event is cancelled", fix="Create a new one.")
    target = _target(ctx, event, args)
    if guard.key_of(ctx) in guard.changes_of(target):
        return _after_change(ctx, event, target, args)
    before = reads.shown(ctx, event)
    if args.get("etag") is not None and args["etag"] != before["etag"]:
        raise Conflict("the event changed since it was read", fix="Read it again.")
    old = values.parse_time(before["start"], "start"), values.parse_time(before["end"], "end")
    new = _new_span(args, *old)
    body = _fields(args)
    if new != old:
        body |= _moved(ctx, target, old, new)
    attendees = _attendees(ctx, target, args, new=new, is_moved=new != old)
    if attendees is not None:
        body["attendees"] = attendees
    body["extendedProperties"] = guard.mark(target, guard.key_of(ctx))
    changed = ctx.request(
        "calendar.events.patch",
        calendarId="primary",
        eventId=target["id"],
        sendUpdates=guard.updates([*target.get("attendees", ()), *(attendees or ())]),
        body=body,
        if_match=target["etag"],
    )
    with guard.after_the_change():
        return _after_change(ctx, event, changed, args)


def updated(ctx: Context, args: Args) -> Reconciled:
    try:
        target = _standing(ctx, args)
    except NotFound:
        return Absent()
    if guard.key_of(ctx) not in guard.changes_of(target):
        return Absent()
    google_id, _ = values.split_id(args["event_id"])
    is_instance = target["id"] != google_id and "start" not in args and "end" not in args
    return Done(reads.shown(ctx, reads.raw_event(ctx, google_id) if is_instance else target))


def _after_change(ctx: Context, event: Resource, changed: Resource, args: Args) -> dict[str, Any]:
    if changed["id"] == event["id"] or not _answers_instance(event, args):
        return reads.shown(ctx, changed)
    return reads.shown(ctx, reads.raw_event(ctx, event["id"]))


def _answers_instance(event: Resource, args: Args) -> bool:
    """A change of a whole series is answered with the instance named, unless its time was changed: then that one is no more."""
    return bool(event.get("recurringEventId")) and "start" not in args and "end" not in args


def _fields(args: Args) -> Resource:
    names = {"title": "summary", "description": "description", "location": "location"}
    return {theirs: args[ours] for ours, theirs in names.items() if args.get(ours) is not None}


def _new_span(args: Args, start: datetime, end: datetime) -> tuple[datetime, datetime]:
    first = values.parse_time(args["start"], "start") if args.get("start") is not None else start
    last = values.parse_time(args["end"], "end") if args.get("end") is not None else first + (end - start)
    return guard.checked_span(first, last)


def _moved(
    ctx: Context,
    target: Resource,
    old: tuple[datetime, datetime],
    new: tuple[datetime, datetime],
) -> Resource:
    """Start and end of the event changed; of a series, moved on its own clock by as much as the instance named."""
    zone = target["start"].get("timeZone", "")
    home = reads.calendar_zone(ctx) if not zone or values.are_midnights(*new, zone) else ""
    zone = zone or home
    start, end = new
    if target.get("recurrence"):
        first, _ = values.event_span(target, zone)
        start = values.shifted(first, old[0], new[0], zone)
        end = start + (new[1] - new[0])
    first_time, last_time = values.event_times(start, end, zone, calendar_zone=home)
    if target.get("recurrence"):
        first_time["timeZone"] = last_time["timeZone"] = zone
    return {"start": first_time, "end": last_time}


def _attendees(
    ctx: Context, target: Resource, args: Args, *, new: tuple[datetime, datetime], is_moved: bool
) -> list[Resource] | None:
    """The whole new list, because a patch replaces lists; None when it stays as it is. A new time asks everybody again."""
    if target.get("attendeesOmitted"):
        raise InvalidCall("Google does not show all guests of this event", fix="Change it in Google Calendar.")
    known = reads.room_addresses(ctx)
    now = [_clean(who) for who in target.get("attendees", ())]
    room = args["room"].strip().lower() if args.get("room") else None
    booked = [who["email"] for who in now if values.is_room(who, known)]
    if room is not None or (is_moved and booked):
        guard.bookable(ctx, room or booked[0], *new, without=target["id"])
    guests = [who for who in now if not values.is_room(who, known) or room is None]
    removed = values.addresses(args.get("remove_attendees"))
    guests = [who for who in guests if who["email"] not in removed]
    there = {who["email"] for who in guests}
    guests += [
        {"email": who} for who in values.addresses(args.get("add_attendees")) if who not in there and who != ctx.me
    ]
    if room is not None:
        guests.append({"email": room, "resource": True})
    if is_moved:
        guests = [
            who if who["email"] == ctx.me or values.is_room(who, known) else who | {"responseStatus": "needsAction"}
            for who in guests
        ]
    return guests if guests != now else None


def _clean(who: Mapping[str, Any]) -> Resource:
    kept = {name: copy.deepcopy(who[name]) for name in _OF_AN_ATTENDEE if name in who}
    return kept | {"email": str(who.get("email", "")).lower()}


# ---- cancel, respond -----------------------------------------------------------------------------------------------


def cancel_event(ctx: Context, args: Args) -> dict[str, Any]:
    answer = {"event_id": args["event_id"], "status": "cancelled"}
    try:
        event = _own(ctx, args["event_id"], "cancel", "Decline it instead, with calendar.respond.")
    except NotFound:
        if _standing(ctx, args).get("status") != "cancelled":
            raise
        return answer
    if event.get("status") == "cancelled":
        return answer
    target = _target(ctx, event, args)
    body: Resource = {"status": "cancelled", "extendedProperties": guard.mark(target, guard.key_of(ctx))}
    if args.get("message"):
        body["description"] = "\n\n".join(part for part in (args["message"], target.get("description")) if part)
    try:
        ctx.request(
            "calendar.events.patch",
            calendarId="primary",
            eventId=target["id"],
            sendUpdates=guard.updates(target.get("attendees", ())),
            body=body,
        )
    except NotFound:  # 404 or 410: gone since it was read
        return answer
    return answer


def cancelled(ctx: Context, args: Args) -> Reconciled:
    """Google keeps an organizer's cancelled events, though of a single instance perhaps without our key. Then the attempt counts
    as absent: a second one sees that the event is cancelled, and changes nothing."""
    answer = {"event_id": args["event_id"], "status": "cancelled"}
    try:
        event = _standing(ctx, args)
    except NotFound:
        return Done(answer)  # Google has forgotten it
    return Done(answer) if guard.key_of(ctx) in guard.changes_of(event) else Absent()


def respond(ctx: Context, args: Args) -> dict[str, Any]:
    event = _found(ctx, args["event_id"])
    if event.get("status") == "cancelled":
        raise Conflict("the event is cancelled", fix="There is nothing to answer.")
    if guard.key_of(ctx) in guard.changes_of(event):
        return reads.shown(ctx, event)
    attendees = [_clean(who) for who in event.get("attendees", ())]
    if all(who["email"] != ctx.me for who in attendees):
        raise Forbidden("this account is not invited to the event", fix="Only attendees can answer.")
    for who in attendees:
        if who["email"] == ctx.me:
            who["responseStatus"] = args["response"]
            if args.get("message"):
                who["comment"] = args["message"]
    answered = ctx.request(
        "calendar.events.patch",
        calendarId="primary",
        eventId=event["id"],
        sendUpdates="all",
        body={
            "attendees": attendees,
            "extendedProperties": guard.mark(event, guard.key_of(ctx)),
        },
        if_match=event["etag"],
    )
    with guard.after_the_change():
        return reads.shown(ctx, answered)


def responded(ctx: Context, args: Args) -> Reconciled:
    try:
        event = _found(ctx, args["event_id"])
    except NotFound:
        return Absent()
    return Done(reads.shown(ctx, event)) if guard.key_of(ctx) in guard.changes_of(event) else Absent()


# ---- shared --------------------------------------------------------------------------------------------------------


def _found(ctx: Context, event_id: str) -> Resource:
    """The account's own copy, whosever calendar the id was read from."""
    google_id, _ = values.split_id(event_id)
    return reads.raw_event(ctx, google_id)


def _own(ctx: Context, event_id: str, verb: str, fix: str) -> Resource:
    google_id, place = values.split_id(event_id)
    try:
        event = reads.raw_event(ctx, google_id)
    except NotFound:
        if place == "primary":
            raise
        raise Forbidden(f"only the organizer can {verb} this event", fix=fix) from None
    if values.organizer_of(event, ctx.me) != ctx.me:
        raise Forbidden(f"only the organizer can {verb} this event", fix=fix)
    return event


def _target(ctx: Context, event: Resource, args: Args) -> Resource:
    """The event a change goes to: the one named, or its series."""
    if event.get("recurrence") and args.get("scope") == "this":
        raise InvalidCall("the id names a whole series", fix="Name one instance, or use scope series.")
    if args.get("scope") == "series" and event.get("recurringEventId"):
        return reads.raw_event(ctx, event["recurringEventId"])
    return event


def _standing(ctx: Context, args: Args) -> Resource:
    """What a change was meant for, as it stands: the event named, or its series where that was meant, or is all there still is
    (a moved or cancelled series has no instance at the old time)."""
    google_id, _ = values.split_id(args["event_id"])
    series, mark, _ = google_id.rpartition("_")
    try:
        event = reads.raw_event(ctx, google_id)
    except NotFound:
        if not mark:
            raise
        return reads.raw_event(ctx, series)
    return _target(ctx, event, args)
