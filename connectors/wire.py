"""How connectors write and read plain values: times, addresses, lists, folded text, ids, cursors."""

from __future__ import annotations

import base64
import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from connectors.errors import InvalidCall
from connectors.families import DEFAULT_LIMIT

Args = Mapping[str, Any]


def parse_time(value: str, name: str = "time") -> int:
    """Seconds since 1970 of an ISO 8601 time with offset. InvalidCall without one."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise InvalidCall(
            f"{name} {value!r} is not an ISO 8601 time", fix="Write it as 2026-11-23T10:00:00+00:00."
        ) from error
    if moment.tzinfo is None:
        raise InvalidCall(f"{name} {value!r} has no offset", fix="Add one, e.g. +00:00.")
    return int(moment.timestamp())


def time_of(args: Args, name: str) -> int | None:
    return None if args.get(name) is None else parse_time(args[name], name)


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def format_time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def epoch(when: datetime) -> int:
    return int(when.timestamp())


def zone_of(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise InvalidCall(f"zone {name!r} is unknown", fix="Use an IANA name such as Europe/Lisbon.") from error


def lower(address: str) -> str:
    return address.strip().lower()


def addresses(values: Iterable[str] | None) -> list[str]:
    """Lower-case, without repeats, in the order given. InvalidCall for what is no address."""
    found = list(dict.fromkeys(lower(value) for value in values or ()))
    for address in found:
        if "@" not in address[1:-1] or any(sign.isspace() for sign in address):
            raise InvalidCall(f"{address!r} is not a mail address", fix="Write name@domain.")
    return found


def fold(text: str) -> str:
    """For searching: lower case, without accents."""
    if text.isascii():
        return text.lower()
    parts = unicodedata.normalize("NFKD", text)
    return "".join(sign for sign in parts if not unicodedata.combining(sign)).casefold()


def words(query: str | None) -> list[str]:
    return fold(query or "").split()


def pattern(word: str) -> str:
    """A LIKE pattern (escape character \\) that finds the word anywhere."""
    escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def limit_of(args: Args) -> int:
    return int(args.get("limit") or DEFAULT_LIMIT)


def write_cursor(position: Sequence[int | str]) -> str:
    return base64.urlsafe_b64encode(dump(list(position)).encode()).decode()


def read_cursor(args: Args, *kinds: type) -> list[Any] | None:
    """The position a cursor stands for, None at the beginning. InvalidCall for one that was not written here."""
    if args.get("cursor") is None:
        return None
    try:
        position = json.loads(base64.urlsafe_b64decode(args["cursor"].encode()))
        fits = isinstance(position, list) and len(position) == len(kinds)
        fits = fits and all(isinstance(part, kind) for part, kind in zip(position, kinds, strict=True))
    except ValueError:
        fits = False
    if not fits:
        raise InvalidCall("the cursor is not one of this list", fix="Pass `next` of the page before, or leave it out.")
    return list(position)


def cut_page(records: list[Any], args: Args, plural: str) -> dict[str, Any]:
    """One page of a list that is short enough to be built whole."""
    position = read_cursor(args, int)
    start = position[0] if position else 0
    end = start + limit_of(args)
    return {plural: records[start:end], "next": write_cursor([end]) if end < len(records) else None}
