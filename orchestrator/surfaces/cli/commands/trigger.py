"""`deputy trigger`: standing orders. What is new in your mail, calendar or chat becomes a request, by rules you write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from orchestrator.surfaces.cli import options
from orchestrator.surfaces.cli.session import Session
from orchestrator.surfaces.cli.times import shown

if TYPE_CHECKING:
    from orchestrator.domain.principal import Principal


@click.group()
def command() -> None:
    """Standing orders: what is new in your mail, calendar or chat asks for something.

    They are followed by a worker that stays (deputy worker), or looked at now by: deputy trigger check.
    """


@command.command()
@click.argument("name")
@click.option(
    "--on", "family", required=True, type=click.Choice(["mail", "calendar", "chat"]), help="What is followed."
)
@click.option("--where", multiple=True, metavar="COND", help="FIELD=VALUE, FIELD!=VALUE or FIELD~WORDS; all must hold.")
@click.option("--ask", "request", required=True, metavar="TEXT", help='What to do, e.g. "file the mail {message_id}".')
@click.option("--connection", metavar="ID", help="The account; default: your own.")
@click.option("--agent", metavar="NAME", help="A predefined agent does it.")
@click.option("--workflow", metavar="NAME", help="This workflow does it.")
@click.option("--priority", type=int, default=100, show_default=True)
@click.option("--own", is_flag=True, help="Also what you wrote yourself.")
@options.speaker
@options.as_json
@options.session
def add(
    session: Session,
    name: str,
    family: str,
    where: Sequence[str],
    request: str,
    connection: str | None,
    agent: str | None,
    workflow: str | None,
    priority: int,
    own: bool,
    speaker: str | None,
) -> None:
    """Add one. It begins with what is new from now on, and each new thing asks once.

    Braces take ids and addresses of the record; what others wrote is read as data, never put into your words.
    """
    from orchestrator.surfaces.cli.commands.ask import check_names

    given = {"agent": agent, "workflow": workflow}
    check_names(session, given)
    who = session.who(speaker)
    made = session.desk.triggers.add(
        who,
        name,
        on=family,
        request=request,
        where=where,
        connection=connection,
        options={key: value for key, value in given.items() if value is not None},
        priority=priority,
        own=own,
    )
    _begin(session, who, family)
    _told(session, made)


@command.command()
@options.speaker
@options.as_json
@options.session
def ls(session: Session, speaker: str | None) -> None:
    """Yours, with what each has asked for so far, and the accounts that are read for them."""
    who = session.who(speaker)
    found, accounts = session.desk.triggers.all(who), session.desk.triggers.followed(who)
    if session.output.as_json:
        return session.output.document({"triggers": found, "followed": accounts})
    from rich.text import Text

    from orchestrator.surfaces.cli import view

    zone = session.zone(who)
    rows: list[view.Row] = [
        [
            Text(one["name"], style="bold"),
            one["state"],
            one["on"],
            " and ".join(one["where"]) or "everything",
            view.one_line(one["request"], 60),
            str(one["asked"]),
        ]
        for one in found
    ]
    empty = (
        'None. Try: deputy trigger add invoices --on mail --where subject~invoice --ask "file the mail {message_id}"'
    )
    parts: list[Any] = [view.table(["name", "state", "on", "where", "asks", "asked"], rows, empty=empty)]
    for one in accounts if found else ():
        when = f"read {shown(one['read_at'], zone)}" if one["read_at"] else "not read yet"
        parts.append(Text(f"{one['on']} of {one['connection']}: {when}", style="dim"))
        if one["error"]:
            parts.append(Text(f"  {one['error']}", style="red"))
    session.output.draw(*parts)


@command.command()
@click.argument("name")
@options.speaker
@options.as_json
@options.session
def rm(session: Session, name: str, speaker: str | None) -> None:
    """Take one back. What it has asked for goes on."""
    _told(session, session.desk.triggers.change(session.who(speaker), name, "remove"), "taken back")


@command.command()
@click.argument("name")
@options.speaker
@options.as_json
@options.session
def pause(session: Session, name: str, speaker: str | None) -> None:
    """It asks nothing until it is resumed; what comes meanwhile is passed over."""
    _told(session, session.desk.triggers.change(session.who(speaker), name, "pause"))


@command.command()
@click.argument("name")
@options.speaker
@options.as_json
@options.session
def resume(session: Session, name: str, speaker: str | None) -> None:
    """Let it ask again, from now on."""
    who = session.who(speaker)
    made = session.desk.triggers.change(who, name, "resume")
    _begin(session, who, made["on"])
    _told(session, made)


@command.command()
@options.as_json
@options.session
def check(session: Session) -> None:
    """Look once, now, at every account that a trigger is about, and start on what it asks for."""
    from rich.text import Text

    from orchestrator import app

    session.needs_store("trigger check")
    session.who()
    made = app.look_once(session.settings)
    if made:
        app.ensure_worker(session.settings)
    session.output.answer({"requests": made}, Text(f"{made} new request{'' if made == 1 else 's'}"))


def _begin(session: Session, who: Principal, family: str) -> None:
    """Notes how far the account is read now, so that all that comes from here on is new; without one it waits, and says so."""
    if session.is_remote:
        return  # its own worker looks
    from connectors.errors import ConnectorError
    from orchestrator import app
    from orchestrator.gate import missing
    from orchestrator.store.connections import EVERYBODY

    mine = {who.principal_id, EVERYBODY}
    known = [one for one in session.desk.connections(who) if mine & {one["owner"], *one["shared_with"]}]
    if not any(family in one["families"] for one in known):
        why, fix = missing.words(family, who.principal_id), missing.fix(family, who.principal_id, has_office=False)
        session.output.note(f"Nothing is followed yet: {why}. {fix}")
    try:
        app.look_once(session.settings)
    except ConnectorError as error:
        session.output.note(f"The account cannot be read yet: {error.message} {error.fix}".strip())


def _told(session: Session, one: Mapping[str, Any], state: str | None = None) -> None:
    from orchestrator.surfaces.cli import view

    session.output.answer(
        one,
        view.facts(
            [
                ("trigger", one["name"]),
                ("state", state or one["state"]),
                ("on", f"{one['on']} of {one['connection'] or 'your own account'}"),
                ("where", " and ".join(one["where"]) or "everything"),
                ("asks", one["request"]),
            ]
        ),
    )
