"""Who is let in at /mcp: bearer tokens alone, of this moment, from this desk's own pages or from no page."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
from starlette.testclient import TestClient

from orchestrator.errors import StoreUnavailable
from orchestrator.surfaces.http_api.auth.rules import Rules
from orchestrator.surfaces.http_api.auth.sessions import Sessions
from orchestrator.surfaces.http_api.draining import Drain
from orchestrator.surfaces.http_api.feed import Feed
from orchestrator.surfaces.http_api.server import application
from orchestrator.surfaces.mcp_server import door
from tests.e2e.place import CALL, Place
from tests.http.auth import issuer
from tests.http.auth.callers import sign_in
from tests.mcp.house import AISHA, LATEST, House, call

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}
JSON_OR_STREAM = {"Accept": "application/json, text/event-stream"}


def bearer(key: str) -> dict[str, str]:
    return {**JSON_OR_STREAM, "Authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    "sent", ["", "Bearer ", "Bearer dpt_0_0", "Bearer a.b.c", "Basic dXNlcjpwdw==", "Bearer " + "x" * 20_000]
)
def test_without_a_key_there_is_a_challenge_and_nothing_else(house: House, sent: str) -> None:
    """401 with WWW-Authenticate (RFC 9110, section 11.6.1), for every method."""
    for method in ("POST", "GET", "DELETE"):
        headers = {**JSON_OR_STREAM, **({"Authorization": sent} if sent else {})}

        answer = requests.request(method, house.url, json=INITIALIZE, headers=headers, timeout=20)

        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example"}, 421),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 421),
    ],
)
def test_pages_of_elsewhere_are_refused_even_with_a_key(house: House, headers: dict[str, str], status: int) -> None:
    """DNS rebinding and cross-site requests end before anything is read."""
    answer = requests.post(house.url, json=INITIALIZE, headers={**bearer(house.program), **headers}, timeout=20)

    assert answer.status_code == status
    assert "result" not in answer.text


def test_the_desks_own_origin_is_no_hindrance(house: House) -> None:
    """The nearest neighbour of the above."""
    own = {"Origin": str(house.desk.url)}

    assert requests.post(house.url, json=INITIALIZE, headers={**bearer(house.program), **own}, timeout=20).ok


def test_a_session_is_of_the_key_that_opened_it(house: House) -> None:
    """Another key with the session's id is told that there is none; the first one goes on."""
    begun = requests.post(house.url, json=INITIALIZE, headers=bearer(house.program), timeout=20)
    session = {"Mcp-Session-Id": begun.headers["mcp-session-id"], "MCP-Protocol-Version": "2025-11-25"}
    ask = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
    requests.post(
        house.url,
        json={"jsonrpc": "2.0", "method": "notifications/initialized"},
        headers={**bearer(house.program), **session},
        timeout=20,
    )

    stranger = requests.post(house.url, json=ask, headers={**bearer(house.colleague), **session}, timeout=20)
    own = requests.post(house.url, json=ask, headers={**bearer(house.program), **session}, timeout=20)

    assert stranger.status_code == 404
    assert own.status_code == 200


def test_a_key_that_is_taken_back_is_of_no_use_from_the_next_call_on(house: House) -> None:
    """Also in a session that it had opened."""
    made = house.desk.command("config", "key", "create", "--program", "--scope", "read")

    def listed() -> int:
        return house.post("tools/list", key=made["key"]).status_code

    assert listed() == 200
    house.desk.command("config", "key", "rm", made["key_id"])
    assert listed() == 401


def test_large_and_broken_bodies_are_refused(house: House) -> None:
    """By size before they are read, by shape before anything runs."""
    large = requests.post(house.url, data=b"x" * 1_100_000, headers=bearer(house.program), timeout=20)
    broken = requests.post(
        house.url, data=b"{", headers={**bearer(house.program), "Content-Type": "application/json"}, timeout=20
    )

    assert large.status_code in (400, 413)
    assert broken.status_code == 400


def test_a_server_that_ends_lets_go_of_open_streams(house: House, world: Any, tmp_path: Any) -> None:
    """SIGTERM with a client that listens: the process ends within seconds, with exit code 0."""
    from tests.mcp.house import furnished, open_house

    furnished(tmp_path / "home", world)
    other = open_house(tmp_path / "home", tmp_path / "log")
    begun = requests.post(other.url, json=INITIALIZE, headers=bearer(other.program), timeout=20)
    session = {"Mcp-Session-Id": begun.headers["mcp-session-id"], "MCP-Protocol-Version": "2025-11-25"}
    listening = requests.get(
        other.url,
        headers={**bearer(other.program), **session, "Accept": "text/event-stream"},
        stream=True,
        timeout=60,
    )
    assert listening.status_code == 200
    began_s = time.monotonic()

    code = other.desk.stop()

    assert code == 0
    assert time.monotonic() - began_s < 15
    listening.close()


# ---- in this process ---------------------------------------------------------------------------------------------------
@contextmanager
def served(place: Place) -> Iterator[TestClient]:
    """The application with the door in it, as `deputy serve` puts it together."""
    rules, drain = Rules.of(place.settings, "127.0.0.1"), Drain()
    feed = Feed(place.desk, drain)
    mcp = door.over_http(place.desk, place.settings, rules, feed, drain)
    web = application(
        place.desk,
        Sessions(place.desk, rules),
        place.settings,
        drain=drain,
        feed=feed,
        more=mcp.routes(),
        lifespan=mcp.lifespan,
    )
    with TestClient(
        web, base_url=place.settings.public_url or "http://127.0.0.1:8787", follow_redirects=False
    ) as client:
        yield client


def discover(client: TestClient, headers: dict[str, str]) -> Any:
    meta = {
        "io.modelcontextprotocol/protocolVersion": LATEST,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}
    told = {**JSON_OR_STREAM, "MCP-Protocol-Version": LATEST, "Mcp-Method": "tools/list"}
    return client.post("/mcp", json=body, headers={**told, **headers})


def test_a_cookie_opens_nothing_here(place: Place) -> None:
    """A person who is signed in at the desk is nobody at this door, with the page's token or without."""
    with served(place) as client:
        sign_in(client, place.desk, place.me.principal_id)

        assert client.get("/api/v1/me").status_code == 200
        assert discover(client, {}).status_code == 401


def test_without_its_database_the_door_says_so(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with Retry-After: the caller's key may be good, nobody can look."""
    key = place.desk.access.create_key(place.me, scopes=["read"])["key"]

    def away(_: str) -> None:
        raise StoreUnavailable("the database does not answer", fix="start it")

    with served(place) as client:
        assert discover(client, {"Authorization": f"Bearer {key}"}).status_code == 200
        monkeypatch.setattr(place.desk.access, "of_key", away)

        refused = discover(client, {"Authorization": f"Bearer {key}"})

    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert "Traceback" not in refused.text


def test_where_people_sign_in_at_a_provider_its_tokens_count_too(place: Place) -> None:
    """RFC 9728 metadata and challenge by the SDK; a token for this resource is its person's program, any other is nobody's."""
    with issuer.running() as provider:
        place.set(public_url="https://desk.example", oidc_issuer=provider.url, oidc_client_id=issuer.CLIENT)
        resource = "https://desk.example/mcp"
        with served(place) as client:
            challenge = discover(client, {})
            metadata = client.get("/.well-known/oauth-protected-resource/mcp")

            def status(**claims: Any) -> int:
                provider.claims = {"aud": resource, "nonce": None, "client_id": "assistant", **claims}
                return int(discover(client, {"Authorization": f"Bearer {provider.token()}"}).status_code)

            assert challenge.status_code == 401
            assert 'resource_metadata="https://desk.example/.well-known' in challenge.headers["www-authenticate"]
            assert metadata.json()["resource"] == resource
            assert [one.rstrip("/") for one in metadata.json()["authorization_servers"]] == [provider.url]
            assert status() == 200
            assert status(aud=issuer.CLIENT) == 401  # an id token, for the desk's own sign-in
            assert status(aud="https://other.example/mcp") == 401
            assert status(email="stranger@elsewhere.example") == 401
            assert status(email_verified=False) == 401
            assert status(exp=int(time.time()) - 600) == 401
            assert status(iss="https://other.example") == 401


def test_what_a_providers_token_starts_is_its_persons(place: Place) -> None:
    """The requester is the person whom the token names, as a program with read and submit alone."""
    with issuer.running() as provider:
        place.set(public_url="https://desk.example", oidc_issuer=provider.url, oidc_client_id=issuer.CLIENT)
        provider.claims = {"aud": "https://desk.example/mcp", "nonce": None, "client_id": "assistant", "email": AISHA}
        with served(place) as client:
            headers = {"Authorization": f"Bearer {provider.token()}"}
            meta = {
                "io.modelcontextprotocol/protocolVersion": LATEST,
                "io.modelcontextprotocol/clientCapabilities": {},
            }
            params = {"name": "work_start", "arguments": {"request": CALL}, "_meta": meta}
            named = {"MCP-Protocol-Version": LATEST, "Mcp-Method": "tools/call", "Mcp-Name": "work_start"}
            body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}

            answer = client.post("/mcp", json=body, headers={**JSON_OR_STREAM, **named, **headers})

    said = next(line for line in answer.text.splitlines() if "structuredContent" in line).removeprefix("data:")
    item = place.item(json.loads(said)["result"]["structuredContent"]["item_id"])
    assert (item["requester"], item["origin"]) == (AISHA, "agent")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_reader_cannot_start(house: House, mode: str) -> None:
    """A key without submit, over HTTP: neither listed nor callable."""

    async def run() -> set[str]:
        async with house.client("http", mode=mode, key=house.reader) as client:
            result = await client.call_tool("work_start", {"request": CALL})
            assert result.is_error  # type: ignore[union-attr]  # no question
            assert (await call(client, "worklist_list"))["items"] is not None
            return {tool.name for tool in (await client.list_tools()).tools}

    assert asyncio.run(run()) == {"work_status", "worklist_list", "approvals_list", "workflow_find"}
