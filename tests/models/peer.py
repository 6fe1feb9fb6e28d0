"""Our own model server for faults that a well-behaved one does not have: it answers each request by the next step of a script.

A real HTTP server on loopback in the test's own event loop; bodies and headers are kept byte for byte.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from orchestrator.agents.models.protocol import ModelReply, ModelRequest
from orchestrator.agents.models.registry import Models
from orchestrator.settings import Settings

Step = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Peer:
    """`script`: one step a request; the last one is repeated. `most_at_once`: requests that were under way together."""

    script: Sequence[Step]
    url: str = ""
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    @property
    def requests(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.bodies]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        step = self.script[min(len(self.bodies), len(self.script) - 1)]
        self.bodies.append(await request.read())
        self.headers.append(dict(request.headers))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await step(request)
        finally:
            self.at_once -= 1


@asynccontextmanager
async def peer(*script: Step, port: int = 0) -> AsyncIterator[Peer]:
    """A server that follows `script` until the block ends."""
    server = Peer(script)
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/v1/chat/completions", server.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield server
    finally:
        await runner.cleanup()


# ---- steps -----------------------------------------------------------------------------------------------------------
def completion(text: str | None = "hello", calls: Sequence[Mapping[str, Any]] = (), **more: Any) -> dict[str, Any]:
    """A chat completion as OpenAI sends it."""
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    if calls:
        message["tool_calls"] = [
            {"id": f"call_{at}", "type": "function", "function": dict(call)} for at, call in enumerate(calls)
        ]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "served-model",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}],
        "usage": {
            "prompt_tokens": 100,
            "completion_tokens": 10,
            "total_tokens": 110,
            "prompt_tokens_details": {"cached_tokens": 40},
        },
        **more,
    }


def says(text: str | None = "hello", calls: Sequence[Mapping[str, Any]] = (), **more: Any) -> Step:
    """A whole reply."""
    return gives(json.dumps(completion(text, calls, **more)).encode())


def gives(body: bytes, status: int = 200, content_type: str = "application/json", **headers: str) -> Step:
    """Exactly these bytes."""

    async def step(request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(body=body, status=status, headers={"Content-Type": content_type, **named})

    return step


def fails(
    status: int, message: str = "no", *, code: str | None = None, param: str | None = None, **headers: str
) -> Step:
    """OpenAI's error document."""
    error = {"message": message, "type": "error", "code": code, "param": param}
    return gives(json.dumps({"error": error}).encode(), status, **headers)


async def hangs_up(request: web.Request) -> web.StreamResponse:
    """No answer at all."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def never_answers(request: web.Request) -> web.StreamResponse:
    """Until the client leaves."""
    await asyncio.Event().wait()
    return web.Response()


def after(ready: asyncio.Event, then: Step) -> Step:
    """Holds the answer back until somebody sets `ready`."""

    async def step(request: web.Request) -> web.StreamResponse:
        await ready.wait()
        return await then(request)

    return step


def streams(*events: Any, done: bool = True, cut: bool = False, silent: bool = False, raw: bytes = b"") -> Step:
    """Server-sent events. cut: the connection breaks after them; silent: nothing more ever comes."""

    async def step(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        for event in events:
            await response.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        if raw:
            await response.write(raw)
        if silent:
            await asyncio.Event().wait()
        if cut:
            assert request.transport is not None
            request.transport.abort()
            return response
        if done:
            await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response

    return step


def delta(text: str | None = None, finish: str | None = None, calls: Sequence[Any] = (), **more: Any) -> dict[str, Any]:
    """One chunk object of a stream."""
    piece: dict[str, Any] = {"content": text} if text is not None else {}
    if calls:
        piece["tool_calls"] = list(calls)
    return {"model": "served-model", "choices": [{"index": 0, "delta": piece, "finish_reason": finish}], **more}


USAGE: dict[str, Any] = {"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 10}}


# ---- asking ----------------------------------------------------------------------------------------------------------
USER = b'{"role":"user","content":"gr\xc3\xbc\xc3\x9fe"}'
TOOLS = b'[{"type":"function","function":{"name":"mail_search","parameters":{"type":"object","properties":{}}}}]'


def request(**more: Any) -> ModelRequest:
    """A small request; what is given replaces a part of it."""
    return ModelRequest(**{"messages": [USER], "timeout_s": 20.0, **more})


def models(tmp_home: Any, url: str | None, **settings: Any) -> Models:
    """The models of these settings, with an environment of their own, so that nobody's keys ride along."""
    given = {"home": tmp_home, "model": "openai:gpt-4o", "model_base_url": url, **settings}
    return Models.of(Settings.load(**given), environment=settings.pop("environment", {}))


async def ask(
    url: str, tmp_home: Any, asked: ModelRequest | None = None, on_text: Any = None, **settings: Any
) -> ModelReply:
    """One reply of the model at `url`; retries at once."""
    built = models(tmp_home, url, **settings)
    model = built.role("task")
    model.retry_first_s = 0.001  # type: ignore[attr-defined]  # a Pool: tests do not wait
    try:
        return await model.reply(asked or request(), on_text=on_text)
    finally:
        await built.aclose()
