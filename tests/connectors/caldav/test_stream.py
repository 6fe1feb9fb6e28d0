"""Following a calendar: everything that changes is reported, each version once, whatever became of the place to continue from."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from connectors.caldav.stream import Place
from connectors.errors import InvalidCall
from connectors.spec import Changes
from tests.connectors.caldav.world import ALEX, World

WHEN = {"start": "2027-02-01T10:00:00+00:00", "end": "2027-02-01T10:30:00+00:00"}


def _changes(world: World, cursor: str | None) -> Changes:
    return asyncio.run(world.connector.changes("calendar", account=world.account(), cursor=cursor))


def _titles(found: Changes) -> list[str]:
    return sorted(one.record["title"] for one in found.changes)


def test_changes_since_a_place_are_reported_once(world: World) -> None:
    """New, changed and cancelled events come as they are now; nothing comes twice; at the beginning nothing comes."""
    old = world.do("create_event", title="Old", **WHEN)
    here = _changes(world, None)
    new = world.do("create_event", title="New", **WHEN)
    world.do("cancel_event", event_id=old["event_id"])

    found = _changes(world, here.cursor)
    again = _changes(world, found.cursor)
    repeated = _changes(world, here.cursor)

    assert here.changes == ()
    assert {one.record["event_id"]: one.record["status"] for one in found.changes} == {
        old["event_id"]: "cancelled",
        new["event_id"]: "confirmed",
    }
    assert all(one.kind == "event" for one in found.changes)
    assert list(again.changes) == []
    assert {one.change_id for one in repeated.changes} == {one.change_id for one in found.changes}
    assert not found.is_resync


def test_a_deleted_event_does_not_stop_the_stream(world: World) -> None:
    """Of what somebody deleted nothing is left to report; what came after it is."""
    here = _changes(world, None)
    world.do("create_event", title="Gone", **WHEN)
    world.server.remove_all(ALEX)
    world.do("create_event", title="Stays", **WHEN)

    assert _titles(_changes(world, here.cursor)) == ["Stays"]


@pytest.mark.parametrize("token", ["http://radicale.org/ns/sync/0123", "nonsense", ""])
def test_a_place_that_expired_is_left_by_what_changed_about_then(world: World, token: str) -> None:
    """An unknown token, or a server without any, gives what was written since, said to be a resync, and goes on."""
    here = Place.read(_changes(world, None).cursor)
    world.do("create_event", title="Since", **WHEN)

    found = _changes(world, replace(here, token=token, tag="other").write())
    world.do("create_event", title="After", **WHEN)

    assert found.is_resync
    assert _titles(found) == ["Since"]
    assert _titles(_changes(world, found.cursor)) == ["After"]


def test_without_tokens_an_unchanged_tag_is_no_change(world: World) -> None:
    """The collection's tag says that there is nothing to look for."""
    world.do("create_event", title="Old", **WHEN)
    here = Place.read(_changes(world, None).cursor)

    found = _changes(world, replace(here, token="").write())

    assert list(found.changes) == []


def test_many_changes_come_in_pages(world: World) -> None:
    """Two hundred and five changes are three pages, in which each comes once; so are those of a resync."""
    here = Place.read(_changes(world, None).cursor)
    world.server.fill(ALEX, 205)

    for start in (here, replace(here, token="gone", tag="other", at=0)):
        cursor, titles, pages = start.write(), [], 0
        while True:
            found = _changes(world, cursor)
            titles += _titles(found)
            cursor, pages = found.cursor, pages + 1
            if not found.more:
                break

        assert pages == 3
        assert len(set(titles)) == len(titles) == 205


def test_waiting_ends_with_a_change_or_with_patience(world: World) -> None:
    """A change ends the wait at once; without one it ends by itself."""
    here = _changes(world, None)

    async def both() -> None:
        waiting = asyncio.create_task(
            world.connector.wait("calendar", account=world.account(), cursor=here.cursor, at_most_s=30)
        )
        await world.connector.wait("calendar", account=world.account(), cursor=here.cursor, at_most_s=0.1)
        assert not waiting.done()
        args = {"title": "News", **WHEN}
        await world.connector.call("calendar.create_event", args, account=world.account(), key="k1")
        async with asyncio.timeout(10):
            await waiting

    asyncio.run(both())

    assert _titles(_changes(world, here.cursor)) == ["News"]


def test_a_cursor_of_somebody_else_is_refused(world: World) -> None:
    """Nonsense is InvalidCall."""
    with pytest.raises(InvalidCall):
        _changes(world, "nonsense")
