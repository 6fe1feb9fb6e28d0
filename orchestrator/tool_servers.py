"""Tool servers as settings and connections ask for them: built from what a person saw, wherever on this database that was.

What was seen lies in the database (`store.reviews`), with the manifest in the connection's settings, so that a worker whose home
is empty offers the same tools as the home where `deputy connect mcp` ran, and sees the next review at its next look.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.errors import ConnectorError
from orchestrator import clock
from orchestrator.errors import DeputyError
from orchestrator.settings import FILE_NAME, Settings
from orchestrator.store import connections, reviews
from orchestrator.store.connections import Connection
from orchestrator.store.database import Store

if TYPE_CHECKING:
    from connectors.mcp.descriptions import Description

MCP = "mcp"
MANIFEST_FILE = "manifest_file"  # where the manifest in the settings came from, for whoever looks again
_DECLARED = "conn_toml_"


def keywords(settings: Settings, name: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """What the connector of tool servers is built with."""
    own = {key: value for key, value in told.items() if key not in ("kind", "shared_with", MANIFEST_FILE)}
    return {"name": name, "description": Seen(settings, name), **own}


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of one server, as `connectors.mcp.descriptions.Keeper`. Opens the store when it is asked, not before."""

    settings: Settings
    name: str

    def load(self) -> Description | None:
        from connectors.mcp import descriptions

        with self._opened() as store, store.read() as tx:
            told = reviews.get(tx, self.name)
        return None if told is None else descriptions.from_json(told, self.name)

    def keep(self, first: Description) -> Description:
        from connectors.mcp import descriptions

        with self._opened() as store:
            told = store.write(reviews.put_first, self.name, first.to_json(), actor="engine", now=clock.now())
        return descriptions.from_json(told, self.name)

    @contextmanager
    def _opened(self) -> Iterator[Store]:
        try:
            store = Store.open(self.settings.store_url, tenant_id=self.settings.tenant)
            try:
                yield store
            finally:
                store.close()
        except DeputyError as error:
            raise ConnectorError(
                f"what was seen of {self.name} is out of reach: {error.message}", fix=error.fix
            ) from error


# ---- declared in deputy.toml -----------------------------------------------------------------------------------------
def declared(settings: Settings, store: Store, every: Sequence[Connection], owner: str) -> None:
    """Connects the tool servers that deputy.toml declares, and lets go of those it declares no longer.

    A home without that file, as a worker's in a container, does not speak of them: they stay as another home's file has them.
    """
    known = {c.connection_id: c for c in every if is_declared(c)}
    fresh = {
        _DECLARED + name: (name, with_manifest(told, known.get(_DECLARED + name)))
        for name, told in settings.connectors.items()
        if told.get("kind") == MCP
    }
    changed = [one for one, (_, told) in fresh.items() if one not in known or known[one].settings != told]
    speaks = bool(settings.connectors) or (settings.home / FILE_NAME).exists()
    gone = sorted(set(known) - set(fresh)) if speaks else []
    if not changed and not gone:
        return
    now = clock.now()
    with store.tx() as tx:
        connections.remove(tx, gone, actor=owner, now=now)
        for connection_id in changed:
            name, told = fresh[connection_id]
            connections.add(
                tx,
                connection_id=connection_id,
                connector=name,
                owner=owner,
                subject=name,
                families=[name],
                shared_with=told.get("shared_with", ()),
                settings=told,
                now=now,
                actor=owner,
            )


def is_declared(connection: Connection) -> bool:
    """Whether deputy.toml declares it: then only that file takes it away."""
    return connection.connection_id.startswith(_DECLARED)


def with_manifest(told: Mapping[str, Any], known: Connection | None = None) -> dict[str, Any]:
    """The settings with the manifest itself, besides where it came from; where no file is on this host, with the one known already."""
    from connectors.mcp import manifests

    file = told.get("manifest")
    if not isinstance(file, str):
        return dict(told)
    try:
        return {**told, "manifest": manifests.read_file(Path(file)), MANIFEST_FILE: file}
    except ConnectorError:
        before = known.settings.get("manifest") if known is not None and not Path(file).exists() else None
        return {**told, "manifest": before, MANIFEST_FILE: file} if isinstance(before, Mapping) else dict(told)


# ---- homes of before -------------------------------------------------------------------------------------------------
def description_file(settings: Settings, name: str) -> Path:
    """Where earlier versions kept what a person had seen: in one home."""
    return settings.home / MCP / f"{name}.json"


def adopt(settings: Settings, store: Store, every: Sequence[Connection]) -> None:
    """Puts into the database what only this home knew so far: a description that fits the pins, and manifests named by a path."""
    for one in every:
        if one.settings.get("kind") != MCP:
            continue
        if not one.reviewed and (found := _in_home(settings, one)) is not None:
            seen = found.to_json()
            store.write(reviews.put_first, one.connector, seen, actor=one.owner, now=clock.now())
        if not is_declared(one) and (told := with_manifest(one.settings)) != one.settings:
            store.write(connections.set_settings, one.connection_id, told)


def _in_home(settings: Settings, one: Connection) -> Description | None:
    from connectors.mcp import descriptions

    file = description_file(settings, one.connector)
    if not file.is_file():
        return None
    try:
        found = descriptions.load(file)
    except ConnectorError:
        return None
    told, pins = one.settings, one.settings.get("pins", {})
    digests = {tool.name: tool.digest for tool in found.tools} if found is not None else {}
    if found is None or found.target != descriptions.target_of(told.get("command"), told.get("url")):
        return None
    return found if pins.items() <= digests.items() else None
