"""Toolboxes that are replaced, and tool servers that come late."""

from __future__ import annotations

import gc
import shutil
import sys
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import wait
from pathlib import Path
from typing import Any

from connectors.mcp.connector import open_connector
from connectors.spec import EffectClass, ToolSpec
from orchestrator.app import prepare, present_house
from orchestrator.gate.toolbox import Toolbox
from orchestrator.settings import Settings
from orchestrator.store.connections import Connection
from orchestrator.store.database import Store
from policies.manifest import parse
from tests.connectors.mcp.support import HOSTILE


class Lines:
    """A connector without tools that says when it was closed."""

    name = "lines"
    families: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.closed = threading.Event()

    def tools(self) -> Sequence[Any]:
        return ()

    def close(self) -> None:
        self.closed.set()


def test_a_replaced_toolbox_closes_its_lines_when_the_last_call_has_let_go_of_it() -> None:
    """Nothing is closed under a call that is under way, and nothing stays open once nobody holds the toolbox."""
    lines = Lines()
    box = Toolbox([lines])  # type: ignore[list-item]  # it is never called
    box.close_when_unused()
    under_way = box

    del box
    gc.collect()
    assert not lines.closed.is_set()
    del under_way
    gc.collect()

    assert lines.closed.wait(10.0)


def test_a_tool_server_that_comes_late_is_there_without_a_restart(tmp_path: Path) -> None:
    """A first listing that failed is asked again, while the toolbox goes on working with what it has."""
    script = tmp_path / "server.py"
    server = open_connector(
        name="late", command=[sys.executable, str(script), str(tmp_path)], timeout_s=20.0, again_s=0.0
    )
    known = Connection(connection_id="conn_late", connector="late", owner="alex", subject="late", families=("late",))
    box = Toolbox([], lambda _: server)
    try:
        box.enable([known])
        assert box.names() == frozenset() and server.problems
        shutil.copy(HOSTILE, script)

        box.enable([known])
        assert server.again.asked is not None
        wait([server.again.asked], timeout=20.0)
        box.enable([known])

        assert "late.get_note" in box.names() and box.at("late", "late.get_note") is not None
        assert not any("offers nothing" in problem for problem in server.problems)
    finally:
        server.close()


def test_a_tool_server_is_not_asked_again_before_its_time(tmp_path: Path) -> None:
    """A server that is down is not started at every step of every item."""
    server = open_connector(name="late", command=[sys.executable, str(tmp_path / "none.py")], again_s=3600.0)

    assert server.tools() == ()
    assert server.tools() == ()

    assert server.again.asked is None
    assert len(server.problems) == 1


def test_a_house_built_anew_holds_nothing_of_the_one_before(tmp_path: Path) -> None:
    """After a workflow file changed, the old toolbox is nobody's: only so can its lines be let go of."""
    settings = Settings.load(home=tmp_path, office=False, owner="me@firm.example", workflow_dir=tmp_path / "flows")
    settings.workflow_folder.mkdir(exist_ok=True)
    store = Store.open(settings.store_url)
    try:
        prepare(settings, store)
        present = present_house(settings, store)
        before = weakref.ref(present.house().toolbox)
        (tmp_path / "flows" / "note.txt").write_text("changed")

        now = present.house().toolbox
        gc.collect()

        assert before() is None
        now.close()
    finally:
        store.close()


def test_a_tool_that_the_guard_could_not_read_is_left_out_and_stops_nobody() -> None:
    """The others are there, and cases open: one wrong word is no stop of everything."""

    class Odd(Lines):
        name = "odd"
        families = frozenset({"odd"})

        def tools(self) -> Sequence[Any]:
            return [_tool("odd.good", "read"), _tool("odd.bad", "frob")]

    box = Toolbox([Odd()])  # type: ignore[list-item]  # it is never called

    assert box.names() == {"odd.good"}
    assert [parse(one).name for one in box.for_guard()] == ["odd.good"]
    assert "odd.bad is left out" in box.problems_of["odd"]


def _tool(name: str, effect: str) -> ToolSpec:
    told = {"name": name, "title": name, "description": name, "parameters": {"type": "object"}, "output": {}}
    return ToolSpec(**told, effect_class=EffectClass.READ, manifest={"effect": effect, "noun": "thing"})
