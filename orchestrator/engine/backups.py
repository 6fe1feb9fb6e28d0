"""Makes a backup of one tenant's whole installation into one file, while desks and workers go on.

The rows are of one instant: SQLite by an online copy, PostgreSQL by one read-only snapshot. The key of the credentials, the secrets
folder and settings that are secret go in only where that is asked for.
"""

from __future__ import annotations

import re
import shutil
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator import __version__, clock
from orchestrator.domain.audit import AuditEvent
from orchestrator.engine import archive
from orchestrator.engine.archive import Manifest, Scratch
from orchestrator.errors import StoreUnavailable, UsageError
from orchestrator.gate import keys
from orchestrator.settings import FILE_NAME, SECRETS_FOLDER, Settings
from orchestrator.store import audit, copies, credentials, dump
from orchestrator.store.database import Store, Tx

OFFICE, CLOCK = "office.db", "office.db.clock"
SUFFIX = ".tar.gz"
BACKED_UP = "store.backed_up"  # kind of the event that a backup leaves
LARGEST_FILE = 16 << 20  # of one's own: workflows, prompts, agents, policies are texts
_SECRET = re.compile(
    r"(?:^|_)(?:token|secret|password|passphrase|api_?key|credentials_key|private_key|key)$", re.IGNORECASE
)
_ASSIGNED = re.compile(r"^\s*([A-Za-z0-9_\-.\"']+)\s*=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A finished backup."""

    path: Path
    sha256: str
    size_bytes: int
    manifest: Manifest

    def document(self) -> dict[str, Any]:
        told = self.manifest
        return {
            "path": str(self.path),
            "sha256": self.sha256,
            "bytes": self.size_bytes,
            "taken_at": told.taken_at,
            "deputy": told.deputy,
            "schema": told.schema,
            "tenant": told.tenant,
            "rows": {name: entry["rows"] for name, entry in told.tables.items() if entry["rows"]},
            "files": sorted(told.files),
            "audit_head": dump.heads(told.audit),
            "keys": dict(told.keys),
            "with_secrets": told.with_secrets,
            "left_out": list(told.left_out),
        }


def make(settings: Settings, where: Path, *, with_secrets: bool = False) -> Made:
    """Writes the backup to the file `where`, or under a name of its own into the folder `where`. Nothing is overwritten.

    Raises `UsageError` where a file is there already, `StoreUnavailable`.
    """
    taken_at = clock.now()
    if where.is_dir():
        where = where / f"deputy-{taken_at:%Y%m%dT%H%M%SZ}{SUFFIX}"
    if where.exists():
        raise UsageError(f"{where} exists", fix="name another file, or a folder")
    store = Store.open(settings.store_url, tenant_id=settings.tenant, name="backup")
    try:
        with archive.scratch(where.parent) as work:
            with _one_instant(store, work) as tx:
                tables = {name: work.write_rows(name, dump.lines(tx, name)) for name in dump.names()}
                head, base = audit.head(tx), audit.base(tx)
                wrapped = Counter(kept.key_id for kept in credentials.kept(tx))
                schema = dump.schema_version(tx)
            left_out = _gather(settings, work, with_secrets=with_secrets)
            manifest = Manifest(
                format=archive.FORMAT,
                deputy=__version__,
                schema=schema,
                tenant=settings.tenant,
                taken_at=taken_at.isoformat(),
                engine=store.dialect,
                audit=head,
                audit_base=base,
                keys=dict(wrapped),
                with_secrets=with_secrets,
                left_out=left_out,
                tables=tables,
                files=_entries(work),
            )
            digest = archive.pack(work, manifest, where)
        _remember(store, manifest, digest)
    finally:
        store.close()
    return Made(path=where, sha256=digest, size_bytes=where.stat().st_size, manifest=manifest)


def _remember(store: Store, manifest: Manifest, digest: str) -> None:
    """In the chain, for whoever asks how old the last backup is; a store that cannot be written has been backed up all the same."""
    body = {"taken_at": manifest.taken_at, "backup": f"sha256:{digest}", "with_secrets": manifest.with_secrets}
    with suppress(StoreUnavailable), store.tx() as tx:
        tx.audit(AuditEvent(kind=BACKED_UP, actor="operator", at=clock.now().isoformat(), body=body))


@contextmanager
def _one_instant(store: Store, work: Scratch) -> Iterator[Tx]:
    """A transaction over everything as of one moment. A SQLite file is copied first: reading it for long would hold up its tidying."""
    if store.path is None:
        with store.read() as tx:
            yield tx
        return
    copied = work.root / "store.db"
    copies.copy(store.path, copied)
    copies.whole(copied)
    still = Store.open(f"sqlite:///{copied}", tenant_id=store.tenant_id, migrate=False)
    try:
        with still.read() as tx:
            yield tx
    finally:
        still.close()
        for left in work.root.glob("store.db*"):
            left.unlink()


# ---- files -----------------------------------------------------------------------------------------------------------
def own_folders(settings: Settings) -> dict[str, Path]:
    """Name in the archive → folder of files of one's own."""
    return {
        "workflows": settings.workflow_folder,
        "agents": settings.agents_folder,
        "prompts": settings.prompts_folder,
        "policies": settings.policy_dir or settings.home / "policies",
    }


def key_file(settings: Settings) -> Path | None:
    """Where the key of the credentials lies; None where it is kept elsewhere (environment, keyring, KMS)."""
    source = settings.key_source
    if source == "":
        return settings.home / keys.FILE_NAME
    return Path(source.partition(":")[2]).expanduser() if source.startswith("file:") else None


def _gather(settings: Settings, work: Scratch, *, with_secrets: bool) -> list[str]:
    """Puts the files beside the rows; names of the settings that were left out."""
    files = work.root / "files"
    files.mkdir()
    if settings.office and settings.office_file.exists():
        copies.copy(settings.office_file, files / OFFICE)
        clock_file = Path(f"{settings.office_file}.clock")
        if clock_file.exists():
            shutil.copyfile(clock_file, files / CLOCK)
    for name, folder in own_folders(settings).items():
        for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
            if path.is_file() and not path.is_symlink() and path.stat().st_size <= LARGEST_FILE:
                _put(files / name / path.relative_to(folder), path.read_bytes())
    left_out: list[str] = []
    if settings.config_file.exists():
        text = settings.config_file.read_bytes().decode("utf-8")
        if not with_secrets:
            text, left_out = without_secrets(text)
        _put(files / FILE_NAME, text.encode())
    if with_secrets:
        key = key_file(settings)
        if key is not None and key.exists():
            _put(files / keys.FILE_NAME, key.read_bytes())
        folder = settings.home / SECRETS_FOLDER
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.is_file() and not path.name.startswith("."):
                _put(files / SECRETS_FOLDER / path.name, path.read_bytes())
    return left_out


def without_secrets(text: str) -> tuple[str, list[str]]:
    """The settings file without values that are secret, and their names. A file this cannot be done to line by line is left out whole."""
    kept, gone = [], []
    for line in text.splitlines():
        found = _ASSIGNED.match(line)
        name = found[1].strip("\"'").rpartition(".")[2].strip("\"'") if found else ""
        if found and (_SECRET.search(name) or _has_password(line)):
            gone.append(name)
            kept.append(f"# {name}: left out of the backup")
        else:
            kept.append(line)
    cleaned = "\n".join(kept) + "\n"
    try:
        is_clean = not any(True for _ in _secrets_of(tomllib.loads(cleaned)))
    except tomllib.TOMLDecodeError:
        is_clean = False
    return (cleaned, gone) if is_clean else ("# left out of the backup: it holds secrets\n", [*gone, FILE_NAME])


def _has_password(text: str) -> bool:
    return re.search(r"://[^/\s:@\"']*:[^/\s@\"']+@", text) is not None


def _secrets_of(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _secrets_of(inner, str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from _secrets_of(inner, name)
    elif isinstance(value, str) and value and (_SECRET.search(name) or _has_password(value)):
        yield name


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _entries(work: Scratch) -> dict[str, Any]:
    root = work.root / "files"
    return {
        path.relative_to(root).as_posix(): {"bytes": path.stat().st_size, "sha256": archive.digest_of(path)}
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
