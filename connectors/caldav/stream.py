"""Following a calendar: by sync token (RFC 6578), else by comparing the collection's tag. Reads only.

Deleted objects are not reported, since nothing is left of them to show; cancelled ones are, as events with that status.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.caldav import expand, ical, reads
from connectors.caldav.home import Home
from connectors.caldav.ical import Stored
from connectors.caldav.line import StaleToken
from connectors.errors import Conflict, Forbidden, InvalidCall, NotFound
from connectors.spec import Change, Changes

PAGE = 100  # objects
CTAG = "{http://calendarserver.org/ns/}getctag"
SLACK = timedelta(minutes=5)  # clocks of writers and server differ
AROUND = (timedelta(days=31), timedelta(days=366))  # before and after now, where a server tells no more than its events


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a follower stands. `until` and `after` only between the pages of one answer."""

    token: str = ""
    tag: str = ""
    at: int = 0  # when it was written, seconds since 1970
    until: str = ""  # the token behind the last page
    after: str = ""  # the last address reported
    is_resync: bool = False

    def write(self) -> str:
        values = [self.token, self.tag, self.at, self.until, self.after, self.is_resync]
        return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()

    @classmethod
    def read(cls, cursor: str) -> Place:
        try:
            token, tag, at, until, after, is_resync = json.loads(base64.urlsafe_b64decode(cursor.encode()))
            return cls(
                token=str(token),
                tag=str(tag),
                at=int(at),
                until=str(until),
                after=str(after),
                is_resync=bool(is_resync),
            )
        except (ValueError, TypeError) as error:
            raise InvalidCall("the cursor is not one of this calendar", fix="Begin without one.") from error


def changes(home: Home, cursor: str | None) -> Changes:
    """What changed since `cursor`; without one nothing, only where to continue from."""
    if cursor is None:
        return Changes(changes=(), cursor=_here(home).write())
    place = Place.read(cursor)
    if place.is_resync or not place.token:
        return _since(home, place)
    try:
        return _by_token(home, place)
    except (StaleToken, Conflict, InvalidCall, Forbidden, NotFound):  # expired, or a server that will not hear of it
        return _since(home, replace(place, token="", tag="", until="", after=""))


def is_new(home: Home, cursor: str) -> bool:
    """Whether anything may have changed since."""
    place, here = Place.read(cursor), _here(home)
    return (place.token, place.tag) != (here.token, here.tag)


def _here(home: Home) -> Place:
    """The calendar as it is now: its token, or else its tag."""
    from caldav.elements import dav

    [one] = home.line.propfind(home.calendar, dav.SyncToken(), _ctag())[:1] or [None]
    values = {} if one is None else one.properties
    return Place(
        token=str(values.get(dav.SyncToken.tag) or ""),
        tag=str(values.get(CTAG) or ""),
        at=int(home.now.timestamp()),
    )


def _by_token(home: Home, place: Place) -> Changes:
    from caldav.elements import dav

    query = dav.SyncCollection() + [
        dav.SyncToken(value=place.token),
        dav.SyncLevel(value="1"),
        dav.Prop() + dav.GetEtag(),
    ]
    found = home.line.changed(home.calendar, query)
    # The token of the first page counts: what changes while the others are read is reported after them.
    until = place.until or str(found.sync_token or "")
    urls = sorted({home.line.named(one.href) for one in found.changed if one.href} - {home.calendar})
    left = [url for url in urls if url > place.after]
    records = _records(home, home.by_addresses(home.calendar, left[:PAGE]) if left else [])
    if len(left) > PAGE:
        further = replace(place, until=until, after=left[PAGE - 1])
        return Changes(changes=records, cursor=further.write(), more=True)
    here = Place(token=until, tag=_here(home).tag, at=int(home.now.timestamp()))
    return Changes(changes=records, cursor=here.write(), more=bool(found.truncated))


def _since(home: Home, place: Place) -> Changes:
    """What was written since about the cursor's time, by the events' own word; those that say nothing are all reported."""
    here = _here(home)
    if not place.is_resync and place.tag and place.tag == here.tag:
        return Changes(changes=(), cursor=here.write())
    since = datetime.fromtimestamp(place.at, UTC) - SLACK
    around = home.between(home.calendar, home.now - AROUND[0], home.now + AROUND[1])
    written = sorted((one for one in around if _written(one) >= since), key=lambda one: one.url)
    left = [one for one in written if one.url > place.after]
    records = _records(home, left[:PAGE])
    if len(left) > PAGE:
        further = replace(place, after=left[PAGE - 1].url, is_resync=True, until=place.until or here.write())
        return Changes(changes=records, cursor=further.write(), more=True, is_resync=True)
    return Changes(changes=records, cursor=place.until or here.write(), is_resync=True)


def _written(stored: Stored) -> datetime:
    """When an object was last written, by its own word; the end of time where it says nothing."""
    times = [
        ical.moment(event[name].dt, UTC)
        for event in stored.events
        for name in ("LAST-MODIFIED", "DTSTAMP", "CREATED")
        if hasattr(event.get(name), "dt")
    ]
    return max(times, default=datetime.max.replace(tzinfo=UTC))


def _records(home: Home, objects: list[Stored]) -> list[Change]:
    """Each as the event itself or the series, or, of single instances alone, as the first of them."""
    found: list[Change] = []
    for stored in objects:
        one = expand.whole(stored, home.zone) or expand.first_apart(stored, home.zone)
        if one is not None:
            record = reads.show(home, one, home.me)
            found.append(Change(change_id=f"{record['event_id']}:{stored.etag}", kind="event", record=record))
    return found


def _ctag() -> Any:
    from caldav.elements.base import BaseElement

    class GetCtag(BaseElement):
        tag = CTAG

    return GetCtag()
