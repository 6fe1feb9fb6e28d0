"""`deputy backup`: everything of an installation in one file, while it goes on working."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.errors import UsageError
from orchestrator.surfaces.cli import options
from orchestrator.surfaces.cli.session import Session


@click.command()
@click.argument("where", metavar="FILE|FOLDER", type=click.Path())
@click.option(
    "--with-secrets", is_flag=True, help="The key of the credentials and secret settings, too: then lock the file away."
)
@options.as_json
@options.session
def command(session: Session, where: str, with_secrets: bool) -> None:
    """Rows, office, settings, workflows, agents, prompts and policies of your own. Credentials stay sealed.

    Safe while desks and workers run. Without --with-secrets the key that opens the credentials is not in it: keep that elsewhere.
    """
    from orchestrator import app
    from orchestrator.engine import backups

    app.follow_office_clock(session.settings)
    made = backups.make(session.settings, _place(where), with_secrets=with_secrets)
    told = made.document()
    if session.output.as_json:
        return session.output.document(told)
    from rich.text import Text

    session.output.draw(
        Text.assemble((str(made.path), "bold"), f"  {made.size_bytes:,} bytes, sha256 {made.sha256}"),
        Text(f"{sum(told['rows'].values()):,} rows of schema {told['schema']}, {len(told['files'])} files"),
        Text(f"audit head {told['audit_head']}: keep it elsewhere, too", style="dim"),
    )
    if told["keys"] and not with_secrets:
        session.output.draw(
            Text(
                f"credentials are sealed with {', '.join(told['keys'])}, which is not in it: keep that key elsewhere",
                "yellow",
            )
        )
    if told["left_out"]:
        session.output.draw(Text(f"left out, because secret: {', '.join(told['left_out'])}", style="yellow"))


def _place(where: str) -> Path:
    """Whole. What is written with a slash at its end is a folder, made for its owner alone where there is none."""
    place = Path(where).expanduser().absolute()
    if where.endswith("/"):
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{place} cannot be a folder: {error.strerror}", fix="name another place") from error
    return place
