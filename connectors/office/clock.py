"""The office's clock: real time plus an offset that every process follows through a small file beside the office's own."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path


class OfficeClock:
    """Reads the offset with one `stat` a call; the file is read again only after it was replaced."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(f"{os.fspath(path)}.clock")
        self._stamp: tuple[int, int, int] | None = None
        self._offset = timedelta(0)

    def offset(self) -> timedelta:
        """How far the office is ahead of real time; zero where no office, or no offset, was ever set."""
        try:
            stat = os.stat(self._path)
        except FileNotFoundError:
            return timedelta(0)
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
