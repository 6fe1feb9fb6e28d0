"""events.insert, patch, update and delete: what they refuse, what they keep, and whom they tell."""

from __future__ import annotations

import copy
import re
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from tests.services.google_calendar import times
from tests.services.google_calendar.calendars import Calendar, Resource
from tests.services.google_calendar.discovery import Refusal
from tests.services.google_calendar.world import World, attendee

READ_ONLY = frozenset(
    ("id", "kind", "etag", "created", "updated", "creator", "organizer", "htmlLink", "hangoutLink", "recurringEventId")
    + ("originalStartTime", "iCalUID", "locked", "attendeesOmitted")
)
ORGANIZERS = ("summary", "description", "location", "start", "end", "recurrence", "visibility", "transparency")


def insert(world: World, reader: str, query: Mapping[str, Any], body: Resource) -> Resource:
    calendar, _ = world.calendar(query["calendarId"], reader, to="write")
    event_id = body.get("id") or uuid.uuid4().hex
    if re.fullmatch(r"[a-v0-9]{5,1024}", event_id) is None:
        raise Refusal(400, "invalid", "Invalid resource id value.")
    if event_id in calendar.events:
        raise Refusal(409, "duplicate", "The requested identifier already exists.")
    organizer = {"email": calendar.calendar_id, "displayName": calendar.name}
    event: Resource = {
        "id": event_id,
        "iCalUID": f"{event_id}@google.com",
        "status": "confirmed",
        "organizer": organizer,
        "creator": {"email": reader},
        "created": world.now().isoformat(timespec="milliseconds"),
        "sequence": 0,
        "eventType": "default",
    } | {name: value for name, value in body.items() if name not in READ_ONLY and value is not None}
    _settle(world, calendar, event, query)
    world.answer_as_room(event)
    calendar.store(event, now=world.now())
    world.publish(event)
    world.tell("insert", event, calendar.calendar_id, dict(query))
    return calendar.show(event, "owner")


def patch(world: World, reader: str, query: Mapping[str, Any], body: Resource, *, if_match: str | None) -> Resource:
    """Fields given replace what was there, objects are merged, arrays are replaced whole, null takes away."""
    calendar, _ = world.calendar(query["calendarId"], reader, to="write")
    before = calendar.find(query["eventId"])
    _check_match(before, if_match)
    changes = {name: value for name, value in body.items() if name not in READ_ONLY}
    return _change(world, calendar, before, _merged(before, changes), query, "patch")


def update(world: World, reader: str, query: Mapping[str, Any], body: Resource, *, if_match: str | None) -> Resource:
    """The body replaces everything that may be written."""
    calendar, _ = world.calendar(query["calendarId"], reader, to="write")
    before = calendar.find(query["eventId"])
    _check_match(before, if_match)
    kept = {name: value for name, value in before.items() if name in READ_ONLY or name in ("sequence", "status")}
    after = kept | {name: value for name, value in body.items() if name not in READ_ONLY and value is not None}
    return _change(world, calendar, before, after, query, "update")


def delete(world: World, reader: str, query: Mapping[str, Any], *, if_match: str | None) -> None:
    calendar, _ = world.calendar(query["calendarId"], reader, to="write")
    event = calendar.find(query["eventId"])
    _check_match(event, if_match)
    if event["status"] == "cancelled":
        raise Refusal(410, "deleted", "Resource has been deleted")
    _cancel(world, calendar, copy.deepcopy(event), query, "delete")


def _change(
    world: World, calendar: Calendar, before: Resource, after: Resource, query: Mapping[str, Any], verb: str
) -> Resource:
    if after.get("status") == "cancelled" and before["status"] != "cancelled":
        return calendar.show(_cancel(world, calendar, after, query, verb), "owner")
    if before["organizer"]["email"] != calendar.calendar_id:
        return _change_own_copy(world, calendar, before, after, query, verb)
    _settle(world, calendar, after, query)
    if (after["start"], after["end"], after.get("recurrence")) != (
        *(before["start"], before["end"]),
        before.get("recurrence"),
    ):
        after["sequence"] = int(after["sequence"]) + 1
        world.answer_as_room(after)
        if before.get("recurrence"):
            _forget_exceptions(world, before["id"])
    removed = {who["email"] for who in before.get("attendees", ())} - {
        who["email"] for who in after.get("attendees", ())
    }
    calendar.store(after, now=world.now())
    world.publish(after, removed=sorted(removed))
    world.tell(verb, after, calendar.calendar_id, dict(query))
    return calendar.show(after, "owner")


def _change_own_copy(
    world: World, calendar: Calendar, before: Resource, after: Resource, query: Mapping[str, Any], verb: str
) -> Resource:
    """A guest answers, and keeps things of their own; the event itself is the organizer's."""
    for name in ORGANIZERS:
        same = before.get(name) == after.get(name)
        if not same and (name not in ("start", "end") or _differs(calendar, before, after, name)):
            raise Refusal(403, "forbiddenForNonOrganizer", "Shared properties can only be changed by the organizer.")
    mine = next((who for who in after.get("attendees", ()) if who["email"].lower() == calendar.calendar_id), None)
    was = next((who for who in before.get("attendees", ()) if who["email"] == calendar.calendar_id), None)
    after = after | {name: before[name] for name in (*ORGANIZERS, "attendees") if name in before}
    calendar.store(after, now=world.now())
    if mine is not None and was is not None:
        answer = {name: mine[name] for name in ("responseStatus", "comment", "additionalGuests") if name in mine}
        world.spread_response(after, calendar.calendar_id, answer)
        world.tell(verb, {"id": after["id"], "attendees": [before["organizer"]]}, calendar.calendar_id, dict(query))
    return calendar.show(calendar.events[after["id"]], "owner")


def _differs(calendar: Calendar, before: Resource, after: Resource, name: str) -> bool:
    one, two = (times.parse_when(event[name], calendar.zone, name) for event in (before, after))
    return one != two


def _cancel(world: World, calendar: Calendar, event: Resource, query: Mapping[str, Any], verb: str) -> Resource:
    event["status"] = "cancelled"
    if event["organizer"]["email"] != calendar.calendar_id:
        calendar.store(event, now=world.now())
        world.spread_response(event, calendar.calendar_id, {"responseStatus": "declined"})
        calendar.events[event["id"]]["status"] = "cancelled"  # gone from this calendar alone
        return event
    if event.get("recurrence"):
        _forget_exceptions(world, event["id"])
    calendar.store(event, now=world.now())
    world.publish(event)
    world.tell(verb, event, calendar.calendar_id, dict(query))
    return event


def _forget_exceptions(world: World, series_id: str) -> None:
    for calendar in world.calendars.values():
        for one in calendar.exceptions(series_id):
            calendar.drop(one["id"])


def _check_match(event: Resource, if_match: str | None) -> None:
    if if_match not in (None, "*", event["etag"]):
        raise Refusal(412, "conditionNotMet", "Precondition Failed")


def _merged(before: Any, changes: Any) -> Any:
    if not isinstance(before, dict) or not isinstance(changes, dict):
        return copy.deepcopy(changes)
    result = copy.deepcopy(before)
    for name, value in changes.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merged(result.get(name), value)
    return result


def _settle(world: World, calendar: Calendar, event: Resource, query: Mapping[str, Any]) -> None:
    """Checks an event and writes it as it is stored. Mutates it."""
    start, end = (times.parse_when(event.get(name), calendar.zone, name) for name in ("start", "end"))
    if isinstance(start, datetime) != isinstance(end, datetime):
        raise Refusal(400, "invalid", "Start and end times must either both be date or both be dateTime.")
    if times.instant(end, calendar.zone) < times.instant(start, calendar.zone):
        raise Refusal(400, "timeRangeEmpty", "The specified time range is empty.")
    if times.instant(end, calendar.zone) - times.instant(start, calendar.zone) > timedelta(days=366 * 2):
        raise Refusal(400, "invalid", "The event is too long.")
    rules = event.get("recurrence")
    if rules:
        if isinstance(start, datetime) and not event["start"].get("timeZone"):
            raise Refusal(400, "required", "Missing time zone definition for start time.")
        times.check_rules(rules, start)
    for name, when in (("start", start), ("end", end)):
        event[name] = times.show_when(when, event[name].get("timeZone"))
    if "attendees" in event:
        event["attendees"] = [attendee(who, world) for who in event["attendees"]]
        for who in event["attendees"]:
            if who["email"] == calendar.calendar_id:
                who["responseStatus"] = "accepted"
    private = event.get("extendedProperties", {}).get("private", {})
    if any(len(name) > 44 or len(value) > 1024 for name, value in private.items()):
        raise Refusal(400, "invalid", "An extended property is too long.")
    _make_conference(event, query)


def _make_conference(event: Resource, query: Mapping[str, Any]) -> None:
    """conferenceDataVersion 0 ignores what the body says of a conference; 1 makes what it asks for."""
    asked = event.get("conferenceData", {}).get("createRequest")
    if asked is None or "hangoutLink" in event:
        return
    if query.get("conferenceDataVersion") != 1:
        del event["conferenceData"]
        return
    link = f"https://meet.google.com/{uuid.uuid5(uuid.NAMESPACE_URL, asked['requestId']).hex[:10]}"
    event["hangoutLink"] = link
    event["conferenceData"] |= {"entryPoints": [{"entryPointType": "video", "uri": link}]}
    asked["status"] = {"statusCode": "success"}
