"""Cursors: where a list goes on. They hold no secrets and are not to be taken apart by callers."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from orchestrator.errors import UsageError

T = TypeVar("T")


def packed(*parts: str | int) -> str:
    """A cursor of these parts."""
    text = json.dumps(parts, separators=(",", ":"), ensure_ascii=False).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def unpacked(cursor: str | None, *kinds: type) -> list[Any] | None:
    """The parts of a cursor made by `packed`; None for none. UsageError for anything else."""
    if cursor is None:
        return None
    try:
        parts = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, RecursionError) as error:
        raise _strange(cursor) from error
    if not isinstance(parts, list) or [type(part) for part in parts] != list(kinds):
        raise _strange(cursor)
    return parts


def instant(text: str, cursor: str) -> datetime:
    """A part that is a time."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise _strange(cursor) from error
    if found.tzinfo is None:
        raise _strange(cursor)
    return found


def page(entries: Sequence[T], key: Callable[[T], str], limit: int, cursor: str | None) -> tuple[list[T], str | None]:
    """A page of a list that is at hand whole, in the order of its keys, and the cursor of the next one."""
    after = unpacked(cursor, str)
    ordered = sorted(entries, key=key)
    rest = [one for one in ordered if after is None or key(one) > after[0]]
    found = rest[:limit]
    return found, packed(key(found[-1])) if len(rest) > limit else None


def _strange(cursor: str) -> UsageError:
    return UsageError(f"{cursor[:80]!r} is not a cursor of this list", fix="use the `next` of the page before")
