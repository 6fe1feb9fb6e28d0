"""`deputy serve`: the desk in the browser and over HTTP."""

from __future__ import annotations

import click

from orchestrator.surfaces.cli import options
from orchestrator.surfaces.cli.session import Session


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8787, show_default=True, help="0 takes a free one.")
@click.option("--worker/--no-worker", "with_worker", default=True, help="Work on the worklist, too.")
@options.session
def command(session: Session, host: str, port: int, with_worker: bool) -> int:
    """Open the desk: web pages and the HTTP interface, until Ctrl-C."""
    from orchestrator.surfaces.http_api import serving

    return serving.serve(session.settings, host=host, port=port, with_worker=with_worker, say=session.output.note)
