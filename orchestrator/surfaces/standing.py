"""Where the desk of a home listens while it does: told by `deputy serve` on this machine, read by whoever shows a link to it.

The kernel lets go of the file's lock when the server ends, however it ends: an address that nobody holds is not told.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

NAME = "desk.address"


@contextmanager
def told(home: Path, address: str) -> Iterator[None]:
    """Until the block ends. Where another desk of this home was first, its address stays."""
    with (home / NAME).open("a+", encoding="utf-8") as file:
        if not _taken(file):
            yield
            return
        file.truncate(0)
        file.write(address)
        file.flush()
        yield
        file.truncate(0)


def _taken(file: IO[str]) -> bool:
    """Whether the lock is ours. Readers hold it for a moment only: whoever holds it longer is another desk."""
    for _ in range(20):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(0.01)
    return False


def address_of(home: Path) -> str | None:
    """Of the desk that serves this home now; None where none does."""
    try:
        with (home / NAME).open(encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.read() or None
    except FileNotFoundError:
        pass
    return None
