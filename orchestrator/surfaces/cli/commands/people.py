"""`deputy people`: the directory as Deputy knows it, and people's meeting preferences."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from orchestrator.errors import UsageError
from orchestrator.surfaces.cli import arguments, options
from orchestrator.surfaces.cli.session import Session

TIME = re.compile(r"^([01]\d|2[0-3]):[0-5]\d$")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
PREFERENCES = {
    "earliest": "a time, e.g. 09:30",
    "latest": "a time, e.g. 17:00",
    "avoid_days": "days, e.g. fri or mon,fri",
    "buffer_minutes": "a number, e.g. 10",
    "lunch": "two times, e.g. 12:30,13:30",
    "zone": "an IANA zone, e.g. Europe/Lisbon",
}


@click.group()
def command() -> None:
    """The directory: who people are, their zones and preferences."""


@command.command()
@click.argument("query", required=False)
@options.as_json
@options.session
def ls(session: Session, query: str | None) -> None:
    """Everybody, or whose name, address, role or team holds QUERY."""
    session.who()
    wanted = (query or "").casefold()
    found = [
        person
        for person in session.desk.people()
        if not wanted
        or any(
            wanted in str(part).casefold()
            for part in (person["name"], person["address"], person["role"], person["team"], *person["aliases"])
        )
    ]
    if session.output.as_json:
        return session.output.document(found)
    from rich.text import Text

    from orchestrator.surfaces.cli import view

    rows: list[view.Row] = [
        [
            Text(person["name"], style="bold"),
            person["address"],
            person["role"],
            person["team"],
            person["zone"],
            "" if person["inside"] else Text("outside", style="red"),
        ]
        for person in found
    ]
    session.output.draw(view.table(["name", "address", "role", "team", "zone", ""], rows, empty="Nobody."))


@command.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--inside", multiple=True, metavar="DOMAIN", help="Addresses of this domain are colleagues.")
@click.option("--source", metavar="NAME", help="What these people are known by; default: the file's name.")
@options.as_json
@options.session
def import_(session: Session, file: Path, inside: Sequence[str], source: str | None) -> None:
    """People from a CSV file (columns address, name, aliases, zone, role, team, manager, inside) or from vCards.

    A second import of the same source replaces the first. Nobody is a colleague unless you say so.
    """
    from connectors.directory.files import read as people_of
    from connectors.errors import InvalidCall
    from orchestrator.domain.person import Person
    from orchestrator.surfaces.cli import view

    try:
        records = people_of(file.read_text(encoding="utf-8-sig"), inside=inside)
    except UnicodeDecodeError as error:
        raise UsageError(f"{file.name} is not UTF-8 text", fix="save it as UTF-8") from error
    except InvalidCall as error:
        raise UsageError(f"{file.name}: {error.message}", fix=error.fix) from error
    known_by = f"file:{source or file.name}"
    persons = [Person(**{k: v for k, v in one.items() if k != "person_id"}, source=known_by) for one in records]
    told = session.desk.import_people(session.who(), persons, known_by)
    facts = [("imported", str(told["people"])), ("inside", str(told["inside"]))]
    if told["known_already"]:
        facts.append(("known already", ", ".join(told["known_already"][:10])))
    session.output.answer(told, view.facts(facts))


@command.command("set")
@click.argument("person")
@click.argument("preferences", nargs=-1, required=True, metavar="NAME=VALUE…")
@options.as_json
@options.session
def set_(session: Session, person: str, preferences: Sequence[str]) -> None:
    """Meeting preferences: earliest, latest, avoid_days, buffer_minutes, lunch, zone. An empty value takes one back."""
    changes = {name: read(name, value) for name, value in arguments.pairs(preferences, option="preference").items()}
    address = session.desk.principal(person).principal_id
    told = session.desk.set_preferences(session.who(), address, changes)
    from orchestrator.surfaces.cli import view

    session.output.answer(told, view.facts([(told["name"], json.dumps(told["preferences"], ensure_ascii=False))]))


@command.command()
@click.argument("person")
@click.argument("given", nargs=-1, required=True, metavar="ROLE…")
@click.option("--family", "families", multiple=True, help="An approver for tools of this family only, e.g. mail.")
@click.option("--tool", "tools", multiple=True, help="An approver for this tool only, e.g. mail.send.")
@click.option("--requester", "requesters", multiple=True, help="An approver for this person's requests only.")
@options.speaker
@options.as_json
@options.session
def role(
    session: Session,
    person: str,
    given: Sequence[str],
    families: Sequence[str],
    tools: Sequence[str],
    requesters: Sequence[str],
    speaker: str | None,
) -> None:
    """Give PERSON exactly these roles: viewer, approver, operator, auditor, admin.

    "none": they may no longer come in, on any door. "default": what a colleague has to whom no role was given.
    """
    address = session.desk.principal(person).principal_id
    asked_by = [session.desk.principal(one).principal_id for one in requesters]
    limits = {"families": families, "tools": tools, "requesters": asked_by}
    names = () if tuple(given) == ("default",) else [part for one in given for part in one.split(",") if part]
    told = session.desk.roles.give(session.who(speaker), address, names, limits=limits)
    from orchestrator.surfaces.cli import view

    facts = [("person", told["person"]), ("roles", ", ".join(told["effective"]) or "none")]
    facts += [(name, ", ".join(values)) for name, values in told["limits"].items()]
    session.output.answer(told, view.facts(facts))


@command.command()
@options.speaker
@options.as_json
@options.session
def roles(session: Session, speaker: str | None) -> None:
    """Who has which role, and who gave it; everybody else has the role of the setting default_role."""
    who = session.who(speaker)
    found = session.desk.roles.all(who)
    if session.output.as_json:
        return session.output.document(found)
    from orchestrator.surfaces.cli import view

    rows: list[view.Row] = [
        [
            one["name"],
            one["person"],
            ", ".join(one["roles"]) or "none",
            ", ".join(sorted({given["given_by"] for given in one["given"]})) or ("the owner" if one["owner"] else ""),
            "; ".join(f"{name}: {', '.join(v)}" for given in one["given"] for name, v in given["limits"].items()),
        ]
        for one in found
        if one["given"] or one["owner"]
    ]
    session.output.draw(view.table(["name", "address", "roles", "given by", "only for"], rows, empty="Nobody."))


def read(name: str, text: str) -> Any:
    """A preference's value in the shape `calendar.find_slots` takes; None for an empty text. UsageError otherwise."""
    if name not in PREFERENCES:
        close = difflib.get_close_matches(name, PREFERENCES, n=1)
        raise UsageError(
            f"there is no preference {name!r}",
            fix=f"did you mean {close[0]!r}?" if close else f"one of: {', '.join(PREFERENCES)}",
        )
    value = text.strip()
    if not value:
        return None
    parts = [part.strip().lower() for part in value.split(",")]
    if name in ("earliest", "latest") and TIME.match(value):
        return value
    if name == "lunch" and len(parts) == 2 and all(TIME.match(part) for part in parts):
        return parts
    if name == "avoid_days" and all(part[:3] in DAYS for part in parts):
        return [part[:3] for part in parts]
    if name == "buffer_minutes" and value.isdigit():
        return int(value)
    if name == "zone" and _is_zone(value):
        return value
    raise UsageError(f"{name} cannot be {text!r}", fix=f"give {PREFERENCES[name]}")


def _is_zone(name: str) -> bool:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True
