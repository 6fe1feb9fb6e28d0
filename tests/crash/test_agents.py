"""Agents whose worker is killed: no recorded model call is made again, no mail is sent twice, the request ends as it would have."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash import agents
from tests.crash.forkserver import ForkServer
from tests.e2e.conftest import _own_settings, world  # noqa: F401  # fixtures

POINTS = (
    "committed:start:1",
    "agent:after-model:1",
    "commit:replied:1",
    "committed:replied:3",
    "agent:before-model:4",
    "committed:delegate:2",
    "gate:attempted:1",
    "gate:sent:2",
    "committed:_close:4",
    "commit:settle:6",
)
REMOTE = ("agent:after-model:2", "committed:delegate:1", "gate:sent:1")


@pytest.fixture(scope="module")
def killable() -> Iterator[ForkServer]:
    """Processes to kill that know the real engine, its agents and the office."""
    with ForkServer("tests.crash.agents") as server:
        yield server


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_a_boundary_costs_nothing_that_was_recorded(
    killable: ForkServer,
    tmp_path: Path,
    world: Path,  # noqa: F811
    point: str,
) -> None:
    """On SQLite, at the named instants of supervisor and tasks."""
    with agents.stage(killable, tmp_path, world) as one:
        assert agents.kill_at(one, point), f"{point} was not reached"


@pytest.mark.parametrize("point", REMOTE)
def test_the_same_on_postgresql(
    killable: ForkServer,
    tmp_path: Path,
    world: Path,  # noqa: F811
    postgres_url: str,
    point: str,
) -> None:
    """Another worker takes over what a killed one held."""
    with agents.stage(killable, tmp_path, world, postgres_url) as one:
        assert agents.kill_at(one, point), f"{point} was not reached"


@pytest.mark.parametrize("seed", range(2))
def test_a_kill_at_a_random_instant(killable: ForkServer, tmp_path: Path, world: Path, seed: int) -> None:  # noqa: F811
    """Wherever it strikes, the request ends as it would have."""
    with agents.stage(killable, tmp_path, world) as one:
        agents.kill_at_random(one, random.Random(seed))
