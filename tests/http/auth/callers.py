"""Browsers and programs before the whole application, in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from starlette.testclient import TestClient

from orchestrator.deputy import Deputy
from orchestrator.settings import Settings
from orchestrator.surfaces.http_api.auth.rules import Rules
from orchestrator.surfaces.http_api.auth.sessions import COOKIE, Sessions, csrf_of
from orchestrator.surfaces.http_api.server import application
from tests.e2e.place import Place

AISHA = "aisha.weber@brightwater.example"
DANA = "dana.ruiz@brightwater.example"
HERE = "http://127.0.0.1:8787"
HTML = {"Accept": "text/html"}


@contextmanager
def serving(
    desk: Deputy,
    settings: Settings,
    *,
    host: str = "127.0.0.1",
    base: str = HERE,
    peer: str = "127.0.0.1",
) -> Iterator[TestClient]:
    """The application as `deputy serve --host HOST` builds it. `peer`: where its callers' connections come from."""
    web = application(desk, Sessions(desk, Rules.of(settings, host)), settings)
    with TestClient(
        web, base_url=base, client=(peer, 50_000), follow_redirects=False, raise_server_exceptions=False
    ) as client:
        yield client


@contextmanager
def browser(place: Place, who: str | None = None, **settings: Any) -> Iterator[TestClient]:
    """A browser on this machine; signed in where a person is named."""
    if settings:
        place.set(**settings)
    with serving(place.desk, place.settings) as client:
        if who is not None:
            sign_in(client, place.desk, who)
        yield client


def sign_in(client: TestClient, desk: Deputy, who: str) -> str:
    """By a one-time link; the session's token. From here on the browser shows the page's token with every request."""
    link = desk.access.new_link(desk.principal(who))
    answer = client.get(f"/signin?token={link}")
    assert answer.status_code == 303, answer.text
    token = client.cookies[COOKIE]
    client.headers["X-CSRF-Token"] = csrf_of(token)
    return token


def key_of(place: Place, scopes: Sequence[str], who: str | None = None, **more: Any) -> str:
    """A person's own key."""
    text: str = place.desk.access.create_key(place.desk.principal(who), scopes=scopes, **more)["key"]
    return text


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
