"""`deputy ask`: submits a wish and follows it until it is done or needs a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from orchestrator.errors import NotFound, UsageError
from orchestrator.surfaces import named
from orchestrator.surfaces.cli import arguments, budgets, options
from orchestrator.surfaces.cli.exitcode import Exit
from orchestrator.surfaces.cli.session import Session

if TYPE_CHECKING:
    from orchestrator.surfaces.cli.scene import Scene


@click.command()
@click.argument("request", nargs=-1, required=True)
@options.speaker
@click.option(
    "--yes", is_flag=True, help="Approve every card of this request as the owner; cards are printed all the same."
)
@click.option("--detach", is_flag=True, help="Return at once; the work goes on.")
@click.option("--input", "inputs", metavar="K=V", multiple=True, help="Give a workflow's slot its value.")
@click.option("--workflow", metavar="NAME", help="Use this workflow instead of searching one.")
@click.option("--no-match", is_flag=True, help="Do not search the workflows.")
@click.option("--agent", metavar="NAME", help="Let this predefined agent do it; see: deputy agent ls.")
@click.option("--agents", metavar="A,B", help="The supervisor may hand work to these predefined agents only.")
@click.option("--model", metavar="NAME", help="The model for this request, e.g. openai:NAME.")
@click.option(
    "--plan", is_flag=True, help="The supervisor first writes a plan, which is shown, and then carries it out."
)
@click.option("--budget", metavar="LIMITS", help="At most, e.g. calls=40,tokens=200k,usd=0.50,minutes=10,effects=3.")
@click.option("--priority", type=int, default=100, show_default=True, help="Smaller is more urgent.")
@click.option("--due", metavar="T", help="When it has to be done, e.g. 'tomorrow 17:00'.")
@click.option("--key", metavar="K", help="The same key again is the same request, not a second one.")
@options.as_json
@options.session
def command(
    session: Session,
    request: Sequence[str],
    speaker: str | None,
    yes: bool,
    detach: bool,
    inputs: Sequence[str],
    workflow: str | None,
    no_match: bool,
    agent: str | None,
    agents: str | None,
    model: str | None,
    plan: bool,
    budget: str | None,
    priority: int,
    due: str | None,
    key: str | None,
) -> int:
    """Say what you want; follow it until it is done or needs you.

    Exit codes: 0 done, 3 waits for approval, 9 for an answer; all of them: deputy capabilities.
    """
    if workflow is not None and no_match:
        raise UsageError("--workflow and --no-match contradict each other", fix="give one of them")
    if agent is not None and (agents is not None or workflow is not None):
        other = "--agents" if agents is not None else "--workflow"
        raise UsageError(f"--agent and {other} contradict each other", fix="give one of them")
    if agent is not None and plan:
        raise UsageError("--plan is for the supervisor", fix="an agent plans where its file says plan: true")
    if agent is not None or agents is not None:
        check_agents(session, [agent] if agent is not None else _names(agents or ""))
    return submit_and_follow(
        session,
        " ".join(request),
        speaker=speaker,
        wishes={
            **wishes(workflow=workflow, no_match=no_match, inputs=inputs, approve_all=yes),
            **thinking(agent=agent, agents=agents, model=model, plan=plan, budget=budget),
        },
        priority=priority,
        due=due,
        key=key,
        detach=detach,
    )


def wishes(*, workflow: str | None, no_match: bool, inputs: Sequence[str], approve_all: bool) -> dict[str, Any]:
    """The item's options: only what the caller did set."""
    chosen = {
        "workflow": workflow,
        "no_match": no_match or None,
        "input": arguments.pairs(inputs, option="--input") or None,
        "approve_all": approve_all or None,
    }
    return {name: value for name, value in chosen.items() if value is not None}


def thinking(
    *, agent: str | None, agents: str | None, model: str | None, plan: bool, budget: str | None
) -> dict[str, Any]:
    """The options that say who thinks, with what, and within which limits."""
    if model is not None and not model.strip():
        raise UsageError("--model is empty", fix="write it as in DEPUTY_MODEL, e.g. --model openai:NAME")
    chosen = {
        "agent": agent,
        "agents": _names(agents) if agents is not None else None,
        "model": model.strip() if model is not None else None,
        "plan": plan or None,
        "budget": budgets.read(budget) if budget is not None else None,
    }
    return {name: value for name, value in chosen.items() if value is not None}


def _names(text: str) -> list[str]:
    names = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not names:
        raise UsageError("--agents names nobody", fix="write --agents one,two; see: deputy agent ls")
    return names


def check_names(session: Session, options: Mapping[str, Any]) -> None:
    """`check_workflow` and `check_agents` of an item's options."""
    if options.get("workflow") is not None:
        check_workflow(session, options["workflow"], options.get("input") or {})
    check_agents(session, [options["agent"]] if options.get("agent") is not None else [])


def check_agents(session: Session, names: Sequence[str]) -> None:
    """NotFound, with the nearest name, for an agent that is not predefined."""
    if not session.is_remote:  # the server knows its own
        named.check_agents(session.settings, names)


def submit_and_follow(
    session: Session,
    request: str,
    *,
    speaker: str | None,
    wishes: Mapping[str, Any],
    priority: int = 100,
    due: str | None = None,
    key: str | None = None,
    detach: bool = False,
) -> int:
    """Puts the wish on the worklist; unless detached, follows it. Returns the exit code."""
    if not session.is_remote and session.settings.policy_dir is not None:
        from orchestrator import guarding

        guarding.guard(session.settings)  # rules of one's own that cannot be used would end every worker
    session.start_early()
    if wishes.get("workflow") is not None:
        check_workflow(session, wishes["workflow"], wishes.get("input") or {})
    who = session.who(speaker)
    item_id = session.desk.submit(
        who, request, priority=priority, due=session.moment(due, who), key=key, options=dict(wishes)
    )
    if detach:
        return _left_alone(session, who, item_id)
    from orchestrator.surfaces.cli.follow import Follower

    try:
        follower = Follower(session, who, item_id, approve_all=bool(wishes.get("approve_all")))
        document, code = follower.run()
    except KeyboardInterrupt:
        session.output.note(f"\nDetached; the work goes on. Come back with: deputy run watch {item_id}")
        return Exit.INTERRUPTED
    show_rest(session, document, session.zone(who), speaker=speaker, scene=follower.scene)
    return code


def check_workflow(session: Session, name: str, inputs: Mapping[str, Any]) -> None:
    """NotFound, with the nearest name, for a workflow that is not in the library; UsageError for an input it has not."""
    slots = session.desk.library.one(name)["slots"] if session.is_remote else _slots(session, name)
    named.check_inputs(name, slots, inputs)


def _slots(session: Session, name: str) -> list[str]:
    from orchestrator import app

    library = app.library(session.settings)
    workflow = library.get(name)
    if workflow is None:
        fix = named.meant(name, [one.name for one in library.workflows]) or "see: deputy workflow ls"
        raise NotFound(f"there is no workflow {name!r}", fix=fix)
    return list(workflow.slots)


def show_rest(
    session: Session, document: Mapping[str, Any], zone: str, *, speaker: str | None, scene: Scene | None = None
) -> None:
    """The document at rest, and what a person would do next. `speaker`: for whom the person speaks, if not for themselves.

    `scene`: its tree, where agents work on it.
    """
    if session.output.as_json:
        session.output.document(document)
        return
    from rich.text import Text

    from orchestrator.surfaces.cli import agent_view, view

    session.output.draw(view.item_tree(document, zone, agent_view.agents(scene) if scene is not None else ()))
    for line in next_steps(document, speaker):
        session.output.draw(Text(f"  {line}", style="dim"))
    if session.is_remote:
        return
    if document["state"] == "needs_model" and session.settings.has_model:
        late = "A worker from before the model was set took it; idle, that one ends within seconds. Ask again."
        session.output.draw(Text(f"  {late}", style="yellow"))
    if session.settings.office and document["effects"]:
        session.output.draw(Text("  All of this in the local office, a made-up company in one file.", style="dim"))


def next_steps(document: Mapping[str, Any], speaker: str | None = None) -> list[str]:
    """The commands that move it on from here, to be said by the same speaker."""
    said_by = f' --as "{speaker}"' if speaker else ""
    pending = [a["approval_id"] for a in document["approvals"] if a["state"] == "pending"]
    steps = [f"deputy inbox show {pending[0]}", f"deputy inbox approve {' '.join(pending)}"] if pending else []
    if document.get("question") and document["state"] == "waiting":
        steps.append(f'deputy work answer {document["question"]["item_id"]} "…"')
    if any(wait["kind"] == "paused" for wait in document["waits"]):
        steps.append("deputy halt --ls")
    elif "paused" in document["waiting_on"]:
        steps.append(f"deputy run resume {document['item_id']}")
    if document.get("route") == "agent" and document["run_id"] is not None:
        steps.append(f"deputy run show {document['run_id']}")
    return [step + said_by for step in steps]


def _left_alone(session: Session, who: Any, item_id: str) -> int:
    session.keep_going()
    document = session.desk.item(who, item_id)
    if session.output.as_json:
        session.output.document(document)
    else:
        from rich.text import Text

        session.output.draw(Text.assemble((item_id, "bold"), (f"  {document['why_here']}", "dim")))
        session.output.draw(Text(f"  deputy run watch {item_id}", style="dim"))
    return Exit.OK
