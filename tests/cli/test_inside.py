"""Who is a colleague: whom the directory lists, and domains that somebody named. Never an owner's own domain by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator import app
from orchestrator.settings import Settings


@pytest.mark.parametrize(
    ("named", "found"),
    [("", []), ("firm.example", ["firm.example"]), (" @Firm.example, , b.example", ["b.example", "firm.example"])],
)
def test_an_owners_domain_is_not_inside_by_itself(tmp_path: Path, named: str, found: list[str]) -> None:
    """Somebody at a public mail provider has no colleagues there."""
    settings = Settings.load(home=tmp_path, office=False, owner="me@mail.example", inside_domains=named)

    assert list(app.house(settings).inside_domains) == found


def test_the_offices_colleagues_stay_colleagues(tmp_path: Path) -> None:
    settings = Settings.load(home=tmp_path, inside_domains="firm.example")
    app.desk(settings).close()

    assert list(app.house(settings).inside_domains) == ["brightwater.example", "firm.example"]
