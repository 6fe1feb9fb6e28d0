"""Server-sent events of a streamed chat completion, and the message they add up to (WHATWG HTML §9.2; OpenAI's chunk objects).

Pure and incremental: bytes in, payloads out. What does not fit raises ValueError; the caller makes a transient error of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Events:
    """Splits a byte stream into the data of its events, wherever the network cut it."""

    _rest: bytes = b""
    _data: list[bytes] = field(default_factory=list)

    def feed(self, chunk: bytes) -> list[bytes]:
        """Data of the events that `chunk` completes."""
        whole: list[bytes] = []
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            line = line.rstrip(b"\r")
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif not line and self._data:
                whole.append(b"\n".join(self._data))
                self._data.clear()
        return whole

    def close(self) -> list[bytes]:
        """Data of a last event that no empty line ended; some servers leave it out after `[DONE]`."""
        return self.feed(b"\n\n")


@dataclass(slots=True)
class _Call:
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Message:
    """A message as it grows. `as_body` gives it the shape of a reply that was not streamed."""

    error: Any = None
    is_done: bool = False
    _text: list[str] = field(default_factory=list)
    _refusal: list[str] = field(default_factory=list)
    _calls: list[_Call] = field(default_factory=list)
    _at: dict[int, _Call] = field(default_factory=dict)
    _finish: str | None = None
    _model: str | None = None
    _usage: Any = None

    def add(self, data: bytes) -> str:
        """Takes one event's data; the text it adds. After an `error` or `[DONE]` nothing more is to come."""
        if data == b"[DONE]":
            self.is_done = True
            return ""
        event = json.loads(data)
        if not isinstance(event, dict):
            raise ValueError("an event is no object")
        if event.get("error"):
            self.error = event["error"]
            return ""
        self._model = event.get("model") or self._model
        self._usage = event.get("usage") or self._usage
        choices = event.get("choices")
        if not choices:
            return ""
        choice = choices[0]
        self._finish = choice.get("finish_reason") or self._finish
        delta = choice.get("delta") or {}
        for piece in delta.get("tool_calls") or ():
            self._add_call(piece)
        if refused := delta.get("refusal"):
            self._refusal.append(str(refused))
        text = delta.get("content")
        if not isinstance(text, str) or not text:
            return ""
        self._text.append(text)
        return text

    @property
    def has_text(self) -> bool:
        return bool(self._text)

    @property
    def is_finished(self) -> bool:
        """Whether the model said why it stopped: a stream that ends before was cut."""
        return self._finish is not None

    def as_body(self) -> dict[str, Any]:
        calls = [
            {"id": call.id, "function": {"name": call.name, "arguments": "".join(call.arguments)}}
            for call in self._calls
        ]
        message = {"content": "".join(self._text), "refusal": "".join(self._refusal) or None, "tool_calls": calls}
        choice = {"message": message, "finish_reason": self._finish}
        return {"model": self._model, "choices": [choice], "usage": self._usage}

    def _add_call(self, piece: dict[str, Any]) -> None:
        """A piece belongs to the call of its index; some servers give every call index 0, but ids of their own."""
        index, call_id, function = piece.get("index"), piece.get("id") or "", piece.get("function") or {}
        at = index if isinstance(index, int) else max(len(self._calls) - (0 if call_id else 1), 0)
        call = self._at.get(at)
        if call is None or (call_id and call.id and call_id != call.id and function.get("name")):
            call = _Call()
            self._calls.append(call)
            self._at[at] = call
        call.id = call.id or str(call_id)
        call.name = call.name or str(function.get("name") or "")
        arguments = function.get("arguments")
        if arguments:
            call.arguments.append(arguments if isinstance(arguments, str) else json.dumps(arguments))
