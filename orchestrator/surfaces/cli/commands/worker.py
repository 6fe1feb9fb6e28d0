"""`deputy worker`: one host that works on the worklist until it is stopped, or until nothing is left."""

from __future__ import annotations

import click

from orchestrator.surfaces.cli import options
from orchestrator.surfaces.cli.session import Session


@click.command()
@click.option("--until-idle", is_flag=True, help="Stop when nothing is left to do.")
@options.session
def command(session: Session, until_idle: bool) -> int:
    """Work on the worklist. Other commands start one by themselves when there is something to do."""
    from orchestrator import app

    return app.run_worker(session.settings, until_idle=until_idle)
