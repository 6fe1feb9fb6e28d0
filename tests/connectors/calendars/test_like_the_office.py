"""The same things done in the local office, on Google and on a CalDAV server give the same calendar, over both clock changes of
three zones.

Compared is what people see: titles, times, zones, whole days, places, guests and their answers, free and busy. Not compared are
ids, etags, and `recurrence` of an instance, which Google does not tell. Google is our double; CalDAV is Radicale, to which the
tests add the scheduling that it lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connectors.caldav.connector import CaldavConnector
from connectors.conformance import Provider
from connectors.office import Office, OfficeConnector, seed
from connectors.spec import Account
from tests.connectors.caldav.scheduling import SchedulingProxy
from tests.connectors.google_calendar.world import NOW, connecting
from tests.connectors.google_calendar.world import account as google_account
from tests.requirements import need
from tests.services import radicale
from tests.services.google_calendar import GoogleCalendar, World
from tests.services.radicale import CALENDAR, PASSWORD, Radicale

CHANGES = [
    ("Europe/Lisbon", "2027-03-28"),
    ("Europe/Lisbon", "2027-10-31"),
    ("America/New_York", "2027-03-14"),
    ("America/New_York", "2027-11-07"),
    ("Australia/Sydney", "2027-04-04"),
    ("Australia/Sydney", "2027-10-03"),
]
Person = Mapping[str, Any]
SEEN = ("title", "start", "end", "zone", "all_day", "location", "description", "status", "visibility", "attendees")


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    office = seed(tmp_path_factory.mktemp("office") / "office.db", people=6, weeks=1, now=NOW)
    yield office
    office.close()


@pytest.fixture
def office(seeded: Office, tmp_path: Path) -> Iterator[Office]:
    office = seeded.copy_to(tmp_path / "office.db")
    yield office
    office.close()


@pytest.fixture
def people(office: Office) -> list[Provider]:
    """The owner and a colleague, as the office has them."""
    owner = office.owner()
    colleague = next(one["address"] for one in office.people() if one["inside"] and one["address"] != owner)
    connector = OfficeConnector(office)
    return [
        Provider(connector=connector, account=Account(connection_id=who, subject=who)) for who in (owner, colleague)
    ]


@pytest.fixture(params=["google", "caldav"])
def same_people(people: list[Provider], office: Office, request: pytest.FixtureRequest) -> list[Provider]:
    """The same two elsewhere, with the same names and zones."""
    known = {one["address"]: one for one in office.people()}
    build = request.getfixturevalue(f"on_{request.param}")
    found: list[Provider] = build([known[person.account.subject] for person in people])
    return found


@pytest.fixture
def on_google() -> Iterator[Callable[[list[Person]], list[Provider]]]:
    """Our Google Calendar double."""
    world = World(now=lambda: NOW)
    server = GoogleCalendar(world)
    with connecting(server.root) as connector:

        def build(people: list[Person]) -> list[Provider]:
            for one in people:
                token = f"token-{one['address'].partition('@')[0]}"
                world.add_user(one["address"], zone=one["zone"], token=token, name=one["name"])
            return [Provider(connector=connector, account=google_account(one["address"])) for one in people]

        yield build
    server.stop()


@pytest.fixture
def on_caldav(tmp_path: Path) -> Iterator[Callable[[list[Person]], list[Provider]]]:
    """Radicale, behind the tests' own scheduling."""
    need("Radicale", radicale.available())
    with ExitStack() as opened:

        def build(people: list[Person]) -> list[Provider]:
            users = [one["address"] for one in people]
            server = Radicale(tmp_path, users)
            opened.callback(server.stop)
            scheduling = SchedulingProxy(server.url, users)
            opened.callback(scheduling.stop)
            connector = CaldavConnector()
            opened.callback(connector.close)
            root = f"http://127.0.0.1:{scheduling.port}/"
            calendars = {
                one["address"]: {"url": f"{root}{one['address']}/{CALENDAR}/", "name": one["name"], "zone": one["zone"]}
                for one in people
            }
            return [Provider(connector=connector, account=_caldav_account(one, root, calendars)) for one in people]

        yield build


def _caldav_account(one: Person, root: str, calendars: Mapping[str, Mapping[str, str]]) -> Account:
    address = one["address"]
    others = {who: calendar for who, calendar in calendars.items() if who != address}
    return Account(
        connection_id=address,
        subject=address,
        credentials={"username": address, "password": PASSWORD},
        settings={"url": f"{root}{address}/", "zone": one["zone"], "people": others},
    )


def _week_of_work(me: Provider, colleague: Provider, zone: str, day: str) -> list[Any]:
    """Makes, moves, cancels and answers around one clock change; gives what both see afterwards, in time and busy."""
    tz = ZoneInfo(zone)
    change = datetime.fromisoformat(day)
    word = f"Plan{zone.partition('/')[2]}{day.replace('-', '')}".replace("_", "")
    span = {
        "start": (change - timedelta(days=20)).replace(tzinfo=tz).isoformat(),
        "end": (change + timedelta(days=40)).replace(tzinfo=tz).isoformat(),
    }

    def make(title: str, start: datetime, length: timedelta, **more: Any) -> dict[str, Any]:
        times = {"start": start.replace(tzinfo=tz).isoformat(), "end": (start + length).replace(tzinfo=tz).isoformat()}
        event: dict[str, Any] = me.do(
            "calendar.create_event", {"title": f"{word} {title}", "zone": zone, **times} | more
        )
        return event

    def found(title: str) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = me.read("calendar.list_events", query=f"{word} {title}", **span)["events"]
        return events

    guest = [colleague.account.subject]
    morning = change - timedelta(days=9) + timedelta(hours=9, minutes=15)
    make("weekly", morning, timedelta(minutes=45), recurrence="RRULE:FREQ=WEEKLY;COUNT=4", attendees=guest)
    make("daily", morning + timedelta(hours=3), timedelta(hours=1), recurrence="FREQ=DAILY;COUNT=14", location="Hall")
    make("night", change - timedelta(hours=1), timedelta(hours=6), description="Over the change.")
    make("days", change, timedelta(days=2), visibility="private")
    weekly, daily = found("weekly"), found("daily")
    moved = datetime.fromisoformat(weekly[2]["start"]) + timedelta(days=1, hours=2)
    me.do("calendar.update_event", {"event_id": weekly[2]["event_id"], "start": moved.isoformat()})
    me.do("calendar.cancel_event", {"event_id": daily[3]["event_id"]})
    me.do("calendar.update_event", {"event_id": daily[10]["event_id"], "title": f"{word} daily other", "location": ""})
    colleague.do("calendar.respond", {"event_id": weekly[0]["event_id"], "response": "declined"})
    colleague.do("calendar.respond", {"event_id": weekly[1]["event_id"], "response": "accepted"})

    seen: list[Any] = []
    for person in (me, colleague):
        events = person.read("calendar.list_events", query=word, limit=200, **span)["events"]
        seen += [{name: event[name] for name in SEEN} for event in events]
        seen.append(len({event["series_id"] for event in events}))
    low, high = (one.replace(tzinfo=tz) for one in (change, change + timedelta(days=1)))
    asked = {"people": [me.account.subject], "start": low.isoformat(), "end": high.isoformat()}
    [busy] = me.read("calendar.freebusy", **asked)["busy"].values()
    # Google cuts busy times to the span that was asked for, the office does not.
    return [*seen, [(max(_at(one["start"]), low), min(_at(one["end"]), high)) for one in busy]]


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(("zone", "day"), CHANGES)
def test_a_calendar_looks_the_same(people: list[Provider], same_people: list[Provider], zone: str, day: str) -> None:
    """Event by event, for the organizer and for the guest, and in what counts as busy on the day of the change."""
    there = _week_of_work(people[0], people[1], zone, day)
    here = _week_of_work(same_people[0], same_people[1], zone, day)

    assert here == there
