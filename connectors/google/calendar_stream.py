"""Following a calendar by sync tokens (Calendar API guide, "Synchronize resources efficiently"). Reads only.

A cursor holds Google's token and the time it was given. When Google no longer takes a token (410), what changed since about that
time is listed, and a new token begins. Series come as one event each, with their rule; changed instances of theirs come besides.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from connectors.errors import InvalidCall, NotFound
from connectors.google import calendar_reads as reads
from connectors.google import calendar_values as values
from connectors.google.calendar_values import Resource
from connectors.google.context import Context
from connectors.spec import Change, Changes

PAGE = 250
MOST_PAGES = 400
MARGIN = timedelta(minutes=10)  # around the time of a lost cursor
POLL_S = 30.0  # between two questions; push would need a public address


def changes(ctx: Context, cursor: str | None) -> Changes:
    """One page. NotFound never: an expired token is answered by a resync."""
    if cursor is None:
        return Changes(changes=(), cursor=_begin(ctx))
    told = _read(cursor)
    try:
        page = ctx.request("calendar.events.list", **_asked(told))
    except NotFound:
        return _resync(ctx, datetime.fromisoformat(told["at"]))
    more = page.get("nextPageToken")
    if more:
        following = told | {"page": more}
    else:
        following = {"sync": page.get("nextSyncToken", told["sync"]), "at": values.iso(ctx.clock())}
    return Changes(changes=_listed(ctx, page), cursor=_write(following), more=bool(more))


def _asked(told: Mapping[str, str]) -> dict[str, Any]:
    """As in the request that the token came from, which is what Google demands."""
    asked: dict[str, Any] = {"calendarId": "primary", "maxResults": PAGE, "eventTypes": list(reads.EVENT_TYPES)}
    return asked | {"syncToken": told["sync"]} | ({"pageToken": told["page"]} if "page" in told else {})


def _begin(ctx: Context) -> str:
    """The token that means now. Google gives it behind the last page of a whole list, so that is walked, from today on."""
    now = ctx.clock()
    asked: dict[str, Any] = {
        "calendarId": "primary",
        "maxResults": PAGE,
        "eventTypes": list(reads.EVENT_TYPES),
        "timeMin": values.rfc3339(now),
        "fields": "nextPageToken,nextSyncToken",
    }
    token = ""
    for page in ctx.pages("calendar.events.list", most=MOST_PAGES, **asked):
        token = page.get("nextSyncToken", "")
    if not token:
        raise InvalidCall("this calendar has too many events to be followed", fix="Follow another one.")
    return _write({"sync": token, "at": values.iso(now)})


def _resync(ctx: Context, since: datetime) -> Changes:
    cursor = _begin(ctx)  # first, so that nothing falls between the list and the token
    asked: dict[str, Any] = {
        "calendarId": "primary",
        "maxResults": PAGE,
        "eventTypes": list(reads.EVENT_TYPES),
        "orderBy": "updated",
    }
    recent = {"updatedMin": values.rfc3339(since - MARGIN)}  # which lists deleted ones too
    found: list[Change] = []
    try:
        for page in ctx.pages("calendar.events.list", most=MOST_PAGES, **asked, **recent):
            found += _listed(ctx, page)
    except NotFound:  # 410 updatedMinTooLongAgo: what is still to come instead
        coming = {"timeMin": values.rfc3339(ctx.clock())}
        for page in ctx.pages("calendar.events.list", most=MOST_PAGES, **asked, **coming):
            found += _listed(ctx, page)
    return Changes(changes=found, cursor=cursor, is_resync=True)


def _listed(ctx: Context, page: Mapping[str, Any]) -> list[Change]:
    # A cancelled instance may not say when; it is not older than what does.
    events: list[Resource] = sorted(page.get("items", ()), key=lambda one: (one.get("updated", "~"), one["id"]))
    return [
        Change(
            change_id=f"{one['id']}:{values.digest(one.get('etag'))[:16]}", kind="event", record=_record(ctx, one, page)
        )
        for one in events
    ]


def _record(ctx: Context, event: Resource, page: Mapping[str, Any]) -> Mapping[str, Any]:
    """As list_events gives it. Of a deleted event Google may keep only which one it was; then that is all there is."""
    if "start" in event and "end" in event:
        zone = page.get("timeZone") or "UTC"
        return values.show(event, calendar=ctx.me, me=ctx.me, zone=zone, rooms=reads.room_addresses(ctx))
    series = event.get("recurringEventId")
    return {
        "event_id": values.join_id(event["id"], ctx.me, ctx.me),
        "series_id": values.join_id(series, ctx.me, ctx.me) if series else None,
        "calendar": ctx.me,
        "status": "cancelled",
    }


def _write(told: Mapping[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(dict(told)).encode()).decode()


def _read(cursor: str) -> dict[str, str]:
    try:
        told = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        is_ours = isinstance(told, dict) and isinstance(told.get("sync"), str)
        datetime.fromisoformat(told["at"] if is_ours else "")
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidCall("the cursor is not one of this calendar", fix="Begin without a cursor.") from error
    return {str(name): str(value) for name, value in told.items()}
