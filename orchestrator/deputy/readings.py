"""Who could have read what a piece of work has read, off its logs: by this a channel gets its answer, or a direct message does.

Every row of every run of the whole tree is looked at, and each has to be understood; it grants nothing and changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

from connectors.families import declared
from orchestrator.domain.item import Item, Origin
from orchestrator.store import items as items_table
from orchestrator.store import people as people_table
from orchestrator.store import runs as runs_table
from orchestrator.store import steplog, worklist
from orchestrator.store.database import Tx
from orchestrator.store.steplog import StepRow
from policies import listeners
from policies.listeners import Readers
from policies.manifest import Tool, parse
from policies.words import normal

# Rows that hold what a model or code made of the others, or the requester's own request.
_DERIVED = frozenset({"match", "slots", "reply", "check", "summary", "fold", "user"})
_SAID = frozenset({"answer", "chosen", "edit", "nudge"})
# Tools of the house whose answers hold what the runs of the same tree have read, and nothing else.
_OF_THE_TREE = frozenset(
    {
        "agent.delegate",
        "agent.ask_requester",
        "worklist.add",
        "worklist.wait",
        "worklist.reprioritise",
        "worklist.cancel",
        "worklist.nudge",
        "finish",
    }
)
# Of a workflow: what it is called, and by which words.
_PROSE = frozenset({"title", "description", "examples", "near_misses"})


def of_work(tx: Tx, item: Item, requester: str) -> frozenset[Readers] | None:
    """The readers of everything that the tree of this root has read. None: somebody alone, or not known to the last row."""
    # INVARIANT: a request of the requester's own mouth alone; a trigger's and an agent's carry what others wrote.
    if item.origin is not Origin.HUMAN or item.parent_id is not None or item.requester != requester:
        return None
    family = [item.item_id, *worklist.descendants(tx, item.item_id)]
    every = runs_table.of_items(tx, family)
    inside = frozenset(normal(one.address) for one in people_table.all(tx) if one.inside)
    found: set[Readers] = set()
    for item_id in family:
        runs = every.get(item_id, [])
        # INVARIANT: what was forgotten by now was read all the same.
        if len(runs) != items_table.row(tx, item_id).run_count:
            return None
        for run in runs:
            rows = steplog.load(tx, run.run_id)
            if [row.seq for row in rows] != list(range(1, len(rows) + 1)) or not rows:
                return None
            content: Mapping[str, Any] = run.pins.get("content") or {}
            if _uses_preferences([value for name, value in content.items() if name not in _PROSE]):
                return None
            for row in rows:
                readers = _of_row(row, requester, inside)
                if readers is None:
                    return None
                found |= readers
    return frozenset(found)


def _of_row(row: StepRow, requester: str, inside: Collection[str]) -> frozenset[Readers] | None:
    """Of what the row brought in; empty for nothing. INVARIANT: a row that is of no known kind has no readers."""
    nothing: frozenset[Readers] = frozenset()
    body: Mapping[str, Any] = row.body if isinstance(row.body, Mapping) else {}
    if row.kind == "read":
        return _of_read(body, inside)
    if row.kind == "result":  # an answer of the house, or a word about a call that brought nothing
        return nothing if body.get("tool") in _OF_THE_TREE else _of_read({**body, "args": {}, "result": None}, inside)
    if row.kind == "agent":  # INVARIANT: what is remembered is the person's, or the team's; never a channel's
        return None if body.get("recalled") or not body else nothing
    if row.kind in _SAID:
        return nothing if body.get("human") is True and body.get("by") == requester else None
    return nothing if row.kind in _DERIVED or row.kind.startswith("wf.") else None


def _of_read(body: Mapping[str, Any], inside: Collection[str]) -> frozenset[Readers] | None:
    tool, args = _tool(str(body.get("tool") or "")), body.get("args")
    if tool is None or not isinstance(args, Mapping):
        return None
    return listeners.readers_of(tool, args, body.get("result"), is_inside=lambda one: one in inside)


@cache
def _tool(name: str) -> Tool | None:
    """As its family declares it, whose names no tool server can take; None for any other tool, whatever it says of itself."""
    spec = declared(name)
    if spec is None:
        return None
    return parse({"name": name, "parameters": dict(spec.parameters), "manifest": dict(spec.manifest)})


def _uses_preferences(content: Any) -> bool:
    """Whether a workflow uses what the requester prefers otherwise than to narrow times by it: then it may write it out."""
    if isinstance(content, str):
        return "preferences" in content
    if isinstance(content, Mapping):
        if content.get("call") == "calendar.find_slots":
            args = {name: value for name, value in content.get("args", {}).items() if name != "preferences"}
            content = {**content, "args": args}
        return any(_uses_preferences(one) for one in content.values())
    return isinstance(content, list | tuple) and any(_uses_preferences(one) for one in content)
