"""A home on each database, and the Slack workspace before it."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import _own_settings, any_place, world
from tests.e2e.place import Place
from tests.slack.conftest import door, open_door, slack

__all__ = ["_own_settings", "any_place", "door", "open_door", "slack", "world"]  # fixtures: pytest finds them here


@pytest.fixture
def place(any_place: Place) -> Place:
    return any_place
