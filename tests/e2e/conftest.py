"""A small office to start from, built once, and a place on each database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator import clock
from tests.e2e.place import Place, build_world


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No setting of whoever runs the tests reaches them, and the office's clock is let go of afterwards."""
    import os

    for name in [name for name in os.environ if name.startswith("DEPUTY_") and name != "DEPUTY_TEST_REQUIRE"]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    yield
    clock.follow(lambda: timedelta(0))


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve people over six weeks."""
    return build_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The office of the size it is shipped with: forty people over half a year."""
    return build_world(tmp_path_factory.mktemp("company"), people=40, weeks=26)


@pytest.fixture
def place(world: Path, tmp_path: Path) -> Iterator[Place]:
    """A home on SQLite."""
    made = Place(tmp_path / "home", world)
    yield made
    made.close()


@pytest.fixture
def any_place(world: Path, tmp_path: Path, database_url: str) -> Iterator[Place]:
    """A home on each of the two databases in turn."""
    made = Place(tmp_path / "home", world, database_url)
    yield made
    made.close()


@pytest.fixture
def make_place(tmp_path: Path) -> Iterator[Callable[[Path], Place]]:
    """Homes over a chosen world."""
    made: list[Place] = []

    def make(world: Path, **settings: object) -> Place:
        made.append(Place(tmp_path / f"home{len(made)}", world, **settings))  # type: ignore[arg-type]  # a setting is of any type
        return made[-1]

    yield make
    for one in made:
        one.close()
