"""A task agent out of the arguments of `agent.delegate`: its spec, its packet, its budget; and what is wrong with them, in words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.agents import checks, prompts
from orchestrator.agents.house_tools import HOUSE_TOOLS
from orchestrator.agents.prompts import digest_of
from orchestrator.agents.result_schema import problem_of
from orchestrator.agents.spec import EVERY_TASK, AgentSpec, Definition, did_you_mean, expand, limits_of
from orchestrator.errors import UsageError

MOST_TOOLS = 40  # of one task agent


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A task agent before it is born. `context`: what its packet tells it, `told` as it reads it."""

    spec: AgentSpec
    context: Mapping[str, Any]


def make(
    args: Mapping[str, Any],
    *,
    parent: AgentSpec,
    catalogue: Mapping[str, Definition],
    names: Sequence[str],
    prompt: Callable[[str], prompts.Prompt],
    variables: Mapping[str, Any],
) -> Made:
    """`names`: every connector tool there is; `prompt`: those in force, by name. Raises UsageError for what cannot be made."""
    task = prompt("task")
    known = [*names, *HOUSE_TOOLS]
    if args.get("agent"):
        spec = _predefined(str(args["agent"]), parent, catalogue).spec(known, task=task, variables=variables)
        if args.get("tools"):
            fewer = expand(args["tools"], spec.tools, where="tools")
            spec = replace(spec, tools=tuple(dict.fromkeys((*fewer, *EVERY_TASK))))
    else:
        if parent.agents is not None:
            raise UsageError(
                "only predefined agents may be used here", fix=f"agent: one of {', '.join(sorted(parent.agents))}"
            )
        spec = _new(args, task, names, variables)
    result = args.get("result") or spec.output
    if args.get("result") and (problem := problem_of(result, from_model=True)) is not None:
        raise UsageError(f"result: {problem}", fix="give a JSON Schema of an object")
    for name in args.get("checks", ()):
        if not checks.is_known(name):
            raise UsageError(f"checks: there is no check {name!r}", fix=did_you_mean(name, checks.names()))
    budget = {**spec.budget, **limits_of(args.get("budget") or {})}
    spec = replace(
        spec,
        name=str(args["name"])[:60],
        output=result,
        checks=tuple(dict.fromkeys((*spec.checks, *args.get("checks", ())))),
        judge=str(args.get("judge") or spec.judge),
        model=args.get("model") or spec.model,
        plan=bool(args.get("plan", spec.plan)),
        budget={name: most for name, most in budget.items() if name != "turns"},
        max_turns=min(spec.max_turns, budget.get("turns", spec.max_turns)),
    )
    told = prompt("packet").render(
        goal=str(args["goal"]), known=str(args.get("context") or ""), report=str(args.get("report") or "")
    )
    context = {name: args[name] for name in ("goal", "context", "report", "may") if args.get(name)}
    return Made(spec=spec, context={**context, "told": told})


def _predefined(name: str, parent: AgentSpec, catalogue: Mapping[str, Definition]) -> Definition:
    allowed = {one: made for one, made in catalogue.items() if parent.agents is None or one in parent.agents}
    if name not in allowed:
        raise UsageError(f"there is no predefined agent {name!r}", fix=did_you_mean(name, allowed))
    return allowed[name]


def _new(
    args: Mapping[str, Any], task: prompts.Prompt, names: Sequence[str], variables: Mapping[str, Any]
) -> AgentSpec:
    tools = expand(args.get("tools") or (), [*names, *EVERY_TASK], where="tools")
    if len(tools) > MOST_TOOLS:
        raise UsageError(f"{len(tools)} tools are too many for one task agent", fix=f"give it at most {MOST_TOOLS}")
    instructions = str(args.get("instructions") or f"You do one task: {args['name']}.")
    digest = digest_of(task.digest, json.dumps(instructions))
    return AgentSpec(
        name=str(args["name"])[:60],
        prompt=prompts.around(instructions, task, variables),
        prompt_digest=digest,
        tools=tuple(dict.fromkeys((*tools, *EVERY_TASK))),
    )
