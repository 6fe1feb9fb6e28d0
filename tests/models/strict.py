"""A reverse proxy that refuses and records whatever violates OpenAI's chat completion protocol, in front of any model server.

Point DEPUTY_MODEL_BASE_URL at `Strict.url`, and assert `violations == []` at the end. It runs in a thread of its own, so that tests
which start worker processes can use it as well. Stricter than OpenAI where other servers are: roles in order, no unknown keys.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, web
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
MOST_ID = 40  # characters of a tool call's id, at OpenAI
MOST_DESCRIPTION = 1024  # characters of a tool's description, at OpenAI
MOST_TOOLS = 128
KEYS = frozenset(
    """model messages tools tool_choice parallel_tool_calls temperature seed top_p max_tokens max_completion_tokens stop n
    stream stream_options response_format""".split()
)
MESSAGE_KEYS = {
    "system": {"role", "content", "name"},
    "developer": {"role", "content", "name"},
    "user": {"role", "content", "name"},
    "assistant": {"role", "content", "name", "tool_calls", "refusal"},
    "tool": {"role", "content", "tool_call_id"},
}
_HOP = frozenset({"host", "connection", "keep-alive", "transfer-encoding", "content-length", "accept-encoding"})


def violations_of(body: bytes, content_type: str) -> list[str]:
    """Everything that is wrong with a request; empty: nothing."""
    found: list[str] = []
    if content_type.partition(";")[0].strip().lower() != "application/json":
        found.append(f"content type is {content_type!r}")
    try:
        told = json.loads(body.decode("utf-8"))
    except ValueError:
        return [*found, "the body is not JSON in UTF-8"]
    if not isinstance(told, dict):
        return [*found, "the body is no object"]
    found += [f"unknown parameter {key!r}" for key in sorted(set(told) - KEYS)]
    if not isinstance(told.get("model"), str) or not told["model"]:
        found.append("model is missing")
    names = _tools(told.get("tools"), found) if "tools" in told else set()
    _choice(told, names, found)
    _limits(told, found)
    _format(told.get("response_format"), found)
    _messages(told.get("messages"), found)
    return found


def _tools(tools: Any, found: list[str]) -> set[str]:
    if not isinstance(tools, list) or not 0 < len(tools) <= MOST_TOOLS:
        found.append("tools is no list of 1 to 128")
        return set()
    names: set[str] = set()
    for tool in tools:
        if not isinstance(tool, dict) or tool.get("type") != "function" or not isinstance(tool.get("function"), dict):
            found.append("a tool is no function")
            continue
        function = tool["function"]
        name = function.get("name")
        if not isinstance(name, str) or not NAME.fullmatch(name):
            found.append(f"tool name {name!r} does not match {NAME.pattern}")
            continue
        if name in names:
            found.append(f"two tools are called {name!r}")
        names.add(name)
        if unknown := sorted(set(function) - {"name", "description", "parameters", "strict"}):
            found.append(f"tool {name}: unknown keys {unknown}")
        description = function.get("description", "")
        if not isinstance(description, str) or len(description) > MOST_DESCRIPTION:
            found.append(f"tool {name}: the description is no text of up to {MOST_DESCRIPTION} characters")
        _schema(function.get("parameters", {"type": "object"}), f"tool {name}", found)
    return names


def _schema(schema: Any, of: str, found: list[str]) -> None:
    if not isinstance(schema, dict) or schema.get("type") != "object":
        found.append(f"{of}: the schema is not of type object")
        return
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        found.append(f"{of}: the schema is no JSON Schema: {error.message}")


def _choice(told: Mapping[str, Any], names: set[str], found: list[str]) -> None:
    if "parallel_tool_calls" in told and not names:
        found.append("parallel_tool_calls without tools")
    if "tool_choice" not in told:
        return
    choice = told["tool_choice"]
    if not names:
        found.append("tool_choice without tools")
    if choice in ("none", "auto", "required"):
        return
    named = choice.get("function", {}).get("name") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or choice.get("type") != "function" or named not in names:
        found.append(f"unknown tool_choice {choice!r}")


def _limits(told: Mapping[str, Any], found: list[str]) -> None:
    temperature = told.get("temperature", 0)
    if isinstance(temperature, bool) or not isinstance(temperature, int | float) or not 0 <= temperature <= 2:
        found.append("temperature is no number from 0 to 2")
    if isinstance(told.get("seed", 0), bool) or not isinstance(told.get("seed", 0), int):
        found.append("seed is no integer")
    if "max_tokens" in told and "max_completion_tokens" in told:
        found.append("both max_tokens and max_completion_tokens")
    for name in ("max_tokens", "max_completion_tokens"):
        most = told.get(name, 1)
        if isinstance(most, bool) or not isinstance(most, int) or most < 1:
            found.append(f"{name} is no positive integer")
    if not isinstance(told.get("stream", False), bool):
        found.append("stream is no boolean")
    if "stream_options" in told and told.get("stream") is not True:
        found.append("stream_options without stream")


def _format(form: Any, found: list[str]) -> None:
    if form is None:
        return
    kind = form.get("type") if isinstance(form, dict) else None
    if kind not in ("text", "json_object", "json_schema"):
        found.append("unknown response_format")
    elif kind == "json_schema":
        told = form.get("json_schema")
        if not isinstance(told, dict) or not NAME.fullmatch(told.get("name") or ""):
            found.append("response_format: json_schema has no name")
        else:
            _schema(told.get("schema"), "response_format", found)


def _messages(messages: Any, found: list[str]) -> None:
    """Roles in order; every call answered exactly once before anybody else speaks; ids used once."""
    if not isinstance(messages, list) or not messages:
        found.append("messages is no list of at least one")
        return
    open_calls: list[str] = []
    seen: set[str] = set()
    spoken = False  # whether anybody but the system has
    for at, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if role not in MESSAGE_KEYS:
            found.append(f"message {at}: unknown role {role!r}")
            continue
        if unknown := sorted(set(message) - MESSAGE_KEYS[role]):
            found.append(f"message {at}: unknown keys {unknown}")
        if role != "tool" and open_calls:
            found.append(f"message {at}: {role} speaks while calls {open_calls} are unanswered")
            open_calls = []
        if role in ("system", "developer") and spoken:
            found.append(f"message {at}: {role} after the conversation began")
        if role in ("assistant", "tool") and not spoken:
            found.append(f"message {at}: {role} speaks before any user")
        spoken = spoken or role not in ("system", "developer")
        if role == "assistant":
            open_calls = _calls(message, at, seen, found)
        elif role == "tool":
            _answer(message, at, open_calls, found)
        if not (role == "assistant" and message.get("tool_calls") and message.get("content") is None):
            _content(message.get("content"), at, found)
    if open_calls:
        found.append(f"calls {open_calls} are never answered")


def _calls(message: Mapping[str, Any], at: int, seen: set[str], found: list[str]) -> list[str]:
    """Ids of the calls that an assistant's message opens."""
    if "tool_calls" not in message:
        return []
    calls = message["tool_calls"]
    if not isinstance(calls, list) or not calls:
        found.append(f"message {at}: tool_calls is no list of at least one")
        return []
    opened: list[str] = []
    for call in calls:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or call.get("type") != "function":
            found.append(f"message {at}: a call is no function call")
            continue
        call_id, name, arguments = call.get("id"), function.get("name"), function.get("arguments")
        if not isinstance(call_id, str) or not 0 < len(call_id) <= MOST_ID:
            found.append(f"message {at}: call id {call_id!r} is no text of 1 to {MOST_ID} characters")
            continue
        if call_id in seen:
            found.append(f"message {at}: call id {call_id!r} was used before")
        seen.add(call_id)
        opened.append(call_id)
        if not isinstance(name, str) or not NAME.fullmatch(name):
            found.append(f"message {at}: called name {name!r} does not match {NAME.pattern}")
        if not _is_object(arguments):
            found.append(f"message {at}: arguments of {call_id} are no JSON object as text")
    return opened


def _answer(message: Mapping[str, Any], at: int, open_calls: list[str], found: list[str]) -> None:
    call_id = message.get("tool_call_id")
    if call_id in open_calls:
        open_calls.remove(call_id)
    else:
        found.append(f"message {at}: answers {call_id!r}, which is not open")


def _content(content: Any, at: int, found: list[str]) -> None:
    if isinstance(content, str):
        return
    if not isinstance(content, list) or not content:
        found.append(f"message {at}: content is neither text nor parts")
        return
    for part in content:
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            found.append(f"message {at}: a part of the content is no text")


def _is_object(text: Any) -> bool:
    if not isinstance(text, str):
        return False
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


@dataclass(slots=True)
class Strict:
    """A running proxy. `requests`: what was let through, parsed, in order; `violations`: what was not, with the reasons."""

    upstream: str
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    _client: ClientSession | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        wrong = self.judge(request.method, request.path, body, request.headers.get("Content-Type", ""))
        if wrong:
            error = {"message": "; ".join(wrong), "type": "invalid_request_error", "code": "strict_violation"}
            return web.json_response({"error": error}, status=400)
        self.requests.append(json.loads(body))
        self.headers.append(dict(request.headers))
        return await self._forward(request, body)

    def judge(self, method: str, path: str, body: bytes, content_type: str) -> list[str]:
        """What is wrong with a request; recorded."""
        if (method, path) != ("POST", "/v1/chat/completions"):
            wrong = [f"{method} {path} is not POST /v1/chat/completions"]
        else:
            wrong = violations_of(body, content_type)
        self.violations += wrong
        return wrong

    async def _forward(self, request: web.Request, body: bytes) -> web.StreamResponse:
        """The upstream's answer as it comes; where it breaks off, so do we."""
        assert self._client is not None
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        try:
            async with self._client.post(f"{self.upstream}/chat/completions", data=body, headers=headers) as answer:
                kept = {n: v for n, v in answer.headers.items() if n.lower() not in {*_HOP, "content-encoding"}}
                response = web.StreamResponse(status=answer.status, headers=kept)
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
                return response
        except ClientError:
            if request.transport is not None:
                request.transport.abort()
            raise

    async def serve(self, stop: asyncio.Event, started: threading.Event) -> None:
        async with ClientSession(timeout=ClientTimeout(total=None)) as self._client:
            app = web.Application(client_max_size=64 * 1024 * 1024)
            app.router.add_route("*", "/{any:.*}", self.handle)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            self.url = f"http://{host}:{port}/v1"
            started.set()
            await stop.wait()
            await runner.cleanup()


@contextmanager
def running(upstream: str) -> Iterator[Strict]:
    """A proxy in front of `upstream` (its address up to /v1) until the block ends."""
    proxy = Strict(upstream.rstrip("/"))
    started = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    def run() -> None:
        try:
            loop.run_until_complete(proxy.serve(stop, started))
        finally:
            loop.close()
            started.set()

    thread = threading.Thread(target=run, name="strict-proxy", daemon=True)
    thread.start()
    try:
        assert started.wait(10) and proxy.url, "the proxy did not start"
        yield proxy
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)
        thread.join(10)
