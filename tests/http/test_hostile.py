"""What strangers and their programs send and ask for: refused in words, and nothing of the house told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.place import Place
from tests.http.auth.callers import browser


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
        ("x", "body: 'x' is not of type 'object'"),  # fits neither form
    ],
)
def test_a_body_with_two_forms_is_told_its_own_fault(place: Place, body: Any, told: str) -> None:
    """Of one wish or a list of them: what is off in the one that was meant."""
    with browser(place, place.me.principal_id) as client:
        answer = client.post("/api/v1/items", json=body)

    assert (answer.status_code, answer.json()["message"]) == (422, told)
