"""What words about time may mean, written independently of the product: every reading that a reasonable person could have.

Where people differ ("next Tuesday", said on a Monday), all their readings are accepted; where they agree, one is. Dates are
local dates of the speaker.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
DAY = timedelta(days=1)
WEEK = timedelta(weeks=1)
WORDS_FOR_HOURS = {"noon": 12, "midday": 12}
NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}


class NotUnderstood(ValueError):
    """These words have no reading here: the measuring tool, not the product, has to learn them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A reading of a window: both ends may lie anywhere between the bounds given (local, first and last accepted)."""

    start_from: datetime
    start_to: datetime
    end_from: datetime
    end_to: datetime

    def holds(self, start: datetime, end: datetime) -> bool:
        return self.start_from <= start <= self.start_to and self.end_from <= end <= self.end_to


def clean(words: str) -> str:
    """Lower case, abbreviations written out, single spaces."""
    text = words.lower().replace("tmrw", "tomorrow").replace("nxt", "next").replace(",", " ")
    return re.sub(r"\s+", " ", re.sub(r"^(the|on) ", "", text)).strip()


def monday_of(day: date) -> date:
    return day - timedelta(days=day.weekday())


def days_ahead(words: str, today: date) -> set[date]:
    """A day to come: "tomorrow", "Thursday", "next Friday", "3 December", "Monday next week"."""
    text = clean(words)
    if text in ("today", "tomorrow"):
        return {today if text == "today" else today + DAY}
    if found := re.fullmatch(r"(next )?(\w+day)( next week)?", text):
        number = WEEKDAYS.index(found[2])
        coming = today + timedelta(days=(number - today.weekday()) % 7)
        of_next_week = monday_of(today) + WEEK + timedelta(days=number)
        if found[3]:
            return {of_next_week}
        if found[1]:
            return {of_next_week, coming if coming > today else coming + WEEK}
        return {coming, coming + WEEK} if coming == today else {coming}
    if found := re.fullmatch(r"(\d+) (\w+)", text):
        if found[2] in MONTHS:
            return {next(day for day in _every_year(found, today.year - 1) if day >= today)}
    raise NotUnderstood(words)


def days_ago(words: str, today: date) -> set[date]:
    """The day from which something is looked at: "yesterday", "Monday", "last Friday", "last 14 days", "3 November"."""
    text = clean(words)
    if text in ("today", "yesterday"):
        return {today if text == "today" else today - DAY}
    if found := re.fullmatch(r"last (\d+) days", text):
        back = today - timedelta(days=int(found[1]))
        return {back, back + DAY}
    if text == "past month":
        return {today - timedelta(days=days) for days in (28, 29, 30, 31)}
    if found := re.fullmatch(r"(last )?(\w+day)", text):
        number = WEEKDAYS.index(found[2])
        before = today - timedelta(days=(today.weekday() - number) % 7 or 7)
        if found[1]:
            return {before, monday_of(today) - WEEK + timedelta(days=number)}
        return {before, today} if today.weekday() == number else {before}
    if found := re.fullmatch(r"(\d+) (\w+)", text):
        if found[2] in MONTHS:
            return {[day for day in _every_year(found, today.year - 2) if day <= today][-1]}
    raise NotUnderstood(words)


def absences(start: str, end: str, today: date) -> set[tuple[date, date]]:
    """First and last day of being away."""
    first, last = clean(start), clean(end)
    if first == last == "next week":
        monday = monday_of(today) + WEEK
        return {(monday, monday + timedelta(days=days)) for days in (4, 6)}
    begins = days_ahead(start, today)
    if found := re.fullmatch(r"(\d+) (\w+)", first):  # may have begun already
        begins |= {day for day in _every_year(found, today.year - 1) if timedelta() <= today - day <= 2 * WEEK}
    pairs = set()
    for begin in begins:
        if first == last:
            pairs.add((begin, begin))
        elif re.fullmatch(r"\d+ \w+", last):
            pairs |= {(begin, stop) for stop in days_ahead(end, begin)}
        else:
            number = WEEKDAYS.index(last.split()[-1])
            stop = begin + timedelta(days=(number - begin.weekday()) % 7)
            pairs.add((begin, stop if stop > begin else stop + WEEK))
            if last.startswith("next ") and stop < monday_of(begin) + WEEK:
                pairs |= {(begin, day) for day in days_ahead(end, today) if day > begin}
    return {(begin, stop) for begin, stop in pairs if stop >= today}


def moments(words: str, now: datetime) -> set[datetime]:
    """A moment to come: a day and a time of day, in either order."""
    text = re.sub(r"\b(at|on)\b", " ", clean(words))
    at, rest = _time_of(text)
    found = set()
    for day in days_ahead(rest, now.date()):
        moment = datetime.combine(day, at, now.tzinfo)
        found.add(moment if moment > now else moment + WEEK)
    return found


def spans(words: str, now: datetime) -> list[Span]:
    """A window in which to look for times."""
    text, today = clean(words), now.date()
    if text in ("this week", "rest of this week"):
        weeks = [monday_of(today)] + ([monday_of(today) + WEEK] if today.weekday() >= 4 else [])
        return [_span(now, today, monday + 5 * DAY, end_to=monday + WEEK, starts_late=True) for monday in weeks]
    if text == "next week":
        monday = monday_of(today) + WEEK
        return [_span(now, monday, monday + 5 * DAY, end_to=monday + WEEK)]
    if text == "next two weeks":
        following = monday_of(today) + WEEK
        return [
            _span(now, today, today + 2 * WEEK - 3 * DAY, end_to=today + 2 * WEEK + DAY, starts_late=True),
            _span(now, today, following + WEEK + 5 * DAY, end_to=following + 2 * WEEK, starts_late=True),
        ]
    if found := re.fullmatch(r"by (.+)", text):
        return [_span(now, today, day, end_to=day + DAY, starts_late=True) for day in days_ahead(found[1], today)]
    if found := re.fullmatch(r"before (.+)", text):
        return [_span(now, today, day, starts_late=True) for day in days_ahead(found[1], today) if day > today]
    if found := re.fullmatch(r"(?:between )?(\w+day) (and|or) (\w+day)", text):
        return [_span(now, first, last + DAY, early=True) for first, last in absences(found[1], found[3], today)]
    return [_span(now, day, day + DAY, early=True) for day in days_ahead(words, today)]


def _span(
    now: datetime,
    start: date,
    end: date,
    *,
    end_to: date | None = None,
    starts_late: bool = False,
    early: bool = False,
) -> Span:
    """Midnights to a span. starts_late: the start may be skipped to the next working time; early: an end at 17:00 will do."""
    zone = now.tzinfo
    begin = datetime.combine(start, time(), zone)
    until = begin + (4 * DAY if starts_late else timedelta(hours=10))
    stop = datetime.combine(end, time(), zone)
    return Span(
        start_from=begin,
        start_to=max(until, now + timedelta(hours=3)) if start == now.date() else until,
        end_from=stop - (timedelta(hours=7) if early else timedelta()),
        end_to=datetime.combine(end_to or end, time(), zone),
    )


def _every_year(found: re.Match[str], first: int) -> Iterator[date]:
    """The day of the month in `found`, in five years from the first."""
    for year in range(first, first + 5):
        yield date(year, MONTHS.index(found[2]) + 1, int(found[1]))


def _time_of(text: str) -> tuple[time, str]:
    """The time of day in the words, and the words without it."""
    patterns = (
        r"\b(\d{1,2}):(\d\d)\b",
        r"\b(\d{1,2}) ?(am|pm)\b",
        r"\b(\d{1,2}) o'clock",
        r"\bhalf past (\w+)\b",
        r"\b(noon|midday)\b",
    )
    for pattern in patterns:
        found = re.search(pattern, text)
        if found is None:
            continue
        rest = " ".join((text[: found.start()] + " " + text[found.end() :]).split())
        if "half past" in pattern:
            hour = NUMBERS[found[1]]
            return time(hour + 12 if hour < 8 else hour, 30), rest
        if found[1] in WORDS_FOR_HOURS:
            return time(WORDS_FOR_HOURS[found[1]]), rest
        hour = int(found[1])
        if "am|pm" in pattern:
            return time(hour % 12 + (12 if found[2] == "pm" else 0)), rest
        return time(hour, int(found[2]) if pattern.endswith(r"(\d\d)\b") else 0), rest
    raise NotUnderstood(text)
