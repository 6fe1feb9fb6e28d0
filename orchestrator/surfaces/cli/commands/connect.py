"""`deputy connect`: accounts at providers, one's own or shared. Alone it lists them; secrets never come from the command line."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from orchestrator.errors import UsageError
from orchestrator.surfaces.cli import arguments, asking, connecting, options
from orchestrator.surfaces.cli.connecting import Asked
from orchestrator.surfaces.cli.session import Session

if TYPE_CHECKING:
    from connectors.spec import Connector

F = TypeVar("F", bound=Callable[..., Any])
GOOGLE = ("mail", "calendar", "directory")


@click.group(invoke_without_command=True)
@options.as_json
@options.session
@click.pass_context
def command(ctx: click.Context, session: Session) -> None:
    """Connect accounts: google, slack, imap, caldav, mcp. Alone: lists them."""
    if ctx.invoked_subcommand is None:
        _list(session)


def account_options(function: F) -> F:
    """Options of every form that connects an account; they arrive as `asked` and `given`."""

    @click.option("--shared-with", multiple=True, metavar="PERSON", help="Who else may use it; everybody for all.")
    @click.option("--check/--no-check", "is_checked", default=True, help="Whether the account is looked at first.")
    @click.option("--stdin-json", is_flag=True, help='Read {"credentials": {…}, "settings": {…}} from stdin.')
    @click.option("--setting", "pairs", multiple=True, metavar="NAME=VALUE", help="A further setting of the account.")
    @options.speaker
    @options.as_json
    @options.session
    @functools.wraps(function)
    def told(
        session: Session,
        shared_with: Sequence[str],
        is_checked: bool,
        stdin_json: bool,
        pairs: Sequence[str],
        speaker: str | None,
        **more: Any,
    ) -> Any:
        asked = Asked(shared_with=shared_with, speaker=speaker, is_checked=is_checked)
        given = asking.from_stdin(stdin_json)
        further = {**{k: _value(v) for k, v in arguments.pairs(pairs, option="--setting").items()}, **given.settings}
        return function(session, asked=asked, given=given, further=further, **more)

    return told  # type: ignore[return-value]  # click reads the options off it


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _list(session: Session) -> None:
    with connecting.store_of(session) as store:
        found = connecting.known(session, store)
    if session.output.as_json:
        return session.output.document(found)
    from orchestrator.surfaces.cli import view

    rows: list[view.Row] = [
        [
            one["connection_id"],
            one["connector"],
            one["subject"],
            ", ".join(one["families"]),
            one["state"],
            ", ".join("everybody" if who == "*" else who for who in one["shared_with"]),
            (one["issued_at"] or "")[:10],
        ]
        for one in found
    ]
    names = ["id", "provider", "account", "for", "state", "shared with", "since"]
    session.output.draw(view.table(names, rows, empty="Nothing is connected."))


def _connector(session: Session, name: str) -> Connector:
    from orchestrator import providers
    from orchestrator.store.connections import Connection

    blank = Connection(connection_id="", connector=name, owner="", subject="", families=())
    built = providers.connector_of(session.settings, blank)
    assert built is not None  # only the office is built elsewhere
    return built


def _families(wanted: str | None, offered: Sequence[str]) -> list[str]:
    chosen = [one.strip() for one in wanted.split(",") if one.strip()] if wanted else list(offered)
    if unknown := sorted(set(chosen) - set(offered)):
        raise UsageError(f"it does not offer {', '.join(unknown)}", fix=f"--only some of: {','.join(offered)}")
    return chosen


@command.command()
@click.option("--client-secrets", type=click.Path(path_type=Path), help="The OAuth client's JSON file (desktop app).")
@click.option("--service-account", type=click.Path(path_type=Path), help="A service account's key file instead.")
@click.option("--subject", metavar="ADDRESS", help="Whose account it is; needed with --service-account.")
@click.option(
    "--allow", multiple=True, metavar="ADDRESS", help="Whom the service account may act for; default: --subject."
)
@click.option("--only", metavar="FAMILIES", help=f"Some of {','.join(GOOGLE)}; scopes are asked for these alone.")
@click.option("--browser/--no-browser", default=True, help="--no-browser prints the address to open.")
@account_options
def google(
    session: Session,
    asked: Asked,
    given: asking.Given,
    further: Mapping[str, Any],
    client_secrets: Path | None,
    service_account: Path | None,
    subject: str | None,
    allow: Sequence[str],
    only: str | None,
    browser: bool,
) -> None:
    """Gmail, Google Calendar and the directory: consent in the browser, or a service account."""
    from orchestrator import providers

    connector, families = _connector(session, "google"), _families(only, GOOGLE)
    connecting.owner_of(session, asked)
    scopes = providers.scopes_needed(connector, families)
    settings, held = dict(further), dict(given.credentials)
    if service_account is not None:
        if subject is None:
            raise UsageError("--service-account needs --subject", fix="--subject ADDRESS: whom it acts for")
        settings["subjects"] = sorted({one.strip().lower() for one in allow or (subject,)})
        held = {"service_account": asking.text_of(service_account), "scopes": " ".join(scopes)}
    elif not held:
        if client_secrets is None:
            raise UsageError(
                "an OAuth client is needed", fix="--client-secrets FILE (docs/connections.md says how to get one)"
            )
        from connectors.google import consent

        show = session.output.note if not browser else (lambda url: session.output.note(f"if no browser opens: {url}"))
        consented = consent.in_browser(client_secrets, scopes, open_browser=browser, show=show, hint=subject)
        held, subject = dict(consented.credentials), consented.address or subject
    if subject is None:
        raise UsageError("it is not known whose account that is", fix="--subject ADDRESS")
    new = providers.NewAccount(
        connector="google", subject=subject.strip().lower(), families=families, settings=settings, credentials=held
    )
    connecting.connect(session, new, connector, asked)


@command.command()
@click.option("--user-token", is_flag=True, help="Also take the person's own token, for Slack's search.")
@click.option("--manifest", is_flag=True, help="Print the app manifest to create the Slack app from, and stop.")
@click.option("--only", metavar="FAMILIES", help="Some of chat,directory.")
@account_options
def slack(
    session: Session,
    asked: Asked,
    given: asking.Given,
    further: Mapping[str, Any],
    user_token: bool,
    manifest: bool,
    only: str | None,
) -> None:
    """A Slack workspace by its bot token: typed, or in SLACK_BOT_TOKEN (and SLACK_USER_TOKEN)."""
    import asyncio

    from connectors.errors import ConnectorError
    from connectors.spec import Account
    from orchestrator import providers

    connector: Any = _connector(session, "slack")
    families = _families(only, ("chat", "directory"))
    if manifest:
        from connectors.slack.manifest import app_manifest

        enabled = [spec for spec in connector.tools() if spec.family in families]
        click.echo(json.dumps(app_manifest(enabled, with_search=user_token), indent=2))
        return
    connecting.owner_of(session, asked)
    out = session.output
    held = {
        "bot_token": asking.secret(out, given, "bot_token", prompt="bot token (xoxb-…)", variable="SLACK_BOT_TOKEN")
    }
    own = "user token (xoxp-…)"
    if user := asking.secret(
        out, given, "user_token", prompt=own, variable="SLACK_USER_TOKEN", optional=not user_token
    ):
        held["user_token"] = user
    subject = str(further.get("subject") or "")
    if asked.is_checked or not subject:
        trial = Account(connection_id="conn_new", subject="", credentials=held, settings=further)
        try:
            subject = asyncio.run(connector.whoami(trial))["address"]
        except ConnectorError as error:
            look = providers.Look(problem=error.message, fix=error.fix, code=error.code)
            raise connecting.NotConnected(look, "slack") from None
    settings = {name: value for name, value in further.items() if name != "subject"}
    new = providers.NewAccount(
        connector="slack", subject=subject, families=families, settings=settings, credentials=held
    )
    connecting.connect(session, new, connector, asked)


@command.command()
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
    """A mailbox on any IMAP server, with SMTP to send."""
    from orchestrator import providers

    connecting.owner_of(session, asked)
    settings = {**_server("imap", imap_, security), **(_server("smtp", smtp, security) if smtp else {}), **further}
    held = {**given.credentials, "username": user or given.credentials.get("username") or address}
    if "xoauth2" not in held:
        held["password"] = asking.secret(session.output, given, "password", prompt=f"password of {held['username']}")
    new = providers.NewAccount(
        connector="imap", subject=address.lower(), families=["mail"], settings=settings, credentials=held
    )
    connecting.connect(session, new, _connector(session, "imap"), asked)


def _server(kind: str, where: str, security: str | None) -> dict[str, Any]:
    host, colon, port = where.rpartition(":")
    if not colon:
        host, port = where, ""
    if not host or (port and not port.isdigit()):
        raise UsageError(f"--{kind} {where!r} is no HOST or HOST:PORT", fix=f"--{kind} mail.example.com:993")
    told: dict[str, Any] = {f"{kind}_host": host}
    return told | ({f"{kind}_port": int(port)} if port else {}) | ({f"{kind}_security": security} if security else {})


@command.command()
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
    held = dict(given.credentials)
    login = user or held.get("username") or ""
    subject = address or login
    if "@" not in subject:
        raise UsageError("it is not known whose calendar that is", fix="--address YOU@EXAMPLE.COM")
    if "token" not in held:
        held["username"] = login or subject
        held["password"] = asking.secret(session.output, given, "password", prompt=f"password of {held['username']}")
    told = {"calendar": calendar, "zone": zone, "allow_http": allow_http or None}
    settings = {"url": url, **{name: value for name, value in told.items() if value is not None}, **further}
    new = providers.NewAccount(
        connector="caldav", subject=subject.lower(), families=["calendar"], settings=settings, credentials=held
    )
    connecting.connect(session, new, _connector(session, "caldav"), asked)


@command.command(context_settings={"ignore_unknown_options": False})
@click.argument("name")
@click.argument("server", nargs=-1, metavar="[-- COMMAND…]")
@click.option("--url", metavar="URL", help="Where the server listens, instead of a command.")
@click.option(
    "--env", "variables", multiple=True, metavar="NAME", help="A secret that the server gets in this variable."
)
@click.option("--token", is_flag=True, help="Send a bearer token, which is asked for.")
@click.option(
    "--manifest", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="What its tools do, in your words."
)
@click.option("--yes", is_flag=True, help="Use the tools as they are, without a question.")
@account_options
def mcp(session: Session, **told: Any) -> int | None:
    """Any MCP tool server: shows its tools and what they would do, and uses what you have seen, nothing else."""
    from orchestrator.surfaces.cli import mcp_review

    return mcp_review.connect(session, **told)


@command.command()
@click.argument("connection")
@options.as_json
@options.session
def rm(session: Session, connection: str) -> None:
    """Take a connection and its credentials away. CONNECTION: its id, or the provider's name."""
    from orchestrator import clock, providers
    from orchestrator.store import connections

    who = session.who()
    with connecting.store_of(session) as store:
        found = providers.find(store, connection, principal=who.principal_id, is_admin="admin" in who.roles)
        if providers.is_declared(found):
            raise UsageError(
                f"{found.connector!r} stands in deputy.toml", fix=f"take [connectors.{found.connector}] out"
            )
        with store.tx() as tx:
            connections.remove(tx, [found.connection_id], actor=who.principal_id, now=clock.now())
    if found.settings.get("kind") == providers.MCP:
        providers.description_file(session.settings, found.connector).unlink(missing_ok=True)
    session.output.answer({"removed": found.connection_id}, f"{found.connection_id} is gone, with its credentials")


@command.command()
@click.argument("connection")
@click.argument("people", nargs=-1)
@options.as_json
@options.session
def share(session: Session, connection: str, people: Sequence[str]) -> None:
    """Say who else may use a connection; nobody named: only its owner."""
    from orchestrator import providers

    who, ids = session.who(), connecting.people(session, people)
    with connecting.store_of(session) as store:
        found = providers.find(store, connection, principal=who.principal_id, is_admin="admin" in who.roles)
        changed = providers.share(store, found, ids, actor=who.principal_id)
    told = connecting.about(changed)
    session.output.answer(told, f"{changed.connection_id}: shared with {', '.join(changed.shared_with) or 'nobody'}")


@command.command()
@click.argument("connection")
@options.as_json
@options.session
def test(session: Session, connection: str) -> None:
    """Look at an account now; one that is well again goes on serving, and what waited for it goes on."""
    from orchestrator import clock, providers
    from orchestrator.store import connections

    who = session.who()
    with connecting.store_of(session) as store:
        found = providers.find(store, connection, principal=who.principal_id, is_admin="admin" in who.roles)
        seen = providers.look_at(session.settings, store, found)
        if seen.problem:
            raise connecting.NotConnected(seen, found.connection_id)
        with store.tx() as tx:
            connections.set_state(tx, found.connection_id, "active", actor=who.principal_id, now=clock.now())
    missing = list(seen.missing or ())
    lacks = f"; not granted: {', '.join(missing)}" if missing else ""
    told = {"connection_id": found.connection_id, "ok": True, "missing": missing, "left_out": list(seen.left_out)}
    session.output.answer(told, f"{found.connection_id} is well{lacks}")


@command.command()
@options.as_json
@options.session
def rekey(session: Session) -> None:
    """Seal all credentials with a new key. Old keys stay readable; a key in DEPUTY_CREDENTIALS_KEY or a KMS you renew yourself first."""
    from orchestrator import providers

    who = session.who()
    if "admin" not in who.roles:
        raise UsageError("only the owner renews the key", fix="run it as the owner")
    with connecting.store_of(session) as store:
        told = providers.rekey(session.settings, store, actor=who.principal_id)
    unread = f"; {len(told['unreadable'])} do not open: connect them again" if told["unreadable"] else ""
    session.output.answer(told, f"key {told['key_id']}: {len(told['rewrapped'])} sealed anew{unread}")
