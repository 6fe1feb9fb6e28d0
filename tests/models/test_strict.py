"""The strict proxy: it lets a correct conversation through as it is, and names everything that is wrong with another."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.agents.models.protocol import ModelError
from tests.models import strict
from tests.models.peer import ask, delta, hangs_up, peer, request, says, streams
from tests.models.strict import violations_of

SYSTEM = {"role": "system", "content": "s"}
USER = {"role": "user", "content": "u"}


def call(call_id: str = "a", name: str = "f", arguments: Any = "{}") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def calling(*calls: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": list(calls)}


def result(call_id: str = "a", content: Any = "r") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def tool(name: Any = "f", parameters: Any = None, **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": parameters or {"type": "object"}, **more}}


def body(messages: Any = None, **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [SYSTEM, USER] if messages is None else messages, **more}


def wrong_with(told: Any) -> str:
    return "; ".join(violations_of(json.dumps(told).encode(), "application/json"))


@pytest.mark.parametrize(
    "told",
    [
        body(),
        body([USER, calling(call()), result(), USER]),
        body([USER, calling(call("a"), call("b")), result("b"), result("a"), {"role": "assistant", "content": "x"}]),
        body([USER, calling(call("a")), result("a"), calling(call("b")), result("b")]),
        body(tools=[tool(), tool("g-1_B")], tool_choice={"type": "function", "function": {"name": "f"}}),
        body(tools=[tool()], tool_choice="none", parallel_tool_calls=False, temperature=0, seed=7, max_tokens=5),
        body(stream=True, stream_options={"include_usage": True}),
        body(
            response_format={"type": "json_schema", "json_schema": {"name": "r", "schema": {"type": "object"}}},
        ),
        body([{"role": "user", "content": [{"type": "text", "text": "x"}]}]),
    ],
)
def test_a_correct_request_passes(told: dict[str, Any]) -> None:
    """Nothing is found where nothing is wrong."""
    assert wrong_with(told) == ""


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ([], "no object"),
        ({"messages": [USER]}, "model is missing"),
        (body(tenant="t"), "unknown parameter 'tenant'"),
        (body([]), "messages"),
        (body([{"role": "human", "content": "x"}]), "unknown role"),
        (body([{**USER, "label": 1}]), "unknown keys ['label']"),
        (body([USER, SYSTEM]), "system after the conversation began"),
        (body([SYSTEM, {"role": "assistant", "content": "x"}]), "before any user"),
        (body([USER, {"role": "assistant", "content": None}]), "neither text nor parts"),
        (body([{"role": "user", "content": []}]), "neither text nor parts"),
        (body([USER, calling()]), "tool_calls is no list"),
        (body([USER, calling(call())]), "never answered"),
        (body([USER, calling(call()), USER]), "speaks while calls"),
        (body([USER, calling(call("a"), call("b")), result("a"), USER]), "['b'] are unanswered"),
        (body([USER, calling(call()), result(), result()]), "not open"),
        (body([USER, result("zz")]), "not open"),
        (body([USER, calling(call()), result(), calling(call()), result()]), "was used before"),
        (body([USER, calling(call("a"), call("a")), result()]), "was used before"),
        (body([USER, calling(call("x" * 41)), result("x" * 41)]), "1 to 40"),
        (body([USER, calling(call(name="mail.send")), result()]), "'mail.send' does not match"),
        (body([USER, calling(call(arguments="{")), result()]), "no JSON object as text"),
        (body([USER, calling(call(arguments="[1]")), result()]), "no JSON object as text"),
        (body([USER, calling(call(arguments={})), result()]), "no JSON object as text"),
        (body([USER, calling(call()), result(content={"a": 1})]), "neither text nor parts"),
        (body(tools=[]), "1 to 128"),
        (body(tools=[tool("mail.send")]), "'mail.send' does not match"),
        (body(tools=[tool("x" * 65)]), "does not match"),
        (body(tools=[tool(), tool()]), "two tools"),
        (body(tools=[tool(parameters={"type": "array"})]), "not of type object"),
        (body(tools=[tool(parameters={"type": "object", "properties": 7})]), "no JSON Schema"),
        (body(tools=[tool(manifest={})]), "unknown keys ['manifest']"),
        (body(tools=[tool(description="x" * 1025)]), "1024"),
        (body(tools=[{"type": "web_search"}]), "no function"),
        (body(tool_choice="auto"), "tool_choice without tools"),
        (body(tools=[tool()], tool_choice="any"), "unknown tool_choice"),
        (body(tools=[tool()], tool_choice={"type": "function", "function": {"name": "g"}}), "unknown tool_choice"),
        (body(parallel_tool_calls=True), "without tools"),
        (body(temperature=3), "temperature"),
        (body(seed="7"), "seed"),
        (body(max_tokens=0), "max_tokens"),
        (body(max_tokens=1, max_completion_tokens=1), "both"),
        (body(stream_options={}), "without stream"),
        (body(response_format={"type": "xml"}), "response_format"),
        (body(response_format={"type": "json_schema", "json_schema": {"schema": {}}}), "no name"),
    ],
)
def test_each_violation_is_named(told: Any, found: str) -> None:
    """One thing is wrong, and it is found."""
    assert found in wrong_with(told)


def test_type_and_encoding_of_the_body_are_checked() -> None:
    """JSON in UTF-8, called so."""
    good = json.dumps(body()).encode()

    assert violations_of(good, "application/json; charset=utf-8") == []
    assert violations_of(good, "text/plain") and violations_of(b"\xff", "application/json")


def test_the_proxy_refuses_records_and_passes_on(tmp_path: Path) -> None:
    """Wrong requests never reach the server; right ones do, streamed or not, and its hang-ups come through."""

    async def story() -> None:
        script = (says("whole"), streams(delta("a"), delta("b", "stop")), hangs_up, streams(delta("a"), cut=True))
        async with peer(*script) as server:
            with strict.running(server.url) as proxy:
                heard: list[str] = []
                assert (await ask(proxy.url, tmp_path)).text == "whole"
                assert (await ask(proxy.url, tmp_path, on_text=heard.append)).text == "".join(heard) == "ab"
                for listen in (None, heard.append):
                    with pytest.raises(ModelError) as cut:
                        await ask(proxy.url, tmp_path, on_text=listen, model_retries=0)
                    assert cut.value.is_transient
                with pytest.raises(ModelError) as refused:
                    await ask(proxy.url, tmp_path, request(messages=[b'{"role":"tool","content":"x"}']))
                assert refused.value.code == "model_refused" and "not open" in refused.value.message
                assert len(proxy.violations) == 2 and len(proxy.requests) == len(server.bodies) == 4

    asyncio.run(story())
