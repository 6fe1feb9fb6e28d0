"""What other rules would have decided on what was really done: recorded calls, decided anew over what had been read by then.

Changes nothing and calls nobody. People and tools are today's; quotas count from nothing, so a limit over a whole tree shows
only where one call exceeds it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from orchestrator.deputy import Deputy
from orchestrator.domain.person import Person
from orchestrator.domain.principal import Principal
from orchestrator.engine.advance import House, published_grant
from orchestrator.gate.authorize import open_case
from policies.guard import Call, Case, Result


def rehearse(desk: Deputy, who: Principal, house: House, *, limit: int) -> dict[str, Any]:
    """{"decided", "same", "changed": […], "skipped": […]} over the newest `limit` runs, newest first."""
    people = [Person(**entry) for entry in desk.people()]
    decided, changed, skipped = 0, [], []
    for brief in desk.runs(who, limit=limit):
        workflow = house.library.get(brief["workflow"]) if brief["workflow"] else None
        if workflow is None:
            skipped.append({"run_id": brief["run_id"], "why": "its workflow is no longer in the library"})
            continue
        run, item = desk.run(who, brief["run_id"]), desk.item(who, brief["item_id"])
        case = open_case(
            house.guard,
            request=item["request"],
            requester=item["requester"],
            origin="human",
            now=datetime.fromisoformat(item["created_at"]),
            tools=house.toolbox.for_guard(),
            people=people,
            inside_domains=house.inside_domains,
            grant=published_grant(workflow),
        )
        for effect, verdict in _decide_anew(case, run["steps"], run["effects"]):
            decided += 1
            if verdict.effect != effect["decision"]:
                changed.append(
                    {
                        "effect_id": effect["effect_id"],
                        "item_id": effect["item_id"],
                        "tool": effect["tool"],
                        "preview": effect["preview"],
                        "was": effect["decision"],
                        "would_be": verdict.effect,
                        "rules": list(verdict.rules),
                        "reason": verdict.reason,
                    }
                )
    return {"decided": decided, "same": decided - len(changed), "changed": changed, "skipped": skipped}


def _decide_anew(case: Case, steps: Sequence[Mapping[str, Any]], effects: Sequence[Mapping[str, Any]]) -> list[Any]:
    """(effect, decision) pairs: an effect that was done is decided where it stands in the log, any other at its end."""
    waiting = {effect["call_id"]: effect for effect in effects}
    pairs = []
    for step in steps:
        body = step["body"]
        if step["kind"] in ("answer", "nudge") and isinstance(body, dict):
            case.say(body["text"], body["by"], origin="human" if body["human"] else "agent")
        if step["kind"] not in ("read", "effect") or not isinstance(body, dict) or "tool" not in body:
            continue
        effect = waiting.pop(step["key"], None) if step["kind"] == "effect" else None
        if effect is not None:
            pairs.append((effect, case.decide(_call(effect))))
        case.observe(Result(call=Call(tool=body["tool"], args=body["args"]), value=body["result"], error=None))
    return [*pairs, *((effect, case.decide(_call(effect))) for effect in waiting.values())]


def _call(effect: Mapping[str, Any]) -> Call:
    return Call(tool=effect["tool"], args=dict(effect["args"]))
