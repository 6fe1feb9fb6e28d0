"""iCalendar objects as this connector writes them and reads them. Times in and out are aware; nothing here talks to anybody.

Whatever arrives is hostile until read: a value that makes no sense is left out, an object that makes none is skipped.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo

from connectors import wire
from connectors.errors import InvalidCall

PRODUCT = "-//Deputy//CalDAV//EN"
MARK = "X-DEPUTY-EFFECT"  # tool:key:digest of the arguments, for the last effects on an object
MARKS_KEPT = 8
RESPONSES = {
    "ACCEPTED": "accepted",
    "DECLINED": "declined",
    "TENTATIVE": "tentative",
    "NEEDS-ACTION": "needs_action",
    "DELEGATED": "declined",
}
PARTSTAT = {word: value for value, word in RESPONSES.items() if value != "DELEGATED"}
ROOMS = ("ROOM", "RESOURCE")
_ADDRESS = re.compile(r"[^\s\x00-\x1f\x7f\"<>,;:\\]+@[^\s\x00-\x1f\x7f\"<>,;:\\@]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x85\u2028\u2029]")
_RULE = re.compile(r"[A-Z0-9=;,+\-]+")
_STAMP = "%Y%m%dT%H%M%SZ"
_READING = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One calendar object of the server: a single event, or a series with its exceptions."""

    url: str
    etag: str
    calendar: Any  # icalendar.Calendar
    uid: str

    @property
    def events(self) -> list[Any]:
        return list(self.calendar.walk("VEVENT"))

    @property
    def master(self) -> Any | None:
        """The event itself, or the series; None of an object that holds single instances only."""
        return next((one for one in self.events if "RECURRENCE-ID" not in one), None)

    @property
    def marked(self) -> Any:
        """Where marks are kept: the master, else the first instance."""
        return self.master or self.events[0]


@lru_cache(maxsize=512)
def parse(text: bytes | str, url: str, etag: str) -> Stored | None:
    """None for what is no calendar object with an event in it. Shared by all who read it: change only a `copy_of` it."""
    return _parse(text, url, etag)


def _parse(text: bytes | str, url: str, etag: str) -> Stored | None:
    try:
        calendar = _calendar(text)
        events = calendar.walk("VEVENT")
        uid = str(events[0].get("UID", "")) if events else ""
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return None
    return Stored(url=url, etag=etag, calendar=calendar, uid=uid) if uid else None


def _calendar(text: bytes | str) -> Any:
    """The iCalendar object, its zones taken from itself alone.

    icalendar 7.3 keeps the first definition of a zone's name for all objects it reads afterwards ("Customized Time Zone", as
    Outlook calls each of its own, or any name that a stranger defines), so its memory is emptied first.
    """
    import icalendar
    from icalendar.timezone import tzp

    with _READING, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # guesses at odd names of zones
        tzp.use_default()
        return icalendar.Calendar.from_ical(text)


def copy_of(stored: Stored) -> Stored:
    """A copy that may be changed."""
    made = _parse(stored.calendar.to_ical(), stored.url, stored.etag)
    assert made is not None  # it was read before
    return made


def text_of(calendar: Any) -> bytes:
    """As it goes over the wire, with the zones it uses."""
    first = min((moment(one["DTSTART"].dt, UTC) for one in calendar.walk("VEVENT")), default=None)
    if first is not None:
        span = {
            "first_date": date(max(first.year - 1, 1970), 1, 1),
            "last_date": date(max(first.year + 12, 2038), 1, 1),
        }
        calendar.add_missing_timezones(**span)
    written: bytes = calendar.to_ical()
    return written


# ---- ids ---------------------------------------------------------------------------------------------------------------


def event_id_of(uid: str) -> str:
    return f"evt_{quote(uid, safe='')}"


def instance_id_of(uid: str, original: date | datetime) -> str:
    """`original` is where the rule puts the instance; a date of an all-day one."""
    if isinstance(original, datetime):
        return f"{event_id_of(uid)}@{original.astimezone(UTC):{_STAMP}}"
    return f"{event_id_of(uid)}@{original:%Y%m%d}"


def split_id(event_id: str) -> tuple[str | None, date | datetime | None]:
    """(UID, original start) that an id names; (None, None) of what is no id of ours."""
    name, mark, stamp = event_id.partition("@")
    if not name.startswith("evt_") or len(name) <= 4:
        return None, None
    uid = unquote(name[4:])
    if not mark:
        return uid, None
    try:
        when = datetime.strptime(stamp, _STAMP if "T" in stamp else "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        return None, None
    return uid, when if "T" in stamp else when.date()


# ---- values ------------------------------------------------------------------------------------------------------------


def moment(value: date | datetime, zone: Any) -> datetime:
    """UTC. Dates begin at midnight of `zone`, and times without one are meant in it."""
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=zone)
    elif value.tzinfo is None:
        value = value.replace(tzinfo=zone)
    return value.astimezone(UTC).replace(microsecond=0)


def zone_name(component: Any, home: ZoneInfo) -> str:
    """The IANA zone an event is kept in; `home` where it says none that is known."""
    value = component["DTSTART"].dt
    if not isinstance(value, datetime) or value.tzinfo is None:
        return home.key
    if value.tzinfo is UTC or value.tzname() == "UTC":
        return "UTC"
    from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

    said = str(component["DTSTART"].params.get("TZID", ""))
    return str(getattr(value.tzinfo, "key", None) or WINDOWS_TO_OLSON.get(said) or home.key)


def span_of(component: Any, home: ZoneInfo) -> tuple[datetime, datetime]:
    """Start and end in UTC. ValueError, KeyError … where the event has none."""
    start = component["DTSTART"].dt
    begins = moment(start, home)
    if "DTEND" in component:
        ends = moment(component["DTEND"].dt, home)
    elif "DURATION" in component:
        ends = begins + component["DURATION"].dt
    elif isinstance(start, datetime):
        ends = begins
    else:
        ends = moment(start + timedelta(days=1), home)
    return begins, max(begins, ends)


def address_of(value: Any) -> str | None:
    """The mail address of an organizer or attendee, lower-case; None where it has none that can be one."""
    text = str(value)
    candidates = [text[7:] if text[:7].lower() == "mailto:" else "", str(getattr(value, "params", {}).get("EMAIL", ""))]
    for one in candidates:
        address = unquote(one).strip().lower()
        if _ADDRESS.fullmatch(address):
            return address
    return None


def people_of(component: Any) -> list[Any]:
    """The ATTENDEE properties."""
    found = component.get("ATTENDEE", [])
    return list(found) if isinstance(found, list) else [found]


def conference_of(component: Any) -> str | None:
    """The address to meet at by video, else by other means (RFC 7986, 5.11), or what Google's calendars export for it."""
    found = component.get("CONFERENCE") or component.get("X-GOOGLE-CONFERENCE") or []
    links = [one for one in (found if isinstance(found, list) else [found]) if str(one).startswith("http")]
    links.sort(key=lambda one: "VIDEO" not in str(getattr(one, "params", {}).get("FEATURE", "")).upper())
    return str(links[0]) if links else None


def one_line(text: str) -> str:
    return _CONTROL.sub(" ", text.replace("\r\n", " ").replace("\n", " ")).strip()


def many_lines(text: str) -> str:
    return _CONTROL.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n"))


def addresses(values: Iterable[str] | None) -> list[str]:
    """As wire.addresses, and none that could break out of its property."""
    found = wire.addresses(values)
    if any(_ADDRESS.fullmatch(one) is None for one in found):
        raise InvalidCall("one of the addresses is not a mail address", fix="Write name@domain.")
    return found


def attendee(address: str, *, is_room: bool = False) -> Any:
    import icalendar

    who = icalendar.vCalAddress(f"mailto:{address}")
    who.params["CUTYPE"] = "ROOM" if is_room else "INDIVIDUAL"
    who.params["ROLE"] = "NON-PARTICIPANT" if is_room else "REQ-PARTICIPANT"
    who.params["PARTSTAT"] = "NEEDS-ACTION"
    who.params["RSVP"] = "TRUE"
    return who


def rule_of(text: str, start: int, zone: str, *, is_all_day: bool) -> Any:
    """A vRecur whose UNTIL fits the start (a date for dates, UTC for times: RFC 5545, 3.3.10). InvalidCall for nonsense."""
    import icalendar

    from connectors import recurrence

    bare = text[6:] if text.upper().startswith("RRULE:") else text
    if _RULE.fullmatch(bare.upper()) is None:
        raise InvalidCall("the recurrence is not an RRULE", fix="Write e.g. RRULE:FREQ=WEEKLY;COUNT=10.")
    recurrence.check(bare, start, zone)
    rule: Any = icalendar.vRecur.from_ical(bare.upper())
    if is_all_day and "UNTIL" in rule:
        rule["UNTIL"] = [_date_in(one, ZoneInfo(zone)) for one in rule["UNTIL"]]
    return rule


def _date_in(value: date | datetime, zone: ZoneInfo) -> date:
    return value.astimezone(zone).date() if isinstance(value, datetime) else value


# ---- marks -------------------------------------------------------------------------------------------------------------


def digest(args: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(args, sort_keys=True).encode()).hexdigest()[:16]


def marks_of(stored: Stored) -> list[str]:
    found = stored.marked.get(MARK, [])
    return [str(one) for one in (found if isinstance(found, list) else [found])]


def mark_of(stored: Stored, tool: str, key: str) -> str | None:
    """The digest of the arguments of an effect that the object carries; None where it does not."""
    head = f"{tool.partition('.')[2]}:{key}:"
    return next((one.removeprefix(head) for one in marks_of(stored) if one.startswith(head)), None)


def add_mark(stored: Stored, tool: str, key: str, args: Mapping[str, Any]) -> None:
    kept = [*marks_of(stored), f"{tool.partition('.')[2]}:{key}:{digest(args)}"][-MARKS_KEPT:]
    event = stored.marked
    event.pop(MARK, None)
    for one in kept:
        event.add(MARK, one)


def touch(component: Any, now: datetime, *, is_moved: bool) -> None:
    """DTSTAMP, LAST-MODIFIED and SEQUENCE of a change (RFC 5546, 2.1.4: a new time asks everybody again)."""
    for name in ("DTSTAMP", "LAST-MODIFIED"):
        component.pop(name, None)
        component.add(name, now)
    if is_moved:
        set_value(component, "SEQUENCE", number_of(component) + 1)


def number_of(component: Any) -> int:
    try:
        return int(component.get("SEQUENCE", 0))
    except (TypeError, ValueError):
        return 0


def set_value(component: Any, name: str, value: Any) -> None:
    component.pop(name, None)
    if value is not None and value != "":
        component.add(name, value)
