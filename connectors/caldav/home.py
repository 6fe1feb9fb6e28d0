"""One account's corner of a server: which calendar is its own, whose others it may ask, and the objects in them. Reads only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote, urlsplit
from zoneinfo import ZoneInfo

from connectors import wire
from connectors.caldav import expand, ical
from connectors.caldav.expand import Occurrence
from connectors.caldav.ical import Stored
from connectors.caldav.line import Line
from connectors.errors import Forbidden, InvalidCall, NotFound
from connectors.scheduling import Interval
from connectors.spec import Account

CALDAV = "urn:ietf:params:xml:ns:caldav"
AUTO_SCHEDULE = "calendar-auto-schedule"  # RFC 6638, 2
LONGEST = timedelta(days=366 * 2)
MARGIN = timedelta(days=1)  # all-day events and those without a zone lie elsewhere for the server than for the account
WORKING_HOURS = {"days": ["mon", "tue", "wed", "thu", "fri"], "start": "09:00", "end": "17:30"}
_PLAIN = re.compile(r"[A-Za-z0-9._@-]{1,200}")  # UIDs that servers take as an address, too


@dataclass(slots=True)
class Known:
    """What was found out about a server, and holds for a while."""

    calendar: str | None = None
    schedules: bool | None = None
    collections: dict[str, list[str]] = field(default_factory=dict)  # address → its calendars


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The account at its server, for one call."""

    account: Account
    line: Line
    known: Known
    now: datetime

    @property
    def me(self) -> str:
        return self.account.subject.lower()

    @property
    def zone(self) -> ZoneInfo:
        return wire.zone_of(str(self.account.settings.get("zone") or "UTC"))

    @property
    def mine(self) -> frozenset[str]:
        """The account's addresses: invitations may have gone to another of them."""
        return frozenset([self.me, *(str(one).lower() for one in self.account.settings.get("addresses") or ())])

    @property
    def calendar(self) -> str:
        """The account's own calendar, ending in a slash."""
        if self.known.calendar is None:
            self.known.calendar = self._find_calendar()
        return self.known.calendar

    @property
    def schedules(self) -> bool:
        """Whether the server itself sends invitations and answers (RFC 6638)."""
        if self.known.schedules is None:
            words = [one.strip() for one in self.line.options(self.calendar).lower().split(",")]
            self.known.schedules = AUTO_SCHEDULE in words
        return self.known.schedules

    def look_around(self) -> None:
        """Finds out, before anything is changed, what an effect's answer will need."""
        self.known.calendar = self.calendar
        self.known.schedules = self.schedules

    @property
    def people(self) -> Mapping[str, Mapping[str, Any]]:
        """What the settings know of other people: address → {"url", "name", "zone", "working_hours"}."""
        given: Mapping[str, Any] = self.account.settings.get("people") or {}
        return {who.lower(): {"url": one} if isinstance(one, str) else one for who, one in given.items()}

    @property
    def rooms(self) -> list[dict[str, Any]]:
        """The rooms of the settings; those with a `url` have a calendar that can be asked."""
        given = self.account.settings.get("rooms") or ()
        rooms = [{"room": "", "name": one["address"], "capacity": 0, **one} for one in given]
        return [
            one | {"address": one["address"].lower(), "room": one["room"] or one["address"].lower()} for one in rooms
        ]

    def hours_of(self, address: str) -> dict[str, Any] | None:
        """Zone and working hours where they are known."""
        if address in self.mine:
            settings = self.account.settings
            return {"zone": self.zone.key, "working_hours": dict(settings.get("working_hours") or WORKING_HOURS)}
        known = self.people.get(address, {})
        if not known.get("zone"):
            return None
        return {"zone": str(known["zone"]), "working_hours": dict(known.get("working_hours") or WORKING_HOURS)}

    def name_of(self, address: str) -> str:
        rooms = {one["address"]: one["name"] for one in self.rooms}
        return str(self.people.get(address, {}).get("name") or rooms.get(address) or address)

    # ---- calendars ---------------------------------------------------------------------------------------------------

    def collections_of(self, address: str) -> list[str]:
        """The calendars of an address that this account knows of; none of a stranger."""
        if address in self.mine:
            return [self.calendar]
        if address not in self.known.collections:
            url = self.people.get(address, {}).get("url")
            url = url or next((one.get("url") for one in self.rooms if one["address"] == address), None)
            self.known.collections[address] = [] if url is None else self._calendars_at(str(url))
        return self.known.collections[address]

    def _find_calendar(self) -> str:
        wanted = str(self.account.settings.get("calendar") or "")
        if "/" in wanted:
            return _slashed(self.line.absolute(wanted))
        found = self._listed(self.line.root)
        named = [
            url for url, name in found.items() if wanted and wanted in (name, unquote(url.rstrip("/").split("/")[-1]))
        ]
        if wanted and len(named) != 1:
            raise InvalidCall(f"there is no calendar {wanted!r}", fix=_choice(found))
        if not found:
            raise NotFound("the account has no calendar there", fix="Check the server's address, or make a calendar.")
        if not wanted and len(found) > 1:
            raise InvalidCall("the account has several calendars", fix=_choice(found))
        return named[0] if wanted else next(iter(found))

    def _calendars_at(self, url: str) -> list[str]:
        """Those of a person; none where they cannot be seen."""
        try:
            return list(self._listed(self.line.absolute(url)))
        except (Forbidden, NotFound):
            return []

    def _listed(self, url: str) -> dict[str, str]:
        """Calendars for events at an address, by name: it may be one, a home of several, or a principal."""
        from caldav.elements import cdav

        found = self._look(url, depth=0)
        if not found.calendars:
            home = found.home
            if home is None and found.principal is not None:
                [principal] = self.line.propfind(self.line.absolute(found.principal), cdav.CalendarHomeSet()) or [None]
                home = None if principal is None else _first(principal.properties.get(cdav.CalendarHomeSet.tag))
            found = self._look(url if home is None else self.line.absolute(home), depth=1)
        return found.calendars

    def _look(self, url: str, *, depth: int) -> _Found:
        from caldav.elements import cdav, dav

        properties = (
            dav.ResourceType(),
            dav.DisplayName(),
            dav.CurrentUserPrincipal(),
            cdav.CalendarHomeSet(),
            cdav.SupportedCalendarComponentSet(),
        )
        found = _Found()
        for one in self.line.propfind(url, *properties, depth=depth):
            values = one.properties
            components = values.get(cdav.SupportedCalendarComponentSet.tag) or ["VEVENT"]
            if cdav.Calendar.tag in (values.get(dav.ResourceType.tag) or ()) and "VEVENT" in components:
                found.calendars[_slashed(self.line.named(one.href))] = str(values.get(dav.DisplayName.tag) or "")
            found.principal = found.principal or _first(values.get(dav.CurrentUserPrincipal.tag))
            found.home = found.home or _first(values.get(cdav.CalendarHomeSet.tag))
        return found

    # ---- objects -----------------------------------------------------------------------------------------------------

    def url_of(self, uid: str) -> str:
        """Where an object of this UID is put, and looked for first."""
        return f"{self.calendar}{quote(uid, safe='@-_.')}.ics"

    def find(self, uid: str) -> Stored | None:
        """The object with this UID in the account's own calendar, whatever its address."""
        if _PLAIN.fullmatch(uid) and uid.strip("."):
            url = self.url_of(uid)
            found = self.line.get(url)
            stored = None if found is None else ical.parse(found[0], url, found[1])
            if stored is not None and stored.uid == uid and stored.etag:
                return stored
        return self.find_in(self.calendar, uid)

    def find_in(self, collection: str, uid: str) -> Stored | None:
        from caldav.elements import cdav

        match = cdav.PropFilter("UID") + cdav.TextMatch(uid)
        objects = self._queried(collection, cdav.CompFilter("VEVENT") + match)
        return next((one for one in objects if one.uid == uid), None)

    def between(self, collection: str, start: datetime, end: datetime) -> list[Stored]:
        """Objects with something between two instants. InvalidCall for a span that no calendar is asked for."""
        from caldav.elements import cdav

        if end - start > LONGEST:
            raise InvalidCall("the period is too long", fix="Ask for two years at most.")
        span = cdav.TimeRange(start - MARGIN, end + MARGIN)
        return self._queried(collection, cdav.CompFilter("VEVENT") + span)

    def by_addresses(self, collection: str, urls: list[str]) -> list[Stored]:
        """The objects at these addresses that are still there."""
        from caldav.elements import cdav, dav

        query = cdav.CalendarMultiGet() + [_data(), *(dav.Href(value=urlsplit(url).path) for url in urls)]
        return self._read(self.line.query(collection, query, depth=None))

    def _queried(self, collection: str, event_filter: Any) -> list[Stored]:
        from caldav.elements import cdav

        wanted = cdav.Filter() + (cdav.CompFilter("VCALENDAR") + event_filter)
        return self._read(self.line.query(collection, cdav.CalendarQuery() + [_data(), wanted]))

    def _read(self, results: list[Any]) -> list[Stored]:
        found: list[Stored] = []
        for one in results:
            if one.calendar_data and one.status < 300:
                stored = ical.parse(one.calendar_data, self.line.named(one.href), one.etag or "")
                found += [] if stored is None else [stored]
        return found

    # ---- time --------------------------------------------------------------------------------------------------------

    def on_calendar(self, address: str, start: datetime, end: datetime) -> list[Occurrence]:
        """What lies on somebody's calendars, cancelled and declined ones left out, unsorted. Forbidden where it is closed."""
        collections = self.collections_of(address)
        if not collections:
            raise Forbidden(
                "this calendar cannot be seen", fix="Only calendars named in the connection's settings are."
            )
        addresses = self.mine if address in self.mine else frozenset([address])
        return [
            one
            for collection in collections
            for stored in self.between(collection, start, end)
            for one in expand.occurrences(stored, start, end, self.zone)
            if not is_cancelled(one) and not is_declined(one, addresses)
        ]

    def busy_times(
        self, address: str, start: datetime, end: datetime, *, without: str | None = None
    ) -> list[Interval] | None:
        """Unmerged; None where nobody tells. `without`: an event or series that does not count, because it is being moved."""
        collections = self.collections_of(address)
        if not collections:
            return None
        try:
            return [
                (one.start, one.end)
                for one in self.on_calendar(address, start, end)
                if one.component.get("TRANSP", "OPAQUE") != "TRANSPARENT"
                and without not in (one.event_id, ical.event_id_of(one.stored.uid))
                and one.end > one.start
            ]
        except (Forbidden, NotFound):
            if address in self.mine:
                raise
        try:
            return [times for collection in collections for times in self._free_busy(collection, start, end)]
        except (Forbidden, NotFound, InvalidCall):
            return None

    def _free_busy(self, collection: str, start: datetime, end: datetime) -> list[Interval]:
        """From a calendar that tells when it is busy, and no more (RFC 4791, 7.10)."""
        import icalendar
        from caldav.elements import cdav

        response = self.line.report(collection, cdav.FreeBusyQuery() + cdav.TimeRange(start, end))
        try:
            calendar: Any = icalendar.Calendar.from_ical(response.raw)
            [found] = calendar.walk("VFREEBUSY")
            return _periods(found)
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise Forbidden("the calendar does not say when it is busy", fix="Ask its owner.") from error


@dataclass(slots=True)
class _Found:
    calendars: dict[str, str] = field(default_factory=dict)
    principal: str | None = None
    home: str | None = None


def is_cancelled(one: Occurrence) -> bool:
    return one.is_left_out or is_off_component(one.component)


def is_off_component(component: Any) -> bool:
    return str(component.get("STATUS", "")).upper() == "CANCELLED"


def is_declined(one: Occurrence, addresses: frozenset[str]) -> bool:
    """Whether whoever has these addresses said no."""
    return any(
        ical.address_of(who) in addresses and str(who.params.get("PARTSTAT", "")).upper() == "DECLINED"
        for who in ical.people_of(one.component)
    )


def _periods(component: Any) -> list[Interval]:
    found = component.get("FREEBUSY", [])
    times: list[Interval] = []
    for one in found if isinstance(found, list) else [found]:
        if str(one.params.get("FBTYPE", "BUSY")).upper() != "FREE":
            first, last = one.dt
            times.append((first, first + last if isinstance(last, timedelta) else last))
    return times


def _data() -> Any:
    from caldav.elements import cdav, dav

    return dav.Prop() + [dav.GetEtag(), cdav.CalendarData()]


def _first(value: Any) -> str | None:
    found = value[0] if isinstance(value, list) and value else value
    return str(found) if found else None


def _slashed(url: str) -> str:
    return url if url.endswith("/") else f"{url}/"


def _choice(found: Mapping[str, str]) -> str:
    names = ", ".join(sorted(name or url.rstrip("/").split("/")[-1] for url, name in found.items()))
    return f"Set `calendar` to one of: {names}." if names else "Check the server's address."
