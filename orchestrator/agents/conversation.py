"""What a model is sent: messages in the OpenAI chat form, each encoded once when it is added and only joined afterwards.

A long conversation therefore costs the same per step at turn 200 as at turn 5. Too long for the model's window, its oldest tool
results become references first, then everything but the beginning and the last turns becomes a summary.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

KEEP_TURNS = (4, 1)  # so many of the latest turns stay whole; fewer only where that does not make room enough
SMALL = 200  # bytes: a tool result below this is not worth a reference
_WIRE_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
UNNAMED = "unknown_tool"


def encode(value: Any) -> bytes:
    """Compact JSON as UTF-8; what UTF-8 cannot hold is escaped."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def wire_name(tool: str) -> str:
    """A tool's name on a model's wire: "calendar.create_event" → "calendar_create_event"."""
    return tool.replace(".", "_")


def canonical(name: str) -> str:
    """The tool's name that a wire name stands for; families have no underscore."""
    return name.replace("_", ".", 1)


def wire_id(turn: int, index: int) -> str:
    """Id of a call on the wire: nine letters and digits, which every provider takes, and unique in the conversation."""
    return f"t{turn:05d}{index:03d}"


@dataclass(frozen=True, slots=True)
class Asked:
    """One tool call as the model wrote it."""

    name: str
    arguments: str


@dataclass(slots=True)
class _Message:
    body: bytes
    turn: int  # 0 for what came before the first turn
    call_id: str = ""  # of a tool result, the call's id in the run ("t3.0")


@dataclass(slots=True)
class Conversation:
    """Messages in order. `size` is their bytes, a bound of their tokens from above."""

    _messages: list[_Message] = field(default_factory=list)
    _kept: int = 0  # messages at the beginning that stay whatever is folded: the prompt and the packet
    size: int = 0
    folded_to: int = 0  # results of turns before this one are references

    @property
    def messages(self) -> Sequence[bytes]:
        return [message.body for message in self._messages]

    def system(self, text: str) -> None:
        self._add({"role": "system", "content": text}, 0)
        self._kept = len(self._messages)

    def packet(self, text: str) -> None:
        self._add({"role": "user", "content": text}, 0)
        self._kept = len(self._messages)

    def user(self, text: str, turn: int) -> None:
        self._add({"role": "user", "content": text}, turn)

    def assistant(self, text: str, calls: Sequence[Asked], turn: int) -> None:
        """The model's own words. Arguments that are no JSON object are shown to it as {}: providers refuse them otherwise."""
        message: dict[str, Any] = {"role": "assistant", "content": text or (None if calls else "")}
        if calls:
            message["tool_calls"] = [
                {
                    "id": wire_id(turn, index),
                    "type": "function",
                    "function": {
                        "name": call.name if _WIRE_NAME.fullmatch(call.name) else UNNAMED,
                        "arguments": call.arguments if parse_arguments(call.arguments) is not None else "{}",
                    },
                }
                for index, call in enumerate(calls)
            ]
        self._add(message, turn)

    def tool(self, turn: int, index: int, content: str) -> None:
        self._add(
            {"role": "tool", "tool_call_id": wire_id(turn, index), "content": content}, turn, call_id=f"t{turn}.{index}"
        )

    # ---- the window ----------------------------------------------------------------------------------------------
    def can_fold(self, turn: int, keep: int) -> int:
        """The turn before which results can become references now, `turn` being the next one; 0 when nothing is gained."""
        upto = turn - keep
        worth = any(
            m.call_id and self.folded_to <= m.turn < upto and len(m.body) > SMALL for m in self._messages[self._kept :]
        )
        return upto if worth else 0

    def fold(self, upto: int) -> None:
        """Tool results of turns before `upto` become references; the log keeps them whole."""
        for message in self._messages:
            if message.call_id and message.turn < upto and len(message.body) > SMALL:
                told = json.loads(message.body)
                told["content"] = f'{{"folded":"{message.call_id}","bytes":{len(message.body)}}}'
                self.size -= len(message.body)
                message.body = encode(told)
                self.size += len(message.body)
        self.folded_to = max(self.folded_to, upto)

    def can_summarise(self, turn: int, keep: int) -> int:
        """The turn before which everything can become a summary now; 0 when too little stands before it."""
        upto = turn - keep
        return upto if sum(1 for m in self._messages[self._kept :] if m.turn < upto) > 2 else 0

    def before(self, upto: int) -> Sequence[bytes]:
        """The messages a summary up to that turn is made of, prompt and packet included."""
        return [m.body for at, m in enumerate(self._messages) if at < self._kept or m.turn < upto]

    def summarise(self, upto: int, text: str) -> None:
        """Everything between the packet and turn `upto` becomes one message of the house."""
        head, tail = self._messages[: self._kept], [m for m in self._messages[self._kept :] if m.turn >= upto]
        body = encode({"role": "user", "content": text})
        self._messages = [*head, _Message(body, upto), *tail]
        self.size = sum(len(m.body) for m in self._messages)

    def _add(self, message: dict[str, Any], turn: int, *, call_id: str = "") -> None:
        body = encode(message)
        self._messages.append(_Message(body, turn, call_id))
        self.size += len(body)


def parse_arguments(text: str) -> dict[str, Any] | None:
    """The arguments of a call as an object; None when they are not one. Nothing at all counts as no arguments."""
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
