"""`deputy config`: every setting, its value and where it comes from, secrets masked; and who may come in: keys, sign-ins, links."""

from __future__ import annotations

import click

from orchestrator.surfaces.cli import coming_in, options
from orchestrator.surfaces.cli.session import Session


@click.group(commands={"key": coming_in.key, "session": coming_in.sessions, "link": coming_in.link})
def command() -> None:
    """Settings: flags, then DEPUTY_* variables, .env, deputy.toml, the secrets folder, defaults. API keys and sign-ins."""


@command.command()
@click.option("--origin", is_flag=True, help="Say where each value comes from.")
@options.as_json
@options.session
def show(session: Session, origin: bool) -> None:
    """All settings; secrets masked."""
    entries = session.settings.describe()
    if session.output.as_json:
        return session.output.document(entries)
    from rich.text import Text

    from orchestrator.surfaces.cli import view

    rows: list[view.Row] = [
        [
            Text(entry["name"], style="bold"),
            "–" if entry["value"] in (None, "") else str(entry["value"]),
            Text(f"{entry['origin']} {entry['place']}".strip() if origin else entry["description"], style="dim"),
        ]
        for entry in entries
    ]
    session.output.draw(view.table(["setting", "value", "origin" if origin else "what it is"], rows, empty=""))


@command.command()
@options.as_json
@options.session
def path(session: Session) -> None:
    """Where the settings file is (or would be), and the home it lies in."""
    from rich.text import Text

    settings = session.settings
    told = {"file": str(settings.config_file), "exists": settings.config_file.exists(), "home": str(settings.home)}
    session.output.answer(told, Text(str(settings.config_file)))
