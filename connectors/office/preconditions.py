"""What a person who approves an effect on the office takes for granted, and whether it still holds."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from connectors import scheduling, wire
from connectors.errors import NotFound
from connectors.office import calendar, chat_scheduled, directory, mail
from connectors.office.context import Context
from connectors.spec import Precondition
from connectors.wire import Args

FREE = "free"
NOT_PAST = "not_past"
UNCHANGED = "unchanged"
NEWEST = "newest"
LATEST = "latest"


def of(ctx: Context, tool: str, args: Args) -> list[Precondition]:
    """Only what is true now: somebody who is busy already was seen to be busy by whoever approves."""
    candidates: Iterable[Precondition]
    match tool:
        case "calendar.create_event":
            candidates = _of_new_event(ctx, args)
        case "calendar.update_event" | "calendar.cancel_event" | "calendar.respond":
            candidates = _of_changed_event(ctx, tool, args)
        case "chat.schedule_message":
            candidates = [_still_to_come(ctx, wire.parse_time(args["send_at"], "send_at"))]
        case "chat.cancel_scheduled":
            candidates = [_still_to_come(ctx, chat_scheduled.due_at(ctx, args["scheduled_id"]))]
        case "mail.reply" | "mail.forward":
            copy = mail.own_copy(ctx, args["message_id"])
            newest = mail.newest_in_thread(ctx, copy["thread_id"])
            candidates = [
                Precondition(
                    kind=NEWEST,
                    args={"thread_id": copy["thread_id"], "message_id": newest},
                    text=f"No newer message in “{copy['subject']}”",
                )
            ]
            if tool == "mail.reply" and copy["author"] != ctx.me:
                latest = Precondition(
                    kind=LATEST,
                    args={"author": copy["author"], "message_id": args["message_id"]},
                    text=f"Nothing newer to you from {_name(ctx, copy['author'])}",
                )
                candidates = [*candidates, latest]
        case _:
            candidates = []
    return [one for one in candidates if broken(ctx, one) is None]


def broken(ctx: Context, precondition: Precondition) -> str | None:
    """None while it holds, else what changed. The account's own view, and `ctx.now`."""
    args = precondition.args
    match precondition.kind:
        case "free":
            times = calendar.busy_times(
                ctx.c, args["address"], args["start"], args["end"], fresh_until=ctx.now, without=args["without"]
            )
            free = scheduling.is_free(scheduling.merge(times), wire.moment(args["start"]), wire.moment(args["end"]))
            return None if free else f"{_name(ctx, args['address'])} is no longer free at {args['when']}"
        case "not_past":
            return None if args["start"] > ctx.now else f"{args['when']} is past"
        case "unchanged":
            one = calendar.find(ctx.c, args["event_id"])
            if one is None or one.row["status"] == "cancelled":
                return "The event is cancelled"
            return None if str(one.row["version"]) == args["etag"] else "The event was changed in the meantime"
        case "newest":
            newest = mail.newest_in_thread(ctx, args["thread_id"])
            return None if newest == args["message_id"] else "A newer message has arrived in the thread"
        case "latest":
            latest = mail.latest_from(ctx, args["author"])
            return None if latest == args["message_id"] else f"{_name(ctx, args['author'])} has written again"
        case kind:
            return f"The office knows no condition {kind!r}"


def _of_new_event(ctx: Context, args: Args) -> list[Precondition]:
    start, end = (wire.parse_time(args["start"], "start"), wire.parse_time(args["end"], "end"))
    people = list(dict.fromkeys([ctx.me, *wire.addresses(args.get("attendees"))]))
    rooms = [wire.lower(args["room"])] if args.get("room") else []
    return [_not_past(ctx, start, end), *_free(ctx, [*people, *rooms], start, end, without=None)]


def _of_changed_event(ctx: Context, tool: str, args: Args) -> Iterable[Precondition]:
    one = calendar.find(ctx.c, args["event_id"])
    if one is None:
        raise NotFound(f"there is no event {args['event_id']!r}", fix="Find it with calendar.list_events.")
    yield Precondition(
        kind=UNCHANGED,
        args={"event_id": one.event_id, "etag": str(one.row["version"])},
        text=f"“{calendar.show(ctx, one, ctx.me)['title']}” is as it was read",
    )
    start = wire.time_of(args, "start") or one.start
    end = wire.time_of(args, "end") or start + one.end - one.start
    if not (
        one.row["recurrence"] is not None and one.event_id == one.row["event_id"]
    ):  # a whole series began in the past
        yield _not_past(ctx, start, end)
    if tool == "calendar.update_event" and (start, end) != (one.start, one.end):
        attendees = [
            who["address"]
            for who in calendar.attendees_of(ctx.c, one.row["event_id"])
            if who["response"] != "declined" and who["address"] not in wire.addresses(args.get("remove_attendees"))
        ]
        people = list(dict.fromkeys([ctx.me, *attendees, *wire.addresses(args.get("add_attendees"))]))
        room = args.get("room") or one.row["room"]
        yield from _free(ctx, [*people, *([room] if room else [])], start, end, without=one.event_id)


def _free(ctx: Context, addresses: list[str], start: int, end: int, *, without: str | None) -> list[Precondition]:
    when = _when(ctx, start, end)
    return [
        Precondition(
            kind=FREE,
            args={"address": address, "start": start, "end": end, "when": when, "without": without},
            text=f"{_name(ctx, address)} is free on {when}",
        )
        for address in addresses
        if calendar.is_visible(ctx.c, address)
    ]


def _not_past(ctx: Context, start: int, end: int) -> Precondition:
    when = _when(ctx, start, end)
    return Precondition(kind=NOT_PAST, args={"start": start, "when": when}, text=f"{when} is still to come")


def _still_to_come(ctx: Context, at: int) -> Precondition:
    when = _local(ctx, at)
    text = f"{_moment(when)} is still to come"
    return Precondition(kind=NOT_PAST, args={"start": at, "when": _moment(when)}, text=text)


def _when(ctx: Context, start: int, end: int) -> str:
    """On the account's own clock, e.g. "Tue 24 Nov 10:00–10:30"."""
    return f"{_moment(_local(ctx, start))}–{_local(ctx, end):%H:%M}"


def _local(ctx: Context, at: int) -> datetime:
    person: dict[str, Any] = directory.find(ctx.c, ctx.me) or {"zone": "UTC"}
    return datetime.fromtimestamp(at, wire.zone_of(person["zone"]))


def _moment(when: datetime) -> str:
    return f"{scheduling.DAYS[when.weekday()].title()} {when:%d %b %H:%M}"


def _name(ctx: Context, address: str) -> str:
    row = ctx.c.execute(
        "select name from people where address = ? union all select name from rooms where address = ?",
        (address, address),
    ).fetchone()
    return address if row is None else str(row["name"])
