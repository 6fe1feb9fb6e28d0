"""`deputy office`: the local world: look at it, add to it, see what changed, start it anew. Acts on nothing but its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from orchestrator.errors import UsageError
from orchestrator.surfaces.cli import options, times
from orchestrator.surfaces.cli.session import Session

if TYPE_CHECKING:
    from rich.console import RenderableType

    from connectors.office import Office

FAMILIES = ("calendar", "chat", "mail")


@click.group()
def command() -> None:
    """The local office: a made-up company in one file."""


@command.command()
@options.as_json
@options.session
def show(session: Session) -> None:
    """How much of everything there is, whose office it is, and what time it is there."""
    told = _office(session).summary()
    from orchestrator.surfaces.cli import view

    session.output.answer(told, view.facts([(name.replace("_", " "), value) for name, value in told.items()]))


@command.command("add-mail")
@click.option("--from", "author", required=True, metavar="PERSON", help="Address, or a name in the directory.")
@click.option("--to", "to", multiple=True, metavar="PERSON", help="Default: the owner.")
@click.option("--cc", multiple=True, metavar="PERSON")
@click.option("--subject", required=True)
@click.option("--body", default="", help="Text of the mail.")
@click.option("--reply-to", "in_reply_to", metavar="MESSAGE", help="The mail it answers, by id.")
@click.option("--at", metavar="T", help="When it was sent; default: now.")
@options.as_json
@options.session
def add_mail(
    session: Session,
    author: str,
    to: Sequence[str],
    cc: Sequence[str],
    subject: str,
    body: str,
    in_reply_to: str | None,
    at: str | None,
) -> None:
    """A mail arrives."""
    office = _office(session)
    message_id = office.add_mail(
        author=_address(session, author),
        to=[_address(session, person) for person in to] or [office.owner()],
        cc=[_address(session, person) for person in cc],
        subject=subject,
        body=body,
        in_reply_to=in_reply_to,
        sent_at=_moment(session, at),
    )
    _added(session, {"message_id": message_id})


@command.command("add-event")
@click.option("--title", required=True)
@click.option("--start", required=True, metavar="T", help="e.g. 'tomorrow 10:00'")
@click.option("--minutes", type=click.IntRange(1, 60 * 24 * 14), default=30, show_default=True)
@click.option("--organizer", metavar="PERSON", help="Default: the owner.")
@click.option("--with", "attendees", multiple=True, metavar="PERSON", help="Who is invited, too.")
@click.option("--description", default="")
@options.as_json
@options.session
def add_event(
    session: Session,
    title: str,
    start: str,
    minutes: int,
    organizer: str | None,
    attendees: Sequence[str],
    description: str,
) -> None:
    """An event stands in calendars."""
    office = _office(session)
    begins = _moment(session, start)
    assert begins is not None  # --start is required
    event_id = office.add_event(
        organizer=_address(session, organizer) if organizer else office.owner(),
        title=title,
        start=begins,
        end=begins + timedelta(minutes=minutes),
        attendees=[_address(session, person) for person in attendees],
        description=description,
    )
    _added(session, {"event_id": event_id})


@command.command("add-person")
@click.argument("name")
@click.option("--address", help="Default: made from the name.")
@click.option("--zone", default="UTC", show_default=True, help="IANA name, e.g. Europe/Lisbon.")
@click.option("--role", default="")
@click.option("--team", default="")
@click.option("--alias", "aliases", multiple=True)
@click.option("--outside", is_flag=True, help="A customer or supplier, not a colleague.")
@options.as_json
@options.session
def add_person(
    session: Session,
    name: str,
    address: str | None,
    zone: str,
    role: str,
    team: str,
    aliases: Sequence[str],
    outside: bool,
) -> None:
    """Somebody joins the directory."""
    if outside and address is None:
        raise UsageError("somebody outside needs an address of their own", fix="add --address name@company.example")
    found = _office(session).add_person(
        name, address=address, zone=zone, role=role, team=team, aliases=aliases, inside=not outside
    )
    from orchestrator import app

    app.refresh_people(session.settings)
    _added(session, {"address": found})


@command.command()
@click.argument("person")
@options.as_json
@options.session
def connect(session: Session, person: str) -> None:
    """Connect another colleague's mail, calendar and chat, so that Deputy can act for them, too."""
    address = _address(session, person)
    _office(session).person(address)
    connection_id = session.desk.connect(
        session.who(), connector="office", owner=address, subject=address, families=FAMILIES
    )
    session.keep_going()
    _added(session, {"connection_id": connection_id, "owner": address, "families": list(FAMILIES)})


@command.command()
@options.as_json
@options.session
def diff(session: Session) -> None:
    """What was made or changed since the seed."""
    told = _office(session).diff()
    session.output.answer(told, drawn_diff(told, _zone(session)))


@command.command()
@click.option("--seed", type=int, default=1, show_default=True, help="The same number makes the same office.")
@click.option("--now", metavar="T", help="Make it this time in the office; default: real time.")
@options.as_json
@options.session
def reset(session: Session, seed: int, now: str | None) -> None:
    """Build the office anew. Deputy's own records (worklist, ledger, audit) stay."""
    from orchestrator import app

    moment = None if now is None else times.parse(now, now=_real_now(), zone="UTC")
    app.init_office(session.settings, seed, moment)
    show_after = app.office(session.settings).summary()
    from orchestrator.surfaces.cli import view

    session.output.answer(
        show_after, view.facts([(name, show_after[name]) for name in ("company", "owner", "seed", "now")])
    )


def drawn_diff(told: Mapping[str, Any], zone: str) -> RenderableType:
    """Mails, events, messages and changes, one line each."""
    from rich.text import Text

    from orchestrator.surfaces.cli import view

    rows: list[list[RenderableType | str | None]] = []
    for mail in told["mails"]:
        rows.append(
            [
                "mail",
                Text(mail["subject"], style="bold"),
                f"{mail['from']} → {', '.join(mail['to'])}",
                times.shown(mail["sent_at"], zone),
            ]
        )
    for event in told["events"]:
        people = ", ".join(attendee["address"] for attendee in event["attendees"])
        rows.append(["event", Text(event["title"], style="bold"), people, times.shown(event["start"], zone)])
    for message in told["messages"]:
        place = ", ".join(message["to"]) if message["channel_name"] == "direct" else message["channel_name"]
        rows.append(
            [
                "message",
                Text(" ".join(message["text"].split())[:60], style="bold"),
                place,
                times.shown(message["sent_at"], zone),
            ]
        )
    for change in told["changed"]:
        rows.append(
            [
                "changed",
                Text(f"{change['kind']} {change['id']}", style="bold"),
                str(change["what"]),
                times.shown(change["at"], zone),
            ]
        )
    return view.table(["", "what", "who or where", "when"], rows, empty="Nothing changed since the seed.")


def _office(session: Session) -> Office:
    from orchestrator import app

    office = app.office(session.settings)
    app.follow_office_clock(session.settings)
    return office


def _address(session: Session, person: str) -> str:
    """Somebody's address: as given, or of the one person of that name."""
    return person.strip().lower() if "@" in person else session.desk.principal(person).principal_id


def _zone(session: Session) -> str:
    return session.zone(session.who())


def _moment(session: Session, text: str | None) -> datetime | None:
    return session.moment(text, session.who())


def _real_now() -> datetime:
    from orchestrator import clock

    return clock.now()


def _added(session: Session, told: Mapping[str, Any]) -> None:
    if session.output.as_json:
        return session.output.document(told)
    from orchestrator.surfaces.cli import view

    session.output.draw(
        view.facts([(name.replace("_", " "), ", ".join(v) if isinstance(v, list) else v) for name, v in told.items()])
    )
