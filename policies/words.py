"""Text taken apart by exact tokens: addresses, links, numbers, dates, names. No meaning is guessed here.

Matching is by whole token, never by substring: `www.informations.com` does not occur in `www.true-informations.com`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

TOP_LEVEL = (
    "com|net|org|edu|gov|info|biz|io|co|ly|me|gl|app|dev|ai|xyz|top|site|online|shop|cloud|link|click|page|web|tech|store|test|"
    "example|invalid|uk|us|de|fr|pt|es|it|nl|be|ch|at|se|no|dk|fi|pl|cz|ru|cn|jp|in|br|au|ca|eu|to|tv|cc|ws|gg|sh|st|ms|la|im|is|ie|id|tk"
)
EMAIL = re.compile(r"[A-Za-z0-9_][\w.+%'-]*@[A-Za-z0-9][\w-]*(?:\.[\w-]+)+")
# A link: a scheme, www., or a bare host with a known ending, and never the host part of a mail address.
LINK = re.compile(
    r"(?<![@\w.-])(?:[a-z][a-z0-9+.-]*://[^\s<>\"'`\])}]+|www[.\u3002\uff0e][^\s<>\"'`\])}]+"
    rf"|(?:[\w-]+[.\u3002\uff0e])+(?:{TOP_LEVEL})(?![\w@-])(?!\.\w)(?::\d+)?(?:[/?#][^\s<>\"'`\])}}]*)?)",
    re.IGNORECASE,
)
_GLUED = re.compile(
    rf"^([^/]+\.(?i:{TOP_LEVEL}))\.[A-Z][a-z]*$"
)  # "www.host.com.They": a missing space after a full stop
WORD = re.compile(r"[#@]?\w+(?:[-'’._/:+]\w+)*", re.UNICODE)
TRAILING = ".,;:!?…'\"’”)"
MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
MONTH_NUMBER = {name: number for number, name in enumerate(MONTHS, 1)} | {
    name[:3]: number for number, name in enumerate(MONTHS, 1)
}
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_ISO_DATE = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})(?!\d)")
_NAMED_MONTH = "|".join(sorted(MONTH_NUMBER, key=len, reverse=True))
_MONTH_DAY = re.compile(rf"\b({_NAMED_MONTH})\.? (\d{{1,2}})(?:st|nd|rd|th)?\b(?:,? (\d{{4}}))?", re.IGNORECASE)
_DAY_MONTH = re.compile(rf"\b(\d{{1,2}})(?:st|nd|rd|th)?(?: of)? ({_NAMED_MONTH})\b(?:,? (\d{{4}}))?", re.IGNORECASE)
_CLOCK = re.compile(r"\b([01]?\d|2[0-3]):([0-5]\d)\b|\b(1[0-2]|[1-9])(?::([0-5]\d))? ?([ap])\.?m\b", re.IGNORECASE)
_DURATION = re.compile(
    r"\b(\d+(?:\.\d+)?|an?|one|two|three|four|five|half an?)[ -](hours?|hrs?|h|minutes?|mins?|min)\b", re.IGNORECASE
)
_SMALL = {
    "a": 1.0,
    "an": 1.0,
    "one": 1.0,
    "two": 2.0,
    "three": 3.0,
    "four": 4.0,
    "five": 5.0,
    "half a": 0.5,
    "half an": 0.5,
}
RELATIVE_TIME = re.compile(
    r"\b(next|this|coming|following|later|earlier|after|before|week|month|morning|afternoon|evening|noon|midday|soon|weekend|"
    rf"{'|'.join(WEEKDAYS)}|mon|tue|tues|wed|thu|thur|thurs|fri|sat|sun|until|between|from)\b",
    re.IGNORECASE,
)


def normal(value: str) -> str:
    """A token as it is compared: case-folded, without the marks around it; links without scheme and last slash."""
    return _normal_again(value) if len(value) <= _SHORT else _normal(value)


def _normal(value: str) -> str:
    text = value.strip().strip("<>[](){}\"'`‘’“”").rstrip(TRAILING).casefold()
    text = re.sub(r"^(?:https?://|mailto:)", "", text)
    return text.rstrip("/") if "." in text else text.lstrip("#@")


_SHORT = 120  # characters: what comes again and again in one run is short, and long texts are not worth keeping
_normal_again = lru_cache(maxsize=16_384)(_normal)


@lru_cache(maxsize=4096)
def tokens(text: str) -> tuple[str, ...]:
    """Normal tokens in order; an address or link is one token, and so is a hyphenated or dotted word."""
    found: list[tuple[int, str]] = []
    taken: list[tuple[int, int]] = []
    for pattern in (EMAIL, LINK):
        for match in pattern.finditer(text):
            if not any(start < match.end() and match.start() < end for start, end in taken):
                value = _GLUED.sub(r"\1", match.group())
                taken.append((match.start(), match.start() + len(value)))
                found.append((match.start(), normal(value)))
    place = 0
    for start, end in sorted([*taken, (len(text), len(text))]):
        found.extend((match.start(), normal(match.group())) for match in WORD.finditer(text, place, start))
        place = end
    return tuple(token for _, token in sorted(found) if token)


def token_set(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(token for text in texts for token in _with_parts(tokens(text)))


def _with_parts(found: Iterable[str]) -> Iterable[str]:
    for token in found:
        yield token
        if "'" in token or "’" in token:
            bare = re.sub(r"['’]s?$", "", token)  # Dana's → dana
            if bare != token:
                yield bare


def contains(sequence: Sequence[str], phrase: Sequence[str]) -> bool:
    """Whether `phrase` occurs in `sequence` as whole tokens in a row. An empty phrase does not."""
    if not phrase or len(phrase) > len(sequence):
        return False
    first, length, wanted = phrase[0], len(phrase), tuple(phrase)
    return any(token == first and tuple(sequence[at : at + length]) == wanted for at, token in enumerate(sequence))


def links(text: str) -> list[str]:
    return [match.group().rstrip(TRAILING) for match in LINK.finditer(EMAIL.sub(" ", text))]


def stem(word: str) -> str:
    """Enough to compare plural with singular and accepted with accept; never used for identities."""
    for ending in ("ications", "ication"):
        if word.endswith(ending):
            return word[: -len(ending)] + "y"
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: -len(ending)]
            break
    return word[:-1] if word.endswith("e") and len(word) > 3 else word


@dataclass(frozen=True, slots=True)
class Day:
    """A date that text names; `year` is None where it does not say."""

    year: int | None
    month: int
    day: int

    def is_near(self, other: date, days: int = 0) -> bool:
        years = [self.year] if self.year is not None else [other.year - 1, other.year, other.year + 1]
        for year in years:
            try:
                here = date(year, self.month, self.day)
            except ValueError:
                continue
            if abs((here - other).days) <= days:
                return True
        return False


@lru_cache(maxsize=1024)
def days(text: str, today: date) -> frozenset[Day]:
    """Every date the text names outright, today and tomorrow included; weekdays and "next week" name none."""
    found = {Day(int(y), int(m), int(d)) for y, m, d in _ISO_DATE.findall(text)}
    found |= {Day(int(y) if y else None, MONTH_NUMBER[m.lower()], int(d)) for m, d, y in _MONTH_DAY.findall(text)}
    found |= {Day(int(y) if y else None, MONTH_NUMBER[m.lower()], int(d)) for d, m, y in _DAY_MONTH.findall(text)}
    lowered = set(tokens(text))
    for word, shift in (("today", 0), ("tonight", 0), ("tomorrow", 1), ("yesterday", -1)):
        if word in lowered:
            day = today + timedelta(days=shift)
            found.add(Day(day.year, day.month, day.day))
    return frozenset(found)


@lru_cache(maxsize=1024)
def clock_times(text: str) -> frozenset[tuple[int, int]]:
    found = set()
    for hour, minute, hour12, minute12, half in _CLOCK.findall(text):
        if hour:
            found.add((int(hour), int(minute)))
        else:
            found.add((int(hour12) % 12 + (12 if half.lower() == "p" else 0), int(minute12 or 0)))
    return frozenset(found)


@lru_cache(maxsize=1024)
def durations(text: str) -> frozenset[int]:
    """Minutes of every length of time the text names."""
    found = set()
    for amount, unit in _DURATION.findall(text):
        number = _SMALL.get(amount.lower()) or float(amount) if amount[0].isdigit() else _SMALL[amount.lower()]
        found.add(round(number * (60 if unit.lower().startswith("h") else 1)))
    return frozenset(found)


def instant(value: object) -> datetime | None:
    """A time argument as it was written (its own wall clock), or None if it is none."""
    if not isinstance(value, str) or not re.match(r"^\d{4}-\d{2}-\d{2}", value):
        return None
    try:
        return datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
    except ValueError:
        return None


def numbers(text: str) -> frozenset[str]:
    """Numbers as normal text ("1,250.00" and "1250" are one)."""
    return frozenset(plain(match) for match in re.findall(r"(?<![\w.])\d[\d,]*(?:\.\d+)?", text))


def plain(value: object) -> str:
    text = str(value).replace(",", "").strip().lstrip("$€£")
    try:
        return f"{float(text):.6f}".rstrip("0").rstrip(".")
    except ValueError:
        return text


def strings(value: object) -> list[str]:
    """Every string inside a JSON value, numbers as text; keys are not values."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, bool) or value is None:
        return []
    if isinstance(value, (int, float)):
        return [plain(value)]
    if isinstance(value, dict):
        return [text for entry in value.values() for text in strings(entry)]
    if isinstance(value, (list, tuple)):
        return [text for entry in value for text in strings(entry)]
    return [str(value)]
