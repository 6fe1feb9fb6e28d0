"""One run through three doors: a schedule begins it, a person approves it in Slack, an assistant reads it over MCP; one id, one audit."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from tests.e2e.place import CALL, Place
from tests.http.served import Client as Caller
from tests.http.served import Serving
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
    """A wrong approver, a stranger, and somebody turned away: through Slack, HTTP and an assistant nothing is decided, cancelled,
    answered or told, and the card stays."""
    scene = Scene(place, door)
    item_id = fired(place)
    waiting = until(lambda: found if len(found := cards(scene)) == 2 else None)
    colleague, leaver = _colleagues(scene)
    for person in (colleague, leaver):
        scene.link(person)
    open_cards = place.desk.approvals(place.me)

    with serving(place) as desk:
        owner = desk.client()
        keys = {who: _own_key(place, who) for who in (colleague, leaver)}
        assert ids(owner.get("/approvals")["approvals"]) == ids(open_cards)
        assert Caller(desk.address, keys[leaver]).call("GET", "/approvals").status_code == 200
        place.desk.roles.give(place.admin, leaver, ["none"])
        people = {
            "wrong approver": keys[colleague],
            "turned away": keys[leaver],
            "stranger": "dk_nobody_knows_this_one",
        }

        by_assistant = {who: asyncio.run(_by_assistant(desk.address, key, item_id)) for who, key in people.items()}
        over_http = {who: _over_http(desk.address, key, open_cards[0], item_id) for who, key in people.items()}
    for person in (colleague, STRANGER, leaver):
        for number, card in enumerate(waiting):
            verdict = "approve" if number else "deny"
            assert scene.slack.click(person, card, verdict, channel=scene.direct).status_code == 200
    scene.settled()

    assert over_http == {"wrong approver": {403, 404}, "turned away": {401}, "stranger": {401}}
    assert by_assistant == {"wrong approver": "nothing", "turned away": "no way in", "stranger": "no way in"}
    assert {one["state"] for one in place.item(item_id)["approvals"]} == {"pending"}
    assert place.item(item_id)["state"] == "waiting"
    assert place.sent() == []


def test_an_assistant_of_the_approver_decides_nothing(place: Place) -> None:
    """On standard input and output, too, it sees the cards of the one it works for, and has no tool to decide them."""
    fired(place)

    async def program() -> list[str]:
        async with assistant(place) as client:
            listed = await call(client, "approvals_list")
            assert ids(listed["approvals"]) == ids(place.desk.approvals(place.me))
            return [tool.name for tool in (await client.list_tools()).tools]

    assert not [name for name in asyncio.run(program()) if "approve" in name or "decide" in name]


def _colleagues(scene: Scene) -> list[str]:
    """Two others of the company."""
    return [one["address"] for one in scene.place.desk.people() if one["inside"] and one["address"] != scene.me][:2]


def _own_key(place: Place, who: str) -> str:
    """One with which they decide themselves."""
    made = place.desk.access.create_key(place.desk.principal(who), scopes=["read", "submit", "decide"])
    return str(made["key"])


def ids(listed: list[dict[str, Any]]) -> set[str]:
    return {one["approval_id"] for one in listed}


@contextmanager
def serving(place: Place) -> Iterator[Serving]:
    """`deputy serve` on the place, which works nothing off."""
    server = Serving(place.home, "--no-worker", **place.settings.as_environment())
    try:
        yield server
    finally:
        server.stop()


def _over_http(address: str, key: str, card: dict[str, Any], item_id: str) -> set[int]:
    """Each status that the caller is answered; fewer tries than the door takes of wrong keys."""
    caller = Caller(address, key)
    decide = f"/approvals/{card['approval_id']}/decide"
    tries: list[tuple[str, str, Any]] = [
        ("GET", f"/approvals/{card['approval_id']}", None),
        ("POST", f"/items/{item_id}/cancel", {}),
        *(("POST", decide, {"verdict": verdict, "digest": card["digest"]}) for verdict in ("approve", "deny")),
        ("POST", decide, {"verdict": "edit", "digest": card["digest"], "args": {"title": "Mine"}}),
    ]
    return {caller.call(method, path, body).status_code for method, path, body in tries}


async def _by_assistant(address: str, key: str, item_id: str) -> str:
    """no way in | nothing: connected, with nothing seen of the item, and every call about it refused | what there was."""
    headers = {"Authorization": f"Bearer {key}"}
    try:
        async with (
            httpx2.AsyncClient(headers=headers, timeout=60) as http,
            Client(streamable_http_client(f"{address}/mcp", http_client=http)) as client,
        ):
            listed = await call(client, "approvals_list")
            about: list[tuple[str, dict[str, Any]]] = [
                ("work_status", {}),
                ("work_cancel", {}),
                ("work_nudge", {"text": "Do it now"}),
                ("work_answer", {"text": "yes"}),
            ]
            answers = [await client.call_tool(tool, {"item_id": item_id, **more}) for tool, more in about]
    except (MCPError, httpx2.HTTPError, ExceptionGroup):
        return "no way in"
    done = [tool for (tool, _), answer in zip(about, answers, strict=True) if not answer.is_error]
    return "nothing" if not listed["approvals"] and not done else str((listed, done))


def _again(scene: Scene, before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same messages as they are now."""
    wanted = {one["ts"] for one in before}
    every = [
        one
        for message in scene.workspace.messages(scene.direct)
        for one in (scene.workspace.messages(scene.direct, message["ts"]) if message.get("reply_count") else [message])
    ]
    return [one for one in every if one["ts"] in wanted]
