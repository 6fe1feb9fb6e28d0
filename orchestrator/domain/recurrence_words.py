"""Everyday words for times that come again, put as cron: "weekdays 07:30", "every monday and thursday at 9:00". Pure.

The grammar is small on purpose: what it does not know is an error with examples, never a guess.
"""

from __future__ import annotations

import re
from itertools import product

from orchestrator.errors import UsageError

_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4}
_SETS = {
    "day": "*",
    "days": "*",
    "daily": "*",
    "weekday": "1-5",
    "weekdays": "1-5",
    "weekend": "0,6",
    "weekends": "0,6",
}
_TIME = re.compile(r"(\d{1,2})(?:[:.](\d{2}))?\s*(am|pm)?")
_NUMBER = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?")
_FILLERS = {"every", "each", "on", "the", "of", "month", "and", "at", ""}
_MOST_IN = {"minute": 60, "hour": 24}


def crons(text: str) -> list[str] | None:
    """Five-field crons that together say the same; None for words that are not of this grammar."""
    said = re.sub(r"\s*,\s*", " and ", text.strip().lower())
    said = re.sub(r"(\d)\s+(am|pm)\b", r"\1\2", said)
    if (interval := _interval(said)) is not None:
        return [interval]
    words = said.split()
    times: list[tuple[int, int]] = []
    while words and ((time := _time(words[-1])) is not None or (times and words[-1] in ("at", "and"))):
        word = words.pop()
        times += [time] if time is not None and word not in ("at", "and") else []
    days = _days(words)
    if days is None:
        return None
    if not times:
        raise UsageError(f"{text!r} says no time of day", fix=f"e.g. {text.strip()} 09:00")
    return [f"{minute} {hour} {day}" for (hour, minute), day in product(sorted(set(times)), days)]


def _interval(said: str) -> str | None:
    """ "hourly", "every 15 minutes", "every 2 hours": real time, reckoned from the full hour and from midnight."""
    found = re.fullmatch(r"(?:every|each)(?:\s+(\d+))?\s+(minute|hour)s?", "every hour" if said == "hourly" else said)
    if found is None:
        return None
    count, most = int(found[1] or 1), _MOST_IN[found[2]]
    if count == 0 or most % count:
        fits = ", ".join(str(n) for n in range(1, most) if most % n == 0)
        raise UsageError(f"every {count} {found[2]}s does not come out even", fix=f"use one of: {fits}; or cron")
    step = "*" if count == 1 else f"*/{count}" if count < most else "0"
    return f"{step} * * * *" if found[2] == "minute" else f"0 {step} * * *"


def _days(words: list[str]) -> list[str] | None:
    """The last three cron fields: day of month, month, day of week."""
    kept = [word for word in words if word not in _FILLERS]
    if not kept:
        return ["* * *"] if words[:1] in (["every"], ["each"]) and words[1:] == [] else None
    if set(words) & {"month", "monthly"}:
        return _monthly([word for word in kept if word != "monthly"])
    if len(kept) == 2 and _is_day(kept[1]) and (kept[0] in _ORDINALS or kept[0] in ("last", "other")):
        raise UsageError(
            f"'{kept[0]} {kept[1]}' could be of the month, or every so many weeks",
            fix=f"say '{kept[0]} {kept[1]} of the month', or FREQ=WEEKLY;INTERVAL=2;BYDAY=MO;BYHOUR=9;BYMINUTE=0",
        )
    if kept[0] == "yearly" or any(word in _MONTHS for word in kept):
        return _yearly([word for word in kept if word != "yearly"])
    if len(kept) == 1 and kept[0] in _SETS:
        return [f"* * {_SETS[kept[0]]}"]
    if all(_is_day(word) for word in kept):
        return [f"* * {','.join(str(day) for day in sorted({_day(word) for word in kept}))}"]
    return None


def _monthly(kept: list[str]) -> list[str] | None:
    if kept in (["last", "day"], ["last", "weekday"]):
        return ["L * *" if kept[1] == "day" else "LW * *"]
    if len(kept) == 2 and _is_day(kept[1]) and (kept[0] in _ORDINALS or kept[0] == "last"):
        day = _day(kept[1])
        return [f"* * {day}L" if kept[0] == "last" else f"* * {day}#{_ORDINALS[kept[0]]}"]
    numbers = [_in_month(word) for word in kept if word not in ("day", "days")]
    if not numbers or None in numbers:
        return None
    late = [number for number in numbers if number is not None and number > 28]
    if late:
        raise UsageError(
            f"not every month has a {late[0]}th" if late[0] != 31 else "not every month has a 31st",
            fix=f"say 'monthly on the last day', or, to pass over short months, cron: '0 9 {late[0]} * *'",
        )
    return [f"{','.join(str(number) for number in sorted({n for n in numbers if n}))} * *"]


def _yearly(kept: list[str]) -> list[str] | None:
    months = [_MONTHS.index(word) + 1 for word in kept if word in _MONTHS]
    days = [_in_month(word) for word in kept if word not in _MONTHS]
    if len(months) != 1 or len(days) != 1 or days[0] is None:
        return None
    return [f"{days[0]} {months[0]} *"]


def _in_month(word: str) -> int | None:
    found = _NUMBER.fullmatch(word)
    if found is None:
        return _ORDINALS.get(word)
    return int(found[1]) if 1 <= int(found[1]) <= 31 else None


def _is_day(word: str) -> bool:
    return _named(word) is not None


def _day(word: str) -> int:
    found = _named(word)
    assert found is not None
    return found


def _named(word: str) -> int | None:
    """0 is Sunday. Three letters or the whole name, also in the plural."""
    name = word.rstrip("s") if word not in _DAYS and len(word) > 4 else word
    return next((n for n, day in enumerate(_DAYS) if name == day or name == day[:3]), None)


def _time(word: str) -> tuple[int, int] | None:
    if word in ("noon", "midnight"):
        return (12 if word == "noon" else 0, 0)
    found = _TIME.fullmatch(word)
    if found is None or not (found[2] or found[3]):  # a bare number might be a day
        return None
    hour, minute, half = int(found[1]), int(found[2] or 0), found[3]
    if half is not None:
        if not 1 <= hour <= 12:
            raise UsageError(f"{word!r} is no time of day", fix="e.g. 9am, 17:30")
        hour = hour % 12 + (12 if half == "pm" else 0)
    if hour > 23 or minute > 59:
        raise UsageError(f"{word!r} is no time of day", fix="e.g. 07:30, 17:00")
    return hour, minute
