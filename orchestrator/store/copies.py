"""Whole copies of SQLite files by SQLite's online backup: consistent while others read and write, and written with their locks.

For the store's own file before a migration, for `deputy backup`, and for the office's file both ways.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from orchestrator.errors import StoreUnavailable

BUSY_S = 30.0


def copy(source: Path, target: Path) -> None:
    """Makes `target` hold what `source` holds now. An existing target is overwritten in place, so that who has it open sees it."""
    try:
        reading = sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=BUSY_S)
        try:
            writing = sqlite3.connect(target, timeout=BUSY_S)
            try:
                reading.backup(writing)  # in one step: in steps, a busy writer would start it over again and again
            finally:
                writing.close()
        finally:
            reading.close()
    except sqlite3.Error as error:
        raise StoreUnavailable(
            f"{source} cannot be copied to {target}: {error}", fix="check free space and rights; nothing was changed"
        ) from error


def whole(path: Path) -> None:
    """Raises `StoreUnavailable` unless the file is a sound SQLite database."""
    try:
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=BUSY_S)
        try:
            found = db.execute("pragma quick_check(1)").fetchone()[0]
        finally:
            db.close()
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{path} is no sound database: {error}", fix="take another copy") from error
    if found != "ok":
        raise StoreUnavailable(f"{path} is damaged: {found}", fix="take another copy")


def keep_before_migration(path: Path, version: int) -> Path:
    """The copy of a database as it was at schema `version`, beside it, made while the caller holds its write lock."""
    kept = path.with_name(f"{path.name}.schema-{version}")
    fresh = kept.with_name(f"{kept.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    try:
        copy(path, fresh)
        fresh.chmod(0o600)
        os.replace(fresh, kept)
    finally:
        fresh.unlink(missing_ok=True)
    return kept
