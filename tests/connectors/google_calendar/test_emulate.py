"""What an emulator that nobody here wrote can do of Calendar: lists, free and busy times, and taking a new event.

It lacks, and so runs on our double only: `LACKS`. What it does here is compared with what we expect, also where that is too little:
when a newer emulator can do more, these tests say so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.conformance import Provider
from connectors.errors import ConnectorError
from connectors.spec import Account
from tests.connectors.google_calendar.world import connecting
from tests.services import emulate

ME, TOKEN = "ada@example.com", "google-test-token"
SCOPE = "https://www.googleapis.com/auth/calendar"
DAY = {"start": "2026-11-23T00:00:00+00:00", "end": "2026-11-24T00:00:00+00:00"}
HOUR = {"start": "2026-11-23T15:00:00+00:00", "end": "2026-11-23T16:00:00+00:00"}

SEED: dict[str, Any] = {
    "tokens": {TOKEN: {"login": ME, "scopes": [SCOPE]}},
    "google": {
        "users": [{"email": ME, "name": "Ada Example"}],
        "calendars": [
            {"id": ME, "user_email": ME, "summary": ME, "primary": True, "selected": True, "time_zone": "UTC"}
        ],
        "calendar_events": [
            {
                "id": f"evt{name}",
                "user_email": ME,
                "calendar_id": ME,
                "summary": name.title(),
                "start_date_time": f"2026-11-23T{hour:02d}:00:00.000Z",
                "end_date_time": f"2026-11-23T{hour:02d}:30:00.000Z",
            }
            for name, hour in (("kickoff", 9), ("review", 13))
        ],
    },
}

LACKS = {  # tool → what the emulator would need for it
    "calendar.get_event": "events.get",
    "calendar.update_event": "events.get, events.patch and ETags",
    "calendar.cancel_event": "events.get and events.patch",
    "calendar.respond": "events.get, events.patch and guests' copies",
    "changes": "sync tokens",
}


@pytest.fixture(scope="module")
def ada(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with (
        emulate.running("google", SEED, tmp_path_factory.mktemp("emulate")) as google,
        connecting(google.url) as connector,
    ):
        account = Account(connection_id="ada", subject=ME, credentials={"access_token": TOKEN})
        yield Provider(connector=connector, account=account)


def test_events_are_listed_in_order(ada: Provider) -> None:
    """Both seeded events, by start; a query finds one of them."""
    found = ada.read("calendar.list_events", **DAY)["events"]
    newest = ada.read("calendar.list_events", **DAY, order="newest", limit=1)

    assert [(one["title"], one["start"]) for one in found] == [
        ("Kickoff", "2026-11-23T09:00:00+00:00"),
        ("Review", "2026-11-23T13:00:00+00:00"),
    ]
    assert newest["events"] == found[1:]
    assert newest["next"] is not None
    assert ada.read("calendar.list_events", **DAY, query="KICK")["events"] == found[:1]


def test_a_new_event_is_taken_and_makes_busy(ada: Provider) -> None:
    """Our insert is accepted as it is; the time is busy then."""
    ada.do("calendar.create_event", {"title": "Talk", "attendees": ["bob@example.com"], **HOUR})

    found = ada.read("calendar.list_events", **DAY, query="talk")["events"]
    busy = ada.read("calendar.freebusy", people=[ME], **HOUR)["busy"][ME]

    assert [(one["start"], one["end"]) for one in found] == [(HOUR["start"], HOUR["end"])]
    assert [who["address"] for who in found[0]["attendees"]] == ["bob@example.com"]
    assert busy == [HOUR]


def test_slots_are_found_around_what_is_there(ada: Provider) -> None:
    """In the usual working hours, because it does not keep any."""
    ask: dict[str, Any] = {"attendees": [], "minutes": 60, "count": 9, **DAY}

    starts = [slot["start"][11:16] for slot in ada.read("calendar.find_slots", **ask)["slots"]]

    assert starts[:2] == ["09:30", "10:30"]


@pytest.mark.parametrize("tool", sorted(LACKS))
def test_what_it_lacks_is_refused_and_never_looks_done(ada: Provider, tool: str) -> None:
    """A server without these methods is an error of its own, not a success."""
    args = {"event_id": "evt_evtkickoff"} | ({"response": "accepted"} if tool == "calendar.respond" else {})

    with pytest.raises(ConnectorError):
        _follow(ada) if tool == "changes" else ada.do(tool, args)

    pytest.skip(f"the emulator lacks {LACKS[tool]} ({tool})")


def _follow(person: Provider) -> Any:
    following: Any = person.connector
    return asyncio.run(following.changes("calendar", account=person.account, cursor=None))
