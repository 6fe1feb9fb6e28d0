"""Fixtures of the model tests: a model server nobody here wrote, and the strict proxy in front of it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.models import aimock, strict

WEATHER = "get_weather"
WIRES = ("thin", "langchain-openai", "langchain-anthropic")


def cut_first(wire: str) -> list[dict[str, Any]]:
    """Streams whose first telling breaks off in the middle, for each client its own: aimock counts per fixture."""
    slow = {"chunkSize": 2, "latency": 40, "response": {"content": "The line breaks while this is told, slowly."}}
    whole = {"content": "This one is whole."}
    return [
        {"match": {"userMessage": f"truncated by {wire}", "sequenceIndex": 0}, **slow, "truncateAfterChunks": 4},
        {"match": {"userMessage": f"truncated by {wire}"}, "response": whole},
        {"match": {"userMessage": f"dropped by {wire}", "sequenceIndex": 0}, **slow, "disconnectAfterMs": 200},
        {"match": {"userMessage": f"dropped by {wire}"}, "response": whole},
    ]


FIXTURES: list[dict[str, Any]] = [
    {
        "match": {"userMessage": "weather", "hasToolResult": False},
        "response": {"toolCalls": [{"name": WEATHER, "arguments": '{"city":"Paris"}'}]},
    },
    {
        "match": {"userMessage": "weather", "hasToolResult": True},
        "response": {"content": "It is 12C and sunny in Paris."},
    },
    {
        "match": {"userMessage": "both"},
        "response": {
            "toolCalls": [
                {"name": WEATHER, "arguments": '{"city":"Paris"}'},
                {"name": WEATHER, "arguments": '{"city":"Oslo"}'},
            ]
        },
    },
    {
        "match": {"userMessage": "ratelimit"},
        "response": {"error": {"message": "Rate limit reached", "type": "rate_limit_error"}, "status": 429},
    },
    {
        "match": {"userMessage": "boom"},
        "response": {"error": {"message": "oops", "type": "server_error"}, "status": 500},
    },
    *(fixture for wire in WIRES for fixture in cut_first(wire)),
    {"match": {"userMessage": "hello"}, "response": {"content": "Hello from the mock, streamed in small chunks."}},
]


@pytest.fixture(scope="session")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[aimock.Aimock]:
    """aimock with the fixtures above; a request that none of them matches is refused."""
    with aimock.running(FIXTURES, tmp_path_factory.mktemp("aimock"), "--strict") as server:
        yield server


@pytest.fixture(scope="session", params=["malformed", "disconnect", "ratelimit", "drop"])
def chaos(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """(kind of fault, root address) of an aimock whose every answer has that fault."""
    folder = tmp_path_factory.mktemp(request.param)
    with aimock.running(FIXTURES, folder, f"--chaos-{request.param}", "1") as server:
        yield request.param, server.url


@pytest.fixture
def proxy(mock: aimock.Aimock) -> Iterator[strict.Strict]:
    """The strict proxy in front of aimock; at the end nothing must have been refused."""
    with strict.running(mock.openai_url) as running:
        yield running
    assert running.violations == []


@pytest.fixture(scope="session")
def runner() -> Iterator[asyncio.Runner]:
    """One event loop for all: the vendors' libraries share their connections between all clients of a process."""
    with asyncio.Runner() as running:
        yield running
        running.run(_forget_clients())


async def _forget_clients() -> None:
    """Closes the clients that the vendors' libraries keep for ever, in the loop whose connections they hold."""
    from langchain_anthropic import _client_utils as anthropic
    from langchain_openai.chat_models import _client_utils as openai

    shared = (anthropic._AsyncHttpxClientWrapper, openai._AsyncHttpxClientWrapper)
    for client in [one for one in gc.get_objects() if isinstance(one, shared)]:
        with suppress(RuntimeError):  # another test's loop made it, and is closed: so are its connections
            await client.aclose()
    anthropic._get_default_async_httpx_client.cache_clear()
    openai._cached_async_httpx_client.cache_clear()
