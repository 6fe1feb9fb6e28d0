"""The double refuses what Google's discovery document and guides say is refused. It is ours, and proves nothing about Google."""

from __future__ import annotations

from typing import Any

import pytest

from tests.connectors.google_calendar.world import ANN, BEN, OUTSIDER, ask
from tests.services.google_calendar import GoogleCalendar

EVENTS = "calendars/primary/events"
HOUR: dict[str, Any] = {
    "id": "abcde12345",
    "summary": "Talk",
    "start": {"dateTime": "2026-12-01T10:00:00Z", "timeZone": "Europe/Lisbon"},
    "end": {"dateTime": "2026-12-01T11:00:00Z", "timeZone": "Europe/Lisbon"},
}


def _insert(server: GoogleCalendar, **more: Any) -> dict[str, Any]:
    answer = ask(server, "POST", EVENTS, body=HOUR | more)
    assert answer.status_code == 200, answer.text
    event: dict[str, Any] = answer.json()
    return event


@pytest.mark.parametrize(
    ("verb", "path", "query", "body", "status"),
    [
        ("GET", EVENTS, {"colour": "red"}, None, 400),  # no such parameter
        ("GET", EVENTS, {"maxResults": "many"}, None, 400),
        ("GET", EVENTS, {"orderBy": "title"}, None, 400),  # not of the enumeration
        ("GET", EVENTS, {"orderBy": "startTime"}, None, 400),  # only with singleEvents
        ("GET", EVENTS, {"syncToken": "x", "timeMin": "2026-01-01T00:00:00Z"}, None, 400),
        ("GET", EVENTS, {"timeMin": "2026-01-01"}, None, 400),
        ("GET", "calendars/primary/happenings", {}, None, 404),  # no such route
        ("GET", f"calendars/{OUTSIDER}/events", {}, None, 404),
        ("POST", EVENTS, {}, HOUR | {"titel": "Talk"}, 400),  # no such field
        ("POST", EVENTS, {}, HOUR | {"summary": 7}, 400),
        ("POST", EVENTS, {}, HOUR | {"id": "WXYZ!"}, 400),  # not base32hex
        ("POST", EVENTS, {}, HOUR | {"end": {"dateTime": "2026-12-01T09:00:00Z"}}, 400),
        ("POST", EVENTS, {}, HOUR | {"attendees": [{"email": "nobody"}]}, 400),
        ("POST", EVENTS, {}, HOUR | {"recurrence": ["RRULE:every day"]}, 400),
        ("POST", f"calendars/{BEN}/events", {}, HOUR, 403),  # reading is not writing
        ("POST", "freeBusy", {}, {"timeMin": "2026-01-01T00:00:00Z", "timeMax": "2027-01-01T00:00:00Z"}, 400),
        ("GET", "colors", {}, None, 501),  # in the document, not in the double
    ],
)
def test_what_does_not_fit_is_refused(
    server: GoogleCalendar, verb: str, path: str, query: dict[str, Any], body: Any, status: int
) -> None:
    """Every refusal has Google's shape: code, message and a reason."""
    answer = ask(server, verb, path, body=body, **query)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, status)
    assert error["message"]
    assert error["errors"][0]["reason"]


def test_a_second_event_under_one_id_is_409(server: GoogleCalendar) -> None:
    """Client ids are unique on a calendar, also after the event was deleted."""
    _insert(server)

    again = ask(server, "POST", EVENTS, body=HOUR)
    ask(server, "DELETE", f"{EVENTS}/{HOUR['id']}")
    afterwards = ask(server, "POST", EVENTS, body=HOUR)

    assert (again.status_code, again.json()["error"]["errors"][0]["reason"]) == (409, "duplicate")
    assert afterwards.status_code == 409


@pytest.mark.parametrize("verb", ["PATCH", "PUT", "DELETE"])
def test_a_stale_etag_is_412(server: GoogleCalendar, verb: str) -> None:
    """A change under an old ETag changes nothing; under the current one it is made, and the ETag is another."""
    stale = _insert(server)["etag"]
    path, body = f"{EVENTS}/{HOUR['id']}", None if verb == "DELETE" else HOUR | {"summary": "Other"}
    current = ask(server, "PATCH", path, body={"location": "Hall"}).json()["etag"]

    refused = ask(server, verb, path, body=body, headers={"If-Match": stale})
    unchanged = ask(server, "GET", path).json()
    made = ask(server, verb, path, body=body, headers={"If-Match": current})

    assert (refused.status_code, refused.json()["error"]["errors"][0]["reason"]) == (412, "conditionNotMet")
    assert (unchanged["summary"], unchanged["etag"]) == ("Talk", current)
    assert made.status_code in (200, 204)
    assert ask(server, "GET", path).json()["etag"] != current


def test_a_second_delete_is_410(server: GoogleCalendar) -> None:
    """What was deleted is gone; what never was is not found."""
    _insert(server)

    codes = [ask(server, "DELETE", f"{EVENTS}/{HOUR['id']}").status_code for _ in range(2)]

    assert codes == [204, 410]
    assert ask(server, "DELETE", f"{EVENTS}/neverwas").status_code == 404


def test_events_are_found_by_private_properties_and_words(server: GoogleCalendar) -> None:
    """Both properties asked for must be there; words are found in title, place and people."""
    _insert(server, extendedProperties={"private": {"key": "1", "kind": "a"}}, attendees=[{"email": BEN}])

    def ids(**query: Any) -> list[str]:
        return [one["id"] for one in ask(server, "GET", EVENTS, **query).json()["items"]]

    assert ids(privateExtendedProperty=["key=1", "kind=a"]) == [HOUR["id"]]
    assert ids(privateExtendedProperty=["key=1", "kind=b"]) == []
    assert ids(q="talk ben") == [HOUR["id"]]
    assert ids(q="walk") == []


def test_a_guests_copy_shares_the_event_and_not_the_private_properties(server: GoogleCalendar) -> None:
    """Guests of the company have the event under the same id, with their own etag; they answer, and change nothing else."""
    mine = _insert(server, attendees=[{"email": BEN}], extendedProperties={"private": {"key": "1"}})
    path = f"{EVENTS}/{HOUR['id']}"
    theirs = ask(server, "GET", path, who=BEN).json()

    attendees = [{"email": BEN, "responseStatus": "accepted"}]
    answered = ask(server, "PATCH", path, who=BEN, body={"attendees": attendees})
    renamed = ask(server, "PATCH", path, who=BEN, body={"summary": "Mine now"})

    assert "extendedProperties" not in theirs
    assert theirs["attendees"][0]["self"] is True
    assert answered.status_code == 200
    assert renamed.status_code == 403
    assert ask(server, "GET", path).json()["attendees"][0]["responseStatus"] == "accepted"
    assert ask(server, "GET", path).json()["etag"] != mine["etag"]


def test_sync_tokens_give_what_changed_and_end(server: GoogleCalendar) -> None:
    """Behind the last page there is a token; with it come changes and deletions, once; an expired one is 410."""
    for number in range(3):
        _insert(server, id=f"event{number}")
    first = ask(server, "GET", EVENTS, maxResults=2).json()
    last = ask(server, "GET", EVENTS, maxResults=2, pageToken=first["nextPageToken"]).json()
    ask(server, "PATCH", f"{EVENTS}/event1", body={"summary": "Other"})
    ask(server, "DELETE", f"{EVENTS}/event2")

    changed = ask(server, "GET", EVENTS, syncToken=last["nextSyncToken"]).json()
    nothing = ask(server, "GET", EVENTS, syncToken=changed["nextSyncToken"]).json()
    server.world.expire_sync_tokens()
    stale = ask(server, "GET", EVENTS, syncToken=nothing["nextSyncToken"])

    assert "nextSyncToken" not in first
    assert len(first["items"] + last["items"]) == 3
    assert {one["id"]: one["status"] for one in changed["items"]} == {"event1": "confirmed", "event2": "cancelled"}
    assert nothing["items"] == []
    assert stale.status_code == 410


def test_tokens_and_scopes_are_asked_for(server: GoogleCalendar) -> None:
    """An unknown token is 401; one without a scope of the method is 403, as the discovery document lists them."""
    scope = "https://www.googleapis.com/auth/calendar.events.readonly"
    server.world.scopes["token-ann"] = frozenset({scope})

    assert ask(server, "GET", EVENTS, who="nobody@north.example").status_code == 401
    assert ask(server, "GET", EVENTS, who=ANN).status_code == 200
    assert ask(server, "POST", EVENTS, who=ANN, body=HOUR).status_code == 403
    server.world.scopes.clear()
