"""What a client command imports: nothing that costs seconds, and for help next to nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("langgraph", "langchain", "aiohttp", "mcp", "googleapiclient", "google.auth", "slack_sdk", "opentelemetry")
LISTING = """
import json, sys
from orchestrator.surfaces.cli.main import run
code = run(json.loads(sys.argv[1]))
sys.stderr.write("\\nMODULES " + json.dumps(sorted(sys.modules)) + "\\n")
sys.exit(code)
"""


def modules_after(arguments: list[str], home: Path) -> set[str]:
    """What one command line has imported when it ends."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DEPUTY_")} | {"DEPUTY_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", LISTING, json.dumps(arguments)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )
    line = next(line for line in done.stderr.splitlines() if line.startswith("MODULES "))
    assert done.returncode == 0, done.stderr[:2000]
    return set(json.loads(line.removeprefix("MODULES ")))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["work", "ls"],
        ["inbox", "ls", "--json"],
        ["ask", "--detach", "What is on my calendar today?"],
        ["ask", "--detach", "--agent", "mail", "--budget", "calls=4", "What is on my calendar today?"],
        ["agent", "ls"],
        ["memory", "ls"],
    ],
    ids=" ".join,
)
def test_client_commands_import_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    """Neither LangGraph nor MCP nor Google's client is loaded to put a row into the store or to read one."""
    loaded = modules_after(arguments, tmp_path)

    assert [name for name in loaded if name.startswith(HEAVY)] == []


def test_help_loads_no_database_no_validation_and_no_drawing(tmp_path: Path) -> None:
    """Help is instant because it needs click alone, and it leaves nothing behind."""
    loaded = modules_after(["--help"], tmp_path)

    assert [
        name for name in loaded if name.split(".")[0] in ("sqlalchemy", "pydantic", "rich", "yaml", "numpy", "cedarpy")
    ] == []
    assert list(tmp_path.iterdir()) == []
