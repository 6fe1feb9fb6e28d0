"""Moments as slot values: plain JSON, with instants in ISO form in the zone they were said in. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from connectors.spec import Json
from orchestrator.workflows.mentions import Mention
from orchestrator.workflows.moments import Moment


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
