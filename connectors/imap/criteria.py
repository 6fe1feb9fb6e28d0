"""SEARCH keys (RFC 3501 6.4.4). What IMAP says more coarsely than our tools mean is asked wide here and narrowed by `reads`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from connectors.errors import InvalidCall

ALL = "ALL"
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def quoted(text: str) -> str:
    """A quoted string. InvalidCall for what cannot stand in one."""
    if any(sign in "\r\n\0" for sign in text):
        raise InvalidCall("a condition holds a line break", fix="Search for words of one line.")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def day(moment: datetime) -> str:
    return f"{moment.day}-{_MONTHS[moment.month - 1]}-{moment.year}"


def any_of(keys: Sequence[str]) -> str:
    """OR takes two; more are nested."""
    found = keys[-1]
    for key in reversed(keys[:-1]):
        found = f"OR ({key}) ({found})"
    return found


def all_of(keys: Iterable[str]) -> str:
    return " ".join(f"({key})" for key in keys) or ALL


def header(name: str, text: str) -> str:
    return f"HEADER {name} {quoted(text)}"


def word(text: str) -> str:
    """Anywhere a person would read it: subject, names and addresses, text."""
    return any_of([f"{name} {quoted(text)}" for name in ("SUBJECT", "FROM", "TO", "CC", "BODY")])


def since(moment: datetime) -> str:
    """Wide by a day each way: IMAP compares dates without their zone; by arrival too, for mail without a Date."""
    text = day(moment - timedelta(days=1))
    return any_of([f"SENTSINCE {text}", f"SINCE {text}"])


def until(moment: datetime) -> str:
    text = day(moment + timedelta(days=2))
    return any_of([f"SENTBEFORE {text}", f"BEFORE {text}"])


def named(mid: str) -> str:
    return header("Message-ID", mid)


def on_day(text: str) -> str:
    """Of the day a fallback id names (YYYYMMDD, or 0 where there was no readable Date)."""
    if len(text) != 8 or not text.isdigit():
        return ALL
    try:
        moment = datetime.strptime(f"{text}+0000", "%Y%m%d%z")
    except ValueError:
        return ALL
    return f"SENTSINCE {day(moment - timedelta(days=1))} SENTBEFORE {day(moment + timedelta(days=2))}"
