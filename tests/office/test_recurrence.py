"""Series on the wall clock, judged by an independent expander."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import icalendar
import pytest
import recurring_ical_events

from connectors import recurrence
from connectors.errors import InvalidCall


@pytest.mark.parametrize(
    ("rule", "zone"),
    [
        ("FREQ=WEEKLY", "Europe/Lisbon"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE", "America/New_York"),
        ("FREQ=DAILY;COUNT=40", "Europe/Berlin"),
        ("FREQ=MONTHLY;BYDAY=1TH", "America/Sao_Paulo"),
        ("FREQ=MONTHLY;BYMONTHDAY=31", "Asia/Kolkata"),
        ("FREQ=WEEKLY;UNTIL=20261201T000000Z", "Europe/Madrid"),
        ("FREQ=YEARLY", "UTC"),
    ],
)
def test_series_keep_their_wall_clock_time(rule: str, zone: str) -> None:
    """Over half a year with both changes of the clocks, the instances are those that recurring_ical_events finds."""
    start = datetime(2026, 9, 7, 9, 30, tzinfo=ZoneInfo(zone))
    after, before = datetime(2026, 9, 1, tzinfo=UTC), datetime(2027, 4, 15, tzinfo=UTC)
    event = icalendar.Event()
    event.add("uid", "one")
    event.add("dtstart", start)
    event.add("dtend", start + timedelta(minutes=30))
    event.add("rrule", icalendar.vRecur.from_ical(rule))
    calendar = icalendar.Calendar()
    calendar.add_component(event)

    found = recurrence.starts_between(
        f"RRULE:{rule}", int(start.timestamp()), zone, int(after.timestamp()), int(before.timestamp())
    )

    expected = sorted(
        one["DTSTART"].dt.timestamp() for one in recurring_ical_events.of(calendar).between(after, before)
    )
    assert list(found) == [int(one) for one in expected]
    assert len(found) >= 1


@pytest.mark.parametrize(
    "rule", ["weekly", "FREQ=HOURLY", "FREQ=WEEKLY\nEXDATE:20260101", "FREQ=WEEKLY;UNTIL=20261201"]
)
def test_rules_that_cannot_be_kept_are_refused(rule: str) -> None:
    """What is no RRULE, repeats within a day, or ends without saying in which zone, is InvalidCall."""
    with pytest.raises(InvalidCall):
        recurrence.check(rule, 1_800_000_000, "UTC")
