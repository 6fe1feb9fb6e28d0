"""`deputy hold`: records that must not be forgotten."""

from __future__ import annotations

import click

from orchestrator.errors import UsageError
from orchestrator.surfaces.cli import options
from orchestrator.surfaces.cli.session import Session


@click.command()
@click.argument("item_id", required=False)
@click.option("--why", help="Why its records must stay, e.g. the case they are for.")
@click.option("--lift", is_flag=True, help="They need not stay any more.")
@options.speaker
@options.as_json
@options.session
def command(session: Session, item_id: str | None, why: str | None, lift: bool, speaker: str | None) -> None:
    """Keep everything recorded of a request, its whole tree, from being forgotten. Without an item: all holds.

    For how long records are kept otherwise: deputy config show, the settings keep_…_days.
    """
    from rich.text import Text

    who, holds = session.who(speaker), session.desk.holds
    if item_id is None:
        told = holds.all(who)
        lines = [Text.assemble((one["item_id"], "bold"), f"  {one['why']}") for one in told]
        return session.output.answer(told, *(lines or [Text("Nothing is held.")]))
    if lift == (why is not None):
        raise UsageError("--why or --lift, one of them", fix=f"deputy hold {item_id} --why TEXT")
    done = holds.lift(who, item_id) if lift else holds.begin(who, item_id, why or "")
    session.output.answer(
        done, Text.assemble((done["item_id"], "bold"), "  is free" if lift else f"  stays: {done['why']}")
    )
