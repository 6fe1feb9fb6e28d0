"""Signing in at an OpenID provider: a real one for what is right, a double of ours for what no honest one would send."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from starlette.testclient import TestClient

from orchestrator.surfaces.http_api.auth.sessions import COOKIE
from tests.e2e.place import Place
from tests.http.auth import issuer as double
from tests.http.auth.callers import AISHA, DANA, HERE, HTML, serving, sign_in
from tests.services import oidc

ACCOUNTS: Mapping[str, Mapping[str, Any]] = {
    "aisha": {"email": AISHA.title(), "email_verified": True, "groups": ["staff", "deputy-operators"]},
    "dana": {"email": DANA, "email_verified": False},
    "stranger": {"email": "stranger@elsewhere.example", "email_verified": True, "groups": ["deputy-admins"]},
    "outsider": {"email": "", "email_verified": True},
}
GROUPS = {"oidc_roles": {"deputy-operators": ["operator", "approver"], "deputy-admins": "admin"}}
CALLBACK = f"{HERE}/signin/callback"


def set_for(place: Place, issuer: str, **more: Any) -> None:
    place.set(
        **{
            "oidc_issuer": issuer,
            "oidc_client_id": oidc.CLIENT,
            "oidc_client_secret": oidc.SECRET,
            "oidc_scopes": "openid email groups",
        }
        | more
    )


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[oidc.Provider]:
    folder = tmp_path_factory.mktemp("oidc")
    with oidc.running(folder, ACCOUNTS, CALLBACK, in_token=False, secret=oidc.SECRET) as running:
        yield running


def go(client: TestClient, provider: oidc.Provider, account: str, next: str = "/worklist") -> Any:
    """The desk's answer at the end of the whole way."""
    leave = client.get(f"/signin/oidc?next={next}")
    assert leave.status_code == 303, leave.text
    back = provider.sign_in(leave.headers["location"], account)
    assert back.startswith(CALLBACK)
    return client.get(back, headers=HTML)


# ---- a real provider ---------------------------------------------------------------------------------------------
def test_who_signs_in_there_is_signed_in_here(place: Place, provider: oidc.Provider) -> None:
    """Code, PKCE and nonce; the address may be spelled with capitals; the code leaves the address bar at once."""
    set_for(place, provider.issuer)
    with serving(place.desk, place.settings) as client:
        assert "/signin/oidc?next=" in client.get("/signin").text
        answer = go(client, provider, "aisha")
        told = client.get("/api/v1/me").json()
        (session,) = client.get("/api/v1/sessions").json()["sessions"]

    assert (answer.status_code, answer.headers["location"]) == (303, "/worklist")
    assert (told["person"], told["roles"], session["via"]) == (AISHA, ["member"], "oidc")


def test_groups_there_are_roles_here(place: Place, provider: oidc.Provider) -> None:
    """By the table in the settings; a group that it does not name means nothing."""
    set_for(place, provider.issuer, **GROUPS)
    with serving(place.desk, place.settings) as client:
        go(client, provider, "aisha")
        assert client.get("/api/v1/me").json()["roles"] == ["approver", "operator"]


@pytest.mark.parametrize("account", ["dana", "stranger", "outsider"])
@pytest.mark.parametrize("more", [{}, GROUPS], ids=["", "groups"])
def test_who_is_not_let_in(place: Place, provider: oidc.Provider, account: str, more: Mapping[str, Any]) -> None:
    """An unverified address, somebody whom the directory does not know, no address at all: told why and what to do, no session."""
    set_for(place, provider.issuer, **more)
    with serving(place.desk, place.settings) as client:
        answer = go(client, provider, account)

        assert answer.status_code == 403 and 'role="alert"' in answer.text and "Try:" in answer.text
        assert COOKIE not in client.cookies
    assert place.desk.access.sessions(place.me, everybody=True) == []


def test_signing_out_here_leads_to_signing_out_there(place: Place, provider: oidc.Provider) -> None:
    """The provider's page for it, which leads back to the door."""
    from orchestrator.surfaces.http_api.auth.sessions import csrf_of

    set_for(place, provider.issuer)
    with serving(place.desk, place.settings) as client:
        go(client, provider, "aisha")
        headers = {"X-CSRF-Token": csrf_of(client.cookies[COOKIE])}
        there = client.post("/signout", headers=headers).json()["next"]

        assert there.startswith(f"{provider.issuer}/session/end?")
        assert parse_qs(urlsplit(there).query)["post_logout_redirect_uri"] == [f"{HERE}/signin"]
        assert requests.get(there, timeout=10).status_code == 200
        assert client.get("/api/v1/me").status_code == 401


def test_a_public_client_whose_id_token_tells_all(place: Place, tmp_path: Path) -> None:
    """Without a client secret PKCE alone holds the code; addresses may stand in the id token, too."""
    with oidc.running(tmp_path, ACCOUNTS, CALLBACK, in_token=True, secret=None) as running:
        set_for(place, running.issuer, oidc_client_secret="")
        with serving(place.desk, place.settings) as client:
            assert go(client, running, "aisha").status_code == 303
            assert client.get("/api/v1/me").json()["person"] == AISHA


def test_a_callback_belongs_to_the_browser_that_left(place: Place, provider: oidc.Provider) -> None:
    """Login CSRF: another browser with the same address is refused; so is the same one a second time."""
    set_for(place, provider.issuer)
    with serving(place.desk, place.settings) as mine, serving(place.desk, place.settings) as other:
        leave = mine.get("/signin/oidc")
        back = provider.sign_in(leave.headers["location"], "aisha")
        assert other.get(back, headers=HTML).status_code == 401
        assert mine.get(back, headers=HTML).status_code == 401  # the other's try has used it up

        leave = mine.get("/signin/oidc")
        back = provider.sign_in(leave.headers["location"], "aisha")
        assert mine.get(back).status_code == 303
        mine.cookies.clear()
        assert mine.get(back).status_code == 401


def test_a_code_without_its_verifier_is_worth_nothing(place: Place, provider: oidc.Provider) -> None:
    """A stolen code, brought into a sign-in of the thief's own: the provider refuses it (PKCE)."""
    set_for(place, provider.issuer)
    with serving(place.desk, place.settings) as thief, serving(place.desk, place.settings) as victim:
        stolen = provider.sign_in(victim.get("/signin/oidc").headers["location"], "aisha")
        state = parse_qs(urlsplit(thief.get("/signin/oidc").headers["location"]).query)["state"][0]
        code = parse_qs(urlsplit(stolen).query)["code"][0]
        answer = thief.get("/signin/callback", params={"code": code, "state": state, "iss": provider.issuer})

    assert answer.status_code == 401


def test_what_leaves_for_the_provider(place: Place, provider: oidc.Provider) -> None:
    """S256, fresh state and nonce each time, and nothing secret."""
    set_for(place, provider.issuer)
    with serving(place.desk, place.settings) as client:
        asked = [parse_qs(urlsplit(client.get("/signin/oidc").headers["location"]).query) for _ in range(2)]

    for one in asked:
        assert one["code_challenge_method"] == ["S256"] and one["response_type"] == ["code"]
        assert one["redirect_uri"] == [CALLBACK] and oidc.SECRET not in str(one)
    for name in ("state", "nonce", "code_challenge"):
        assert asked[0][name] != asked[1][name]


def test_a_foreign_next_ends_on_the_first_page(place: Place, provider: oidc.Provider) -> None:
    set_for(place, provider.issuer)
    with serving(place.desk, place.settings) as client:
        assert go(client, provider, "aisha", next="https://evil.example").headers["location"] == "/"


# ---- what no honest provider would send --------------------------------------------------------------------------
@pytest.fixture
def issuer() -> Iterator[double.Issuer]:
    with double.running() as running:
        yield running


def come_back(client: TestClient, issuer: double.Issuer, **answer: str) -> Any:
    """Leaves, and comes back with a code and whatever else is said."""
    asked = parse_qs(urlsplit(client.get("/signin/oidc").headers["location"]).query)
    issuer.nonce = asked["nonce"][0]
    return client.get("/signin/callback", params={"code": "c", "state": asked["state"][0]} | answer)


def test_the_double_lets_in_when_all_is_right(place: Place, issuer: double.Issuer) -> None:
    """So that each refusal below is for its own reason."""
    set_for(place, issuer.url)
    with serving(place.desk, place.settings) as client:
        assert come_back(client, issuer).status_code == 303
        issuer.alg, issuer.key, issuer.kid = "ES256", "curve", "two"
        assert come_back(client, issuer).status_code == 303
    assert len(issuer.seen[0]["code_verifier"][0]) >= 43


def _set(**values: Any) -> Callable[[double.Issuer], None]:
    def change(issuer: double.Issuer) -> None:
        for name, value in values.items():
            setattr(issuer, name, value)

    return change


@pytest.mark.parametrize(
    "change",
    [
        _set(claims={"iss": "https://evil.example"}),
        _set(claims={"iss": None}),
        _set(claims={"aud": "another-program"}),
        _set(claims={"aud": None}),
        _set(claims={"aud": [double.CLIENT, "another"]}),  # and no azp
        _set(claims={"aud": [double.CLIENT, "another"], "azp": "another"}),
        _set(claims={"exp": 1_000_000_000}),
        _set(claims={"exp": None}),
        _set(claims={"iat": 9_999_999_999}),
        _set(claims={"nbf": 9_999_999_999}),
        _set(claims={"nonce": "of another sign-in"}),
        _set(claims={"nonce": None}),
        _set(claims={"sub": None}),
        _set(alg="none"),
        _set(alg="HS256", key="public text"),
        _set(alg="HS256", key="client secret"),
        _set(key="other"),
        _set(kid="three"),
    ],
    ids=lambda change: str(change.__closure__[0].cell_contents)[:60],
)
def test_an_id_token_that_does_not_hold(
    place: Place, issuer: double.Issuer, change: Callable[[double.Issuer], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Another issuer, audience, time or nonce, another key or algorithm: nobody comes in, and no log repeats the token."""
    set_for(place, issuer.url)
    change(issuer)
    with caplog.at_level(logging.DEBUG, "deputy"), serving(place.desk, place.settings) as client:
        answer = come_back(client, issuer)

        assert answer.status_code == 401 and COOKIE not in client.cookies
    assert "eyJ" not in caplog.text and "eyJ" not in answer.text


@pytest.mark.parametrize(
    ("claims", "more", "status"),
    [
        ({"email_verified": None}, {}, 403),
        ({"email_verified": False}, {}, 403),
        ({"email_verified": "false"}, {}, 403),
        ({"email_verified": 1}, {}, 303),  # as JSON, 1 and true are told apart; as an answer both mean yes
        ({"email_verified": "true"}, {}, 303),
        ({"email_verified": None}, {"oidc_trust_email": True}, 303),
        ({"email": None}, {"oidc_trust_email": True}, 403),
        ({"email": [AISHA]}, {}, 403),
        ({"email": "x" * 400 + "@d.example"}, {}, 403),
    ],
)
def test_whose_address_counts(
    place: Place, issuer: double.Issuer, claims: Mapping[str, Any], more: Mapping[str, Any], status: int
) -> None:
    """A verified one; an unverified one only where the settings say that this issuer gives them out itself."""
    set_for(place, issuer.url, **more)
    issuer.claims = dict(claims)
    with serving(place.desk, place.settings) as client:
        assert come_back(client, issuer).status_code == status


def test_who_left_every_group_has_lost_their_roles(place: Place, issuer: double.Issuer) -> None:
    """At the next sign-in; a token without the claim counts as none."""
    set_for(place, issuer.url, **GROUPS)
    with serving(place.desk, place.settings) as client:
        for groups, roles in ((["deputy-admins"], ["admin"]), ("deputy-operators", ["approver", "operator"])):
            issuer.claims = {"groups": groups}
            come_back(client, issuer)
            assert client.get("/api/v1/me").json()["roles"] == roles
        for none in ([], None, {"deputy-admins": True}, [["deputy-admins"]]):
            issuer.claims = {"groups": none}
            come_back(client, issuer)
            assert client.get("/api/v1/me").json()["roles"] == ["member"]


@pytest.mark.parametrize(
    ("metadata", "answer", "status"),
    [
        ({}, {"iss": "https://evil.example"}, 401),  # mix-up, RFC 9207
        ({"authorization_response_iss_parameter_supported": True}, {}, 401),
        ({}, {"error": "access_denied"}, 401),
        ({}, {"error": "<script>alert(1)</script>"}, 401),
        ({}, {"code": ""}, 401),
        ({}, {"state": "of nobody"}, 401),
        ({}, {"state": ""}, 401),
        ({"token_endpoint": "http://203.0.113.1/token"}, {}, 502),  # the secret goes over https, or stays
        ({"jwks_uri": "file:///etc/passwd"}, {}, 502),
    ],
)
def test_answers_that_lead_nowhere(
    place: Place, issuer: double.Issuer, metadata: Mapping[str, Any], answer: Mapping[str, str], status: int
) -> None:
    """Another provider's answer, an error, a state of nobody, an address in the clear."""
    set_for(place, issuer.url)
    issuer.metadata = dict(metadata)
    with serving(place.desk, place.settings) as client:
        told = come_back(client, issuer, **answer)

        assert told.status_code == status and COOKIE not in client.cookies
        assert "<script>alert" not in told.text


@pytest.mark.parametrize("metadata", [{"issuer": "https://evil.example"}, {"authorization_endpoint": "javascript:1"}])
def test_a_provider_that_is_another(place: Place, issuer: double.Issuer, metadata: Mapping[str, Any]) -> None:
    """Metadata of another issuer, or without a usable address: the door says so, and stays shut."""
    set_for(place, issuer.url)
    issuer.metadata = dict(metadata)
    with serving(place.desk, place.settings) as client:
        assert client.get("/signin/oidc").status_code == 502


def test_a_provider_that_is_away(place: Place) -> None:
    """Nobody listens there: said in words, after seconds at most; links go on letting in."""
    set_for(place, "http://127.0.0.1:9")
    with serving(place.desk, place.settings) as client:
        answer = client.get("/signin/oidc", headers=HTML)
        assert answer.status_code == 502 and "does not answer" in answer.text
        assert client.get(f"/signin?token={place.desk.access.new_link(place.me)}").status_code == 303


def test_a_provider_that_hangs_holds_up_nobody_else(place: Place) -> None:
    """It takes connections and says nothing; many outsiders knock at the door, and whoever is in works on."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        set_for(place, f"http://127.0.0.1:{silent.getsockname()[1]}")
        with serving(place.desk, place.settings) as client, ThreadPoolExecutor(12) as outsiders:
            sign_in(client, place.desk, place.me.principal_id)
            knocking = [outsiders.submit(client.get, "/signin/oidc") for _ in range(12)]
            asked, _ = silent.accept()

            assert client.get("/api/v1/me").status_code == 200
            assert not any(one.done() for one in knocking)
            silent.close()
            asked.close()
            assert {one.result(60).status_code for one in knocking} == {502}


def test_keys_turn_over(place: Place, issuer: double.Issuer) -> None:
    """A token by a key that was published since is verified by asking again, but not at every made-up key."""
    set_for(place, issuer.url)
    issuer.published = [issuer.own]
    with serving(place.desk, place.settings) as client:
        assert come_back(client, issuer).status_code == 303
        issuer.published = [issuer.own, issuer.curve]
        issuer.alg, issuer.key, issuer.kid = "ES256", "curve", "two"
        assert come_back(client, issuer).status_code == 401  # asked a moment ago; the next one, half a minute later, is
