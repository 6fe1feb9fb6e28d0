"""The office's clock: real time plus an offset that every process follows through a small file beside the office's own."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

FRESH_S = 0.02  # an offset that another process has changed is noticed this late at most

_changes = 0  # by this process


class OfficeClock:
    """Reads the offset with one `stat` in `FRESH_S`; the file is read again only after it was replaced."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(f"{os.fspath(path)}.clock")
        self._stamp: tuple[int, int, int] | None = None
        self._offset = timedelta(0)
        self._looked: tuple[int, float] | None = None

    def offset(self) -> timedelta:
        """How far the office is ahead of real time; zero where no office, or no offset, was ever set."""
        moment_s = time.monotonic()
        if self._looked is not None and self._looked[0] == _changes and moment_s - self._looked[1] < FRESH_S:
            return self._offset
        self._looked = (_changes, moment_s)
        try:
            stat = os.stat(self._path)
        except FileNotFoundError:
            self._offset, self._stamp = timedelta(0), None
            return self._offset
        stamp = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if stamp != self._stamp:
            self._offset = timedelta(seconds=float(self._path.read_text(encoding="ascii")))
            self._stamp = stamp
        return self._offset

    def now(self) -> datetime:
        """Aware UTC time in the office."""
        return datetime.now(UTC) + self.offset()

    def set_now(self, now: datetime | None) -> None:
        """Makes `now()` say `now` from here on, in every process; None returns to real time."""
        offset = timedelta(0) if now is None else now - datetime.now(UTC)
        scratch = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        scratch.write_text(f"{offset.total_seconds():.6f}", encoding="ascii")
        os.replace(scratch, self._path)
        global _changes
        _changes += 1
