"""`deputy init`: makes the home: a settings file to edit, a folder for workflows of your own, the local office."""

from __future__ import annotations

import click

from orchestrator.surfaces.cli import options
from orchestrator.surfaces.cli.session import Session

HEAD = """# Settings of Deputy. Every line is a default: take the # away to change one.
# Before this file come flags, DEPUTY_* environment variables and .env; see: deputy config show --origin
"""


@click.command()
@options.as_json
@options.session
def command(session: Session) -> None:
    """Make the home. What is there already stays as it is."""
    settings = session.settings
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.workflow_folder.mkdir(parents=True, exist_ok=True)
    made = not settings.config_file.exists()
    if made:
        settings.config_file.write_text(template(session), encoding="utf-8")
    owner = session.who()
    told = {
        "home": str(settings.home),
        "config": str(settings.config_file),
        "config_made": made,
        "workflows": str(settings.workflow_folder),
        "office": str(settings.office_file) if settings.office else None,
        "owner": owner.principal_id,
    }
    if session.output.as_json:
        return session.output.document(told)
    from rich.text import Text

    from orchestrator.surfaces.cli import view

    session.output.draw(view.facts([(name, value) for name, value in told.items() if name != "config_made"]))
    session.output.draw(Text('\nnext: deputy ask "What is on my calendar today?"', style="dim"))


def template(session: Session) -> str:
    """A deputy.toml with every setting as a comment: description, then name and default."""
    lines = [HEAD]
    for name, field in type(session.settings).model_fields.items():
        if name == "home":
            continue
        lines.append(f"# {field.description}\n# {name} = {_toml(field.default)}\n")
    return "\n".join(lines)


def _toml(default: object) -> str:
    """A default as TOML; tables are empty, and so is what has none."""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, str | None):
        return f'"{default or ""}"'
    if isinstance(default, tuple):
        return "[]"
    return str(default) if isinstance(default, int | float) else "{}"
