"""The time everybody uses. While the local office is in use, its offset shifts "now" in every process alike.

Pure code takes `now` as a parameter; only edges call `now()`. Leases, heartbeats and wire time-outs never use this clock:
they measure on the database's or the boot clock, which nobody shifts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def _no_offset() -> timedelta:
    return timedelta(0)


_offset: Callable[[], timedelta] = _no_offset


def follow(offset: Callable[[], timedelta]) -> None:
    """Shifts `now()` by what `offset` returns from here on; called once by the composition root."""
    global _offset
    _offset = offset


def now() -> datetime:
    """Aware UTC time, shifted by the office's offset where one is followed."""
    return datetime.now(UTC) + _offset()


def real() -> datetime:
    """Aware UTC time that nobody shifts: for what guards a door (sessions, keys, links), never for work."""
    return datetime.now(UTC)


def boot_s() -> float:
    """Seconds since boot, suspended time included (CLOCK_BOOTTIME): comparable within one machine's uptime only."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
