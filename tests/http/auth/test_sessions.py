"""Coming in with a browser, staying in, and being put out."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestrator import app, clock
from orchestrator.deputy.access import digest_of
from orchestrator.errors import NotEligible, NotFound
from orchestrator.store import access as rows
from orchestrator.store import people
from orchestrator.store.access import Session
from orchestrator.surfaces.http_api.auth.rules import local_path
from orchestrator.surfaces.http_api.auth.sessions import COOKIE, Sessions, csrf_of
from orchestrator.surfaces.http_api.server import application
from tests.e2e.place import Place
from tests.http.auth.callers import AISHA, HERE, HTML, bearer, browser, key_of, serving, sign_in

T0 = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_link_lets_in_once_and_leaves_the_address(place: Place) -> None:
    """The token is swapped for a cookie by a redirect to an address without it; a second use is refused."""
    link = place.desk.access.new_link(place.me)
    with browser(place) as client:
        first = client.get(f"/signin?token={link}&next=/worklist")
        second = client.get(f"/signin?token={link}", headers={"Cookie": ""})

        assert (first.status_code, first.headers["location"]) == (303, "/worklist")
        assert second.status_code == 401 and link not in second.text
        assert client.get("/api/v1/me").json()["person"] == place.me.principal_id


def test_looking_ahead_uses_no_link_up(place: Place) -> None:
    """A browser's prefetch and a HEAD leave the link as it was."""
    link = place.desk.access.new_link(place.me)
    with browser(place) as client:
        client.head(f"/signin?token={link}")
        client.get(f"/signin?token={link}", headers={"Sec-Purpose": "prefetch;prerender"})

        assert COOKIE not in client.cookies
        assert client.get(f"/signin?token={link}").status_code == 303


def test_an_old_link_lets_nobody_in(place: Place) -> None:
    """After ten minutes of real time a link is worth nothing."""
    now = clock.real()
    with place.desk._store.tx() as tx:
        rows.add_link(tx, digest_of("old"), AISHA, now - HOUR, now - timedelta(seconds=1))
    with browser(place) as client:
        assert client.get("/signin?token=old").status_code == 401


def test_two_browsers_with_one_link(place: Place) -> None:
    """Of two that use a link at the same moment, one comes in."""
    link = place.desk.access.new_link(place.me)
    told: list[int] = []
    with browser(place) as one, browser(place) as two:
        both = [
            threading.Thread(target=lambda c=c: told.append(c.get(f"/signin?token={link}").status_code))
            for c in (one, two)
        ]
        for each in both:
            each.start()
        for each in both:
            each.join(30)

    assert sorted(told) == [303, 401]


def test_a_session_outlives_the_server_and_holds_at_every_desk(place: Place) -> None:
    """Two desks on one database know the same session, also one that started later; signed out at one, it is over at both."""
    with browser(place) as client:
        token = sign_in(client, place.desk, AISHA)
    other = app.desk(place.settings)
    try:
        with serving(other, place.settings) as there, browser(place) as here:
            for client in (there, here):
                client.cookies.set(COOKIE, token)
            assert there.get("/api/v1/me").json()["person"] == AISHA
            assert here.get("/api/v1/me").json()["person"] == AISHA

            there.headers["X-CSRF-Token"] = csrf_of(token)
            assert there.post("/signout").json() == {"next": "/signin"}

            here.cookies.set(COOKIE, token)
            assert here.get("/api/v1/me").status_code == 401
    finally:
        other.close()


@pytest.mark.parametrize(
    ("after", "since_seen", "over"),
    [
        (HOUR, timedelta(minutes=59), False),
        (HOUR, timedelta(minutes=60), True),  # idle for its whole time
        (24 * HOUR, timedelta(0), True),  # in use all the time, and too old
        (24 * HOUR - timedelta(seconds=1), timedelta(0), False),
    ],
)
def test_when_a_session_is_over(after: timedelta, since_seen: timedelta, over: bool) -> None:
    """It ends after an idle hour, and after a day in any case."""
    session = Session(
        session_id="ses_1",
        person=AISHA,
        via="link",
        device="",
        idle_s=3600,
        created_at=T0,
        seen_at=T0 + after - since_seen,
        expires_at=T0 + 24 * HOUR,
    )

    assert session.is_over(T0 + after) is over


def test_a_session_that_is_over_is_gone(place: Place) -> None:
    """Its cookie finds nobody, and its row goes at that look; the office's clock has no say in it."""
    token = place.desk.access.open_session(
        AISHA, via="link", device="", idle=timedelta(seconds=0), lives=timedelta(days=1)
    )
    alive = place.desk.access.open_session(AISHA, via="link", device="", idle=HOUR, lives=HOUR)
    place.office.set_now(T0 + timedelta(days=400))
    with browser(place) as client:
        client.cookies.set(COOKIE, token)
        assert client.get("/api/v1/me").status_code == 401
        client.cookies.set(COOKIE, alive)
        assert client.get("/api/v1/me").status_code == 200
    with place.desk._store.read() as tx:
        assert rows.session(tx, digest_of(token)) is None


def test_nobody_brings_a_session_of_their_own(place: Place) -> None:
    """Fixation: whatever cookie a browser arrives with, it leaves the door with another one, and the old one is over."""
    planted = place.desk.access.open_session(AISHA, via="link", device="", idle=HOUR, lives=HOUR)
    with browser(place) as client:
        client.cookies.set(COOKIE, planted)
        link = place.desk.access.new_link(place.me)
        fresh = client.get(f"/signin?token={link}").cookies[COOKIE]
        client.cookies.clear()
        client.cookies.set(COOKIE, planted)

        assert fresh != planted
        assert client.get("/api/v1/me").status_code == 401


def test_signing_out_everywhere(place: Place) -> None:
    """Every browser of the person is out; another person's stays."""
    with browser(place, AISHA) as one, browser(place, AISHA) as two, browser(place, place.me.principal_id) as mine:
        told = one.request("DELETE", "/api/v1/sessions").json()

        assert told["ended"] == 2
        assert [c.get("/api/v1/me").status_code for c in (one, two, mine)] == [401, 401, 200]


def test_one_browser_is_put_out_by_its_id(place: Place) -> None:
    """One's own by id; of somebody else only an admin may."""
    with browser(place, AISHA) as hers, browser(place, place.me.principal_id) as mine:
        (session,) = hers.get("/api/v1/sessions").json()["sessions"]
        path = f"/api/v1/sessions/{session['session_id']}"

        everybodys = mine.get("/api/v1/sessions?everybody=true").json()["sessions"]
        current = [one["person"] for one in everybodys if one["current"]]
        assert session["current"] and current == [place.me.principal_id]  # which one is this browser
        assert mine.request("DELETE", path).status_code == 404
        assert hers.request("DELETE", f"/api/v1/sessions?person={place.me.principal_id}").status_code == 403
        assert mine.request("DELETE", f"{path}?person={AISHA}").json()["ended"] == 1
        assert hers.get("/api/v1/me").status_code == 401


def test_who_is_turned_away_is_out_at_once_on_every_door(place: Place) -> None:
    """The role none ends sessions and keys, links and the terminal; given back, the old ones stay ended."""
    key = key_of(place, ["read"], AISHA)
    link = place.desk.access.new_link(place.desk.principal(AISHA))
    with browser(place, AISHA) as client:
        assert client.get("/api/v1/me", headers=bearer(key)).status_code == 200
        told = place.desk.roles.give(place.me, AISHA, ["none"])
        assert (told["sessions_ended"], told["keys_revoked"]) == (1, 1)

        assert client.get("/api/v1/me").status_code == 401
        assert client.get("/api/v1/me", headers=bearer(key)).status_code == 401
        assert place.deputy("work", "ls", "--as", AISHA)[1]["error"] == "not_eligible"
        place.desk.roles.give(place.me, AISHA, [])
        assert client.get("/api/v1/me").status_code == 401
        assert client.get("/api/v1/me", headers=bearer(key)).status_code == 401
        assert client.get(f"/signin?token={link}").status_code == 401


def test_who_left_the_directory_is_out_at_once(place: Place) -> None:
    """Sessions and keys of somebody whom the directory names no more open nothing."""
    key = key_of(place, ["read"], AISHA)
    with browser(place, AISHA) as client:
        with place.desk._store.tx() as tx:
            kept = [one for one in people.all(tx) if one.address != AISHA]
            people.upsert_many(tx, kept, "office", clock.now())

        assert client.get("/api/v1/me").status_code == 401
        assert client.get("/api/v1/me", headers=bearer(key)).status_code == 401
        with pytest.raises(NotEligible):
            place.desk.access.open_session(AISHA, via="oidc", device="", idle=HOUR, lives=HOUR)
        with pytest.raises(NotFound):
            place.desk.principal(AISHA)


def test_an_open_stream_ends_with_the_right_to_hear_it(place: Place) -> None:
    """Who is signed out elsewhere hears nothing more within seconds, not at the stream's own end."""
    token = place.desk.access.open_session(AISHA, via="link", device="", idle=HOUR, lives=HOUR)
    web = application(place.desk, Sessions(place.desk), place.settings)
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/api/v1/events",
        "raw_path": b"/api/v1/events",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"cookie", f"{COOKIE}={token}".encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8787),
    }
    heard: list[Any] = []

    async def listen() -> None:
        began, asked = asyncio.Event(), False

        async def receive() -> Any:
            nonlocal asked
            if asked:
                await asyncio.Event().wait()  # the browser stays
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            heard.append(message)
            if b"hello" in message.get("body", b""):
                began.set()

        answering = asyncio.create_task(web(scope, receive, send))
        async with asyncio.timeout(20):
            await began.wait()
            await asyncio.to_thread(place.desk.access.end_sessions, place.me, of=AISHA)
            await answering

    asyncio.run(listen())

    assert heard[0]["status"] == 200 and heard[-1] == {"type": "http.response.body", "body": b""}


def test_a_page_shows_the_door_and_an_interface_says_no(place: Place) -> None:
    """Who asks for a page without being signed in is led to the door and back; programs get a problem document."""
    with browser(place) as client:
        page = client.get("/?state=all", headers=HTML)
        document = client.get("/api/v1/items", headers=HTML)

        assert (page.status_code, page.headers["location"]) == (303, "/signin?next=%2F%3Fstate%3Dall")
        assert document.status_code == 401 and document.json()["error"] == "unauthorized"
        door = client.get(page.headers["location"], headers=HTML)
        assert door.status_code == 200 and "Sign in" in door.text


@pytest.mark.parametrize(
    ("asked", "goes"),
    [
        ("/worklist?state=all#x", "/worklist?state=all#x"),
        (None, "/"),
        ("", "/"),
        ("https://evil.example/", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/\\/evil.example", "/"),
        ("\\\\evil.example", "/"),
        ("/a\\..\\..", "/"),
        ("/%09/evil.example", "/%09/evil.example"),  # stays a path of ours
        ("/\t/evil.example", "/"),
        ("/\n//evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("evil.example", "/"),
        ("///evil.example", "/"),
        ("/signin?token=x", "/"),  # no way round in circles
        ("/" + "a" * 3000, "/"),
    ],
)
def test_where_a_sign_in_leads(asked: str | None, goes: str) -> None:
    """Only to a path of this desk."""
    assert local_path(asked) == goes


def test_a_sign_in_leads_nowhere_else(place: Place) -> None:
    """The whole way: a foreign `next` ends on the first page."""
    with browser(place) as client:
        link = place.desk.access.new_link(place.me)
        assert client.get(f"/signin?token={link}&next=https://evil.example").headers["location"] == "/"
        assert client.get("/signin?next=//evil.example").headers["location"] == "/"
        assert client.get(HERE + "/?x=1", headers=HTML).status_code in (200, 303)
