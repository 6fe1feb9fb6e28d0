"""Who there is, what may be seen of whom, and how a change on the organizer's calendar reaches the copies of the others."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.services.google_calendar.calendars import Calendar, Resource
from tests.services.google_calendar.discovery import Refusal

COPIED = (  # what every copy shares; the rest belongs to one calendar alone
    *(
        "summary",
        "description",
        "location",
        "start",
        "end",
        "recurrence",
        "status",
        "visibility",
        "attendees",
        "sequence",
    ),
    *(
        "organizer",
        "creator",
        "conferenceData",
        "hangoutLink",
        "transparency",
        "created",
        "iCalUID",
        "recurringEventId",
    ),
    "originalStartTime",
)
WORKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A mail that sendUpdates would have sent: what was done, to which event, to whom."""

    method: str
    event_id: str
    send_updates: str | None  # as the request said; None when it said nothing
    to: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class World:
    """One domain. `now` is its clock."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    calendars: dict[str, Calendar] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)  # bearer token → address
    scopes: dict[str, frozenset[str]] = field(default_factory=dict)  # bearer token → granted; absent: all
    roles: dict[tuple[str, str], str] = field(default_factory=dict)  # (reader, calendar) → role; else reader
    notices: list[Notice] = field(default_factory=list)
    oldest_version: dict[str, int] = field(default_factory=dict)  # calendar → sync tokens from before are stale

    def add_user(
        self, address: str, *, zone: str, token: str, name: str = "", hours: tuple[int, int] | None = (9, 17)
    ) -> Calendar:
        """`hours`: of every working day; None where they were never set."""
        self.users[token] = address
        calendar = Calendar(calendar_id=address, name=name or address, zone=zone)
        if hours is not None:
            minutes = {"periodStart": hours[0] * 60, "periodEnd": hours[1] * 60}
            calendar.working_hours = {
                "workingHoursEnabled": True,
                "availableTimes": [{"dayOfWeek": day} | minutes for day in WORKDAYS],
            }
        self.calendars[address] = calendar
        return calendar

    def add_room(self, address: str, *, zone: str, name: str) -> None:
        self.calendars[address] = Calendar(calendar_id=address, name=name, zone=zone, is_room=True)

    def expire_sync_tokens(self) -> None:
        """Every token given out so far is answered 410 from now on."""
        for calendar in self.calendars.values():
            calendar.version += 1
            self.oldest_version[calendar.calendar_id] = calendar.version

    def calendar(self, calendar_id: str, reader: str, *, to: str = "read") -> tuple[Calendar, str]:
        """(calendar, the reader's role on it). Refusal 404 for one that is not shared, 403 for a change without the right."""
        found = self.calendars.get(reader if calendar_id == "primary" else calendar_id.lower())
        if found is None:
            raise Refusal(404, "notFound", "Not Found")
        role = "owner" if found.calendar_id == reader else self.roles.get((reader, found.calendar_id), "reader")
        if role == "none":
            raise Refusal(404, "notFound", "Not Found")
        if to == "write" and role not in ("owner", "writer"):
            raise Refusal(403, "requiredAccessLevel", "You need to have writer access to this calendar.")
        return found, role

    def name_of(self, address: str) -> str | None:
        return self.calendars[address].name if address in self.calendars else None

    def publish(self, event: Resource, *, removed: Sequence[str] = ()) -> None:
        """Brings the copies of all attendees in line with the organizer's. `removed`: those taken off; their copy is cancelled."""
        organizer = event["organizer"]["email"]
        for who in event.get("attendees", ()):
            calendar = self.calendars.get(who["email"])
            if calendar is None or who["email"] == organizer:
                continue
            mine = calendar.events.get(event["id"], {"id": event["id"]})
            shared = {name: copy.deepcopy(event[name]) for name in COPIED if name in event}
            kept = {name: value for name, value in mine.items() if name not in COPIED}
            calendar.store(kept | shared, now=self.now())
        for address in removed:
            calendar = self.calendars.get(address)
            if calendar is not None and event["id"] in calendar.events:
                calendar.store(calendar.events[event["id"]] | {"status": "cancelled"}, now=self.now())

    def spread_response(self, event: Resource, address: str, changes: Resource) -> None:
        """An answer reaches the organizer's copy, and from there everybody's."""
        home = self.calendars.get(event["organizer"]["email"])
        if home is None:
            return
        theirs = copy.deepcopy(home.find(event["id"]))
        for who in theirs.get("attendees", ()):
            if who["email"] == address:
                who.update(changes)
        home.store(theirs, now=self.now())
        self.publish(theirs)

    def answer_as_room(self, event: Resource) -> None:
        """Rooms accept when free and decline when taken, at once."""
        for who in event.get("attendees", ()):
            room = self.calendars.get(who["email"])
            if room is None or not room.is_room:
                continue
            who["resource"] = True
            low, high = room.span(event)
            series = event.get("recurringEventId", event["id"])
            taken = any(
                room.is_busy(one) and series not in (one["id"], one.get("recurringEventId"))
                for one in room.between(low, high)
            )
            who["responseStatus"] = "declined" if taken else "accepted"

    def tell(self, method: str, event: Resource, actor: str, query: dict[str, Any]) -> None:
        others = [who["email"] for who in event.get("attendees", ()) if who["email"] != actor]
        wanted = query.get("sendUpdates")
        outside = [one for one in others if one not in self.calendars]
        to = {"all": others, "externalOnly": outside}.get(str(wanted), [])
        self.notices.append(Notice(method=method, event_id=event["id"], send_updates=wanted, to=tuple(to)))


def attendee(who: Resource, world: World) -> Resource:
    """An attendee as stored. Refusal 400 without an address."""
    address = str(who.get("email") or "").lower()
    if "@" not in address[1:-1] or " " in address:
        raise Refusal(400, "invalid", "Invalid attendee email.")
    kept = {name: value for name, value in who.items() if name not in ("self", "organizer", "email", "id")}
    if kept.get("responseStatus", "needsAction") not in ("needsAction", "accepted", "declined", "tentative"):
        raise Refusal(400, "invalid", "Invalid attendee response status.")
    name = world.name_of(address)
    return {"email": address, "responseStatus": "needsAction"} | ({"displayName": name} if name else {}) | kept
