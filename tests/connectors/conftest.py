"""What the tests of several providers share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.connectors.gated import Gated


@pytest.fixture
def gated(tmp_path: Path) -> Iterator[Gated]:
    """A whole gate, for calls on whatever account a test has."""
    opened = Gated(tmp_path / "gated")
    yield opened
    opened.close()
