"""`deputy run`: what a run did, why it was let, how long it took; and the brakes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from orchestrator.errors import NotFound
from orchestrator.surfaces.cli import options
from orchestrator.surfaces.cli.commands.ask import show_rest
from orchestrator.surfaces.cli.exitcode import Exit
from orchestrator.surfaces.cli.session import Session
from orchestrator.surfaces.cli.times import shown

if TYPE_CHECKING:
    from rich.console import RenderableType

    from orchestrator.domain.principal import Principal

BAR = 36  # columns of a trace's bars


@click.group()
def command() -> None:
    """Runs: one attempt each to carry out an item."""


@command.command()
@click.option("--limit", type=click.IntRange(1, 1000), default=30, show_default=True)
@options.speaker
@options.as_json
@options.session
def ls(session: Session, limit: int, speaker: str | None) -> None:
    """The newest runs."""
    who = session.who(speaker)
    runs = session.desk.runs(who, limit=limit)
    if session.output.as_json:
        return session.output.document(runs)
    from rich.text import Text

    from orchestrator.surfaces.cli import view

    zone = session.zone(who)
    rows: list[view.Row] = [
        [
            shown(run["started_at"], zone),
            Text(run["state"], style=view.STATE_STYLE.get(run["state"], "")),
            run["route"] or "–",
            Text(run["workflow"] or run["pins"].get("agent") or "–", style="bold"),
            Text(run["run_id"], style="dim"),
            Text(run["item_id"], style="dim"),
        ]
        for run in runs
    ]
    session.output.draw(
        view.table(["started", "state", "route", "workflow or agent", "run", "id"], rows, empty="Nothing ran yet.")
    )


@command.command()
@click.argument("run_or_item")
@click.option("--prompts", is_flag=True, help="An agent's prompt and first message whole.")
@click.option("--step", metavar="N", help="Only this turn of an agent, or row of the step log, whole.")
@options.speaker
@options.as_json
@options.session
def show(session: Session, run_or_item: str, prompts: bool, step: str | None, speaker: str | None) -> None:
    """Its ledger and step log; an agent's run turn by turn: what it was told, said, called and was answered."""
    who = session.who(speaker)
    told = session.desk.run(who, run_or_item)
    zone = session.zone(who)
    if told["route"] == "agent":
        return _show_agent(
            session, told, session.desk.transcript(who, told["run_id"]), zone, prompts=prompts, step=step
        )
    if step is not None:
        told = {**told, "steps": [row for row in told["steps"] if step in (str(row["seq"]), row["key"])]}
        if not told["steps"]:
            raise NotFound(f"{told['run_id']} has no step {step!r}", fix=f"see: deputy run show {told['run_id']}")
    if session.output.as_json:
        return session.output.document(told)
    session.output.draw(*_drawn_run(told, zone, whole=step is not None))


def _show_agent(
    session: Session, run: Mapping[str, Any], told: Mapping[str, Any], zone: str, *, prompts: bool, step: str | None
) -> None:
    turn = None
    if step is not None:
        turn = next(
            (one["turn"] for one in told["turns"] if step in (one["turn"], one["turn"].removeprefix("t"))), None
        )
        if turn is None:
            known = ", ".join(one["turn"].removeprefix("t") for one in told["turns"]) or "none yet"
            raise NotFound(f"{run['run_id']} has no turn {step!r}", fix=f"it has: {known}")
    if session.output.as_json:
        if turn is not None:
            return session.output.document(next(one for one in told["turns"] if one["turn"] == turn))
        return session.output.document({**run, "transcript": told})
    from orchestrator.surfaces.cli import agent_view

    session.output.draw(agent_view.transcript(told, zone, prompts=prompts, turn=turn))


def _drawn_run(told: Mapping[str, Any], zone: str, *, whole: bool) -> list[RenderableType]:
    from rich.text import Text

    from orchestrator.surfaces.cli import view

    rows: list[view.Row] = [
        [
            str(row["seq"]),
            shown(row["at"], zone),
            row["kind"],
            Text(row["key"], style="bold"),
            Text(_written(row["body"], whole=whole), style="dim"),
        ]
        for row in told["steps"]
    ]
    return [
        Text.assemble(
            (told["workflow"] or told["route"] or "run", "bold"),
            f"  {told['state']}  ",
            (f"{told['run_id']} of {told['item_id']}", "dim"),
        ),
        Text("\nledger", style="dim"),
        *[view.effect_line(effect) for effect in told["effects"]],
        Text("\nsteps", style="dim"),
        view.table(["", "when", "kind", "step", "what"], rows, empty="Nothing is recorded."),
        *[Text(f"why {e['tool']}: deputy run why {e['effect_id']}", style="dim") for e in told["effects"]],
    ]


@command.command()
@click.argument("run_or_item")
@options.speaker
@options.as_json
@options.session
def watch(session: Session, run_or_item: str, speaker: str | None) -> int:
    """Follow it to where it rests, each step of its agents told as it comes; exit codes as with ask."""
    from orchestrator.surfaces.cli.follow import Follower

    who = session.who(speaker)
    item_id = _item(session, who, run_or_item)
    try:
        follower = Follower(session, who, item_id, approve_all=False, tell=True)
        document, code = follower.run()
    except KeyboardInterrupt:
        session.output.note(f"\nDetached; the work goes on. Come back with: deputy run watch {item_id}")
        return Exit.INTERRUPTED
    show_rest(session, document, session.zone(who), speaker=speaker, scene=follower.scene)
    return code


@command.command()
@click.argument("call", metavar="EFFECT|RUN:CALL")
@options.speaker
@options.as_json
@options.session
def why(session: Session, call: str, speaker: str | None) -> None:
    """The rule, the facts and the nearest miss behind one decision."""
    told = session.desk.why(session.who(speaker), call)
    from orchestrator.surfaces.cli import view

    session.output.answer(told, view.why(told))


@command.command()
@click.argument("run_or_item")
@options.speaker
@options.as_json
@options.session
def trace(session: Session, run_or_item: str, speaker: str | None) -> None:
    """Where the time went, over processes, restarts and waits."""
    told = session.desk.trace(session.who(speaker), run_or_item)
    session.output.answer(told, drawn_trace(told))


@command.command()
@click.argument("run_or_item")
@options.speaker
@options.as_json
@options.session
def pause(session: Session, run_or_item: str, speaker: str | None) -> None:
    """Stop before the next effect, until it is resumed."""
    who = session.who(speaker)
    _changed(session, session.desk.pause(who, _item(session, who, run_or_item)))


@command.command()
@click.argument("run_or_item")
@options.speaker
@options.as_json
@options.session
def resume(session: Session, run_or_item: str, speaker: str | None) -> None:
    """Go on after a pause."""
    who = session.who(speaker)
    _changed(session, session.desk.resume(who, _item(session, who, run_or_item)))


@command.command()
@click.argument("run_or_item")
@click.option("--reason", default="", help="Kept with the item.")
@options.speaker
@options.as_json
@options.session
def stop(session: Session, run_or_item: str, reason: str, speaker: str | None) -> None:
    """End it; what is on its way already is looked up first, and never done twice."""
    who = session.who(speaker)
    _changed(session, session.desk.cancel(who, _item(session, who, run_or_item), reason=reason))


def drawn_trace(told: Mapping[str, Any]) -> RenderableType:
    """A waterfall: name, bar, length, decision; children under their parents."""
    from rich.text import Text

    from orchestrator.surfaces.cli import view

    spans = told["spans"]
    if not spans:
        return Text("No spans yet.", style="dim")
    begin = min(datetime.fromisoformat(span["started_at"]) for span in spans)
    whole_s = max((datetime.fromisoformat(span["ended_at"]) - begin).total_seconds() for span in spans) or 1e-6
    rows: list[list[RenderableType | str | None]] = []
    for depth, span in view.nested(spans, "span_id", "parent_id"):
        start_s = (datetime.fromisoformat(span["started_at"]) - begin).total_seconds()
        long_s = (datetime.fromisoformat(span["ended_at"]) - begin).total_seconds() - start_s
        left, width = int(BAR * start_s / whole_s), max(1, round(BAR * long_s / whole_s))
        told_by = span["attributes"]
        decision = str(told_by.get("deputy.policy.decision") or told_by.get("deputy.wait.outcome") or "")
        style = "red" if span["status"] == "error" else "yellow" if "wait" in span["name"] else "cyan"
        rows.append(
            [
                Text("  " * depth + span["name"], style="bold" if depth == 0 else ""),
                Text(" " * min(left, BAR - 1) + "━" * min(width, BAR - min(left, BAR - 1)), style=style),
                f"{long_s * 1000:.0f} ms" if long_s < 10 else f"{long_s:.0f} s",
                Text(decision, style="dim"),
            ]
        )
    return view.table([f"trace {told['trace_id']}", "", "", ""], rows, empty="")


def _item(session: Session, who: Principal, run_or_item: str) -> str:
    if run_or_item.startswith("item_"):
        return run_or_item
    return str(session.desk.run(who, run_or_item)["item_id"])


def _written(body: Any, *, whole: bool) -> str:
    import json

    text = (
        body
        if isinstance(body, str)
        else json.dumps(body, ensure_ascii=False, default=str, indent=2 if whole else None)
    )
    return text if whole or len(text) <= 90 else f"{text[:89]}…"


def _changed(session: Session, document: Mapping[str, Any]) -> None:
    session.keep_going()
    if session.output.as_json:
        return session.output.document(document)
    from rich.text import Text

    from orchestrator.surfaces.cli import view

    style = view.STATE_STYLE.get(document["state"], "")
    session.output.draw(Text.assemble((document["item_id"], "bold"), "  ", (view.state_words(document), style)))
