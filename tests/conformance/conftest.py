"""Tests of what a provider does not offer are left out here, not skipped."""

from __future__ import annotations

from connectors.conformance.collecting import pytest_collection_modifyitems

__all__ = ["pytest_collection_modifyitems"]  # a hook: pytest finds it here
