"""What an agent's run did, turn by turn, as one document: read off the documents of its step log and its ledger. Pure.

rows: `document.step_entry`, `seq` ascending; effects: `document.effect_entry`. Rows that are not there yet leave gaps, never
errors: a transcript can be read while the agent thinks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Document: TypeAlias = Mapping[str, Any]

HIDDEN = "(a fact of the requester's own)"
PLAN = "plan"  # key of the planning turn's reply
_ANSWERS = frozenset({"read", "effect", "result"})  # rows that answer a call, keyed by its id at the gate
_UNSETTLED = frozenset({"open", "intended", "approved", "attempted", "unknown"})
_EDITED = re.compile(r"~\d+$")  # behind a call's id: a person changed its card
_USAGE = ("in", "out", "cached")
_ABOUT = ("name", "role", "output", "checks", "judge", "plan", "max_turns", "max_checks", "agents")


def transcript(rows: Sequence[Document], effects: Sequence[Document], *, state: str = "open") -> dict[str, Any]:
    """{"agent", "prompt", "packet", "told", "tools", "recalled", "examples", "before", "turns", "totals"}.

    `told`: the first message; `before`: what came ahead of the first turn. `agent` is None for a run that no agent did. `state`:
    the run's; the finish that ended it has no answer of its own, and shows it.
    """
    opened = _body(next((row for row in rows if row["kind"] == "agent"), None))
    spec = _mapping(opened.get("spec"))
    listed = {wire(tool["name"]): tool["name"] for tool in opened.get("tools") or ()}
    before, turns = _turns(rows, listed, {_EDITED.sub("", effect["call_id"]): effect for effect in effects})
    for call in turns[-1]["calls"] if turns and state != "open" else ():
        if call["tool"] == "finish" and call["outcome"] == "open":
            call["outcome"] = "accepted" if state == "done" else state
    return {
        "agent": _agent(spec, opened) if opened else None,
        "prompt": {"text": opened.get("system", ""), "digest": spec.get("prompt_digest", "")} if opened else None,
        "packet": opened.get("packet"),
        "told": opened.get("told", ""),
        "tools": list(opened.get("tools") or ()),
        "recalled": list(opened.get("recalled") or ()),
        "examples": list(opened.get("examples") or ()),
        "before": before,
        "turns": turns,
        "totals": totals(rows, effects),
    }


def totals(rows: Sequence[Document], effects: Sequence[Document]) -> dict[str, Any]:
    """Model calls, tokens, money, time and effects of a run so far; whatever used a model counts, judges and summaries too."""
    used = [body for row in rows if "usage" in (body := _body(row))]
    tokens = {name: sum(_count(_mapping(body["usage"]), name) for body in used) for name in _USAGE}
    cost = sum(_count(body, "cost") for body in used)
    return {
        "model_calls": len(used),
        "input_tokens": tokens["in"],
        "output_tokens": tokens["out"],
        "cached_tokens": tokens["cached"],
        "cost_microusd": cost,
        "cost_usd": cost / 1_000_000,
        "model_ms": sum(_count(body, "ms") for body in used),
        "retries": sum(_count(body, "retries") for body in used),
        "tool_calls": sum(len(_body(row).get("calls") or ()) for row in rows if row["kind"] == "reply"),
        "effects_done": sum(1 for effect in effects if effect["state"] == "done"),
        "models": sorted({str(body["model"]) for body in used if body.get("model")}),
        "endpoints": sorted({str(body["endpoint"]) for body in used if body.get("endpoint")}),
    }


def standing(rows: Sequence[Document], effects: Sequence[Document]) -> dict[str, Any]:
    """Where an agent is right now: {"turn", "doing", "plan", "said"}.

    `turn`: replies so far, planning aside. `doing`: the calls of the last one that are not settled yet, each {"tool",
    "state"}: open, or the ledger's word; empty while it thinks. `said`: its latest text.
    """
    opened = _body(next((row for row in rows if row["kind"] == "agent"), None))
    listed = {wire(tool["name"]): tool["name"] for tool in opened.get("tools") or ()}
    _, every = _turns(rows, listed, {_EDITED.sub("", effect["call_id"]): effect for effect in effects})
    turns = [turn for turn in every if turn["turn"] != PLAN]
    calls = turns[-1]["calls"] if turns else ()
    return {
        "turn": len(turns),
        "doing": [{"tool": call["tool"], "state": call["outcome"]} for call in calls if call["outcome"] in _UNSETTLED],
        "plan": next((turn["text"] for turn in every if turn["turn"] == PLAN), ""),
        "said": next((turn["text"] for turn in reversed(turns) if turn["text"]), ""),
    }


def without_facts(row: Document) -> Document:
    """The row without the words of the requester's own facts, as anybody but the requester may read it.

    Hides what was recalled, where it was recalled; what an agent wrote in words of its own stays.
    """
    body = _body(row)
    recalled = [fact for fact in body.get("recalled") or () if fact.get("scope") == "person"]
    found = _mapping(body.get("value")).get("facts") if body.get("tool") == "memory.recall" else None
    recalled += [fact for fact in found or () if str(fact.get("source") or "").startswith("person")]
    texts = {form for fact in recalled for form in (fact["text"], " ".join(fact["text"].split())) if form}
    return {**row, "body": _hidden(body, sorted(texts, key=len, reverse=True))} if texts else row


def _hidden(value: Any, texts: Sequence[str]) -> Any:
    if isinstance(value, str):
        for text in texts:
            value = value.replace(text, HIDDEN)
        return value
    if isinstance(value, Mapping):
        return {key: _hidden(inner, texts) for key, inner in value.items()}
    return [_hidden(inner, texts) for inner in value] if isinstance(value, list | tuple) else value


def wire(tool: str) -> str:
    """A tool's name as a model sees it."""
    return tool.replace(".", "_")


# ---- turns -----------------------------------------------------------------------------------------------------------
def _turns(
    rows: Sequence[Document], listed: Mapping[str, str], ledger: Mapping[str, Document]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(what came before the first turn, the turns). A call that a remark interrupted keeps its id when it is asked again."""
    before: list[dict[str, Any]] = []
    turns: list[dict[str, Any]] = []
    waiting: dict[str, dict[str, Any]] = {}
    interrupted: dict[str, str] = {}
    for row in rows:
        body = _body(row)
        if row["kind"] == "reply":
            calls = _calls(row["key"], body.get("calls") or (), listed, interrupted)
            waiting = {call["call_id"]: call for call in calls}
            interrupted = {}
            turns.append(_turn(row, body, calls))
        elif row["kind"] in _ANSWERS:
            call_id = _EDITED.sub("", row["key"])
            if (call := waiting.get(call_id)) is not None:
                _answer(call, row, body)
                if body.get("open"):
                    interrupted[_same(call)] = call_id
        elif row["kind"] != "agent":
            (turns[-1]["after"] if turns else before).append(
                {**body, "kind": row["kind"], "key": row["key"], "at": row["at"]}
            )
    for turn in turns:
        for call in turn["calls"]:
            _settle(call, ledger.get(call["call_id"]))
    return before, turns


def _turn(row: Document, body: Mapping[str, Any], calls: list[dict[str, Any]]) -> dict[str, Any]:
    usage = _mapping(body.get("usage"))
    return {
        "turn": row["key"],
        "at": row["at"],
        "text": body.get("text") or "",
        "finish": body.get("finish"),
        "calls": calls,
        "usage": {name: _count(usage, name) for name in _USAGE},
        "cost_microusd": _count(body, "cost"),
        **{name: body.get(name) for name in ("model", "endpoint", "bytes", "retries", "ms", "dropped")},
        "after": [],
    }


def _calls(
    turn: str, asked: Sequence[Mapping[str, Any]], listed: Mapping[str, str], interrupted: Mapping[str, str]
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for index, one in enumerate(asked):
        name = str(one.get("name") or "")
        call: dict[str, Any] = {
            "call_id": f"{turn}.{index}",
            "name": name,
            "tool": listed.get(name, name),
            "arguments": _arguments(one.get("arguments")),
            "outcome": "open",
            "decision": None,
            "rules": [],
            "reason": "",
            "effect_id": None,
            "value": None,
            "error": None,
            "at": None,
        }
        known = interrupted.get(_same(call))
        if known is not None and known not in {other["call_id"] for other in found}:
            call["call_id"] = known
        found.append(call)
    return found


def _same(call: Mapping[str, Any]) -> str:
    """Equal for calls that ask the same."""
    return f"{call['tool']} {json.dumps(call['arguments'], sort_keys=True, default=str)}"


def _answer(call: dict[str, Any], row: Document, body: Mapping[str, Any]) -> None:
    """What the agent was told of its call. outcome: read | done | told (a tool of the house answered) | refused | failed."""
    value = body.get("value") if row["kind"] == "result" else body.get("result")
    told = _mapping(value)
    words = {"refused": "refused", "not_accepted": "refused", "failed": "failed", "not_sent": "failed"}
    bad = next((word for word in words if word in told), None) if row["kind"] == "result" else None
    call["value"], call["at"] = value, row["at"]
    call["tool"] = body.get("tool") or call["tool"]
    call["outcome"] = words[bad] if bad else {"read": "read", "effect": "done"}.get(row["kind"], "told")
    if bad:
        call["error"] = {"code": str(told.get("code") or bad), "message": str(told[bad])}


def _settle(call: dict[str, Any], effect: Document | None) -> None:
    """What the ledger knows of it goes before what the agent was told."""
    if effect is None:
        return
    call |= {name: effect[name] for name in ("tool", "decision", "rules", "reason", "effect_id")}
    call |= {"outcome": effect["state"], "error": effect["error"] or call["error"]}


def _agent(spec: Mapping[str, Any], opened: Mapping[str, Any]) -> dict[str, Any]:
    about = {name: spec[name] for name in _ABOUT if name in spec}
    return {**about, "model": opened.get("model"), "limits": dict(_mapping(opened.get("limits")))}


def _arguments(text: Any) -> Any:
    """The arguments as an object where the model wrote one, else exactly what it wrote."""
    if not isinstance(text, str):
        return text
    try:
        value = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, dict) else text


def _body(row: Document | None) -> Mapping[str, Any]:
    return _mapping(row["body"] if row is not None else None)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _count(body: Mapping[str, Any], name: str) -> int:
    return int(body.get(name) or 0)
