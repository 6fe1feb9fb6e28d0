"""Leaves out tests of what a connector does not offer, so that skips name only what its backend lacks.

In the test module `OFFERS = ("mail", "directory")`, and in its conftest.py:

    from connectors.conformance.collecting import pytest_collection_modifyitems
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

import pytest

Test = TypeVar("Test", bound=Callable[..., None])


def needs(*families: str) -> Callable[[Test], Test]:
    """Says of a test which families it needs besides its class's and its tool's."""

    def say(test: Test) -> Test:
        vars(test)["needs"] = families
        return test

    return say


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselects the suite's tests of families that are not in their module's OFFERS; a module without it keeps all."""
    left_out = [item for item in items if not _is_offered(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        dropped = set(left_out)
        items[:] = [item for item in items if item not in dropped]


def _is_offered(item: pytest.Item) -> bool:
    offers: Collection[str] | None = getattr(getattr(item, "module", None), "OFFERS", None)
    if offers is None or not isinstance(item, pytest.Function):
        return True
    return _families(item) <= set(offers)


def _families(item: pytest.Function) -> set[str]:
    """Those that a test needs: its class's, its tool's or family's, and those that `needs` names."""
    found = {str(one) for one in (getattr(item.cls, "family", None),) if one}
    found |= set(getattr(item.function, "needs", ()))
    params = item.callspec.params if hasattr(item, "callspec") else {}
    if "tool" in params:
        found.add(str(params["tool"]).partition(".")[0])
    if "family" in params:
        found.add(str(params["family"]))
    return found
