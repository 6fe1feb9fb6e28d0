"""Servers that none of us wrote, behind the MCP connector, keep what the suite asks of any tool.

The four families' own parts do not apply: a stranger's server offers none of them. MCP can neither refuse a second call nor
look an attempt up, so that "done is found again" is Unknown here, and nothing is ever Absent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from connectors import conformance as suite
from connectors.conformance import Provider
from connectors.errors import InvalidCall
from connectors.mcp.connector import McpConnector, open_connector
from connectors.spec import Account
from tests.connectors.mcp import servers

EFFECTS = ["graph.create_entities", "files.write_file"]
READS = ["graph.read_graph", "files.list_directory", "time.get_current_time", "everything.get-structured-content"]
TOOLS = [*READS, *EFFECTS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def connectors(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, McpConnector]]:
    variables = {"MEMORY_FILE_PATH": str(tmp_path_factory.mktemp("graph") / "graph.jsonl")}
    with servers.everything_over_http(tmp_path_factory.mktemp("everything")) as url:
        found = {
            "graph": open_connector(name="graph", command=servers.memory_server(), env=variables),
            "files": open_connector(name="files", command=servers.filesystem_server(folder)),
            "time": open_connector(name="time", command=servers.time_server()),
            "everything": open_connector(name="everything", url=url),
        }
        yield found
        for one in found.values():
            one.close()


@pytest.fixture
def providers(connectors: dict[str, McpConnector], folder: Path) -> dict[str, Provider]:
    """By family, with an example of each tool and a way to count what it made."""
    account = Account(connection_id="mine", subject="alex@northwind.example")
    plain = {name: Provider(connector=one, account=account) for name, one in connectors.items()}
    memory = plain["graph"]
    return {
        "graph": replace(
            memory,
            examples={
                "graph.read_graph": lambda word: {},
                "graph.create_entities": lambda word: {
                    "entities": [{"name": word, "entityType": "thing", "observations": ["seen"]}]
                },
            },
            counts={"graph.create_entities": lambda w: len(memory.read("graph.search_nodes", query=w)["entities"])},
            cannot_tell=lambda tool: None,
        ),
        "files": replace(
            plain["files"],
            examples={
                "files.list_directory": lambda word: {"path": str(folder)},
                "files.write_file": lambda word: {"path": str(folder / word), "content": word},
            },
            counts={"files.write_file": lambda word: len(list(folder.glob(word)))},
            cannot_tell=lambda tool: None,
        ),
        "time": replace(plain["time"], examples={"time.get_current_time": lambda word: {"timezone": "Asia/Tokyo"}}),
        "everything": replace(
            plain["everything"], examples={"everything.get-structured-content": lambda word: {"location": "New York"}}
        ),
    }


@pytest.fixture(params=["graph", "files", "time", "everything"])
def provider(request: pytest.FixtureRequest, providers: dict[str, Provider]) -> Provider:
    """Each server in turn."""
    return providers[request.param]


def test_is_a_connector_with_a_name_and_a_family_of_its_own(provider: Provider) -> None:
    """The object implements the protocol, and its one family is called as it is."""
    suite.TestTools().test_is_a_connector_with_a_name_and_known_families(provider)
    assert {spec.family for spec in provider.connector.tools()} == {provider.connector.name}


def test_tools_are_stable_and_schemas_are_schemas(provider: Provider) -> None:
    """Two listings agree, and both schemas of each tool are valid and closed."""
    suite.TestTools().test_tools_are_stable_and_schemas_are_schemas(provider)
    assert provider.connector.tools()


def of(providers: dict[str, Provider], tool: str) -> Provider:
    return providers[tool.partition(".")[0]]


@pytest.mark.parametrize("tool", READS)
def test_a_read_answers_in_shape(providers: dict[str, Provider], tool: str) -> None:
    """Every read gives what its output schema says, and needs no key."""
    suite.TestReads().test_a_read_answers_in_shape(of(providers, tool), tool)


@pytest.mark.parametrize("tool", TOOLS)
def test_an_argument_nobody_knows_is_refused(providers: dict[str, Provider], tool: str) -> None:
    """Arguments outside the schema are InvalidCall, even where the server would have ignored them."""
    suite.TestReads().test_an_argument_nobody_knows_is_refused(of(providers, tool), tool)


def test_a_good_call_with_one_argument_too_many_is_refused(providers: dict[str, Provider]) -> None:
    """It is the surplus argument that is refused: without it the call goes through."""
    provider = of(providers, "time.get_current_time")

    provider.read("time.get_current_time", timezone="Asia/Tokyo")

    with pytest.raises(InvalidCall):
        provider.read("time.get_current_time", timezone="Asia/Tokyo", note="everything I know")


@pytest.mark.parametrize("tool", EFFECTS)
def test_an_effect_answers_in_shape_and_happens_once(providers: dict[str, Provider], tool: str) -> None:
    """One call makes one object, and its answer is what the output schema says."""
    suite.TestEffects().test_an_effect_answers_in_shape_and_happens_once(of(providers, tool), tool)


@pytest.mark.parametrize("tool", EFFECTS)
def test_what_the_class_promises_of_a_second_call_holds(providers: dict[str, Provider], tool: str) -> None:
    """An idempotent tool leaves one object; of others nothing is promised."""
    suite.TestEffects().test_what_the_class_promises_of_a_second_call_holds(of(providers, tool), tool)


@pytest.mark.parametrize("tool", EFFECTS)
def test_a_done_effect_is_found_again_or_unknown(providers: dict[str, Provider], tool: str) -> None:
    """Asked what became of it, the connector never says absent of what was done."""
    suite.TestEffects().test_a_done_effect_is_found_again(of(providers, tool), tool)


@pytest.mark.parametrize("tool", EFFECTS)
def test_a_provider_that_cannot_say_says_so(providers: dict[str, Provider], tool: str) -> None:
    """Without a lookup in the manifest the answer is unknown."""
    suite.TestEffects().test_a_provider_that_cannot_say_says_so(of(providers, tool), tool)


@pytest.mark.parametrize("tool", EFFECTS)
def test_preconditions_hold_when_they_are_read(providers: dict[str, Provider], tool: str) -> None:
    """There are none, and so none is broken."""
    suite.TestEffects().test_preconditions_hold_when_they_are_read(of(providers, tool), tool)
