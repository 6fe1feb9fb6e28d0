"""The directory on the People API. The emulator lacks it: answers are given as Google's discovery document has them."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from connectors import families
from connectors.errors import Forbidden, NotFound
from tests.connectors.google.front import Answer
from tests.connectors.google.world import World

LIST = r"/people:listDirectoryPeople$"
SEARCH = r"/people:searchDirectoryPeople$"


def a_person(number: int, name: str, address: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceName": f"people/c{number}",
        "names": [{"displayName": name}],
        "emailAddresses": [{"value": address, "metadata": {"primary": True}}],
        **more,
    }


ADA = a_person(
    1,
    "Ada Example",
    "Ada@Example.com",
    nicknames=[{"value": "Adi"}],
    organizations=[{"title": "Account manager", "department": "Sales"}],
    relations=[{"type": "manager", "person": "Bob@example.com"}],
)
BOB = a_person(2, "bob Example", "bob@example.com")
ZOE = a_person(3, "Zoë Kunde", "zoe@customer.example")


def test_everybody_is_listed_by_name_over_all_pages(world: World) -> None:
    """In the family's shape, colleagues apart from outside contacts; nobody without an address, nobody twice."""
    nameless = {"resourceName": "people/c9", "names": [{"displayName": "Ghost"}]}
    world.front.arm("GET", LIST, Answer(status=200, body={"people": [ZOE, BOB, nameless], "nextPageToken": "p2"}))
    world.front.arm("GET", LIST, Answer(status=200, body={"people": [ADA, BOB]}))

    told = world.read("directory.list_people")

    assert [one["address"] for one in told["people"]] == ["ada@example.com", "bob@example.com", "zoe@customer.example"]
    assert [one["inside"] for one in told["people"]] == [True, True, False]
    assert told["people"][0] == {
        "person_id": "per_c1",
        "name": "Ada Example",
        "aliases": ["Adi"],
        "address": "ada@example.com",
        "zone": "UTC",
        "working_hours": {"days": ["mon", "tue", "wed", "thu", "fri"], "start": "09:00", "end": "17:00"},
        "role": "Account manager",
        "team": "Sales",
        "manager": "bob@example.com",
        "inside": True,
    }
    for spec in families.tool_specs("directory"):
        Draft202012Validator(spec.output).validate(told if spec.name.endswith("people") else told["people"][0])


@pytest.mark.parametrize(
    ("query", "found"), [("ADI", 1), ("sales account", 1), ("zoe KUNDE", 1), ("example", 3), ("nobody", 0)]
)
def test_a_query_looks_at_names_roles_and_teams(world: World, query: str, found: int) -> None:
    """In any case and without accents; every word must be there."""
    world.front.arm("GET", LIST, Answer(status=200, body={"people": [ADA, BOB, ZOE]}))

    assert len(world.read("directory.list_people", query=query)["people"]) == found


def test_pages_join_to_the_whole_list(world: World) -> None:
    """The cursor goes on where the page before ended."""
    for _ in range(2):
        world.front.arm("GET", LIST, Answer(status=200, body={"people": [ADA, BOB, ZOE]}))

    first = world.read("directory.list_people", limit=2)
    second = world.read("directory.list_people", limit=2, cursor=first["next"])

    assert [one["address"] for one in (*first["people"], *second["people"])] == [
        "ada@example.com",
        "bob@example.com",
        "zoe@customer.example",
    ]
    assert second["next"] is None


def test_a_person_is_found_by_address_and_by_id(world: World) -> None:
    """Both look-ups give the record of the list; settings say zone and hours."""
    settled = world.with_(settings={"zone": "Europe/Lisbon"})
    world.front.arm("GET", SEARCH, Answer(status=200, body={"people": [BOB, ADA]}))
    world.front.arm("GET", r"/people/c1$", Answer(status=200, body=ADA))

    by_address = settled.read("directory.get_person", address="ADA@example.com")
    by_id = settled.read("directory.get_person", person_id="per_c1")

    assert by_address == by_id
    assert by_address["zone"] == "Europe/Lisbon"


@pytest.mark.parametrize(
    "args",
    [{"address": "nobody@outside.example"}, {"person_id": "per_c7"}, {"person_id": "c1"}, {"person_id": "per_../me"}],
)
def test_strangers_are_not_found(world: World, args: dict[str, str]) -> None:
    """An address that Google's search merely resembles, an id of nobody, or none."""
    world.front.arm("GET", SEARCH, Answer(status=200, body={"people": [BOB]}))

    with pytest.raises(NotFound):
        world.read("directory.get_person", **args)


def test_a_directory_that_is_closed_says_so(world: World) -> None:
    """The administrator's switch is Forbidden, not an empty company."""
    world.front.arm("GET", LIST, Answer(status=403, body={"error": {"code": 403, "status": "PERMISSION_DENIED"}}))

    with pytest.raises(Forbidden):
        world.read("directory.list_people")
