"""A hostile tool server among real work: through a worker and its gate, it costs nothing but its own failure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.mcp.connector import McpConnector
from connectors.office import OfficeConnector
from orchestrator.engine.advance import House
from orchestrator.gate.toolbox import Toolbox
from tests.connectors.mcp.support import Hostile
from tests.e2e.backends.source import connect
from tests.e2e.place import CALL, Place, quiet

# What a request asks of the server → what becomes of the request, of its effect, and how often that arrived.
ASKED: dict[str, tuple[str, str | None, int]] = {
    "get_note": ("done", None, 1),
    "huge": ("done", None, 1),  # and cut
    "never": ("waiting", "unknown", 1),  # a person is asked to look
    "crash": ("waiting", "unknown", 1),
    "flood": ("waiting", "unknown", 1),
    "broken": ("waiting", "unknown", 1),
    "fails": ("failed", "failed", 1),
    "twin": ("denied", "failed", 0),  # there are two of that name, and neither is offered
    "delete_all": ("denied", "failed", 0),  # says that it only reads; nobody asked for a deletion
}
BREAKING = ("never", "flood", "broken", "crash")
CHANGED = "add_note"  # takes other arguments than when a person looked at it
GRANTED = {"never", "crash", "flood", "broken", "fails", CHANGED}


@pytest.fixture(params=["stdio", "http"])
def hostile(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Hostile]:
    folder = tmp_path / "hostile"
    folder.mkdir()
    one = Hostile(folder, request.param)
    yield one
    one.close()


@pytest.mark.parametrize("is_changed", [False, True])
def test_other_work_completes_beside_a_hostile_server(place: Place, hostile: Hostile, is_changed: bool) -> None:
    """Every request to it ends or waits for a person by itself, nothing is sent to it twice, and a call is set up meanwhile."""
    wanted = {CHANGED: ("failed", "failed", 0)} if is_changed else ASKED
    server = hostile.open(timeout_s=4.0, max_message_bytes=10_000_000, max_result_bytes=1000)
    for tool in wanted:
        _workflow(place, server, tool)
    if is_changed:
        hostile.flag("changed-schema")
    connect(place, "evil", ["evil"], {})
    call = place.submit(CALL)
    items: dict[str, str] = {}
    # What is asked of one server at once may break off together; over HTTP nobody starts it again after a crash.
    for batch in ([one for one in wanted if one not in BREAKING], *([one] for one in BREAKING if one in wanted)):
        items |= {tool: _ask(place, tool) for tool in batch}
        _work(place, server, [call, *items.values()])

    assert place.item(call)["state"] == "done"
    assert len(place.sent()) == 2
    found = {tool: _told(place.item(item_id)) for tool, item_id in items.items()}
    assert found == {tool: (state, effect) for tool, (state, effect, _) in wanted.items()}
    arrived = hostile.lines("calls")
    assert {tool: arrived.count(tool) for tool in wanted} == {tool: count for tool, (_, _, count) in wanted.items()}
    assert place.desk.audit_verify(place.admin)["ok"]


def _workflow(place: Place, server: McpConnector, tool: str) -> None:
    """A person's own workflow that calls the tool, published with leave for it where it is among GRANTED."""
    name, does = _name(tool), {spec.name: spec.manifest for spec in server.tools()}
    told: dict[str, Any] = {
        "name": name,
        "version": "1.0.0",
        "title": "One call",
        "description": "Calls one tool.",
        "examples": [f"Ask the server: {tool}"],
        "near_misses": ["Ask nobody"],
        "steps": [{"id": "asked", "call": f"evil.{tool}", "args": {}}],
        "text": "It was asked.",
    }
    if tool in GRANTED:
        known = does[f"evil.{tool}"]
        told["grant"] = [{"effect": known["effect"], "noun": known["noun"], "tools": [f"evil.{tool}"], "quota": 1}]
    folder = place.settings.workflow_folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(told))


def _name(tool: str) -> str:
    return f"ask-{tool}".replace("_", "-")


def _ask(place: Place, tool: str) -> str:
    return place.submit(f"Ask the server: {tool}", options={"workflow": _name(tool)})


def _work(place: Place, server: McpConnector, item_ids: Sequence[str]) -> None:
    """Until nothing is left, every card approved; time is let pass where an answer might still come."""

    def beside(house: House) -> House:
        return replace(house, toolbox=Toolbox([OfficeConnector(place.office), server]))

    for _ in range(4):
        with quiet():
            place.work_with(beside)
        for item_id in item_ids:
            for card in place.cards({"item_id": item_id}):
                place.decide(card)
        place.later(timedelta(seconds=30))


def _told(item: dict[str, Any]) -> tuple[str, str | None]:
    states = [effect["state"] for effect in item["effects"]]
    return item["state"], states[0] if states else None
