"""The one graph of supervisors and task agents: an optional planning turn, then turns until something ends or parks.

No saver and no interrupt: the step log is the memory, a wait is a row, and whoever wakes rebuilds the agent and runs the graph
again. Turns loop inside one node, because a super-step of LangGraph costs more CPU than a turn's own bookkeeping; everything an
agent knows travels as the graph's context, so that LangGraph copies nothing.
"""

from __future__ import annotations

import gc
from functools import cache
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command

from orchestrator.agents.agent import Agent
from orchestrator.domain.outcome import Parked, RunOutcome

MOST_STEPS = 100_000  # of LangGraph's own counter; the agents' limits are their specs'


class Course(TypedDict, total=False):
    """The graph's state: how the advance ended."""

    outcome: RunOutcome


async def _plan(_: Course, runtime: Runtime[Agent]) -> Command[Any]:
    outcome = await runtime.context.plan()
    return Command(goto="turns") if outcome is None else Command(goto=END, update={"outcome": outcome})


async def _turns(_: Course, runtime: Runtime[Agent]) -> Course:
    outcome = None
    while outcome is None:
        outcome = await runtime.context.turn()
    return {"outcome": outcome}


def _first(_: Course, runtime: Runtime[Agent]) -> str:
    agent = runtime.context
    return "plan" if agent.spec.plan and not agent.history.is_planned else "turns"


@cache
def compiled() -> Any:
    """The graph, built once per process."""
    graph = StateGraph(Course, context_schema=Agent)
    plan: Any = _plan  # the library's overloads know no node that gets its context and returns a command
    turns: Any = _turns
    graph.add_node("plan", plan, destinations=("turns", END))
    graph.add_node("turns", turns)
    graph.add_conditional_edges(START, _first, ["plan", "turns"])
    graph.add_edge("turns", END)
    made = graph.compile(name="agent")
    if gc.get_freeze_count():  # a host that keeps what it loaded out of collections keeps this out, too
        gc.collect()
        gc.freeze()
    return made


async def run(agent: Agent) -> RunOutcome:
    """Runs the agent as far as it goes: an end, or a park with rows that say what for."""
    left = await compiled().ainvoke({}, {"recursion_limit": MOST_STEPS}, context=agent, stream_mode="values")
    outcome: RunOutcome = left.get("outcome") or Parked()
    return outcome
