"""A fresh hostile server for each test, ended with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.connectors.mcp.support import Hostile


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[Hostile]:
    one = Hostile(tmp_path)
    yield one
    for connector in one.opened:
        connector.close()
