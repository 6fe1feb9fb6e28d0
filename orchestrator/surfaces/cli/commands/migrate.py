"""`deputy migrate`: the database on this program's schema, with a copy of it as it was before."""

from __future__ import annotations

import click

from orchestrator.surfaces.cli import options
from orchestrator.surfaces.cli.session import Session


@click.command()
@options.as_json
@options.session
def command(session: Session) -> None:
    """Bring the database to this program's schema. Every start does so; this says what was done.

    An SQLite file is copied first, to FILE.schema-N beside it. On PostgreSQL make a backup yourself: deputy backup.
    """
    from rich.text import Text

    from orchestrator.engine import upgrading

    told = upgrading.migrate(session.settings)
    copied = f"; the file as it was: {told['copy']}" if told["copy"] else ""
    text = (
        f"schema {told['schema']}: nothing to do"
        if told["from"] == told["schema"]
        else (f"schema {told['from'] or 'none'} → {told['schema']}: {', '.join(told['steps']) or 'made whole'}{copied}")
    )
    session.output.answer(told, Text(text))
