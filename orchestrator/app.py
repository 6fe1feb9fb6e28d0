"""The composition root: settings in, a front desk or a worker out. The only place that knows every room.

Imports lazily, so that a client command pays for what it uses. Nothing is built at import time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator import clock, telemetry
from orchestrator.deputy import Deputy
from orchestrator.domain.audit import AuditEvent
from orchestrator.domain.item import State
from orchestrator.domain.principal import NOBODY
from orchestrator.domain.rights import OWNER
from orchestrator.errors import NotFound
from orchestrator.settings import Settings
from orchestrator.store import connections, lease, people, timers, worklist
from orchestrator.store.connections import EVERYBODY, Connection
from orchestrator.store.database import Store

if TYPE_CHECKING:
    from connectors.office import Office
    from orchestrator.agents.models.registry import Models
    from orchestrator.agents.prompts import Prompt
    from orchestrator.agents.spec import Catalogue
    from orchestrator.domain.person import Person
    from orchestrator.engine.advance import House
    from orchestrator.engine.agent_start import AgentRoom
    from orchestrator.engine.present import PresentHouse
    from orchestrator.engine.prestart import Rule
    from orchestrator.gate.credentials import Vault
    from orchestrator.gate.toolbox import Toolbox
    from orchestrator.workflows.shelf import Shelf

OFFICE_FAMILIES = ("calendar", "chat", "mail")
LINGER = timedelta(seconds=60)


def desk(settings: Settings) -> Deputy:
    """The front desk over the settings' store. On first use the local office is seeded and connected."""
    follow_office_clock(settings)
    store = Store.open(settings.store_url, tenant_id=settings.tenant)
    try:
        return Deputy(
            store,
            owner=prepare(settings, store),
            shelf=partial(shelf, settings, store),
            agents=lambda: ["supervisor", *agents(settings)],
            newcomers=settings.default_role,
        )
    except BaseException:
        store.close()
        raise


def follow_office_clock(settings: Settings) -> None:
    """While the office is in use, its time is everybody's."""
    if settings.office:
        from connectors.office import OfficeClock

        clock.follow(OfficeClock(settings.office_file).offset)


def prepare(settings: Settings, store: Store) -> str:
    """The owner's principal id; connects the office to them where nothing is connected yet, and what deputy.toml declares."""
    with store.read() as tx:
        known = connections.every(tx)
    owner = _prepared(settings, store, known)
    if settings.connectors or any(c.settings.get("kind") == "mcp" for c in known):
        from orchestrator import tool_servers

        tool_servers.declared(settings, store, known, owner)
        tool_servers.adopt(settings, store, known)
    return owner


def _prepared(settings: Settings, store: Store, known: Sequence[Connection]) -> str:
    if settings.owner is not None and not settings.office:
        return settings.owner
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
    settings.office_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    world = Office(settings.office_file)
    if world.is_seeded:
        return world
    world.close()  # another process may be building it, or was lost while it did: the seed is one transaction
    return seed(settings.office_file, seed=1, now=None, only_if_empty=True)


def init_office(settings: Settings, seed: int, now: datetime | None) -> str:
    """Builds the office anew and connects it; returns the owner's address. What was in it is gone; Deputy's own records stay."""
    from connectors.office import Office
    from connectors.office import seed as build

    settings.office_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    build(settings.office_file, seed=seed, now=now).close()
    follow_office_clock(settings)
    store = Store.open(settings.store_url, tenant_id=settings.tenant)
    world = Office(settings.office_file)
    try:
        actor, at = settings.owner or world.owner(), clock.now()
        with store.tx() as tx:
            tx.audit(AuditEvent(kind="office.reset", actor=actor, at=at.isoformat(), body={"seed": seed}))
            gone = [c.connection_id for c in connections.every(tx) if c.connector == "office"]
            connections.remove(tx, gone, actor=actor, now=at)
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
        own: dict[str, Any] = {"connector": "office", "owner": owner, "subject": owner, "now": now, "actor": owner}
        connections.add(tx, connection_id=f"conn_office_{owner}", families=OFFICE_FAMILIES, **own)
        connections.add(
            tx, connection_id="conn_office_directory", families=("directory",), shared_with=(EVERYBODY,), **own
        )
        from orchestrator.gate.directory import person_of

        people.upsert_many(tx, [person_of(record, "office") for record in records], "office", now)
    return owner


def toolbox(settings: Settings, known: Sequence[Connection] = ()) -> Toolbox:
    """Every enabled connector's tools: the office's, and those of connected accounts; further ones as they are connected."""
    from orchestrator import providers
    from orchestrator.gate.toolbox import Toolbox

    enabled = []
    if settings.office:
        from connectors.office import OfficeConnector

        enabled.append(OfficeConnector(office(settings)))
    box = Toolbox(enabled, partial(providers.connector_of, settings))
    box.enable(known)
    return box


def vault(settings: Settings) -> Vault:
    """Opens the credentials of the settings' tenant."""
    from orchestrator.gate.credentials import Vault
    from orchestrator.gate.keys import keys_of

    return Vault(lambda: keys_of(settings.key_source, settings.home), tenant_id=settings.tenant)


def present_house(settings: Settings, store: Store) -> PresentHouse:
    """The house of a worker on this store, built anew whenever its files change."""
    from orchestrator.engine.present import PresentHouse

    return PresentHouse(settings, store, models(settings), vault(settings), house)


def models(settings: Settings) -> Models | None:
    """The models of a worker; None where none is configured."""
    if not settings.has_model:
        return None
    from orchestrator.agents.models.registry import Models

    return Models.of(settings)


def agent_room(settings: Settings, known: Models) -> AgentRoom:
    """What agents share: models, predefined agents, prompts, limits."""
    from orchestrator.agents.spec import catalogue
    from orchestrator.engine.agent_start import AgentRoom

    return AgentRoom(
        models=known,
        catalogue=catalogue([settings.agents_folder]),
        prompts=settings.prompts_folder,
        limits=settings.budget_limits,
        max_tokens=settings.model_max_tokens,
        timeout_s=settings.model_timeout_s,
    )


def house(
    settings: Settings,
    exporter: telemetry.Exporter | None = None,
    known: Models | None = None,
    opened: Vault | None = None,
) -> House:
    """What a worker's advances share: tools, guard, workflows, models. `known`, `opened`: models and credentials in use already."""
    known = known or models(settings)
    from orchestrator import guarding
    from orchestrator.engine.advance import House

    owner = settings.owner
    domains = set(settings.domains)
    if settings.office:
        world = office(settings)
        owner = owner or world.owner()
        domains |= {record["address"].partition("@")[2] for record in world.people() if record["inside"]}
        world.close()
    return House(
        toolbox=toolbox(settings),
        guard=guarding.guard(settings),
        library=library(settings),
        model=settings.model,
        agents=agent_room(settings, known) if known is not None else None,
        inside_domains=sorted(domains),
        roles={owner: OWNER} if owner else {},
        approval_expiry=timedelta(days=settings.approval_expiry_days),
        telemetry_content=settings.telemetry_content,
        exporter=exporter,
        vault=opened or vault(settings),
    )


def library(settings: Settings) -> Any:
    """The shipped workflows and the person's own; one of the same name replaces the shipped one."""
    from orchestrator import workflows
    from orchestrator.workflows.match import Library

    return Library.load([workflows.SHIPPED, settings.workflow_folder])


def shelf(settings: Settings, store: Store) -> Shelf:
    """The same files, for whoever shows and edits them."""
    from orchestrator import workflows
    from orchestrator.workflows.shelf import Shelf

    def present() -> tuple[Sequence[Person], datetime]:
        with store.read() as tx:
            return people.all(tx), clock.now()

    return Shelf([workflows.SHIPPED, settings.workflow_folder], present)


def agents(settings: Settings) -> Catalogue:
    """The predefined agents: shipped ones and the person's own."""
    from orchestrator.agents import spec

    return spec.catalogue([settings.agents_folder])


def prompts(settings: Settings) -> tuple[Prompt, ...]:
    """Every prompt in force; a file of one's own replaces the shipped one of its name. UsageError for one that is off."""
    from orchestrator.agents import prompts as texts

    return texts.every(settings.prompts_folder)


def refresh_people(settings: Settings) -> None:
    """Reads the office's directory into the people table now, e.g. after `office add-person`."""
    store = Store.open(settings.store_url, tenant_id=settings.tenant)
    try:
        with store.read() as tx:
            shared = next((c for c in connections.every(tx) if "directory" in c.families and c.state == "active"), None)
        if shared is None:
            return
        from orchestrator.engine.around import accounts
        from orchestrator.gate.directory import read_people
        from orchestrator.store.writer import Writer

        writer = Writer(store)
        try:
            found = asyncio.run(read_people(toolbox(settings), shared, accounts(vault(settings), writer)))
        finally:
            writer.close()
        if found is not None:
            with store.tx() as tx:
                people.upsert_many(tx, found, shared.connector, clock.now())
    finally:
        store.close()


def rule_of(settings: Settings) -> Rule | None:
    """By which workers started for these settings go; None where several hosts share a database."""
    from orchestrator.engine import prestart

    if not settings.store_url.startswith("sqlite"):
        return None
    folder = Path(settings.store_url.partition("sqlite:///")[2]).parent
    return prestart.Rule(folder, prestart.digest_of(settings.model_dump()))


def ensure_worker(settings: Settings, rule: Rule | None = None) -> int | None:
    """Process id of the worker started because something is due and nobody works on this store; None otherwise.

    Call it after a submit has committed, and again at each poll while following. `rule`: the command's own, if it holds one.
    """
    from orchestrator.engine import hosts, prestart

    path = Path(settings.store_url.partition("sqlite:///")[2])
    if settings.store_url.startswith("sqlite") and not hosts.is_free(path.with_name(prestart.LOCK_NAME)):
        return None
    store = Store.open(settings.store_url, tenant_id=settings.tenant)
    held = rule or rule_of(settings)
    try:
        if not _is_work_left(store) or (held is not None and not held.set_if_unheld()):
            return None
        command, environment = prestart.worker_command(settings.as_environment(), held.digest if held else "")
        started = hosts.start_host_if_free(
            store, command, env=environment, log=settings.home / "worker.log", kept=held.kept if held else ()
        )
        return started.pid if started else None
    finally:
        if held is not None and rule is None:
            held.close()
        store.close()


def _is_work_left(store: Store) -> bool:
    """Whether something is ready, was left running by a worker that is gone, or falls due within `LINGER`."""
    with store.read() as tx:
        due = timers.next_due(tx)
        return bool(
            lease.count_ready(tx, 1)
            or worklist.list_items(tx, states=[State.RUNNING], limit=1)
            or due.hold_s is not None
            or (due.at is not None and due.at <= clock.now() + LINGER)
        )


def look_once(settings: Settings) -> int:
    """Reads every account that a trigger is about once, now; how many requests that made. Raises `ConnectorError`."""
    from orchestrator.engine.around import accounts
    from orchestrator.engine.followers import Followers
    from orchestrator.engine.hosts import worker_name
    from orchestrator.store.writer import Writer

    follow_office_clock(settings)
    store = Store.open(settings.store_url, tenant_id=settings.tenant)
    writer = Writer(store)
    try:
        tools = toolbox(settings)
        opened = accounts(vault(settings), writer)
        return asyncio.run(Followers(writer, worker_name(), lambda: tools, opened, wait_s=0.0).once())
    finally:
        writer.close()
        store.close()


def run_worker(settings: Settings, *, until_idle: bool, idle_s: float = 0.0, by: str = "") -> int:
    """Works until stopped, or until nothing was left to do for `idle_s` seconds; the process's exit code.

    `by`: digest of the settings of the command that started it; it ends when another asks by others.
    """
    from orchestrator.engine.advance import Advancer
    from orchestrator.engine.measuring import Timed
    from orchestrator.engine.prestart import Rule
    from orchestrator.engine.serving import Pace
    from orchestrator.engine.worker import Worker, spare_collections

    follow_office_clock(settings)
    store = Store.open(settings.store_url, tenant_id=settings.tenant, name="worker")
    spare_collections()
    try:
        prepare(settings, store)
        pace = Pace(cap=settings.workers, stall_s=settings.host_stall_s, until_idle=until_idle, idle_s=idle_s)
        present = present_house(settings, store)
        try:
            advancer = Timed(runner=Advancer(present.house), measures=present.carrier.measures)
            rule = Rule(store.path.parent, by) if by and store.path is not None else None
            return Worker(store, advancer, pace=pace, on_end=present.close, follow=present.follow, rule=rule).run()
        finally:
            if present.exporter is not None:
                present.exporter.close()
    finally:
        store.close()
