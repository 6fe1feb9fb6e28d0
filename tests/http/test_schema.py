"""What the OpenAPI document says is what the server does: made-up calls, good and bad ones, to every operation."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, strategies
from hypothesis.errors import Unsatisfiable
from schemathesis import CheckFunction, GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from orchestrator.surfaces.http_api.auth.rules import Rules
from orchestrator.surfaces.http_api.auth.sessions import Sessions
from orchestrator.surfaces.http_api.openapi import document
from orchestrator.surfaces.http_api.problems import MEANING, STATUS
from orchestrator.surfaces.http_api.server import ENDPOINTS, application
from tests.e2e.place import CALL, Place
from tests.http.served import in_thread

EXAMPLES = 5  # of each operation and kind of data
STREAMS = ("follow_events",)  # never end by themselves
CHECKS: list[CheckFunction] = [status_code_conformance, content_type_conformance, response_schema_conformance]
FEW = hypothesis.settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
UNAVAILABLE = 503


@dataclass(frozen=True, slots=True)
class Known:
    """Ids that are there, by the name of the path's part."""

    ids: dict[str, str]
    headers: dict[str, str]


def furnished(place: Place) -> Known:
    """One of everything, so that calls meet more than 404."""
    desk, me = place.desk, place.me
    item = place.ask(CALL)
    card = place.cards(item)[0]
    memory = desk.memories.add(me, "Dana likes mornings")
    desk.schedules.add(me, "morning", when="weekdays 07:30", request="what is on my calendar today")
    desk.triggers.add(me, "invoices", on="mail", request="file the mail {message_id}", where=["subject~invoice"])
    key = desk.access.create_key(me, scopes=["read", "submit", "decide", "operate", "audit", "admin"])
    return Known(
        {
            "item_id": item["item_id"],
            "run_id": item["run_id"],
            "effect": card["effect_id"],
            "approval_id": card["approval_id"],
            "memory_id": memory["memory_id"],
            "address": me.principal_id,
            "name": "schedule-call-from-mail",
            "revision": "0" * 32,
        },
        {"Authorization": f"Bearer {key['key']}"},
    )


@pytest.fixture(scope="module")
def desk_place(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Known]]:
    home = tmp_path_factory.mktemp("http")
    made = Place(home / "home", world)
    yield made, furnished(made)
    made.close()
    shutil.rmtree(home)


@pytest.fixture(scope="module")
def api(desk_place: tuple[Place, Known]) -> Iterator[tuple[Any, str, requests.Session]]:
    place, known = desk_place
    rules = Rules(hosts=None, per_minute=1_000_000, sign_ins_per_minute=1_000_000)
    web = application(place.desk, Sessions(place.desk, rules), place.settings)
    with in_thread(web) as address, requests.Session() as line:
        told = line.get(f"{address}/api/openapi.json", headers=known.headers, timeout=60).json()
        yield schemathesis.openapi.from_dict(told), address, line


@pytest.mark.parametrize("name", [one.name for one in ENDPOINTS if one.name not in STREAMS])
def test_every_operation_does_what_the_document_says(
    name: str, api: tuple[Any, str, requests.Session], desk_place: tuple[Place, Known]
) -> None:
    """No failure of the server's own, and no status, type or body that the document does not tell of."""
    _, known = desk_place
    schema, address, line = api
    operation = schema.find_operation_by_id(name)
    seen: set[int] = set()

    def check(case: schemathesis.Case, met: bool) -> None:
        for part in list(case.path_parameters or {}) if met else ():
            case.path_parameters[part] = known.ids.get(part, case.path_parameters[part])
        wire = case.as_transport_kwargs(base_url=address, headers=known.headers)
        response = line.request(**wire, timeout=60)
        seen.add(response.status_code)
        assert response.status_code < 500 or response.status_code in (STATUS["not_built"], UNAVAILABLE), response.text
        case.validate_response(response, checks=CHECKS, headers=known.headers)

    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        made = operation.as_strategy(generation_mode=mode)
        try:
            FEW(hypothesis.given(made, strategies.booleans())(lambda case, met: check(case, met)))()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE  # nothing about this operation can be wrong
    assert seen


def test_every_code_of_a_problem_is_told() -> None:
    """Each code that an endpoint names has a status and a meaning, and each named schema is there."""
    told = document(ENDPOINTS)

    for one in ENDPOINTS:
        for code in one.errors:
            assert code in STATUS and code in MEANING, f"{one.name}: {code}"
    wanted = {part.split('"')[0] for part in str(told).replace("'", '"').split("#/components/schemas/")[1:]}
    assert wanted <= set(told["components"]["schemas"])
    assert len({one.name for one in ENDPOINTS}) == len(ENDPOINTS)
