"""The calendar family on Google Calendar v3, as `connectors.google.connector` puts it together: one function for each tool.

`preconditions(ctx, tool, args)`, `check(ctx, precondition)` and `changes(ctx, cursor)` take the time from `ctx.clock`.
"""

from __future__ import annotations

from collections.abc import Mapping

from connectors.google import calendar_checks, calendar_create, calendar_effects, calendar_reads, calendar_stream
from connectors.google.context import Handler, Reconciler
from connectors.google.discovery import SCOPE

HANDLERS: Mapping[str, Handler] = {
    "calendar.list_events": calendar_reads.list_events,
    "calendar.get_event": calendar_reads.get_event,
    "calendar.freebusy": calendar_reads.freebusy,
    "calendar.find_slots": calendar_reads.find_slots,
    "calendar.list_rooms": calendar_reads.list_rooms,
    "calendar.create_event": calendar_create.create_event,
    "calendar.update_event": calendar_effects.update_event,
    "calendar.cancel_event": calendar_effects.cancel_event,
    "calendar.respond": calendar_effects.respond,
}

RECONCILE: Mapping[str, Reconciler] = {
    "calendar.create_event": calendar_create.created,
    "calendar.update_event": calendar_effects.updated,
    "calendar.cancel_event": calendar_effects.cancelled,
    "calendar.respond": calendar_effects.responded,
}

_EVENTS_READ = SCOPE + "calendar.events.readonly"
_EVENTS = SCOPE + "calendar.events"
_BUSY = SCOPE + "calendar.freebusy"
_CALENDARS = SCOPE + "calendar.calendars.readonly"  # zones and working hours
_ROOMS = SCOPE + "calendar.calendarlist.readonly"  # the resource calendars somebody has on their list

SCOPES: Mapping[str, tuple[str, ...]] = {
    "calendar.list_events": (_EVENTS_READ,),
    "calendar.get_event": (_EVENTS_READ,),
    "calendar.freebusy": (_BUSY,),
    "calendar.find_slots": (_BUSY, _EVENTS_READ, _CALENDARS, _ROOMS),
    "calendar.list_rooms": (_ROOMS,),
    "calendar.create_event": (_EVENTS, _BUSY, _ROOMS),
    "calendar.update_event": (_EVENTS, _BUSY, _ROOMS),
    "calendar.cancel_event": (_EVENTS,),
    "calendar.respond": (_EVENTS,),
}

POLL_S = calendar_stream.POLL_S
preconditions = calendar_checks.of
check = calendar_checks.broken
changes = calendar_stream.changes
