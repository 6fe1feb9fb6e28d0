"""The four families of office tools, shared by every provider: exact names, argument schemas, answers and manifests.

A provider takes `tool_specs(family)` as it stands and replaces only what its own handle makes stronger (effect class) or what
its vendor demands (scopes). Nothing here talks to anybody.
"""

from __future__ import annotations

from typing import Any

from connectors.families import calendar as _calendar
from connectors.families import chat as _chat
from connectors.families import chat_files as _files
from connectors.families import chat_scheduled as _scheduled
from connectors.families import directory as _directory
from connectors.families import mail as _mail
from connectors.families.schema import DEFAULT_LIMIT, MAX_LIMIT
from connectors.spec import ToolSpec

_FAMILIES: dict[str, tuple[ToolSpec, ...]] = {
    "directory": _directory.TOOLS,
    "mail": _mail.TOOLS,
    "calendar": _calendar.TOOLS,
    "chat": (
        *(*_chat.READS, *_files.READS, *_scheduled.READS),
        *(*_chat.EFFECTS, *_files.EFFECTS, *_scheduled.EFFECTS),
    ),
}

DIRECTORY = frozenset(spec.name for spec in _directory.TOOLS)
MAIL = frozenset(spec.name for spec in _mail.TOOLS)
CALENDAR = frozenset(spec.name for spec in _calendar.TOOLS)
CHAT = frozenset(spec.name for spec in _FAMILIES["chat"])
FAMILIES = frozenset(_FAMILIES)

COLLECTIONS: dict[str, dict[str, Any]] = {
    "people": {
        "list": "directory.list_people",
        "get": "directory.get_person",
        "records": "people",
        "key": "address",
        "title": "name",
        "order": {"field": "name", "direction": "ascending"},
        "fields": {
            "person_id": "id(people)",
            "name": "title",
            "address": "person",
            "zone": "text",
            "role": "text",
            "team": "text",
            "manager": "person",
        },
    },
    "messages": {
        "list": "mail.search",
        "search": ["mail.search"],
        "get": "mail.get_message",
        "records": "messages",
        "key": "message_id",
        "title": "subject",
        "order": {"field": "sent_at", "direction": "descending"},
        "fields": {
            "message_id": "id(messages)",
            "thread_id": "id(threads)",
            "from": "address",
            "to": "address",
            "cc": "address",
            "subject": "title",
            "sent_at": "datetime",
            "body": "text",
        },
    },
    "threads": {
        "get": "mail.get_thread",
        "records": "messages",
        "key": "thread_id",
        "title": "subject",
        "fields": {"thread_id": "id(threads)", "subject": "title"},
    },
    "events": {
        "list": "calendar.list_events",
        "search": ["calendar.list_events"],
        "get": "calendar.get_event",
        "records": "events",
        "key": "event_id",
        "title": "title",
        "order": {"field": "start", "direction": "ascending"},
        "fields": {
            "event_id": "id(events)",
            "series_id": "id(events)",
            "title": "title",
            "start": "datetime",
            "end": "datetime",
            "organizer": "address",
            "attendees": "address",
            "location": "text",
            "description": "text",
        },
    },
    "channels": {
        "list": "chat.list_channels",
        "records": "channels",
        "key": "channel",
        "title": "name",
        "fields": {"channel": "id(channels)", "name": "title", "purpose": "text", "members": "person"},
    },
    "chat_messages": {
        "list": "chat.history",
        "search": ["chat.search"],
        "records": "messages",
        "key": "message_id",
        "order": {"field": "sent_at", "direction": "descending"},
        "fields": {
            "message_id": "id(chat_messages)",
            "channel": "id(channels)",
            "author": "person",
            "text": "text",
            "sent_at": "datetime",
        },
    },
    "files": {
        "list": "chat.list_files",
        "search": ["chat.list_files"],
        "get": "chat.get_file",
        "records": "files",
        "key": "file_id",
        "title": "name",
        "order": {"field": "sent_at", "direction": "descending"},
        "fields": {
            "file_id": "id(files)",
            "message_id": "id(chat_messages)",
            "channel": "id(channels)",
            "author": "person",
            "name": "title",
            "sent_at": "datetime",
        },
    },
    "scheduled_messages": {
        "list": "chat.list_scheduled",
        "records": "scheduled",
        "key": "scheduled_id",
        "order": {"field": "send_at", "direction": "ascending"},
        "fields": {
            "scheduled_id": "id(scheduled_messages)",
            "channel": "id(channels)",
            "text": "text",
            "send_at": "datetime",
        },
    },
}


def tool_specs(family: str) -> tuple[ToolSpec, ...]:
    """Every tool of one family ("mail", "calendar", "chat", "directory"), reads first. KeyError for any other name."""
    return _FAMILIES[family]


def declared(name: str) -> ToolSpec | None:
    """What its family says of a tool, whether or not any provider offers it here; None for any other name."""
    return next((spec for spec in _FAMILIES.get(name.partition(".")[0], ()) if spec.name == name), None)


def record_fields(family: str) -> dict[str, str]:
    """Field → class ("id", "attested" by the provider, or "text" that somebody wrote) of what a family reports as new."""
    (spec,) = (spec for spec in _FAMILIES[family] if spec.name == _LISTS[family])
    return dict(spec.manifest["output"]["fields"])


_LISTS = {"mail": "mail.search", "calendar": "calendar.list_events", "chat": "chat.history"}


def manifest() -> dict[str, Any]:
    """The whole manifest of the four families: directory, pages, collections, and per tool what the guard needs to know.

    `pages.records` is null because every tool names its own (`records` of its entry).
    """
    return {
        "version": 1,
        "directory": {"tool": "directory.list_people", "name": "name", "address": "address"},
        "pages": {"offset": "cursor", "limit": "limit", "records": None, "next": "next"},
        "collections": COLLECTIONS,
        "tools": {spec.name: dict(spec.manifest) for specs in _FAMILIES.values() for spec in specs},
    }


__all__ = [
    "CALENDAR",
    "CHAT",
    "COLLECTIONS",
    "DEFAULT_LIMIT",
    "DIRECTORY",
    "FAMILIES",
    "MAIL",
    "MAX_LIMIT",
    "declared",
    "manifest",
    "record_fields",
    "tool_specs",
]
