"""Creating an event, once: its id is made from the key, so that Google refuses a second one with 409. What stands there is then
read and compared, and is the answer if it is ours. One insert carries everything, and tells the guests.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from connectors.errors import Conflict, InvalidCall, NotFound
from connectors.google import calendar_guard as guard
from connectors.google import calendar_reads as reads
from connectors.google import calendar_values as values
from connectors.google.calendar_values import Args, Resource
from connectors.google.context import Context
from connectors.spec import Absent, Done, Reconciled


def create_event(ctx: Context, args: Args) -> dict[str, Any]:
    start, end = guard.checked_span(*values.span_of(args))
    guests = [who for who in values.addresses(args.get("attendees")) if who != ctx.me]
    home = reads.calendar_zone(ctx)
    zone = values.zone_of(args.get("zone") or home).key
    attendees: list[Resource] = [{"email": who} for who in guests]
    event_id = values.client_id(guard.key_of(ctx))
    if args.get("room"):  # an attempt before this one may have booked it already
        attendees.append({"email": guard.bookable(ctx, args["room"], start, end, without=event_id), "resource": True})
    first, last = values.event_times(start, end, zone, calendar_zone=home)
    body: Resource = {
        "id": event_id,
        "summary": args["title"],
        "start": _without_none(first),
        "end": _without_none(last),
        "extendedProperties": {"private": {values.KEY: guard.key_of(ctx), values.ARGS: values.digest(args)}},
    }
    body |= {name: args[name] for name in ("description", "location") if args.get(name)}
    if attendees:
        body["attendees"] = attendees
    if args.get("visibility") == "private":
        body["visibility"] = "private"
    if args.get("recurrence") is not None:
        body["recurrence"] = [_rule(args["recurrence"], start)]
        for when in (body["start"], body["end"]):
            when.setdefault("timeZone", zone)
    params: dict[str, Any] = {}
    by_default = ctx.account.settings.get("conference") == "meet" and bool(guests)
    if args.get("conference", by_default):
        key = {"conferenceSolutionKey": {"type": "hangoutsMeet"}, "requestId": event_id}
        body["conferenceData"] = {"createRequest": key}
        params["conferenceDataVersion"] = 1
    try:
        made = ctx.request(
            "calendar.events.insert", calendarId="primary", sendUpdates=guard.updates(attendees), body=body, **params
        )
    except Conflict:
        made = reads.raw_event(ctx, event_id)
        if not _is_made_by(made, guard.key_of(ctx), args):
            raise Conflict("another event was created with this key", fix="Use a key of its own.") from None
    with guard.after_the_change():
        return reads.shown(ctx, made)


def created(ctx: Context, args: Args) -> Reconciled:
    """What became of a create: Google's answer to the id made from the key."""
    try:
        made = reads.raw_event(ctx, values.client_id(guard.key_of(ctx)))
    except NotFound:
        return Absent()
    if not _is_made_by(made, guard.key_of(ctx), args):
        return Absent()
    return Done(reads.shown(ctx, made))


def _is_made_by(event: Resource, key: str, args: Args) -> bool:
    told = values.private_properties(event)
    return told.get(values.KEY) == key and told.get(values.ARGS) == values.digest(args)


def _rule(text: str, start: datetime) -> str:
    from dateutil.rrule import rrulestr

    rule = text if text.upper().startswith("RRULE:") else f"RRULE:{text}"
    try:
        if "\n" in text or "\r" in text:
            raise ValueError("more than one rule")
        rrulestr(rule, dtstart=start)
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidCall(
            f"the recurrence {text!r} is not an RRULE", fix="Write e.g. RRULE:FREQ=WEEKLY;COUNT=10 (UNTIL in UTC)."
        ) from error
    return rule


def _without_none(when: Resource) -> Resource:
    return {name: value for name, value in when.items() if value is not None}
