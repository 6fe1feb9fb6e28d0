"""A place as the whole journeys have it."""

from tests.e2e.conftest import _own_settings, company, place, world

__all__ = ["_own_settings", "company", "place", "world"]  # fixtures: pytest finds them here
