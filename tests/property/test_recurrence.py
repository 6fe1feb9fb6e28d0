"""Times of schedules against two judges that know nothing of them: dateutil's rules on the wall, and a walk through real minutes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from dateutil import rrule
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain import recurrence
from orchestrator.errors import UsageError

ZONES = ["Europe/Lisbon", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo", "UTC"]
DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
MINUTE = timedelta(minutes=1)

zones = st.sampled_from(ZONES)
clock_times = st.tuples(st.integers(0, 23), st.sampled_from([0, 1, 15, 30, 45, 59]))
near_changes = st.sampled_from(
    [datetime(*day, tzinfo=UTC) for day in ((2026, 3, 7), (2026, 3, 28), (2026, 4, 3), (2026, 10, 3), (2026, 10, 24))]
    + [datetime(*day, tzinfo=UTC) for day in ((2026, 10, 31), (2027, 2, 27))]
)
starts = st.tuples(near_changes, st.integers(0, 4 * 24 * 60)).map(lambda one: one[0] + one[1] * MINUTE)


def wall(instant: datetime, zone: str) -> datetime:
    return instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)


def judged(shown: datetime, zone: str) -> datetime:
    """When the wall first shows this minute, found by walking through real minutes; or the first minute behind a leap."""
    instant = shown.replace(tzinfo=UTC) - timedelta(hours=15)
    for _ in range(30 * 60):
        if wall(instant, zone) == shown or (wall(instant, zone) > shown > wall(instant - MINUTE, zone)):
            return instant
        instant += MINUTE
    raise AssertionError(shown)


def expected(shown: list[datetime], zone: str, after: datetime, count: int) -> list[datetime]:
    found: list[datetime] = []
    for one in shown:
        instant = judged(one, zone)
        if instant > after and instant not in found:
            found.append(instant)
        if len(found) == count:
            break
    return found


@given(
    zone=zones,
    start=starts,
    days=st.sets(st.sampled_from(DAYS), min_size=1),
    times=st.sets(clock_times, min_size=1, max_size=2),
)
@settings(max_examples=60, deadline=None)
def test_words_come_when_dateutil_says(zone: str, start: datetime, days: set[str], times: set[tuple[int, int]]) -> None:
    """Days and times as words fall where an RRULE of the same days falls on the wall, each at its first instant."""
    said = " and ".join(f"{hour:02}:{minute:02}" for hour, minute in times)
    when = recurrence.parse(f"every {' and '.join(sorted(days))} at {said} {zone}", zone="UTC", now=start)
    begin = wall(start, zone).replace(hour=0, minute=0) - timedelta(days=2)
    shown = sorted(
        day.replace(hour=hour, minute=minute)
        for day in rrule.rrule(rrule.WEEKLY, dtstart=begin, byweekday=[DAYS.index(day) for day in days], count=12)
        for hour, minute in times
    )

    assert list(islice(when.after(start), 5)) == expected(shown, zone, start, 5)


@given(zone=zones, start=starts, time=clock_times, parts=st.sampled_from(["FREQ=DAILY", "FREQ=DAILY;INTERVAL=3", "FREQ=WEEKLY;BYDAY=SA,SU", "FREQ=MONTHLY;BYDAY=-1SU"]))  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_rules_come_when_dateutil_says(zone: str, start: datetime, time: tuple[int, int], parts: str) -> None:
    """An RRULE with a DTSTART is dateutil's own on the wall."""
    begin = wall(start, zone).replace(hour=time[0], minute=time[1]) - timedelta(days=10)
    when = recurrence.parse(f"DTSTART:{begin:%Y%m%dT%H%M%S} RRULE:{parts} {zone}", zone="UTC", now=start)
    shown = list(islice(rrule.rrulestr(parts, dtstart=begin), 30))

    assert list(islice(when.after(start), 4)) == expected(shown, zone, start, 4)


@given(
    zone=zones, start=starts, step=st.sampled_from([10, 15, 30, 60]), hours=st.sampled_from(["*", "*/2", "1-3", "2"])
)
@settings(max_examples=60, deadline=None)
def test_intervals_run_with_real_time(zone: str, start: datetime, step: int, hours: str) -> None:
    """A cron whose minute begins with a star comes at every real minute at which the wall shows it: never twice, never in a leap."""
    minutes = "*/" + str(step) if step < 60 else "*/60"
    when = recurrence.parse(f"{minutes} {hours} * * * {zone}", zone="UTC", now=start)
    allowed = {"*": range(24), "*/2": range(0, 24, 2), "1-3": range(1, 4), "2": range(2, 3)}[hours]
    walked: list[datetime] = []
    instant = start.replace(second=0) + MINUTE
    while len(walked) < 9:
        shown = wall(instant, zone)
        if shown.hour in allowed and shown.minute % step == 0:
            walked.append(instant)
        instant += MINUTE

    assert list(islice(when.after(start), 9)) == walked


@given(zone=zones, start=starts, time=clock_times)
@settings(max_examples=40, deadline=None)
def test_what_is_stored_is_what_was_meant(zone: str, start: datetime, time: tuple[int, int]) -> None:
    """A rule read back from its text, anywhere and at any time, comes at the same instants; and ascends."""
    texts = [f"daily {time[0]:02}:{time[1]:02}", f"{time[1]} {time[0]} * * *", f"FREQ=DAILY;INTERVAL=2;BYHOUR={time[0]};BYMINUTE={time[1]}"]  # fmt: skip
    for text in texts:
        when = recurrence.parse(text, zone=zone, now=start)
        again = recurrence.stored(str(when))
        found = list(islice(when.after(start), 6))
        assert again == when
        assert list(islice(again.after(start), 6)) == found
        assert found == sorted(set(found)) and found[0] > start


@given(st.text(max_size=40))
@settings(max_examples=150, deadline=None)
def test_any_text_is_a_rule_or_an_error_with_a_fix(text: str) -> None:
    """Whatever is typed, nothing but a rule or a UsageError comes of it."""
    now = datetime(2026, 11, 23, tzinfo=UTC)
    found: recurrence.When | UsageError
    try:
        found = recurrence.parse(text, zone="UTC", now=now)
    except UsageError as error:
        found = error

    assert found.fix if isinstance(found, UsageError) else found.next(now)


@pytest.mark.parametrize(
    ("text", "crons"),
    [
        ("weekdays 07:30", ["30 7 * * 1-5"]),
        ("every weekday at 7:30", ["30 7 * * 1-5"]),
        ("weekends 10am", ["0 10 * * 0,6"]),
        ("daily at noon and 17:30", ["0 12 * * *", "30 17 * * *"]),
        ("every day 9:00, 9:30", ["0 9 * * *", "30 9 * * *"]),
        ("mondays and thursdays 9:00", ["0 9 * * 1,4"]),
        ("tue 9pm", ["0 21 * * 2"]),
        ("monthly on the 1st and 15th 08:00", ["0 8 1,15 * *"]),
        ("monthly on the last day 17:00", ["0 17 L * *"]),
        ("the last weekday of the month 17:00", ["0 17 LW * *"]),
        ("last friday of the month 16:00", ["0 16 * * 5L"]),
        ("every second tuesday of the month 9:00", ["0 9 * * 2#2"]),
        ("yearly on 24 december 10:00", ["0 10 24 12 *"]),
        ("hourly", ["0 * * * *"]),
        ("every 2 hours", ["0 */2 * * *"]),
        ("every 15 minutes", ["*/15 * * * *"]),
    ],
)
def test_words(text: str, crons: list[str]) -> None:
    """Each phrase of the documentation is the cron it stands for."""
    assert list(recurrence.parse(text, zone="UTC", now=datetime(2026, 11, 23, tzinfo=UTC)).crons) == crons


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("daily 9:00 Europe/Lissabon", "Europe/Lisbon"),
        ("weekdays", "weekdays 09:00"),
        ("every second monday 9:00", "of the month"),
        ("monthly on the 31st 9:00", "last day"),
        ("every 7 minutes", "cron"),
        ("0 9 * *", "five"),
        ("0 25 * * *", "30 7"),
        ("0 9 30 2 *", "30 7"),
        ("FREQ=DAILY", "BYHOUR"),
        ("FREQ=MINUTELY", "cron"),
        ("FREQ=DAILY;BYHOUR=9;INTERVAL=0", "1 to"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;BYHOUR=9", "BYMONTHDAY"),
        ("FREQ=DAILY;BYHOUR=9;UNTIL=20200101", "end"),
        ("daily 9:00 Europe/Lisbon UTC", "one"),
        ("whenever", "weekdays 07:30"),
        ("", "weekdays 07:30"),
    ],
)
def test_what_is_off_says_how_to_mend_it(text: str, fix: str) -> None:
    """Each mistake names the way out."""
    with pytest.raises(UsageError) as error:
        recurrence.parse(text, zone="UTC", now=datetime(2026, 11, 23, tzinfo=UTC))
    assert fix in error.value.fix
