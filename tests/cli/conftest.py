"""Homes for the command line's tests: one is made, each test gets a copy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.house import House


@pytest.fixture(scope="session")
def made_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home as `deputy init` leaves it."""
    home = tmp_path_factory.mktemp("made") / "home"
    ran = House(home).run("init", "--json")
    assert ran.code == 0, ran.err
    return home


@pytest.fixture
def house(made_home: Path, tmp_path: Path) -> Iterator[House]:
    """A fresh copy of that home."""
    home = tmp_path / "home"
    shutil.copytree(made_home, home)
    yield (lives := House(home))
    lives.rest()


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[House]:
    """A home that does not exist yet."""
    yield (lives := House(tmp_path / "home"))
    if lives.home.is_dir():
        lives.rest()
