"""The calendar family. The account's own calendar is meant unless `calendar` names another person's."""

from __future__ import annotations

from typing import Any

from connectors.families import schema as s
from connectors.families.directory import WORKING_HOURS
from connectors.spec import EffectClass

RESPONSES = ("accepted", "declined", "tentative", "needs_action")
EVENT = s.record(
    {
        "event_id": s.STRING,
        "series_id": s.nullable(s.STRING),
        "calendar": s.ADDRESS,
        "title": s.STRING,
        "start": s.INSTANT,
        "end": s.INSTANT,
        "zone": s.STRING,
        "all_day": s.BOOLEAN,
        "location": s.STRING,
        "description": s.STRING,
        "organizer": s.ADDRESS,
        "attendees": s.list_of(
            s.record(
                {
                    "address": s.ADDRESS,
                    "name": s.STRING,
                    "response": {"type": "string", "enum": list(RESPONSES)},
                    "optional": s.BOOLEAN,
                }
            )
        ),
        "room": s.nullable(s.ADDRESS),
        "status": {"type": "string", "enum": ["confirmed", "cancelled"]},
        "visibility": {"type": "string", "enum": ["default", "private"]},
        "recurrence": s.nullable(s.STRING),
        "conference_url": s.nullable(s.STRING),
        "etag": s.STRING,
    }
)
INTERVAL = s.record({"start": s.INSTANT, "end": s.INSTANT})

EVENT_OUTPUT: dict[str, Any] = {
    "fields": {
        "event_id": "id",
        "series_id": "id",
        "calendar": "attested",
        "title": "text",
        "start": "attested",
        "end": "attested",
        "zone": "attested",
        "all_day": "attested",
        "location": "text",
        "description": "text",
        "organizer": "attested",
        "attendees": "attested",
        "room": "attested",
        "status": "attested",
        "visibility": "attested",
        "recurrence": "attested",
        "conference_url": "text",
        "etag": "attested",
    },
    "author": "organizer",
    "readers": ["organizer", "attendees"],
    "kept": {"visibility": ["private"]},
}
EVENT_ARG = {"role": "what", "type": "id(events)"}
WHO = {"role": "who", "type": "address"}
TIME = {"role": "time", "type": "datetime"}

_EVENT_ID = s.text("Id of the event, or of one instance of a series.")
_SCOPE = s.choice("For a series: this instance (default) or all of it.", "this", "series")
_TITLE = s.text("Title.", max_length=1000)
_DESCRIPTION = s.text("Notes, plain text.", max_length=100_000)
_LOCATION = s.text("Place or link.", max_length=1000)
_ROOM = s.address("Address of a room, from calendar.list_rooms.")

PREFERENCES: s.Schema = {
    "type": "object",
    "description": "Meeting preferences, in `zone` (default: the account's zone).",
    "properties": {
        "earliest": s.clock_time("Not before, HH:MM."),
        "latest": s.clock_time("Over by, HH:MM."),
        "avoid_days": s.many({"type": "string", "enum": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}, "Not on."),
        "buffer_minutes": {"type": "integer", "minimum": 0, "maximum": 240, "description": "Free before and after."},
        "lunch": {
            "type": "array",
            "items": s.clock_time("HH:MM."),
            "minItems": 2,
            "maxItems": 2,
            "description": "Kept free, from and to.",
        },
        "zone": s.text("IANA zone."),
    },
    "additionalProperties": False,
}

READS = (
    s.tool(
        "calendar.list_events",
        "List events",
        "Events between `start` and `end`, recurring ones expanded, earliest first. With `calendar` another colleague's "
        "calendar, where private events appear as busy.",
        takes=s.paged(
            {
                "start": s.instant("Ending after."),
                "end": s.instant("Starting before."),
                "calendar": s.address("A colleague's address."),
                "query": s.text("Words of title, notes or place."),
                "attendee": s.address("With this person as organizer or attendee."),
                "order": s.choice("Default oldest, that is earliest first.", "newest", "oldest"),
            }
        ),
        required=["start", "end"],
        gives=s.page("events", EVENT),
        manifest={
            "effect": "read",
            "noun": "event",
            "collection": "events",
            "records": "events",
            "args": {
                "start": TIME,
                "end": TIME,
                "calendar": {"role": "query", "type": "address"},
                "query": {"role": "query", "type": "text"},
                "attendee": {"role": "query", "type": "address"},
                "order": "pick",
                "limit": "pick",
                "cursor": "pick",
            },
            "output": EVENT_OUTPUT,
        },
    ),
    s.tool(
        "calendar.get_event",
        "Read an event",
        "One event, or one instance of a series.",
        takes={"event_id": _EVENT_ID},
        required=["event_id"],
        gives=EVENT,
        manifest={
            "effect": "read",
            "noun": "event",
            "collection": "events",
            "record": "event_id",
            "args": {"event_id": EVENT_ARG},
            "output": EVENT_OUTPUT,
        },
    ),
    s.tool(
        "calendar.freebusy",
        "Read free/busy times",
        "When people (or rooms) are busy, merged and sorted. `unknown` names those whose calendar cannot be seen.",
        takes={"people": s.addresses("Whose.", at_least=1), "start": s.instant("From."), "end": s.instant("To.")},
        required=["people", "start", "end"],
        gives=s.record(
            {"busy": {"type": "object", "additionalProperties": s.list_of(INTERVAL)}, "unknown": s.list_of(s.ADDRESS)}
        ),
        manifest={
            "effect": "read",
            "noun": "free/busy time",
            "args": {"people": {"role": "query", "type": "address"}, "start": TIME, "end": TIME},
            "output": {"fields": {"busy": "attested", "unknown": "attested"}} | s.open_about("people"),
        },
    ),
    s.tool(
        "calendar.find_slots",
        "Find free slots",
        "Earliest times between `start` and `end` when the account and all attendees are free within their working hours and "
        "zones, on the half-hour grid and not past. `unknown` names attendees whose calendar cannot be seen.",
        takes={
            "attendees": s.addresses("The others; the account itself is always included."),
            "minutes": {"type": "integer", "minimum": 5, "maximum": 1440, "description": "Length."},
            "start": s.instant("Not before."),
            "end": s.instant("Over by."),
            "preferences": PREFERENCES,
            "count": {"type": "integer", "minimum": 1, "maximum": 50, "description": "How many; default 3."},
            "room": s.flag("Also with a free room."),
        },
        required=["attendees", "minutes", "start", "end"],
        gives=s.record(
            {
                "slots": s.list_of(s.record({"start": s.INSTANT, "end": s.INSTANT, "room": s.nullable(s.ADDRESS)})),
                "considered": {
                    "type": "object",
                    "additionalProperties": s.record({"zone": s.STRING, "working_hours": WORKING_HOURS}),
                },
                "unknown": s.list_of(s.ADDRESS),
            }
        ),
        manifest={
            "effect": "read",
            "noun": "free slot",
            "args": {
                "attendees": {"role": "query", "type": "address"},
                "minutes": {"role": "time", "type": "minutes"},
                "start": TIME,
                "end": TIME,
                "preferences": "pick",
                "count": "pick",
                "room": "pick",
            },
            "output": {
                "fields": {
                    "slots": "attested",
                    "start": "attested",
                    "end": "attested",
                    "room": "attested",
                    "unknown": "attested",
                }
            }
            | s.open_about("attendees"),
        },
    ),
    s.tool(
        "calendar.list_rooms",
        "List rooms",
        "The rooms that can be booked.",
        takes={},
        gives=s.record(
            {
                "rooms": s.list_of(
                    s.record({"room": s.STRING, "name": s.STRING, "capacity": s.INTEGER, "address": s.ADDRESS})
                )
            }
        ),
        manifest={
            "effect": "read",
            "noun": "room",
            "records": "rooms",
            "args": {},
            "output": {"fields": {"room": "id", "name": "attested", "capacity": "attested", "address": "attested"}}
            | s.OPEN,
        },
    ),
)

EFFECTS = (
    s.tool(
        "calendar.create_event",
        "Create an event",
        "Puts an event into the account's calendar and invites the attendees.",
        takes={
            "title": _TITLE,
            "start": s.instant("Start."),
            "end": s.instant("End."),
            "zone": s.text("IANA zone it is kept in; default the account's."),
            "attendees": s.addresses("Who is invited."),
            "description": _DESCRIPTION,
            "location": _LOCATION,
            "room": _ROOM,
            "recurrence": s.text("RRULE (RFC 5545), e.g. RRULE:FREQ=WEEKLY;COUNT=10."),
            "visibility": s.choice("Default default.", "default", "private"),
            "conference": s.flag("Also with a link to meet by video, where the calendar can make one."),
        },
        required=["title", "start", "end"],
        gives=EVENT,
        manifest={
            "effect": "create",
            "noun": "event",
            "collection": "events",
            "returns": "id(events)",
            "args": {
                "title": {"role": "text", "type": "title"},
                "start": TIME,
                "end": TIME,
                "zone": "pick",
                "attendees": WHO,
                "description": {"role": "text", "type": "text"},
                "location": {"role": "text", "type": "text"},
                "room": {"role": "pick", "type": "address"},
                "recurrence": "time",
                "visibility": "pick",
                "conference": "pick",
            },
            "output": EVENT_OUTPUT,
        },
        effect_class=EffectClass.KEYED,
        undo="calendar.cancel_event",
    ),
    s.tool(
        "calendar.update_event",
        "Change an event",
        "Changes an event that the account organizes; attendees are told, and asked again when its time changes. With `etag` "
        "only if nobody changed it since.",
        takes={
            "event_id": _EVENT_ID,
            "etag": s.text("As read."),
            "title": _TITLE,
            "start": s.instant("New start."),
            "end": s.instant("New end; default: as long as before."),
            "description": _DESCRIPTION,
            "location": _LOCATION,
            "room": _ROOM,
            "add_attendees": s.addresses("Further people."),
            "remove_attendees": s.addresses("People taken off."),
            "scope": _SCOPE,
        },
        required=["event_id"],
        gives=EVENT,
        manifest={
            "effect": "update",
            "noun": "event",
            "collection": "events",
            "record": "event_id",
            "args": {
                "event_id": EVENT_ARG,
                "etag": "pick",
                "title": {"role": "text", "type": "title"},
                "start": TIME,
                "end": TIME,
                "description": {"role": "text", "type": "text"},
                "location": {"role": "text", "type": "text"},
                "room": {"role": "pick", "type": "address"},
                "add_attendees": WHO,
                "remove_attendees": {"role": "pick", "type": "address"},
                "scope": "pick",
            },
            "output": EVENT_OUTPUT,
        },
        effect_class=EffectClass.IDEMPOTENT,
        undo="calendar.update_event",
    ),
    s.tool(
        "calendar.cancel_event",
        "Cancel an event",
        "Cancels an event that the account organizes, and tells the attendees.",
        takes={
            "event_id": _EVENT_ID,
            "message": s.text("A word to the attendees.", max_length=10_000),
            "scope": _SCOPE,
        },
        required=["event_id"],
        gives=s.record({"event_id": s.STRING, "status": {"type": "string", "enum": ["cancelled"]}}),
        manifest={
            "effect": "delete",
            "destructive": True,
            "noun": "event",
            "collection": "events",
            "record": "event_id",
            "args": {"event_id": EVENT_ARG, "message": {"role": "text", "type": "text"}, "scope": "pick"},
            "output": {"fields": {"event_id": "id", "status": "attested"}},
        },
        effect_class=EffectClass.IDEMPOTENT,
    ),
    s.tool(
        "calendar.respond",
        "Answer an invitation",
        "Accepts, declines or tentatively accepts an invitation; the organizer is told.",
        takes={
            "event_id": _EVENT_ID,
            "response": s.choice("Answer.", "accepted", "declined", "tentative"),
            "message": s.text("A word to the organizer.", max_length=10_000),
        },
        required=["event_id", "response"],
        gives=EVENT,
        manifest={
            "effect": "update",
            "noun": "event",
            "collection": "events",
            "record": "event_id",
            "args": {"event_id": EVENT_ARG, "response": "pick", "message": {"role": "text", "type": "text"}},
            "output": EVENT_OUTPUT,
        },
        effect_class=EffectClass.IDEMPOTENT,
        undo="calendar.respond",
    ),
)

TOOLS = READS + EFFECTS
