"""Homes for the bot, and the workspace it talks to: emulate, which nobody here wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import _own_settings, any_place, make_place, place, world
from tests.e2e.place import Place
from tests.services import emulate
from tests.services.emulate import Emulate
from tests.slack import workspace
from tests.slack.running import Door

__all__ = ["_own_settings", "any_place", "make_place", "place", "world"]  # fixtures: pytest finds them here


@pytest.fixture
def slack(tmp_path: Path, place: Place) -> Iterator[Emulate]:
    """A workspace with the office's people in it."""
    with emulate.running("slack", workspace.seed(place), tmp_path) as service:
        yield service


@pytest.fixture
def open_door(place: Place, slack: Emulate) -> Iterator[Callable[..., Door]]:
    """The bot over HTTP, on a loopback port; several at once are several servers over one database."""
    with ExitStack() as stack:

        def opened(**more: Any) -> Door:
            return stack.enter_context(Door(place, slack.url, **more))

        yield opened


@pytest.fixture
def door(open_door: Callable[..., Door]) -> Door:
    return open_door()
