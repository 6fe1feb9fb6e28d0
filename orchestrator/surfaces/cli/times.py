"""Times as people type them: "tomorrow 17:00", "mon 9:00", "in 2h", "3d", or ISO 8601. Read in the speaker's zone. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from dateutil import parser

from orchestrator.errors import UsageError

EXAMPLES = "e.g. 'tomorrow 17:00', 'fri 9:00', 'in 2h', or 2026-11-24T17:00:00+00:00"
MORNING, EVENING = time(9), time(17)  # what a day without a time of day means for a snooze, and for a due date

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LENGTH = re.compile(r"^(?:in\s+)?(\d+)\s*(m|min|mins|minutes?|h|hours?|d|days?|w|weeks?)$")
_DAY = re.compile(r"^(?:next\s+)?(today|tomorrow|mon|tue|wed|thu|fri|sat|sun)[a-z]*\b(?:\s+at)?\s*(.*)$")


def parse(text: str, *, now: datetime, zone: str, day_means: time = EVENING) -> datetime:
    """An aware UTC instant. `day_means`: the time of day of a bare day. Raises UsageError with examples."""
    said = text.strip().lower()
    local = now.astimezone(ZoneInfo(zone))
    try:
        length = _LENGTH.match(said)
        if length:
            return now.astimezone(UTC) + timedelta(**{_UNITS[length[2][0]]: int(length[1])})
        day = _DAY.match(said)
        if day:
            date = local.date() + timedelta(days=_days_ahead(day[1], local.weekday()))
            at = parser.parse(day[2], default=datetime.combine(date, time())).time() if day[2] else day_means
            return datetime.combine(date, at, ZoneInfo(zone)).astimezone(UTC)
        found = parser.parse(text, default=datetime.combine(local.date(), day_means))
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{text!r} is no time", fix=EXAMPLES) from error
    return (found if found.tzinfo else found.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)


def shown(iso: str | None, zone: str = "UTC") -> str:
    """An ISO instant for people, in their zone; a dash for none."""
    if not iso:
        return "–"
    return f"{datetime.fromisoformat(iso).astimezone(ZoneInfo(zone)):%a %-d %b %H:%M}"


def _days_ahead(word: str, today: int) -> int:
    if word in ("today", "tomorrow"):
        return ("today", "tomorrow").index(word)
    return (_DAYS.index(word) - today - 1) % 7 + 1
