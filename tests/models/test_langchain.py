"""The LangChain client where aimock cannot show it: what it sends, how often, and what it says when something is missing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.agents.models.langchain import LangChainWire
from orchestrator.agents.models.profiles import Profile
from orchestrator.agents.models.protocol import Answer, ModelError, ModelRequest, ToolAsk, Usage
from orchestrator.agents.models.registry import Models
from orchestrator.settings import Settings
from tests.models.peer import TOOLS, Peer, Step, fails, gives, hangs_up, peer, request, says

SCHEMA = {"type": "object", "properties": {}, "additionalProperties": False, "required": []}


def once(
    runner: asyncio.Runner, *script: Step, asked: ModelRequest | None = None, profile: Profile | None = None
) -> tuple[Answer | ModelError, Peer]:
    """One attempt by langchain-openai, and the server as it was left."""

    async def story() -> tuple[Answer | ModelError, Peer]:
        async with peer(*script) as server:
            wire = LangChainWire(
                endpoint="there",
                provider="openai",
                model="gpt-4o",
                profile=profile or Profile(seed=True, schemas=True),
                base_url=server.url,
                key="k",
            )
            try:
                return await wire.attempt(asked or request(), None), server
            except ModelError as error:
                return error, server
            finally:
                await wire.aclose()

    return runner.run(story())


def test_what_is_sent_is_what_was_asked(runner: asyncio.Runner) -> None:
    """Temperature 0, seed, limit, tools, choice and strict schema arrive as the thin client would send them."""
    asked = request(tools=TOOLS, tool_choice="required", schema=SCHEMA, max_tokens=77)

    answer, server = once(runner, says("hi"), asked=asked)

    sent = server.requests[0]
    assert isinstance(answer, Answer) and answer.text == "hi"
    assert (sent["temperature"], sent["seed"], sent["tool_choice"]) == (0, 7, "required")
    assert sent.get("max_completion_tokens", sent.get("max_tokens")) == 77
    assert sent["tools"][0]["function"]["name"] == "mail_search"
    assert sent["response_format"]["json_schema"]["schema"] == SCHEMA
    assert sent["messages"] == [{"role": "user", "content": "grüße"}]


def test_usage_and_broken_arguments_come_through(runner: asyncio.Runner) -> None:
    """Cached tokens are counted, and arguments that are no JSON stay the text the model wrote."""
    calls = [{"name": "mail_search", "arguments": '{"q": "é"}'}, {"name": "mail_search", "arguments": "{broken"}]

    answer, _ = once(runner, says(None, calls), asked=request(tools=TOOLS))

    assert isinstance(answer, Answer)
    assert answer.usage == Usage(input_tokens=100, output_tokens=10, cached_tokens=40)
    assert answer.calls == (
        ToolAsk(id="call_0", name="mail_search", arguments='{"q": "é"}'),
        ToolAsk(id="call_1", name="mail_search", arguments="{broken"),
    )
    assert (answer.finish, answer.model) == ("tool_calls", "served-model")


@pytest.mark.parametrize("step", [fails(500), fails(429), fails(503), hangs_up, gives(b"{broken"), gives(b"[]")])
def test_one_attempt_is_one_request(runner: asyncio.Runner, step: Step) -> None:
    """The vendor's library does not try again by itself; that is for us to decide and to count."""
    error, server = once(runner, step)

    assert isinstance(error, ModelError) and error.is_transient
    assert len(server.bodies) == 1


def test_retry_after_is_passed_on(runner: asyncio.Runner) -> None:
    """What the endpoint asks for reaches the retries."""
    error, _ = once(runner, fails(429, Retry_After="7"))

    assert isinstance(error, ModelError) and error.retry_after_s == 7.0


@pytest.mark.parametrize(
    ("step", "code"),
    [
        (fails(401), "model_auth"),
        (fails(400, "x", code="context_length_exceeded"), "context_too_long"),
        (fails(404), "model_refused"),
    ],
)
def test_errors_that_stay_are_told_apart(runner: asyncio.Runner, step: Step, code: str) -> None:
    """As with the thin client."""
    error, server = once(runner, step)

    assert isinstance(error, ModelError)
    assert (error.code, error.is_transient, len(server.bodies)) == (code, False, 1)


def test_a_refused_parameter_is_left_out(runner: asyncio.Runner) -> None:
    """Dropped once, named on the answer, and counted as a request."""
    refused = fails(400, "Unsupported value: 'temperature' does not support 0", param="temperature")

    answer, server = once(runner, refused, says())

    assert isinstance(answer, Answer)
    assert ["temperature" in sent for sent in server.requests] == [True, False]
    assert (answer.dropped, answer.posts) == (("temperature",), 2)


def test_what_the_profile_does_not_take_is_named(runner: asyncio.Runner) -> None:
    """A model without forced choice or schemas is asked without them."""
    profile = Profile(temperature=False, forced_choice=False)

    answer, server = once(
        runner, says(), asked=request(tools=TOOLS, tool_choice="required", schema=SCHEMA), profile=profile
    )

    assert isinstance(answer, Answer)
    assert set(answer.dropped) == {"temperature", "seed", "tool_choice", "response_format"}
    assert not {"temperature", "seed", "tool_choice", "response_format"} & set(server.requests[0])


def test_nothing_is_traced_elsewhere(runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """LangSmith's variables in the environment send no prompt to anybody: the model's endpoint gets the only request."""

    async def story() -> tuple[int, int]:
        async with peer(says()) as server, peer(says()) as other:
            monkeypatch.setenv("LANGSMITH_TRACING", "true")
            monkeypatch.setenv("LANGCHAIN_TRACING_V2", "true")
            monkeypatch.setenv("LANGSMITH_ENDPOINT", other.url)
            monkeypatch.setenv("LANGSMITH_API_KEY", "k")
            seen: list[Any] = []

            from langchain_core.tracers.langchain import LangChainTracer

            monkeypatch.setattr(LangChainTracer, "on_chat_model_start", lambda *a, **k: seen.append(a))
            wire = LangChainWire(
                endpoint="there", provider="openai", model="gpt-4o", profile=Profile(), base_url=server.url, key="k"
            )
            await wire.attempt(request(), None)
            await wire.aclose()
            return len(server.bodies), len(seen)

    assert runner.run(story()) == (1, 0)


@pytest.mark.parametrize(
    ("model", "code", "fix"),
    [
        (
            "groq:x",
            "model_refused",
            "pip install 'deputy-orchestrator[langchain]' langchain-groq",
        ),  # not installed here
        ("anthropic:x", "model_auth", "ANTHROPIC_API_KEY"),  # installed, no key
        ("unheard:of", "model_refused", "model_base_url"),  # nobody's name
    ],
)
def test_what_is_missing_is_named(
    runner: asyncio.Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, code: str, fix: str
) -> None:
    """A package, a key or a provider that is not there: the error says what to do."""
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    built = Models.of(Settings.load(home=tmp_path, model=model), environment={})

    with pytest.raises(ModelError) as caught:
        runner.run(built.role("task").reply(request()))

    assert (caught.value.code, caught.value.is_transient) == (code, False)
    assert fix in caught.value.fix


def test_a_key_that_is_set_is_the_one_sent(runner: asyncio.Runner) -> None:
    """And nothing else of the environment's."""
    _, server = once(runner, says())

    assert server.headers[0]["Authorization"] == "Bearer k"
    assert json.loads(server.bodies[0])["model"] == "gpt-4o"
