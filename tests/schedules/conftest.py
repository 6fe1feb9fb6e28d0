"""A home with an office in it, on either database, as the stories of `tests/e2e` have it."""

from __future__ import annotations

from tests.e2e.conftest import _own_settings, any_place, make_place, place, world

__all__ = ["_own_settings", "any_place", "make_place", "place", "world"]  # fixtures: pytest finds them here
