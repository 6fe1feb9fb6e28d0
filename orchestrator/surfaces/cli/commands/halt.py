"""`deputy halt`: the kill switch, and its lifting."""

from __future__ import annotations

import click

from orchestrator.errors import UsageError
from orchestrator.surfaces.cli import options
from orchestrator.surfaces.cli.session import Session


@click.command()
@click.option("--agent", metavar="NAME", help="Only this agent.")
@click.option("--connector", metavar="NAME", help="Only effects through this connector, e.g. slack.")
@click.option("--reason", default="", help="Shown to everybody whose work stands still.")
@click.option("--lift", is_flag=True, help="Go on: every halt, or the one named by HALT_ID.")
@click.option("--ls", "listed", is_flag=True, help="Show what is halted; change nothing.")
@click.argument("halt_id", required=False)
@options.speaker
@options.as_json
@options.session
def command(
    session: Session,
    agent: str | None,
    connector: str | None,
    reason: str,
    lift: bool,
    listed: bool,
    halt_id: str | None,
    speaker: str | None,
) -> None:
    """Stop at once: no new effect begins, model calls end; what is under way is listed and looked up.

    Without options everything is halted. Work waits where it is, and goes on after `deputy halt --lift`.
    """
    if halt_id and not lift:
        raise UsageError(f"{halt_id!r} is only needed to lift a halt", fix=f"deputy halt --lift {halt_id}")
    if lift and (agent or connector or reason):
        raise UsageError("--lift takes the id of a halt", fix="see: deputy halt --ls")
    who, halts = session.who(speaker), session.desk.halts
    if listed:
        known = halts.all()
        session.output.answer({"halts": known}, *([_line(one) for one in known] or ["nothing is halted"]))
    elif lift:
        gone = halts.lift(who, halt_id)
        session.keep_going()
        lines = [f"lifted: {one['text']}; {len(one['items'])} waiting items go on" for one in gone]
        session.output.answer({"lifted": gone}, *(lines or ["nothing was halted"]))
    else:
        made = halts.begin(who, agent=agent, connector=connector, reason=reason)
        under_way = [f"  under way, will be looked up: {_effect(one)}" for one in made["in_flight"]]
        more = f"  go on with: deputy halt --lift {made['halt_id']}"
        session.output.answer(made, f"halted: {made['text']}", *under_way, more)


def _line(halt: dict[str, str]) -> str:
    return f"{halt['halt_id']}  {halt['text']}"


def _effect(effect: dict[str, str]) -> str:
    return f"{effect['tool']} of {effect['item_id']} ({effect['state']})"
