"""Other people: what of their time can be seen, who is told of what, and where the password never goes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from connectors.conformance.provider import new_key
from connectors.errors import Conflict, Forbidden, InvalidCall, ReconsentNeeded
from connectors.spec import Account
from tests.connectors.caldav.world import ALEX, ATLAS, DANA, OUTSIDER, World

WHEN = {"start": "2027-02-01T10:00:00+00:00", "end": "2027-02-01T10:30:00+00:00"}
DAY = {"start": "2027-02-01T00:00:00+00:00", "end": "2027-02-02T00:00:00+00:00"}
BUSY = [{"start": WHEN["start"], "end": WHEN["end"]}]
HIDDEN = "DTSTART:20270201T100000Z\r\nDURATION:PT30M\r\nSUMMARY:Secret"


def _preconditions(world: World, tool: str, args: dict[str, Any]) -> list[str]:
    from datetime import UTC, datetime

    now = datetime(2027, 1, 1, tzinfo=UTC)
    looking = world.connector.preconditions(f"calendar.{tool}", args, account=world.account(), now=now)
    return [one.text for one in asyncio.run(looking)]


def test_a_server_that_invites_nobody_is_said_to(world: World) -> None:
    """Radicale keeps calendars only: the answer says so, the card says so before, and nobody's calendar has it."""
    args = {"title": "With Dana", "attendees": [DANA], **WHEN}

    event = world.do("create_event", **args)
    moved = world.do("update_event", event_id=event["event_id"], location="Elsewhere")
    cancelled = world.do("cancel_event", event_id=event["event_id"])

    assert [one["invitations"] for one in (event, moved, cancelled)] == ["not_sent"] * 3
    assert world.objects(DANA) == {}
    assert any("no invitations" in text for text in _preconditions(world, "create_event", args))
    assert all("not_sent" in spec.description for spec in world.connector.tools() if not spec.is_read)


def test_an_event_of_ones_own_speaks_of_no_invitations(world: World) -> None:
    """Without attendees there is nobody to be told."""
    event = world.do("create_event", title="Alone", **WHEN)

    assert "invitations" not in event
    assert not any("invitations" in text for text in _preconditions(world, "create_event", {"title": "A", **WHEN}))


def test_an_answer_stands_in_the_own_copy(world: World) -> None:
    """Accepting one instance leaves the others open; the organizer's other attendees keep their word."""
    world.server.put(
        ALEX,
        "standup",
        f"DTSTART:20270201T100000Z\r\nDURATION:PT30M\r\nRRULE:FREQ=DAILY;COUNT=3\r\nORGANIZER:mailto:{DANA}\r\n"
        f"ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:MAILTO:{ALEX.upper()}\r\nATTENDEE;PARTSTAT=DECLINED:mailto:{OUTSIDER}",
    )
    first = world.read("list_events", **DAY)["events"][0]

    answered = world.do("respond", event_id=first["event_id"], response="tentative", message="Perhaps")
    series = world.read("get_event", event_id=first["series_id"])

    def responses(event: dict[str, Any]) -> dict[str, str]:
        return {who["address"]: who["response"] for who in event["attendees"]}

    assert answered["invitations"] == "not_sent"
    assert responses(answered) == {ALEX: "tentative", OUTSIDER: "declined"}
    assert responses(series) == {ALEX: "needs_action", OUTSIDER: "declined"}


def test_who_is_not_invited_cannot_answer(world: World) -> None:
    """An event of one's own, or one without oneself, has no answer to give."""
    event = world.do("create_event", title="Mine", attendees=[DANA], **WHEN)

    with pytest.raises(Forbidden):
        world.do("respond", event_id=event["event_id"], response="accepted")


def test_another_address_of_the_account_counts_as_the_account(world: World) -> None:
    """Invitations that went to an alias are answered, too."""
    text = f"DTSTART:20270201T100000Z\r\nORGANIZER:mailto:{DANA}\r\nATTENDEE:mailto:al@northwind.example"
    world.server.put(ALEX, "alias", text)
    alias = world.account(addresses=["Al@Northwind.example"])

    answered = world.do("respond", by=alias, event_id="evt_alias", response="accepted")

    assert [who["response"] for who in answered["attendees"]] == ["accepted"]


def test_free_busy_is_as_much_as_each_calendar_tells(world: World) -> None:
    """A shared calendar is read; one that tells only when it is busy is asked that; of the rest nothing is known."""
    world.server.put(DANA, "shared", HIDDEN)
    hidden = world.server.calendar(DANA, "hidden")
    world.server.put(DANA, "secret", HIDDEN, name="hidden")
    people = {DANA: f"{world.root}{DANA}/calendar/", "eva@northwind.example": f"{world.root}{DANA}/hidden/"}
    by = world.account(people=people)

    answer = world.read("freebusy", by=by, people=[ALEX, *people, OUTSIDER], **DAY)

    assert hidden
    assert answer == {
        "busy": {ALEX: [], DANA: BUSY, "eva@northwind.example": BUSY},
        "unknown": [OUTSIDER],
    }
    with pytest.raises(Forbidden):
        world.read("list_events", by=by, calendar="eva@northwind.example", **DAY)


def test_free_time_is_what_no_event_takes(world: World) -> None:
    """Transparent, cancelled and declined events leave the time free; a tentative one does not."""
    end = "DURATION:PT30M"
    world.server.put(ALEX, "transparent", f"DTSTART:20270201T080000Z\r\n{end}\r\nTRANSP:TRANSPARENT")
    world.server.put(ALEX, "cancelled", f"DTSTART:20270201T090000Z\r\n{end}\r\nSTATUS:CANCELLED")
    world.server.put(
        ALEX,
        "declined",
        f"DTSTART:20270201T110000Z\r\n{end}\r\nORGANIZER:mailto:{DANA}\r\nATTENDEE;PARTSTAT=DECLINED:mailto:{ALEX}",
    )
    world.server.put(ALEX, "tentative", f"DTSTART:20270201T100000Z\r\n{end}\r\nSTATUS:TENTATIVE")

    assert world.read("freebusy", people=[ALEX], **DAY)["busy"] == {ALEX: BUSY}


def test_rooms_come_from_the_settings_and_are_booked_once(world: World) -> None:
    """A room whose calendar is taken is a conflict, and no slot is offered in it."""
    [room] = world.read("list_rooms")["rooms"]
    event = world.do("create_event", title="In Atlas", room=ATLAS.upper(), attendees=[DANA], **WHEN)
    world.server.put(ATLAS, "taken", "DTSTART:20270201T110000Z\r\nDURATION:PT1H")
    later = {"start": "2027-02-01T11:00:00+00:00", "end": "2027-02-01T11:30:00+00:00"}

    slots = world.read("find_slots", attendees=[], minutes=60, room=True, count=3, **DAY)["slots"]

    assert room == {"room": "room_atlas", "name": "Atlas", "capacity": 6, "address": ATLAS}
    assert event["room"] == ATLAS
    assert [who["address"] for who in event["attendees"]] == [DANA]
    assert [one["start"][11:16] for one in slots] == ["09:00", "12:00", "13:00"]
    with pytest.raises(Conflict):
        world.do("create_event", title="Too late", room=ATLAS, **later)
    with pytest.raises(Conflict):
        world.do("update_event", event_id=event["event_id"], start=later["start"])


def test_slots_keep_to_everybodys_hours(world: World) -> None:
    """Lisbon and New York work together from two to half past five; what is not known of somebody is not assumed."""
    people = {DANA: {"url": f"{world.root}{DANA}/calendar/", "zone": "America/New_York"}}
    by = world.account(people=people)

    answer = world.read("find_slots", by=by, attendees=[DANA, OUTSIDER], minutes=30, count=50, **DAY)

    starts = [one["start"][11:16] for one in answer["slots"]]
    assert (starts[0], starts[-1]) == ("14:00", "17:00")
    assert set(answer["considered"]) == {ALEX, DANA}
    assert answer["unknown"] == [OUTSIDER]


def test_one_of_several_calendars_is_chosen_by_name(world: World) -> None:
    """With several and none named, the person is asked which; a name or an address settles it."""
    world.server.calendar(DANA, "hidden")
    dana = world.account(DANA)

    with pytest.raises(InvalidCall) as caught:
        world.read("list_events", by=dana, **DAY)
    for calendar in ("hidden", f"/{DANA}/hidden/", f"{world.root}{DANA}/hidden"):
        named = replace(dana, connection_id=calendar, settings=dict(dana.settings) | {"calendar": calendar})
        world.do("create_event", by=named, title="There", **WHEN)

    assert "hidden" in caught.value.fix
    assert len(world.server.objects(DANA, "hidden")) == 3
    assert world.objects(DANA) == {}


# ---- where the password goes -------------------------------------------------------------------------------------------


class _Elsewhere(ThreadingHTTPServer):
    """Another server: answers every request with a redirect, and remembers who came with a login."""

    def __init__(self, target: str) -> None:
        self.seen: list[tuple[str, str]] = []
        elsewhere = self

        class Handler(BaseHTTPRequestHandler):
            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65537)
                self.close_connection = True
                if self.raw_requestline and self.parse_request():
                    self.rfile.read(int(self.headers.get("Content-Length") or 0))
                    elsewhere.seen.append((self.command, self.headers.get("Authorization") or ""))
                    self.send_response(200 if self.command == "OPTIONS" else 307)
                    self.send_header("Location", target.rstrip("/") + self.path)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                return

        super().__init__(("127.0.0.1", 0), Handler)


@contextmanager
def _elsewhere(target: str) -> Iterator[_Elsewhere]:
    server = _Elsewhere(target)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_redirect_of_a_change_is_not_followed(world: World) -> None:
    """One PUT goes out, to the address that was connected, and none to where it points."""
    with _elsewhere(world.root) as other:
        root = f"http://127.0.0.1:{other.server_address[1]}/"
        by = world.account(url=root, calendar=f"{root}{ALEX}/calendar/")

        with pytest.raises(InvalidCall):
            world.do("create_event", by=by, title="Away", **WHEN)

        assert [method for method, _ in other.seen].count("PUT") == 1
    assert world.line.sent(b"PUT /") == 0
    assert world.objects() == {}


def test_the_password_goes_to_no_other_server(world: World) -> None:
    """An address in the settings that leads elsewhere is not asked, and is said to be forbidden."""
    with _elsewhere(world.root) as other:
        stranger = f"http://127.0.0.1:{other.server_address[1]}/dana/"
        by = world.account(people={DANA: stranger})

        answer = world.read("freebusy", by=by, people=[DANA], **DAY)

        assert answer["unknown"] == [DANA]
        with pytest.raises(Forbidden):
            world.read("list_events", by=world.account(calendar=stranger), **DAY)
        assert other.seen == []


@pytest.mark.parametrize("url", ["http://calendar.example/", "ftp://calendar.example/", "", "http://me:pw@127.0.0.1/"])
def test_an_address_that_gives_the_password_away_is_refused(world: World, url: str) -> None:
    """Plain http over a network, or a login in the address itself."""
    with pytest.raises(InvalidCall):
        world.read("list_events", by=world.account(url=url), **DAY)


def test_a_connection_without_a_login_asks_for_one(world: World) -> None:
    """No password is a matter for the person, not for the caller."""
    bare = Account(connection_id="bare", subject=ALEX, settings=world.account().settings)

    with pytest.raises(ReconsentNeeded):
        world.do("create_event", by=bare, key=new_key(), title="No", **WHEN)
