"""`deputy capabilities`: commands, exit codes, states, tools and workflows, for programs that drive Deputy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from orchestrator.surfaces.cli import exitcode, options
from orchestrator.surfaces.cli.commands.agent import about
from orchestrator.surfaces.cli.session import Session

if TYPE_CHECKING:
    from orchestrator.settings import Settings

STATES = {
    "ready": "will be served in order",
    "running": "a worker is on it",
    "waiting": "for what `waiting_on` names",
    "done": "finished",
    "failed": "could not be done; `error` says why and what to do",
    "denied": "policy or a person said no, or the approval expired",
    "needs_model": "no saved workflow fits surely, and no model is configured",
    "over_budget": "a limit was reached; `text` and `effects` say what was done so far",
    "cancelled": "taken back",
}


@click.command()
@options.as_json
@options.session
@click.pass_context
def command(ctx: click.Context, session: Session) -> None:
    """Everything this program can do, and the server where one is set."""
    commands = _commands(ctx)
    told = {"commands": commands, **(_there(session) if session.is_remote else _here(session))}
    if session.output.as_json:
        return session.output.document(told)
    from orchestrator.surfaces.cli import view

    session.output.draw(view.facts([(f"deputy {entry['name']}", entry["help"]) for entry in commands]))
    session.output.draw(view.facts([("", ""), *[(f"exit {code}", text) for code, text in told["exit_codes"].items()]]))


def _there(session: Session) -> dict[str, Any]:
    from orchestrator.surfaces.cli.remote import RemoteDesk

    assert isinstance(session.desk, RemoteDesk)
    return session.desk.capabilities()


def _here(session: Session) -> dict[str, Any]:
    from connectors.families import FAMILIES, tool_specs
    from orchestrator import __version__, app

    library = app.library(session.settings)
    return {
        "version": __version__,
        "exit_codes": {str(int(code)): text for code, text in exitcode.MEANING.items()},
        "states": STATES,
        "tools": [
            {
                "name": spec.name,
                "title": spec.title,
                "effect": spec.effect_class.value,
                "annotations": spec.annotations,
                "parameters": spec.parameters,
            }
            for family in sorted(FAMILIES)
            for spec in tool_specs(family)
        ],
        "workflows": [
            {"name": w.name, "title": w.title, "slots": list(w.slots), "read_only": w.is_read_only}
            for w in library.workflows
        ],
        "profile": session.settings.profile,
        "model": session.settings.model,
        "models": models(session.settings),
        "agents": [about(one) for one in app.agents(session.settings).values()],
        "budget": session.settings.budget_limits,
    }


def models(settings: Settings) -> list[dict[str, Any]]:
    """Every endpoint a model may be reached at, keys left out; none where no model is set."""
    if not settings.has_model:
        return []
    import dataclasses

    from orchestrator.agents.models.registry import Models

    return [dataclasses.asdict(known) for known in Models.of(settings).known()]


def _commands(ctx: click.Context) -> list[dict[str, Any]]:
    """Every command that does something, with its options, deepest names spelled out."""
    root = ctx.find_root().command
    assert isinstance(root, click.Group)
    found: list[dict[str, Any]] = []
    for name in root.list_commands(ctx):
        _collect(ctx, root.get_command(ctx, name), name, found)
    return found


def _collect(ctx: click.Context, found: click.Command | None, name: str, into: list[dict[str, Any]]) -> None:
    if isinstance(found, click.Group):
        for part in found.list_commands(ctx):
            _collect(ctx, found.get_command(ctx, part), f"{name} {part}", into)
    elif found is not None:
        told = found.to_info_dict(click.Context(found))
        into.append(
            {
                "name": name,
                "help": found.get_short_help_str(200),
                "arguments": [p["name"] for p in told["params"] if p["param_type_name"] == "argument"],
                "options": [max(p["opts"], key=len) for p in told["params"] if p["param_type_name"] == "option"],
            }
        )
