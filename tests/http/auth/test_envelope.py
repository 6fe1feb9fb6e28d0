"""What is judged before anybody's words are: whose page sent it, to which name, through which proxy, how much and how often."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from starlette.requests import HTTPConnection

from orchestrator.access_settings import AccessSettings
from orchestrator.errors import UsageError
from orchestrator.settings import Settings
from orchestrator.surfaces.http_api.auth.identify import HEADERS, LARGEST_REQUEST
from orchestrator.surfaces.http_api.auth.rules import Rules, check_bind, host_name
from orchestrator.surfaces.http_api.auth.sessions import COOKIE
from tests.e2e.place import Place
from tests.http.auth.callers import AISHA, HERE, HTML, bearer, browser, key_of, serving, sign_in

ITEM = {"request": "what is on my calendar today"}
EVIL = "https://evil.example"


def request(headers: Mapping[str, str], peer: str = "127.0.0.1", scheme: str = "http") -> HTTPConnection:
    """As a server hands it over, `peer` being the other end of the connection."""
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return HTTPConnection(
        {"type": "http", "scheme": scheme, "path": "/", "query_string": b"", "headers": raw, "client": (peer, 1)}
    )


# ---- whose page --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 202),  # the page's token
        ({"X-CSRF-Token": ""}, 403),
        ({"X-CSRF-Token": "0" * 64}, 403),
        ({"X-CSRF-Token": b"\xe4"}, 403),
        ({"Origin": HERE, "Sec-Fetch-Site": "same-origin"}, 202),
        ({"Origin": EVIL}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:9999"}, 403),  # another server of the same machine
        ({"Origin": "http://localhost:8787"}, 403),  # another name of it
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 202),
    ],
)
def test_a_change_by_cookie_comes_from_a_page_of_the_desk(
    place: Place, headers: Mapping[str, Any], status: int
) -> None:
    """Origin, Sec-Fetch-Site and the token bound to the session: each alone stops a foreign page."""
    with browser(place, AISHA) as client:
        answer = client.post("/api/v1/items", json=ITEM, headers=dict(headers))

    assert answer.status_code == status
    assert status == 202 or answer.json()["error"] == "csrf"


def test_one_sessions_token_is_no_others(place: Place) -> None:
    """Double submit alone would take any pair; this token is the session's own."""
    with browser(place, AISHA) as hers, browser(place, place.me.principal_id) as mine:
        headers = {"X-CSRF-Token": hers.headers["X-CSRF-Token"]}

        assert mine.post("/api/v1/items", json=ITEM, headers=headers).status_code == 403


def test_every_changing_method_is_guarded(place: Place) -> None:
    """Also signing out, and methods that no route knows."""
    with browser(place, AISHA) as client:
        del client.headers["X-CSRF-Token"]
        told = [client.request(method, "/signout").status_code for method in ("POST", "PUT", "PATCH", "DELETE")]

        assert told == [403] * 4
        assert client.get("/signout").status_code == 405
        assert client.get("/api/v1/me").status_code == 200


def test_a_key_needs_no_page(place: Place) -> None:
    """Whoever sends a key sends it on purpose; a cookie beside it has no say."""
    key = key_of(place, ["read", "submit"], AISHA)
    with browser(place, place.me.principal_id) as client:
        del client.headers["X-CSRF-Token"]
        answer = client.post("/api/v1/items", json=ITEM, headers=bearer(key))

    assert answer.status_code == 202 and answer.json()["requester"] == AISHA


def test_a_bad_key_is_not_helped_by_a_cookie(place: Place) -> None:
    """Who says that they are a program is one."""
    with browser(place, AISHA) as client:
        assert client.get("/api/v1/me", headers=bearer("dpt_000000000000_x")).status_code == 401


@pytest.mark.parametrize("path", ["/mcp", "/slack/events"])
def test_doors_of_their_own_hear_no_cookie(place: Place, path: str) -> None:
    """Where callers are known otherwise, a browser's session is nobody, and a foreign token is not refused on our behalf."""
    with browser(place, AISHA) as client:
        told = [
            client.post(path, headers=headers) for headers in ({}, bearer("of somebody else"), {"X-CSRF-Token": ""})
        ]

        assert all("csrf" not in one.text and "API key is not ours" not in one.text for one in told)
        assert client.post(path, headers={"Host": "evil.example"}).status_code == 421


# ---- to which name -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8787", 200),
        ("localhost:8787", 200),
        ("LOCALHOST", 200),
        ("[::1]:8787", 200),
        ("localhost.", 200),
        ("evil.example:8787", 421),
        ("127.0.0.1.evil.example", 421),
        ("127.0.0.1@evil.example", 421),
        ("evil.example@127.0.0.1", 200),
        ("", 421),
        ("[::1", 421),
    ],
)
def test_a_name_that_was_made_to_point_here_is_not_ours(place: Place, host: str, status: int) -> None:
    """DNS rebinding: on loopback only this machine's own names are answered, sign-in page included."""
    with browser(place) as client:
        assert client.get("/signin", headers={"Host": host}).status_code == status
        assert client.get("/livez", headers={"Host": host}).status_code == 200


def test_further_names_are_set(place: Place) -> None:
    """public_url's and allowed_hosts' names are answered, others not; bound to the network without any, every name is."""
    place.set(public_url="https://deputy.example", allowed_hosts="desk.internal, other.internal")
    for host, status in (("deputy.example", 200), ("desk.internal:80", 200), ("evil.example", 421)):
        with serving(place.desk, place.settings, host="0.0.0.0") as client:
            assert client.get("/signin", headers={"Host": host}).status_code == status
    place.set(public_url="", allowed_hosts="")
    with serving(place.desk, place.settings, host="0.0.0.0") as client:
        assert client.get("/signin", headers={"Host": "any.example"}).status_code == 200


def test_two_hosts_are_none() -> None:
    """A request that names two hosts names none."""
    raw = [(b"host", b"localhost"), (b"host", b"evil.example")]

    assert host_name(HTTPConnection({"type": "http", "headers": raw})) == ""


@pytest.mark.parametrize(
    ("host", "settings", "has_keys", "refused"),
    [
        ("127.0.0.1", {}, False, False),
        ("127.8.8.8", {}, False, False),
        ("::1", {}, False, False),
        ("localhost", {}, False, False),
        ("0.0.0.0", {}, False, True),
        ("::", {}, False, True),
        ("192.168.1.4", {}, False, True),
        ("desk.internal", {}, False, True),
        ("0.0.0.0", {}, True, False),
        ("0.0.0.0", {"oidc_issuer": "https://a.example"}, False, True),  # without a client id nobody signs in
        ("0.0.0.0", {"oidc_issuer": "https://a.example", "oidc_client_id": "d"}, False, True),  # nor without an address
        (
            "0.0.0.0",
            {"oidc_issuer": "https://a.example", "oidc_client_id": "d", "public_url": "https://d.example"},
            False,
            False,
        ),
        ("0.0.0.0", {"proxy_user_header": "X-Email"}, False, True),
        ("0.0.0.0", {"trusted_proxies": "10.0.0.0/8"}, False, True),
        ("0.0.0.0", {"trusted_proxies": "10.0.0.0/8", "proxy_user_header": "X-Email"}, False, False),
    ],
)
def test_where_the_desk_may_listen(
    place: Place, host: str, settings: Mapping[str, Any], has_keys: bool, refused: bool
) -> None:
    """Beyond this machine only where somebody could sign in."""
    loaded = place.load(**settings)
    if not refused:
        return check_bind(loaded, host, has_keys=has_keys)
    with pytest.raises(UsageError) as refusal:
        check_bind(loaded, host, has_keys=has_keys)
    if "deputy config key create" in refusal.value.fix:
        assert "--scope read,submit,decide" in refusal.value.fix  # a whole command


def test_serve_refuses_the_network(place: Place) -> None:
    """The command itself, with nothing set up."""
    assert place.deputy("serve", "--host", "0.0.0.0", "--port", "0", "--no-worker")[0] == 2


# ---- through which proxy -----------------------------------------------------------------------------------------
PROXY = {"trusted_proxies": "10.1.0.0/16, fd00::/8", "proxy_user_header": "X-Forwarded-Email"}


@pytest.mark.parametrize(
    ("peer", "status"),
    [
        ("10.1.2.3", 200),
        ("10.2.2.3", 401),
        ("127.0.0.1", 401),
        ("::ffff:10.1.2.3", 200),
        ("fd00::5", 200),
        ("::1", 401),
    ],
)
def test_a_proxys_word_counts_from_its_own_address_only(place: Place, peer: str, status: int) -> None:
    """Whatever other headers say about where it comes from."""
    place.set(**PROXY)
    said = {"X-Forwarded-Email": AISHA.upper(), "X-Forwarded-For": "10.1.2.3", "Forwarded": "for=10.1.2.3"}
    with serving(place.desk, place.settings, peer=peer) as client:
        answer = client.get("/api/v1/me", headers=said)

    assert answer.status_code == status
    assert status != 200 or (answer.json()["person"], answer.json()["via"]) == (AISHA, "proxy")


def test_without_the_setting_no_header_is_believed(place: Place) -> None:
    """Neither the usual names, nor from anywhere."""
    said = dict.fromkeys(("X-Forwarded-Email", "X-Forwarded-User", "X-Remote-User", "Remote-User"), AISHA)
    for settings in ({}, {"trusted_proxies": "10.1.0.0/16"}, {"proxy_user_header": "Remote-User"}):
        with serving(place.desk, place.load(**settings), peer="10.1.2.3") as client:
            assert client.get("/api/v1/me", headers=said).status_code == 401


def test_whom_the_proxy_knows_and_the_desk_does_not(place: Place) -> None:
    """403, and not the session that the browser still has."""
    place.set(**PROXY)
    with serving(place.desk, place.settings, peer="10.1.2.3") as client:
        sign_in(client, place.desk, AISHA)
        told = client.get("/api/v1/me", headers={"X-Forwarded-Email": "nobody@elsewhere.example"})
        twice = client.get(
            "/api/v1/me", headers=[("X-Forwarded-Email", place.me.principal_id), ("X-Forwarded-Email", AISHA)]
        )

    assert told.status_code == 403
    assert twice.json()["via"] == "session"  # two names are none


def test_a_change_through_the_proxy_needs_the_page_too(place: Place) -> None:
    """The proxy signs every request, a foreign page's as well: the token goes with a cookie of the desk's own."""
    from orchestrator.surfaces.http_api.auth.identify import CSRF_COOKIE
    from orchestrator.surfaces.http_api.auth.sessions import csrf_of

    place.set(**PROXY)
    said = {"X-Forwarded-Email": AISHA}
    with serving(place.desk, place.settings, peer="10.1.2.3") as client:
        assert client.post("/api/v1/items", json=ITEM, headers=said).status_code == 403
        client.get("/api/v1/me", headers=said)
        cookie = client.cookies[CSRF_COOKIE]
        token = csrf_of(cookie, AISHA)
        for wrong in ("", csrf_of("", AISHA), csrf_of(cookie, place.me.principal_id)):
            assert client.post("/api/v1/items", json=ITEM, headers=said | {"X-CSRF-Token": wrong}).status_code == 403
        assert client.post("/api/v1/items", json=ITEM, headers=said | {"X-CSRF-Token": token}).status_code == 202
        foreign = said | {"X-CSRF-Token": token, "Origin": EVIL}
        assert client.post("/api/v1/items", json=ITEM, headers=foreign).status_code == 403


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("10.1.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.1.0.1", "203.0.113.9, 10.1.0.2", "203.0.113.9"),  # two proxies of ours
        ("10.1.0.1", "1.1.1.1, 203.0.113.9", "203.0.113.9"),  # what the caller put before it does not count
        ("10.1.0.1", "made up", "10.1.0.1"),
        ("10.1.0.1", "", "10.1.0.1"),
        ("198.51.100.7", "203.0.113.9", "198.51.100.7"),
    ],
)
def test_where_a_request_comes_from(peer: str, forwarded: str, address: str) -> None:
    """The last hop that is none of our proxies."""
    rules = Rules(proxies=AccessSettings(trusted_proxies="10.1.0.0/16").proxy_networks)

    assert rules.address(request({"X-Forwarded-For": forwarded}, peer)) == address


@pytest.mark.parametrize(
    "settings",
    [
        {"trusted_proxies": "0.0.0.0/0"},
        {"trusted_proxies": "::/0"},
        {"trusted_proxies": "proxy.internal"},
        {"trusted_proxies": "10.1.2.3/16"},  # bits beyond the prefix: a slip
        {"proxy_user_header": "Cookie"},
        {"proxy_user_header": "X Email"},
        {"public_url": "https://d.example/desk"},
        {"public_url": "d.example"},
        {"oidc_roles": {"admins": "king"}},
        {"session_days": 0},
    ],
)
def test_settings_that_are_refused(place: Place, settings: Mapping[str, Any]) -> None:
    """What would trust everybody, or nobody could mean."""
    with pytest.raises(UsageError):
        place.load(**settings)


def test_https_comes_from_the_proxy_or_the_setting() -> None:
    """X-Forwarded-Proto counts from a proxy of ours only."""
    rules = Rules(proxies=AccessSettings(trusted_proxies="10.1.0.0/16").proxy_networks)
    said = {"X-Forwarded-Proto": "https", "Host": "d.example"}

    assert rules.is_https(request(said, "10.1.0.1"))
    assert not rules.is_https(request(said, "10.2.0.1"))
    assert Rules(public_url="https://d.example").is_https(request({}, "10.2.0.1"))


# ---- headers and cookies -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["/signin", "/", "/api/v1/items", "/api/v1/nothing", "/livez", "/static/signin.css"])
def test_every_answer_carries_the_headers(place: Place, path: str) -> None:
    """Pages, documents, errors, redirects and files; no script or style stands in a page itself."""
    with browser(place, AISHA) as client:
        signed_in = client.get(path, headers=HTML)
        client.cookies.clear()
        for answer in (signed_in, client.get(path, headers=HTML)):
            for name, value in HEADERS.items():
                assert answer.headers[name] == value
            assert "strict-transport-security" not in answer.headers
    policy = HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy and "frame-ancestors 'none'" in policy and "default-src 'none'" in policy


def test_what_is_ones_own_is_kept_by_no_cache(place: Place) -> None:
    """Documents and the door are not stored; files of the desk are, and nothing public is said to be private."""
    with browser(place, AISHA) as client:
        assert client.get("/signin").headers["cache-control"] == "no-store"
        assert "no-" in client.get("/api/v1/me").headers["cache-control"]
        assert "no-store" not in client.get("/static/signin.css").headers.get("cache-control", "")


def test_the_cookie_over_https_belongs_to_this_host_alone(place: Place) -> None:
    """`__Host-`, Secure, HttpOnly, Lax; and browsers are told to stay with https. Over plain loopback: all but Secure."""
    place.set(public_url="https://deputy.example")
    with serving(place.desk, place.settings, base="https://deputy.example", host="0.0.0.0") as client:
        link = place.desk.access.new_link(place.me)
        answer = client.get(f"/signin?token={link}")
        cookie = answer.headers["set-cookie"]
        assert client.get("/api/v1/me").status_code == 200
    assert cookie.startswith(f"__Host-{COOKIE}=")
    for flag in ("Secure", "HttpOnly", "SameSite=lax", "Path=/"):
        assert flag in cookie
    assert "Domain" not in cookie
    assert answer.headers["strict-transport-security"].startswith("max-age=")


def test_plain_cookies_do_not_count_over_https(place: Place) -> None:
    """What a neighbouring host could have set is not looked at."""
    place.set(public_url="https://deputy.example")
    with serving(place.desk, place.settings, base="https://deputy.example", host="0.0.0.0") as client:
        link = place.desk.access.new_link(place.me)
        token = client.get(f"/signin?token={link}").cookies[f"__Host-{COOKIE}"]
        client.cookies.clear()
        assert client.get("/api/v1/me", headers={"Cookie": f"{COOKIE}={token}"}).status_code == 401


# ---- how much, how often -----------------------------------------------------------------------------------------
def test_a_body_beyond_the_limit_is_refused(place: Place) -> None:
    """Whether it says so before, or just goes on; on any route."""
    with browser(place, AISHA) as client:

        def endless() -> Any:
            for _ in range(LARGEST_REQUEST // 100_000 + 1):
                yield b"x" * 100_000

        assert client.post("/api/v1/items", content=b" " * (LARGEST_REQUEST + 1)).status_code == 413
        assert client.post("/api/v1/items", content=endless()).status_code == 413
        assert client.post("/api/v1/items", headers={"Content-Length": "-5"}, content=b"").status_code == 413


def test_who_asks_too_often_waits(place: Place) -> None:
    """429 with Retry-After for that caller; another one, and the probes, are served."""
    with browser(place, AISHA, rate_per_minute=5) as client:
        other = bearer(key_of(place, ["read"]))
        told = [client.get("/api/v1/me") for _ in range(7)]

        assert [one.status_code for one in told][:5] == [200] * 5
        assert told[-1].status_code == 429 and told[-1].json()["error"] == "rate_limited"
        assert 1 <= int(told[-1].headers["retry-after"]) <= 60
        assert client.get("/api/v1/me", headers=other).status_code == 200
        assert client.get("/livez").status_code == 200


@pytest.mark.parametrize("how", ["link", "key"])
def test_guessing_is_slow(place: Place, how: str) -> None:
    """After a few guesses from one address, links and keys are refused unread; who holds a key is still served."""
    with browser(place, sign_in_rate_per_minute=5) as client:
        key = bearer(key_of(place, ["read"]))
        told = []
        for n in range(8):
            guess = f"{n:032x}"
            if how == "link":
                told.append(client.get(f"/signin?token={guess}").status_code)
            else:
                told.append(client.get("/api/v1/me", headers=bearer(f"dpt_000000000000_{guess}")).status_code)

        assert told == [401] * 5 + [429] * 3
        assert client.get("/api/v1/me", headers=key).status_code == 200
        assert client.get("/api/v1/me", headers=bearer("dpt_000000000000_x")).status_code == 429


def test_one_senders_guesses_are_not_anothers(place: Place) -> None:
    """The limit is the address's; the lower half of an IPv6 address, which its holder draws at will, makes no new one."""
    settings = place.load(sign_in_rate_per_minute=2)
    from orchestrator.surfaces.http_api.auth.identify import _place

    assert _place("2001:db8:1:2:a::1") == _place("2001:db8:1:2:b::2") != _place("2001:db8:1:3::1")
    for peer in ("198.51.100.1", "198.51.100.2"):
        with serving(place.desk, settings, peer=peer) as client:
            assert [client.get("/signin?token=x").status_code for _ in range(3)] == [401, 401, 429]


def test_the_settings_of_secrets_are_masked() -> None:
    """The OIDC secret is a secret in every listing of settings."""
    shown = {one["name"]: one["value"] for one in Settings.load(oidc_client_secret="hush-hush").describe()}

    assert shown["oidc_client_secret"] == "********"
