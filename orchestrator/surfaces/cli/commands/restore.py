"""`deputy restore`: a backup in place of what is there; nothing it leaves in doubt is sent blindly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from orchestrator.surfaces.cli import options
from orchestrator.surfaces.cli.session import Session


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--check", "only_check", is_flag=True, help="Verify the file and say what it holds; change nothing.")
@click.option("--force", is_flag=True, help="Replace what is here; it is backed up first.")
@click.option("--nothing-since", is_flag=True, help="Nothing ran after the backup was made: leave nothing in doubt.")
@click.option("--keep-office", is_flag=True, help="Leave the local office as it is.")
@options.as_json
@options.session
def command(
    session: Session, file: Path, only_check: bool, force: bool, nothing_since: bool, keep_office: bool
) -> None:
    """Verify a backup, then put it in place in one transaction. Stop desks and workers first.

    What was done after the backup was made is not in it. So tasks that had not ended are looked up at their providers before they
    send anything, approvals that were given and not used are asked for again, and followed accounts begin at what is new now.
    """
    from orchestrator import app
    from orchestrator.engine import restoring

    file = file.expanduser().absolute()
    app.follow_office_clock(session.settings)
    if only_check:
        plan = restoring.check(session.settings, file)
        told: dict[str, Any] = {
            "ok": True,
            "taken_at": plan.manifest.taken_at,
            "deputy": plan.manifest.deputy,
            "schema": plan.manifest.schema,
            "rows": sum(entry["rows"] for entry in plan.manifest.tables.values()),
            "files": sorted(plan.manifest.files),
            "credentials": plan.openable,
            "missing_keys": plan.missing_keys,
            "remarks": plan.remarks,
        }
        return _tell(session, told, f"sound: {told['rows']:,} rows of {told['taken_at']}, nothing was changed")
    done = restoring.restore(
        session.settings,
        file,
        actor=session.settings.owner or "operator",
        force=force,
        is_doubted=not nothing_since,
        keep_office=keep_office,
    ).document()
    return _tell(session, done, f"restored {done['rows']:,} rows of {done['taken_at']}")


def _tell(session: Session, told: dict[str, Any], first: str) -> None:
    if session.output.as_json:
        return session.output.document(told)
    from rich.text import Text

    lines = [Text(first, style="bold")]
    after = told.get("after") or {}
    sentences = {
        "unfinished": "unfinished tasks go on",
        "taken_over": "of them were being worked on when the backup was made",
        "in_flight": "effects were in flight then: each is looked up first",
        "asked_again": "approvals were given and not used: they are asked for again",
        "pending": "cards are open: what was decided about them since is not known here",
        "accounts": "followed accounts begin at what is new now; what came in between is not picked up",
        "schedules": "schedules came due meanwhile: they may have run, so they go on with their next time",
        "deliveries": "messages to the bot were not answered then, and may have been since: say them again where they were not",
        "keys": "keys of programs count again, those taken back since the backup, too: look through `deputy config key ls`",
    }
    lines += [Text(f"  {after[name]} {words}") for name, words in sentences.items() if after.get(name)]
    for name in ("kept", "remarks"):
        lines += [
            Text(f"  {'stays as it is: ' if name == 'kept' else ''}{one}", style="yellow") for one in told.get(name, ())
        ]
    if told.get("saved"):
        lines.append(Text(f"  what was here before: {told['saved']}", style="dim"))
    session.output.draw(*lines)
