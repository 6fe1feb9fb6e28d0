"""What a person who approves a change of a Google calendar takes for granted, and whether it still holds. Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from connectors import scheduling
from connectors.errors import NotFound
from connectors.google import calendar_reads as reads
from connectors.google import calendar_values as values
from connectors.google.calendar_values import Args
from connectors.google.context import Context
from connectors.spec import Precondition

FREE = "free"
NOT_PAST = "not_past"
UNCHANGED = "unchanged"
CHANGES = frozenset({"calendar.update_event", "calendar.cancel_event", "calendar.respond"})


def of(ctx: Context, tool: str, args: Args) -> list[Precondition]:
    """Only what is true now: somebody who is busy already was seen to be busy by whoever approves. `ctx.clock` says now."""
    if tool == "calendar.create_event":
        return list(_of_new_event(ctx, args))
    return list(_of_changed_event(ctx, tool, args)) if tool in CHANGES else []


def broken(ctx: Context, precondition: Precondition) -> str | None:
    """None while it holds, else what changed."""
    args = precondition.args
    match precondition.kind:
        case "free":
            start, end = values.parse_time(args["start"], "start"), values.parse_time(args["end"], "end")
            free = reads.is_free(ctx, args["address"], start, end, without=args["without"])
            return f"{args['name']} is no longer free at {args['when']}" if free is False else None
        case "not_past":
            return None if values.parse_time(args["start"], "start") > ctx.clock() else f"{args['when']} is past"
        case "unchanged":
            try:
                event = reads.get_event(ctx, {"event_id": args["event_id"]})
            except NotFound:
                return "The event is cancelled"
            if event["status"] == "cancelled":
                return "The event is cancelled"
            return None if event["etag"] == args["etag"] else "The event was changed in the meantime"
        case kind:
            return f"The calendar knows no condition {kind!r}"


def _of_new_event(ctx: Context, args: Args) -> Iterator[Precondition]:
    start, end = values.span_of(args)
    people = [
        ctx.me,
        *values.addresses(args.get("attendees")),
        *values.addresses([args["room"]] if args.get("room") else []),
    ]
    when = _when(start, end, reads.calendar_zone(ctx))
    yield from _not_past(ctx, start, when)
    yield from _free(ctx, {who: who for who in people}, start, end, when, without=None)


def _of_changed_event(ctx: Context, tool: str, args: Args) -> Iterator[Precondition]:
    event = reads.get_event(ctx, args)
    if event["status"] == "cancelled":
        return
    told = {"event_id": args["event_id"], "etag": event["etag"]}
    yield Precondition(kind=UNCHANGED, args=told, text=f"“{event['title']}” is as it was read")
    old = values.span_of(event)
    start = values.parse_time(args["start"], "start") if args.get("start") is not None else old[0]
    end = values.parse_time(args["end"], "end") if args.get("end") is not None else start + (old[1] - old[0])
    when = _when(start, end, reads.calendar_zone(ctx))
    if event["recurrence"] is None:  # a whole series began in the past
        yield from _not_past(ctx, start, when)
    if tool != "calendar.update_event" or (start, end) == old or end <= start:
        return
    removed = values.addresses(args.get("remove_attendees"))
    names = {ctx.me: ctx.me} | {
        who["address"]: who["name"]
        for who in event["attendees"]
        if who["response"] != "declined" and who["address"] not in removed
    }
    names |= {who: names.get(who, who) for who in values.addresses(args.get("add_attendees"))}
    room = args.get("room") or event["room"]
    names |= {room.strip().lower(): room} if room else {}
    is_series = args.get("scope") == "series" and event["series_id"] is not None
    without, _ = values.split_id(event["series_id"] if is_series else args["event_id"])
    yield from _free(ctx, names, start, end, when, without=without)


def _free(
    ctx: Context, names: dict[str, str], start: datetime, end: datetime, when: str, *, without: str | None
) -> Iterator[Precondition]:
    """Of those who are free now; all are asked about at once, and only whoever seems busy once more."""
    for address, busy in reads.busy_times(ctx, list(names), start, end).items():
        if busy and (without is None or not reads.is_free(ctx, address, start, end, without=without)):
            continue
        told: dict[str, Any] = {"address": address, "name": names[address], "when": when, "without": without}
        yield Precondition(
            kind=FREE,
            args=told | {"start": values.iso(start), "end": values.iso(end)},
            text=f"{names[address]} is free on {when}",
        )


def _not_past(ctx: Context, start: datetime, when: str) -> Iterator[Precondition]:
    if start > ctx.clock():
        told = {"start": values.iso(start), "when": when}
        yield Precondition(kind=NOT_PAST, args=told, text=f"{when} is still to come")


def _when(start: datetime, end: datetime, zone: str) -> str:
    """On the account's own clock, e.g. "Tue 24 Nov 10:00–10:30"."""
    tz = values.zone_of(zone)
    first, last = start.astimezone(tz), end.astimezone(tz)
    return f"{scheduling.DAYS[first.weekday()].title()} {first:%d %b %H:%M}–{last:%H:%M}"
