"""Following a calendar: everything new or changed comes, also after a lost cursor; a token that ended is no error."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from connectors.conformance import Provider
from connectors.errors import InvalidCall
from connectors.spec import Changes
from tests.connectors.google_calendar.world import ANN, BEN, company
from tests.services.google_calendar import GoogleCalendar

HOUR: dict[str, Any] = {
    "title": "Talk",
    "start": "2027-05-04T10:00:00+01:00",
    "end": "2027-05-04T11:00:00+01:00",
}


def _changes(person: Provider, cursor: str | None) -> Changes:
    following: Any = person.connector
    found: Changes = asyncio.run(following.changes("calendar", account=person.account, cursor=cursor))
    return found


def test_changes_come_once_and_in_order(ann: Provider, ben: Provider) -> None:
    """Without a cursor nothing, then what was made, changed and cancelled since, oldest first, as the list gives it."""
    old = ann.do("calendar.create_event", HOUR | {"title": "Old"})
    begin = _changes(ann, None)
    made = ann.do("calendar.create_event", HOUR)
    invited = ben.do("calendar.create_event", HOUR | {"title": "Invitation", "attendees": [ANN]})
    ann.do("calendar.cancel_event", {"event_id": old["event_id"]})

    found = _changes(ann, begin.cursor)
    nothing = _changes(ann, found.cursor)

    assert begin.changes == ()
    assert [(one.kind, one.record["event_id"], one.record["status"]) for one in found.changes] == [
        ("event", made["event_id"], "confirmed"),
        ("event", invited["event_id"], "confirmed"),
        ("event", old["event_id"], "cancelled"),
    ]
    assert found.changes[0].record == made
    assert list(nothing.changes) == []
    assert not (found.more or found.is_resync or nothing.is_resync)


def test_a_change_keeps_its_id_and_another_change_has_another(ann: Provider) -> None:
    """Asked twice with one cursor, the same ids come, so that each is worked on once."""
    begin = _changes(ann, None).cursor
    event = ann.do("calendar.create_event", HOUR)
    first, again = (_changes(ann, begin) for _ in range(2))
    ann.do("calendar.update_event", {"event_id": event["event_id"], "title": "Other"})

    second = _changes(ann, first.cursor)

    assert first.changes == again.changes
    assert second.changes[0].record["title"] == "Other"
    assert second.changes[0].change_id != first.changes[0].change_id


def test_an_expired_token_lists_what_changed_since(ann: Provider, server: GoogleCalendar) -> None:
    """410 leads to a resync with what changed since about then, deletions too, and a cursor that goes on from there."""
    begin = _changes(ann, None).cursor
    kept = ann.do("calendar.create_event", HOUR)
    gone = ann.do("calendar.create_event", HOUR | {"title": "Gone"})
    ann.do("calendar.cancel_event", {"event_id": gone["event_id"]})
    server.world.expire_sync_tokens()

    found = _changes(ann, begin)
    later = ann.do("calendar.create_event", HOUR | {"title": "Later"})
    following = _changes(ann, found.cursor)

    assert found.is_resync
    assert {one.record["event_id"]: one.record["status"] for one in found.changes} == {
        kept["event_id"]: "confirmed",
        gone["event_id"]: "cancelled",
    }
    assert [one.record["event_id"] for one in following.changes] == [later["event_id"]]
    assert not following.is_resync


def test_many_changes_come_page_by_page(ann: Provider, server: GoogleCalendar) -> None:
    """A page says that there is more; joined, the pages have each change once."""
    begin = _changes(ann, None).cursor
    calendar = server.world.calendars[ANN]
    for number in range(301):
        event = {"id": f"event{number:04d}", "status": "confirmed", "summary": f"{number}", "organizer": {"email": BEN}}
        times = {name: {"dateTime": "2027-05-04T10:00:00Z"} for name in ("start", "end")}
        calendar.store(event | times, now=server.world.now())

    first = _changes(ann, begin)
    second = _changes(ann, first.cursor)

    assert (first.more, second.more) == (True, False)
    assert len({one.change_id for one in (*first.changes, *second.changes)}) == 301
    assert list(_changes(ann, second.cursor).changes) == []


def test_a_series_comes_as_one_and_a_changed_instance_besides(ann: Provider) -> None:
    """A series is one change; an instance that was cancelled says so, with its series."""
    begin = _changes(ann, None).cursor
    series = ann.do("calendar.create_event", HOUR | {"recurrence": "RRULE:FREQ=WEEKLY;COUNT=3"})
    span = {"start": "2027-05-01T00:00:00+00:00", "end": "2027-06-01T00:00:00+00:00"}
    second = ann.read("calendar.list_events", **span)["events"][1]
    ann.do("calendar.cancel_event", {"event_id": second["event_id"]})

    found = _changes(ann, begin).changes

    assert [(one.record["event_id"], one.record["series_id"]) for one in found] == [
        (series["event_id"], None),
        (second["event_id"], series["event_id"]),
    ]
    assert found[0].record["recurrence"] == "RRULE:FREQ=WEEKLY;COUNT=3"
    assert found[1].record["status"] == "cancelled"


@pytest.mark.parametrize("cursor", ["", "nonsense", "e30=", "eyJzeW5jIjogMX0="])
def test_a_cursor_of_somebody_else_is_refused(ann: Provider, cursor: str) -> None:
    """InvalidCall, with a way to begin again."""
    with pytest.raises(InvalidCall) as caught:
        _changes(ann, cursor)

    assert caught.value.fix


def test_an_empty_calendar_can_be_followed(ann: Provider, server: GoogleCalendar) -> None:
    """The first event is news."""
    server.begin_again(company())
    begin = _changes(ann, None).cursor

    event = ann.do("calendar.create_event", HOUR)

    assert [one.record for one in _changes(ann, begin).changes] == [event]
