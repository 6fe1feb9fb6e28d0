"""Servers that none of us wrote do their work over each wire and revision, and the gate's tools can read them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.errors import ConnectorError
from connectors.mcp.connector import McpConnector, open_connector
from connectors.spec import EffectClass
from policies.manifest import parse
from tests.connectors.mcp import servers
from tests.connectors.mcp.support import call


@pytest.fixture
def opened() -> Iterator[list[McpConnector]]:
    found: list[McpConnector] = []
    yield found
    for one in found:
        one.close()


@pytest.mark.parametrize(
    ("wire", "protocol"), [("auto", "2026-07-28"), ("modern", "2026-07-28"), ("legacy", "2025-11-25")]
)
def test_the_time_server_on_both_revisions(opened: list[McpConnector], wire: str, protocol: str) -> None:
    """The newest revision where both know it, the older where it is asked for."""
    connector = open_connector(name="time", command=servers.time_server(), wire=wire)
    opened.append(connector)

    answer = call(connector, "convert_time", source_timezone="UTC", time="12:00", target_timezone="Asia/Tokyo")

    assert isinstance(answer, dict)
    assert "T21:00:00" in str(answer["target"])
    assert connector.describe().said["protocol"] == protocol


def test_the_git_server_reads_and_commits(opened: list[McpConnector], tmp_path: Path) -> None:
    """Its reads are reads by its own hint; a commit is an effect, and is in the repository afterwards."""
    command = servers.git_server(tmp_path)
    for words in (["init", "-q"], ["config", "user.email", "a@b.example"], ["config", "user.name", "A"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    (tmp_path / "a.txt").write_text("one")
    connector = open_connector(name="git", command=command)
    opened.append(connector)
    specs = {spec.name: spec for spec in connector.tools()}

    call(connector, "git_add", repo_path=str(tmp_path), files=["a.txt"])
    call(connector, "git_commit", repo_path=str(tmp_path), message="First words")
    log = call(connector, "git_log", repo_path=str(tmp_path), max_count=3)

    assert "First words" in str(log)
    assert specs["git.git_log"].effect_class is EffectClass.READ
    assert specs["git.git_commit"].effect_class is EffectClass.IRREVERSIBLE
    assert specs["git.git_reset"].manifest["destructive"] is True


def test_the_filesystem_server_keeps_to_its_folder(opened: list[McpConnector], tmp_path: Path) -> None:
    """What it writes is on the disk; what it refuses is its own error, and no doubt."""
    connector = open_connector(name="files", command=servers.filesystem_server(tmp_path))
    opened.append(connector)

    call(connector, "write_file", path=str(tmp_path / "a.txt"), content="hello")
    with pytest.raises(ConnectorError) as caught:
        call(connector, "write_file", path="/etc/a.txt", content="hello")

    assert (tmp_path / "a.txt").read_text() == "hello"
    assert caught.value.code == "provider_error"


def test_the_everything_server_over_stdio_and_http(opened: list[McpConnector], tmp_path: Path) -> None:
    """The same server, both ways: the same tools with the same digests, the same answer; pictures are named, not carried."""
    with servers.everything_over_http(tmp_path) as url:
        both = [
            open_connector(name="all", command=servers.everything_server()),
            open_connector(name="all", url=url),
        ]
        opened += both
        pins = [{tool.name: tool.digest for tool in one.describe().tools} for one in both]
        answers = [call(one, "get-sum", a=2, b=3) for one in both]
        picture = call(both[1], "get-tiny-image")

        for one in both:
            one.close()

    assert pins[0] == pins[1]
    assert answers == [{"text": "The sum of 2 and 3 is 5."}] * 2
    assert isinstance(picture, dict)
    assert isinstance(picture["other"], list)
    assert picture["other"][0]["kind"] == "image"


CALLS: dict[
    str, list[tuple[str, dict[str, str]]]
] = {  # of each server, calls whose answers say the same whenever they are asked
    "time": [("convert_time", {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"})],
    "files": [
        ("write_file", {"path": "FOLDER/a.txt", "content": "hello"}),
        ("read_text_file", {"path": "FOLDER/a.txt"}),
    ],
    "graph": [("read_graph", {})],
}


@pytest.mark.parametrize("name", CALLS)
def test_a_server_over_stdio_and_behind_a_proxy_over_http(
    opened: list[McpConnector], tmp_path: Path, name: str
) -> None:
    """The same tools with the same digests, and the same answers, over each wire."""
    command = {"time": servers.time_server, "graph": servers.memory_server}.get(
        name, lambda: servers.filesystem_server(tmp_path)
    )()
    env = {"MEMORY_FILE_PATH": str(tmp_path / "graph")}
    with servers.over_http(command, tmp_path, env=env) as url:
        both = [open_connector(name=name, command=command, env=env), open_connector(name=name, url=url)]
        opened += both
        pins = [{tool.name: tool.digest for tool in one.describe().tools} for one in both]
        calls = [
            (tool, {arg: value.replace("FOLDER", str(tmp_path)) for arg, value in args.items()})
            for tool, args in CALLS[name]
        ]
        answers = [[call(one, tool, **args) for tool, args in calls] for one in both]

        for one in both:
            one.close()

    assert pins[0]
    assert pins[0] == pins[1]
    assert answers[0] == answers[1]


def test_a_server_with_sessions_over_http(opened: list[McpConnector], tmp_path: Path) -> None:
    """Its tools are there, what it says on the way does no harm, and what it asks of a person is refused it."""
    with servers.example_over_http(tmp_path) as url:
        connector = open_connector(name="example", url=url)
        opened.append(connector)
        names = {spec.name for spec in connector.tools()}
        greeting = call(connector, "multi-greet", name="Dana")  # with notifications in between
        asked = call(connector, "collect-user-info", infoType="contact")
        again = call(connector, "greet", name="Dana")
        connector.close()

    assert "example.greet" in names
    assert greeting == {"text": "Good morning, Dana!"}
    assert again == {"text": "Hello, Dana!"}
    assert "Error" in str(asked), asked


def test_no_environment_of_ours_reaches_a_server(opened: list[McpConnector], monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for all it sees, a server that shows its environment shows no key."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    connector = open_connector(name="all", command=servers.everything_server(), env={"MINE": "yes"})
    opened.append(connector)

    seen = str(call(connector, "get-env"))

    assert "MINE" in seen
    assert "sk-secret" not in seen


def test_the_guard_can_read_every_tool(opened: list[McpConnector], tmp_path: Path) -> None:
    """Each manifest parses, and nothing that a server says has an author inside."""
    for name, command in (
        ("time", servers.time_server()),
        ("files", servers.filesystem_server(tmp_path)),
        ("graph", servers.memory_server()),
        ("all", servers.everything_server()),
    ):
        connector = open_connector(name=name, command=command, env={"MEMORY_FILE_PATH": str(tmp_path / "graph")})
        opened.append(connector)
        specs = connector.tools()
        for spec in specs:
            told = {"name": spec.name, "description": spec.description, "parameters": spec.parameters}
            tool = parse({**told, "manifest": spec.manifest})
            assert tool.output.author_known, spec.name
            assert (tool.effect == "fetch") == spec.is_read, spec.name
        assert specs
