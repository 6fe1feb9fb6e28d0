"""Agents and models that tests share: a home whose agents are files, models that misbehave, and what became of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.agents.puppet import Asked, Call, Says, finish
from tests.e2e.place import Place

ODD = "Please look into how busy my week is and tell me in one line"
WEEK = {"start": "2026-11-23T00:00:00+00:00", "end": "2026-11-28T00:00:00+00:00"}
LOOK = Call("calendar_list_events", WEEK)
Script = Callable[[Asked], Says]


def hire(place: Place, name: str, tools: Sequence[str], *, body: str = "You do as you are told.", **front: Any) -> None:
    """Writes a predefined agent into the home."""
    folder = place.home / "agents"
    folder.mkdir(exist_ok=True)
    told = {"version": 1, "description": f"The agent {name}.", "tools": list(tools), **front}
    lines = "\n".join(f"{key}: {json.dumps(value)}" for key, value in told.items())
    (folder / f"{name}.md").write_text(f"---\n{lines}\n---\n{body}\n")


def delegate(name: str, *tools: str, goal: str = "", **more: Any) -> Call:
    """A supervisor's call that makes a task agent."""
    args = {"name": name, "goal": goal or f"do {name}", "instructions": "You do it.", "tools": list(tools), **more}
    return Call("agent_delegate", args)


def wait(until: str = "all", **more: Any) -> Call:
    return Call("worklist_wait", {"until": until, **more})


def told_of(value: Any) -> str:
    """What a supervisor was told of its children, as the text that ends the request."""
    return json.dumps(value, sort_keys=True)


def supervise(*children: Call, until: str = "all") -> Script:
    """Starts every child in one turn, waits, and answers with what it was told, as JSON."""

    def script(asked: Asked) -> Says:
        if asked.turn == 0:
            return list(children)
        if asked.turn == 1:
            return wait(until)
        return finish(told_of(asked.answers[0]))

    return script


def cast(supervisor: Script, **agents: Script) -> Script:
    """One model for all: who speaks is known by what it was told; `do NAME` is the agent NAME's goal."""

    def script(asked: Asked) -> Says:
        if asked.is_supervisor:
            return supervisor(asked)
        for name, one in agents.items():
            if f"do {name}" in asked.told:
                return one(asked)
        raise AssertionError(f"nobody plays {asked.told!r}")

    return script


def ended(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The children's ends as the supervisor of `supervise` was told them."""
    found: list[dict[str, Any]] = json.loads(document["text"])["ended"]
    return found
