"""`deputy connect` for accounts that are named by a server's address: imap, caldav, carddav. Looks for what else is there, and says so."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import click

from orchestrator.errors import UsageError
from orchestrator.surfaces.cli import asking, connecting
from orchestrator.surfaces.cli.connecting import Asked, account_options
from orchestrator.surfaces.cli.session import Session


@click.command()
@click.argument("address")
@click.option("--imap", "imap_", required=True, metavar="HOST[:PORT]", help="Where mail is read.")
@click.option("--smtp", metavar="HOST[:PORT]", help="Where mail is sent; without it mail is only read.")
@click.option("--user", metavar="NAME", help="The login; default: the address.")
@click.option("--security", type=click.Choice(["ssl", "starttls", "none"]), help="Of both; default: ssl.")
@account_options
def imap(
    session: Session,
    asked: Asked,
    given: asking.Given,
    further: Mapping[str, Any],
    address: str,
    imap_: str,
    smtp: str | None,
    user: str | None,
    security: str | None,
) -> None:
    """A mailbox on any IMAP server, with SMTP to send. Both are tried; no mail is sent for it."""
    from orchestrator import providers

    connecting.owner_of(session, asked)
    settings = {**_server("imap", imap_, security), **(_server("smtp", smtp, security) if smtp else {}), **further}
    held = {**given.credentials, "username": user or given.credentials.get("username") or address}
    if "xoauth2" not in held:
        held["password"] = asking.secret(session.output, given, "password", prompt=f"password of {held['username']}")
    new = providers.NewAccount(
        connector="imap", subject=address.lower(), families=["mail"], settings=settings, credentials=held
    )
    connecting.connect(session, new, connecting.connector_of(session, "imap"), asked)


def _server(kind: str, where: str, security: str | None) -> dict[str, Any]:
    host, colon, port = where.rpartition(":")
    if not colon:
        host, port = where, ""
    if not host or (port and not port.isdigit()):
        raise UsageError(f"--{kind} {where!r} is no HOST or HOST:PORT", fix=f"--{kind} mail.example.com:993")
    told: dict[str, Any] = {f"{kind}_host": host}
    return told | ({f"{kind}_port": int(port)} if port else {}) | ({f"{kind}_security": security} if security else {})


@click.command()
@click.argument("url")
@click.option("--user", metavar="NAME", help="The login.")
@click.option("--address", metavar="ADDRESS", help="The account's mail address; default: the login.")
@click.option("--calendar", metavar="NAME", help="Which calendar, where there are several.")
@click.option("--zone", metavar="ZONE", help="IANA zone of the account, e.g. Europe/Lisbon.")
@click.option("--allow-http", is_flag=True, help="Let the password travel in the clear: for this machine only.")
@account_options
def caldav(
    session: Session,
    asked: Asked,
    given: asking.Given,
    further: Mapping[str, Any],
    url: str,
    user: str | None,
    address: str | None,
    calendar: str | None,
    zone: str | None,
    allow_http: bool,
) -> None:
    """Calendars on any CalDAV server, by its address."""
    from orchestrator import providers

    connecting.owner_of(session, asked)
    subject, held = _login(session, given, user, address, what="calendar")
    told = {"calendar": calendar, "zone": zone, "allow_http": allow_http or None}
    settings = {"url": url, **{name: value for name, value in told.items() if value is not None}, **further}
    new = providers.NewAccount(
        connector="caldav", subject=subject.lower(), families=["calendar"], settings=settings, credentials=held
    )
    more = _further_books(session, new) if asked.is_checked else []
    connecting.connect(session, new, connecting.connector_of(session, "caldav"), asked, more=more)


@click.command()
@click.argument("url")
@click.option("--book", "books", multiple=True, metavar="NAME", help="An address book that counts; repeat for several.")
@click.option("--inside", multiple=True, metavar="DOMAIN", help="Addresses of this domain are colleagues.")
@click.option("--user", metavar="NAME", help="The login.")
@click.option("--address", metavar="ADDRESS", help="The account's mail address; default: the login.")
@click.option("--allow-http", is_flag=True, help="Let the password travel in the clear: for this machine only.")
@account_options
def carddav(
    session: Session,
    asked: Asked,
    given: asking.Given,
    further: Mapping[str, Any],
    url: str,
    books: Sequence[str],
    inside: Sequence[str],
    user: str | None,
    address: str | None,
    allow_http: bool,
) -> None:
    """People from the address books that you name, on any CardDAV server.

    Name no book that a mail program fills with senders by itself. Nobody is a colleague unless you say so.
    """
    from orchestrator import providers

    connecting.owner_of(session, asked)
    subject, held = _login(session, given, user, address, what="address book")
    told = {"books": list(books) or None, "inside": list(inside) or None, "allow_http": allow_http or None}
    settings = {"url": url, **{name: value for name, value in told.items() if value is not None}, **further}
    new = providers.NewAccount(
        connector="carddav", subject=subject.lower(), families=["directory"], settings=settings, credentials=held
    )
    connecting.connect(session, new, connecting.connector_of(session, "carddav"), asked)


def _login(
    session: Session, given: asking.Given, user: str | None, address: str | None, *, what: str
) -> tuple[str, dict[str, str]]:
    """Whose account it is, and what opens it."""
    held = dict(given.credentials)
    login = user or held.get("username") or ""
    subject = address or login
    if "@" not in subject:
        raise UsageError(f"it is not known whose {what} that is", fix="--address YOU@EXAMPLE.COM")
    if "token" not in held:
        held["username"] = login or subject
        held["password"] = asking.secret(session.output, given, "password", prompt=f"password of {held['username']}")
    return subject, held


def _further_books(session: Session, new: Any) -> list[str]:
    """A note where the same server has address books, too: none of them counts before somebody names it."""
    from connectors.errors import ConnectorError
    from connectors.spec import Account

    connector: Any = connecting.connector_of(session, "carddav")
    account = Account(connection_id="conn_new", subject=new.subject, credentials=new.credentials, settings=new.settings)
    try:
        found = connector.offered(account)
    except ConnectorError:
        return []
    if not found:
        return []
    login = new.credentials.get("username") or new.subject
    words = ["--user", login, "--address", new.subject, *(["--allow-http"] if new.settings.get("allow_http") else [])]
    command = shlex.join(
        ["deputy", "connect", "carddav", new.settings["url"], "--book", "NAME", "--inside", "DOMAIN", *words]
    )
    return [f"address books are there, too ({', '.join(found)}); to know people from them: {command}"]
