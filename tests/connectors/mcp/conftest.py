"""A fresh hostile server for each test, ended with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.connectors.mcp.support import Hostile


@pytest.fixture
def hostile(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Hostile]:
    """Over standard input and output, unless a test says otherwise."""
    one = Hostile(tmp_path, getattr(request, "param", "stdio"))
    yield one
    one.close()
