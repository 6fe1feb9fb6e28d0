"""Consent in the browser, against an authorisation server of our own (a double): loopback redirect, PKCE, and what is kept."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from connectors.errors import ConnectorError, InvalidCall, ReconsentNeeded, Unreachable
from connectors.google import auth, consent
from connectors.spec import Account

READ = "https://www.googleapis.com/auth/gmail.readonly"
SEND = "https://www.googleapis.com/auth/gmail.compose"
ADDRESS = "alex@northwind.example"


class Server(ThreadingHTTPServer):
    """Gives out codes and tokens. `granted`: what the person allows; `keeps_refresh`: whether a refresh token comes along."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: dict[str, str] = {}
        self.granted = [*consent.WHO, READ, SEND]
        self.gives_refresh = True
        self.problems: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != self.server.asked["code_challenge"]:
            return self._answer(400, {"error": "invalid_grant"})
        claims = base64.urlsafe_b64encode(json.dumps({"email": ADDRESS.title(), "email_verified": True}).encode())
        token = {
            "access_token": "at-canary",
            "expires_in": 3600,
            "token_type": "Bearer",
            "scope": " ".join(self.server.granted),
            "id_token": f"e30.{claims.decode().rstrip('=')}.e30",
        }
        self._answer(200, token | ({"refresh_token": "rt-canary"} if self.server.gives_refresh else {}))

    def _answer(self, code: int, told: dict[str, Any]) -> None:
        body = json.dumps(told).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def client(server: Server, tmp_path: Path) -> Path:
    told = {
        "client_id": "id-1",
        "client_secret": "s-1",
        "auth_uri": f"{server.url}/auth",
        "token_uri": f"{server.url}/token",
    }
    file = tmp_path / "client.json"
    file.write_text(json.dumps({"installed": told}))
    return file


class Person:
    """Opens the address and clicks: sends the browser back with a code, or with `error`."""

    def __init__(self, server: Server, error: str = "") -> None:
        self._server, self._error = server, error
        self.shown: list[str] = []
        self._clicks: list[threading.Thread] = []

    def __call__(self, url: str) -> None:
        self.shown.append(url)
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        self._server.asked = asked
        back = {"state": asked["state"], **({"error": self._error} if self._error else {"code": "code-1"})}
        click = threading.Thread(
            target=requests.get, args=(asked["redirect_uri"],), kwargs={"params": back, "timeout": 10}
        )
        click.start()
        self._clicks.append(click)

    def rest(self) -> None:
        for click in self._clicks:
            click.join()


def ask(client: Path, person: Person, wait_s: int = 20) -> consent.Consent:
    try:
        return consent.in_browser(client, [READ, SEND], open_browser=False, show=person, wait_s=wait_s)
    finally:
        person.rest()


def test_what_was_consented_to_serves_the_connector(
    server: Server, client: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Asked over PKCE and a loopback address for offline access; what comes back is what `auth` takes, and is not shown."""
    person = Person(server)

    found = ask(client, person)

    asked = server.asked
    assert urlsplit(asked["redirect_uri"]).hostname == "127.0.0.1"
    assert (asked["code_challenge_method"], asked["access_type"]) == ("S256", "offline")
    assert set(asked["scope"].split()) == {*consent.WHO, READ, SEND}
    assert found.address == ADDRESS
    account = Account(connection_id="c", subject=ADDRESS, credentials=found.credentials)
    assert auth.granted(account) == {READ, SEND}
    assert auth.credentials_of(account).refresh_token == "rt-canary"
    assert "canary" not in repr(found)
    assert capsys.readouterr() == ("", "")
    assert "OAUTHLIB_RELAX_TOKEN_SCOPE" not in os.environ


def test_fewer_scopes_than_asked_are_told(server: Server, client: Path) -> None:
    """A person may leave boxes unticked: what they granted is what the account says it holds."""
    server.granted = [*consent.WHO, READ]

    assert ask(client, Person(server)).credentials["scopes"] == READ


def test_a_refusal_asks_for_consent(server: Server, client: Path) -> None:
    """ "No" in the browser is ReconsentNeeded, without what the browser brought along."""
    with pytest.raises(ReconsentNeeded) as raised:
        ask(client, Person(server, error="access_denied"))

    assert raised.value.fix and "code" not in raised.value.message


def test_without_a_refresh_token_nothing_is_connected(server: Server, client: Path) -> None:
    """It would end within the hour."""
    server.gives_refresh = False

    with pytest.raises(ReconsentNeeded, match="refresh token"):
        ask(client, Person(server))


def test_nobody_comes(server: Server, client: Path) -> None:
    """After the wait it ends by itself."""
    shown: list[str] = []

    with pytest.raises(Unreachable, match="nobody consented"):
        consent.in_browser(client, [READ], open_browser=False, show=shown.append, wait_s=1)

    assert len(shown) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"web": {"client_id": "id-1", "auth_uri": "https://a.example", "token_uri": "http://a.example/token"}}',  # in the clear
    ],
)
def test_a_file_that_is_no_client_is_refused(text: str, tmp_path: Path) -> None:
    """Before anything is opened."""
    file = tmp_path / "client.json"
    file.write_text(text)

    with pytest.raises(InvalidCall) as raised:
        consent.in_browser(file, [READ], open_browser=False, show=lambda _url: None)

    assert isinstance(raised.value, ConnectorError) and raised.value.fix
