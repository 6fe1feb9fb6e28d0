"""The tools that are the house's own: handing work on, waiting for it, asking, remembering, finishing.

They pass the gate as any tool does; what they change are our own rows. Shown to a model only where its spec lists them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connectors.spec import EffectClass, Json, ToolSpec

FINISH = "finish"
ASK = "agent.ask_requester"
DELEGATE = "agent.delegate"
WAIT = "worklist.wait"
LOOKING = frozenset({WAIT, "memory.recall"})  # those that change nothing
SUPERVISION = (
    "worklist.add",
    DELEGATE,
    WAIT,
    "worklist.reprioritise",
    "worklist.cancel",
    "worklist.nudge",
    ASK,
    "memory.remember",
    "memory.recall",
    FINISH,
)

_text: dict[str, Any] = {"type": "string"}
_names: dict[str, Any] = {"type": "array", "items": _text}
_priority: dict[str, Any] = {"type": "integer", "description": "smaller is more urgent; 100 is usual"}
_due: dict[str, Any] = {"type": "string", "format": "date-time", "description": "with offset"}
_after: dict[str, Any] = {"type": "array", "items": _text, "description": "ids of items that must be done first"}
_item: dict[str, Any] = {"type": "string", "description": "its id"}
_budget: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        name: {"type": "number", "exclusiveMinimum": 0}
        for name in ("model_calls", "tokens", "usd", "minutes", "effects", "turns")
    },
}


def _spec(name: str, title: str, description: str, properties: Mapping[str, Any], required: Sequence[str]) -> ToolSpec:
    parameters = {
        "type": "object",
        "additionalProperties": False,
        "properties": dict(properties),
        "required": list(required),
    }
    return ToolSpec(
        name=name,
        title=title,
        description=description,
        parameters=parameters,
        manifest={"effect": "delegate", "noun": "task", "args": dict.fromkeys(properties, "text")},
        effect_class=EffectClass.IDEMPOTENT,
    )


_SPECS = (
    _spec(
        "worklist.add",
        "Put a request on the worklist",
        "Puts a request in plain words on the worklist; a saved workflow does it where one surely fits. Returns its item id.",
        {"request": _text, "priority": _priority, "due": _due, "after": _after},
        ["request"],
    ),
    _spec(
        DELEGATE,
        "Create a task agent",
        "Starts a task agent in a context of its own and returns its item id at once. Give it either `agent`, one of the "
        "predefined ones, or `instructions` and the few `tools` it needs. It knows nothing but what you write here.",
        {
            "name": {"type": "string", "description": "a short name, e.g. slots"},
            "goal": {"type": "string", "description": "what it shall bring about, complete in itself"},
            "agent": {"type": "string", "description": "name of a predefined agent"},
            "instructions": {"type": "string", "description": "who it is and how it works"},
            "tools": {**_names, "description": "names from the catalogue"},
            "context": {"type": "string", "description": "facts it needs: people, ids, times, preferences"},
            "report": {"type": "string", "description": "what went wrong in an earlier attempt"},
            "result": {"type": "object", "description": "JSON Schema of the result it shall return"},
            "checks": {**_names, "description": "names of checks its result must pass"},
            "judge": {"type": "string", "description": "criteria a second model judges its result by"},
            "may": {
                "type": "array",
                "items": {"type": "object"},
                "description": 'the only effects it may have, e.g. [{"effect": "send", "noun": "email", "quota": 1}]',
            },
            "priority": _priority,
            "due": _due,
            "after": _after,
            "budget": _budget,
            "model": _text,
            "plan": {"type": "boolean", "description": "whether it first writes a plan"},
        },
        ["name", "goal"],
    ),
    _spec(
        WAIT,
        "Wait for items",
        "Waits until any or all of the named items (default: all you started) have ended, or a time is over. Returns those "
        "that ended since you were last told, with their results, and how the others stand.",
        {
            "items": _names,
            "until": {"enum": ["any", "all"]},
            "at_most_minutes": {"type": "number", "exclusiveMinimum": 0},
        },
        [],
    ),
    _spec(
        "worklist.reprioritise",
        "Change the priority of an item of yours",
        "Serves an item that you started earlier or later.",
        {"item": _item, "priority": _priority},
        ["item", "priority"],
    ),
    _spec(
        "worklist.cancel",
        "Cancel an item of yours",
        "Ends an item that you started, and whatever it started. Effects that happened stay.",
        {"item": _item, "reason": _text},
        ["item"],
    ),
    _spec(
        "worklist.nudge",
        "Correct an item of yours",
        "Tells a working agent of yours something; it hears it at its next step.",
        {"item": _item, "text": _text},
        ["item", "text"],
    ),
    _spec(
        ASK,
        "Ask the requester",
        "Asks the person you work for and waits for the answer. Only for what you can neither find out nor decide.",
        {"question": _text, "choices": {**_names, "maxItems": 9}},
        ["question"],
    ),
    _spec(
        "memory.remember",
        "Remember a fact",
        "Keeps a fact for later runs: of this run, of the person you work for, of their team or of a workflow.",
        {
            "text": {"type": "string", "maxLength": 2000},
            "scope": {"enum": ["run", "person", "team"]},
            "days": {"type": "number", "exclusiveMinimum": 0, "description": "after which it is forgotten"},
        },
        ["text"],
    ),
    _spec(
        "memory.recall",
        "Recall facts",
        "Facts remembered earlier that share words with the query.",
        {"query": _text},
        ["query"],
    ),
)
HOUSE_TOOLS: dict[str, ToolSpec] = {spec.name: spec for spec in _SPECS}
HOUSE_TOOLS[FINISH] = _spec(
    FINISH,
    "Finish",
    "Ends your work with its result. outcome: done; not_possible (say why); needs_person (somebody has to look).",
    {
        "answer": {"type": "string", "description": "for the reader: what was done, what was not"},
        "outcome": {"enum": ["done", "not_possible", "needs_person"]},
    },
    ["answer"],
)


def finish_spec(result: Mapping[str, Any] | None) -> ToolSpec:
    """The finish tool of an agent with a typed result; without one an object of its own choice is possible."""
    if result is None:
        return HOUSE_TOOLS[FINISH]
    plain = HOUSE_TOOLS[FINISH].parameters
    return _spec(
        FINISH,
        "Finish",
        HOUSE_TOOLS[FINISH].description,
        {**plain["properties"], "result": dict(result)},
        ["answer"],
    )


def minimal(spec: ToolSpec) -> dict[str, Json]:
    """What a model is shown of a tool, in the OpenAI form."""
    return {
        "type": "function",
        "function": {
            "name": spec.name.replace(".", "_"),
            "description": spec.description,
            "parameters": dict(spec.parameters),
        },
    }
