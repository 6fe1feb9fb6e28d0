"""`deputy work`: the worklist in the order it is served, and the verbs that change it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

import click

from orchestrator.domain.principal import Principal
from orchestrator.surfaces.cli import options, times
from orchestrator.surfaces.cli.commands.ask import check_workflow, show_rest, wishes
from orchestrator.surfaces.cli.session import Session

STATES = ("ready", "running", "waiting", "done", "failed", "denied", "needs_model", "over_budget", "cancelled")
OPEN = ("ready", "running", "waiting")


@click.group()
def command() -> None:
    """The worklist, in the order it is served."""


@command.command()
@click.option(
    "--state", "states", type=click.Choice(STATES), multiple=True, help="Only these; default: everything unfinished."
)
@click.option("--all", "everything", is_flag=True, help="Finished ones, too.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--cursor", help="Go on after the page before.")
@options.speaker
@options.as_json
@options.session
def ls(
    session: Session, states: Sequence[str], everything: bool, limit: int, cursor: str | None, speaker: str | None
) -> None:
    """Items with position, state and why each stands where it stands."""
    who = session.who(speaker)
    session.keep_going()  # a worker that was killed left work behind: whoever looks sets it going again
    chosen = None if everything else (states or OPEN)
    page = session.desk.items(who, states=chosen, limit=limit, cursor=cursor)
    if session.output.as_json:
        return session.output.document(page)
    from rich.text import Text

    from orchestrator.surfaces.cli import view

    session.output.draw(view.items(page["items"], session.zone(who)))
    if page["next"]:
        same = ["--all"] if everything else [word for state in states for word in ("--state", state)]
        same += ["--limit", str(limit)] + (["--as", speaker] if speaker else [])
        again = shlex.join(["deputy", "work", "ls", *same, "--cursor", page["next"]])
        session.output.console.print(Text(f"more: {again}", style="dim"), soft_wrap=True)


@command.command()
@click.argument("item_id")
@options.speaker
@options.as_json
@options.session
def show(session: Session, item_id: str, speaker: str | None) -> None:
    """One item, whole: match, slots, its agents and where each stands, effects, cards, result, receipt, budget."""
    from orchestrator.surfaces.cli.scene import Scene

    who, scene = session.who(speaker), Scene()
    scene.take(session.desk.watch(who, item_id, {}))
    show_rest(session, scene.document, session.zone(who), speaker=speaker, scene=scene)


@command.command()
@click.argument("request", nargs=-1, required=True)
@click.option("--priority", type=int, default=100, show_default=True, help="Smaller is more urgent.")
@click.option("--due", metavar="T", help="When it has to be done, e.g. 'tomorrow 17:00'.")
@click.option("--after", "needs", metavar="ITEM", multiple=True, help="Only once this item is done.")
@click.option("--key", metavar="K", help="The same key again is the same request, not a second one.")
@click.option("--input", "inputs", metavar="K=V", multiple=True, help="Give a workflow's slot its value.")
@click.option("--workflow", metavar="NAME", help="Use this workflow instead of searching one.")
@options.speaker
@options.as_json
@options.session
def add(
    session: Session,
    request: Sequence[str],
    priority: int,
    due: str | None,
    needs: Sequence[str],
    key: str | None,
    inputs: Sequence[str],
    workflow: str | None,
    speaker: str | None,
) -> None:
    """Put a wish on the list, and go on with your day."""
    chosen = wishes(workflow=workflow, no_match=False, inputs=inputs, approve_all=False)
    if workflow is not None:
        check_workflow(session, workflow, chosen.get("input", {}))
    session.start_early()
    who = session.who(speaker)
    item_id = session.desk.submit(
        who,
        " ".join(request),
        priority=priority,
        due=session.moment(due, who),
        key=key,
        needs=needs,
        options=chosen,
    )
    _changed(session, who, session.desk.item(who, item_id))


@command.command()
@click.argument("item_id")
@click.option("--priority", type=int, help="Set this priority instead of putting it first.")
@click.option("--due", metavar="T", help="Set this due date instead of putting it first.")
@options.speaker
@options.as_json
@options.session
def bump(session: Session, item_id: str, priority: int | None, due: str | None, speaker: str | None) -> None:
    """Serve it before everything else that is ready (or give it another priority or due date)."""
    who = session.who(speaker)
    if priority is None and due is None:
        document = session.desk.bump(who, item_id)
    else:
        document = session.desk.reprioritise(who, item_id, priority=priority, due=session.moment(due, who))
    _changed(session, who, document)


@command.command()
@click.argument("item_id")
@click.argument("until", nargs=-1, required=True)
@options.speaker
@options.as_json
@options.session
def snooze(session: Session, item_id: str, until: Sequence[str], speaker: str | None) -> None:
    """Leave it alone until then, e.g. 'tomorrow 9:00' or 'in 2h'."""
    who = session.who(speaker)
    moment = session.moment(" ".join(until), who, day_means=times.MORNING)
    assert moment is not None  # `until` is required
    _changed(session, who, session.desk.snooze(who, item_id, moment))


@command.command()
@click.argument("item_id")
@click.option("--reason", default="", help="Kept with the item.")
@options.speaker
@options.as_json
@options.session
def cancel(session: Session, item_id: str, reason: str, speaker: str | None) -> None:
    """End it and what hangs under it; its open cards become void."""
    who = session.who(speaker)
    _changed(session, who, session.desk.cancel(who, item_id, reason=reason))


@command.command()
@click.argument("item_id")
@click.argument("text", nargs=-1, required=True)
@options.speaker
@options.as_json
@options.session
def nudge(session: Session, item_id: str, text: Sequence[str], speaker: str | None) -> None:
    """A small correction on the way, e.g. "not Monday"."""
    who = session.who(speaker)
    _changed(session, who, session.desk.nudge(who, item_id, " ".join(text)))


@command.command()
@click.argument("item_id")
@click.argument("text", nargs=-1, required=True)
@click.option("--question", "question_id", help="Which question, where there are several.")
@options.speaker
@options.as_json
@options.session
def answer(session: Session, item_id: str, text: Sequence[str], question_id: str | None, speaker: str | None) -> None:
    """Answer its open question: a choice's number, its words, or free text."""
    who = session.who(speaker)
    _changed(session, who, session.desk.answer(who, item_id, " ".join(text), question_id=question_id))


def _changed(session: Session, who: Principal, document: dict[str, Any]) -> None:
    """Says how it stands after the change, and keeps the work going."""
    session.keep_going()
    if session.output.as_json:
        return session.output.document(document)
    from rich.text import Text

    from orchestrator.surfaces.cli import view

    style = view.STATE_STYLE.get(document["state"], "")
    line = Text.assemble((document["item_id"], "bold"), "  ", (view.state_words(document), style))
    if document.get("position"):
        line.append(f"  #{document['position']}")
    line.append(f"  {document.get('why_here') or ''}", style="dim")
    session.output.draw(line)
