"""When a recurring event happens. Rules are RFC 5545, read and expanded by dateutil on the wall clock of the event's zone."""

from __future__ import annotations

from bisect import bisect_left
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

from connectors.errors import InvalidCall

BLOCK_S = 92 * 86_400  # series are expanded as far as the end of the quarter asked for, and kept
TOO_FREQUENT = ("FREQ=SECONDLY", "FREQ=MINUTELY", "FREQ=HOURLY")


def check(rule: str, start: int, zone: str) -> str:
    """The rule, written "RRULE:…". InvalidCall when it cannot be read or repeats within a day."""
    text = rule if rule.upper().startswith("RRULE:") else f"RRULE:{rule}"
    if "\n" in text or any(word in text.upper() for word in TOO_FREQUENT):
        raise InvalidCall(f"the recurrence {rule!r} is not supported", fix="Repeat daily, weekly, monthly or yearly.")
    try:
        _expand(text, start, zone, start + BLOCK_S)
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidCall(
            f"the recurrence {rule!r} is not an RRULE: {error}",
            fix="Write e.g. RRULE:FREQ=WEEKLY;COUNT=10 (UNTIL in UTC).",
        ) from error
    return text


def starts_between(rule: str, start: int, zone: str, after: int, before: int) -> tuple[int, ...]:
    """Instance starts s with after < s < before, in seconds since 1970, for a series that begins at `start`."""
    if before <= start:
        return ()
    horizon = start + ((before - start) // BLOCK_S + 1) * BLOCK_S
    starts = _expand(rule, start, zone, horizon)
    return starts[bisect_left(starts, after + 1) : bisect_left(starts, before)]


@lru_cache(maxsize=4096)
def _expand(rule: str, start: int, zone: str, horizon: int) -> tuple[int, ...]:
    tz = ZoneInfo(zone)
    first = datetime.fromtimestamp(start, tz)
    last = datetime.fromtimestamp(horizon, tz)
    dates = rrulestr(rule, dtstart=first).between(first - timedelta(seconds=1), last, inc=True)
    # The start is an instance even where the rule alone would not make it one, as calendar programs have it.
    return tuple(sorted({start, *(int(one.timestamp()) for one in dates)}))
