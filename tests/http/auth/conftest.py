"""A desk with the things that could be stolen, and browsers and programs that call it."""

from __future__ import annotations

from tests.e2e.conftest import _own_settings, place, world

__all__ = ["_own_settings", "place", "world"]  # fixtures: pytest finds them here
