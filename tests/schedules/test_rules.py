"""Pure rules: what a check says of a run, what is usual, which times are made up for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain import checks, recurrence, watch
from orchestrator.domain import schedule as rules
from orchestrator.domain.schedule import Missed, Schedule
from orchestrator.domain.watch import Counts
from orchestrator.errors import UsageError

FOUND = {
    "state": "done",
    "text": "Three overdue invoices, all chased.",
    "effects": 3,
    "tools": {"mail.send": 2, "chat.post_message": 1},
    "output": {"count": 3, "names": ["a", "b"], "by": {"team": "sales"}},
    "asked": 0,
    "model_calls": 0,
    "cost_usd": 0.25,
    "error": "",
}
START = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("effects>=1", True),
        ("effects = 3", True),
        ("effects<3", False),
        ("effects.mail.send=2", True),
        ("effects.mail.delete=0", True),  # a tool that was not used was used no times
        ("effects.mail.delete>0", False),
        ("state=done", True),
        ("state!=failed", True),
        ("text~INVOICES overdue", True),  # words, in any order and case
        ("text~paid", False),
        ("output.count>=3", True),
        ("output.names=2", True),  # a list counts as its length
        ("output.by.team=Sales", True),
        ("output.nothing=1", False),
        ("cost_usd<=0.25", True),
        ("asked>0", False),
    ],
)
def test_a_check_holds_or_says_what_it_found(text: str, holds: bool) -> None:
    """Each check of a run that did something; the ones that fail name the field and what is there."""
    check = checks.parse(text)
    told = check.missing(FOUND)
    assert (told is None) == holds
    assert told is None or (str(check) in told and check.field in told)
    assert checks.parse(str(check)) == check


@pytest.mark.parametrize(
    "text", ["", "effects", "effects>=", "effects>=many", "effects~one", "state>1", "wish=1", "output=1", "state.x=1", "__class__=1", "text>=a"]
)  # fmt: skip
def test_what_is_no_check_is_refused_with_a_fix(text: str) -> None:
    with pytest.raises(UsageError) as error:
        checks.parse(text)
    assert error.value.fix


def test_only_an_expected_state_excuses_a_bad_end() -> None:
    """A run that was denied has failed, unless its owner expects exactly that."""
    ended = FOUND | {"state": "denied", "error": "nobody decided in time"}
    assert checks.first_missing(checks.many(["effects>=1"]), ended) == "it ended as denied: nobody decided in time"
    assert checks.first_missing(checks.many(["state=denied"]), ended) is None


@pytest.mark.parametrize(
    ("values", "most"),
    [
        ([], 0),
        ([0, 0, 0, 0, 0], 0),  # what never happened is odd the first time
        ([1, 1, 1, 1, 1], 3),
        ([1, 2, 1, 2, 1, 2], 4),
        ([10, 11, 9, 10, 10], 20),
        ([1, 1, 1, 1, 1, 1, 1, 1, 1, 40], 3),  # one exception widens nothing
        ([0, 0, 0, 0, 0, 0, 0, 1], 2),  # it has happened
    ],
)
def test_what_is_usual(values: list[int], most: int) -> None:
    assert watch.limit(values) == most


@given(st.lists(st.integers(0, 50), min_size=5, max_size=20), st.integers(0, 19))
def test_what_most_runs_did_is_never_odd(values: list[int], at: int) -> None:
    """Up to the upper quartile nothing is flagged; above twice the most there ever was, everything is."""
    history = [Counts(tools={"mail.send": value}) for value in values]
    usual = sorted(values)[(len(values) - 1) // 2]
    assert watch.odd(Counts(tools={"mail.send": usual}), history) == ""
    beyond = Counts(tools={"mail.send": 2 * max(values) + 3})
    assert watch.odd(beyond, history).startswith(f"{2 * max(values) + 3} × mail.send; the last {len(values)} runs did ")


def test_people_outside_and_reads_are_measured_as_well() -> None:
    history = [Counts(tools={"mail.send": 1}, outside=1, reads=4)] * 6
    assert watch.odd(Counts(tools={"mail.send": 1}, outside=9), history) == "9 people outside; the last 6 runs had 1"
    assert watch.odd(Counts(reads=90), history) == "90 reads; the last 6 runs had 4"
    assert watch.outside([{"to": ["A@x.example, b@in.example"], "n": [{"cc": "a@x.example"}]}], lambda one: one.endswith("@in.example")) == {"a@x.example"}  # fmt: skip


def hourly(missed: Missed, **more: object) -> Schedule:
    when = recurrence.parse("hourly UTC", zone="UTC", now=START)
    return Schedule(
        schedule_id="s", name="n", owner="o", when=when, request="r", created_at=START, missed=missed, next_at=when.next(START), **more,  # type: ignore[arg-type]  # policies
    )  # fmt: skip


@given(st.integers(61, 60 * 24 * 20), st.sampled_from(list(Missed)))
def test_every_late_time_is_made_up_for_or_dropped(minutes: int, missed: Missed) -> None:
    """However long nobody worked: nothing is lost between what runs and what is told, and the next time lies ahead."""
    now = START + timedelta(minutes=minutes)
    one = hourly(missed)
    found = rules.due(one, now)
    all_times = [START + timedelta(hours=hour) for hour in range(1, minutes // 60 + 1)]
    late = [at for at in all_times if now - at > one.grace]

    assert list(found.start) == [at for at in all_times if at not in late]
    assert len(found.make_up) + found.dropped_count == len(late)
    assert set(found.make_up) <= set(late) and set(found.dropped) <= set(late)
    assert len(found.make_up) <= {Missed.SKIP: 0, Missed.RUN_LATEST: 1, Missed.RUN_ALL: 24}[missed]
    assert bool(found.dropped) == bool(found.dropped_count)
    assert found.next_at == all_times[-1] + timedelta(hours=1) > now
