"""When a schedule comes: words, five cron fields or an RRULE, read as wall-clock times in one IANA zone. Pure.

Three spellings, one meaning: each yields times on the wall, and only here do these become instants. A time that the clocks leap
over comes once, at the first instant after the leap; a time that the clocks repeat comes once, the first time. Only a cron whose
minute or hour begins with `*` counts real time, as Debian's cron(8) does: it skips what is leapt over and comes again in what is
repeated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from orchestrator.domain import recurrence_words
from orchestrator.errors import UsageError

FAR = 50  # years without any time that a rule is given before it counts as never
EXAMPLES = (
    "e.g. 'weekdays 07:30 Europe/Lisbon', 'every monday and thursday 9:00', 'monthly on the last day 17:00', "
    "'30 7 * * MON-FRI' or 'FREQ=WEEKLY;INTERVAL=2;BYDAY=MO;BYHOUR=9;BYMINUTE=0'"
)
_MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
_DAYS = "SUN MON TUE WED THU FRI SAT".split()
_CRON_FIELD = re.compile(rf"(?:[\d*/,#LW-]|{'|'.join((*_MONTHS, *_DAYS))})+", re.IGNORECASE)
_ZONE = re.compile(r"[A-Za-z][\w+-]*(?:/[A-Za-z][\w+-]*)+|UTC|GMT|Z", re.IGNORECASE)
_START = re.compile(r"DTSTART(?:;TZID=([^:;]+))?:(\d{8}T\d{4}(?:\d{2})?)(Z?)", re.IGNORECASE)
_RULE_PARTS = frozenset(
    "FREQ INTERVAL COUNT UNTIL WKST BYMONTH BYMONTHDAY BYDAY BYSETPOS BYHOUR BYMINUTE BYSECOND".split()
)
_MOST = 1000  # of INTERVAL
_SHORT = ("HOURLY", "MINUTELY", "SECONDLY")
_NEVER = datetime(1, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_ANY = datetime(2026, 1, 1)  # noqa: DTZ001 - on the wall, where there are no zones


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """`text`: as it was typed, without its zone. Exactly one of `crons` (which together are the rule) and `rule` is set.

    `start`: the RRULE's DTSTART on the wall, from which INTERVAL and COUNT are reckoned.
    """

    text: str
    zone: str
    crons: tuple[str, ...] = ()
    rule: str = ""
    start: datetime | None = None

    def __str__(self) -> str:
        begun = f"DTSTART:{self.start:%Y%m%dT%H%M%S} " if self.start is not None else ""
        return f"{begun}{self.text} {self.zone}"

    def after(self, instant: datetime) -> Iterator[datetime]:
        """Aware UTC instants later than `instant`, ascending and without end, save for a rule that ends."""
        last = instant.astimezone(UTC)
        rules = [_ticks(cron, ZoneInfo(self.zone), last) for cron in self.crons] or [self._by_rule(last)]
        heads = [next(rule, None) for rule in rules]
        while (first := min((head for head in heads if head is not None), default=None)) is not None:
            yield first
            heads = [
                next(rule, None) if head == first else head for rule, head in zip(rules, heads, strict=True)
            ]  # several that fall on one instant are one

    def next(self, instant: datetime) -> datetime | None:
        """The first instant after this one; None when the rule has ended."""
        return next(self.after(instant), None)

    def _by_rule(self, after: datetime) -> Iterator[datetime]:
        from dateutil.rrule import rrulestr

        assert self.start is not None
        zone = ZoneInfo(self.zone)
        wall = _wall(after, zone)
        found: Any = rrulestr(f"{self.rule};BYSECOND=0", dtstart=self.start)
        if "COUNT=" not in self.rule and "UNTIL=" not in self.rule:
            found = found.replace(until=wall + timedelta(days=366 * FAR))
        yield from _settled(found.xafter(wall - timedelta(days=2)), zone, after)


def parse(text: str, *, zone: str, now: datetime) -> When:
    """The rule; `zone`: where the text names none. Raises `UsageError` with a fix, also for a rule that never comes."""
    found = stored(text, zone=zone, now=now)
    if found.next(now) is None:
        raise UsageError(f"{text.strip()!r} never comes again", fix="look at its day, month and end")
    return found


def stored(text: str, *, zone: str = "UTC", now: datetime = _NEVER) -> When:
    """The rule of a text, whether or not it comes again; `str(when)` needs neither zone nor time."""
    words = text.replace("RRULE:", " ").split()
    if not words:
        raise UsageError("no time was given", fix=EXAMPLES)
    named = [word for word in words if _is_zone(word)]
    if len(named) > 1:
        raise UsageError(f"two zones were given: {' and '.join(named)}", fix="name one, e.g. Europe/Lisbon")
    rest = [word for word in words if word not in named and not (named and word.lower() in ("in", "zone"))]
    return _read(" ".join(rest), _known_zone(named[0] if named else zone), now)


def _read(text: str, zone: str, now: datetime) -> When:
    upper = text.upper()
    if "FREQ=" in upper:
        return _rule(upper, zone, now)
    fields = text.split()
    if len(fields) >= 4 and all(_CRON_FIELD.fullmatch(field) for field in fields):
        return When(text=" ".join(fields), zone=zone, crons=(_checked_cron(text),))
    crons = recurrence_words.crons(text)
    if crons is None:
        raise UsageError(f"{text!r} is no rule for times", fix=EXAMPLES)
    return When(text=text, zone=zone, crons=tuple(_checked_cron(cron) for cron in crons))


def _checked_cron(text: str) -> str:
    from cronsim import CronSim, CronSimError

    fields = text.split()
    if len(fields) != 5:
        raise UsageError(
            f"{text!r} has {len(fields)} cron fields",
            fix="write five: minute hour day-of-month month day-of-week, e.g. '30 7 * * MON-FRI'",
        )
    try:
        CronSim(text, _ANY)
    except CronSimError as error:
        raise UsageError(
            f"{text!r}: {str(error).lower()}", fix="e.g. '30 7 * * MON-FRI' or '*/15 9-17 * * *'"
        ) from error
    return " ".join(fields)


def _rule(text: str, zone: str, now: datetime) -> When:
    from dateutil.rrule import rrulestr

    started = _START.search(text)
    body = _START.sub(" ", text).strip()
    parts = dict(part.partition("=")[::2] for part in body.strip(";").split(";"))
    example = "e.g. 'FREQ=WEEKLY;BYDAY=MO,TH;BYHOUR=9;BYMINUTE=0'"
    if unknown := sorted(set(parts) - _RULE_PARTS):
        raise UsageError(f"{', '.join(map(repr, unknown))} is no part of an RRULE that is taken", fix=example)
    _check_parts(parts)
    if started is None and "BYHOUR" not in parts:
        raise UsageError("the RRULE says no time of day", fix="add ;BYHOUR=9;BYMINUTE=0, or DTSTART:20261123T090000")
    zone = _known_zone(started[1], any_case=True) if started is not None and started[1] else zone
    begin = _begin(started, zone, now)
    if started is None:
        parts.setdefault("BYMINUTE", "0")
    if "UNTIL" in parts:
        parts["UNTIL"] = _until(parts["UNTIL"], zone)
    rule = ";".join(f"{name}={value}" for name, value in parts.items())
    try:
        rrulestr(f"{rule};BYSECOND=0", dtstart=begin)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{rule!r} is no RRULE: {error}", fix=example) from error
    return When(text=rule, zone=zone, rule=rule, start=begin)


def _check_parts(parts: dict[str, str]) -> None:
    """Refuses what dateutil would look for without an end, and what is finer than a minute. Takes BYSECOND out."""
    if parts.get("FREQ") in _SHORT:
        raise UsageError(f"FREQ={parts['FREQ']} is not taken", fix="within a day, use cron, e.g. '*/15 * * * *'")
    if parts.pop("BYSECOND", "0").strip("0"):
        raise UsageError("nothing comes at seconds", fix="leave out BYSECOND")
    for name, most in (("INTERVAL", _MOST), ("COUNT", 1_000_000)):
        if name in parts and not (parts[name].isdecimal() and 1 <= int(parts[name]) <= most):
            raise UsageError(f"{name}={parts[name]} is out of range", fix=f"use 1 to {most}")
    if parts.get("FREQ") == "DAILY" and "BYSETPOS" in parts:
        raise UsageError("BYSETPOS picks nothing out of one day", fix="leave it out, or use FREQ=MONTHLY")
    if "BYMONTHDAY" in parts:
        months = {int(one) for one in parts.get("BYMONTH", "").split(",") if one.isdecimal()} or set(range(1, 13))
        longest = max((31 if one in (1, 3, 5, 7, 8, 10, 12) else 29 if one == 2 else 30) for one in months)
        days = [abs(int(one)) for one in parts["BYMONTHDAY"].split(",") if one.lstrip("+-").isdecimal()]
        if days and not any(1 <= day <= longest for day in days):
            raise UsageError(f"no such month has a day {min(days)}", fix="look at BYMONTHDAY and BYMONTH")


def _begin(started: re.Match[str] | None, zone: str, now: datetime) -> datetime:
    """DTSTART on the wall; without one the rule begins with the day it was made on."""
    if started is None:
        return datetime.combine(_wall(now, ZoneInfo(zone)).date(), datetime.min.time())
    try:
        moment = datetime.strptime(started[2][:13].upper(), "%Y%m%dT%H%M")  # noqa: DTZ007 - on the wall
    except ValueError as error:
        raise UsageError(f"DTSTART:{started[2]} is no time", fix="e.g. DTSTART:20261123T090000") from error
    if not 1970 <= moment.year <= 2200:
        raise UsageError(f"DTSTART:{started[2]} is out of range", fix="begin between 1970 and 2200")
    return _wall(moment.replace(tzinfo=UTC), ZoneInfo(zone)) if started[3] else moment


def _until(text: str, zone: str) -> str:
    """RFC 5545 wants UNTIL in UTC where DTSTART has a zone; a bare day means its whole length."""
    try:
        if len(text) == 8:
            return f"{date(int(text[:4]), int(text[4:6]), int(text[6:])):%Y%m%d}T235959"
        moment = datetime.strptime(text.rstrip("Z"), "%Y%m%dT%H%M%S")  # noqa: DTZ007 - on the wall
    except ValueError as error:
        raise UsageError(f"UNTIL={text} is no time", fix="e.g. UNTIL=20271231 or UNTIL=20271231T170000Z") from error
    wall = _wall(moment.replace(tzinfo=UTC), ZoneInfo(zone)) if text.endswith("Z") else moment
    return f"{wall:%Y%m%dT%H%M%S}"


def _is_zone(word: str) -> bool:
    return _ZONE.fullmatch(word) is not None


def _known_zone(name: str, *, any_case: bool = False) -> str:
    """The zone as IANA spells it."""
    import difflib
    import zoneinfo

    if name.upper() in ("UTC", "GMT", "Z"):
        return "UTC"
    known = zoneinfo.available_timezones()
    if name in known and not any_case:
        return name
    folded = {one.casefold(): one for one in sorted(known)}
    if name.casefold() in folded:
        return folded[name.casefold()]
    last = {one.rpartition("/")[2]: one for one in folded}
    close = difflib.get_close_matches(name.casefold(), folded, n=2) or [
        last[one] for one in difflib.get_close_matches(name.casefold().rpartition("/")[2], last, n=1)
    ]
    hint = " or ".join(folded[one] for one in close) or "e.g. Europe/Lisbon"
    raise UsageError(f"there is no zone {name!r}", fix=f"use an IANA name: {hint}")


# ---- from the wall to instants ---------------------------------------------------------------------------------------
def _ticks(cron: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    from cronsim import CronSim

    if cron.split()[0].startswith("*") or cron.split()[1].startswith("*"):
        return _real(cron, zone, after)
    return _settled(CronSim(cron, _wall(after, zone) - _TICK), zone, after)


def _settled(walls: Iterator[datetime], zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """The first instant of each time on the wall; of times that are leapt over, the first instant after the leap."""
    last = after
    for wall in walls:
        instant = first_instant(wall, zone)
        if instant > last:
            last = instant
            yield instant


def _real(cron: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Every instant at which the wall shows such a time. Between two changes of the clocks the wall runs with real time."""
    from cronsim import CronSim

    at = after
    wall = _wall(at, zone)
    while True:
        offset = _offset(at, zone)
        for shown in CronSim(cron, wall):
            instant = shown.replace(tzinfo=UTC) - offset
            if _offset(instant, zone) != offset:
                break
            yield instant
            at = instant
        else:
            return
        at = _change(at, instant, zone)
        wall = _wall(at, zone) - timedelta(seconds=1)


def first_instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """When the wall first shows this time, or has just leapt over it."""
    instant = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if _wall(instant, zone) == wall:
        return instant
    return _change(instant - timedelta(days=2), instant + timedelta(days=1), zone)


def _change(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The first change of the clocks after `low`; there is one before `high`."""
    before = _offset(low, zone)
    step = low
    while _offset(step, zone) == before:
        low, step = step, min(step + timedelta(days=1), high)
    while step - low > timedelta(seconds=1):
        middle = low + (step - low) / 2
        low, step = (middle, step) if _offset(middle, zone) == before else (low, middle)
    return step.replace(microsecond=0)


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()


def _wall(instant: datetime, zone: ZoneInfo) -> datetime:
    """What the wall shows at that instant."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def told(instants: Sequence[datetime], zone: str) -> list[dict[str, str]]:
    """Each instant in UTC and on the wall; `note` where the clocks have changed since the one before."""
    shown: list[dict[str, str]] = []
    before: timedelta | None = None
    for instant in instants:
        local = instant.astimezone(ZoneInfo(zone))
        offset = local.utcoffset() or timedelta()
        moved = ""
        if before is not None and offset != before:
            moved = "clocks went forward" if offset > before else "clocks went back"
        stamp = local.isoformat(timespec="minutes")
        shown.append({"at": instant.isoformat(), "local": stamp, "offset": stamp[16:] or "+00:00", "note": moved})
        before = offset
    return shown
