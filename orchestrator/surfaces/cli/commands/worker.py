"""`deputy worker`: one host that works on the worklist until it is stopped, or until nothing is left."""

from __future__ import annotations

import os
import signal
import threading

import click

from orchestrator.surfaces.cli import options
from orchestrator.surfaces.cli.session import Session


@click.command()
@click.option("--until-idle", is_flag=True, help="Stop when nothing is left to do.")
@click.option("--idle", "idle_s", type=float, default=0.0, hidden=True, help="Seconds without work before it stops.")
@click.option("--by", metavar="DIGEST", default="", hidden=True, help="Settings of the command that started it.")
@click.option("--until-eof", is_flag=True, hidden=True, help="Stop when standard input ends: with whoever started it.")
@options.session
def command(session: Session, until_idle: bool, idle_s: float, by: str, until_eof: bool) -> int:
    """Work on the worklist. Other commands start one by themselves when there is something to do."""
    from orchestrator import app, logs

    settings = session.settings
    logs.begin(level=settings.log_level, form=settings.log_format, tenant=settings.tenant)
    if until_eof:
        threading.Thread(target=_stop_at_eof, name="eof", daemon=True).start()
    return app.run_worker(settings, until_idle=until_idle, idle_s=idle_s, by=by)


def _stop_at_eof() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
