"""Faults to order, kept in the office's file so that they strike whichever process calls next."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from connectors.office.database import Database

FOREVER = -1


class Fault(StrEnum):
    """What goes wrong. `seconds` means what the comment says."""

    TIMEOUT_BEFORE_COMMIT = "timeout_before_commit"  # nothing done, and the caller cannot know
    TIMEOUT_AFTER_COMMIT = "timeout_after_commit"  # done, and the caller cannot know
    UNREACHABLE = "unreachable"  # nothing done, and the caller knows
    RATE_LIMIT = "rate_limit"  # refused; seconds: try again after
    RECONSENT = "reconsent"  # the credentials are gone
    SLOW = "slow"  # seconds: the answer takes so long
    DUPLICATE_DELIVERY = "duplicate_delivery"  # each reader gets a mail twice
    LAG = "lag"  # seconds: what is made now is found by searches only so much later; by id at once
    STALE_READ = "stale_read"  # seconds: a search misses what was made in the last so many
    CANNOT_RECONCILE = "cannot_reconcile"  # asked what became of an attempt, the provider cannot say


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderedFault:
    tool: str  # a tool's name, "family.*" or "*"
    kind: Fault
    times: int  # calls it still strikes; -1: always
    after: int  # calls that pass before
    seconds: float


class Faults:
    """`office.faults`: what is ordered, and ordering more."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, *, tool: str = "*", kind: Fault | str, times: int = 1, after: int = 0, seconds: float = 0.0) -> None:
        """Orders a fault for the next `times` calls of `tool` (or "mail.*", "*") after `after` more have passed."""
        with self._database.write() as c:
            c.execute(
                "insert into faults (tool, kind, times, after, seconds) values (?, ?, ?, ?, ?)",
                (tool, Fault(kind).value, times, after, seconds),
            )

    def clear(self) -> None:
        with self._database.write() as c:
            c.execute("delete from faults")

    def ordered(self) -> list[OrderedFault]:
        with self._database.read() as c:
            rows = c.execute("select tool, kind, times, after, seconds from faults order by fault_id").fetchall()
        return [
            OrderedFault(
                tool=row["tool"],
                kind=Fault(row["kind"]),
                times=row["times"],
                after=row["after"],
                seconds=row["seconds"],
            )
            for row in rows
        ]


def is_any(c: sqlite3.Connection) -> bool:
    return c.execute("select 1 from faults limit 1").fetchone() is not None


def take(c: sqlite3.Connection, tool: str, kinds: Iterable[Fault]) -> dict[Fault, float]:
    """The faults that strike this call, with their seconds; each counts it, struck or passed. Needs a write transaction."""
    struck: dict[Fault, float] = {}
    wanted = {kind.value for kind in kinds}
    family = f"{tool.partition('.')[0]}.*"
    rows = c.execute(
        "select fault_id, kind, times, after, seconds from faults where tool in (?, ?, '*') order by fault_id",
        (tool, family),
    ).fetchall()
    for row in rows:
        if row["kind"] not in wanted:
            continue
        if row["after"] > 0:
            c.execute("update faults set after = after - 1 where fault_id = ?", (row["fault_id"],))
            continue
        struck.setdefault(Fault(row["kind"]), row["seconds"])
        if row["times"] == 1:
            c.execute("delete from faults where fault_id = ?", (row["fault_id"],))
        elif row["times"] > 1:
            c.execute("update faults set times = times - 1 where fault_id = ?", (row["fault_id"],))
    return struck
