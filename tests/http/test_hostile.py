"""What strangers and their programs send and ask for: refused in words, and nothing of the house told."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from contextlib import closing
from typing import Any

import pytest
import sqlalchemy as sa

from orchestrator.surfaces.http_api.auth.rules import Rules
from orchestrator.surfaces.http_api.auth.sessions import Sessions
from orchestrator.surfaces.http_api.server import application
from tests.e2e.place import Place
from tests.http.auth.callers import DANA, HTML, browser, key_of


@pytest.mark.parametrize("number", ["1e400", "-1e400", "[[1e999]]", "NaN", "Infinity"])
def test_a_number_beyond_all_numbers_is_no_json(place: Place, number: str) -> None:
    """What no database keeps does not come in, however deep it stands."""
    with browser(place, place.me.principal_id) as client:
        answer = client.post(
            "/api/v1/items",
            content=f'{{"request": "x", "input": {{"a": {number}}}}}',
            headers={"Content-Type": "application/json"},
        )

    assert (answer.status_code, answer.json()["error"]) == (400, "not_json")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"request": "x", "priority": 1.5}, "body.priority: 1.5 is not of type 'integer'"),
        ({"request": "x", "foo": 1}, "body: Additional properties are not allowed ('foo' was unexpected)"),
        ([{"request": "x"}, {"request": 1}], "body.1.request: 1 is not of type 'string'"),  # the place in a list
        ([], "body: [] should be non-empty"),
        ({"request": "x" * 20_001}, f"body.request: '{'x' * 79}… is too long"),
        ("x", "body: 'x' is not of type 'object'"),  # fits neither form
    ],
)
def test_a_body_with_two_forms_is_told_its_own_fault(place: Place, body: Any, told: str) -> None:
    """Of one wish or a list of them: what is off in the one that was meant."""
    with browser(place, place.me.principal_id) as client:
        answer = client.post("/api/v1/items", json=body)

    assert (answer.status_code, answer.json()["message"]) == (422, told)


def test_what_is_missing_or_no_choice_is_said_in_plain_words(place: Place) -> None:
    """A parameter that a call needs is told as missing, here and in the document; choices are told as they are written."""
    name = "morning-brief"
    with browser(place, place.me.principal_id) as client:
        removed = client.delete(f"/api/v1/workflows/{name}")
        shipped = client.delete(f"/api/v1/workflows/{name}?before={'0' * 32}")
        state = client.get("/api/v1/approvals?state=bogus")
        paths = client.get("/api/openapi.json").json()["paths"]

    assert (removed.status_code, removed.json()["message"]) == (422, "the parameter 'before' is missing")
    assert shipped.status_code == 409 and "came with Deputy" in shipped.json()["message"]
    assert state.status_code == 422 and state.json()["message"].startswith("state: 'bogus' is none of: pending, ")
    assert [one["required"] for one in paths["/api/v1/workflows/{name}"]["delete"]["parameters"]] == [True, True]
    assert paths["/api/v1/items"]["post"]["requestBody"]["required"]
    assert paths["/api/v1/items/{item_id}"]["patch"]["requestBody"]["required"]
    assert not paths["/api/v1/workflows/{name}/run"]["post"]["requestBody"]["required"]


def test_who_hangs_up_in_the_middle_is_no_error(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """A browser that leaves a page drops its calls: nothing is done, nothing is logged as a fault."""
    web = application(place.desk, Sessions(place.desk, Rules.of(place.settings, "127.0.0.1")), place.settings)
    key = key_of(place, ["read", "submit"])
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/api/v1/items",
        "raw_path": b"/api/v1/items",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1"), (b"authorization", f"Bearer {key}".encode())],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8787),
    }
    before = len(place.desk.items(place.me)["items"])
    asyncio.run(web(scope, receive, send))

    assert len(place.desk.items(place.me)["items"]) == before
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING] == []
    assert sent[0]["status"] == 499


@pytest.mark.parametrize("path", ["/worklist", "/work/", "/static/../pages", "/%2e%2e/etc", "/<script>x</script>"])
@pytest.mark.parametrize("is_in", [True, False])
def test_an_unknown_page_is_a_page(place: Place, path: str, is_in: bool) -> None:
    """Whoever looks for a page that is not there reads words and finds the way; a program gets a problem document."""
    with browser(place, place.me.principal_id if is_in else None) as client:
        page = client.get(path, headers=HTML, follow_redirects=True)
        document = client.get("/worklist")

    if page.status_code == 200:  # led on: a slash too many is none
        assert "<h1" in page.text
    else:
        assert page.status_code == 404
        assert page.headers["Content-Type"].startswith("text/html")
        assert "There is no such page" in page.text and 'href="/"' in page.text
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "<script>x" not in page.text
    assert document.json()["error"] == "not_found"


def test_a_page_one_may_not_see_says_so(place: Place) -> None:
    """Settings are not everybody's: a page in words, not a document of signs."""
    with browser(place, DANA) as client:
        page = client.get("/settings", headers=HTML)

    assert page.status_code == 403
    assert "Not for you" in page.text and "ask an admin" in page.text


def test_where_the_store_is_stays_in_the_house(place: Place) -> None:
    """A database that cannot be used is told without its path or address, to whoever is in and to whoever asks for health."""
    with browser(place, place.me.principal_id) as client:
        with closing(sqlite3.connect(sa.make_url(place.settings.store_url).database or "")) as store:
            for (name,) in store.execute("select name from sqlite_master where type = 'table'").fetchall():
                store.execute(f'alter table "{name}" rename to "gone_{name}"')
        answers = [client.get("/readyz"), client.get("/api/v1/items"), client.get("/", headers=HTML)]

    assert [one.status_code for one in answers] == [503, 503, 503]
    assert [one for one in answers if str(place.home) in one.text or "sqlite" in one.text] == []
    assert "The desk cannot work right now" in answers[2].text


def test_health_names_nobody(place: Place) -> None:
    """Anybody may ask whether the desk is ready, and learns no host and no process by it."""
    with browser(place) as client:
        assert client.get("/readyz").json() == {"ready": True, "workers": 0}
