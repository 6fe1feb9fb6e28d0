"""How an agent's run begins: whose spec it is, what it is told, which tools it is shown, what it recalls; all of it on the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from connectors.spec import ToolSpec
from orchestrator import clock
from orchestrator.agents import prompts
from orchestrator.agents.conversation import encode
from orchestrator.agents.house_tools import FINISH, HOUSE_TOOLS, SUPERVISION, finish_spec, minimal
from orchestrator.agents.models.registry import Models
from orchestrator.agents.prompts import Prompt
from orchestrator.agents.remembering import RECALLED, as_told
from orchestrator.agents.spec import AgentSpec, Catalogue, expand
from orchestrator.domain.item import Item
from orchestrator.engine.around import Around
from orchestrator.gate.toolbox import Toolbox, schema_digest
from orchestrator.store import budgets, memories, runs, steplog
from orchestrator.store import lease as leases
from orchestrator.store.database import Tx
from orchestrator.store.lease import Lease
from orchestrator.store.packets import Packet
from orchestrator.store.steplog import Row, StepRow
from orchestrator.store.writer import Writer
from orchestrator.workflows.match import Library
from orchestrator.workflows.slots import Speaker

NEAREST = 3
LIKE = 0.1  # similarity of wording from which a workflow is worth showing


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRoom:
    """What agents of a worker share. limits: the budget of a request that names none; depth and items: of one tree at most."""

    models: Models
    catalogue: Catalogue
    prompts: Path | None
    limits: Mapping[str, int]
    max_tokens: int = 4096
    timeout_s: float = 120.0
    depth: int = 5
    items: int = 200
    _wire: dict[Any, bytes] = field(default_factory=dict)
    _loaded: dict[str, Prompt] = field(default_factory=dict)

    def prompt(self, name: str) -> Prompt:
        """The prompt in force, read once: a changed file makes another room."""
        if name not in self._loaded:
            self._loaded[name] = prompts.load(name, self.prompts)
        return self._loaded[name]

    def wire(self, toolbox: Toolbox, spec: AgentSpec) -> bytes:
        """The tools of a spec as a model is shown them; encoded once for each set."""
        key = (spec.tools, encode(spec.output))
        if key not in self._wire:
            self._wire[key] = encode([minimal(tool) for tool in listed(toolbox, spec).values()])
        return self._wire[key]


def listed(toolbox: Toolbox, spec: AgentSpec) -> dict[str, Any]:
    """Canonical name → tool spec of every tool the agent has; one that is gone meanwhile is left out.

    One whose account is not connected is among them: calling it waits for the account.
    """
    found: dict[str, Any] = {}
    for name in spec.tools:
        own = finish_spec(spec.output) if name == FINISH else HOUSE_TOOLS.get(name)
        tool = None if own is not None else toolbox.known(name)
        if own is not None or tool is not None:
            found[name] = own if own is not None else tool.spec  # type: ignore[union-attr]
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """Everything a run is opened with."""

    spec: AgentSpec
    told: str
    context: Mapping[str, Any] | None
    recalled: Sequence[Mapping[str, Any]] = ()
    examples: Sequence[Mapping[str, Any]] = ()


def nearest(library: Library, item: Item, around: Around) -> list[dict[str, Any]]:
    """The saved workflows worded most like the request, with what a model can learn from them; `score`: how like, 0 to 1."""
    me = around.me(item)
    speaker = Speaker(people=list(around.people.values()), now=item.created_at, zone=me.zone, me=me)
    judged = sorted(library.judge(item.request, speaker), key=lambda one: -one.evidence.similarity)[:NEAREST]
    return [
        {
            "name": one.profile.workflow.name,
            "description": one.profile.workflow.description,
            "steps": [step.call or step.id for step in one.profile.workflow.steps],
            "score": round(one.evidence.similarity, 3),
        }
        for one in judged
        if one.evidence.similarity >= LIKE
    ]


def variables(item: Item, around: Around, now: datetime) -> dict[str, Any]:
    """What every prompt may use."""
    me = around.me(item)
    return {"requester": {"name": me.name, "address": me.address}, **prompts.moment(now, me.zone)}


async def beginning(
    room: AgentRoom,
    toolbox: Toolbox,
    library: Library,
    item: Item,
    around: Around,
    packet: Packet | None,
    writer: Writer,
) -> Beginning:
    """Raises UsageError for an agent, tool or prompt that is not there."""
    now = clock.now()
    limits = {**room.limits, **(item.options.get("budget") or {})}
    if packet is not None and packet.spec:
        spec = AgentSpec.from_json(packet.spec)
        return Beginning(spec=spec, told=str(packet.context["told"]), context=packet.context)
    recalled = await _recall(item, around, writer)
    common = variables(item, around, now)
    names = toolbox.names_for(around.connections)
    name = item.options.get("agent")
    model = item.options.get("model")
    if name:
        task = room.prompt("task")
        spec = room.catalogue.named(str(name)).spec([*names, *HOUSE_TOOLS], task=task, variables=common)
        told = room.prompt("packet").render(goal=item.request, memories=recalled)
        narrower = {name: min(most, limits.get(name, most)) for name, most in spec.budget.items()}
        spec = replace(spec, model=model or spec.model, budget={**limits, **narrower})
        return Beginning(spec=spec, told=told if recalled else item.request, context=None, recalled=recalled)
    examples = nearest(library, item, around)
    allowed = item.options.get("agents")
    prompt = room.prompt("supervisor")
    shown = {name: one for name, one in room.catalogue.items() if allowed is None or name in allowed}
    system = prompt.render(
        tools=[{"name": tool, "description": _first_sentence(toolbox, tool)} for tool in sorted(names)],
        agents=[{"name": one.name, "description": one.description} for one in shown.values()],
        examples=examples,
        memories=recalled,
        may_create=allowed is None,
        limits=limits,
        **common,
    )
    spec = AgentSpec(
        name="supervisor",
        prompt=system,
        prompt_digest=prompt.digest,
        tools=expand(SUPERVISION, HOUSE_TOOLS),
        role="supervisor",
        model=model,
        plan=bool(item.options.get("plan")),
        budget=limits,
        agents=None if allowed is None else tuple(allowed),
    )
    return Beginning(spec=spec, told=item.request, context=None, recalled=recalled, examples=examples)


def _first_sentence(toolbox: Toolbox, name: str) -> str:
    tool = toolbox.any_of(name)
    return "" if tool is None else tool.spec.description.split(". ")[0].rstrip(".")


async def _recall(item: Item, around: Around, writer: Writer) -> list[dict[str, Any]]:
    me = around.me(item)
    found = await writer.read(
        memories.recall,
        person=item.requester,
        team=me.team,
        workflow=None,
        run_id=item.root_id,
        words=item.request,
        limit=RECALLED,
        now=clock.now(),
    )
    return [as_told(memory, item.requester) for memory in found]


@cache
def _house_digest(name: str) -> str:
    return schema_digest(HOUSE_TOOLS[name])


def _digest_of(toolbox: Toolbox, name: str, spec: ToolSpec) -> str:
    known = toolbox.known(name)
    if known is not None:
        return known.digest
    return _house_digest(name) if spec is HOUSE_TOOLS.get(name) else schema_digest(spec)  # a finish with a typed result


async def open_run(
    lease: Lease,
    begun: Beginning,
    *,
    toolbox: Toolbox,
    bundle: str,
    model: str,
    match: Mapping[str, Any] | None,
    writer: Writer,
) -> tuple[runs.Run, StepRow]:
    """The run with everything it keeps over an upgrade, and its first row."""
    now, spec = clock.now(), begun.spec
    tools = {name: _digest_of(toolbox, name, tool) for name, tool in listed(toolbox, spec).items()}
    outside = {
        name: digest
        for name, digest in tools.items()
        if name not in HOUSE_TOOLS and toolbox.any_of(name) is not None  # no provider has worded the others yet
    }
    pins = {"agent": spec.name, "prompt": spec.prompt_digest, "tools": outside, "bundle": bundle}
    body: dict[str, Any] = {
        "system": spec.prompt,
        "told": begun.told,
        "spec": {name: value for name, value in spec.as_json().items() if name != "prompt"},
        "packet": None if begun.context is None else dict(begun.context),
        "tools": [{"name": name, "digest": digest} for name, digest in tools.items()],
        "recalled": list(begun.recalled),
        "examples": list(begun.examples),
        "model": model,
        "limits": dict(spec.budget),
    }

    def start(tx: Tx) -> runs.Run:
        run_id = runs.start(tx, lease, route="agent", workflow=None, version=None, pins=pins, now=now)
        limits = {name: most for name, most in spec.budget.items() if name in budgets.NAMES}
        budgets.open(tx, lease.item.item_id, limits)
        steplog.append(tx, lease, [Row(kind="agent", key="open", body=body)], now)
        if match is not None:
            leases.record(tx, lease, match=match, slots=None)
        return runs.get(tx, run_id)

    run = await writer.put(start)
    return run, StepRow(seq=1, epoch=lease.epoch, kind="agent", key="open", body=body, at=now)


def spec_of(body: Mapping[str, Any]) -> AgentSpec:
    """The spec that a run was opened with, from its first row."""
    return AgentSpec.from_json({**body["spec"], "prompt": body["system"]})
