"""Until when a run waits while nobody answers, on the walls of three zones, and what stands then, whoever dies at that moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain import unattended
from orchestrator.domain.item import State, WaitKind
from orchestrator.domain.unattended import Unattended
from orchestrator.errors import UsageError
from orchestrator.store import audit, items, migrations, schedules, waits, worklist
from orchestrator.store.tables import worklist as rows
from tests.schedules.test_firing_table import OWNER, House, house, quiet_house  # noqa: F401 - fixtures

SET_AT = datetime(2026, 1, 1, tzinfo=UTC)
LISBON, NEW_YORK, LORD_HOWE = "Europe/Lisbon", "America/New_York", "Australia/Lord_Howe"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def rule(until: str = "10:00", then: str = "deny", answer: str = "") -> Unattended:
    return unattended.read({"until": until, "then": then, "answer": answer}, by=OWNER, now=SET_AT)


ENDS: list[tuple[str, str, str, str]] = [
    # zone, until, began, ends
    (LISBON, "10:00", "2026-11-23 07:30", "2026-11-23 10:00"),
    (LISBON, "10:00", "2026-11-23 10:00", "2026-11-24 10:00"),  # that very minute has come already
    (LISBON, "7:00", "2026-11-23 07:30", "2026-11-24 07:00"),
    (LISBON, "2h30m", "2026-11-23 07:30", "2026-11-23 10:00"),
    # 29 March: 01:00–02:00 is leapt over; from 00:30 on, "01:30" is the first instant after the leap
    (LISBON, "01:30", "2026-03-29 00:30", "2026-03-29 01:00"),
    (LISBON, "10:00", "2026-03-29 00:30", "2026-03-29 09:00"),
    (LISBON, "10:00", "2026-03-28 23:30", "2026-03-29 09:00"),
    (LISBON, "2h", "2026-03-29 00:30", "2026-03-29 02:30"),  # a span is real time
    # 25 October: 01:00–02:00 is shown twice
    (LISBON, "01:30", "2026-10-25 00:15", "2026-10-25 00:30"),
    (LISBON, "01:30", "2026-10-25 00:45", "2026-10-25 01:30"),  # its second showing comes first
    (LISBON, "01:30", "2026-10-25 01:45", "2026-10-26 01:30"),
    (LISBON, "10:00", "2026-10-24 22:00", "2026-10-25 10:00"),
    # 8 March: 02:00–03:00 is leapt over; 1 November: 01:00–02:00 is shown twice
    (NEW_YORK, "02:30", "2026-03-08 06:30", "2026-03-08 07:00"),
    (NEW_YORK, "02:30", "2026-03-08 07:30", "2026-03-09 06:30"),
    (NEW_YORK, "01:30", "2026-11-01 05:45", "2026-11-01 06:30"),
    (NEW_YORK, "09:00", "2026-10-31 20:00", "2026-11-01 14:00"),
    # 4 October: 02:00–02:30 is leapt over; 5 April: 01:30–02:00 is shown twice
    (LORD_HOWE, "02:15", "2026-10-03 15:00", "2026-10-03 15:30"),
    (LORD_HOWE, "01:45", "2026-04-04 14:50", "2026-04-04 15:15"),
    (LORD_HOWE, "01:45", "2026-04-04 15:20", "2026-04-05 15:15"),
]


@pytest.mark.parametrize(("zone", "until", "began", "ends"), ENDS)
def test_a_wait_ends_at_the_first_such_instant(zone: str, until: str, began: str, ends: str) -> None:
    """A time of day is read on the schedule's wall: leapt over, behind the leap; shown twice, at whichever comes first."""
    assert rule(until).ends(utc(began), zone) == utc(ends)


@given(
    st.integers(0, 2 * 366 * 24 * 60),
    st.integers(0, 23),
    st.integers(0, 59),
    st.sampled_from([LISBON, NEW_YORK, LORD_HOWE, "UTC"]),
)
def test_a_time_of_day_comes_within_a_day_and_a_change(minutes: int, hour: int, minute: int, zone: str) -> None:
    """Always later than the start, and never a whole day later than people would expect."""
    start = SET_AT + timedelta(minutes=minutes)
    end = rule(f"{hour:02}:{minute:02}").ends(start, zone)
    assert start < end <= start + timedelta(hours=25)


@given(st.integers(1, 31 * 86_400))
def test_a_span_is_spelled_as_it_is_read(seconds: int) -> None:
    wait = timedelta(seconds=seconds)
    assert unattended.span(unattended.spelled(wait)) == wait
    assert unattended.stored(rule(unattended.spelled(wait)).as_json()) == rule(unattended.spelled(wait))


OFF: list[dict[str, str]] = [
    {"until": ""},
    {"until": "soon"},
    {"until": "25:00"},
    {"until": "99d"},
    {"until": "0m"},
    {"until": "10:00", "then": "default"},  # which?
    {"until": "10:00", "then": "deny", "answer": "yes"},
    {"until": "10:00", "then": "approve"},  # a card is a person's to decide
    {"until": "10:00", "when": "now"},
    {"until": "10:00", "then": "default", "answer": "a\nb"},
    {"until": "10:00", "then": "default", "answer": "a" * 1001},
]


@pytest.mark.parametrize("said", OFF, ids=str)
def test_what_is_no_end_of_a_wait_is_refused_with_a_fix(said: dict[str, str]) -> None:
    with pytest.raises(UsageError) as error:
        unattended.read(said, by=OWNER, now=SET_AT)
    assert error.value.fix


@pytest.mark.parametrize(
    ("answer", "choices", "chosen"),
    [
        ("Dana Fox", ["Dana Ruiz", "Dana Fox"], "Dana Fox"),
        ("fox", ["Dana Ruiz", "Dana Fox"], "Dana Fox"),
        ("dana", ["Dana Ruiz", "Dana Fox"], None),  # both
        ("dana", ["Dana", "Dana Fox"], "Dana"),  # in full before in part
        ("1", ["Dana Ruiz", "Dana Fox"], None),  # the first of whatever it is is no name
        ("Teresa", ["Dana Ruiz"], None),
        ("yes", [], None),  # free text is a person's to write
    ],
)
def test_a_default_is_a_named_choice(answer: str, choices: list[str], chosen: str | None) -> None:
    assert rule(then="default", answer=answer).choice(choices) == chosen
    assert rule(then="deny").choice(choices) is None


# ---- at that moment --------------------------------------------------------------------------------------------------
BEGAN = utc("2026-10-24 22:00")  # the wait ends behind the change of the clocks
ENDS_AT = utc("2026-10-25 10:00")


def asks(house: House, answer: str, *choices: str) -> str:  # noqa: F811 - the fixture's name
    """Id of the item of a run that has asked, and now waits."""
    wait = rule("10:00", *(("default", answer) if answer else ("deny",)))
    house.add("0 23 24 10 * Europe/Lisbon", BEGAN, unattended=wait)
    house.sweep(BEGAN)
    (fired,) = house.history()
    assert fired.asks_until == ENDS_AT and fired.item_id is not None
    asked = waits.NewWait(
        wait_id="ask:which", kind=WaitKind.ANSWER, payload={"text": "Which?", "choices": list(choices)}
    )
    with house.store.tx() as tx:
        waits.record(tx, fired.item_id, asked, BEGAN)
        mine = (items.W.tenant_id == tx.tenant_id, items.W.item_id == fired.item_id)
        tx.c.execute(sa.update(rows).where(*mine).values(state=State.WAITING.value))
    return fired.item_id


def found(house: House, item_id: str) -> tuple[str, object, list[str]]:  # noqa: F811
    """(the item's state, what was answered, the audit's kinds about both)."""
    with house.store.read() as tx:
        (wait,) = waits.of_item(tx, item_id)
        told = [event["kind"] for event in audit.tail(tx, limit=50, item_id=item_id)]
        return (
            worklist.get(tx, item_id).state.value,
            wait.answer,
            [one for one in told if one in ("item.answered", "schedule.defaulted", "item.cancelled")],
        )


def test_the_default_answers_once_at_its_time(house: House) -> None:  # noqa: F811
    """A minute before it waits; at the time the named choice stands, on record with who set it and when; a later sweep adds nothing."""
    item_id = asks(house, "skip", "Skip it", "Do it")
    house.sweep(ENDS_AT - timedelta(minutes=1))
    assert found(house, item_id) == ("waiting", None, [])

    for minutes in (0, 1):
        house.sweep(ENDS_AT + timedelta(minutes=minutes))
    state, answer, told = found(house, item_id)

    assert (state, answer) == ("ready", "Skip it")
    assert sorted(told) == ["item.answered", "schedule.defaulted"]
    with house.store.read() as tx:
        (event,) = audit.tail(tx, limit=5, item_id=item_id, kind="item.answered")
        (wait,) = waits.of_item(tx, item_id)
    assert event["actor"] == "clock"
    assert event["body"]["by"] == f"by the schedule's default, set by {OWNER} at {SET_AT.isoformat(timespec='seconds')}"
    assert wait.answered_by not in (None, OWNER), "for the guard it is not the owner who speaks"


@pytest.mark.parametrize("answer", ["", "neither", "it"], ids=["deny", "none of them", "both of them"])
def test_without_one_named_choice_the_run_ends(quiet_house: House, answer: str) -> None:  # noqa: F811
    """As before: nobody answered in time, and nothing is guessed."""
    item_id = asks(quiet_house, answer, "Skip it", "Do it")
    quiet_house.sweep(ENDS_AT)
    state, said, told = found(quiet_house, item_id)
    assert (state, said) == ("cancelled", None)
    assert "schedule.defaulted" not in told


def test_who_answers_in_time_is_heard_alone(quiet_house: House) -> None:  # noqa: F811
    """A minute before the end a person answers: the default does not stand."""
    item_id = asks(quiet_house, "skip", "Skip it", "Do it")
    with quiet_house.store.tx() as tx:
        assert waits.answer(tx, item_id, "ask:which", "Do it", OWNER, ENDS_AT - timedelta(minutes=1))
    quiet_house.sweep(ENDS_AT)
    assert found(quiet_house, item_id) == ("ready", "Do it", [])


def test_an_older_database_gets_the_column_beside_its_data(quiet_house: House) -> None:  # noqa: F811
    """The step adds it to schedules that are there, and leaves alone a table that was made with it."""
    quiet_house.add("daily 09:00 UTC", BEGAN, unattended=rule("2h30m"))
    (step,) = (one for one in migrations.MIGRATIONS if one.version == 13)
    with quiet_house.store.tx() as tx:
        tx.c.execute(sa.text("alter table schedules drop column unattended"))
    for _ in range(2):
        with quiet_house.store.tx() as tx:
            step.apply(tx.c)
    with quiet_house.store.read() as tx:
        (one,) = schedules.every(tx)
    assert one.unattended is not None and one.unattended.until == "2h30m"


def test_a_wait_in_seconds_of_an_older_deputy_is_kept(quiet_house: House) -> None:  # noqa: F811
    """A row from before the column says the same in today's words."""
    quiet_house.add("daily 09:00 UTC", BEGAN, unattended=rule("2h30m"))
    with quiet_house.store.tx() as tx:
        tx.c.execute(sa.text("update schedules set unattended = null"))
        (one,) = schedules.every(tx)
    assert (one.unattended is not None and one.unattended.until, one.as_json()["asks_wait_s"]) == ("2h30m", 9000)
