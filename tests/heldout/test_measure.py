"""The held-out requests, each said once in one of 200 random offices, run wrongly at most once in a hundred.

The measuring tool is tested as well: bounds, readings of words about time, and that a wrong run is seen as one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from orchestrator import app
from orchestrator.settings import Settings
from orchestrator.workflows.route import Routed, route
from tests.heldout import measure, readings, worlds
from tests.heldout.judge import Did, Verdict, did, judge
from tests.heldout.measure import Trial

WORLDS = 200
MOST_WRONG = 0.01
ZONE = ZoneInfo("Europe/Lisbon")
WEDNESDAY = datetime(2026, 5, 13, 10, 0, tzinfo=ZONE)


@pytest.fixture(scope="module")
def trials() -> Sequence[Trial]:
    return measure.measure(world_count=WORLDS)


def test_hardly_anything_runs_wrongly(trials: Sequence[Trial], capsys: pytest.CaptureFixture[str]) -> None:
    """At most one request in a hundred runs another workflow, runs with another slot, or runs where nothing may."""
    with capsys.disabled():
        print(f"\n{measure.report(trials)}")
    found = measure.figures(trials)
    assert found.requests == found.trials == len(measure.load_requests())
    assert found.wrong_requests <= MOST_WRONG * found.requests


def test_worker_does_what_the_routing_says(trials: Sequence[Trial]) -> None:
    """Of the requests that went the whole way, at least one in five of all, every one ended as the routing function answered."""
    whole = [trial for trial in trials if trial.whole_way is not None]
    assert len(whole) >= len(trials) // measure.WHOLE_WAY_EVERY
    assert [trial.disagreement for trial in whole if trial.disagreement] == []


def test_runs_touch_only_what_was_named(trials: Sequence[Trial]) -> None:
    """What a run would change is the meeting that was named, and what it would send goes to the people who were named."""
    assert [trial.strays for trial in trials if trial.strays] == []


def test_every_disputed_request_is_one_of_the_file() -> None:
    """Disputes are about lines that exist, and each gives its reason."""
    ids = {row["id"] for row in measure.load_requests()}
    disputed = measure.load_disputed()
    assert set(disputed) <= ids
    assert all(reason.strip() for reason in disputed.values())


# ---- the measuring tool ----------------------------------------------------------------------------------------------


def test_no_request_is_said_twice_in_one_world() -> None:
    """Every request is dealt to as many different worlds as asked for, and all worlds get some."""
    rows = measure.load_requests()
    hands = measure.deal(rows, world_count=20, repeat=3, seed=1)
    assert len(hands) == 20
    assert all(len({row["id"] for row in hand}) == len(hand) for hand in hands.values())
    assert sum(map(len, hands.values())) == 3 * len(rows)


@pytest.mark.parametrize(
    ("count", "tries", "bound"),
    [(0, 423, 1 - 0.05 ** (1 / 423)), (0, 1, 0.95), (1, 100, 0.046560), (10, 100, 0.163714), (5, 5, 1.0), (0, 0, 1.0)],
)
def test_bounds_are_exact(count: int, tries: int, bound: float) -> None:
    """The one-sided 95 % upper bound agrees with published values and with the closed form where nothing was seen."""
    assert measure.upper_bound(count, tries) == pytest.approx(bound, abs=2e-5)


@pytest.mark.parametrize(
    ("words", "days"),
    [
        ("tmrw", {date(2026, 5, 14)}),
        ("Wednesday", {date(2026, 5, 13), date(2026, 5, 20)}),
        ("Monday", {date(2026, 5, 18)}),
        ("next Friday", {date(2026, 5, 15), date(2026, 5, 22)}),
        ("Monday next week", {date(2026, 5, 18)}),
        ("1 May", {date(2027, 5, 1)}),
    ],
)
def test_days_to_come(words: str, days: set[date]) -> None:
    """Said on Wednesday 13 May: one day where people agree, both where they do not."""
    assert readings.days_ahead(words, WEDNESDAY.date()) == days


@pytest.mark.parametrize(
    ("words", "days"),
    [
        ("yesterday", {date(2026, 5, 12)}),
        ("Monday", {date(2026, 5, 11)}),
        ("last Friday", {date(2026, 5, 8)}),
        ("last Tuesday", {date(2026, 5, 12), date(2026, 5, 5)}),
        ("3 December", {date(2025, 12, 3)}),
    ],
)
def test_days_gone_by(words: str, days: set[date]) -> None:
    """A day since which something happened is never in the future."""
    assert readings.days_ago(words, WEDNESDAY.date()) == days


def test_moments_windows_and_absences() -> None:
    """Times of day, windows and ranges of days mean what they say, and not their neighbours."""
    assert readings.moments("half past four next Tuesday", WEDNESDAY) == {datetime(2026, 5, 19, 16, 30, tzinfo=ZONE)}
    assert readings.moments("Friday, 11 o'clock", WEDNESDAY) == {datetime(2026, 5, 15, 11, 0, tzinfo=ZONE)}
    (week,) = readings.spans("next week", WEDNESDAY)
    assert week.holds(datetime(2026, 5, 18, tzinfo=ZONE), datetime(2026, 5, 25, tzinfo=ZONE))
    assert not week.holds(datetime(2026, 5, 14, tzinfo=ZONE), datetime(2026, 5, 25, tzinfo=ZONE))
    (before,) = readings.spans("before Friday", WEDNESDAY)
    assert before.holds(datetime(2026, 5, 13, 11, tzinfo=ZONE), datetime(2026, 5, 15, tzinfo=ZONE))
    assert not before.holds(datetime(2026, 5, 13, 11, tzinfo=ZONE), datetime(2026, 5, 16, tzinfo=ZONE))
    assert readings.absences("tomorrow", "Monday", WEDNESDAY.date()) == {(date(2026, 5, 14), date(2026, 5, 18))}


def test_every_time_in_the_file_has_a_reading() -> None:
    """No slot about time is judged by guess: the tool has a reading for all of them, on every day of a fortnight."""
    for row in measure.load_requests():
        slots = row["slots"]
        for day in range(1, 15):
            now = WEDNESDAY.replace(day=day)
            if {"start", "end"} <= set(slots):
                assert readings.absences(slots["start"], slots["end"], now.date())
            if "window" in slots:
                assert readings.spans(slots["window"], now)
            if slots.get("when", "next free") != "next free":
                assert readings.moments(slots["when"], now)
            if "since" in slots:
                assert readings.days_ago(slots["since"], now.date())
            if "day" in slots:
                assert readings.days_ahead(slots["day"], now.date())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> worlds.World:
    return worlds.build(tmp_path_factory.mktemp("world") / "office.db", number=1, seed_of_run=1)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


def answer_of(text: str, world: worlds.World, home: Path) -> Routed:
    """The routing's answer to a request of this test's own, which is no line of the file."""
    library = app.library(Settings.load(home=home))
    people, zone = world.people, world.me.zone
    answer = route(library, text, {}, people=people, now=world.now, zone=zone, me=world.me)
    assert isinstance(answer, Routed)
    return answer


PLAIN: Mapping[str, Any] = {
    "id": "t1",
    "text": "Set up a call with {P1} about her last mail",
    "expect": "run",
    "workflow": "schedule-call-from-mail",
    "slots": {"person": "{P1}"},
    "kind": "plain",
}


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, Verdict.RIGHT_RUN),
        ({"slots": {"person": "{P2}"}}, Verdict.WRONG_RUN),
        ({"slots": {"person": "{P1}", "minutes": 45}}, Verdict.WRONG_RUN),
        ({"slots": {"person": "{P1}", "window": "tomorrow"}}, Verdict.WRONG_RUN),
        ({"workflow": "reply-with-availability"}, Verdict.WRONG_RUN),
        ({"expect": "ask"}, Verdict.WRONG_RUN),
        ({"expect": "abstain", "workflow": None, "slots": {}}, Verdict.WRONG_RUN),
    ],
)
def test_a_wrong_run_is_seen_as_one(
    change: Mapping[str, Any], verdict: Verdict, world: worlds.World, home: Path
) -> None:
    """A run counts as right only with the expected workflow, person, length and window, where a run was expected."""
    row = {**PLAIN, **change}
    filled = replace(world.fill(row), text=world.fill(PLAIN).text)
    answer = answer_of(filled.text, world, home)
    assert did(answer) is Did.RAN
    assert judge(row, filled, world, answer).verdict is verdict


def test_worlds_keep_their_promises(tmp_path: Path) -> None:
    """The same number makes the same world; names are as unique, shared or unknown as the placeholders say."""
    for number in range(12):
        world = worlds.build(tmp_path / f"{number}.db", number=number, seed_of_run=3)
        again = worlds.build(tmp_path / f"{number}-again.db", number=number, seed_of_run=3)
        assert (world.now, world.inside, world.outside) == (again.now, again.inside, again.outside)
        firsts = [worlds.fold(one.first_name) for one in world.people]
        for name in ("P1", "P2", "P3", "SUP1"):
            assert firsts.count(worlds.fold(world.inside[name][0])) == 1
        assert firsts.count(worlds.fold(world.inside["A1"][0])) >= 2
        assert worlds.fold(world.inside["X1"][0]) not in firsts
        title = worlds.fold(world.inside["EV1"][0])
        assert [worlds.fold(other) for other, _ in world.calendar].count(title) == 1
