"""`deputy agent`: the predefined agents, what each may use, where its file stands; and the prompts every agent is built from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.errors import NotFound
from orchestrator.surfaces.cli import options
from orchestrator.surfaces.cli.session import Session
from orchestrator.surfaces.named import meant

if TYPE_CHECKING:
    from orchestrator.agents.prompts import Prompt
    from orchestrator.agents.spec import Definition
    from orchestrator.surfaces.cli import view


@click.group()
def command() -> None:
    """Predefined agents, and the prompts agents are built from."""


@command.command()
@options.as_json
@options.session
def ls(session: Session) -> None:
    """Every predefined agent: what it is for, and where its file stands. One of your own replaces the shipped one."""
    from orchestrator import app

    known = app.agents(session.settings)
    faults = [{"message": fault.message, "fix": fault.fix} for fault in known.faults]
    if session.output.as_json:
        return session.output.document({"agents": [about(one) for one in known.values()], "faults": faults})
    from rich.text import Text

    from orchestrator.surfaces.cli import view

    rows: list[view.Row] = [
        [
            Text(one.name, style="bold"),
            one.description,
            str(len(one.tools)),
            Text(_where(one.prompt.path), style="dim"),
        ]
        for one in known.values()
    ]
    session.output.draw(view.table(["agent", "what it is for", "tools", "file"], rows, empty="None."))
    for fault in faults:
        session.output.draw(Text(f"left out: {fault['message']}\n  fix: {fault['fix']}", style="yellow"))
    own = session.settings.agents_folder
    session.output.draw(Text(f"your own: Markdown files in {own} (docs/agents.md)", style="dim"))


@command.command()
@click.argument("name")
@options.as_json
@options.session
def show(session: Session, name: str) -> None:
    """One predefined agent whole: tools, model, limits, checks, and its own prompt."""
    from orchestrator import app

    known = app.agents(session.settings)
    if name not in known:
        raise NotFound(f"there is no agent {name!r}", fix=meant(name, list(known)) or "see: deputy agent ls")
    one = known[name]
    told = {**about(one), "prompt": one.prompt.text}
    if session.output.as_json:
        return session.output.document(told)
    from rich.text import Text

    from orchestrator.surfaces.cli import view

    left_out = ("name", "prompt", "description")
    shown = [
        (key, _words(value))
        for key, value in told.items()
        if key not in left_out and value not in (None, "", [], {}, False)
    ]
    session.output.draw(Text.assemble((one.name, "bold"), f"  {one.description}"), view.facts(shown))
    session.output.draw(Text(f"\n{one.prompt.text.strip()}"))


@command.command()
@click.argument("name", required=False)
@options.as_json
@options.session
def prompts(session: Session, name: str | None) -> None:
    """The prompts in force, or one of them whole. A file of the same name in the prompts folder of the home replaces it."""
    from orchestrator import app

    known = {prompt.name: prompt for prompt in app.prompts(session.settings)}
    if name is not None and name not in known:
        raise NotFound(f"there is no prompt {name!r}", fix=meant(name, list(known)) or "see: deputy agent prompts")
    if name is not None:
        prompt = known[name]
        told = {**_prompt(prompt), "text": prompt.text}
        from rich.text import Text

        head = Text.assemble((prompt.name, "bold"), (f"  version {prompt.version}  {_where(prompt.path)}\n", "dim"))
        return session.output.answer(told, head, Text(prompt.text.strip()))
    if session.output.as_json:
        return session.output.document([_prompt(prompt) for prompt in known.values()])
    from rich.text import Text

    from orchestrator.surfaces.cli import view

    rows: list[view.Row] = [
        [
            Text(prompt.name, style="bold"),
            str(prompt.version),
            str(prompt.front.get("description") or ""),
            Text(_where(prompt.path), style="dim"),
        ]
        for prompt in known.values()
    ]
    session.output.draw(view.table(["prompt", "version", "what it is", "file"], rows, empty="None."))


def about(one: Definition) -> dict[str, Any]:
    """An agent as programs read it."""
    settings = {key: value for key, value in one.settings.items() if key not in ("name", "tools")}
    return {
        "name": one.name,
        "description": one.description,
        "version": one.prompt.version,
        "tools": list(one.tools),
        **{key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()},
        "digest": one.prompt.digest,
        "path": str(one.prompt.path),
        "shipped": is_shipped(one.prompt.path),
    }


def is_shipped(path: Path) -> bool:
    """Whether a file came with Deputy, so that nobody changed it."""
    from orchestrator import agents

    return path.is_relative_to(Path(str(agents.__file__)).parent)


def _prompt(prompt: Prompt) -> dict[str, Any]:
    return {
        "name": prompt.name,
        "version": prompt.version,
        "description": prompt.front.get("description") or "",
        "digest": prompt.digest,
        "path": str(prompt.path),
        "shipped": is_shipped(prompt.path),
    }


def _where(path: Path) -> str:
    return "shipped" if is_shipped(path) else str(path)


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        import json

        return json.dumps(value, ensure_ascii=False)
    return str(value)
