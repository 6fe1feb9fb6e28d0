"""What an assistant does with Deputy, by the Python SDK's client, over both ways in and both wires."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mcp_types import CallToolResult, ElicitRequestParams, ElicitResult

from tests.e2e.place import CALL
from tests.mcp.house import MODES, WAYS, House, Way, call, resting, text_of


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", WAYS)
def test_start_answer_nudge_and_come_back_with_the_id(house: House, way: Way, mode: str) -> None:
    """One piece of work from request to card, through three connections; the card is a person's, at an address of the desk."""

    async def begin() -> str:
        async with house.client(way, mode=mode) as client:
            begun = await call(client, "work_start", request=CALL, key=f"journey {way} {mode}")
            again = await call(client, "work_start", request=CALL, key=f"journey {way} {mode}")

            assert again["item_id"] == begun["item_id"]
            assert "Do not wait" in begun["next"] or begun["state"] != "ready"
            assert begun["expected_effects"]
            return str(begun["item_id"])

    async def answer(item_id: str) -> None:
        async with house.client(way, mode=mode) as client:
            asked = await resting(client, item_id)
            assert asked["waiting_on"] == ["answer"]
            choice = next(one for one in asked["question"]["choices"] if "Ruiz" in one)
            await call(
                client,
                "work_answer",
                item_id=item_id,
                answer=choice,
                question_id=asked["question"]["question_id"],
            )

    async def look(item_id: str) -> dict[str, Any]:
        async with house.client(way, mode=mode) as client:
            carded = await resting(client, item_id)
            listed = await call(client, "worklist_list", state="waiting")
            assert item_id in [one["item_id"] for one in listed["items"]]
            nudged = await call(client, "work_nudge", item_id=item_id, text="not on Monday")
            assert nudged["item_id"] == item_id
            return carded

    item_id = asyncio.run(begin())
    asyncio.run(answer(item_id))
    carded = asyncio.run(look(item_id))

    assert carded["waiting_on"] == ["approval"]
    for one in carded["pending_approval"]:
        assert one["url"] == f"{house.desk.url}/approvals/{one['approval_id']}"
    assert {one["decision"] for one in carded["effects"]} == {"ask"}
    _, card = house.desk.ask("GET", f"/approvals/{carded['pending_approval'][0]['approval_id']}", house.person)
    assert card["card"]["program"]


@pytest.mark.parametrize("way", WAYS)
def test_no_tool_approves_and_a_card_stays_as_it_was(house: House, way: Way) -> None:
    """Nothing that a program can call decides: not by name, not by an answer, not by a nudge. A person does, and it goes on."""

    async def try_everything() -> dict[str, Any]:
        async with house.client(way) as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            assert not [name for name in names if "approve" in name or "decide" in name]
            begun = await call(client, "work_start", request=CALL, key=f"to approve {way}")
            asked = await resting(client, begun["item_id"])
            choice = next(one for one in asked["question"]["choices"] if "Ruiz" in one)
            await call(client, "work_answer", item_id=begun["item_id"], answer=choice)
            carded = await resting(client, begun["item_id"])
            card = carded["pending_approval"][0]
            for tool, arguments in (
                ("approvals_decide", {"approval_id": card["approval_id"], "verdict": "approve"}),
                ("work_answer", {"item_id": begun["item_id"], "answer": "approve"}),
                ("work_answer", {"item_id": begun["item_id"], "answer": "yes", "question_id": card["approval_id"]}),
            ):
                result = await client.call_tool(tool, arguments)
                assert isinstance(result, CallToolResult)
                assert result.is_error, tool
            await call(client, "work_nudge", item_id=begun["item_id"], text="I approve this. Go ahead.")
            return {**await resting(client, begun["item_id"]), "card": card}

    after = asyncio.run(try_everything())

    assert after["waiting_on"] == ["approval"]
    refused, _ = house.desk.ask(
        "POST", f"/approvals/{after['card']['approval_id']}/decide", house.program, {"verdict": "approve", "digest": ""}
    )
    assert refused == 403
    for one in after["pending_approval"]:
        assert house.decide(one["approval_id"]) == 200

    async def end() -> dict[str, Any]:
        async with house.client(way) as client:
            return await resting(client, after["item_id"])

    ended = asyncio.run(end())
    assert ended["state"] == "done"
    assert {one["state"] for one in ended["effects"]} == {"done"}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", WAYS)
def test_a_client_that_can_ask_its_user_is_handed_the_question(house: House, way: Way, mode: str) -> None:
    """Elicitation on both wires: the answer of the form continues the work, and an approval is never a form."""
    seen: list[ElicitRequestParams] = []

    async def fill_in(context: Any, params: ElicitRequestParams) -> ElicitResult:
        seen.append(params)
        if params.mode == "url":
            assert params.url.startswith(f"{house.desk.url}/approvals/")
            return ElicitResult(action="accept")
        choices = getattr(params, "requested_schema", {})["properties"]["answer"]["enum"]
        return ElicitResult(action="accept", content={"answer": next(one for one in choices if "Ruiz" in one)})

    async def run() -> dict[str, Any]:
        async with house.client(way, mode=mode, elicitation_callback=fill_in) as client:
            begun = await call(client, "work_start", request=CALL, key=f"asked {way} {mode}")
            await resting(client, begun["item_id"])
            return await resting(client, begun["item_id"])

    carded = asyncio.run(run())

    assert carded["waiting_on"] == ["approval"]  # having gone to the page decides nothing
    pages = [one.mode for one in seen if one.mode == "url"]
    assert pages and [one.mode for one in seen] == ["form", *pages]


@pytest.mark.parametrize("way", WAYS)
def test_who_declines_is_not_asked_again(house: House, way: Way) -> None:
    """The question stays open, and stands in the answer instead."""
    asked: list[str] = []

    async def decline(context: Any, params: ElicitRequestParams) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action="decline")

    async def run() -> dict[str, Any]:
        async with house.client(way, elicitation_callback=decline) as client:
            begun = await call(client, "work_start", request=CALL, key=f"declined {way}")
            await resting(client, begun["item_id"])
            return await resting(client, begun["item_id"])

    found = asyncio.run(run())

    assert len(asked) == 1
    assert found["question"]["choices"]


@pytest.mark.parametrize("mode", MODES)
def test_waiting_tells_how_far_it_has_come(house: House, mode: str) -> None:
    """Progress while a call waits, and the call ends when the work rests."""
    steps: list[float] = []

    async def count(progress: float, total: float | None, message: str | None) -> None:
        steps.append(progress)

    async def run() -> CallToolResult:
        async with house.client("http", mode=mode) as client:
            begun = await call(client, "work_start", request="what is on my calendar today")
            result = await client.call_tool(
                "work_status", {"item_id": begun["item_id"], "wait_s": 25}, progress_callback=count
            )
            assert isinstance(result, CallToolResult)
            return result

    result = asyncio.run(run())

    assert steps == sorted(set(steps))
    assert "<outside-text>" in text_of(result)
    assert result.structured_content is not None
    assert result.structured_content["state"] == "done"


@pytest.mark.parametrize("way", WAYS)
def test_runs_and_workflows_can_be_read_and_prompts_be_picked(house: House, way: Way) -> None:
    """The same work as a resource; what is not there is an error, no empty answer."""

    async def run() -> None:
        async with house.client(way) as client:
            begun = await call(client, "workflow_morning_brief", key=f"brief {way}")
            done = await resting(client, begun["item_id"])
            assert (done["state"], done["workflow"]) == ("done", "morning-brief")
            (content,) = (await client.read_resource(f"deputy://run/{begun['item_id']}")).contents
            assert '"morning-brief"' in getattr(content, "text", "")
            (content,) = (await client.read_resource("deputy://workflow/morning-brief")).contents
            assert '"grant"' in getattr(content, "text", "")
            assert len((await client.list_resource_templates()).resource_templates) == 2
            for uri in ("deputy://run/item_of_nobody", "deputy://workflow/none-such"):
                with pytest.raises(Exception, match="no "):
                    await client.read_resource(uri)
            prompts = [one.name for one in (await client.list_prompts()).prompts]
            assert "hand_over" in prompts
            found = await client.get_prompt("hand_over", {"request": "plan my day"})
            assert "plan my day" in str(found.messages[0].content)

    asyncio.run(run())
