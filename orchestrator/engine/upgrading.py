"""Whether and how this program takes over a database that another version has written."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from orchestrator import __version__
from orchestrator.engine import hosts, prestart
from orchestrator.settings import Settings
from orchestrator.store import dump
from orchestrator.store.database import Store, schema_of


def check(settings: Settings) -> dict[str, Any]:
    """ok, deputy, known, schema, steps, remarks; changes nothing. Raises `StoreUnavailable` where nobody answers."""
    have, known = schema_of(settings.store_url), dump.known_version()
    remarks = []
    if have > known:
        remarks.append("a newer Deputy has written this database: this one must not open it")
    elif have < known and have:
        path = Path(settings.store_url.partition("sqlite:///")[2])
        if settings.store_url.startswith("sqlite"):
            size, free = path.stat().st_size, shutil.disk_usage(path.parent).free
            remarks.append(f"the file is copied first, to {path.name}.schema-{have}")
            if free < 3 * size:
                remarks.append(
                    f"little room: {free // 1_000_000} MB free, up to {3 * size // 1_000_000} MB are used meanwhile"
                )
            if not hosts.is_free(path.with_name(prestart.LOCK_NAME)):
                remarks.append("a worker of the old program is at work: stop it first")
        else:
            remarks.append("make a backup first with the old program (deputy backup), and stop its workers and desks")
    return {
        "ok": have <= known,
        "deputy": __version__,
        "known": known,
        "schema": have,
        "steps": dump.pending(have) if 0 < have < known else [],
        "remarks": remarks,
    }


def migrate(settings: Settings) -> dict[str, Any]:
    """from, schema, steps, copy: what was done. Raises `StoreUnavailable` on a newer database."""
    have, known = schema_of(settings.store_url), dump.known_version()
    Store.open(settings.store_url, tenant_id=settings.tenant).close()
    path = Path(settings.store_url.partition("sqlite:///")[2])
    is_copied = settings.store_url.startswith("sqlite") and 0 < have < known
    return {
        "from": have,
        "schema": known,
        "steps": dump.pending(have) if 0 < have < known else [],
        "copy": f"{path}.schema-{have}" if is_copied else None,
    }
