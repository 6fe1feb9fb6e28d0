"""What every form of `deputy connect` does with an account once it knows it: look, seal, store, and say what follows."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from connectors.spec import Account
from orchestrator.domain.principal import NOBODY
from orchestrator.errors import DeputyError, UsageError
from orchestrator.store import connections, credentials
from orchestrator.store.connections import EVERYBODY, MADE_UP, Connection
from orchestrator.store.database import Store
from orchestrator.surfaces.cli import arguments, asking, options
from orchestrator.surfaces.cli.session import Session

if TYPE_CHECKING:
    from connectors.spec import Connector
    from orchestrator.domain.principal import Principal
    from orchestrator.providers import Look, NewAccount

F = TypeVar("F", bound=Callable[..., Any])
NOBODY_FIX = "say whose account it is: deputy --set owner=YOU@EXAMPLE.COM connect …, or DEPUTY_OWNER"


class NotConnected(DeputyError):
    """The provider does not let this account in, or cannot be asked. Nothing was stored."""

    def __init__(self, look: Look, name: str) -> None:
        super().__init__(f"{name}: {look.problem}", fix=look.fix or "check what you typed, then try again")
        self.code = look.code


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options that all forms share."""

    shared_with: Sequence[str]
    speaker: str | None
    is_checked: bool


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


def connector_of(session: Session, name: str) -> Connector:
    """The connector of this name, as the settings have it."""
    from orchestrator import providers
    from orchestrator.store.connections import Connection

    blank = Connection(connection_id="", connector=name, owner="", subject="", families=())
    built = providers.connector_of(session.settings, blank)
    assert built is not None  # only the office is built elsewhere
    return built


@contextmanager
def store_of(session: Session) -> Iterator[Store]:
    """The store, once the front desk has prepared it."""
    session.who()
    store = Store.open(session.settings.store_url, tenant_id=session.settings.tenant)
    try:
        yield store
    finally:
        store.close()


def owner_of(session: Session, asked: Asked) -> Principal:
    """Whose account it becomes."""
    owner = session.who(asked.speaker)
    if owner.principal_id == NOBODY:
        raise UsageError("nobody is here to connect an account for", fix=NOBODY_FIX)
    return owner


def connect(session: Session, new: NewAccount, connector: Connector, asked: Asked, *, more: Sequence[str] = ()) -> None:
    """Looks at the account, stores it, wakes who waits for it, and says so. Raises NotConnected."""
    from orchestrator import providers

    owner = owner_of(session, asked)
    new = replace(new, shared_with=_people(session, asked.shared_with))
    look = providers.Look()
    if asked.is_checked:
        trial = Account(
            connection_id=new.id_of(owner.principal_id),
            subject=new.subject,
            credentials=new.credentials,
            settings=new.settings,
        )
        look = providers.look(connector, trial, new.families)
        if look.problem:
            raise NotConnected(look, new.connector)
    with store_of(session) as store:
        actor = session.who().principal_id
        connection_id = providers.connect(session.settings, store, new, owner=owner.principal_id, actor=actor)
        with store.read() as tx:
            every = connections.every(tx)
    made = next(one for one in every if one.connection_id == connection_id)
    notes = [*_notes(session, made, every, look), *more]
    session.output.document({**about(made), "checked": asked.is_checked, "notes": notes})
    if not session.output.as_json:
        checked = "" if asked.is_checked else ", not looked at"
        session.output.draw(f"{connection_id}  {made.connector} of {made.owner} as {made.subject}{checked}")
        for note in notes:
            session.output.draw(f"  {note}")


def _people(session: Session, names: Sequence[str]) -> list[str]:
    return [
        EVERYBODY if name in (EVERYBODY, "everybody") else session.desk.principal(name).principal_id for name in names
    ]


def people(session: Session, names: Sequence[str]) -> list[str]:
    """Principal ids of people as they are typed; "everybody" is one."""
    return _people(session, names)


def _notes(session: Session, made: Connection, every: Sequence[Connection], look: Look) -> list[str]:
    """What a person should know now: scopes not granted, and where the made-up office still answers."""
    notes = []
    if look.missing:
        notes.append(f"not granted: {', '.join(look.missing)}; tools that need it will ask for consent")
    notes += [f"left out: {problem}" for problem in (*look.left_out, *look.noted)]
    mine = [c for c in every if c.owner == made.owner and c.connector == MADE_UP and c.state == "active"]
    office = {family for c in mine for family in c.families}
    real = {family for c in every if c.owner == made.owner and c.connector != MADE_UP for family in c.families}
    if session.settings.office and (taken := sorted(office & set(made.families))):
        notes.append(f"{', '.join(taken)}: this account answers from now on, no longer the local office")
    if session.settings.office and (left := sorted(office - real - {"directory"})):
        notes.append(
            f"{', '.join(left)}: still the local office, which is made up; DEPUTY_OFFICE=false switches it off"
        )
    if session.settings.office and session.settings.owner is None:
        notes.append(f"you speak as {made.owner} of the local office; for yourself, set DEPUTY_OWNER to your address")
    return notes


def about(one: Connection) -> dict[str, Any]:
    """A connection as documents show it."""
    return {
        "connection_id": one.connection_id,
        "connector": one.connector,
        "owner": one.owner,
        "subject": one.subject,
        "families": list(one.families),
        "shared_with": list(one.shared_with),
        "state": one.state,
        "sealed": bool(one.credentials),
    }


def known(session: Session, store: Store) -> list[dict[str, Any]]:
    """Every connection the speaker may see, with the age of its credentials."""
    who = session.who()
    with store.read() as tx:
        every = connections.every(tx)
        issued: Mapping[str, Any] = {one.connection_id: one.issued_at for one in credentials.kept(tx)}
    return [
        {**about(one), "issued_at": at.isoformat() if (at := issued.get(one.connection_id)) else None}
        for one in every
        if "admin" in who.roles or one.serves(who.principal_id)
    ]
