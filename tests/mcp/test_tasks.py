"""Work as tasks of the extension: durable across kill -9, bound to whose they are, and never a way to approve."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.distributed.desks import Desk
from tests.e2e.place import CALL
from tests.mcp.house import House, furnished, open_house

TASKS = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
PATIENCE_S = 60


def result_of(answer: requests.Response) -> dict[str, Any]:
    """The result of a JSON-RPC answer, streamed or not."""
    text = answer.text
    if answer.headers.get("content-type", "").startswith("text/event-stream"):
        text = [line.removeprefix("data:") for line in text.splitlines() if line.startswith("data:")][-1]
    told = json.loads(text)
    assert "result" in told, told
    return dict(told["result"])


def start(house: House, request: str, **more: Any) -> dict[str, Any]:
    arguments = {"name": "work_start", "arguments": {"request": request, **more}}
    return result_of(house.post("tools/call", arguments, capabilities=TASKS))


def get(house: House, task_id: str, **more: Any) -> dict[str, Any]:
    return result_of(house.post("tasks/get", {"taskId": task_id}, capabilities=TASKS, **more))


def until(house: House, task_id: str, *statuses: str, waits: str = "") -> dict[str, Any]:
    """The task, once it has one of these statuses, and its message these words."""
    ends = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends:
        found = get(house, task_id)
        if found["status"] in statuses and waits in found.get("statusMessage", ""):
            return found
        house.desk.ask("GET", f"/items/item_{task_id.removeprefix('task_')}?wait=1", house.person)
    raise AssertionError(f"it never came so far: {found}")


def refused(answer: requests.Response) -> Mapping[str, Any]:
    error: Mapping[str, Any] = json.loads(answer.text)["error"]
    return error


def test_a_task_survives_kill_9_of_the_server_between_start_and_poll(world: Path, tmp_path: Path) -> None:
    """Its id was durable before the client had it: the next server goes on with the same task, and ends it."""
    furnished(tmp_path / "home", world)
    house = open_house(tmp_path / "home", tmp_path / "log")
    try:
        begun = start(house, "what is on my calendar today", key="k")
        house.desk.kill()
        house.desk.start()
        house.desk.wait()

        done = until(house, begun["taskId"], "completed")
        again = start(house, "what is on my calendar today", key="k")

        assert (begun["resultType"], begun["status"]) == ("task", "working")
        assert not done["result"]["isError"]
        assert done["result"]["structuredContent"]["state"] == "done"
        assert again["taskId"] == begun["taskId"]
    finally:
        house.desk.stop()


def test_another_desk_goes_on_with_the_task(house: House, tmp_path: Path) -> None:
    """Two servers on one database: what one began the other tells of, asks about and cancels."""
    task_id = start(house, CALL, key="two desks")["taskId"]
    until(house, task_id, "input_required")
    other = replace(house, desk=Desk(house.home, {}, tmp_path / "log"))
    other.desk.start("--no-worker")
    other.desk.wait()
    try:
        asked = get(other, task_id)
        again = start(other, CALL, key="two desks")
        other.post("tasks/cancel", {"taskId": task_id}, capabilities=TASKS)

        assert len(asked["inputRequests"]) == 1
        assert again["taskId"] == task_id
        assert get(house, task_id)["status"] == "cancelled"
    finally:
        other.desk.stop()


def test_a_question_is_input_and_an_approval_is_not(house: House) -> None:
    """input_required with a form for the question; then working, with the address where a person decides; then the result."""
    task_id = start(house, CALL)["taskId"]
    asked = until(house, task_id, "input_required")
    ((key, request),) = asked["inputRequests"].items()
    choice = next(one for one in request["params"]["requestedSchema"]["properties"]["answer"]["enum"] if "Ruiz" in one)
    response = {"action": "accept", "content": {"answer": choice}}

    nothing = house.post(
        "tasks/update", {"taskId": task_id, "inputResponses": {"not asked": response}}, capabilities=TASKS
    )
    still = get(house, task_id)
    house.post("tasks/update", {"taskId": task_id, "inputResponses": {key: response}}, capabilities=TASKS)
    carded = until(house, task_id, "working", waits="pending_approval")
    cards = [
        card
        for card in house.desk.ask("GET", "/approvals?state=pending", house.person)[1]["approvals"]
        if card["item_id"] == f"item_{task_id.removeprefix('task_')}"
    ]
    assert cards
    for card in cards:
        assert f"{house.desk.url}/approvals/{card['approval_id']}" in carded["statusMessage"]
        accept = {card["approval_id"]: {"action": "accept", "content": {"approve": True}}}
        house.post("tasks/update", {"taskId": task_id, "inputResponses": accept}, capabilities=TASKS)
        assert get(house, task_id)["status"] == "working"
        assert house.decide(card["approval_id"]) == 200
    done = until(house, task_id, "completed")

    assert result_of(nothing)["resultType"] == "complete"
    assert still["inputRequests"] == asked["inputRequests"]
    assert not done["result"]["isError"]


def test_an_end_that_is_no_success_is_a_result_too(house: House) -> None:
    """What needs a model, or what the rules deny a program, completes with isError and a fix; cancelling ends as cancelled."""
    poem = until(house, start(house, "write a poem about the sea")["taskId"], "completed")
    task_id = start(house, CALL)["taskId"]
    for _ in range(2):
        ended = result_of(house.post("tasks/cancel", {"taskId": task_id}, capabilities=TASKS))
        assert ended["resultType"] == "complete"

    assert poem["result"]["isError"]
    assert poem["result"]["structuredContent"]["error"]["code"] == "needs_model"
    assert until(house, task_id, "cancelled")["status"] == "cancelled"
    assert isinstance(poem["ttlMs"], int)
    assert isinstance(poem["pollIntervalMs"], int)


def test_a_task_is_its_requesters_alone(house: House) -> None:
    """Another person's program, an id that is none, and a header that names another task are refused alike or by name."""
    task_id = start(house, "what is on my calendar today")["taskId"]
    for method in ("tasks/get", "tasks/update", "tasks/cancel"):
        stranger = house.post(method, {"taskId": task_id}, key=house.colleague, capabilities=TASKS)
        nobody = house.post(method, {"taskId": "task_0000"}, capabilities=TASKS)
        assert refused(stranger) == refused(nobody)
        assert refused(nobody)["code"] == -32602
        other = house.post(method, {"taskId": task_id}, capabilities=TASKS, headers={"Mcp-Name": "another"})
        assert refused(other)["code"] == -32020
        undeclared = house.post(method, {"taskId": task_id})
        assert refused(undeclared)["code"] == -32021
    assert get(house, task_id)["taskId"] == task_id


@pytest.mark.parametrize("capabilities", [{}, {"elicitation": {}}])
def test_who_does_not_declare_tasks_gets_the_answer_at_once(house: House, capabilities: dict[str, Any]) -> None:
    """An ordinary result with the item's id."""
    arguments = {"name": "work_start", "arguments": {"request": "what is on my calendar today"}}

    found = result_of(house.post("tools/call", arguments, capabilities=capabilities))

    assert found["resultType"] == "complete"
    assert found["structuredContent"]["item_id"].startswith("item_")
