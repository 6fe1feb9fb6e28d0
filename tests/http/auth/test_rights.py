"""Every endpoint × every role × every key × nobody: one table, so that a new endpoint is a line here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from orchestrator.domain.rights import SCOPES
from orchestrator.surfaces.http_api.endpoint import PREFIX, Endpoint
from orchestrator.surfaces.http_api.server import ENDPOINTS
from tests.e2e.conftest import build_world
from tests.e2e.place import Place
from tests.http.auth.callers import HERE, HTML, bearer, key_of, serving, sign_in

ROLES: Mapping[str, frozenset[str]] = {  # what each role may do, written out once more on purpose
    "viewer": frozenset({"read"}),
    "member": frozenset({"read", "submit", "decide"}),
    "approver": frozenset({"read", "submit", "decide"}),
    "operator": frozenset({"read", "submit", "decide", "operate"}),
    "auditor": frozenset({"read", "audit"}),
    "admin": frozenset({"read", "submit", "decide", "operate", "audit", "admin"}),
}
ASKS = {  # what each endpoint asks for; one that is not named only reads, or is about one's own keys and sign-ins
    "submit": """submit_items change_item nudge_item answer_item cancel_item pause_item resume_item bump_item preview_item undo_run
        fork_run replay_run run_workflow set_preferences add_trigger pause_trigger resume_trigger remove_trigger add_schedule
        change_schedule remove_schedule pause_schedule resume_schedule run_schedule add_memory edit_memory forget_memory""",
    "decide": "decide_approval decide_approvals",
    "operate": "save_run make_workflow save_workflow remove_workflow halt lift_halt list_settings",
    "audit": "audit_head verify_audit export_audit list_roles",
    "admin": "give_roles",
}
SCOPE_OF = {name: scope for scope, names in ASKS.items() for name in names.split()}
CHANGES_NOTHING = frozenset({"check_workflow", "preview_schedule", "explain_policy"})
OF_ONES_OWN = frozenset({"create_key", "revoke_key", "end_sessions", "end_session"})
OPEN = ("/livez", "/readyz", "/signin", "/static", "/api/openapi.json")


def people_of(place: Place) -> dict[str, str]:
    """Role → a person who has it alone."""
    inside = [
        one["address"] for one in place.desk.people() if one["inside"] and one["address"] != place.me.principal_id
    ]
    held = dict(zip(ROLES, inside, strict=False))
    for role, person in held.items():
        place.desk.roles.give(place.me, person, [] if role == "member" else [role])
    return held


@pytest.fixture(scope="module")
def callers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, TestClient]]:
    """A browser for each role, a program for each scope, and nobody."""
    folder = tmp_path_factory.mktemp("rights")
    place = Place(
        folder / "home", build_world(folder / "world"), rate_per_minute=1_000_000, sign_in_rate_per_minute=1000
    )
    with ExitStack() as open_now:
        made: dict[str, TestClient] = {}
        for role, person in people_of(place).items():
            made[role] = open_now.enter_context(serving(place.desk, place.settings))
            sign_in(made[role], place.desk, person)
        for scope in SCOPES:
            made[f"key {scope}"] = open_now.enter_context(serving(place.desk, place.settings))
            made[f"key {scope}"].headers.update(bearer(key_of(place, [scope])))
        made["nobody"] = open_now.enter_context(serving(place.desk, place.settings))
        yield made
    place.close()


def ask(client: TestClient, endpoint: Endpoint) -> Any:
    """One call that gets past the rights and no further: no endpoint has this parameter."""
    path = endpoint.path.replace("{", "").replace("}", "")
    return client.request(endpoint.method, f"{PREFIX}{path}?of_no_endpoint=1")


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda one: one.name)
def test_who_may_call_what(callers: Mapping[str, TestClient], endpoint: Endpoint) -> None:
    """401 for nobody; 403 for who has not the scope; and who has it is judged by what they sent."""
    told = {name: ask(client, endpoint) for name, client in callers.items()}

    asked = SCOPE_OF.get(endpoint.name, "read")
    expected = {role: 422 if asked in scopes else 403 for role, scopes in ROLES.items()}
    expected |= {f"key {scope}": 422 if asked == scope else 403 for scope in SCOPES}
    assert {name: answer.status_code for name, answer in told.items()} == expected | {"nobody": 401}
    assert {a.json()["error"] for a in told.values() if a.status_code == 403} <= {"not_eligible"}


def test_what_changes_something_asks_for_more_than_reading() -> None:
    """No endpoint that changes anything is open to whoever may read, but for keys and sign-ins of one's own."""
    loose = {one.name for one in ENDPOINTS if one.method not in ("GET", "HEAD") and one.scope == "read"}

    assert loose == CHANGES_NOTHING | OF_ONES_OWN


def test_every_route_but_the_doors_needs_somebody(callers: Mapping[str, TestClient]) -> None:
    """Pages show the door to whoever is not signed in; nothing else answers them."""
    app: Any = callers["nobody"].app
    paths = [route.path for route in app.routes if isinstance(route, Route) and not route.path.startswith(OPEN)]
    assert "/" in paths
    told = {}
    for path in paths:
        plain = path.replace("{", "").replace("}", "").replace(":path", "")
        route = next(one for one in app.routes if isinstance(one, Route) and one.path == path)
        method = next(iter(sorted((route.methods or {"GET"}) - {"HEAD"})))
        answer = callers["nobody"].request(method, HERE + plain, headers=HTML)
        told[path] = answer.status_code in (401, 403) or answer.headers.get("location", "").startswith("/signin")

    assert [path for path, refused in told.items() if not refused] == []


@pytest.mark.parametrize("path", ["/api/v1/items", "/api/v1/keys", "/"])
def test_no_other_site_may_read_or_write(callers: Mapping[str, TestClient], path: str) -> None:
    """CORS: no answer, and no preflight, lets another origin in."""
    foreign = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    preflight = callers["admin"].options(path, headers=foreign)
    answer = callers["admin"].get(path, headers=foreign)

    for one in (preflight, answer):
        assert not [name for name in one.headers if name.lower().startswith("access-control")]
    assert preflight.status_code in (404, 405)
