"""`deputy connect`: accounts at providers, one's own or shared. Alone it lists them; secrets never come from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from orchestrator.errors import UsageError
from orchestrator.surfaces.cli import asking, by_address, connecting, options
from orchestrator.surfaces.cli.connecting import Asked
from orchestrator.surfaces.cli.session import Session

if TYPE_CHECKING:
    pass

F = TypeVar("F", bound=Callable[..., Any])
GOOGLE = ("mail", "calendar", "directory")


@click.group(invoke_without_command=True, commands=[by_address.imap, by_address.caldav, by_address.carddav])
@options.as_json
@options.session
@click.pass_context
def command(ctx: click.Context, session: Session) -> None:
    """Connect accounts: google, slack, imap, caldav, carddav, mcp. Alone: lists them."""
    if ctx.invoked_subcommand is None:
        _list(session)


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
@connecting.account_options
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

    connector, families = connecting.connector_of(session, "google"), _families(only, GOOGLE)
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
@click.option("--bot", is_flag=True, help="A manifest with the bot of `deputy serve` in it (docs/slack.md).")
@click.option("--only", metavar="FAMILIES", help="Some of chat,directory.")
@connecting.account_options
def slack(
    session: Session,
    asked: Asked,
    given: asking.Given,
    further: Mapping[str, Any],
    user_token: bool,
    manifest: bool,
    bot: bool,
    only: str | None,
) -> None:
    """A Slack workspace by its bot token: typed, or in SLACK_BOT_TOKEN (and SLACK_USER_TOKEN)."""
    import asyncio

    from connectors.errors import ConnectorError
    from connectors.spec import Account
    from orchestrator import providers

    connector: Any = connecting.connector_of(session, "slack")
    families = _families(only, ("chat", "directory"))
    if manifest:
        from connectors.slack.manifest import app_manifest

        enabled = [spec for spec in connector.tools() if spec.family in families]
        made = app_manifest(enabled, with_search=user_token)
        if bot:
            from orchestrator.surfaces.slack_bot.manifest import bot_manifest

            address = session.settings.public_url if session.settings.slack_mode == "http" else None
            made = bot_manifest(enabled, public_url=address, with_search=user_token)
        click.echo(json.dumps(made, indent=2))
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
@connecting.account_options
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
    from orchestrator import clock, providers, tool_servers
    from orchestrator.store import connections, reviews

    who = session.who()
    with connecting.store_of(session) as store:
        found = providers.find(store, connection, principal=who.principal_id, is_admin="admin" in who.roles)
        if tool_servers.is_declared(found) and found.connector in session.settings.connectors:
            raise UsageError(
                f"{found.connector!r} stands in deputy.toml", fix=f"take [connectors.{found.connector}] out"
            )
        with store.tx() as tx:
            connections.remove(tx, [found.connection_id], actor=who.principal_id, now=clock.now())
            if found.settings.get("kind") == tool_servers.MCP:
                reviews.forget(tx, found.connector)
    if found.settings.get("kind") == tool_servers.MCP:
        tool_servers.description_file(session.settings, found.connector).unlink(missing_ok=True)
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
