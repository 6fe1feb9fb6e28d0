"""Connectors and accounts as settings and connections ask for them: built, opened, connected, looked at, sealed anew.

Between the composition root and the commands that connect. No secret leaves by a return value's text, an error or the audit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from connectors.errors import ConnectorError, RateLimited
from connectors.registry import load
from connectors.spec import Account, Connector
from orchestrator import clock, ids, tool_servers
from orchestrator.domain.audit import AuditEvent
from orchestrator.errors import Conflict, NotFound, UsageError
from orchestrator.settings import Settings
from orchestrator.store import connections, credentials, reviews
from orchestrator.store.connections import MADE_UP, Connection
from orchestrator.store.database import Store
from orchestrator.tool_servers import MCP

if TYPE_CHECKING:
    from orchestrator.gate.sealing import Keys

LOOK_S = 15.0  # a look at one account, all its families


def connector_of(settings: Settings, connection: Connection) -> Connector | None:
    """The connector behind a connection. None for the office, which the settings alone enable. Raises ConnectorError, UsageError."""
    name = connection.connector
    if name == MADE_UP:
        return None
    if connection.settings.get("kind") == MCP:
        server: Connector = mcp_server(settings, name, connection.settings)
        return server
    return _load(name, settings.connectors.get(name, {}))


def mcp_server(settings: Settings, name: str, told: Mapping[str, Any]) -> Any:
    """The tool server of this name, with the tools that a person saw of it."""
    return _load(MCP, tool_servers.keywords(settings, name, told))


def _load(name: str, own: Mapping[str, Any]) -> Connector:
    try:
        return load(name, own)
    except TypeError as error:  # a keyword it does not know
        raise UsageError(f"[connectors.{name}]: {error}", fix="see: docs/connections.md") from None


# ---- accounts --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """What `deputy connect` was told. `seen`: a tool server's description, once a person has looked at it."""

    connector: str
    subject: str
    families: Sequence[str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    shared_with: Sequence[str] = ()
    seen: Mapping[str, Any] | None = None

    def id_of(self, owner: str) -> str:
        return ids.derived("conn", self.connector, owner, self.subject)


def keys(settings: Settings, *, make: bool = False) -> Keys:
    from orchestrator.gate.keys import keys_of

    return keys_of(settings.key_source, settings.home, make=make)


def connect(settings: Settings, store: Store, new: NewAccount, *, owner: str, actor: str) -> str:
    """Seals and stores the account, in place of what was known of it, and wakes the items that wait for one; its id."""
    from orchestrator.gate.sealing import Place, seal

    now, connection_id = clock.now(), new.id_of(owner)
    sealed = None
    if new.credentials:
        _check_new_key(settings, store)
        sealed = seal(new.credentials, Place(settings.tenant, connection_id), keys(settings, make=True))
    with store.tx() as tx:
        taken = next((c for c in connections.every(tx) if c.connector == new.connector and c.owner != owner), None)
        if taken is not None and MCP in (taken.settings.get("kind"), new.settings.get("kind")):
            raise Conflict(f"{new.connector!r} is a tool server of {taken.owner}", fix="give yours another name")
        if sealed is not None:
            credentials.put(tx, connection_id, sealed, now)
        else:
            credentials.forget(tx, [connection_id])
        if new.seen is not None:
            reviews.put(tx, new.connector, new.seen, actor=actor, now=now)
        connections.add(
            tx,
            connection_id=connection_id,
            connector=new.connector,
            owner=owner,
            subject=new.subject,
            families=sorted(new.families),
            shared_with=list(new.shared_with),
            settings=dict(new.settings),
            now=now,
            actor=actor,
        )
    return connection_id


def _check_new_key(settings: Settings, store: Store) -> None:
    """A key that is missing where credentials are sealed already is lost, or on another host: no second one is made beside it."""
    from orchestrator.gate.keys import FILE_NAME
    from orchestrator.gate.sealing import Unopened

    if settings.key_source or (settings.home / FILE_NAME).exists():
        return
    with store.read() as tx:
        held = credentials.kept(tx)
    if held:
        raise Unopened(
            f"credentials are sealed with the key {held[0].key_id!r}, which is not in {settings.home}",
            fix=f"copy {FILE_NAME} from the host that made it, or take the old connections away: deputy connect rm ID",
        )


def account(settings: Settings, store: Store, connection: Connection) -> Account:
    """The account with its credentials, in whatever state. Raises `Unopened`, `KeyUnreachable`."""
    from orchestrator.gate.sealing import Place, open_sealed

    with store.read() as tx:
        sealed = credentials.get(tx, connection.connection_id)
    place = Place(settings.tenant, connection.connection_id)
    return Account(
        connection_id=connection.connection_id,
        subject=connection.subject,
        settings=connection.settings,
        credentials={} if sealed is None else open_sealed(sealed, place, keys(settings)),
    )


def find(store: Store, wanted: str, *, principal: str, is_admin: bool) -> Connection:
    """The connection of this id, or the only one of this connector. NotFound where there is none that the principal may change."""
    with store.read() as tx:
        known = [c for c in connections.every(tx) if is_admin or c.owner == principal]
    found = [c for c in known if c.connection_id == wanted] or [c for c in known if c.connector == wanted]
    if not found:
        raise NotFound(f"you have no connection {wanted!r}", fix="see: deputy connect")
    if len(found) > 1:
        raise UsageError(f"there are {len(found)} connections of {wanted!r}", fix="give the id: deputy connect")
    return found[0]


def share(store: Store, connection: Connection, people: Sequence[str], *, actor: str) -> Connection:
    """Serves these people besides its owner, and nobody else; whoever waits for it goes on."""
    with store.tx() as tx:
        connections.add(
            tx,
            connection_id=connection.connection_id,
            connector=connection.connector,
            owner=connection.owner,
            subject=connection.subject,
            families=connection.families,
            shared_with=people,
            state=connection.state,
            settings=connection.settings,
            now=clock.now(),
            actor=actor,
        )
    return replace(connection, shared_with=tuple(people))


# ---- a look at an account --------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How an account is. `missing`: scopes that its tools need and it does not hold; None where nobody speaks of scopes."""

    problem: str = ""
    fix: str = ""
    code: str = ""
    missing: Sequence[str] | None = None
    held: Sequence[str] | None = None  # scopes that the account holds; None where nobody says
    needed: Sequence[str] = ()  # scopes that the connection's families need
    left_out: Sequence[str] = ()  # what the connector itself says is wrong with some of its tools
    noted: Sequence[str] = ()  # what it had to leave out of its answers
    quota: str = ""  # what is known of limits
    retry_after_s: float | None = None  # the provider's own word, where it refused for now


def look(connector: Connector, whose: Account, families: Sequence[str]) -> Look:
    """One cheap read for each family, through the gate's own read path."""
    try:
        return asyncio.run(_look(connector, whose, families))
    except RateLimited as error:
        return Look(problem=error.message, fix=error.fix, code=error.code, retry_after_s=error.retry_after_s)
    except ConnectorError as error:
        return Look(problem=error.message, fix=error.fix, code=error.code)
    except TimeoutError:
        return Look(problem=f"no answer within {LOOK_S:g} s", fix="try again later", code="unreachable")


def look_at(settings: Settings, store: Store, connection: Connection) -> Look:
    """The same for a stored connection, with its own credentials. The office needs no looking at."""
    from orchestrator.errors import DeputyError

    try:
        connector = connector_of(settings, connection)
        if connector is None:
            return Look()
        whose = account(settings, store, connection)
        if connection.settings.get("kind") == MCP:
            return _look_at_server(settings, connector, whose)
        return look(connector, whose, connection.families)
    except (ConnectorError, DeputyError) as error:
        return Look(problem=error.message, fix=error.fix, code=error.code)


def _look_at_server(settings: Settings, server: Any, whose: Account) -> Look:
    """What the server offers today against what a person saw of it. Raises ConnectorError where it does not start."""
    from connectors.mcp import descriptions

    seen, problems = tool_servers.Seen(settings, server.name).load(), list(server.problems)
    try:
        changes = descriptions.review(seen, server.describe(whose))
    finally:
        server.close()
    return Look(
        left_out=[*problems, *(f"{c.tool} was {c.kind} since it was looked at" for c in changes if seen is not None)]
    )


async def _look(connector: Connector, whose: Account, families: Sequence[str]) -> Look:
    from orchestrator.gate import execute
    from orchestrator.gate.toolbox import Toolbox

    box = Toolbox([connector])
    now = clock.now()
    probe, granted = getattr(connector, "probe", None), getattr(connector, "granted", None)
    async with asyncio.timeout(LOOK_S):
        if probe is not None:
            await probe(whose)
        for family in families:
            name, args = CHEAP.get(family, lambda _now: ("", {}))(now)
            tool = box.at(connector.name, name)
            if tool is not None:
                await execute.read(tool, args, whose)
        told = await granted(whose) if granted is not None else whose.credentials.get("scopes", "")
    held = sorted(set((told or "").replace(",", " ").split())) or None
    needed = scopes_needed(connector, families)
    return Look(
        missing=None if held is None else sorted(set(needed) - set(held)),
        held=held,
        needed=needed,
        left_out=tuple(str(one) for one in getattr(connector, "problems", ())),
        noted=tuple(str(one) for one in getattr(connector, "noted", ())),
        quota=str(getattr(connector, "quota", "")),
    )


def _hour(now: datetime) -> tuple[str, dict[str, Any]]:
    start = now.replace(microsecond=0)
    return "calendar.list_events", {
        "start": start.isoformat(),
        "end": (start + timedelta(hours=1)).isoformat(),
        "limit": 1,
    }


CHEAP: Mapping[str, Any] = {
    "mail": lambda _now: ("mail.search", {"limit": 1}),
    "calendar": _hour,
    "chat": lambda _now: ("chat.list_channels", {}),
    "directory": lambda _now: ("directory.list_people", {"limit": 1}),
}


def scopes_needed(connector: Connector, families: Sequence[str]) -> list[str]:
    """What the enabled tools ask for: read off their specs."""
    return sorted({scope for spec in connector.tools() if spec.family in families for scope in spec.scopes})


# ---- keys ------------------------------------------------------------------------------------------------------------
def rekey(settings: Settings, store: Store, *, actor: str) -> dict[str, Any]:
    """Makes a new key where it is kept here, and wraps every record's data key with it; old keys go on opening."""
    from orchestrator.gate.keys import add_key
    from orchestrator.gate.sealing import Place, Unopened, rewrap

    held = add_key(settings.key_source, settings.home)
    with store.read() as tx:
        known = credentials.kept(tx)
    done, unread = [], []
    for one in known:
        with store.tx() as tx:
            sealed = credentials.get(tx, one.connection_id)
            if sealed is None or sealed.key_id == held.current:
                continue
            try:
                credentials.rewrap(
                    tx, one.connection_id, rewrap(sealed, Place(settings.tenant, one.connection_id), held)
                )
                done.append(one.connection_id)
            except Unopened:
                unread.append(one.connection_id)
    with store.tx() as tx:
        body = {"key_id": held.current, "rewrapped": len(done), "unreadable": len(unread)}
        tx.audit(AuditEvent(kind="credentials.rekeyed", actor=actor, at=clock.now().isoformat(), body=body))
    return {"key_id": held.current, "rewrapped": done, "unreadable": unread}
