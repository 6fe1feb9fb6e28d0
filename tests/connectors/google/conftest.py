"""One emulator for all of these tests; each makes mails of its own in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.connectors.google import world as worlds
from tests.connectors.google.world import World


@pytest.fixture(scope="session")
def running_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with worlds.running(tmp_path_factory.mktemp("google")) as one:
        yield one


@pytest.fixture
def world(running_world: World) -> Iterator[World]:
    yield running_world
    running_world.front.disarm()
