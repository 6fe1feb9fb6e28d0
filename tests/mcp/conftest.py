"""One house for the tests of this folder that change nothing of it but its worklist."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import _own_settings, any_place, place, world
from tests.mcp.house import House, furnished, open_house

__all__ = ["_own_settings", "any_place", "place", "world"]  # fixtures: pytest finds them here


@pytest.fixture(scope="module")
def house(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Running."""
    folder = tmp_path_factory.mktemp("house")
    furnished(folder / "home", world)
    made = open_house(folder / "home", folder / "log")
    yield made
    assert made.desk.stop() == 0
