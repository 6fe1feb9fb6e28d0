"""The official conformance suite and inspector, pinned, against the product's server stack and the product itself."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.mcp.house import DEPUTY, WAYS, House, Way
from tests.services import npm

CONFORMANCE, CONFORMANCE_VERSION = "@modelcontextprotocol/conformance", "0.2.0-alpha.12"
INSPECTOR, INSPECTOR_VERSION = "@modelcontextprotocol/inspector", "2.12.0"
ENOUGH = {"2025-11-25": 84, "2026-07-28": 169}  # checks of scored scenarios that the suite has at least
TASKS = {
    "lifecycle",
    "capability-negotiation",
    "wire-fields",
    "request-state-removal",
    "mrtr-input",
    "request-headers",
    "dispatch-and-envelope",
    "required-task-error",
    "mrtr-composition",
}
RUNS_WITHIN_S = 240


def node(script: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [npm.node() or "node", str(script), *words], capture_output=True, text=True, timeout=RUNS_WITHIN_S, check=False
    )


@pytest.fixture(scope="module")
def fixture_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The suite's tools on our stack, in a process of their own."""
    port, log = npm.free_port(), tmp_path_factory.mktemp("fixture") / "log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.conformance.mcp_fixture", "--port", str(port)],
            stdout=out,
            stderr=out,
            cwd=Path(__file__).parents[2],
        )
        try:
            npm.wait_for(server, port, log)
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            server.terminate()
            server.wait(20)


@pytest.mark.parametrize("revision", ENOUGH)
def test_every_scored_scenario_passes(fixture_url: str, revision: str, tmp_path: Path) -> None:
    """100 % of what the revision requires; and of 2026-07-28 all nine scenarios of tasks, which it does not require."""
    suite = npm.installed(CONFORMANCE, CONFORMANCE_VERSION) / "dist" / "index.js"

    done = node(suite, "server", "--url", fixture_url, "--requirements", revision, "-o", str(tmp_path))

    assert done.returncode == 0, done.stdout[-3000:]
    total = re.search(r"Total: (\d+) passed, (\d+) failed", done.stdout)
    assert total is not None, done.stdout[-3000:]
    print(f"{revision}: {total[0]}")
    assert (int(total[1]) >= ENOUGH[revision], int(total[2])) == (True, 0)
    assert "✗" not in done.stdout
    passed = dict(re.findall(r"✓ tasks-([a-z-]+): (\d+) passed, 0 failed", done.stdout))
    if revision == "2026-07-28":
        assert {name for name, checks in passed.items() if int(checks) > 0} == TASKS


@pytest.fixture(scope="module")
def inspector() -> Path:
    return npm.installed(INSPECTOR, INSPECTOR_VERSION) / "clients" / "launcher" / "build" / "index.js"


def inspect(inspector: Path, house: House, way: Way, *words: str) -> tuple[Any, str]:
    """(JSON, remarks) of the inspector's command line against the product."""
    if way == "http":
        target = [house.url, "--transport", "http", "--header", f"Authorization: Bearer {house.program}"]
        done = node(inspector, "--cli", *target, *words)
    else:
        done = node(inspector, "--cli", *words, "--", *DEPUTY, "--home", str(house.home), "mcp")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads(done.stdout), done.stderr


@pytest.mark.parametrize("way", WAYS)
def test_the_inspector_finds_nothing_to_say(inspector: Path, house: House, way: Way) -> None:
    """`--strict`: no error and no warning in any schema; every tool has a title and says what it does to the world."""
    told, remarks = inspect(inspector, house, way, "--method", "tools/list", "--strict")

    assert "Issue:" not in remarks, remarks
    assert len(told["tools"]) == 9
    for tool in told["tools"]:
        assert tool["title"]
        assert tool["annotations"]["readOnlyHint"] or "destructiveHint" in tool["annotations"]
        assert tool["outputSchema"]["type"] == "object"


@pytest.mark.parametrize("way", WAYS)
def test_the_inspector_can_call(inspector: Path, house: House, way: Way) -> None:
    """A program that none of us wrote finds a workflow, and is told why it fits."""
    words = ["--method", "tools/call", "--tool-name", "workflow_find"]

    told, _ = inspect(inspector, house, way, *words, "--tool-arg", "words=what is on my calendar today")

    assert told["structuredContent"]["runs"]
    assert told["structuredContent"]["workflows"][0]["score"] > 0.5
