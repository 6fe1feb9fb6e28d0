"""The exact firing table: both changes of the clocks in three zones × what is missed × what overlaps × what dies in between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.domain import recurrence
from orchestrator.domain.item import State
from orchestrator.domain.schedule import Firing, Missed, Overlap, Schedule
from orchestrator.store import endings, firings, items, schedules, timers, worklist
from orchestrator.store.database import Store, Tx

OWNER = "ana@firm.example"
SOON = timedelta(seconds=30)  # after its time, while somebody works
LONG = timedelta(hours=2)  # after its time, and nobody was working

# rule → five days in a row; the clocks change on the third
DAYS: dict[str, list[str]] = {
    # leapt over 01:00–02:00 on 29 March
    "daily 01:30 Europe/Lisbon spring": [
        "2026-03-27 01:30", "2026-03-28 01:30", "2026-03-29 01:00", "2026-03-30 00:30", "2026-03-31 00:30",
    ],
    # shown twice 01:00–02:00 on 25 October
    "daily 01:30 Europe/Lisbon autumn": [
        "2026-10-23 00:30", "2026-10-24 00:30", "2026-10-25 00:30", "2026-10-26 01:30", "2026-10-27 01:30",
    ],
    # leapt over 02:00–03:00 on 8 March
    "30 2 * * * America/New_York spring": [
        "2026-03-06 07:30", "2026-03-07 07:30", "2026-03-08 07:00", "2026-03-09 06:30", "2026-03-10 06:30",
    ],
    # shown twice 01:00–02:00 on 1 November
    "30 1 * * * America/New_York autumn": [
        "2026-10-30 05:30", "2026-10-31 05:30", "2026-11-01 05:30", "2026-11-02 06:30", "2026-11-03 06:30",
    ],
    # leapt over 02:00–02:30 on 4 October
    "FREQ=DAILY;BYHOUR=2;BYMINUTE=15 Australia/Lord_Howe spring": [
        "2026-10-01 15:45", "2026-10-02 15:45", "2026-10-03 15:30", "2026-10-04 15:15", "2026-10-05 15:15",
    ],
    # shown twice 01:30–02:00 on 5 April
    "FREQ=DAILY;BYHOUR=1;BYMINUTE=45 Australia/Lord_Howe autumn": [
        "2026-04-02 14:45", "2026-04-03 14:45", "2026-04-04 14:45", "2026-04-05 15:15", "2026-04-06 15:15",
    ],
}  # fmt: skip

# The first day's run is at work all the while. Nobody works on days two to four, and the fourth is seen two hours late; then the
# fifth comes in time. (missed, overlap) → what became of each day, once all has ended.
TABLE: dict[tuple[Missed, Overlap], str] = {
    (Missed.SKIP, Overlap.SKIP): "done missed missed missed skipped",
    (Missed.SKIP, Overlap.QUEUE): "done missed missed missed done",
    (Missed.SKIP, Overlap.REPLACE): "skipped missed missed missed done",
    (Missed.RUN_LATEST, Overlap.SKIP): "done missed missed done skipped",
    (Missed.RUN_LATEST, Overlap.QUEUE): "done missed missed done done",
    (Missed.RUN_LATEST, Overlap.REPLACE): "skipped missed missed skipped done",
    (Missed.RUN_ALL, Overlap.SKIP): "done done done done skipped",
    (Missed.RUN_ALL, Overlap.QUEUE): "done done done done done",
    (Missed.RUN_ALL, Overlap.REPLACE): "skipped skipped skipped skipped done",
}


def instants(name: str) -> list[datetime]:
    return [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in DAYS[name]]


class Died(Exception):
    """Before the commit."""


def _sweep_and_die(tx: Tx, now: datetime) -> None:
    firings.sweep(tx, now)
    raise Died


@dataclass
class House:
    """A store that is worked on by sweeps only. `dies`: what happens around every sweep."""

    url: str
    dies: str
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        self.store = Store.open(self.url)

    def add(self, rule: str, first: datetime, name: str = "job", **more: object) -> str:
        now = first - timedelta(hours=20)
        when = recurrence.parse(rule, zone="UTC", now=now)
        made = Schedule(
            schedule_id=f"sch_{name}", name=name, owner=OWNER, when=when, request="do it", created_at=now,
            next_at=when.next(now), **more,  # type: ignore[arg-type]  # policies of the schedule
        )  # fmt: skip
        self.store.write(schedules.add, made)
        return made.schedule_id

    def sweep(self, now: datetime) -> None:
        """What workers do at that moment; in a house where something dies, it is done half, or again, or by the next one."""
        if self.dies == "before the commit":
            with pytest.raises(Died):
                self.store.write(_sweep_and_die, now)
        self.store.write(firings.sweep, now)
        if self.dies == "after the commit":
            self.store.close()
            self.store = Store.open(self.url)
            self.store.write(firings.sweep, now)

    def history(self, schedule_id: str = "sch_job") -> list[Firing]:
        with self.store.read() as tx:
            return sorted(schedules.history(tx, schedule_id, limit=1000), key=lambda one: one.at)

    def end_all(self, now: datetime) -> list[str]:
        """Ends what is on the list, one after another as the queue gives it out; item ids in that order."""
        ended: list[str] = []
        while True:
            with self.store.tx() as tx:
                left = worklist.list_items(tx, states=[State.READY])
                for one in left[:1]:
                    done = endings.Ending(state=State.DONE)
                    endings.finish(tx, items.row(tx, one.item_id), done, now=now, actor="w", why="")
                    ended.append(one.item_id)
            self.sweep(now)
            if not left:
                return ended


@pytest.fixture
def quiet_house(database_url: str) -> Iterator[House]:
    made = House(database_url, "nothing")
    yield made
    made.store.close()


@pytest.fixture(
    params=[
        ("sqlite_url", "nothing"),
        ("sqlite_url", "before the commit"),
        ("sqlite_url", "after the commit"),
        ("postgres_url", "after the commit"),
    ],
    ids=lambda one: " ".join(one),
)
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    url, dies = request.param
    made = House(request.getfixturevalue(url), dies)
    yield made
    made.store.close()


def test_each_time_on_the_wall_comes_at_its_first_instant() -> None:
    """The five instants of every row, across the change: leapt over, behind the leap; shown twice, the first time."""
    for name, days in DAYS.items():
        rule = name.rpartition(" ")[0]
        when = recurrence.parse(rule, zone="UTC", now=instants(name)[0] - timedelta(hours=20))
        comes = when.after(instants(name)[0] - timedelta(hours=20))
        assert [f"{next(comes):%Y-%m-%d %H:%M}" for _ in days] == days, name


@pytest.mark.parametrize("name", DAYS)
def test_the_firing_table(name: str, house: House) -> None:
    """Nine pairs of policies on one clock: each day comes once and becomes exactly what the table says."""
    days, rule = instants(name), name.rpartition(" ")[0]
    made = {
        pair: house.add(rule, days[0], name=f"job{number}", missed=pair[0], overlap=pair[1])
        for number, pair in enumerate(TABLE)
    }

    house.sweep(days[0] - SOON)
    house.sweep(days[0] + SOON)
    house.sweep(days[3] + LONG)
    house.sweep(days[4] + SOON)
    ended = house.end_all(days[4] + LONG)

    for pair, expected in TABLE.items():
        found = house.history(made[pair])
        done = [one.item_id for one in found if one.state.value == "done"]
        assert [one.at for one in found] == days, pair
        assert " ".join(one.state.value for one in found) == expected, pair
        assert [item_id for item_id in ended if item_id in done] == done, pair
    assert len(ended) == len(set(ended)) == sum(expected.split().count("done") for expected in TABLE.values())


def test_an_interval_runs_through_the_repeated_hour(quiet_house: House) -> None:
    """Every half hour is every half hour: through the leap and through what is shown twice, without a gap and without a double."""
    house = quiet_house
    start = datetime(2026, 10, 25, 0, 0, tzinfo=UTC)
    house.add("*/30 * * * * Europe/Lisbon", start, overlap=Overlap.QUEUE)
    with house.store.tx() as tx:
        schedules.move_on(tx, schedules.named(tx, OWNER, "job"), start)
    for step in range(7):
        house.sweep(start + step * timedelta(minutes=30) + SOON)
        house.end_all(start + step * timedelta(minutes=30) + SOON)

    assert [one.at for one in house.history()] == [start + step * timedelta(minutes=30) for step in range(7)]


def test_a_long_absence_is_bounded_and_told_once(quiet_house: House) -> None:
    """A year away from a rule of every minute: two dozen are made up for, and one item says how many were dropped."""
    house = quiet_house
    start = datetime(2026, 1, 1, tzinfo=UTC)
    house.add("* * * * *", start, missed=Missed.RUN_ALL, overlap=Overlap.QUEUE)
    back = start + timedelta(days=365, seconds=30)

    house.sweep(back)

    found = house.history()
    with house.store.read() as tx:
        failed = worklist.list_items(tx, states=[State.FAILED])
        due = timers.next_due(tx).at
    assert (
        sum(one.state.value in ("started", "queued") for one in found) == 25
    )  # 24 of the late ones, and one in time that stands behind them
    assert len(failed) == 1 and "more than 10000 times" in str(failed[0].error)
    assert due == back.replace(second=0) + timedelta(minutes=1)
