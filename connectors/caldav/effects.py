"""Changing the account's calendar. Each effect reads what is there, and then makes one conditional PUT.

Nothing is deleted: a cancelled event stays, marked as cancelled, as people's calendar programs show it and as RFC 6638 servers
pass it on; a cancelled instance is taken out by EXDATE. Every object carries the keys of its last effects, so a second attempt
is absorbed and a lost answer is found again. Whether attendees are told is the server's affair, and the answer says it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from connectors import scheduling, wire
from connectors.caldav import expand, ical, reads, series
from connectors.caldav.expand import Occurrence
from connectors.caldav.home import Home, is_cancelled, is_off_component
from connectors.caldav.ical import PARTSTAT, ROOMS, Stored
from connectors.errors import Conflict, ConnectorError, Forbidden, InvalidCall, NotFound
from connectors.wire import Args

LONGEST = timedelta(days=62)
TOLD = "sent_by_server"
NOT_TOLD = "not_sent"  # this server keeps calendars only: whoever should know has to be written to


def uid_of(key: str) -> str:
    """The UID, and the address, of what is created under a key."""
    return f"deputy-{key}"


# ---- create ------------------------------------------------------------------------------------------------------------


def create_event(home: Home, args: Args, key: str) -> dict[str, Any]:
    import icalendar

    start, end = reads.time_of(args, "start"), reads.time_of(args, "end")
    _check_length(start, end)
    if args.get("conference"):
        raise InvalidCall(
            "a CalDAV calendar has no video calls to make a link for",
            fix="Leave conference out, and give a link of your own as location.",
        )
    zone = wire.zone_of(args.get("zone") or home.zone.key)
    event: Any = icalendar.Event()
    event.add("UID", uid_of(key))
    ical.touch(event, home.now, is_moved=False)
    is_all_day = series.set_times(home, event, start, end, zone)
    ical.set_value(event, "SUMMARY", ical.one_line(args["title"]))
    ical.set_value(event, "LOCATION", ical.one_line(args.get("location") or ""))
    ical.set_value(event, "DESCRIPTION", ical.many_lines(args.get("description") or ""))
    event.add("STATUS", "CONFIRMED")
    if args.get("visibility") == "private":
        event.add("CLASS", "PRIVATE")
    if args.get("recurrence") is not None:
        event.add("RRULE", ical.rule_of(args["recurrence"], int(start.timestamp()), zone.key, is_all_day=is_all_day))
    invited = [one for one in ical.addresses(args.get("attendees")) if one not in home.mine]
    room = _bookable(home, args.get("room"), start, end, without=None)
    _set_people(home, event, [ical.attendee(one) for one in invited])
    _set_room(home, event, room)
    calendar: Any = icalendar.Calendar()
    calendar.add("PRODID", ical.PRODUCT)
    calendar.add("VERSION", "2.0")
    calendar.add_component(event)
    made = Stored(url=home.url_of(uid_of(key)), etag="", calendar=calendar, uid=uid_of(key))
    ical.add_mark(made, "calendar.create_event", key, args)
    try:
        home.line.put(made.url, ical.text_of(calendar), etag=None)
    except Conflict:
        before = home.find(made.uid)  # an earlier attempt of this very effect
        if before is None:
            raise
        if ical.mark_of(before, "calendar.create_event", key) not in (None, ical.digest(args)):
            raise Conflict("this key has made another event", fix="Use a key of its own.") from None
        return _answer(home, before, ical.event_id_of(made.uid))
    return _answer(home, _again(home, made), ical.event_id_of(made.uid))


def _check_length(start: datetime, end: datetime) -> None:
    if not timedelta(0) < end - start <= LONGEST:
        raise InvalidCall("the end must be after the start, and within two months of it", fix="Check both times.")


def _bookable(home: Home, room: str | None, start: datetime, end: datetime, *, without: str | None) -> str | None:
    if not room:
        return None
    address = wire.lower(room)
    if address not in {one["address"] for one in home.rooms}:
        raise InvalidCall("there is no such room", fix="Choose one of calendar.list_rooms.")
    taken = home.busy_times(address, start, end, without=without)
    if taken and not scheduling.is_free(scheduling.merge(taken), start, end):
        raise Conflict("the room is taken at that time", fix="Choose another room or time.")
    return address


# ---- change, cancel, answer --------------------------------------------------------------------------------------------


def update_event(home: Home, args: Args, key: str) -> dict[str, Any]:
    one = _own(home, args, "calendar.update_event", key)
    if isinstance(one, dict):
        return one
    if is_cancelled(one):
        raise Conflict("the event is cancelled", fix="Create a new one.")
    if args.get("etag") is not None and args["etag"] != one.stored.etag:
        raise Conflict("the event changed since it was read", fix="Read it again.")
    start = reads.time_of(args, "start") if args.get("start") is not None else one.start
    end = reads.time_of(args, "end") if args.get("end") is not None else start + (one.end - one.start)
    _check_length(start, end)
    is_moved = (start, end) != (one.start, one.end)
    stored, event = series.target(home, one, args)
    is_whole_series = "RRULE" in event
    if is_moved and is_whole_series:
        series.move_series(home, stored, event, one, start, end)
    elif is_moved:
        series.set_times(home, event, start, end, wire.zone_of(ical.zone_name(event, home.zone)))
    for name, given in (("SUMMARY", "title"), ("LOCATION", "location")):
        if given in args and (args[given] or given != "title"):
            ical.set_value(event, name, ical.one_line(args[given]))
    if "description" in args:
        ical.set_value(event, "DESCRIPTION", ical.many_lines(args["description"]))
    _change_people(home, event, args, is_moved=is_moved)
    room = args.get("room") or _room_of(event)
    if room is not None and (is_moved or args.get("room")):
        is_known = wire.lower(room) in {known["address"] for known in home.rooms}
        if args.get("room") or is_known:  # a room of somebody else's making is kept, and cannot be asked
            room = _bookable(home, room, start, end, without=ical.event_id_of(stored.uid))
            _set_room(home, event, room)
    ical.touch(event, home.now, is_moved=True)
    return _put(home, stored, "calendar.update_event", args, key)


def cancel_event(home: Home, args: Args, key: str) -> dict[str, Any]:
    one = _own(home, args, "calendar.cancel_event", key)
    if isinstance(one, dict):
        return one
    is_off = is_cancelled(one) if args.get("scope") != "series" else all(map(is_off_component, one.stored.events))
    if is_off:
        return _answer_of(home, "calendar.cancel_event", args, one.stored)
    stored = ical.copy_of(one.stored)
    master = stored.master
    if one.original is None or args.get("scope") == "series" or master is None:
        if one.original is None and args.get("scope") == "this" and expand.is_series(stored):
            raise series.names_a_series()
        only = one.original if args.get("scope") != "series" else None  # invited to single instances only
        for event in stored.events:
            if only is None or series.is_at(home, event, only):
                _cancel(home, event, args)
    else:
        series.take_out(home, stored, master, one)
        _say(master, args)
        ical.touch(master, home.now, is_moved=True)
    try:
        return _put(home, stored, "calendar.cancel_event", args, key)
    except NotFound:  # somebody deleted it meanwhile: it is off
        return _answer_of(home, "calendar.cancel_event", args, stored)


def respond(home: Home, args: Args, key: str) -> dict[str, Any]:
    one = reads.visible(home, args["event_id"])
    if ical.mark_of(one.stored, "calendar.respond", key) is not None:
        return _answer_of(home, "calendar.respond", args, one.stored)
    if is_cancelled(one):
        raise Conflict("the event is cancelled", fix="There is nothing to answer.")
    if not any(ical.address_of(who) in home.mine for who in ical.people_of(one.component)):
        raise Forbidden("this account is not invited to the event", fix="Only attendees can answer.")
    stored, event = series.target(home, one, {})
    for who in ical.people_of(event):
        if ical.address_of(who) in home.mine:
            who.params["PARTSTAT"] = PARTSTAT[args["response"]]
            who.params.pop("RSVP", None)
    _say(event, args)
    ical.touch(event, home.now, is_moved=False)
    return _put(home, stored, "calendar.respond", args, key)


def _own(home: Home, args: Args, tool: str, key: str) -> Occurrence | dict[str, Any]:
    """The occurrence to change, or the answer where this very effect was made before. Forbidden of another's event."""
    one = reads.visible(home, args["event_id"])
    organizer = ical.address_of(one.component.get("ORGANIZER", ""))
    if "ORGANIZER" in one.component and organizer not in home.mine:
        is_change = tool == "calendar.update_event"
        fix = (
            "Ask the organizer, or suggest another time by mail." if is_change else "Decline it, with calendar.respond."
        )
        raise Forbidden(f"only the organizer can {'change' if is_change else 'cancel'} this event", fix=fix)
    if ical.mark_of(one.stored, tool, key) is not None:
        return _answer_of(home, tool, args, one.stored)
    return one


def _cancel(home: Home, event: Any, args: Args) -> None:
    ical.set_value(event, "STATUS", "CANCELLED")
    ical.set_value(event, "TRANSP", "TRANSPARENT")
    _say(event, args)
    ical.touch(event, home.now, is_moved=True)


def _say(event: Any, args: Args) -> None:
    if args.get("message"):
        ical.set_value(event, "COMMENT", ical.many_lines(args["message"]))


# ---- people ------------------------------------------------------------------------------------------------------------


def _change_people(home: Home, event: Any, args: Args, *, is_moved: bool) -> None:
    gone = set(ical.addresses(args.get("remove_attendees")))
    people = [who for who in ical.people_of(event) if ical.address_of(who) not in gone]
    here = {ical.address_of(who) for who in people}
    if is_moved:
        for who in people:
            if ical.address_of(who) not in home.mine:
                who.params["PARTSTAT"] = "NEEDS-ACTION"
                who.params["RSVP"] = "TRUE"
    added = [one for one in ical.addresses(args.get("add_attendees")) if one not in here and one not in home.mine]
    _set_people(home, event, [*people, *(ical.attendee(one) for one in added)])


def _set_people(home: Home, event: Any, people: list[Any]) -> None:
    event.pop("ATTENDEE", None)
    for who in people:
        address = ical.address_of(who) or ""
        name = ical.one_line(home.name_of(address)).replace('"', "'")
        if "CN" not in who.params and name != address:
            who.params["CN"] = name  # others see it who know nobody here
        event.add("ATTENDEE", who, encode=False)
    if people and "ORGANIZER" not in event:
        event.add("ORGANIZER", f"mailto:{home.me}")


def _set_room(home: Home, event: Any, room: str | None) -> None:
    others = [who for who in ical.people_of(event) if str(who.params.get("CUTYPE", "")).upper() not in ROOMS]
    _set_people(home, event, [*others, *([ical.attendee(room, is_room=True)] if room else [])])


def _room_of(event: Any) -> str | None:
    rooms = (who for who in ical.people_of(event) if str(who.params.get("CUTYPE", "")).upper() in ROOMS)
    return next((address for who in rooms if (address := ical.address_of(who))), None)


# ---- the one PUT, and what is answered ---------------------------------------------------------------------------------


def _put(home: Home, stored: Stored, tool: str, args: Args, key: str) -> dict[str, Any]:
    ical.add_mark(stored, tool, key, args)
    if not stored.etag:
        raise Conflict("the server does not say which version this is", fix="Change it in a calendar program.")
    home.line.put(stored.url, ical.text_of(stored.calendar), etag=stored.etag)
    return _answer_of(home, tool, args, _again(home, stored))


def _again(home: Home, stored: Stored) -> Stored:
    """As the server keeps it; as it was sent where that cannot be read now, for the change is made."""
    try:
        found = home.line.get(stored.url)
    except ConnectorError:
        found = None
    read = None if found is None else ical.parse(found[0], stored.url, found[1])
    return read or Stored(url=stored.url, etag="", calendar=stored.calendar, uid=stored.uid)


def _answer(home: Home, stored: Stored, event_id: str) -> dict[str, Any]:
    one = _named(home, stored, event_id)
    told = {} if not any(ical.people_of(one.component)) else {"invitations": TOLD if home.schedules else NOT_TOLD}
    return reads.show(home, one, home.me) | told


def _answer_of(home: Home, tool: str, args: Args, stored: Stored) -> dict[str, Any]:
    """What a call that changed this object answers, also when it is found again."""
    event_id: str = args["event_id"]
    if tool == "calendar.cancel_event":
        has_people = any(ical.people_of(event) for event in stored.events)
        told = {"invitations": TOLD if home.schedules else NOT_TOLD} if has_people else {}
        return {"event_id": event_id, "status": "cancelled"} | told
    return _answer(home, stored, ical.event_id_of(stored.uid) if args.get("scope") == "series" else event_id)


def _named(home: Home, stored: Stored, event_id: str) -> Occurrence:
    _, original = ical.split_id(event_id)
    one = expand.whole(stored, home.zone) if original is None else expand.instance(stored, original, home.zone)
    one = one or expand.whole(stored, home.zone)
    if one is None:
        raise NotFound("the event is no longer there", fix="Find it with calendar.list_events.")
    return one


def found_again(home: Home, tool: str, args: Args, key: str) -> dict[str, Any] | None:
    """The answer of an effect that was made, by what its object carries; None without a trace of it. Reads only."""
    if tool == "calendar.create_event":
        made = home.find(uid_of(key))
        return None if made is None else _answer(home, made, ical.event_id_of(made.uid))
    uid, _ = ical.split_id(args["event_id"])
    stored = None if uid is None else home.find(uid)
    if stored is None:
        is_off = tool == "calendar.cancel_event"
        return {"event_id": args["event_id"], "status": "cancelled"} if is_off else None
    return None if ical.mark_of(stored, tool, key) is None else _answer_of(home, tool, args, stored)
