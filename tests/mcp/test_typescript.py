"""A second, independent client library: the TypeScript SDK, over both ways in."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.e2e.place import CALL
from tests.mcp.house import DEPUTY, WAYS, House, Way
from tests.services import npm

SDK, SDK_VERSION = "@modelcontextprotocol/sdk", "1.32.2"


@pytest.mark.parametrize("way", WAYS)
def test_the_same_journey_in_another_language(house: House, way: Way) -> None:
    """List, start twice with one key, no way to approve, come back with the id, answer, nudge."""
    modules = npm.modules(f"mcp-sdk-{SDK_VERSION}", f"{SDK}@{SDK_VERSION}")
    told = {"modules": str(modules), "request": CALL, "name": f"typescript {way}"}
    if way == "http":
        told |= {"url": house.url, "key": house.program}
    root = str(Path(__file__).parents[2])
    started = {"command": [*DEPUTY, "--home", str(house.home), "mcp"], "env": {"PYTHONPATH": root}}

    done = subprocess.run(
        [npm.node() or "node", str(Path(__file__).with_name("client.mjs")), json.dumps({**told, **started})],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout)
    assert {"work_start", "work_status", "approvals_list"} <= set(seen["tools"])
    assert seen["begun"]["item_id"] == seen["again"]["item_id"]
    assert seen["refused"]
    assert seen["asked"]["waiting_on"] == ["answer"]
    assert seen["carded"]["waiting_on"] == ["approval"]
    assert seen["nudged"]["item_id"] == seen["begun"]["item_id"]
