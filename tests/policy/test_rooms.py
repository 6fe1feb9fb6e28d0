"""The room `policies` stands alone."""

from __future__ import annotations

import ast
from pathlib import Path

import policies

ROOM = Path(policies.__file__).parent


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, path
            found.add((node.module or "").partition(".")[0])
    return found


def test_it_imports_nothing_of_the_other_rooms() -> None:
    """The guard is usable without orchestrator and connectors."""
    for path in ROOM.rglob("*.py"):
        assert not imports(path) & {"orchestrator", "connectors"}, path


def test_the_pure_part_reads_no_clock_and_opens_nothing() -> None:
    """No module of the guard knows how to look at the time, the network or another process."""
    for path in ROOM.rglob("*.py"):
        assert not imports(path) & {"time", "os", "socket", "subprocess", "random", "asyncio", "threading"}, path
        assert ".now(" not in path.read_text("utf-8"), path
