"""Calendars and the copies of events on them, in memory: etags, change numbers, instances, what others may see.

Every attendee of the domain has a copy of an event on their own calendar, under the same id, as Google does it. Resources are kept
without what depends on the reader (`self`, `kind`), which `Calendar.show` adds.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.services.google_calendar import times
from tests.services.google_calendar.discovery import Refusal
from tests.services.google_calendar.times import When

Resource = dict[str, Any]
READERS = ("reader", "writer", "owner")


@dataclass(slots=True, kw_only=True)
class Calendar:
    """One person's, or one room's. `version` counts every change anywhere on it; each stored event carries the one it got."""

    calendar_id: str  # the address
    name: str
    zone: str
    is_room: bool = False
    working_hours: Resource | None = None
    events: dict[str, Resource] = field(default_factory=dict)  # by id, exceptions among them
    versions: dict[str, int] = field(default_factory=dict)
    version: int = 0

    def store(self, event: Resource, *, now: datetime) -> Resource:
        self.version += 1
        event["updated"] = f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
        event["etag"] = f'"{int(now.timestamp() * 1000)}{self.version:06d}"'
        self.events[event["id"]] = event
        self.versions[event["id"]] = self.version
        return event

    def drop(self, event_id: str) -> None:
        self.events.pop(event_id, None)
        self.versions.pop(event_id, None)

    def exceptions(self, series_id: str) -> list[Resource]:
        return [one for one in self.events.values() if one.get("recurringEventId") == series_id]

    def start(self, event: Mapping[str, Any]) -> When:
        return times.parse_when(event["start"], self.zone, "start")

    def span(self, event: Mapping[str, Any]) -> tuple[datetime, datetime]:
        """In UTC."""
        end = times.parse_when(event["end"], self.zone, "end")
        return times.instant(self.start(event), self.zone), times.instant(end, self.zone)

    def find(self, event_id: str) -> Resource:
        """A stored event, or an instance of a stored series as it would be stored. Refusal 404 without either."""
        if event_id in self.events:
            return self.events[event_id]
        series_id, mark, stamp = event_id.rpartition("_")
        series = self.events.get(series_id) if mark else None
        if series is not None and series.get("recurrence"):
            moment = _moment_of(stamp)
            around = (moment - timedelta(days=2), moment + timedelta(days=2)) if moment else None
            for one in self.instances(series, *around) if around else ():
                if one["id"] == event_id:
                    return one
        raise Refusal(404, "notFound", "Not Found")

    def instances(self, series: Resource, low: datetime, high: datetime) -> Iterator[Resource]:
        """Every instance that overlaps low–high, stored exceptions in place of what the rule says, cancelled ones too."""
        first, last = self.start(series), times.parse_when(series["end"], self.zone, "end")
        length = last - first
        apart = {one["id"]: one for one in self.exceptions(series["id"])}
        if series["status"] != "cancelled":
            for start in times.starts_between(series["recurrence"], first, length, low, high):
                event_id = f"{series['id']}_{times.stamp(start)}"
                one = apart.get(event_id) or self._instance(series, event_id, start, length)
                if event_id not in apart and _overlaps(self.span(one), low, high):
                    yield one
        yield from (one for one in apart.values() if _overlaps(self.span(one), low, high))

    def _instance(self, series: Resource, event_id: str, start: When, length: timedelta) -> Resource:
        zone = series["start"].get("timeZone")
        one = copy.deepcopy({name: value for name, value in series.items() if name != "recurrence"})
        end = (
            (start.astimezone(UTC) + length).astimezone(start.tzinfo) if isinstance(start, datetime) else start + length
        )
        shown = times.show_when(start, zone)
        return one | {
            "id": event_id,
            "recurringEventId": series["id"],
            "originalStartTime": shown,
            "start": shown,
            "end": times.show_when(end, zone),
        }

    def between(self, low: datetime, high: datetime) -> Iterator[Resource]:
        """Single events and instances that overlap low–high, cancelled ones too, unsorted."""
        for event in list(self.events.values()):
            if event.get("recurrence"):
                yield from self.instances(event, low, high)
            elif event.get("recurringEventId") not in self.events and _overlaps(self.span(event), low, high):
                yield event  # single, or an instance whose guest was never on the series

    def own_response(self, event: Mapping[str, Any]) -> str:
        for who in event.get("attendees", ()):
            if who["email"] == self.calendar_id:
                return str(who["responseStatus"])
        return "accepted"

    def is_busy(self, event: Mapping[str, Any]) -> bool:
        is_on = event["status"] != "cancelled" and event.get("transparency") != "transparent"
        return is_on and self.own_response(event) != "declined"

    def show(self, event: Resource, role: str) -> Resource:
        """The copy as a reader with this access role gets it."""
        if event["status"] == "cancelled" and (
            "recurringEventId" in event or event["organizer"]["email"] != self.calendar_id
        ):
            # All that Google guarantees of these; an organizer's own cancelled events keep their details.
            kept = ("id", "etag", "status", "recurringEventId", "originalStartTime")
            return {"kind": "calendar#event"} | {name: event[name] for name in kept if name in event}
        if role not in READERS or (role == "reader" and event.get("visibility") == "private"):
            hidden = (
                "id",
                "etag",
                "status",
                "start",
                "end",
                "recurringEventId",
                "originalStartTime",
                "recurrence",
                "updated",
            )
            shown = {name: event[name] for name in hidden if name in event} | {"visibility": "private"}
        else:
            shown = copy.deepcopy(event)
            if shown["organizer"]["email"] == self.calendar_id:
                shown["organizer"]["self"] = True
            for who in shown.get("attendees", ()):
                if who["email"] == self.calendar_id:
                    who["self"] = True
                if who["email"] == shown["organizer"]["email"]:
                    who["organizer"] = True
            if role == "reader":
                shown.get("extendedProperties", {}).pop("private", None)
        for name in ("start", "end", "originalStartTime"):
            if name in shown:
                shown[name] = times.show_when(
                    times.parse_when(shown[name], self.zone, name), shown[name].get("timeZone") or self.zone
                )
        return {"kind": "calendar#event"} | shown


def _overlaps(span: tuple[datetime, datetime], low: datetime, high: datetime) -> bool:
    return span[0] < high and (span[1] > low or span[0] == span[1] >= low)


def _moment_of(stamp: str) -> datetime | None:
    for form in ("%Y%m%dT%H%M%SZ", "%Y%m%d"):
        try:
            return datetime.strptime(stamp, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None
