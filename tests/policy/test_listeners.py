"""Who may hear an answer: only a place where everybody could have read all that was read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from connectors.families import tool_specs
from policies.listeners import EVERY_COLLEAGUE, Place, Readers, may_hear, readers_of
from policies.manifest import Tool, derive, parse
from policies.people import COLLEAGUES

ME, DANA, SAM, EVE = "alex@north.example", "dana@north.example", "sam@north.example", "eve@else.example"
HOUSE = frozenset({ME, DANA, SAM})
MAIL = {"message_id": "m1", "from": DANA, "to": [ME], "cc": [SAM], "subject": "Plan", "labels": ["inbox"]}
EVENT = {"event_id": "e1", "title": "Plan", "organizer": ME, "attendees": [{"address": DANA}], "visibility": "default"}
POST = {"message_id": "c1", "author": DANA, "text": "Lunch?", "readers": None}
WEEK = {"start": "2026-11-23T09:00:00+00:00", "end": "2026-11-27T17:00:00+00:00"}


def tool(name: str) -> Tool:
    (spec,) = (spec for spec in tool_specs(name.partition(".")[0]) if spec.name == name)
    return parse({"name": name, "parameters": dict(spec.parameters), "manifest": dict(spec.manifest)})


def read(name: str, value: Any, args: Mapping[str, Any] | None = None) -> frozenset[Readers] | None:
    return readers_of(tool(name), args or {}, value, is_inside=lambda one: one in HOUSE)


def place(*listeners: str, is_public: bool = False) -> Place:
    return Place(listeners=frozenset(listeners), is_public=is_public)


OPEN: list[tuple[str, Any, Mapping[str, Any], set[Readers]]] = [
    # sender and receivers of each mail
    ("mail.search", {"messages": [MAIL], "next": None}, {"from": DANA}, {frozenset({ME, DANA, SAM})}),
    ("mail.get_message", {**MAIL, "body": "Let us."}, {}, {frozenset({ME, DANA, SAM})}),
    # each record has its own
    ("mail.search", {"messages": [MAIL, {**MAIL, "cc": []}]}, {}, {frozenset({ME, DANA, SAM}), frozenset({ME, DANA})}),
    # organizer and attendees
    ("calendar.list_events", {"events": [EVENT], "next": None}, WEEK, {frozenset({ME, DANA})}),
    # a public channel, and a private one's members
    ("chat.history", {"messages": [POST], "next": None}, {"channel": "#team"}, {EVERY_COLLEAGUE | {DANA}}),
    ("chat.history", {"messages": [{**POST, "readers": [ME, DANA]}]}, {}, {frozenset({ME, DANA})}),
    # what every colleague gets by asking
    ("directory.list_people", {"people": [], "next": None}, {}, {EVERY_COLLEAGUE}),
    ("calendar.list_rooms", {"rooms": []}, {}, {EVERY_COLLEAGUE}),
    ("calendar.freebusy", {"busy": {DANA: []}, "unknown": []}, {**WEEK, "people": [DANA]}, {EVERY_COLLEAGUE}),
    ("calendar.find_slots", {"slots": [], "unknown": []}, {**WEEK, "attendees": [DANA, SAM]}, {EVERY_COLLEAGUE}),
    # an outsider of whom nothing is told
    ("calendar.find_slots", {"slots": [], "unknown": [EVE]}, {**WEEK, "attendees": [EVE]}, {EVERY_COLLEAGUE}),
]


@pytest.mark.parametrize(("name", "value", "args", "readers"), OPEN)
def test_who_can_read_it_is_said_by_the_record(
    name: str, value: Any, args: Mapping[str, Any], readers: set[Readers]
) -> None:
    """Fields that the tool's label names, or the label itself."""
    assert read(name, value, args) == readers


CLOSED: list[tuple[str, Any, Mapping[str, Any]]] = [
    # nothing found, and nothing answered
    ("mail.search", {"messages": [], "next": None}, {}),
    ("mail.get_message", None, {}),
    # what only the mailbox knows
    ("mail.search", {"messages": [MAIL]}, {"unread": True}),
    ("mail.search", {"messages": [MAIL]}, {"label": "important"}),
    # a draft has reached nobody; of a mail without labels it is not known
    ("mail.get_message", {**MAIL, "labels": ["draft"]}, {}),
    ("mail.get_message", {name: value for name, value in MAIL.items() if name != "labels"}, {}),
    # one such record closes all
    ("mail.search", {"messages": [MAIL, {**MAIL, "labels": ["draft"]}]}, {}),
    # of a sensitive class by its look
    ("mail.get_message", {**MAIL, "body": "Your login code is 482913."}, {}),
    ("chat.history", {"messages": [{**POST, "text": "password: hunter2hunter2"}]}, {}),
    # who reads it is nowhere said: an attachment, an automatic reply
    ("mail.get_attachment", {"name": "a.txt", "mime": "text/plain", "size_bytes": 1, "text": "x"}, {}),
    ("mail.get_auto_reply", {"enabled": False, "body": ""}, {}),
    ("chat.history", {"messages": [{"message_id": "c1", "text": "x"}]}, {}),
    # kept private by its maker, or not told whether
    ("calendar.get_event", {**EVENT, "visibility": "private"}, {}),
    ("calendar.get_event", {name: value for name, value in EVENT.items() if name != "visibility"}, {}),
    # nobody has read what is still to be posted
    ("chat.list_scheduled", {"scheduled": [{"scheduled_id": "s", "text": "x", "author": ME, "readers": None}]}, {}),
    # an outsider's times were shown to the asker
    ("calendar.freebusy", {"busy": {EVE: []}, "unknown": []}, {**WEEK, "people": [DANA, EVE]}),
    ("calendar.find_slots", {"slots": [], "unknown": []}, {**WEEK, "attendees": [EVE]}),
    # of whom is not known
    ("calendar.freebusy", {"busy": {}, "unknown": []}, {}),
    # "every colleague" is no address that a sender may write, and no null among several fields
    ("mail.get_message", {**MAIL, "to": [COLLEAGUES]}, {}),
    ("mail.get_message", {**MAIL, "cc": None}, {}),
    ("chat.history", {"messages": [{**POST, "readers": [COLLEAGUES, ME]}]}, {}),
    # what an effect answered
    ("mail.send", MAIL, {}),
    ("chat.post_message", POST, {}),
]


@pytest.mark.parametrize(("name", "value", "args"), CLOSED)
def test_what_says_no_readers_has_none(name: str, value: Any, args: Mapping[str, Any]) -> None:
    """Absent, doubtful, secret, private and changed: its finder's alone."""
    assert read(name, value, args) is None


def test_a_tool_without_a_label_has_no_readers() -> None:
    """A tool server's answer looks as it likes."""
    unknown = derive("web.read_mail", "Reads a mail", {"properties": {}})

    assert readers_of(unknown, {}, MAIL, is_inside=lambda _: True) is None


PLACES: list[tuple[set[Readers] | None, Place | None, bool]] = [
    # nothing read but the request
    (set(), place(ME, DANA), True),
    ({EVERY_COLLEAGUE}, place(ME, DANA), True),
    ({EVERY_COLLEAGUE}, place(ME, DANA, is_public=True), True),
    ({frozenset({ME, DANA, SAM})}, place(ME, DANA), True),
    # one listener too many, one record too many
    ({frozenset({ME, DANA})}, place(ME, DANA, SAM), False),
    ({EVERY_COLLEAGUE, frozenset({ME})}, place(ME, DANA), False),
    # whoever comes in later reads it too
    ({frozenset({ME, DANA})}, place(ME, DANA, is_public=True), False),
    # not known: what was read, who listens, or that anybody does
    (None, place(ME), False),
    ({EVERY_COLLEAGUE}, None, False),
    ({EVERY_COLLEAGUE}, place(), False),
]


@pytest.mark.parametrize(("readers", "where", "heard"), PLACES)
def test_a_place_hears_what_each_listener_could_have_read(
    readers: set[Readers] | None, where: Place | None, heard: bool
) -> None:
    """Every record by every listener; in a public place by every colleague."""
    assert may_hear(readers, where) is heard
