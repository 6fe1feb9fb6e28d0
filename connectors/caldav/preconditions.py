"""What a person who approves a change to the calendar takes for granted, and whether it still holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from connectors import scheduling, wire
from connectors.caldav import ical, reads
from connectors.caldav.home import Home, is_cancelled
from connectors.caldav.reads import find, visible
from connectors.spec import Precondition
from connectors.wire import Args

# Answers of attendees are none of these: an organizer's approved change stays valid when somebody accepts.
READ = ("title", "start", "end", "zone", "location", "description", "organizer", "room", "visibility", "recurrence")


def of(home: Home, tool: str, args: Args) -> list[Precondition]:
    """Only what is true now: somebody who is busy already was seen to be busy by whoever approves."""
    candidates: Iterable[Precondition]
    match tool:
        case "calendar.create_event":
            candidates = _of_new_event(home, args)
        case "calendar.update_event" | "calendar.cancel_event" | "calendar.respond":
            candidates = _of_changed_event(home, tool, args)
        case _:
            candidates = ()
    return [one for one in candidates if broken(home, one) is None]


def broken(home: Home, precondition: Precondition) -> str | None:
    """None while it holds, else what changed. The account's own view, and `home.now`."""
    args = precondition.args
    match precondition.kind:
        case "free":
            start, end = wire.moment(args["start"]), wire.moment(args["end"])
            times = home.busy_times(args["address"], start, end, without=args["without"])
            if times is None:
                return f"Whether {home.name_of(args['address'])} is free at {args['when']} can no longer be seen"
            is_free = scheduling.is_free(scheduling.merge(times), start, end)
            return None if is_free else f"{home.name_of(args['address'])} is no longer free at {args['when']}"
        case "not_past":
            return None if args["start"] > home.now.timestamp() else f"{args['when']} is past"
        case "unchanged":
            one = find(home, args["event_id"])
            if one is None or is_cancelled(one):
                return "The event is cancelled"
            return (
                None
                if _fingerprint(home, args["event_id"]) == args["as_read"]
                else "The event was changed in the meantime"
            )
        case "nobody_told":
            return None if not home.schedules else "The calendar server has begun to send invitations by itself"
        case kind:
            return f"The calendar knows no condition {kind!r}"


def _of_new_event(home: Home, args: Args) -> Iterable[Precondition]:
    start, end = reads.time_of(args, "start"), reads.time_of(args, "end")
    invited = [one for one in ical.addresses(args.get("attendees")) if one not in home.mine]
    rooms = [wire.lower(args["room"])] if args.get("room") else []
    yield _not_past(home, start, end)
    yield from _free(home, [home.me, *invited, *rooms], start, end, without=None)
    if invited or rooms:
        yield _nobody_told()


def _of_changed_event(home: Home, tool: str, args: Args) -> Iterable[Precondition]:
    one = visible(home, args["event_id"])
    shown = reads.show(home, one, home.me)
    yield Precondition(
        kind="unchanged",
        args={"event_id": one.event_id, "as_read": _digest(shown)},
        text=f"“{ical.one_line(shown['title'])}” is as it was read",
    )
    start = reads.time_of(args, "start") if args.get("start") is not None else one.start
    end = reads.time_of(args, "end") if args.get("end") is not None else start + (one.end - one.start)
    if one.original is not None or shown["recurrence"] is None:  # a whole series began in the past
        yield _not_past(home, start, end)
    staying = [who["address"] for who in shown["attendees"]]
    if tool == "calendar.update_event" and (start, end) != (one.start, one.end):
        gone = set(ical.addresses(args.get("remove_attendees")))
        people = [who["address"] for who in shown["attendees"] if who["response"] != "declined"]
        people = [who for who in people if who not in gone] + ical.addresses(args.get("add_attendees"))
        room = args.get("room") or shown["room"]
        without = ical.event_id_of(one.stored.uid) if args.get("scope") == "series" else one.event_id
        everybody = dict.fromkeys([home.me, *people, *([wire.lower(room)] if room else [])])
        yield from _free(home, list(everybody), start, end, without=without)
    if staying or args.get("add_attendees") or shown["room"]:
        yield _nobody_told()


def _free(
    home: Home, addresses: list[str], start: datetime, end: datetime, *, without: str | None
) -> list[Precondition]:
    when = _when(home, start, end)
    span = {"start": int(start.timestamp()), "end": int(end.timestamp()), "when": when, "without": without}
    return [
        Precondition(kind="free", args={"address": who, **span}, text=f"{home.name_of(who)} is free on {when}")
        for who in addresses
        if home.collections_of(who)
    ]


def _not_past(home: Home, start: datetime, end: datetime) -> Precondition:
    when = _when(home, start, end)
    return Precondition(
        kind="not_past", args={"start": int(start.timestamp()), "when": when}, text=f"{when} is still to come"
    )


def _nobody_told() -> Precondition:
    """True of servers without scheduling: the card says so before anybody relies on an invitation."""
    return Precondition(
        kind="nobody_told", args={}, text="This calendar server sends no invitations: the others are not told of it"
    )


def _fingerprint(home: Home, event_id: str) -> str:
    return _digest(reads.show(home, visible(home, event_id), home.me))


def _digest(shown: dict[str, Any]) -> str:
    read = {name: shown[name] for name in READ} | {"attendees": [who["address"] for who in shown["attendees"]]}
    return hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()


def _when(home: Home, start: datetime, end: datetime) -> str:
    """On the account's own clock, e.g. "Tue 24 Nov 10:00–10:30"."""
    first, last = start.astimezone(home.zone), end.astimezone(home.zone)
    return f"{scheduling.DAYS[first.weekday()].title()} {first:%d %b %H:%M}–{last:%H:%M}"
