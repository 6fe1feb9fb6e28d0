"""What the seeding modules share: the dice, the calendar of the world, its people, and the times they write at."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from connectors.office.context import Context
from connectors.scheduling import DAYS, Hours

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Someone:
    name: str
    address: str
    zone: str
    days: Sequence[str]
    start: str
    end: str
    role: str
    team: str
    manager: str | None
    inside: bool
    aliases: Sequence[str] = ()
    company: str = ""
    preferences: Mapping[str, Any] = field(default_factory=dict)

    @property
    def first(self) -> str:
        return self.name.split()[0]

    @property
    def handle(self) -> str:
        return self.address.partition("@")[0]


@dataclass(slots=True, kw_only=True)
class World:
    """One seeding under way. `first_day` and `last_day` bound the calendar; mail and chat end at `now`."""

    dice: random.Random
    now: datetime
    weeks: int
    company: str
    domain: str
    staff: list[Someone]
    customers: list[Someone] = field(default_factory=list)
    suppliers: list[Someone] = field(default_factory=list)
    projects: Sequence[str] = ()
    owner: Someone
    asker: Someone
    approver: Someone
    newcomer: Someone

    @property
    def today(self) -> date:
        return self.now.date()

    @property
    def first_day(self) -> date:
        return self.today - timedelta(weeks=self.weeks)

    @property
    def last_day(self) -> date:
        return self.today + timedelta(weeks=min(6, max(2, self.weeks)))

    def context(self, c: sqlite3.Connection) -> Context:
        return Context(c=c, me="", now=int(self.now.timestamp()), new_id=self.new_id, made=0)

    def new_id(self, prefix: str) -> str:
        return f"{prefix}_{self.dice.getrandbits(60):015x}"

    def pick(self, values: Sequence[T]) -> T:
        return values[int(self.dice.random() * len(values))]

    def chance(self, probability: float) -> bool:
        return self.dice.random() < probability

    def team(self, name: str) -> list[Someone]:
        return [one for one in self.staff if one.team == name]

    def by_address(self) -> dict[str, Someone]:
        return {one.address: one for one in (*self.staff, *self.customers, *self.suppliers)}

    def reports(self, manager: Someone) -> list[Someone]:
        return [one for one in self.staff if one.manager == manager.address]

    def past_day(self, within_days: int | None = None) -> date:
        """A day before today, back to the first one."""
        span = min(within_days or self.weeks * 7, self.weeks * 7)
        return self.today - timedelta(days=1 + int(self.dice.random() * max(1, span - 1)))

    def at_work(self, someone: Someone, day: date) -> datetime:
        """A moment of somebody's working day; on a day off, of their next working day before, so that it stays past."""
        while DAYS[day.weekday()] not in someone.days:
            day -= timedelta(days=1)
        start, end = time.fromisoformat(someone.start), time.fromisoformat(someone.end)
        minutes = (end.hour - start.hour) * 60 + end.minute - start.minute
        local = datetime.combine(day, start, ZoneInfo(someone.zone)) + timedelta(
            minutes=int(self.dice.random() * minutes)
        )
        return local.astimezone(UTC)

    def after(self, moment: datetime, *, hours: float, by: Someone) -> datetime:
        """Some working time later, about `hours` at most, and before now."""
        later = moment + timedelta(minutes=6 + self.dice.random() * hours * 60)
        if not self.works(by, later, later):
            day = later.astimezone(ZoneInfo(by.zone)).date()
            later = next(
                at for at in (self.at_work(by, day + timedelta(days=ahead)) for ahead in range(9)) if at > later
            )
        return min(later, self.now - timedelta(minutes=2 + self.dice.random() * 20))

    def works(self, someone: Someone, start: datetime, end: datetime) -> bool:
        hours = Hours.parse(someone.zone, {"days": someone.days, "start": someone.start, "end": someone.end})
        return hours.hold(start, end)
