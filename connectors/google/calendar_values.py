"""How events cross the border: ids, times, zones, attendees, and one of Google's events as the calendar family shows it. Asks nobody.

An id is Google's own behind "evt_", and behind a "~" the calendar where that is not the account's. The `etag` shown is a digest of
what the organizer decides, so that somebody's acceptance does not undo an approval; Google's own ETag guards each change besides.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from html.parser import HTMLParser
from typing import Any
from zoneinfo import ZoneInfo

from connectors.errors import InvalidCall, NotFound
from connectors.families import DEFAULT_LIMIT

Args = Mapping[str, Any]
Resource = dict[str, Any]  # an event as Google gives it

RESPONSES = {"needsAction": "needs_action", "accepted": "accepted", "declined": "declined", "tentative": "tentative"}
RESOURCE_SUFFIX = "@resource.calendar.google.com"
KEY = "deputyKey"  # private extended properties of ours: the key that made the event,
ARGS = "deputyArgs"  # the digest of the arguments it was made with,
CHANGES = "deputyChanges"  # and the keys of its latest changes, newest last
KEPT_CHANGES = 12

_LINES = frozenset({"br", "p", "div", "li", "ul", "ol", "tr", "h1", "h2", "h3"})
_TAG = re.compile(
    r"</?(?:br|p|div|li|ul|ol|a|b|i|u|span|strong|em|html-blob|h[1-6]|table|tr|td)\b[^<>]*>", re.IGNORECASE
)


# ---- ids -----------------------------------------------------------------------------------------------------------


def join_id(google_id: str, calendar: str, me: str) -> str:
    return f"evt_{google_id}" if calendar == me else f"evt_{google_id}~{calendar}"


def split_id(event_id: str) -> tuple[str, str]:
    """(Google's id, its calendar; "primary" for the account's own). NotFound for what is no id of an event."""
    google_id, mark, calendar = event_id.removeprefix("evt_").partition("~")
    if not event_id.startswith("evt_") or not google_id or (mark and "@" not in calendar):
        raise NotFound(f"there is no event {event_id!r}", fix="Find it with calendar.list_events.")
    return google_id, calendar or "primary"


def client_id(key: str) -> str:
    """The id of the event that a key makes: base32hex in small letters, as the Events resource demands of client ids."""
    return base64.b32hexencode(hashlib.sha256(f"deputy event {key}".encode()).digest()[:25]).decode().lower()


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


# ---- times ---------------------------------------------------------------------------------------------------------


def parse_time(value: str, name: str) -> datetime:
    """In UTC, whole seconds. InvalidCall without an offset."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise InvalidCall(
            f"{name} {value!r} is not an ISO 8601 time", fix="Write it as 2026-11-23T10:00:00+00:00."
        ) from error
    if moment.tzinfo is None:
        raise InvalidCall(f"{name} {value!r} has no offset", fix="Add one, e.g. +00:00.")
    return moment.astimezone(UTC).replace(microsecond=0)


def span_of(args: Args) -> tuple[datetime, datetime]:
    start, end = parse_time(args["start"], "start"), parse_time(args["end"], "end")
    if end <= start:
        raise InvalidCall("the end is not after the start", fix="Give a later end.")
    return start, end


def zone_of(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise InvalidCall(f"zone {name!r} is unknown", fix="Use an IANA name such as Europe/Lisbon.") from error


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def rfc3339(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def instant(value: Mapping[str, Any], zone: str) -> datetime:
    """Of an EventDateTime, in UTC. A day begins at midnight of `zone`, the calendar's."""
    if "dateTime" in value:
        moment = datetime.fromisoformat(value["dateTime"])
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone_of(value.get("timeZone") or zone))
        return moment.astimezone(UTC)
    return datetime.combine(date.fromisoformat(value["date"]), time.min, tzinfo=zone_of(zone)).astimezone(UTC)


def event_span(event: Mapping[str, Any], zone: str) -> tuple[datetime, datetime]:
    return instant(event["start"], zone), instant(event["end"], zone)


def are_midnights(start: datetime, end: datetime, zone: str) -> bool:
    tz = zone_of(zone)
    return all(one.astimezone(tz).time() == time.min for one in (start, end))


def event_times(start: datetime, end: datetime, zone: str, *, calendar_zone: str) -> tuple[Resource, Resource]:
    """Both EventDateTimes. Whole days of the calendar's own zone become dates, because that is how Google keeps them; those of
    another zone stay times, because a date there would shift them. The kind not meant is None, which patch takes away."""
    tz = zone_of(zone)
    if zone == calendar_zone and are_midnights(start, end, zone):
        days = [one.astimezone(tz).date().isoformat() for one in (start, end)]
        return {"date": days[0], "dateTime": None, "timeZone": None}, {
            "date": days[1],
            "dateTime": None,
            "timeZone": None,
        }
    texts = [one.astimezone(tz).isoformat(timespec="seconds") for one in (start, end)]
    return (
        {"dateTime": texts[0], "timeZone": zone, "date": None},
        {"dateTime": texts[1], "timeZone": zone, "date": None},
    )


def shifted(moment: datetime, before: datetime, after: datetime, zone: str) -> datetime:
    """`moment` moved on the clock of `zone` by as much as `before` was, so that a series keeps its hour over a clock change."""
    tz = zone_of(zone)
    walls = [one.astimezone(tz).replace(tzinfo=None) for one in (moment, before, after)]
    return (walls[0] + (walls[2] - walls[1])).replace(tzinfo=tz).astimezone(UTC)


# ---- words, addresses, pages ---------------------------------------------------------------------------------------


def addresses(values: Iterable[str] | None) -> list[str]:
    """Lower-case, without repeats, in the order given. InvalidCall for what is no address."""
    found = list(dict.fromkeys(value.strip().lower() for value in values or ()))
    for address in found:
        if "@" not in address[1:-1] or any(sign.isspace() for sign in address):
            raise InvalidCall(f"{address!r} is not a mail address", fix="Write name@domain.")
    return found


def fold(text: str) -> str:
    """For searching: lower case, without accents."""
    parts = unicodedata.normalize("NFKD", text)
    return "".join(sign for sign in parts if not unicodedata.combining(sign)).casefold()


def limit_of(args: Args) -> int:
    return int(args.get("limit") or DEFAULT_LIMIT)


def write_cursor(position: Sequence[str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(list(position)).encode()).decode()


def read_cursor(args: Args) -> tuple[str, str] | None:
    """(start, event id) of the last record of the page before; None at the beginning."""
    if args.get("cursor") is None:
        return None
    try:
        position = json.loads(base64.urlsafe_b64decode(args["cursor"].encode()))
        start, event_id = position
        parse_time(start, "cursor")
    except (ValueError, TypeError, InvalidCall) as error:
        raise InvalidCall(
            "the cursor is not one of this list", fix="Pass `next` of the page before, or leave it out."
        ) from error
    return str(start), str(event_id)


# ---- events --------------------------------------------------------------------------------------------------------


def is_room(who: Mapping[str, Any], rooms: Iterable[str] = ()) -> bool:
    address = str(who.get("email", "")).lower()
    return bool(who.get("resource")) or address.endswith(RESOURCE_SUFFIX) or address in rooms


def organizer_of(event: Mapping[str, Any], calendar: str) -> str:
    organizer = event.get("organizer", {})
    return calendar if organizer.get("self") else str(organizer.get("email") or calendar).lower()


def own_response(event: Mapping[str, Any], calendar: str) -> str:
    """What the owner of a calendar answered; "accepted" where nobody asked."""
    for who in event.get("attendees", ()):
        if who.get("self") or str(who.get("email", "")).lower() == calendar:
            return RESPONSES.get(who.get("responseStatus", ""), "needs_action")
    return "accepted"


def involves(event: Mapping[str, Any], address: str) -> bool:
    people = [event.get("organizer", {}), *event.get("attendees", ())]
    return any(str(who.get("email", "")).lower() == address for who in people)


def private_properties(event: Mapping[str, Any]) -> dict[str, str]:
    properties: dict[str, str] = event.get("extendedProperties", {}).get("private", {})
    return properties


def show(event: Resource, *, calendar: str, me: str, zone: str, rooms: Iterable[str] = ()) -> dict[str, Any]:
    """An event on somebody's `calendar`, whose zone is `zone`, as `me` may see it."""
    start, end = event_span(event, zone)
    own_zone = event["start"].get("timeZone") or zone
    series = event.get("recurringEventId")
    base = {
        "event_id": join_id(event["id"], calendar, me),
        "series_id": join_id(series, calendar, me) if series else None,
        "calendar": calendar,
        "start": iso(start),
        "end": iso(end),
        "zone": own_zone,
        "all_day": "date" in event["start"] or are_midnights(start, end, own_zone),
        "status": "cancelled" if event.get("status") == "cancelled" else "confirmed",
        "visibility": "private" if event.get("visibility") in ("private", "confidential") else "default",
    }
    is_hidden = calendar != me and (base["visibility"] == "private" or "organizer" not in event)
    if is_hidden and not involves(event, me):
        nothing = {"title": "busy", "location": "", "description": "", "organizer": calendar, "attendees": []}
        return base | nothing | {"room": None, "recurrence": None, "conference_url": None, "etag": ""}
    organizer = organizer_of(event, calendar)
    rooms = frozenset(rooms)
    guests = [who for who in event.get("attendees", ()) if who.get("email") and not is_room(who, rooms)]
    booked = [
        who["email"].lower()
        for who in event.get("attendees", ())
        if is_room(who, rooms) and who.get("responseStatus") != "declined"
    ]
    return base | {
        "title": event.get("summary") or "",
        "location": event.get("location") or conference_link(event) or "",
        "description": plain(event.get("description") or ""),
        "organizer": organizer,
        "attendees": sorted(
            (_attendee(who) for who in guests if who["email"].lower() != organizer),
            key=lambda who: (who["optional"], who["address"]),
        ),
        "room": booked[0] if booked else None,
        "recurrence": "\n".join(event["recurrence"]) if event.get("recurrence") else None,
        "conference_url": conference_link(event),
        "etag": _etag(event, base),
    }


def conference_link(event: Mapping[str, Any]) -> str | None:
    for entry in event.get("conferenceData", {}).get("entryPoints", ()):
        if entry.get("entryPointType") == "video":
            return str(entry["uri"])
    link = event.get("hangoutLink")
    return str(link) if link else None


def _attendee(who: Mapping[str, Any]) -> dict[str, Any]:
    address = str(who["email"]).lower()
    return {
        "address": address,
        "name": who.get("displayName") or address,
        "response": RESPONSES.get(who.get("responseStatus", ""), "needs_action"),
        "optional": bool(who.get("optional")),
    }


def _etag(event: Resource, base: Mapping[str, Any]) -> str:
    """Leaves out what others decide: answers of guests and rooms, and the link that Google makes some time afterwards."""
    written = [event.get(name) or "" for name in ("summary", "location", "description")]
    invited = sorted((str(who.get("email")).lower(), bool(who.get("optional"))) for who in event.get("attendees", ()))
    return digest([dict(base), written, invited, event.get("recurrence") or []])[:32]


# ---- text ----------------------------------------------------------------------------------------------------------


class _Text(HTMLParser):
    """Collects what a page would show, a line for each block."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in _LINES:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def plain(text: str) -> str:
    """Google's own programs write notes as HTML; here they are text. What has no tags of theirs stays as it is."""
    if _TAG.search(text) is None:
        return text
    reader = _Text()
    reader.feed(text)
    reader.close()
    return "".join(reader.parts).strip("\n")
