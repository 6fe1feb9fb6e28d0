"""A model whose every reply a test writes: our own stand-in for a chat endpoint, on the OpenAI wire, in a thread of its own.

It is told what each request holds and answers with a function of the test, so that one process plays a supervisor and its task
agents at once. Whatever it is asked it keeps, for the test to look at.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the model sees it."""

    body: Mapping[str, Any]

    @property
    def messages(self) -> Sequence[Mapping[str, Any]]:
        return list(self.body["messages"])

    @property
    def tools(self) -> list[str]:
        """Wire names of the tools listed."""
        return [tool["function"]["name"] for tool in self.body.get("tools", ())]

    @property
    def is_supervisor(self) -> bool:
        return "agent_delegate" in self.tools

    @property
    def told(self) -> str:
        """What the agent was told first."""
        return next((str(m["content"]) for m in self.messages if m["role"] == "user"), "")

    @property
    def turn(self) -> int:
        """How often the model has spoken in this conversation."""
        return sum(1 for m in self.messages if m["role"] == "assistant")

    @property
    def answers(self) -> list[Any]:
        """Tool results after the latest words of the model, as JSON where they are."""
        found: list[Any] = []
        for message in reversed(self.messages):
            if message["role"] == "assistant":
                break
            if message["role"] == "tool":
                found.insert(0, _json(message["content"]))
        return found

    @property
    def last(self) -> str:
        """The latest message's text."""
        return str(self.messages[-1]["content"])


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call the puppet makes; `raw` in place of arguments that are JSON."""

    name: str
    args: Mapping[str, Any] = field(default_factory=dict)
    raw: str | None = None


Says = str | Call | Sequence[Call] | tuple[int, Mapping[str, Any]]
"""A text, one call, several calls, or an HTTP status with a body."""


def finish(answer: str, **more: Any) -> Call:
    return Call("finish", {"answer": answer, **more})


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a killed worker hangs up
            super().handle_error(request, client_address)


class Puppet:
    """The running server. `url` is the base an OpenAI-style client takes; `asked` every request in order."""

    def __init__(self, script: Callable[[Asked], Says]) -> None:
        self.script = script
        self.asked: list[Asked] = []
        self.problems: list[str] = []
        self._lock = threading.Lock()
        puppet = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, answer = puppet._answer(Asked(body))
                sent = json.dumps(answer).encode()
                with suppress(ConnectionError):  # whoever asked is gone: a time-out, or a killed worker
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(sent)))
                    self.end_headers()
                    self.wfile.write(sent)

            def log_message(self, *_: Any) -> None: ...

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def _answer(self, asked: Asked) -> tuple[int, Mapping[str, Any]]:
        with self._lock:
            self.asked.append(asked)
            self.problems += pairing_problems(asked.messages)
        try:
            said = self.script(asked)
        except Exception as error:  # noqa: BLE001  # shown by the test that looks at `problems`
            self.problems.append(f"{type(error).__name__}: {error}")
            return 400, {"error": {"message": "the script of the test failed"}}
        if isinstance(said, tuple) and said and isinstance(said[0], int):
            return said[0], said[1]  # type: ignore[return-value]  # a status with a body, as Says has it
        return 200, reply(said, prompt_bytes=len(json.dumps(asked.body)))


def reply(said: Any, *, prompt_bytes: int = 400) -> dict[str, Any]:
    """A chat completion."""
    calls = [said] if isinstance(said, Call) else [] if isinstance(said, str) else list(said)
    message: dict[str, Any] = {"role": "assistant", "content": said if isinstance(said, str) else None}
    if calls:
        message["tool_calls"] = [
            {
                "id": f"call_{place}",
                "type": "function",
                "function": {
                    "name": call.name,
                    "arguments": call.raw if call.raw is not None else json.dumps(call.args),
                },
            }
            for place, call in enumerate(calls)
        ]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": "puppet",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}],
        "usage": {"prompt_tokens": prompt_bytes // 4, "completion_tokens": 20, "total_tokens": prompt_bytes // 4 + 20},
    }


def pairing_problems(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    """Every tool call is answered exactly once before anybody else speaks: what real endpoints insist on."""
    problems: list[str] = []
    due: list[str] = []
    for place, message in enumerate(messages):
        if message["role"] == "tool":
            if message["tool_call_id"] not in due:
                problems.append(f"message {place} answers {message['tool_call_id']}, which nobody asked")
            else:
                due.remove(message["tool_call_id"])
            continue
        if due:
            problems.append(f"message {place} ({message['role']}) comes before the answers to {due}")
            due = []
        due = [call["id"] for call in message.get("tool_calls") or ()]
    return problems + ([f"no answers to {due}"] if due else [])


@contextmanager
def puppet(script: Callable[[Asked], Says]) -> Iterator[Puppet]:
    made = Puppet(script)
    try:
        yield made
    finally:
        made.close()
    assert not made.problems, made.problems[:3]


def _json(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text
