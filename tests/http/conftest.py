"""Homes for the desk over HTTP, and the real server on them."""

from __future__ import annotations

from tests.e2e.conftest import _own_settings, company, place, world

__all__ = ["_own_settings", "company", "place", "world"]  # fixtures: pytest finds them here
