"""events.list, get, instances, freeBusy, calendars and the calendar list: what is found, page by page, and sync tokens."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.services.google_calendar import times
from tests.services.google_calendar.calendars import Calendar, Resource
from tests.services.google_calendar.discovery import Refusal
from tests.services.google_calendar.world import World

EPOCH, FAR = datetime(1970, 1, 1, tzinfo=UTC), timedelta(days=800)
NOT_WITH_SYNC = (
    *("iCalUID", "orderBy", "privateExtendedProperty", "q", "sharedExtendedProperty", "timeMin", "timeMax"),
    "updatedMin",
)
UNSYNCABLE = ("iCalUID", "orderBy", "privateExtendedProperty", "q", "sharedExtendedProperty", "updatedMin")
LONGEST_FREEBUSY = timedelta(days=92)  # the service refuses long spans; where exactly is not documented


def get(world: World, reader: str, query: Mapping[str, Any]) -> Resource:
    calendar, role = world.calendar(query["calendarId"], reader)
    return calendar.show(calendar.find(query["eventId"]), role)


def list_events(world: World, reader: str, query: Mapping[str, Any]) -> Resource:
    calendar, role = world.calendar(query["calendarId"], reader)
    low, high = _window(query)
    if query.get("orderBy") == "startTime" and not query.get("singleEvents"):
        raise Refusal(400, "badRequest", "The requested ordering is not available for the particular query.")
    if query.get("syncToken"):
        found = _changed_since(calendar, query, oldest=world.oldest_version.get(calendar.calendar_id, 0))
    else:
        found = _select(calendar, query, low, high or world.now() + FAR)
    key = _start_of if query.get("orderBy") == "startTime" else _updated_of
    ordered = sorted(found, key=lambda one: (key(calendar, one), one["id"]))
    return _page(calendar, role, ordered, query)


def instances(world: World, reader: str, query: Mapping[str, Any]) -> Resource:
    calendar, role = world.calendar(query["calendarId"], reader)
    series = calendar.find(query["eventId"])
    low, high = _window(query)
    found = calendar.instances(series, low, high or world.now() + FAR) if series.get("recurrence") else ()
    kept = [one for one in found if query.get("showDeleted") or one["status"] != "cancelled"]
    if query.get("originalStart"):
        wanted = times.parse_instant(query["originalStart"], "originalStart")
        kept = [one for one in kept if _instant_of(calendar, one["originalStartTime"]) == wanted]
    return _page(calendar, role, sorted(kept, key=lambda one: _start_of(calendar, one)), dict(query) | {"q": ""})


def _window(query: Mapping[str, Any]) -> tuple[datetime, datetime | None]:
    low = times.parse_instant(query["timeMin"], "timeMin") if query.get("timeMin") else EPOCH
    high = times.parse_instant(query["timeMax"], "timeMax") if query.get("timeMax") else None
    if high is not None and high <= low:
        raise Refusal(400, "timeRangeEmpty", "The specified time range is empty.")
    return low, high


def _select(calendar: Calendar, query: Mapping[str, Any], low: datetime, high: datetime) -> Iterable[Resource]:
    if query.get("singleEvents"):
        found = calendar.between(low, high)
    else:
        found = (one for one in calendar.events.values() if one.get("recurrence") or _lies(calendar, one, low, high))
    since = times.parse_instant(query["updatedMin"], "updatedMin") if query.get("updatedMin") else None
    for one in found:
        if one["status"] == "cancelled" and not (query.get("showDeleted") or since):
            continue
        if since and datetime.fromisoformat(one["updated"]) < since:
            continue
        if query.get("iCalUID") not in (None, one.get("iCalUID")):
            continue
        if all(_has_property(one, wanted) for wanted in query.get("privateExtendedProperty", ())) and _has_words(
            one, query
        ):
            yield one


def _lies(calendar: Calendar, event: Resource, low: datetime, high: datetime) -> bool:
    start, end = calendar.span(event)
    return start < high and end > low


def _has_property(event: Resource, wanted: str) -> bool:
    name, _, value = wanted.partition("=")
    return bool(event.get("extendedProperties", {}).get("private", {}).get(name) == value)


def _has_words(event: Resource, query: Mapping[str, Any]) -> bool:
    people = [event["organizer"], *event.get("attendees", ())]
    names = [part for who in people for part in (who["email"], who.get("displayName", ""))]
    text = " ".join([*(event.get(name) or "" for name in ("summary", "description", "location")), *names]).lower()
    return all(word in text for word in (query.get("q") or "").lower().split())


def _changed_since(calendar: Calendar, query: Mapping[str, Any], *, oldest: int) -> Iterable[Resource]:
    if any(query.get(name) for name in NOT_WITH_SYNC):
        raise Refusal(400, "invalid", "Sync token cannot be combined with these parameters.")
    token = _decode(query["syncToken"])
    if token.get("calendar") != calendar.calendar_id or token.get("single") != bool(query.get("singleEvents")):
        raise Refusal(400, "invalid", "Invalid sync token value.")
    if token["version"] < oldest:
        raise Refusal(410, "fullSyncRequired", "Sync token is no longer valid, a full sync is required.")
    return [calendar.events[event_id] for event_id, version in calendar.versions.items() if version > token["version"]]


def _page(calendar: Calendar, role: str, found: list[Resource], query: Mapping[str, Any]) -> Resource:
    size = min(int(query.get("maxResults", 250)), 2500)
    first = 0
    if query.get("pageToken"):
        first = int(_decode(query["pageToken"]).get("first", -1))
        if first < 0:
            raise Refusal(400, "invalid", "Invalid page token value.")
    page: Resource = {
        "kind": "calendar#events",
        "summary": calendar.name,
        "timeZone": calendar.zone,
        "accessRole": role,
        "items": [calendar.show(one, role) for one in found[first : first + size]],
    }
    if first + size < len(found):
        page["nextPageToken"] = _encode({"first": first + size})
    elif not any(name in query for name in UNSYNCABLE):
        token = {"calendar": calendar.calendar_id, "single": bool(query.get("singleEvents"))}
        page["nextSyncToken"] = _encode(token | {"version": calendar.version})
    return page


def _start_of(calendar: Calendar, event: Resource) -> datetime:
    return calendar.span(event)[0]


def _updated_of(calendar: Calendar, event: Resource) -> datetime:
    return datetime.fromisoformat(event["updated"])


def _instant_of(calendar: Calendar, value: Mapping[str, Any]) -> datetime:
    return times.instant(times.parse_when(value, calendar.zone, "time"), calendar.zone)


def freebusy(world: World, reader: str, body: Resource) -> Resource:
    low = times.parse_instant(body.get("timeMin") or "", "timeMin")
    high = times.parse_instant(body.get("timeMax") or "", "timeMax")
    if high <= low:
        raise Refusal(400, "timeRangeEmpty", "The specified time range is empty.")
    if high - low > LONGEST_FREEBUSY:
        raise Refusal(400, "timeRangeTooLong", "The requested time range is too long.")
    if int(body.get("calendarExpansionMax", 50)) > 50:
        raise Refusal(400, "invalid", "calendarExpansionMax is at most 50.")
    items = [one["id"] for one in body.get("items", ())]
    answer: Resource = {}
    for number, calendar_id in enumerate(items):
        if number >= int(body.get("calendarExpansionMax", 50)):
            answer[calendar_id] = {"errors": [{"domain": "global", "reason": "tooManyCalendarsRequested"}], "busy": []}
            continue
        try:
            calendar, _ = world.calendar(calendar_id, reader)
        except Refusal:
            answer[calendar_id] = {"errors": [{"domain": "global", "reason": "notFound"}], "busy": []}
            continue
        spans = sorted(calendar.span(one) for one in calendar.between(low, high) if calendar.is_busy(one))
        answer[calendar_id] = {"busy": [_period(max(start, low), min(end, high)) for start, end in _joined(spans)]}
    return {"kind": "calendar#freeBusy", "timeMin": body["timeMin"], "timeMax": body["timeMax"], "calendars": answer}


def _joined(spans: list[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    joined: list[tuple[datetime, datetime]] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        elif start < end:
            joined.append((start, end))
    return joined


def _period(start: datetime, end: datetime) -> Resource:
    return {name: f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" for name, when in (("start", start), ("end", end))}


def calendar_list(world: World, reader: str, query: Mapping[str, Any]) -> Resource:
    mine = [one for one in world.calendars.values() if one.calendar_id == reader or one.is_room]
    shown = [list_entry(world, reader, one.calendar_id) for one in mine]
    return _short_page("calendar#calendarList", shown, query)


def list_entry(world: World, reader: str, calendar_id: str) -> Resource:
    calendar, role = world.calendar(calendar_id, reader)
    entry = {"kind": "calendar#calendarListEntry", "id": calendar.calendar_id, "summary": calendar.name}
    return entry | {"timeZone": calendar.zone, "accessRole": role, "primary": calendar.calendar_id == reader}


def get_calendar(world: World, reader: str, calendar_id: str) -> Resource:
    calendar, _ = world.calendar(calendar_id, reader)
    shown: Resource = {"kind": "calendar#calendar", "id": calendar.calendar_id, "summary": calendar.name}
    shown["timeZone"] = calendar.zone
    return shown if calendar.working_hours is None else shown | {"workingHours": calendar.working_hours}


def _short_page(kind: str, shown: list[Resource], query: Mapping[str, Any]) -> Resource:
    size = int(query.get("maxResults", 100))
    first = int(_decode(query["pageToken"]).get("first", 0)) if query.get("pageToken") else 0
    page: Resource = {"kind": kind, "items": shown[first : first + size]}
    return page | ({"nextPageToken": _encode({"first": first + size})} if first + size < len(shown) else {})


def _encode(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


def _decode(token: str) -> dict[str, Any]:
    try:
        value = json.loads(base64.urlsafe_b64decode(token.encode()))
    except ValueError as error:
        raise Refusal(400, "invalid", "Invalid token value.") from error
    return value if isinstance(value, dict) else {}
