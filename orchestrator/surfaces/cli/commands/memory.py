"""`deputy memory`: the facts Deputy keeps of you, your team and your workflows; to read, correct and take back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from orchestrator.errors import UsageError
from orchestrator.surfaces.cli import options
from orchestrator.surfaces.cli.commands.ask import check_workflow
from orchestrator.surfaces.cli.session import Session
from orchestrator.surfaces.cli.times import shown

SCOPES = ("person", "team", "workflow", "run")
ADDED = ("person", "team", "workflow")  # a run's facts are its agents' own


@click.group()
def command() -> None:
    """What is remembered for later requests. A person's facts are read by nobody else, admins included."""


@command.command()
@click.option("--scope", type=click.Choice(SCOPES), help="Only these; default: all you may read.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@click.option("--after", metavar="ID", help="Go on after this fact.")
@options.speaker
@options.as_json
@options.session
def ls(session: Session, scope: str | None, limit: int, after: str | None, speaker: str | None) -> None:
    """The facts you may read, newest first, each with where it came from."""
    who = session.who(speaker)
    facts = session.desk.memories.all(who, scope=scope, limit=limit, after=after)
    if session.output.as_json:
        return session.output.document(facts)
    from rich.text import Text

    from orchestrator.surfaces.cli import view

    zone = session.zone(who)
    rows: list[view.Row] = [
        [
            _of(fact),
            Text(view.one_line(fact["text"], 90), style="bold"),
            Text(_source(fact), style="dim"),
            shown(fact["expires_at"], zone) if fact["expires_at"] else "",
            Text(fact["memory_id"], style="dim"),
        ]
        for fact in facts
    ]
    session.output.draw(
        view.table(["of", "fact", "from", "until", "id"], rows, empty='Nothing. Try: deputy memory add "…"')
    )


@command.command()
@click.argument("memory_id")
@options.speaker
@options.as_json
@options.session
def show(session: Session, memory_id: str, speaker: str | None) -> None:
    """One fact whole: its words, whose it is, where it came from, until when."""
    who = session.who(speaker)
    _told(session, who, session.desk.memories.one(who, memory_id))


@command.command()
@click.argument("text", nargs=-1, required=True)
@click.option("--scope", type=click.Choice(ADDED), help="Whose fact it is; default: yours, or the workflow's you name.")
@click.option("--workflow", metavar="NAME", help="For runs of this workflow only.")
@click.option("--expires", metavar="T", help="Until when, e.g. 'fri 17:00' or '30d'; default: until it is forgotten.")
@options.speaker
@options.as_json
@options.session
def add(
    session: Session,
    text: Sequence[str],
    scope: str | None,
    workflow: str | None,
    expires: str | None,
    speaker: str | None,
) -> None:
    """Remember a fact for later requests, e.g. "Dana prefers mornings"."""
    wanted = scope or ("workflow" if workflow is not None else "person")
    if (wanted == "workflow") != (workflow is not None):
        fix = "add --workflow NAME" if workflow is None else "leave --scope out"
        raise UsageError("--scope workflow and --workflow go together", fix=fix)
    if workflow is not None:
        check_workflow(session, workflow, {})
    who = session.who(speaker)
    until = session.moment(expires, who)
    _told(
        session, who, session.desk.memories.add(who, " ".join(text), scope=wanted, workflow=workflow, expires_at=until)
    )


@command.command()
@click.argument("memory_id")
@click.argument("text", nargs=-1, required=True)
@options.speaker
@options.as_json
@options.session
def edit(session: Session, memory_id: str, text: Sequence[str], speaker: str | None) -> None:
    """Say it in other words; from then on they are yours, whoever wrote it first."""
    who = session.who(speaker)
    _told(session, who, session.desk.memories.edit(who, memory_id, " ".join(text)))


@command.command()
@click.argument("memory_ids", nargs=-1, required=True, metavar="ID…")
@options.speaker
@options.as_json
@options.session
def forget(session: Session, memory_ids: Sequence[str], speaker: str | None) -> None:
    """Take facts back; they are gone."""
    who = session.who(speaker)
    gone = [session.desk.memories.forget(who, memory_id) for memory_id in memory_ids]
    from rich.text import Text

    session.output.answer(gone, *[Text(f"forgotten: {fact['text']}") for fact in gone])


def _told(session: Session, who: Any, fact: Mapping[str, Any]) -> None:
    from orchestrator.surfaces.cli import view

    zone = session.zone(who)
    session.output.answer(
        fact,
        view.facts(
            [
                ("fact", fact["text"]),
                ("of", _of(fact)),
                ("from", _source(fact)),
                ("since", shown(fact["created_at"], zone)),
                ("until", shown(fact["expires_at"], zone) if fact["expires_at"] else "it is forgotten"),
                ("id", fact["memory_id"]),
            ]
        ),
    )


def _of(fact: Mapping[str, Any]) -> str:
    shared = ", for everybody" if fact["shared"] else ""
    return "you" if fact["scope"] == "person" else f"{fact['scope']} {fact['owner']}{shared}"


def _source(fact: Mapping[str, Any]) -> str:
    """Who said it, and where: a person, or an agent in one of its runs."""
    source = fact["source"]
    said = " ".join(str(source[part]) for part in ("kind", "ref") if source.get(part))
    return f"{said} by {source.get('by') or fact['created_by']}".strip()
