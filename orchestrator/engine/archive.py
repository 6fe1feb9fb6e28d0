"""One file that holds a whole installation: rows, office, settings and files of one's own, each with its digest.

A gzipped tar: manifest.json, rows/TABLE.jsonl, files/…. Nothing in it is used before all of it has been verified.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from orchestrator.domain.audit import AuditEvent, link
from orchestrator.errors import UsageError
from orchestrator.store import dump

FORMAT = 1
MANIFEST = "manifest.json"
LARGEST_MANIFEST = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an archive says of itself. tables: name → columns, rows, sha256; files: path → bytes, sha256."""

    format: int
    deputy: str
    schema: int
    tenant: str
    taken_at: str
    engine: str
    audit: Mapping[str, Any]  # the head: seq and hash
    audit_base: Mapping[str, Any]  # what was deleted by order before it
    keys: Mapping[str, int]  # id of a credentials key → how many credentials it wraps
    with_secrets: bool
    left_out: list[str] = field(default_factory=list)  # settings that are secret
    tables: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Any] = field(default_factory=dict)

    @property
    def at(self) -> datetime:
        return datetime.fromisoformat(self.taken_at)


class Scratch:
    """A folder in which an archive is put together, or lies unpacked."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def rows(self, table: str) -> Path:
        return self.root / "rows" / f"{table}.jsonl"

    def file(self, name: str) -> Path:
        return self.root / "files" / name

    def write_rows(self, table: str, lines: Iterable[str]) -> dict[str, Any]:
        """Writes a table; its entry in the manifest."""
        path = self.rows(table)
        path.parent.mkdir(exist_ok=True)
        digest, count = hashlib.sha256(), 0
        with path.open("wb") as out:
            for line in lines:
                data = line.encode() + b"\n"
                digest.update(data)
                out.write(data)
                count += 1
        return {"columns": dump.columns(table), "rows": count, "sha256": digest.hexdigest()}

    def lines(self, table: str) -> Iterator[str]:
        path = self.rows(table)
        if path.exists():
            with path.open(encoding="utf-8", newline="\n") as source:
                yield from source


@contextmanager
def scratch(beside: Path) -> Iterator[Scratch]:
    """A private folder on the file system of `beside`, gone afterwards."""
    beside.mkdir(mode=0o700, parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".deputy-", dir=beside) as folder:
        yield Scratch(Path(folder))


def pack(work: Scratch, manifest: Manifest, target: Path) -> str:
    """Writes the archive, whole or not at all, readable by its owner only; its sha256."""
    fresh = target.with_name(f"{target.name}.{os.getpid()}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as out:
            with tarfile.open(fileobj=out, mode="w:gz", compresslevel=3) as tar:
                told = json.dumps(asdict(manifest), indent=1, ensure_ascii=False).encode()
                head = tarfile.TarInfo(MANIFEST)
                head.size, head.mode, head.mtime = len(told), 0o600, int(manifest.at.timestamp())
                tar.addfile(head, io.BytesIO(told))
                for path in sorted(work.root.rglob("*")):
                    if path.is_file():
                        tar.add(path, arcname=path.relative_to(work.root).as_posix(), recursive=False)
            out.flush()
            os.fsync(out.fileno())
        digest = digest_of(fresh)
        os.replace(fresh, target)
    finally:
        fresh.unlink(missing_ok=True)
    return digest


def digest_of(path: Path) -> str:
    """The file's sha256 in hexadecimal."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def read_manifest(path: Path) -> Manifest:
    """What the archive says of itself. Raises `UsageError` for a file that is none, or of another format."""
    try:
        with tarfile.open(path, "r:gz") as tar:
            first = tar.next()
            if first is None or first.name != MANIFEST or not first.isfile() or first.size > LARGEST_MANIFEST:
                raise _no_archive(path)
            source = tar.extractfile(first)
            told = json.loads(source.read()) if source is not None else None
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise _no_archive(path, error) from error
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise UsageError(f"{path} is a backup of another format", fix="restore it with the Deputy that made it")
    try:
        return Manifest(**{name: told[name] for name in Manifest.__dataclass_fields__})
    except (KeyError, TypeError) as error:
        raise _no_archive(path, error) from error


def unpack(path: Path, manifest: Manifest, work: Scratch) -> None:
    """Every part the manifest names, verified: size, digest, number of rows, the audit chain. Nothing else is unpacked."""
    wanted = {f"rows/{name}.jsonl": entry for name, entry in manifest.tables.items()}
    wanted |= {f"files/{name}": entry for name, entry in manifest.files.items()}
    for name in wanted:
        parts = PurePosixPath(name).parts
        if name != "/".join(parts) or ".." in parts or name.startswith("/") or "\\" in name:
            raise _damaged(path, f"it names {name!r}")
    try:
        with tarfile.open(path, "r:gz") as tar:
            for member in tar:
                if member.name not in wanted or not member.isfile():
                    continue
                source = tar.extractfile(member)
                if source is None:
                    continue
                _unpack_one(work.root / member.name, source, wanted.pop(member.name), path)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise _damaged(path, str(error)) from error
    if wanted:
        raise _damaged(path, f"{min(wanted)} is missing")
    _verify_chain(path, manifest, work)


def _unpack_one(target: Path, source: Any, entry: Mapping[str, Any], path: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, lines = hashlib.sha256(), 0
    with target.open("wb") as out:
        while part := source.read(1 << 20):
            digest.update(part)
            lines += part.count(b"\n")
            out.write(part)
    if digest.hexdigest() != entry["sha256"]:
        raise _damaged(path, f"{target.name} is not what was written")
    if lines != entry.get("rows", lines):
        raise _damaged(path, f"{target.name} has {lines} rows, not {entry['rows']}")


def _verify_chain(path: Path, manifest: Manifest, work: Scratch) -> None:
    names = manifest.tables.get("audit", {}).get("columns", [])
    seq, digest = int(manifest.audit_base["seq"]), str(manifest.audit_base["hash"])
    for line in work.lines("audit"):
        row = dict(zip(names, json.loads(line), strict=True))
        seq += 1
        event = AuditEvent(
            kind=row["kind"],
            actor=row["actor"],
            at=row["at"],
            item_id=row["item_id"],
            run_id=row["run_id"],
            effect_id=row["effect_id"],
            body=json.loads(row["body"]),
        )
        digest = link(digest, seq, event)
        if row["seq"] != seq or row["hash"] != digest:
            raise _damaged(path, f"the audit chain breaks at event {seq}")
    if {"seq": seq, "hash": digest} != dict(manifest.audit):
        raise _damaged(path, f"the audit chain ends at {seq}, its head says {manifest.audit['seq']}")


def _no_archive(path: Path, cause: Exception | None = None) -> UsageError:
    why = f" ({cause})" if cause is not None else ""
    return UsageError(f"{path} is no backup of Deputy{why}", fix="name a file that `deputy backup` made")


def _damaged(path: Path, why: str) -> UsageError:
    return UsageError(f"the backup {path} is damaged: {why}", fix="take another one; nothing was changed")
