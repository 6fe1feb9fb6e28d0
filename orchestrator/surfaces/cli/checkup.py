"""What `deputy doctor` looks at: each part of an installation, whether it is well, and how to mend it.

Reads and reports; changes nothing but what any first use would make. Reaches out to connected accounts, and to nobody else unless
asked to.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from shlex import quote
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from orchestrator import app, clock, guarding
from orchestrator.errors import DeputyError
from orchestrator.settings import Settings
from orchestrator.store import audit, connections, halts
from orchestrator.store.database import Store

Check: TypeAlias = Callable[[Settings], tuple[bool, str, str]]  # well?, what is there, how to mend it
PROBE_S = 3.0
OLD_BACKUP = timedelta(days=14)
OPENAI = "https://api.openai.com"
KEYED = frozenset({"openai", "anthropic"})  # providers that answer nobody without a key


def checks(settings: Settings, *, probe: bool, is_offline: bool = False) -> list[dict[str, Any]]:
    """Checks in the order a person would mend them: {"check", "ok", "detail", "fix"} each.

    probe: model endpoints are connected to as well. is_offline: connected accounts are not asked either; without it each gets one
    cheap read.
    """
    every: list[tuple[str, Check]] = [
        ("python", _check_python),
        ("home", _check_home),
        ("store", _check_store),
        ("backup", _check_backup),
        ("worker", _check_worker),
        ("halts", _check_halts),
        ("schedules", _check_schedules),
        ("policy", _check_policy),
        ("workflows", _check_workflows),
        ("connections", _check_connections),
        ("model", lambda settings: _check_model(settings, probe=probe)),
        ("agents", _check_agents),
        ("prompts", _check_prompts),
    ]
    found = []
    for name, check in every:
        try:
            ok, detail, fix = check(settings)
        except DeputyError as error:
            ok, detail, fix = False, error.message, error.fix
        except OSError as error:
            ok, detail, fix = False, str(error), ""
        found.append({"check": name, "ok": ok, "detail": detail, "fix": fix})
        if name == "connections":
            found += _accounts(settings, is_offline)
    return found


def _accounts(settings: Settings, is_offline: bool) -> list[dict[str, Any]]:
    from orchestrator.surfaces.cli import accounts_checkup

    try:
        return accounts_checkup.findings(settings, is_offline=is_offline)
    except DeputyError as error:
        return [{"check": "accounts", "ok": False, "detail": error.message, "fix": error.fix}]


def _check_python(settings: Settings) -> tuple[bool, str, str]:
    version = ".".join(map(str, sys.version_info[:3]))
    return sys.version_info >= (3, 11), f"Python {version}", "install Python 3.11 or newer"


def _check_home(settings: Settings) -> tuple[bool, str, str]:
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    free_mb = shutil.disk_usage(settings.home).free // 1_000_000
    writable = os.access(settings.home, os.W_OK)
    return writable and free_mb > 100, f"{settings.home}, {free_mb} MB free", "make it writable, or set DEPUTY_HOME"


def _check_store(settings: Settings) -> tuple[bool, str, str]:
    store = Store.open(settings.store_url, tenant_id=settings.tenant)
    try:
        with store.read() as tx:
            verdict = audit.verify(tx)
        return verdict.ok, f"{store.dialect}; audit chain of {verdict.checked} events", verdict.reason or ""
    finally:
        store.close()


def _check_backup(settings: Settings) -> tuple[bool, str, str]:
    """None was ever made: said, and no fault, for a first look. One that has grown old is."""
    from orchestrator.engine.backups import BACKED_UP

    store = Store.open(settings.store_url, tenant_id=settings.tenant)
    try:
        with store.read() as tx:
            made = audit.last(tx, BACKED_UP)
    finally:
        store.close()
    if made is None:
        return True, "none was made yet: deputy backup FOLDER", ""
    age = clock.now() - datetime.fromisoformat(made["at"])
    return age <= OLD_BACKUP, f"the last one is {age.days} days old", "deputy backup FOLDER, e.g. every night"


def _check_worker(settings: Settings) -> tuple[bool, str, str]:
    from orchestrator.engine import hosts

    store = Store.open(settings.store_url, tenant_id=settings.tenant)
    try:
        stalled = hosts.stalled_host(store, after_s=settings.host_stall_s)
    finally:
        store.close()
    return (True, "none is stalled", "") if stalled is None else (False, str(stalled), stalled.fix)


def _check_halts(settings: Settings) -> tuple[bool, str, str]:
    """Somebody's decision is no fault; but whoever wonders why work stands still is told."""
    store = Store.open(settings.store_url, tenant_id=settings.tenant)
    try:
        with store.read() as tx:
            found = halts.in_force(tx)
    finally:
        store.close()
    told = "; ".join(f"{one} (go on: deputy halt --lift {one.halt_id})" for one in found)
    return True, told or "nothing is halted", ""


def _check_schedules(settings: Settings) -> tuple[bool, str, str]:
    """Of everybody: those whose latest time did not start, or did not end as expected. Paused ones are put away already."""
    from orchestrator.domain.schedule_news import TROUBLED, head
    from orchestrator.store import schedules

    store = Store.open(settings.store_url, tenant_id=settings.tenant)
    try:
        with store.read() as tx:
            come = [(one, last) for one, last in schedules.latest(tx) if one.active]
    finally:
        store.close()
    bad = [(one, last) for one, last in come if last.state in TROUBLED]
    if not bad:
        return True, f"{len(come)} have come, each as expected the last time" if come else "none has come yet", ""
    told = "; ".join(
        f"{head(last.state.value, one.name)} on {last.at:%Y-%m-%d %H:%M} UTC ({last.why})" for one, last in bad
    )
    return False, told, "; ".join(f"deputy schedule show {quote(one.name)} --as {one.owner}" for one, _ in bad)


def _check_policy(settings: Settings) -> tuple[bool, str, str]:
    guard = guarding.guard(settings)
    return True, f"profile {settings.profile}, bundle {guard.bundle_digest[:19]}…", ""


def _check_workflows(settings: Settings) -> tuple[bool, str, str]:
    loaded = app.library(settings)
    if loaded.faults:
        return False, str(loaded.faults[0].message), f"see: deputy workflow test {settings.workflow_folder}"
    return True, f"{len(loaded.workflows)} workflows", ""


def _check_connections(settings: Settings) -> tuple[bool, str, str]:
    from orchestrator.surfaces.cli import accounts_checkup

    store = Store.open(settings.store_url, tenant_id=settings.tenant)
    try:
        app.prepare(settings, store)
        with store.read() as tx:
            known = connections.every(tx)
    finally:
        store.close()
    named = ", ".join(f"{c.connector} of {c.owner} ({'/'.join(c.families)}, {c.state})" for c in known)
    if nobody := accounts_checkup.strangers(settings, known):
        why = f"the local office, which is made up, has no account for {', '.join(nobody)}: their requests wait"
        own = "connect your own accounts (docs/connections.md) and set DEPUTY_OFFICE=false"
        return False, f"{named}; {why}", f"{own}, or join the office: {'; '.join(nobody.values())}"
    office = all(c.state == "active" for c in known if c.connector == connections.MADE_UP)
    return office and bool(known), named or "nothing is connected", "deputy connect, or set DEPUTY_OFFICE=true"


def _check_model(settings: Settings, *, probe: bool) -> tuple[bool, str, str]:
    """Every endpoint that a role may use: a key where one is needed, its extra installed; with `probe`, whether anybody listens."""
    if not settings.has_model:
        return True, "none: only saved workflows run; README.md says how to set one", ""
    from orchestrator.agents.models.registry import Models

    told: list[str] = []
    for known in Models.of(settings).known():
        where = known.address or known.client
        lacks = [f"no {what}" for what, there in (("key", known.has_key), ("price", known.has_price)) if not there]
        told.append(f"{known.name} ({', '.join([known.model, where, *lacks])})")
        if known.client == "langchain" and find_spec("langchain") is None:
            return False, f"{known.model} needs LangChain", "pip install 'deputy-orchestrator[anthropic]'"
        provider = known.model.partition(":")[0]
        if (
            not known.has_key
            and (known.client == "langchain" or known.address.startswith(OPENAI))
            and provider in KEYED
        ):
            return False, f"{known.name} has no key", f"set {provider.upper()}_API_KEY, or model_api_key"
        if probe and known.address and (problem := _unreachable(known.address)):
            return False, f"{known.name}: {problem}", "start it, or correct model_base_url"
    reached = ", reachable" if probe else "; reachable? deputy doctor --probe"
    return True, f"{', '.join(told) or settings.model}{reached}", ""


def _unreachable(address: str) -> str | None:
    """Why nobody can be reached there; None where something listens. Only connects: nothing is sent, no key, no request."""
    parts = urlsplit(address)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=PROBE_S).close()
    except OSError as error:
        return f"{parts.hostname}:{port} cannot be reached ({error.strerror or error})"
    return None


def _check_agents(settings: Settings) -> tuple[bool, str, str]:
    known = app.agents(settings)
    if known.faults:
        return False, "; ".join(one.message for one in known.faults), "; ".join(one.fix for one in known.faults)
    return True, _with_own([(name, one.prompt.path) for name, one in known.items()], "agents"), ""


def _check_prompts(settings: Settings) -> tuple[bool, str, str]:
    return True, _with_own([(prompt.name, prompt.path) for prompt in app.prompts(settings)], "prompts"), ""


def _with_own(files: list[tuple[str, Path]], noun: str) -> str:
    from orchestrator.surfaces.cli.commands.agent import is_shipped

    own = [name for name, path in files if not is_shipped(path)]
    return f"{len(files)} {noun}" + (f", your own: {', '.join(own)}" if own else "")
