"""What an agent knows, folded over its step log: conversation, calls without an answer, and the counts that end a run.

The forward path and every rebuild apply the same rows, so that they cannot disagree. REPLAY: `apply` is pure but for the state here.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.spec import Json
from orchestrator.agents.conversation import Asked, Conversation, encode, parse_arguments

LONGEST_RESULT = 48_000  # bytes of one tool result shown to a model; the log keeps it whole
_HEARD = frozenset({"agent.ask_requester", "memory.recall"})
_FAILED = frozenset({"failed", "refused", "not_sent"})
_EDIT = re.compile(r"~\d+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A call of the latest reply that has no answer yet. `call_id`: its id at the gate; `args` None: not a JSON object."""

    turn: int
    index: int
    call_id: str
    tool: str  # canonical where the model was shown it, else as the model wrote it
    args: Mapping[str, Any] | None
    raw: str
    is_listed: bool


@dataclass(slots=True)
class Spent:
    """Totals of the run for its receipt. Money in millionths of a dollar."""

    model_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_microusd: int = 0
    sent_bytes: int = 0
    retries: int = 0
    endpoints: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def add(self, told: Mapping[str, Any]) -> None:
        """One model call as its row has it."""
        usage = told.get("usage") or {}
        self.model_calls += 1
        self.input_tokens += int(usage.get("in", 0))
        self.output_tokens += int(usage.get("out", 0))
        self.cost_microusd += int(told.get("cost", 0))
        self.sent_bytes += int(told.get("bytes", 0))
        self.retries += int(told.get("retries", 0))
        key = (str(told.get("endpoint", "")), str(told.get("model", "")))
        one = self.endpoints.setdefault(
            key, {"endpoint": key[0], "model": key[1], "calls": 0, "bytes": 0, "classes": [], "dropped": []}
        )
        one["calls"] += 1
        one["bytes"] += int(told.get("bytes", 0))
        one["classes"] = sorted({*one["classes"], "secret" if told.get("secret") else "normal"})
        one["dropped"] = sorted({*one["dropped"], *(told.get("dropped") or ())})


@dataclass(slots=True, kw_only=True)
class History:
    """State of one agent's run. `listed`: wire name → canonical name of every tool it was shown."""

    listed: Mapping[str, str]
    conversation: Conversation = field(default_factory=Conversation)
    turn: int = 1  # of the next reply
    is_planned: bool = False
    waiting: dict[str, Pending] = field(
        default_factory=dict
    )  # call id at the gate → the call that waits for its answer
    stale: list[str] = field(default_factory=list)  # calls that a remark interrupted and that the model did not repeat
    repeats: Counter[str] = field(default_factory=Counter)
    chats: int = 0  # replies in a row without a call
    blunders: int = 0  # turns in a row in which every call was malformed or unknown
    has_failed: bool = False  # a call of the latest reply came back with anything but its result
    failed_checks: int = 0
    checked: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    said: set[str] = field(default_factory=set)  # keys of the house's own words
    reported: set[str] = field(default_factory=set)  # children whose end this agent was told of
    last_text: str = ""
    last_usage: tuple[int, int] = (0, 0)  # bytes sent, input tokens they were
    spent: Spent = field(default_factory=Spent)
    heard: list[tuple[str, Json]] = field(default_factory=list)  # what people answered and what was recalled, by tool
    _open: dict[str, str] = field(default_factory=dict)  # digest of an interrupted call → its id at the gate

    def rebuild(self, rows: Sequence[Any]) -> None:
        """Applies rows of a log: objects with kind, key and body, in order."""
        for row in rows:
            self.apply(row.kind, row.key, row.body)

    def apply(self, kind: str, key: str, body: Any) -> None:
        match kind:
            case "agent":
                self.conversation.system(body["system"])
                self.conversation.packet(body["told"])
            case "user":
                self.said.add(key)
                self.conversation.user(body["text"], self.turn)
            case "reply":
                self._apply_reply(key, body)
            case "read":
                self._answer(key, body["tool"], body["result"])
            case "effect":
                self._answer(key, body["tool"], _with_changes(key, body))
            case "result":
                self._apply_result(key, body)
            case "nudge" if "shown" in body:
                self.conversation.user(body["shown"], self.turn)
                self.heard.append(("nudge", body["text"]))
                self.chats = 0
            case "check":
                if "usage" in body:
                    self.spent.add(body)
                self.checked[key] = body
                self.failed_checks += 0 if body["ok"] else 1
            case "fold":
                self.conversation.fold(int(body["upto"]))
            case "summary":
                self.spent.add(body)
                self.conversation.summarise(int(body["upto"]), body["shown"])

    # ---- replies -------------------------------------------------------------------------------------------------
    def _apply_reply(self, key: str, body: Mapping[str, Any]) -> None:
        calls = [Asked(call["name"], call["arguments"]) for call in body["calls"]]
        self.spent.add(body)
        usage = body.get("usage") or {}
        self.last_usage = (int(body.get("bytes", 0)), int(usage.get("in", 0)))
        self.last_text = body["text"] or self.last_text
        if key == "plan":
            self.conversation.assistant(body["text"], (), 0)
            self.is_planned = True
            return
        turn = self.turn
        self.conversation.assistant(body["text"], calls, turn)
        self.chats = 0 if calls else self.chats + 1
        self.waiting = {}
        self.has_failed = False
        repeated = set()
        for index, call in enumerate(calls):
            args = parse_arguments(call.arguments)
            tool = self.listed.get(call.name, call.name)
            digest = digest_of(tool, args, call.arguments)
            call_id = self._open.get(digest, f"t{turn}.{index}")
            if call_id in self.waiting:  # the same call twice in one reply is two calls
                call_id = f"t{turn}.{index}"
            elif digest in self._open:
                repeated.add(call_id)
            self.waiting[call_id] = Pending(
                turn=turn,
                index=index,
                call_id=call_id,
                tool=tool,
                args=args,
                raw=call.arguments,
                is_listed=call.name in self.listed,
            )
            if args is not None and call.name in self.listed:
                self.repeats[digest] += 1
        self.stale = [call_id for call_id in self._open.values() if call_id not in repeated]
        self._open = {}
        sane = any(p.args is not None and p.is_listed for p in self.waiting.values())
        self.blunders = 0 if sane or not calls else self.blunders + 1
        self.turn = turn + 1

    def _apply_result(self, key: str, body: Mapping[str, Any]) -> None:
        pending = self.waiting.get(key)
        if body.get("open") and pending is not None:
            self._open[digest_of(pending.tool, pending.args, pending.raw)] = key
        if body["tool"] in _HEARD:
            self.heard.append((body["tool"], body["value"]))
        if isinstance(body["value"], dict) and not _FAILED.isdisjoint(body["value"]):
            self.has_failed = True
        for item_id in body.get("children", {}):
            self.reported.add(item_id)
        self._answer(key, body["tool"], body["value"])

    def _answer(self, key: str, tool: str, value: Json) -> None:
        pending = self.waiting.pop(_EDIT.sub("", key), None)
        if pending is not None:
            self.conversation.tool(pending.turn, pending.index, shown(value))


def digest_of(tool: str, args: Mapping[str, Any] | None, raw: str) -> str:
    """Equal for equal calls, however their arguments were spaced or ordered."""
    return f"{tool} {raw if args is None else json.dumps(args, sort_keys=True, default=str)}"


def shown(value: Json) -> str:
    """A result as the model reads it: compact JSON, cut where it is too long."""
    text = encode(value)
    if len(text) <= LONGEST_RESULT:
        return text.decode()
    kept = text[:LONGEST_RESULT].decode("utf-8", "ignore")
    return f"{kept} … [cut: {len(text)} bytes in all; ask for less, or page]"


def _with_changes(key: str, body: Mapping[str, Any]) -> Json:
    """An effect's result; after a person's edit with the arguments that were really used."""
    if _EDIT.search(key) is None:
        result: Json = body["result"]
        return result
    return {"done": body["result"], "a_person_changed_the_arguments_to": body["args"]}
