"""The clients against aimock, a model server none of us wrote: OpenAI's wire by the thin client and by LangChain, Anthropic's by LangChain."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.agents.models.langchain import LangChainWire
from orchestrator.agents.models.pool import Endpoint, Pool
from orchestrator.agents.models.profiles import Profile
from orchestrator.agents.models.protocol import ModelError, ModelReply, ModelRequest
from orchestrator.agents.models.registry import Models
from orchestrator.settings import Settings
from tests.models.aimock import Aimock
from tests.models.conftest import WEATHER, WIRES
from tests.models.peer import ask
from tests.models.strict import Strict

TOOLS = json.dumps(
    [
        {
            "type": "function",
            "function": {
                "name": WEATHER,
                "description": "Weather for a city",
                "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
            },
        }
    ]
).encode()


def said(text: str) -> bytes:
    return json.dumps({"role": "user", "content": text}).encode()


def asked(text: str, *more: dict[str, Any], **parts: Any) -> ModelRequest:
    system = b'{"role":"system","content":"You are a test."}'
    return ModelRequest(
        messages=[system, said(text), *(json.dumps(one).encode() for one in more)], timeout_s=20.0, **parts
    )


class Asker:
    """One way to a model server; `root` is the server's address without /v1."""

    def __init__(
        self, wire: str, root: str, home: Path, runner: asyncio.Runner, *, thin_url: str | None = None
    ) -> None:
        self.runner = runner
        self.wire, self.root, self.home, self.thin_url = wire, root, home, thin_url or f"{root}/v1"

    def __call__(self, request: ModelRequest, **more: Any) -> ModelReply:
        return self.runner.run(self._ask(request, **more))

    async def _ask(
        self, request: ModelRequest, *, on_text: Callable[[str], None] | None = None, retries: int = 4
    ) -> ModelReply:
        if self.wire == "thin":
            return await ask(self.thin_url, self.home, request, on_text, model="openai:gpt-4o", model_retries=retries)
        provider = self.wire.partition("-")[2]
        model, url = ("gpt-4o", f"{self.root}/v1") if provider == "openai" else ("claude-of-tests", self.root)
        wire = LangChainWire(
            endpoint="there", provider=provider, model=model, profile=Profile(), base_url=url, key="test-key"
        )
        endpoint = Endpoint(name="there", model=model, wire=wire, profile=wire.profile, most_retries=retries)
        pool = Pool(name=model, endpoints=[endpoint], context_tokens=1000, retry_first_s=0.001)
        try:
            return await pool.reply(request, on_text=on_text)
        finally:
            await wire.aclose()


@pytest.fixture(params=WIRES)
def asker(request: pytest.FixtureRequest, mock: Aimock, proxy: Strict, runner: asyncio.Runner, tmp_path: Path) -> Asker:
    """Each way in turn; the thin client goes through the strict proxy."""
    return Asker(request.param, mock.url, tmp_path, runner, thin_url=proxy.url)


def test_a_reply_is_read_whole_and_as_it_comes(asker: Asker) -> None:
    """Streamed or not, the text is the same, and what was heard adds up to it."""
    heard: list[str] = []

    whole = asker(asked("hello there"))
    streamed = asker(asked("hello there"), on_text=heard.append)

    assert whole.text == streamed.text == "".join(heard) == "Hello from the mock, streamed in small chunks."
    assert len(heard) > 1
    assert (whole.finish, whole.calls, whole.retries) == ("stop", (), 0)
    assert whole.usage.input_tokens > 0 and whole.usage.output_tokens > 0


@pytest.mark.parametrize("listens", [False, True], ids=["whole", "streamed"])
def test_a_tool_loop_closes(asker: Asker, listens: bool) -> None:
    """A call comes back with its raw arguments; with its result in the conversation the model answers."""
    on_text = (lambda text: None) if listens else None
    first = asker(asked("weather in Paris", tools=TOOLS), on_text=on_text)
    call = first.calls[0]
    history: list[dict[str, Any]] = [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "t00000000", "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            ],
        },
        {"role": "tool", "tool_call_id": "t00000000", "content": '{"celsius":12}'},
    ]

    second = asker(asked("weather in Paris", *history, tools=TOOLS), on_text=on_text)

    assert (first.finish, call.name, json.loads(call.arguments)) == ("tool_calls", WEATHER, {"city": "Paris"})
    assert (second.finish, second.text) == ("stop", "It is 12C and sunny in Paris.")


@pytest.mark.parametrize("listens", [False, True], ids=["whole", "streamed"])
def test_two_calls_of_one_turn_stay_two(asker: Asker, listens: bool) -> None:
    """Both calls, in order, each with its own id."""
    reply = asker(asked("both", tools=TOOLS), on_text=(lambda text: None) if listens else None)

    assert [json.loads(call.arguments)["city"] for call in reply.calls] == ["Paris", "Oslo"]
    assert len({call.id for call in reply.calls}) == 2


@pytest.mark.parametrize("choice", ["none", "required", WEATHER])
def test_every_choice_of_tools_is_understood(asker: Asker, choice: str) -> None:
    """The server takes all kinds of choice; a reply to none holds no call."""
    reply = asker(asked("weather in Paris", tools=TOOLS, tool_choice=choice))

    assert bool(reply.calls) is (choice != "none")


def test_settings_alone_lead_to_anthropics_wire(
    mock: Aimock, runner: asyncio.Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """provider:model and the provider's own variables are all it takes."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", mock.url)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
    built = Models.of(Settings.load(home=tmp_path, model="anthropic:claude-of-tests"))

    reply = runner.run(built.role("supervisor").reply(asked("weather in Paris", tools=TOOLS)))

    assert (reply.calls[0].name, reply.endpoint) == (WEATHER, "anthropic/claude-of-tests")
    assert mock.journal()[-1]["path"] == "/v1/messages"


@pytest.mark.parametrize(
    ("text", "code"), [("ratelimit", "model_rate_limited"), ("boom", "model_unreachable"), ("zzz", "model_overloaded")]
)
def test_errors_of_the_server_are_told_apart(asker: Asker, text: str, code: str) -> None:
    """429, 500, and the 503 of a request that no fixture matches."""
    with pytest.raises(ModelError) as caught:
        asker(asked(text), retries=0)

    assert (caught.value.code, caught.value.is_transient) == (code, True)


@pytest.mark.parametrize("listens", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("text", ["ratelimit", "boom"])
def test_one_attempt_is_one_request_on_every_wire(asker: Asker, mock: Aimock, text: str, listens: bool) -> None:
    """No client library tries again behind our back, by the server's own count."""
    before = len(mock.journal())

    with pytest.raises(ModelError):
        asker(asked(text), on_text=(lambda text: None) if listens else None, retries=0)

    assert len(mock.journal()) == before + 1


@pytest.mark.parametrize("listens", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("wire", WIRES)
def test_every_fault_of_the_network_is_passing(
    wire: str, chaos: tuple[str, str], runner: asyncio.Runner, tmp_path: Path, listens: bool
) -> None:
    """Malformed bodies, hang-ups, limits and 500s are tried again, and told by their names when that does not help."""
    kind, url = chaos
    expected = {
        "malformed": {"model_malformed"},
        "disconnect": {"model_unreachable"},
        "ratelimit": {"model_rate_limited"},
        "drop": {"model_unreachable"},
    }

    with pytest.raises(ModelError) as caught:
        Asker(wire, url, tmp_path, runner)(asked("hello"), on_text=(lambda text: None) if listens else None, retries=0)

    assert caught.value.code in expected[kind]
    assert caught.value.is_transient


@pytest.mark.parametrize("text", ["truncated", "dropped"])
@pytest.mark.parametrize("wire", WIRES)
def test_a_stream_cut_in_the_middle_is_asked_for_again(
    wire: str, text: str, mock: Aimock, runner: asyncio.Runner, tmp_path: Path
) -> None:
    """Half a reply is never returned: what was heard of it is taken back, and the whole one comes."""
    heard: list[str] = []

    reply = Asker(wire, mock.url, tmp_path, runner)(asked(f"{text} by {wire}"), on_text=heard.append)

    assert (reply.text, reply.retries) == ("This one is whole.", 1)
    assert heard[:-1][-1] == "" and len(heard) > 2 and heard[-1] == reply.text
