"""What `deputy doctor` says of connected accounts: whether their key is here, each one's health, scopes and age, and what mends it.

Accounts are asked one cheap read each, all at once; the local office is not, nor is anybody with `--offline`. Shows no secret.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from orchestrator import app, clock, providers
from orchestrator.errors import DeputyError
from orchestrator.settings import Settings
from orchestrator.store import connections, credentials
from orchestrator.store.connections import MADE_UP, Connection, choose
from orchestrator.store.credentials import Kept
from orchestrator.store.database import Store
from orchestrator.surfaces.cli import again as connect_again

Finding = dict[str, Any]
AT_ONCE = 8


def findings(settings: Settings, *, is_offline: bool) -> list[Finding]:
    """{"check", "ok", "detail", "fix"} each, of accounts that were asked "notes" and "account" too: the key first, then each real account. Nothing where only the office is connected."""
    store = Store.open(settings.store_url, tenant_id=settings.tenant)
    try:
        owner = app.prepare(settings, store)
        with store.read() as tx:
            real = [c for c in connections.every(tx) if c.connector != MADE_UP]
            kept = {one.connection_id: one for one in credentials.kept(tx)}
        found = [_key(settings, kept)] if kept else []
        with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            return found + list(pool.map(lambda one: _account(settings, store, one, kept, owner, is_offline), real))
    finally:
        store.close()


def strangers(settings: Settings, known: Sequence[Connection]) -> dict[str, str]:
    """Whose calls would go to the made-up office and are not answered there, and the commands after which they are."""
    if not settings.office:
        return {}
    real = {(c.owner, family) for c in known if c.connector != MADE_UP for family in c.families}
    made_up = [c for c in known if c.connector == MADE_UP and c.state == "active" and set(c.families) != {"directory"}]
    asking = {c.subject for c in made_up if any((c.owner, family) not in real for family in c.families)}
    world = app.office(settings)
    try:
        working = {one["address"] for one in world.people() if one["inside"]}
    finally:
        world.close()
    found = {who: _joining(who) for who in sorted(asking - working)}
    owner = settings.owner
    if owner is not None and not any(choose(known, principal=owner, family=one) for one in app.OFFICE_FAMILIES):
        account = shlex.join(["deputy", "office", "connect", owner])
        found[owner] = account if owner in working else f"{_joining(owner)}; then {account}"
    return found


def _joining(address: str) -> str:
    return shlex.join(["deputy", "office", "add-person", address.partition("@")[0], "--address", address])


def _key(settings: Settings, kept: Mapping[str, Kept]) -> Finding:
    try:
        current = providers.keys(settings).current
    except DeputyError as error:
        return _finding("credentials", error.message, fix=error.fix, ok=False)
    old = sorted(one.connection_id for one in kept.values() if one.key_id != current)
    if old:
        return _finding("credentials", f"{len(old)} sealed with an older key", fix="deputy connect rekey", ok=False)
    loose = _readable_by_others(settings)
    if loose:
        return _finding("credentials", f"{loose} can be read by others", fix=f"chmod 600 {loose}", ok=False)
    return _finding("credentials", f"{len(kept)} sealed with the key {current}")


def _readable_by_others(settings: Settings) -> str:
    from orchestrator.gate.keys import FILE_NAME

    file = settings.home / FILE_NAME
    return str(file) if not settings.key_source and file.exists() and file.stat().st_mode & 0o077 else ""


def _account(
    settings: Settings, store: Store, one: Connection, kept: Mapping[str, Kept], owner: str, is_offline: bool
) -> Finding:
    again = connect_again.command(one, owner=owner, held=_held(settings, store, one))
    told = [one.subject if one.subject != one.connector else "tool server", f"of {one.owner}", "/".join(one.families)]
    if one.connection_id in kept:
        told.append(_age(kept[one.connection_id].issued_at, clock.now()))
    name = one.connector
    if one.state != "active":
        return _finding(name, ", ".join([*told, one.state]), fix=again, ok=False)
    if is_offline:
        return _finding(name, ", ".join([*told, "not looked at"]))
    seen = providers.look_at(settings, store, one)
    wrong, fix = "", again
    if seen.problem:
        wrong = seen.problem
        fix = again if seen.code == "reconsent" else _whole(seen.fix, one, again)
    elif seen.missing:
        wrong = f"not granted: {' '.join(seen.missing)}"
    elif seen.left_out:
        wrong = ", ".join(seen.left_out)
    found = _finding(name, ", ".join([*told, wrong or _well(seen)]), fix=fix if wrong else "", ok=not wrong)
    return found | {"notes": _notes(seen), "account": _details(one, kept.get(one.connection_id), seen)}


def _whole(fix: str, one: Connection, again: str) -> str:
    """A connector's own advice, with the whole command in place of the half that it knows."""
    return re.sub(rf"`?deputy connect (?:mcp|{re.escape(one.connector)})\b[`.]*", lambda _: again, fix) or (
        f"deputy connect test {one.connection_id}"
    )


def _held(settings: Settings, store: Store, one: Connection) -> Mapping[str, str]:
    """What of the credentials is no secret shows in the command; none where they do not open, which another line says."""
    try:
        return providers.account(settings, store, one).credentials
    except DeputyError:
        return {}


def _well(seen: providers.Look) -> str:
    if not seen.needed:
        return "answers"  # neither mail servers nor tool servers know scopes
    if seen.held is None:
        return f"answers; scopes needed: {len(seen.needed)}, held: not known, the provider does not say"
    spare = len(set(seen.held) - set(seen.needed))
    return f"answers, all {len(seen.needed)} scopes held" + (f", {spare} not needed" if spare else "")


def _notes(seen: providers.Look) -> list[str]:
    """What is good to know, and no fault of the account."""
    wait = "" if seen.retry_after_s is None else f"refused for now, to be asked again in {seen.retry_after_s:.0f} s"
    return [note for note in (*seen.noted, wait, f"quota: {seen.quota}" if seen.quota else "") if note]


def _details(one: Connection, sealed: Kept | None, seen: providers.Look) -> dict[str, Any]:
    """For programs. What nobody tells is None: scopes held, and what is left of a quota."""
    return {
        "connection_id": one.connection_id,
        "subject": one.subject,
        "owner": one.owner,
        "state": one.state,
        "code": seen.code or None,
        "age_days": None if sealed is None else max(0, (clock.now() - sealed.issued_at).days),
        "scopes_needed": list(seen.needed),
        "scopes_held": None if seen.held is None else list(seen.held),
        "scopes_missing": None if seen.missing is None else list(seen.missing),
        "quota": seen.quota or None,
        "quota_left": None,
        "retry_after_s": seen.retry_after_s,
    }


def _age(since: datetime, now: datetime) -> str:
    days = max(0, (now - since).days)
    return "connected today" if days == 0 else f"connected {days} day{'s' if days > 1 else ''} ago"


def _finding(check: str, detail: str, *, fix: str = "", ok: bool = True) -> Finding:
    return {"check": check, "ok": ok, "detail": detail, "fix": fix}
