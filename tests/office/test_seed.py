"""The seeded world: the same each time, different for each seed, and with something to do for everybody's first request."""

from __future__ import annotations

import sqlite3
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.office import Office, OfficeConnector, seed
from connectors.office.schema import TABLES
from connectors.spec import Account

MONDAY = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def _rows(office: Office) -> dict[str, list[tuple[Any, ...]]]:
    connection = sqlite3.connect(office.path)
    try:
        return {table: connection.execute(f"select * from {table}").fetchall() for table in TABLES}
    finally:
        connection.close()


def _read(office: Office, tool: str, **args: Any) -> Any:
    account = Account(connection_id="mine", subject=office.owner())
    return OfficeConnector(office).call_now(tool, args, account=account, key=None)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    return seed(tmp_path_factory.mktemp("world") / "office.db", now=MONDAY)


def test_the_same_seed_makes_the_same_world(tmp_path: Path) -> None:
    """Every row of two offices of one seed and one now is equal; seeding again in place changes nothing."""
    first = seed(tmp_path / "a.db", seed=7, people=10, weeks=3, now=MONDAY)
    second = seed(tmp_path / "b.db", seed=8, people=12, weeks=2, now=MONDAY)

    seed(tmp_path / "b.db", seed=7, people=10, weeks=3, now=MONDAY)

    assert _rows(first) == _rows(second)


def test_other_seeds_make_other_people(tmp_path: Path) -> None:
    """Names differ from seed to seed, the owner's as well, and some have accents."""
    offices = [seed(tmp_path / f"{number}.db", seed=number, people=8, weeks=1, now=MONDAY) for number in range(1, 9)]

    names = [{person["name"] for person in office.people()} for office in offices]

    assert len({office.owner() for office in offices}) == 8
    assert all(len(one & other) <= 2 for one in names for other in names if one is not other)
    assert any(not name.isascii() for group in names for name in group)


def test_the_default_world_has_one_dana_and_no_name_twice(office: Office) -> None:
    """Dana Ruiz is one colleague among people of different names; some share a first name."""
    people = office.people()
    names = [person["name"] for person in people]
    firsts = [person["name"].split()[0] for person in people if person["inside"]]

    assert [name for name in names if "dana" in name.lower()] == ["Dana Ruiz"]
    assert len(set(names)) == len(names)
    assert len(set(firsts)) < len(firsts)
    assert 38 <= len(firsts) <= 45
    assert len({person["zone"] for person in people}) >= 5


@pytest.mark.parametrize("people", [8, 9, 40, 130, 300])
def test_addresses_and_full_names_are_unique_at_any_size(tmp_path: Path, people: int) -> None:
    """Nobody shares an address or a full name with a colleague."""
    inside = [one for one in seed(tmp_path / "o.db", seed=3, people=people, weeks=1).people() if one["inside"]]

    assert len(inside) == people
    assert len({one["address"] for one in inside}) == people
    assert len({one["name"] for one in inside}) == people


@pytest.mark.parametrize(
    "now",
    [
        MONDAY,
        datetime(2026, 11, 23, 23, 59, tzinfo=UTC),  # late on a Monday
        datetime(2026, 11, 21, 3, 0, tzinfo=UTC),  # a Saturday night
        datetime(2028, 2, 29, 23, 59, tzinfo=UTC),  # a leap day
        datetime(2026, 3, 29, 1, 30, tzinfo=UTC),  # clocks go forward in Europe
        datetime(2027, 1, 1, 0, 0, tzinfo=UTC),
    ],
)
def test_dana_asked_to_talk_and_nobody_answered(tmp_path: Path, now: datetime) -> None:
    """Whatever day it is, Dana's newest mail to the owner is a few days old at most and waits for an answer."""
    office = seed(tmp_path / "o.db", people=12, weeks=3, now=now)
    [dana] = _read(office, "directory.list_people", query="dana")["people"]

    mail = _read(office, "mail.search", **{"from": dana["address"], "unanswered": True, "limit": 1})["messages"][0]
    newest = _read(office, "mail.search", **{"from": dana["address"], "limit": 1})["messages"][0]

    assert mail == newest
    assert mail["unread"]
    assert mail["to"] == [office.owner()]
    assert timedelta(0) < now - datetime.fromisoformat(mail["sent_at"]) < timedelta(days=4)


def test_nothing_was_written_in_the_future(office: Office) -> None:
    """Mail and chat end before now; calendars go on for weeks."""
    rows = _rows(office)
    now = MONDAY.timestamp()

    assert max(row[10] for row in rows["mails"]) <= now
    assert max(row[5] for row in rows["messages"]) <= now
    assert max(row[5] for row in rows["events"]) > (MONDAY + timedelta(weeks=3)).timestamp()


def test_there_is_something_to_do_for_every_shipped_workflow(office: Office) -> None:
    """An invoice to pass on and its approver, unanswered mail both ways, decisions, notes, a newcomer outside the team channel."""
    owner = office.owner()
    week = (MONDAY - timedelta(days=7)).isoformat()
    people = [person for person in office.people() if person["inside"]]
    channels = _read(office, "chat.list_channels")["channels"]
    sales = next(channel for channel in channels if channel["name"] == "#sales")
    new = next(person for person in people if person["role"] == "Sales associate")

    assert len([person for person in people if "invoice approver" in person["role"]]) == 1
    assert _read(office, "mail.search", query="invoice", has_attachment=True, unanswered=True)["messages"]
    assert 4 <= len(_read(office, "mail.search", unanswered=True)["messages"]) <= 25
    assert 4 <= len(_read(office, "mail.search", awaiting_reply=True)["messages"]) <= 25
    assert _read(office, "chat.search", mentions=owner, since=week)["messages"]
    for channel in channels:
        found = _read(office, "chat.search", query="decision:", channel=channel["channel"], since=week)["messages"]
        assert found or not channel["member"]
    assert owner in sales["members"]
    assert new["address"] not in sales["members"]
    span = {"start": (MONDAY - timedelta(days=60)).isoformat(), "end": (MONDAY + timedelta(days=14)).isoformat()}
    assert _read(office, "calendar.list_events", query="notes decision", **span)["events"]
    assert any(event["series_id"] for event in _read(office, "calendar.list_events", query="1:1", **span)["events"])


def test_no_room_is_booked_twice(office: Office) -> None:
    """Over the next month no two events share a room at a time."""
    span = {"start": MONDAY.isoformat(), "end": (MONDAY + timedelta(days=30)).isoformat()}

    for room in _read(office, "calendar.list_rooms")["rooms"]:
        events = _read(office, "calendar.list_events", calendar=room["address"], limit=200, **span)["events"]
        assert events
        for one, other in zip(events, events[1:], strict=False):
            assert one["end"] <= other["start"]


def test_seeding_is_quick(tmp_path: Path) -> None:
    """A small world takes less than 0.1 s of work, the full one less than 3 s."""
    seed(tmp_path / "warm.db", people=8, weeks=2)

    begun = time.process_time()
    seed(tmp_path / "small.db", people=8, weeks=2)
    small = time.process_time() - begun
    begun = time.process_time()
    seed(tmp_path / "full.db")
    full = time.process_time() - begun

    assert small < 0.1
    assert full < 3.0


def test_reads_of_the_full_world_take_milliseconds(office: Office) -> None:
    """Two weeks of a calendar, free/busy and a search by words each stay far below 20 ms of work."""
    span = {"start": MONDAY.isoformat(), "end": (MONDAY + timedelta(days=14)).isoformat()}
    calls: list[tuple[str, dict[str, Any]]] = [
        ("calendar.list_events", span),
        ("calendar.freebusy", span | {"people": [office.owner()]}),
        ("calendar.find_slots", span | {"attendees": [one["address"] for one in office.people()[:6]], "minutes": 30}),
        ("mail.search", {"query": "contract renewal"}),
        ("mail.search", {"unanswered": True}),
        ("chat.search", {"query": "decision"}),
    ]
    for tool, args in calls:
        _read(office, tool, **args)

    for tool, args in calls:
        begun = time.process_time()
        _read(office, tool, **args)
        assert time.process_time() - begun < 0.02, tool
