"""The entries that docs/mcp.md offers to paste are JSON, and name this program and this path."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "mcp.md").read_text(encoding="utf-8")
ENTRIES: list[dict[str, Any]] = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_entry_starts_deputy_or_goes_to_its_door(entry: dict[str, Any]) -> None:
    """Under the key that the client reads: `mcpServers`, or `servers` in VS Code."""
    (server,) = (entry.get("mcpServers") or entry["servers"]).values()

    if "url" in server:
        assert server["url"].endswith("/mcp")
        assert server["headers"]["Authorization"].startswith("Bearer ")
    else:
        assert [server["command"], *server["args"]] == ["deputy", "mcp"]


def test_there_are_entries_for_both_ways_in() -> None:
    """Two of each at least."""
    kinds = ["url" in next(iter((entry.get("mcpServers") or entry["servers"]).values())) for entry in ENTRIES]

    assert sorted(kinds) == [False, False, True, True]
