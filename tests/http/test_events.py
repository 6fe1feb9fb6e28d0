"""The stream of events: nothing lost, nothing twice, nobody else's; and an approval that came too late."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator import app
from orchestrator.deputy import Deputy
from orchestrator.domain.audit import AuditEvent
from orchestrator.store import outbox
from orchestrator.store.database import Store
from orchestrator.surfaces.http_api import events
from orchestrator.surfaces.http_api.auth.rules import Rules
from orchestrator.surfaces.http_api.auth.sessions import Sessions
from orchestrator.surfaces.http_api.server import application
from tests.e2e.place import CALL, Place
from tests.http.served import Client, Stream, eventually, in_thread

RULES = Rules(hosts=None, per_minute=1_000_000)
ALL = ["read", "submit", "decide", "operate", "audit", "admin"]
Opened = Callable[[Place], Client]


@pytest.fixture
def desk_of() -> Iterator[Opened]:
    """Opens another desk on a place's store, and gives its owner."""
    with ExitStack() as stack:

        def make(place: Place) -> Client:
            desk = app.desk(place.settings)
            stack.callback(desk.close)
            address = stack.enter_context(in_thread(application(desk, Sessions(desk, RULES), place.settings)))
            return Client(address, key_of(desk, place))

        yield make


@pytest.fixture(params=["sqlite", "postgresql"])
def home(request: pytest.FixtureRequest, world: Path, tmp_path: Path) -> Iterator[Place]:
    """A home on each of the two databases in turn."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    made = Place(tmp_path / "home", world, url)
    yield made
    made.close()


def key_of(desk: Deputy, place: Place, person: str | None = None) -> str:
    scopes = ALL if person is None else ["read", "submit"]
    return str(desk.access.create_key(place.me, scopes=scopes, of=person)["key"])


def colleague(place: Place) -> str:
    return next(
        one["address"] for one in place.desk.people() if one["inside"] and one["address"] != place.me.principal_id
    )


def test_a_follower_hears_of_every_step(home: Place, desk_of: Opened) -> None:
    """Submitted, started, asked, waiting, approved, attempted, done, settled: in this order, with rising numbers."""
    me = desk_of(home)
    stream = Stream(me)
    first = next(iter(stream))
    assert first.data["kind"] == "hello"
    item_id = me.post("/items", {"request": CALL}, status=202)["item_id"]
    home.work()
    for card in home.cards(home.item(item_id)):
        me.post(f"/approvals/{card['approval_id']}/decide", {"verdict": "approve", "digest": card["digest"]})
    home.work()
    for card in home.cards(home.item(item_id)):
        me.post(f"/approvals/{card['approval_id']}/decide", {"verdict": "approve", "digest": card["digest"]})
    home.work()

    told = [one for one in stream.until("item.settled", item_id) if one.data.get("item_id") == item_id]
    stream.close()

    kinds = [one.data["kind"] for one in told]
    order = ["item.submitted", "run.started", "approval.asked", "item.waiting", "approval.approved", "effect.attempted"]
    places = [kinds.index(kind) for kind in [*order, "effect.done", "item.settled"]]
    assert places == sorted(places)
    numbers = [one.number for one in told if one.number is not None]
    assert numbers == sorted(set(numbers))


def test_who_comes_back_has_missed_nothing(home: Place, desk_of: Opened) -> None:
    """Broken off at any event and resumed by its number, the stream goes on with the next one; also at another desk."""
    here, there = desk_of(home), desk_of(home)
    stream = Stream(here)
    begin = next(iter(stream)).number
    made = [here.post("/items", {"request": f"remember number {n}"}, status=202)["item_id"] for n in range(6)]
    heard = [next(iter(stream)) for _ in range(2)]
    stream.close()
    more = [there.post("/items", {"request": f"and number {n}"}, status=202)["item_id"] for n in range(3)]

    again = Stream(there, after=heard[-1].number)
    rest = again.until("item.submitted", more[-1])
    again.close()
    whole = Stream(here, query=f"?after={begin}")
    everything = whole.until("item.submitted", more[-1])
    whole.close()

    resumed = [one.data["item_id"] for one in [*heard, *rest] if one.data["kind"] == "item.submitted"]
    assert resumed == [*made, *more]
    assert [one.number for one in everything if one.data["kind"] == "item.submitted"] == sorted(
        {one.number for one in [*heard, *rest] if one.data["kind"] == "item.submitted"}
    )


def test_a_number_from_another_time_begins_anew(home: Place, desk_of: Opened) -> None:
    """A number that lies ahead (as after a restore) is told to load everything anew; nonsense is refused."""
    me = desk_of(home)
    stream = Stream(me, after=10_000_000)
    assert [told.data["kind"] for _, told in zip(range(2), stream, strict=False)] == ["reset", "hello"]
    stream.close()
    assert me.call("GET", "/events", headers={"Last-Event-ID": "soon"}).status_code == 422
    assert me.call("GET", "/events?item_id=item_none").status_code == 404


def test_nobody_hears_of_what_they_may_not_see(home: Place, desk_of: Opened) -> None:
    """A colleague is told of their own items and of news for everybody, live and when they come back."""
    me = desk_of(home)
    person = colleague(home)
    them = Client(me.address, key_of(home.desk, home, person))
    stream = Stream(them)
    begin = next(iter(stream)).number
    me.post("/items", {"request": "something private"}, status=202)
    own = them.post("/items", {"request": "something of theirs"}, status=202)["item_id"]
    me.post("/halt", {"reason": "a drill"}, status=201)

    live = stream.until("halt.begun")
    stream.close()
    again = Stream(them, after=begin)
    later = again.until("halt.begun")
    again.close()

    for told in (live, later):
        items = {one.data["item_id"] for one in told if one.data["kind"] != "hello"}
        assert items == {own, None}


def test_nobody_holds_more_streams_than_their_share(
    place: Place, desk_of: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one is refused with when to come again; one that is closed makes room; a colleague has their own."""
    monkeypatch.setattr(events, "MOST_STREAMS", 2)
    me = desk_of(place)
    other = Client(me.address, key_of(place.desk, place, colleague(place)))
    first, second, theirs = Stream(me), Stream(me), Stream(other)
    for stream in (first, second, theirs):
        stream.until("hello")

    refused = me.call("GET", "/events")

    assert (refused.status_code, refused.json()["error"], refused.headers["retry-after"]) == (429, "rate_limited", "30")
    first.close()

    def let_in() -> bool:
        with me.call("GET", "/events", stream=True) as answer:
            return answer.status_code == 200

    eventually(let_in)
    for stream in (second, theirs):
        stream.close()


def test_numbers_rise_in_the_order_of_commits(postgres_url: str) -> None:
    """A transaction that began first and commits last is numbered last: who has read up to a number has missed none before it."""
    store = Store.open(postgres_url)
    slow = Store.open(postgres_url)
    may_end, has_put = threading.Event(), threading.Event()
    at = "2026-11-23T09:00:00+00:00"

    def late() -> None:
        with slow.tx() as tx:
            tx.audit(AuditEvent(kind="item.bumped", actor="a", at=at, item_id="item_late"))
            has_put.set()
            assert may_end.wait(30)

    thread = threading.Thread(target=late)
    thread.start()
    assert has_put.wait(30)
    with store.tx() as tx:
        tx.audit(AuditEvent(kind="item.bumped", actor="a", at=at, item_id="item_early"))
    with store.read() as tx:
        seen = outbox.after(tx, 0)
    may_end.set()
    thread.join(30)
    with store.read() as tx:
        rest = outbox.after(tx, seen[-1].outbox_id)
    store.close()
    slow.close()

    assert [one.item_id for one in seen] == ["item_early"]
    assert [one.item_id for one in rest] == ["item_late"]


def test_an_approval_that_comes_too_late_changes_nothing(place: Place, desk_of: Opened) -> None:
    """After its time a card is no longer decided: 409, and nothing is sent."""
    me = desk_of(place)
    item: dict[str, Any] = place.ask(CALL)
    card = place.cards(item)[0]
    place.later(timedelta(days=8))

    late = me.call("POST", f"/approvals/{card['approval_id']}/decide", {"verdict": "approve", "digest": card["digest"]})

    assert (late.status_code, late.json()["error"]) == (409, "conflict")
    place.work()
    assert place.item(item)["error"]["code"] == "approval_expired"
