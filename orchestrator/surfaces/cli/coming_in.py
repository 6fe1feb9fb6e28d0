"""`deputy config key | session | link`: API keys, sign-ins in browsers, one-time links. A key is printed once, on stdout."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import click

from orchestrator.errors import UsageError
from orchestrator.surfaces import standing
from orchestrator.surfaces.cli import options
from orchestrator.surfaces.cli.session import Session

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def duration(text: str) -> timedelta:
    """90d, 12h, 30m, 2w. UsageError otherwise."""
    found = re.fullmatch(r"(\d{1,6})([mhdw])", text.strip().lower())
    if found is None:
        raise UsageError(f"{text!r} is no duration", fix="e.g. 90d, 12h, 30m, 2w")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


@click.group()
def key() -> None:
    """API keys: create, ls, rm."""


@key.command()
@click.option(
    "--scope", "scopes", multiple=True, required=True, help="read, submit, decide, operate, audit, admin; several."
)
@click.option("--for", "of", metavar="ADDRESS", help="For another person of the directory (an admin's right).")
@click.option("--program", is_flag=True, help="For a program: it never approves, and its words are not the person's.")
@click.option("--expires", default="90d", show_default=True, metavar="TIME", help="30m, 12h, 90d, 4w; at most a year.")
@click.option("--name", default="", help="What it is for.")
@options.speaker
@options.as_json
@options.session
def create(
    session: Session, scopes: Sequence[str], of: str | None, program: bool, expires: str, name: str, speaker: str | None
) -> None:
    """Make a key and print it, this once. It may do what its person may, within its scopes."""
    from rich.text import Text

    wanted = [part.strip() for scope in scopes for part in scope.split(",") if part.strip()]
    who, lives = session.who(speaker), duration(expires)
    address = session.desk.principal(of).principal_id if of else None
    made = session.desk.access.create_key(who, scopes=wanted, name=name, of=address, is_program=program, lives=lives)
    session.output.note(f"{made['key_id']}: {', '.join(made['scopes'])} as {made['person']} until {made['expires_at']}")
    session.output.note("Keep it now: it is not shown again. Use it as DEPUTY_TOKEN, or as Authorization: Bearer …")
    session.output.answer(made, Text(made["key"]))


@key.command("ls")
@click.option("--all", "everybody", is_flag=True, help="Everybody's (an admin's right).")
@options.speaker
@options.as_json
@options.session
def list_keys(session: Session, everybody: bool, speaker: str | None) -> None:
    """Keys, newest first; nothing here opens anything."""
    found = session.desk.access.keys(session.who(speaker), everybody=everybody)
    columns = ("key_id", "name", "person", "scopes", "state", "expires_at", "used_at")
    _list(session, found, columns, empty="No keys.")


@key.command("rm")
@click.argument("key_id")
@options.speaker
@options.as_json
@options.session
def remove_key(session: Session, key_id: str, speaker: str | None) -> None:
    """Take a key back; it is of no use from the next request on."""
    _say(session, session.desk.access.revoke_key(session.who(speaker), key_id))


@click.group("session")
def sessions() -> None:
    """Sign-ins in browsers: ls, end."""


@sessions.command("ls")
@click.option("--all", "everybody", is_flag=True, help="Everybody's (an admin's right).")
@options.speaker
@options.as_json
@options.session
def list_sessions(session: Session, everybody: bool, speaker: str | None) -> None:
    """Browsers that are signed in."""
    found = session.desk.access.sessions(session.who(speaker), everybody=everybody)
    _list(session, found, ("session_id", "person", "via", "device", "seen_at", "expires_at"), empty="Nobody.")


@sessions.command("end")
@click.argument("session_id", required=False)
@click.option("--for", "of", metavar="ADDRESS", help="Another person's (an admin's right).")
@options.speaker
@options.as_json
@options.session
def end_sessions(session: Session, session_id: str | None, of: str | None, speaker: str | None) -> None:
    """Sign out SESSION_ID, or everywhere."""
    address = session.desk.principal(of).principal_id if of else None
    _say(session, session.desk.access.end_sessions(session.who(speaker), session_id=session_id, of=address))


@click.command()
@options.speaker
@options.as_json
@options.session
def link(session: Session, speaker: str | None) -> None:
    """A link that signs one browser in, once, within ten minutes. Open it where the desk is served."""
    from rich.text import Text

    path = f"/signin?token={session.desk.access.new_link(session.who(speaker))}"
    base = session.settings.public_url or session.settings.url or standing.address_of(session.settings.home) or ""
    if not base:
        session.output.note(
            "No desk of this home serves now: start it (deputy serve), and put its address before this."
        )
    whole = f"{base.rstrip('/')}{path}"
    session.output.answer({"path": path, "url": whole if base else None}, Text(whole))


def _list(session: Session, found: Sequence[dict[str, Any]], columns: Sequence[str], *, empty: str) -> None:
    if session.output.as_json:
        return session.output.document([*found])
    from orchestrator.surfaces.cli import view

    rows: list[view.Row] = [[_shown(one[name]) for name in columns] for one in found]
    session.output.draw(view.table([name.replace("_", " ") for name in columns], rows, empty=empty))


def _say(session: Session, told: dict[str, Any]) -> None:
    from orchestrator.surfaces.cli import view

    facts = [(name.replace("_", " "), _shown(value)) for name, value in told.items() if value not in (None, "", [])]
    session.output.answer(told, view.facts(facts))


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "–" if value in (None, "") else str(value)
