"""`deputy upgrade --check`: what this program would do to the database, before it does."""

from __future__ import annotations

import click

from orchestrator.surfaces.cli import options
from orchestrator.surfaces.cli.exitcode import Exit
from orchestrator.surfaces.cli.session import Session


@click.command()
@click.option("--check", "is_check", is_flag=True, required=True, help="Only look.")
@options.as_json
@options.session
def command(session: Session, is_check: bool) -> int:
    """Say whether this program can take over the database, and what it would change. Exit code 1 when it cannot.

    The program itself is upgraded by whatever installed it. Run this with the new one, before it is started.
    """
    from rich.text import Text

    from orchestrator.engine import upgrading

    told = upgrading.check(session.settings)
    lines = [
        Text(
            f"Deputy {told['deputy']}, schema {told['known']}; the database has {told['schema'] or 'none'}",
            style="bold",
        )
    ]
    lines += [Text(f"  would apply {step}") for step in told["steps"]]
    lines += [Text(f"  {one}", style="yellow") for one in told["remarks"]]
    session.output.answer(told, *lines)
    return Exit.OK if told["ok"] else Exit.FAILED
