"""Installed is not enabled."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from connectors import registry
from connectors.registry import UnknownConnector

ROOT = Path(__file__).parents[2]


def test_listing_loads_nothing() -> None:
    """Names of installed connectors are known without importing one."""
    code = "from connectors import registry; import sys; print('office' in registry.installed(), 'connectors.office' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["True", "False"]


def test_a_connector_is_built_from_its_settings(tmp_path: Path) -> None:
    """Enabling the office gives a connector of that name."""
    assert registry.load("office", {"path": tmp_path / "office.db"}).name == "office"


def test_an_unknown_name_lists_what_there_is() -> None:
    """The fix names the connectors that are installed."""
    with pytest.raises(UnknownConnector) as caught:
        registry.load("nowhere", {})

    assert "office" in caught.value.fix
