"""What doctor says of a home in which somebody would wonder."""

from __future__ import annotations

from orchestrator.surfaces.cli import checkup
from tests.e2e.conftest import _own_settings, company, place, world
from tests.e2e.place import Place

__all__ = ["_own_settings", "company", "place", "world"]  # fixtures: pytest finds them here


def test_every_bad_agent_file_is_named_and_a_halt_is_told(place: Place) -> None:
    place.settings.agents_folder.mkdir()
    for name in ("one", "two", "three"):
        (place.settings.agents_folder / f"{name}.md").write_text("---\nversion: 1\n---\n")
    halt = place.desk.halts.begin(place.me, connector="slack", reason="a drill")

    found = {one["check"]: one for one in checkup.checks(place.settings, probe=False, is_offline=True)}

    assert not found["agents"]["ok"]
    assert all(f"{name}.md" in found["agents"]["detail"] for name in ("one", "two", "three"))
    assert found["halts"]["ok"]
    assert "the connector slack: a drill" in found["halts"]["detail"] and halt["halt_id"] in found["halts"]["detail"]
