"""Homes with a small office, and models that a test plays."""

from tests.e2e.conftest import _own_settings, any_place, make_place, place, world  # noqa: F401  # fixtures
