"""Secrets planted in a home, and looked for in everything that it says: pages, documents, errors, logs, files, the audit export."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from starlette.routing import Route
from starlette.testclient import TestClient
from urllib3.util import Retry

from orchestrator import clock
from orchestrator.gate.keys import keys_of
from orchestrator.gate.sealing import Place as Spot
from orchestrator.gate.sealing import seal
from orchestrator.store import credentials
from orchestrator.surfaces.http_api.auth.sessions import COOKIE
from orchestrator.surfaces.http_api.endpoint import PREFIX
from orchestrator.surfaces.http_api.server import ENDPOINTS
from tests.e2e.place import CALL, Place
from tests.http.auth import issuer as double
from tests.http.auth.callers import AISHA, HERE, HTML, bearer, key_of, serving, sign_in

OIDC_SECRET = "canary-oidc-5e1f0b7a"
API_TOKEN = "canary-token-90d2c4"
REFRESH = "canary-refresh-1b6a77"
PASSWORD = "canary-password-c0ffee"
HOUR = timedelta(hours=1)
LONG = ("follow_events",)  # a stream: read by its own test


@dataclass(frozen=True, slots=True)
class Planted:
    place: Place
    secrets: Mapping[str, str]
    ids: Mapping[str, str]
    key: str


def plant(place: Place, issuer: str) -> Planted:
    """One secret of each kind, and one of each thing that can be asked for."""
    place.set(oidc_issuer=issuer, oidc_client_id="desk", oidc_client_secret=OIDC_SECRET, token=API_TOKEN)
    desk, me = place.desk, place.me
    item = place.ask(CALL)
    card = place.cards(item)[0]
    line = desk.connect(me, connector="imap", owner=me.principal_id, subject=me.principal_id, families=["mail"])
    keys = keys_of(place.settings.key_source, place.home, make=True)
    spot = Spot(tenant_id=place.settings.tenant, connection_id=line)
    with desk._store.tx() as tx:
        credentials.put(tx, line, seal({"refresh_token": REFRESH, "password": PASSWORD}, spot, keys), clock.real())
    memory = desk.memories.add(me, "Dana likes mornings")
    scopes = ["read", "submit", "decide", "operate", "audit", "admin"]
    key, hers = key_of(place, scopes), key_of(place, ["read"], AISHA)
    session = desk.access.open_session(AISHA, via="oidc", device="a browser", idle=HOUR, lives=HOUR)
    secrets = {
        "the OIDC secret": OIDC_SECRET,
        "the server's token": API_TOKEN,
        "a refresh token": REFRESH,
        "a password": PASSWORD,
        "a key": key.split("_", 2)[2],
        "another's key": hers.split("_", 2)[2],
        "a session": session,
        "a link": desk.access.new_link(me),
        "the sealing key": (place.home / "credentials.key").read_text().strip(),
    }
    ids = {
        "item_id": item["item_id"],
        "run_id": item["run_id"],
        "effect": card["effect_id"],
        "approval_id": card["approval_id"],
        "memory_id": memory["memory_id"],
        "address": me.principal_id,
        "name": "schedule-call-from-mail",
        "revision": "0" * 32,
    }
    return Planted(place, secrets, ids, key)


@pytest.fixture
def planted(place: Place) -> Iterator[Planted]:
    with double.running() as issuer:
        yield plant(place, issuer.url)


def heard(planted: Planted, where: str, text: str) -> list[str]:
    """Every secret that the text holds, whole, or as the digest that is kept of it."""
    from orchestrator.deputy.access import digest_of

    return [
        f"{what} in {where}" for what, secret in planted.secrets.items() if secret in text or digest_of(secret) in text
    ]


def everything(client: TestClient, planted: Planted) -> Iterator[tuple[str, str]]:
    """(where, what was said) for every GET of the interface and every page, and for calls that go wrong."""

    def filled(path: str) -> str:
        return re.sub(r"{(\w+)(:path)?}", lambda found: planted.ids.get(found[1], "x"), path)

    def said(method: str, path: str, **more: Any) -> tuple[str, str]:
        answer = client.request(method, path, **more)
        return f"{method} {path}", f"{answer.headers}\n{answer.text}"

    for one in ENDPOINTS:
        path = PREFIX + filled(one.path)
        if one.method == "GET" and one.name not in LONG:
            more = "?everybody=true" if "everybody" in one.query else "?q=secret" if "q" in one.query else ""
            yield said("GET", path + more)
        yield said(one.method, path + "?no_such=1")
        if one.method != "GET":
            yield said(one.method, path, content=b"{not json")
    for route in client.app.routes:  # type: ignore[attr-defined]  # the application that the client was given
        if isinstance(route, Route) and "GET" in (route.methods or ()) and not route.path.startswith(PREFIX):
            yield said("GET", filled(route.path), headers=HTML)


def test_no_answer_holds_a_secret(planted: Planted, caplog: pytest.LogCaptureFixture) -> None:
    """An admin's browser and an admin's key ask for everything there is, rightly and wrongly; the logs are read along."""
    place, found, looked = planted.place, [], set()
    with caplog.at_level(logging.DEBUG), serving(place.desk, place.settings) as client:
        token = sign_in(client, place.desk, place.me.principal_id)
        planted.secrets["the browser's session"] = token  # type: ignore[index]  # a dict, told as read-only
        for headers in ({}, bearer(planted.key)):
            client.headers.update(headers)
            for where, text in everything(client, planted):
                found += heard(planted, where, text)
                looked |= {where} if "Dana likes mornings" in text else set()
        for bad in (planted.key[:-1], f"{planted.key}x", planted.secrets["a session"]):
            answer = client.get("/api/v1/me", headers=bearer(bad))
            assert answer.status_code == 401
            found += heard(planted, "a refusal", answer.text)
            assert bad not in answer.text
    ours = [record for record in caplog.records if not record.name.startswith("httpx")]  # the client's own words
    for record in ours:
        found += heard(planted, f"the log {record.name}", record.getMessage() + str(record.exc_info or ""))

    assert found == []
    assert f"GET {PREFIX}/memories" in looked  # what is no secret was seen where it belongs


def test_no_file_and_no_export_holds_a_secret(planted: Planted) -> None:
    """The database itself, what lies beside it, the audit export and every listing at the terminal."""
    place, found = planted.place, []
    export = "\n".join(map(str, place.desk.audit_export(place.admin)))
    found += heard_plainly(planted, "the audit export", export)
    for path in place.home.rglob("*"):
        if path.is_file() and path.name != "credentials.key":
            found += heard_plainly(planted, path.name, path.read_bytes().decode("latin-1"))
    plain = {name: text for name, text in os.environ.items() if not name.startswith("DEPUTY_")}
    environment = plain | place.settings.as_environment()
    environment.pop("DEPUTY_URL", None)
    for words in (
        ["config", "show", "--origin", "--json"],
        ["config", "key", "ls", "--all", "--json"],
        ["config", "session", "ls", "--all", "--json"],
        ["people", "roles", "--json"],
        ["doctor", "--json"],
        ["audit", "tail", "--json"],
        ["connect", "--json"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "orchestrator.surfaces.cli.main", *words],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.stdout, (words, done.stderr)
        found += heard(planted, " ".join(words), done.stdout + done.stderr)

    assert found == []


def heard_plainly(planted: Planted, where: str, text: str) -> list[str]:
    """As `heard`, but digests are at home here."""
    return [f"{what} in {where}" for what, secret in planted.secrets.items() if secret in text]


def test_a_value_that_shows_itself_keeps_its_secret(planted: Planted) -> None:
    """What a traceback or a debugger would print of callers, settings and rows."""
    from orchestrator.store import access as rows
    from orchestrator.surfaces.http_api.auth.oidc import Begun, Provider
    from orchestrator.surfaces.http_api.auth.rules import Rules
    from orchestrator.surfaces.http_api.auth.sessions import caller_for

    visitor = planted.place.desk.access.of_key(planted.key)
    with planted.place.desk._store.read() as tx:
        keys = rows.keys_of(tx, None)
    shown = [
        repr(caller_for(visitor, "key", csrf="canary-csrf")),
        repr(Rules.of(planted.place.settings, "127.0.0.1")),
        repr(planted.place.settings),
        repr(Provider.of(planted.place.settings)),
        repr(keys),
        repr(Begun(url="u", state="canary-csrf", nonce="canary-csrf", verifier="canary-csrf")),
    ]

    assert heard(planted, "repr", "".join(shown)) == [] and "canary" not in "".join(shown)


@contextmanager
def served(home: Path) -> Iterator[tuple[str, str, list[str]]]:
    """A real server process: its address, its one-time link, and, once it has ended, all it printed."""
    plain = {name: text for name, text in os.environ.items() if not name.startswith("DEPUTY_")}
    server = subprocess.Popen(
        [sys.executable, "-m", "orchestrator.surfaces.cli.main", "serve", "--port", "0", "--no-worker"],
        env=plain | {"DEPUTY_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said: list[str] = []
    assert server.stdout is not None
    try:
        for line in server.stdout:
            said.append(line)
            if "/signin?token=" in line:
                break
        address = re.search(r"http://127\.0\.0\.1:\d+", said[0])
        link = re.search(r"/signin\?token=\S+", said[-1])
        assert address is not None and link is not None, said
        yield address[0], link[0], said
    finally:
        server.send_signal(signal.SIGTERM)
        said += server.stdout.read().splitlines()
        server.wait(30)
        server.stdout.close()


def patient() -> requests.Session:
    """Tries again while a server that has told its address is not listening yet."""
    made = requests.Session()
    made.mount("http://", HTTPAdapter(max_retries=Retry(connect=12, backoff_factor=0.05)))
    made.headers["Connection"] = "close"
    return made


def test_a_real_server_forgets_nobody_and_tells_nothing(place: Place) -> None:
    """Signed in before a restart is signed in after it; a key made at the terminal meanwhile works; nothing of them was printed."""
    place.close()
    with served(place.home) as (address, link, first):
        answer = patient().get(address + link, allow_redirects=False, timeout=10)
        token = answer.cookies[COOKIE]
        assert requests.get(f"{address}{link}", allow_redirects=False, timeout=10).status_code == 401
    with served(place.home) as (address, link, second):
        _, made = place.deputy("config", "key", "create", "--scope", "read")
        assert link not in "".join(first)
        me = patient().get(f"{address}/api/v1/me", cookies={COOKIE: token}, timeout=10)
        assert me.json()["via"] == "session"
        keyed = requests.get(f"{address}/api/v1/me", headers=bearer(made["key"]), timeout=10)
        assert keyed.json()["key_id"] == made["key_id"]
        rebound = requests.get(f"{address}/signin", headers={"Host": "evil.example"}, timeout=10)
        assert rebound.status_code == 421
        spoofed = requests.get(f"{address}/api/v1/me", headers={"X-Forwarded-For": "10.1.2.3"}, timeout=10)
        assert spoofed.status_code == 401
    printed = "".join(first + second)

    assert token not in printed and made["key"] not in printed and HERE not in printed


def test_keys_and_roles_from_afar(place: Place) -> None:
    """The same commands with DEPUTY_URL and an admin's key: what they make is made there, and no more than the key may."""
    admin = key_of(place, ["read", "submit", "audit", "admin"])
    place.close()
    with served(place.home) as (address, _, _):
        patient().get(f"{address}/livez", timeout=10)
        place.set(url=address, token=admin)
        code, made = place.deputy("config", "key", "create", "--scope", "read", "--expires", "12h")
        assert code == 0 and place.deputy("config", "key", "create", "--scope", "operate")[1]["error"] == "not_eligible"
        me = requests.get(f"{address}/api/v1/me", headers=bearer(made["key"]), timeout=10).json()
        assert me["key_id"] == made["key_id"]
        listed = place.deputy("config", "key", "ls")[1]
        assert made["key_id"] in str(listed) and made["key"] not in str(listed)
        assert place.deputy("config", "key", "rm", made["key_id"])[1]["state"] == "revoked"
        told = place.deputy("people", "role", AISHA, "approver", "--family", "mail")[1]
        assert (told["effective"], told["limits"]) == (["approver"], {"families": ["mail"]})
        given = [one for one in place.deputy("people", "roles")[1] if one["person"] == AISHA]  # type: ignore[index]  # a list
        assert given[0]["roles"] == ["approver"]
        assert place.deputy("config", "session", "ls")[0] == 0
        assert place.deputy("config", "session", "end")[1]["ended"] == 0
        assert place.deputy("config", "link")[1]["error"] == "usage"
        place.set(url="", token="")
