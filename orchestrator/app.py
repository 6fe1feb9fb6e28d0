"""The composition root: settings in, a front desk or a worker out. The only place that knows every room.

Imports lazily, so that a client command pays for what it uses. Nothing is built at import time.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator import clock
from orchestrator.deputy import Deputy
from orchestrator.errors import DeputyError, NotFound
from orchestrator.settings import Settings
from orchestrator.store import connections, people
from orchestrator.store.connections import EVERYBODY
from orchestrator.store.database import Store

if TYPE_CHECKING:
    from connectors.office import Office
    from orchestrator.engine.advance import House
    from orchestrator.gate.toolbox import Toolbox

OFFICE_FAMILIES = ("calendar", "chat", "mail")
NOBODY = "nobody@localhost"
SHIPPED_WORKFLOWS = Path(__file__).parent / "workflows" / "library"


def desk(settings: Settings) -> Deputy:
    """The front desk over the settings' store. On first use the local office is seeded and connected."""
    follow_office_clock(settings)
    store = Store.open(settings.store_url, tenant_id=settings.tenant)
    try:
        return Deputy(store, owner=prepare(settings, store))
    except BaseException:
        store.close()
        raise


def follow_office_clock(settings: Settings) -> None:
    """While the office is in use, its time is everybody's."""
    if settings.office:
        from connectors.office import OfficeClock

        clock.follow(OfficeClock(settings.office_file).offset)


def prepare(settings: Settings, store: Store) -> str:
    """The owner's principal id; connects the office to them where nothing is connected yet."""
    if settings.owner is not None and not settings.office:
        return settings.owner
    with store.read() as tx:
        known = connections.every(tx)
    shared = next((c for c in known if c.connector == "office" and "directory" in c.families), None)
    if settings.owner is not None and shared is not None:
        return settings.owner
    if shared is not None:
        return shared.owner
    if not settings.office:
        return NOBODY
    world = office(settings)
    try:
        return connect_office(settings, store, world)
    finally:
        world.close()


def office(settings: Settings) -> Office:
    """The local office; built with seed 1 around today where there is none."""
    from connectors.office import Office, seed

    if not settings.office:
        raise NotFound("the local office is switched off", fix="set DEPUTY_OFFICE=true")
    if not settings.office_file.exists():
        settings.office_file.parent.mkdir(parents=True, exist_ok=True)
        seed(settings.office_file, seed=1, now=None)
    return Office(settings.office_file)


def init_office(settings: Settings, seed: int, now: datetime | None) -> str:
    """Builds the office anew and connects it; returns the owner's address. What was in it is gone; Deputy's own records stay."""
    from connectors.office import Office
    from connectors.office import seed as build

    settings.office_file.parent.mkdir(parents=True, exist_ok=True)
    build(settings.office_file, seed=seed, now=now)
    follow_office_clock(settings)
    store = Store.open(settings.store_url, tenant_id=settings.tenant)
    world = Office(settings.office_file)
    try:
        with store.tx() as tx:
            connections.remove(tx, [c.connection_id for c in connections.every(tx) if c.connector == "office"])
            people.upsert_many(tx, [], "office", clock.now())
        return connect_office(settings, store, world)
    finally:
        world.close()
        store.close()


def connect_office(settings: Settings, store: Store, world: Office) -> str:
    """Connects the owner's accounts and everybody's directory, and fills the people table from the office's own."""
    owner = settings.owner or world.owner()
    now = clock.now()
    records = world.people()
    with store.tx() as tx:
        own: dict[str, Any] = {"connector": "office", "owner": owner, "subject": owner, "now": now}
        connections.add(tx, connection_id=f"conn_office_{owner}", families=OFFICE_FAMILIES, **own)
        connections.add(
            tx, connection_id="conn_office_directory", families=("directory",), shared_with=(EVERYBODY,), **own
        )
        from orchestrator.gate.directory import person_of

        people.upsert_many(tx, [person_of(record, "office") for record in records], "office", now)
    return owner


def toolbox(settings: Settings) -> Toolbox:
    """Every enabled connector's tools."""
    from orchestrator.gate.toolbox import Toolbox

    enabled = []
    if settings.office:
        from connectors.office import OfficeConnector

        enabled.append(OfficeConnector(office(settings)))
    return Toolbox(enabled)


def house(settings: Settings) -> House:
    """What a worker's advances share: tools, guard, workflows."""
    from policies.guard import Guard

    from orchestrator.engine.advance import House

    owner = settings.owner
    domains: set[str] = set()
    if settings.office:
        world = office(settings)
        owner = owner or world.owner()
        domains = {record["address"].partition("@")[2] for record in world.people() if record["inside"]}
        world.close()
    elif owner:
        domains = {owner.partition("@")[2]}
    return House(
        toolbox=toolbox(settings),
        guard=Guard.load(bundle_dir=settings.policy_dir, profile=settings.profile),
        library=library(settings),
        model=settings.model,
        inside_domains=sorted(domains),
        roles={owner: frozenset({"admin", "approver", "requester"})} if owner else {},
        approval_expiry=timedelta(days=settings.approval_expiry_days),
    )


def library(settings: Settings) -> Any:
    """The shipped workflows and the person's own; one of the same name replaces the shipped one."""
    from orchestrator.workflows.match import Library

    return Library.load([SHIPPED_WORKFLOWS, settings.workflow_folder])


def refresh_people(settings: Settings) -> None:
    """Reads the office's directory into the people table now, e.g. after `office add-person`."""
    store = Store.open(settings.store_url, tenant_id=settings.tenant)
    try:
        with store.read() as tx:
            shared = next((c for c in connections.every(tx) if "directory" in c.families and c.state == "active"), None)
        if shared is None:
            return
        from orchestrator.gate.directory import read_people

        found = asyncio.run(read_people(toolbox(settings), shared))
        if found is not None:
            with store.tx() as tx:
                people.upsert_many(tx, found, shared.connector, clock.now())
    finally:
        store.close()


__all__ = ["DeputyError", "desk", "house", "init_office", "library", "office", "prepare", "refresh_people", "toolbox"]
