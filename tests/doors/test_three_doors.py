"""One run through three doors: a schedule begins it, a person approves it in Slack, an assistant reads it over MCP; one id, one audit."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from orchestrator.errors import NotEligible, NotFound
from tests.e2e.place import CALL, DANA, Place
from tests.mcp.house import call
from tests.slack.running import Door, until
from tests.slack.scene import Scene
from tests.slack.workspace import STRANGER, buttons, words


@asynccontextmanager
async def assistant(place: Place) -> AsyncIterator[Client]:
    """A client of the real `deputy mcp`."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("DEPUTY_")}
    started = StdioServerParameters(
        command=sys.executable,
        args=["-m", "orchestrator.surfaces.cli.main", "mcp"],
        env={**environment, **place.settings.as_environment(), "PYTHONPATH": str(Path(__file__).parents[2])},
        cwd="/",
    )
    async with Client(stdio_client(started)) as client:
        yield client


def fired(place: Place) -> str:
    """The item that the schedule has made, waiting for its cards."""
    place.desk.schedules.add(place.me, "call", when="daily 10:00 UTC", request=CALL)
    place.later(timedelta(hours=1, minutes=1))
    place.work(linger_s=0.0)
    (item,) = place.desk.items(place.me, states=["waiting"])["items"]
    return str(item["item_id"])


def cards(scene: Scene) -> list[dict[str, Any]]:
    """Undecided ones in the owner's direct messages, threads included."""
    found = []
    for message in scene.workspace.messages(scene.direct):
        thread = scene.workspace.messages(scene.direct, message["ts"]) if message.get("reply_count") else [message]
        found += [one for one in thread if "approve" in buttons(one)]
    return found


def test_one_run_three_doors(place: Place, door: Door) -> None:
    scene = Scene(place, door)
    item_id = fired(place)

    waiting = until(lambda: found if len(found := cards(scene)) == 2 else None)
    for card in waiting:
        assert scene.slack.click(scene.me, card, "approve", channel=scene.direct).status_code == 200
    scene.settled()
    until(lambda: not place.desk.approvals(place.me))
    place.work(linger_s=0.0)

    async def read() -> tuple[dict[str, Any], dict[str, Any]]:
        async with assistant(place) as client:
            found = await call(client, "work_status", item_id=item_id)
            (content,) = (await client.read_resource(f"deputy://run/{place.item(item_id)['run_id']}")).contents
            return found, json.loads(content.text)

    status, run = asyncio.run(read())
    mine = place.item(item_id)
    assert run["trace_id"] == mine["trace_id"]
    assert (status["item_id"], status["state"]) == (item_id, "done")
    assert len(place.sent()) == 2
    kinds = [one["kind"] for one in place.desk.audit_tail(place.admin, limit=200, item_id=item_id)]
    assert [kinds.count(kind) for kind in ("item.submitted", "approval.approved", "effect.done")] == [1, 2, 2]
    assert "schedule.fired" in [one["kind"] for one in place.desk.audit_tail(place.admin, limit=200)]
    assert {who for card in mine["approvals"] for who in card["decided_by"]} == {scene.me}
    assert place.desk.audit_verify(place.admin)["ok"]
    until(lambda: all("Approved" in words(one) for one in _again(scene, waiting)))


def test_who_may_not_may_not_at_any_door(place: Place, door: Door) -> None:
    """A wrong approver, a stranger, somebody turned away, and a program: nothing is decided at any door, and the card stays."""
    scene = Scene(place, door)
    item_id = fired(place)
    waiting = until(lambda: found if len(found := cards(scene)) == 2 else None)
    colleague = scene.colleague()
    scene.link(colleague)

    for person in (colleague, STRANGER):
        assert scene.slack.click(person, waiting[0], "approve", channel=scene.direct).status_code == 200
    scene.settled()
    (first, *_) = place.desk.approvals(place.me)
    for refused in (DANA, colleague):
        try:
            place.desk.decide(place.desk.principal(refused), first["approval_id"], "approve", digest=first["digest"])
        except (NotEligible, NotFound):
            continue
        raise AssertionError(f"{refused} has decided")

    async def program() -> list[str]:
        async with assistant(place) as client:
            listed = await call(client, "approvals_list")
            assert {one["approval_id"] for one in listed["approvals"]} == {
                one["approval_id"] for one in place.desk.approvals(place.me)
            }
            return [tool.name for tool in (await client.list_tools()).tools]

    assert not [name for name in asyncio.run(program()) if "approve" in name or "decide" in name]
    place.desk.roles.give(place.admin, colleague, ["none"])
    assert scene.slack.click(colleague, waiting[1], "approve", channel=scene.direct).status_code == 200
    scene.settled()
    assert {one["state"] for one in place.item(item_id)["approvals"]} == {"pending"}
    assert place.sent() == []


def _again(scene: Scene, before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same messages as they are now."""
    wanted = {one["ts"] for one in before}
    every = [
        one
        for message in scene.workspace.messages(scene.direct)
        for one in (scene.workspace.messages(scene.direct, message["ts"]) if message.get("reply_count") else [message])
    ]
    return [one for one in every if one["ts"] in wanted]
