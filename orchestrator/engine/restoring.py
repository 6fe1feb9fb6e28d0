"""Brings a backup back: everything is verified first, then written in one transaction, and nothing in doubt is simply sent again.

What the world did between backup and restore this database cannot know. `store.aftermath` marks what that leaves in doubt; the gate
looks such effects up, and asks again where a lookup proves nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestrator import clock
from orchestrator.domain import boundary
from orchestrator.engine import archive, backups
from orchestrator.engine.archive import Manifest, Scratch
from orchestrator.engine.hosts import HostLock, lock_path
from orchestrator.errors import Conflict, DeputyError, StoreUnavailable, UsageError
from orchestrator.gate import keys
from orchestrator.gate.sealing import Keys, Place
from orchestrator.settings import FILE_NAME, SECRETS_FOLDER, Settings
from orchestrator.store import aftermath, audit, copies, dump, migrations, workers
from orchestrator.store.aftermath import Aftermath
from orchestrator.store.credential_tables import credentials as credential_rows
from orchestrator.store.database import Store
from orchestrator.store.locks import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a restore would do. openable: whether this machine's key opens the sealed credentials, per connection."""

    manifest: Manifest
    sha256: str
    openable: dict[str, bool]
    missing_keys: list[str]
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore did. kept: files of ours that were there and stayed; saved: the backup of what was there before."""

    plan: Plan
    rows: int
    aftermath: Aftermath
    files: list[str]
    kept: list[str]
    saved: Path | None

    def document(self) -> dict[str, Any]:
        told = self.plan.manifest
        return {
            "taken_at": told.taken_at,
            "deputy": told.deputy,
            "schema": told.schema,
            "tenant": told.tenant,
            "rows": self.rows,
            "audit_head": dump.heads(told.audit),
            "after": asdict(self.aftermath),
            "files": self.files,
            "kept": self.kept,
            "credentials": self.plan.openable,
            "missing_keys": self.plan.missing_keys,
            "saved": None if self.saved is None else str(self.saved),
            "remarks": self.plan.remarks,
        }


def check(settings: Settings, path: Path) -> Plan:
    """Verifies the whole backup and says what a restore here would meet; changes nothing."""
    with archive.scratch(settings.home) as work:
        return _verified(settings, path, work)


def restore(
    settings: Settings,
    path: Path,
    *,
    actor: str,
    force: bool = False,
    is_doubted: bool = True,
    keep_office: bool = False,
) -> Restored:
    """Puts the backup in place of what is there. is_doubted: False where nothing ran after the backup was made.

    Raises `UsageError` for a damaged or newer backup, `Conflict` while a worker is at work, or where something is there and
    `force` was not given. With `force` what is there is backed up first, into `backups` in the home.
    """
    with archive.scratch(settings.home) as work, ExitStack() as held:
        plan = _verified(settings, path, work)
        store = Store.open(settings.store_url, tenant_id=settings.tenant, name="restore")
        held.callback(store.close)
        held.enter_context(nobody_works(store))
        there = _what_is_there(settings, store, keep_office=keep_office or backups.OFFICE not in plan.manifest.files)
        if there and not force:
            raise Conflict(
                f"there is something here already: {', '.join(there)}",
                fix="restore into an empty home and database, or give --force: what is here is backed up first",
            )
        saved = _save(settings) if there else None
        now = clock.now() if keep_office else _now(settings, work)
        with store.tx() as tx:
            dump.keep_workers_out(tx)
            dump.clear(tx)
            rows = sum(
                dump.load(tx, name, entry["columns"], work.lines(name))
                for name, entry in sorted(plan.manifest.tables.items())
            )
            verdict = audit.verify(tx, plan.manifest.audit)
            if not verdict.ok:
                raise StoreUnavailable(f"the restored chain does not hold: {verdict.reason}", fix="nothing was changed")
            boundary.reached("restore:loaded")
            after = aftermath.record(
                tx, plan.manifest.at, f"sha256:{plan.sha256}", now, actor=actor, is_doubted=is_doubted
            )
        boundary.reached("restore:committed")
        files, kept = _bring_files(settings, work, plan.manifest, force=force, keep_office=keep_office)
    return Restored(plan=plan, rows=rows, aftermath=after, files=files, kept=kept, saved=saved)


# ---- before ----------------------------------------------------------------------------------------------------------
def _verified(settings: Settings, path: Path, work: Scratch) -> Plan:
    if not path.is_file():
        raise UsageError(f"there is no file {path}", fix="name a file that `deputy backup` made")
    manifest = archive.read_manifest(path)
    known = dump.known_version()
    if manifest.schema > known:
        raise migrations.newer(manifest.schema, known)
    if manifest.tenant != settings.tenant:
        raise UsageError(
            f"the backup holds the rows of tenant {manifest.tenant!r}, not of {settings.tenant!r}",
            fix=f"set DEPUTY_TENANT={manifest.tenant}",
        )
    for name, entry in manifest.tables.items():
        if (why := dump.fits(name, entry["columns"])) is not None:
            raise UsageError(
                f"the backup is of schema {manifest.schema}, and {why}",
                fix=f"restore it with Deputy {manifest.deputy}, then upgrade",
            )
    archive.unpack(path, manifest, work)
    if backups.OFFICE in manifest.files:
        copies.whole(work.file(backups.OFFICE))
    openable = _openable(settings, manifest, work)
    missing = _missing_keys(manifest, work, openable)
    return Plan(
        manifest=manifest,
        sha256=archive.digest_of(path),
        openable=openable,
        missing_keys=missing,
        remarks=_remarks(settings, manifest, work, missing),
    )


def _credentials(manifest: Manifest, work: Scratch) -> Iterator[dict[str, Any]]:
    names = manifest.tables.get(credential_rows.name, {}).get("columns", [])
    for line in work.lines(credential_rows.name):
        yield dict(zip(names, json.loads(line), strict=True))


def _openable(settings: Settings, manifest: Manifest, work: Scratch) -> dict[str, bool]:
    """Connection → whether its credentials open with the keys that will be here."""
    import base64

    found: dict[str, bool] = {}
    rings = list(_rings(settings, work))
    for row in _credentials(manifest, work):
        place = Place(tenant_id=row["tenant_id"], connection_id=row["connection_id"])
        wrapped = base64.b64decode(row["wrapped"])
        found[row["connection_id"]] = any(_opens(ring, row["key_id"], wrapped, place) for ring in rings)
    return found


def _rings(settings: Settings, work: Scratch) -> Iterator[Keys]:
    sources: list[Callable[[], Keys]] = [lambda: keys.keys_of(settings.key_source, settings.home)]
    if work.file(keys.FILE_NAME).exists():
        sources.append(lambda: keys.keys_of(f"file:{work.file(keys.FILE_NAME)}", settings.home))
    for source in sources:
        try:
            yield source()
        except DeputyError:
            continue  # no key here is an answer, not an error


def _opens(ring: Keys, key_id: str, wrapped: bytes, place: Place) -> bool:
    try:
        ring.unwrap(key_id, wrapped, place)
    except DeputyError:
        return False
    return True


def _missing_keys(manifest: Manifest, work: Scratch, openable: dict[str, bool]) -> list[str]:
    return sorted({row["key_id"] for row in _credentials(manifest, work) if not openable[row["connection_id"]]})


def _remarks(settings: Settings, manifest: Manifest, work: Scratch, missing: list[str]) -> list[str]:
    told = []
    if missing:
        told.append(
            f"no key here opens credentials sealed with {', '.join(missing)}: bring {keys.FILE_NAME} (or DEPUTY_CREDENTIALS_KEY) "
            "of the old installation, or connect those accounts again"
        )
    if manifest.left_out:
        told.append(f"not in the backup, because secret: {', '.join(manifest.left_out)}")
    if work.file(FILE_NAME).exists():
        there = tomllib.loads(work.file(FILE_NAME).read_text(encoding="utf-8"))
        if there.get("database_url", settings.database_url) != settings.database_url:
            told.append(
                "deputy.toml of the backup names another database than the one restored into: correct database_url"
            )
    return told


@contextmanager
def nobody_works(store: Store) -> Iterator[None]:
    """Holds the right to work on the store, so that no worker does. Raises `Conflict` where one is at work."""
    if store.path is not None:
        lock = HostLock(lock_path(store))
        if not lock.take(wait=False):
            raise Conflict(
                "a worker is at work on this store", fix="stop `deputy serve` and `deputy worker`, then try again"
            )
        try:
            yield
        finally:
            lock.release()
        return
    session = Session(store)
    try:
        with store.read() as tx:
            rows = workers.every(tx)
        for row in rows:
            if not session.try_take(row.lock_key):
                raise Conflict(
                    f"a worker is at work on this store: process {row.pid} on {row.host}",
                    fix="stop every `deputy serve` and `deputy worker`, then try again",
                )
        yield
    finally:
        session.close()


def _now(settings: Settings, work: Scratch) -> datetime:
    """The time it will be here: the office of the backup brings its own clock."""
    if not settings.office or not work.file(backups.CLOCK).exists():
        return clock.now()
    from connectors.office import OfficeClock

    return OfficeClock(work.file(backups.OFFICE)).now()


def _what_is_there(settings: Settings, store: Store, *, keep_office: bool) -> list[str]:
    with store.read() as tx:
        found = [f"{count} rows of {name}" for name, count in dump.count(tx).items()]
    if not keep_office and settings.office and settings.office_file.exists():
        found.append(str(settings.office_file))
    return found


def _save(settings: Settings) -> Path:
    folder = settings.home / "backups"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return backups.make(settings, folder / f"before-restore-{clock.now():%Y%m%dT%H%M%S%fZ}{backups.SUFFIX}").path


# ---- files -----------------------------------------------------------------------------------------------------------
def _bring_files(
    settings: Settings, work: Scratch, manifest: Manifest, *, force: bool, keep_office: bool
) -> tuple[list[str], list[str]]:
    """(files written, files that stayed as they were). Without `force` a file that is there stays."""
    written, kept = [], []
    folders = backups.own_folders(settings)
    for name in sorted(manifest.files):
        source = work.file(name)
        if name in (backups.OFFICE, backups.CLOCK):
            if not keep_office and settings.office:
                _bring_office(settings, source, name)
                written.append(name)
            continue
        if name == keys.FILE_NAME:
            _add_keys(settings, source)
            written.append(name)
            continue
        first, _, rest = name.partition("/")
        target = folders[first] / rest if first in folders else settings.home / name
        if first not in (*folders, FILE_NAME, SECRETS_FOLDER):
            continue
        if target.exists() and target.read_bytes() != source.read_bytes() and not force:
            kept.append(str(target))
            continue
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.copyfile(source, fresh)
        fresh.chmod(0o600)
        os.replace(fresh, target)
        written.append(name)
    return written, kept


def _bring_office(settings: Settings, source: Path, name: str) -> None:
    settings.office_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if name == backups.OFFICE:
        copies.copy(source, settings.office_file)
        return
    target = Path(f"{settings.office_file}.clock")
    fresh = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.copyfile(source, fresh)
    os.replace(fresh, target)


def _add_keys(settings: Settings, source: Path) -> None:
    """The backup's keys behind those that are here: what is here wraps, the others open."""
    target = backups.key_file(settings)
    if target is None:
        return
    here = target.read_text(encoding="ascii").splitlines() if target.exists() else []
    more = [line for line in source.read_text(encoding="ascii").splitlines() if line.strip() and line not in here]
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = target.with_name(f"{target.name}.{os.getpid()}")
    fresh.touch(mode=0o600)
    fresh.write_text("".join(f"{line}\n" for line in [*here, *more]), encoding="ascii")
    os.replace(fresh, target)
