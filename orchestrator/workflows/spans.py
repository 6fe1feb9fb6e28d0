"""Moments as slot values: plain JSON, with instants in ISO form in the zone they were said in. Pure."""

from __future__ import annotations

import re
from calendar import isleap, monthrange
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from dateutil.relativedelta import relativedelta

from connectors.spec import Json
from orchestrator.workflows.mentions import Mention, plain
from orchestrator.workflows.moments import Moment
from orchestrator.workflows.values import Choice


def iso(moment: datetime | None) -> str:
    return moment.isoformat(timespec="seconds") if moment is not None else ""


def in_tense(mention: Mention, tense: str | None, now: datetime) -> Moment | None:
    """The moment on the side of now that is meant; "Monday's notes" are those of last Monday. None: it lies on the other."""
    moment = mention.moment
    if moment is None or tense is None or moment.start is None or moment.end is None:
        return moment
    if tense == "future":
        return moment if moment.end > now else None
    if moment.start <= now:
        return moment
    named_day = moment.start - now <= timedelta(days=7) and not re.search(
        r"next|tomorrow|coming|\d", mention.text.lower()
    )
    week = timedelta(days=7)
    return replace(moment, start=moment.start - week, end=moment.end - week) if named_day else None


def since_day(mention: Mention, today: date) -> date | None:
    """The first day of "since …": the last such day that is not ahead. None: it names one that is, or a span with an end."""
    moment = mention.moment
    if moment is None or moment.start is None or moment.parts:
        return None
    said = plain(mention.text)
    if "this week" in said:
        return today - timedelta(days=today.weekday())
    if "this month" in said:
        return today.replace(day=1)
    day = moment.start.date()
    for back in range(1, 9):
        if day <= today:
            return day
        if moment.repeats == "week":
            day -= timedelta(days=7)
        elif moment.repeats == "month":
            day = _on(moment.start.date() - relativedelta(months=back), moment.start.day) or day
        elif moment.repeats == "year":
            day = _in_year(moment.start.date(), moment.start.year - back) or day
        else:
            return None
    return None


def _in_year(day: date, year: int) -> date | None:
    return None if (day.month, day.day) == (2, 29) and not isleap(year) else day.replace(year=year)


def _on(month: date, day: int) -> date | None:
    return month.replace(day=day) if day <= monthrange(month.year, month.month)[1] else None


def has_passed(moment: Moment, now: datetime) -> bool:
    """Whether a moment meant for something still to come begins before today, or at an instant before now."""
    if moment.start is None or moment.grain == "shift":
        return False
    if moment.grain == "instant":
        return moment.start <= now
    first = moment.parts[0] if moment.parts else moment
    return moment.is_past or (first.repeats == "year" and moment.start.date() < now.date())


def next_time(moment: Moment, now: datetime) -> Moment | None:
    """What a moment that has passed may mean instead: the same date next year, the same time tomorrow. None: nothing like it."""
    first = moment.parts[0] if moment.parts else moment
    if moment.start is None or moment.end is None:
        return None
    if moment.grain == "instant" and moment.start.date() == now.date():
        day = timedelta(days=1)
        return replace(moment, start=moment.start + day, end=moment.end + day)
    if first.repeats != "year":
        return None
    year = relativedelta(years=1)
    return replace(moment, start=moment.start + year, end=moment.end + year, is_past=False, parts=None)


def day_choice(day: date) -> Choice:
    """One day as an answer to "which day?"."""
    return Choice(label=f"{day:%A} {day.day} {day:%B %Y}", value=day.isoformat())


def merge(moments: Sequence[Moment]) -> Moment | None:
    """Several moments about one thing as one: a day and a clock; None where they contradict."""
    if len(moments) == 1:
        return moments[0]
    dated = [moment for moment in moments if moment.start is not None]
    hours = [moment for moment in moments if moment.start is None and moment.grain in ("clock", "hours")]
    free = [moment for moment in moments if moment.grain == "next_free"]
    if len(dated) > 1 or len(hours) > 1 or len(dated) + len(hours) + len(free) != len(moments):
        return None
    if not dated:
        return hours[0] if hours else free[0]
    if not hours:
        return dated[0]
    if hours[0].grain == "clock" and dated[0].grain == "day" and dated[0].start and hours[0].earliest:
        hour, minute = (int(part) for part in hours[0].earliest.split(":"))
        return replace(dated[0], grain="instant", start=dated[0].start.replace(hour=hour, minute=minute))
    return replace(dated[0], earliest=hours[0].earliest, latest=hours[0].latest)


def window_value(moment: Moment, bounds: Moment | None, now: datetime) -> dict[str, Json]:
    """A date_range's value: start and end as instants, never before now; bounds of the day where said."""
    start, end = moment.start, moment.end
    value: dict[str, Json] = {"start": iso(max(start, now) if start else now), "end": iso(end)}
    if moment.grain == "instant" and start is not None and end is not None:
        value |= {"at": iso(start), "end": iso(end.replace(hour=0, minute=0) + timedelta(days=1))}
    for source in (moment, bounds):
        if source is not None and source.earliest and source.grain != "instant":
            value["earliest"] = source.earliest
        if source is not None and source.latest:
            value["latest"] = source.latest
    return value


def when_value(moment: Moment, now: datetime) -> dict[str, Json]:
    """A when's value: kind at (an instant, or a clock on the meeting's own day), window, next_free or shift."""
    match moment.grain:
        case "instant":
            return {"kind": "at", "start": iso(moment.start), "clock": None}
        case "clock":
            return {"kind": "at", "start": None, "clock": moment.earliest}
        case "shift":
            return {"kind": "shift", "shift_s": moment.shift_s}
        case "next_free":
            return {"kind": "next_free"}
        case "hours":
            return {"kind": "window", "start": None, "end": None, "earliest": moment.earliest, "latest": moment.latest}
        case _:
            return {"kind": "window", **window_value(moment, None, now)}


def event_time(moment: Moment) -> dict[str, Json]:
    """A meeting selector's time: `at` an instant, `clock` on any day, or start and end of the days it lies in."""
    match moment.grain:
        case "instant":
            return {"at": iso(moment.start)}
        case "clock":
            return {"clock": moment.earliest}
        case _:
            out: dict[str, Json] = {"start": iso(moment.start) or None, "end": iso(moment.end) or None}
            return out | {"earliest": moment.earliest, "latest": moment.latest}
