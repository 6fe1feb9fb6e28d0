"""What one call to the office knows: its transaction, whose account it is, the time, and the key of its effect."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

ObjectIds = Callable[[str], str]


def drawn_id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex[:20]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """`fresh_until`: searches see rows with seen_from at or before it; earlier than `now` while a read is stale."""

    c: sqlite3.Connection
    me: str
    now: int
    new_id: ObjectIds  # prefix → id; for a keyed effect derived from its key
    key: str | None = None
    fresh_until: int = 0
    lag_s: int = 0  # what this call makes is found by searches only so much later
    copies: int = 1  # deliveries of each mail
    made: int = 1
    touched: list[str] = field(default_factory=list)  # ids of objects made or changed, the main one first

    def record_change(self, kind: str, object_id: str, what: str) -> None:
        """Remembers that an object differs from the seed; objects made since are told apart when read."""
        self.touched.append(object_id)
        self.c.execute(
            "insert into changes (kind, object_id, what, at) values (?, ?, ?, ?)"
            " on conflict (kind, object_id) do update set what = excluded.what, at = excluded.at",
            (kind, object_id, what, self.now),
        )
