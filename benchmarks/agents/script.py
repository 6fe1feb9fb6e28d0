"""What the scripted model says: a task of N tool turns over three read tools, then the end; and a supervisor over three such tasks.

Shared by the model server and everybody who has to know what it will say. Arguments differ from turn to turn, because an agent
that repeats a call is stopped.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

ME = "alex.moreau@brightwater.example"  # the main person of the office with seed 1
MONDAY = datetime(2026, 11, 23, 9, tzinfo=UTC)
TOOLS = ("mail.search", "calendar.list_events", "calendar.freebusy")
SMALL, LARGE = 1, 20  # entries of a result: usually, and in the variant with larger results
TURNS = 5  # tool turns of a usual task: six steps, the end included
ANSWER = "Three mails and two meetings concern the budget review; nothing is open before Thursday."
REQUEST = "Look up what my mail and my calendar say about the budget review, and tell me."
GOAL = "Compare what my mail, my calendar and my free time say about the budget review."
INSTRUCTIONS = "You look things up in mail and calendars and report what stands there in one sentence."
SUPERVISOR_CALLS = 4  # of the supervisor itself; with three tasks of TURNS + 1 calls each: 22

Asked = tuple[str, dict[str, Any]]  # wire name, arguments


def tool_call(turn: int, limit: int = SMALL) -> Asked:
    """What a task asks in its turn, from 0: the same for the same turn, different from every other turn. limit: entries of a result."""
    tool = TOOLS[turn % len(TOOLS)]
    at = MONDAY + timedelta(hours=turn)
    if tool == "mail.search":
        return _wire(tool), {"until": (MONDAY - timedelta(hours=turn)).isoformat(), "limit": limit}
    if tool == "calendar.list_events":
        return _wire(tool), {"start": at.isoformat(), "end": (at + timedelta(days=3)).isoformat(), "limit": limit}
    return _wire(tool), {"people": [ME], "start": at.isoformat(), "end": (at + timedelta(hours=5)).isoformat()}


def supervisor_calls(answered: int) -> list[Asked]:
    """What a supervisor asks when so many of its calls are answered: one task, another, a third and the wait for all."""
    if answered > 2:
        return [("finish", {"answer": ANSWER})]
    name = ("mail", "events", "times")[answered]
    task: Asked = (
        "agent_delegate",
        {"name": name, "goal": REQUEST, "instructions": INSTRUCTIONS, "tools": list(TOOLS)},
    )
    return [task] if answered < 2 else [task, ("worklist_wait", {"until": "all"})]


def completion(calls: list[Asked], text: str, at: int) -> bytes:
    """The JSON of a chat completion, with `%d` where the count of prompt tokens goes."""
    message: dict[str, Any] = {"role": "assistant", "content": None if calls else text}
    if calls:
        message["tool_calls"] = [
            {"id": f"call_{at}_{index}", "type": "function", "function": {"name": name, "arguments": encoded(args)}}
            for index, (name, args) in enumerate(calls)
        ]
    whole = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1795424400,
        "model": "script",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}],
        "usage": {"prompt_tokens": -1, "completion_tokens": 20, "total_tokens": 0},
    }
    return encoded(whole).encode().replace(b"%", b"%%").replace(b":-1,", b":%d,", 1)


def encoded(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _wire(tool: str) -> str:
    return tool.replace(".", "_")
