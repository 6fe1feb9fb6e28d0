"""Dates, times and durations as people write them, relative to a given moment. Pure; English.

`find` reads the whole text once and returns what it understood with its place; adjoining parts are joined ("next Tuesday after
2pm", "from 3 to 12 December"). What it does not understand it leaves alone: a word without a reading stays a leftover word, and
the matcher abstains.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from dateutil.relativedelta import relativedelta

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = r"mon(?:day)?|tue(?:s(?:day)?)?|wed(?:s|nesday)?|thu(?:rs?(?:day)?)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?"
_MONTH = r"jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
NUMBER_WORDS = {
    word: number
    for number, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
        ]
    )
} | {"a": 1, "an": 1, "twenty": 20, "thirty": 30, "forty": 40, "forty-five": 45, "fifty": 50, "sixty": 60, "ninety": 90}
_NUMBER = r"\d+|" + "|".join(
    sorted((word for word in NUMBER_WORDS if word not in ("a", "an", "zero")), key=len, reverse=True)
)
_COUNT = rf"(?:{_NUMBER}|an?|a couple of|a few)"
_CLOCK = (
    r"(?:\d{1,2}[:.h]\d{2}\s?(?:[ap]\.?m\.?)?|\d{1,2}\s?[ap]\.?m\.?(?!\w)|noon|midday|midnight|\d{1,2}\s?o'clock"
    r"|(?:half|quarter) (?:past|to) (?:\d{1,2}|" + "|".join(list(NUMBER_WORDS)[1:13]) + r"))"
)
_HOUR = rf"(?:{_CLOCK}|\d{{1,2}})"
_PARTS = {
    "morning": (None, "12:00"),
    "afternoon": ("12:00", "18:00"),
    "evening": ("17:00", None),
    "lunchtime": ("12:00", "14:00"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A reading of a time. `start` and `end` (end exclusive) are aware; grain says how exact it is.

    instant: `start` is the very time · day: one whole day · range: several days · clock: a time of day without a date (`earliest`) ·
    hours: only bounds of the day · next_free: whenever there is room. `earliest`/`latest` are "HH:MM" bounds within the days.
    `parts`: for "from A to B", the two ends as they were said. `shift_s`: seconds later (or earlier) than before.
    `is_past`: it ended before today began.
    """

    grain: str
    start: datetime | None = None
    end: datetime | None = None
    earliest: str | None = None
    latest: str | None = None
    avoid_days: tuple[str, ...] = ()
    parts: tuple[Moment, Moment] | None = None
    shift_s: int = 0
    is_past: bool = False
    repeats: str = (
        ""  # how often such a day comes round as it was said: week ("Monday"), month ("the 3rd"), year ("3 May")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundMoment:
    """A moment, a length in minutes or a length in days at text[start:end]; exactly one of the three is set."""

    start: int
    end: int
    moment: Moment | None = None
    minutes: int | None = None
    days: int | None = None


def number_of(word: str) -> int | None:
    """The value of "3", "three", "a couple of"; None for other words."""
    word = word.strip().lower()
    if word.isdigit():
        return int(word)
    return {"a couple of": 2, "a few": 3}.get(word, NUMBER_WORDS.get(word))


def clock_of(text: str) -> str | None:
    """ "HH:MM" for "2pm", "14:30", "half past two", "3". A bare hour from 1 to 6 is in the afternoon: the working-hours rule."""
    text = text.strip().lower().replace(".m", "m").rstrip(".")
    if text in ("noon", "midday"):
        return "12:00"
    if text == "midnight":
        return "00:00"
    spoken = re.fullmatch(r"(half|quarter) (past|to) (\w+)", text)
    if spoken:
        hour, minute = number_of(spoken[3]), 30 if spoken[1] == "half" else 15
        if hour is None or not 1 <= hour <= 12:
            return None
        hour += 12 if hour < 7 else 0
        total = hour * 60 + (minute if spoken[2] == "past" else -minute)
        return f"{total // 60:02d}:{total % 60:02d}"
    plain = re.fullmatch(r"(\d{1,2})(?:[:.h](\d{2}))?\s?(am|pm|o'clock)?", text)
    if not plain:
        return None
    hour, minute, half = int(plain[1]), int(plain[2] or 0), plain[3]
    if half == "pm" and hour < 12:
        hour += 12
    elif half == "am" and hour == 12:
        hour = 0
    elif half in (None, "o'clock") and 1 <= hour <= 6 and not (plain[1].startswith("0") and plain[2]):
        hour += 12
    return f"{hour:02d}:{minute:02d}" if hour < 24 and minute < 60 else None


def find(text: str, now: datetime) -> list[FoundMoment]:
    """Everything understood in `text`, in order, without overlaps. `now`: aware, in the requester's zone; the text's zone."""
    return _Finder(text, now).found()


class _Finder:
    """One pass over one text. Patterns are tried in the order of `found`; what one has taken, later ones do not see."""

    def __init__(self, text: str, now: datetime) -> None:
        self.now = now
        self.today = now.date()
        self.zone = now.tzinfo
        self.text = text.lower().replace("’", "'").replace("–", "-").replace("—", "-")
        self.out: list[FoundMoment] = []

    def found(self) -> list[FoundMoment]:
        self.lengths_of_days()
        self.lengths_of_minutes()
        self.dates()
        self.clocks()
        self.join()
        return sorted(self.out, key=lambda item: item.start)

    def each(self, pattern: str) -> Iterator[re.Match[str]]:
        """Matches in what is still unread, at word borders."""
        for match in re.finditer(rf"(?<![\w#@.])(?:{pattern})(?![\w@])", self.text):
            if "\0" not in match.group():
                yield match

    def take(self, match: re.Match[str], **what: Moment | int | None) -> None:
        self.out.append(FoundMoment(start=match.start(), end=match.end(), **what))  # type: ignore[arg-type]  # one of three
        self.text = self.text[: match.start()] + "\0" * (match.end() - match.start()) + self.text[match.end() :]

    def midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self.zone)

    def days(self, first: date, count: int = 1, **more: object) -> Moment:
        grain = "day" if count == 1 else "range"
        moment = Moment(grain=grain, start=self.midnight(first), end=self.midnight(first + timedelta(days=count)))
        return replace(moment, **more)  # type: ignore[arg-type]  # fields of Moment

    def ahead(self, number: int, unit: str, working: bool) -> Moment:
        """The next `number` days, weeks or months, from now."""
        if unit.startswith("week"):
            return replace(self.days(self.today, 7 * number), start=self.now)
        if unit.startswith("month"):
            return replace(
                self.days(self.today, 1),
                grain="range",
                start=self.now,
                end=self.midnight(self.today + relativedelta(months=number)),
            )
        if unit.startswith("hour"):
            return Moment(grain="range", start=self.now, end=self.now + timedelta(hours=number))
        last = self.today
        left = number
        while left > 0:
            last += timedelta(days=1)
            left -= 1 if not working or last.weekday() < 5 else 0
        return Moment(grain="range", start=self.now, end=self.midnight(last + timedelta(days=1)))

    def lengths_of_days(self) -> None:
        units = r"(?P<working>working |business |week)?(?P<unit>days?|weeks?|months?|hours?)"
        for match in self.each(
            rf"(?:in |within |over |during |for )?(?:the )?(?:next|coming|following) (?P<n>{_COUNT}|few|couple of) {units}"
        ):
            number = {"few": 5, "couple of": 2}.get(match["n"], number_of(match["n"]))
            if number:
                self.take(match, moment=self.ahead(number, match["unit"], bool(match["working"])))
        for match in self.each(
            rf"(?:in |within |over |during |from |for )?(?:the )?(?:last|past) (?P<n>{_COUNT}|few|couple of) {units}"
        ):
            number = {"few": 3, "couple of": 2}.get(match["n"], number_of(match["n"]))
            if number:
                unit = match["unit"]
                back = (
                    timedelta(hours=number)
                    if unit.startswith("hour")
                    else timedelta(
                        days=number * (7 if unit.startswith("week") else 30 if unit.startswith("month") else 1)
                    )
                )
                start = self.now - back if unit.startswith("hour") else self.midnight((self.now - back).date())
                self.take(match, moment=Moment(grain="range", start=start, end=self.now, is_past=True))
        for match in self.each(
            r"(?:in |within |over |during |from |for )?the (?:last|past) (?P<unit>week|month|year)(?! of)"
        ):
            back = timedelta(days={"week": 7, "month": 30, "year": 365}[match["unit"]])
            start = self.midnight((self.now - back).date())
            self.take(match, moment=Moment(grain="range", start=start, end=self.now, is_past=True))
        for match in self.each(rf"(?P<n>{_COUNT}) (?P<unit>days?|weeks?) ago"):
            number = number_of(match["n"])
            if number:
                self.take(
                    match,
                    moment=self.days(
                        self.today - timedelta(days=number * (7 if match["unit"].startswith("week") else 1)),
                        is_past=True,
                    ),
                )
        for match in self.each(rf"(?:in|within) (?P<n>{_COUNT}) (?P<unit>days?|weeks?)(?:' time)?"):
            number = number_of(match["n"])
            if number and match.group().startswith("within"):
                self.take(match, moment=self.ahead(number, match["unit"], False))
            elif number:
                self.take(
                    match,
                    moment=self.days(
                        self.today + timedelta(days=number * (7 if match["unit"].startswith("week") else 1))
                    ),
                )
        for match in self.each(
            rf"(?P<n>{_COUNT})[ -](?:full |whole )?(?:working |business )?(?P<unit>days?|weeks?|fortnights?)"
        ):
            number = number_of(match["n"])
            if number:
                unit = match["unit"]
                self.take(match, days=number * (7 if unit.startswith("week") else 14 if unit.startswith("fort") else 1))

    def lengths_of_minutes(self) -> None:
        hour = r"h(?:ou)?rs?|hours?|h"
        minute = r"minutes?|mins?|min|m"
        patterns: list[tuple[str, Callable[[re.Match[str]], float | None]]] = [
            (
                r"(?P<h>\d{1,2})\s?h(?:ours?|rs?)?\s?(?:and )?(?P<m>\d{2})\s?(?:m(?:in(?:ute)?s?)?)?",
                lambda m: int(m["h"]) * 60 + int(m["m"]),
            ),
            (r"an hour and a half|one and a half hours|1[.,]5[ -]?(?:hours?|hrs?|h)|1½ hours", lambda m: 90),
            (r"an hour and a quarter", lambda m: 75),
            (r"(?:a )?(?:half an hour|half[ -]hour|half-an-hour)|½ hour", lambda m: 30),
            (r"three[ -]quarters of an hour|45 ?'", lambda m: 45),
            (r"(?:a )?quarter of an hour|(?:a )?quarter[ -]hour", lambda m: 15),
            (rf"(?P<n>{_NUMBER}|an?|full)[ -]?(?:{hour})(?:'s)?(?:[ -]long)?", lambda m: (number_of(m["n"]) or 1) * 60),
            (rf"(?P<n>{_NUMBER})[ -]?(?:{minute})(?:'s|s')?(?:[ -]long)?", lambda m: number_of(m["n"])),
        ]
        for pattern, value in patterns:
            for match in self.each(pattern):
                minutes = value(match)
                if not minutes or not 5 <= minutes <= 600:
                    continue
                moved = re.match(r" (later|earlier|sooner)(?!\w)", self.text[match.end() :])
                if moved:
                    sign = 1 if moved[1] == "later" else -1
                    whole = re.compile(r"[\s\S]*").match(self.text, match.start(), match.end() + moved.end())
                    if whole:
                        self.take(whole, moment=Moment(grain="shift", shift_s=sign * int(minutes) * 60))
                else:
                    self.take(match, minutes=int(minutes))

    def dates(self) -> None:
        for match in self.each(r"(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})"):
            self.take_date(match, int(match["y"]), int(match["m"]), int(match["d"]))
        dom = r"(?P<d>\d{1,2})(?:st|nd|rd|th)?"
        weekday = rf"(?:(?:{_DAY}),? )?"
        # "3 to 12 December": the first end borrows the month of the second.
        for match in self.each(
            rf"(?:from |between )?(?:the )?(?P<a>\d{{1,2}})(?:st|nd|rd|th)? ?(?:to|until|till|-|and|through) ?(?:the )?(?P<b>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? (?P<mon>{_MONTH})"
        ):
            month = _MONTHS.index(match["mon"][:3]) + 1
            self.take_range(
                match, self.date_of(None, month, int(match["a"])), self.date_of(None, month, int(match["b"]))
            )
        for match in self.each(
            rf"(?:from |between )?(?P<mon>{_MONTH}) (?P<a>\d{{1,2}})(?:st|nd|rd|th)? ?(?:to|until|till|-|and|through) ?(?:the )?(?P<b>\d{{1,2}})(?:st|nd|rd|th)?"
        ):
            month = _MONTHS.index(match["mon"][:3]) + 1
            self.take_range(
                match, self.date_of(None, month, int(match["a"])), self.date_of(None, month, int(match["b"]))
            )
        for match in self.each(rf"{weekday}(?:the )?{dom}(?: of)? (?P<mon>{_MONTH})\.?(?:,? (?P<y>\d{{4}}))?"):
            self.take_date(
                match, int(match["y"]) if match["y"] else None, _MONTHS.index(match["mon"][:3]) + 1, int(match["d"])
            )
        for match in self.each(rf"{weekday}(?P<mon>{_MONTH})\.? (?:the )?{dom}(?:,? (?P<y>\d{{4}}))?"):
            self.take_date(
                match, int(match["y"]) if match["y"] else None, _MONTHS.index(match["mon"][:3]) + 1, int(match["d"])
            )
        for match in self.each(rf"{weekday}the (?P<d>\d{{1,2}})(?:st|nd|rd|th)"):
            day = int(match["d"])
            first = self.today.replace(day=1)
            if not 1 <= day <= 31:
                continue
            for ahead in range(3):
                candidate = self.date_of(
                    (first + relativedelta(months=ahead)).year, (first + relativedelta(months=ahead)).month, day
                )
                if candidate is not None and candidate >= self.today:
                    self.take(match, moment=self.days(candidate, repeats="month"))
                    break
        for match in self.each(rf"(?<=since )(?:early )?(?P<mon>{_MONTH})(?! \d)"):
            self.take_date(match, None, _MONTHS.index(match["mon"][:3]) + 1, 1)
        monday = self.today - timedelta(days=self.today.weekday())
        following = rf"(?:(?:in |during |for |over )?(?:the )?week (?:of|starting|beginning|commencing) (?:the )?)(?P<rest>{_DAY}|\0+)"
        for match in re.finditer(following, self.text):
            known = next((item for item in self.out if item.moment and item.end == match.end()), None)
            if known and known.moment and known.moment.start and match["rest"].startswith("\0"):
                self.out.remove(known)
                start = known.moment.start.date()
                self.take(match, moment=self.days(start - timedelta(days=start.weekday()), 7))
        simple: list[tuple[str, Callable[[], Moment]]] = [
            (r"(?:the )?day after tomorrow", lambda: self.days(self.today + timedelta(days=2))),
            (r"(?:the )?day before yesterday", lambda: self.days(self.today - timedelta(days=2), is_past=True)),
            (r"tomorrow|tmrw|tmr", lambda: self.days(self.today + timedelta(days=1))),
            (r"yesterday", lambda: self.days(self.today - timedelta(days=1), is_past=True)),
            (r"(?:later )?today", lambda: self.days(self.today)),
            (r"tonight", lambda: self.days(self.today, earliest="17:00")),
            (
                r"(?:at )?the end of next week|end of next week|late next week|later next week",
                lambda: self.days(monday + timedelta(days=10), 2),
            ),
            (
                r"(?:at )?the end of (?:the|this) week|end of (?:the|this) week|late this week",
                lambda: self.days(monday + timedelta(days=3), 2),
            ),
            (
                r"(?:early|beginning of|the beginning of|start of|the start of) next week",
                lambda: self.days(monday + timedelta(days=7), 2),
            ),
            (r"(?:the )?(?:first half of next week)", lambda: self.days(monday + timedelta(days=7), 3)),
            (
                r"(?:any ?time |some ?time |sometime |during |the )?next week|the week ahead|the coming week|the following week",
                lambda: self.days(monday + timedelta(days=7), 7),
            ),
            (r"(?:the )?(?:start|beginning) of (?:the|this) week", lambda: self.days(monday)),
            (r"(?:the )?week after next", lambda: self.days(monday + timedelta(days=14), 7)),
            (
                r"(?:any ?time |some ?time |sometime |during |later |the rest of |rest of )?this week|(?:the )?rest of the week",
                lambda: replace(self.days(self.today, max(1, 7 - self.today.weekday())), grain="range"),
            ),
            (r"last week", lambda: self.days(monday - timedelta(days=7), 7, is_past=True)),
            (
                r"this month",
                lambda: replace(
                    self.days(self.today),
                    grain="range",
                    end=self.midnight(self.today.replace(day=1) + relativedelta(months=1)),
                ),
            ),
            (r"next month", lambda: self.month(1)),
            (r"last month", lambda: replace(self.month(-1), is_past=True)),
            (r"(?:the |this |over the |at the )weekend", lambda: self.days(monday + timedelta(days=5), 2)),
            (
                r"(?:the )?(?:next|first|earliest|soonest)(?: possible| available| free| common| open)*(?: free| available| common| open| possible) (?:slot|time|gap|opening|spot|moment)",
                lambda: Moment(grain="next_free"),
            ),
            (
                r"as soon as (?:possible|everybody can|everyone can|we can)|asap|a\.s\.a\.p\.?|at the earliest(?: opportunity| convenience)?|whenever (?:is|we are|both are) free",
                lambda: Moment(grain="next_free"),
            ),
        ]
        for pattern, value in simple:
            for match in self.each(pattern):
                self.take(match, moment=value())
        for match in self.each(rf"(?:(?P<which>this coming|this|next|coming|last|past|on) )?(?P<day>{_DAY})"):
            self.take(match, moment=self.weekday(match))

    def date_of(self, year: int | None, month: int, day: int) -> date | None:
        """A date; without a year the next one, or one at most 60 days past."""
        try:
            if year is not None:
                return date(year, month, day)
            candidate = date(self.today.year, month, day)
            return candidate if candidate >= self.today - timedelta(days=60) else date(self.today.year + 1, month, day)
        except ValueError:
            return None

    def take_date(self, match: re.Match[str], year: int | None, month: int, day: int) -> None:
        found = self.date_of(year, month, day)
        if found is not None:
            self.take(
                match, moment=self.days(found, is_past=found < self.today, repeats="year" if year is None else "")
            )

    def take_range(self, match: re.Match[str], first: date | None, last: date | None) -> None:
        if first is not None and last is not None and first <= last:
            parts = (self.days(first, repeats="year"), self.days(last, repeats="year"))
            whole = self.days(first, (last - first).days + 1, is_past=last < self.today)
            self.take(match, moment=replace(whole, grain="range", parts=parts))

    def month(self, offset: int) -> Moment:
        first = self.today.replace(day=1) + relativedelta(months=offset)
        return Moment(grain="range", start=self.midnight(first), end=self.midnight(first + relativedelta(months=1)))

    def weekday(self, match: re.Match[str]) -> Moment:
        """ "Friday": the next one, not today. "next Friday": the one of next week. "last Friday": the one before today."""
        index = WEEKDAYS.index(match["day"][:3])
        which = match["which"]
        monday = self.today - timedelta(days=self.today.weekday())
        if which in ("last", "past"):
            return self.days(self.today - timedelta(days=(self.today.weekday() - index - 1) % 7 + 1), is_past=True)
        if which == "next":
            return self.days(monday + timedelta(days=7 + index))
        ahead = (index - self.today.weekday() - 1) % 7 + 1
        return self.days(self.today + timedelta(days=ahead), repeats="" if which else "week")

    def clocks(self) -> None:
        end = rf"(?P<b>{_HOUR})"
        for match in self.each(
            rf"(?:between|from) (?P<a>{_HOUR}) ?(?:and|to|until|till|-) ?{end}|(?P<c>{_CLOCK}) ?(?:-|to|until|till) ?(?P<d>{_CLOCK})|(?P<e>\d{{1,2}}) ?- ?(?P<f>\d{{1,2}}\s?[ap]m)"
        ):
            low, high = match["a"] or match["c"] or match["e"], match["b"] or match["d"] or match["f"]
            if re.fullmatch(r"\d{1,2}", low) and re.search(r"[ap]m", high):
                low += re.sub(r"[^apm]", "", high)
            first, last = clock_of(low), clock_of(high)
            if first and last and first < last:
                self.take(
                    match,
                    moment=Moment(
                        grain="hours",
                        earliest=first,
                        latest=last,
                        parts=(Moment(grain="clock", earliest=first), Moment(grain="clock", earliest=last)),
                    ),
                )
        for match in self.each(
            rf"(?:any ?time )?(?P<how>after|before|from|until|by|no earlier than|not before|no later than|not after) (?P<a>{_CLOCK}|\d{{1,2}}(?! ?(?:people|days?|weeks?|mails?)))(?: (?:on|onwards?))?"
        ):
            clock = clock_of(match["a"])
            if clock and match["how"] in ("after", "from", "no earlier than", "not before"):
                self.take(match, moment=Moment(grain="hours", earliest=clock))
            elif clock:
                self.take(match, moment=Moment(grain="hours", latest=clock))
        for match in self.each(rf"(?:at )?(?P<a>{_CLOCK})"):
            clock = clock_of(match["a"])
            if clock:
                self.take(match, moment=Moment(grain="clock", earliest=clock))
        for match in self.each(r"at (?P<a>\d{1,2})(?! ?(?:%|percent))"):
            clock = clock_of(match["a"])
            if clock:
                self.take(match, moment=Moment(grain="clock", earliest=clock))
        for match in self.each(
            r"(?:in |during |at )?(?:the |this )?(?P<part>morning|afternoon|evening|lunchtime)s?(?! (?:brief|summary|digest|overview|update|report|rundown|round))"
        ):
            if (
                match.group().endswith("s")
                or re.search(r"(?:good |^)$", self.text[: match.start()])
                and re.match(r"\s*[,!.]", self.text[match.end() :])
            ):
                continue
            low, high = _PARTS[match["part"]]
            this = "this " in match.group()
            moment = (
                self.days(self.today, earliest=low, latest=high)
                if this
                else Moment(grain="hours", earliest=low, latest=high)
            )
            self.take(match, moment=moment)
        for match in self.each(r"first thing"):
            self.take(match, moment=Moment(grain="hours", latest="11:00"))

    def join(self) -> None:
        """Joins neighbours: "from A to B" into a range, and a day with hours into one moment."""
        items = sorted(self.out, key=lambda item: item.start)
        joined: list[FoundMoment] = []
        for item in items:
            last = joined[-1] if joined else None
            if last is not None and last.moment and item.moment:
                between = self.text[last.end : item.start]
                before = self.text[: last.start]
                moment = _joined(last.moment, item.moment, between, before)
                if moment is not None:
                    start = last.start
                    opening = re.search(r"(?<!\w)(from|between) $", before)
                    if moment.parts and opening:
                        start = opening.start()
                    joined[-1] = FoundMoment(start=start, end=item.end, moment=moment)
                    continue
            joined.append(item)
        self.out = joined


def _joined(first: Moment, second: Moment, between: str, before: str) -> Moment | None:
    """Two neighbouring moments as one, or None where they do not belong together."""
    dated = ("day", "range")
    if re.fullmatch(r",? ?(?:at |on |in |in the |of )?", between):
        if first.parts and second.grain == "clock":
            return replace(first, parts=(first.parts[0], _with_hours(first.parts[1], second)))
        if first.grain in dated and second.grain in ("clock", "hours"):
            return _with_hours(first, second)
        if first.grain in ("clock", "hours") and second.grain in dated:
            return _with_hours(second, first)
        if first.grain == "range" and second.grain == "hours":
            return replace(first, earliest=second.earliest, latest=second.latest)
        if first.grain == "day" and second.grain == "range" and first.start and second.start and second.end:
            # "Tuesday next week"
            inside = [
                second.start.date() + timedelta(days=offset) for offset in range((second.end - second.start).days)
            ]
            same = [day for day in inside if day.weekday() == first.start.weekday()]
            if len(same) == 1:
                start = datetime.combine(same[0], time(), first.start.tzinfo)
                return replace(first, start=start, end=start + timedelta(days=1), repeats="")
        if first.grain == "day" and second.grain == "day" and first.start == second.start:
            return first
        return None
    if (
        re.fullmatch(r" and (?:on )?", between)
        and first.grain == "day"
        and second.grain == "day"
        and first.end == second.start
    ):
        return replace(first, grain="range", end=second.end)
    if re.fullmatch(r",? ?(?:at |on |in |in the |of )?", between):
        if first.grain == "hours" and second.grain == "hours" and not first.parts and not second.parts:
            return replace(first, earliest=second.earliest or first.earliest, latest=second.latest or first.latest)
        return None
    opened = re.search(r"(?<!\w)(from|between) $", before)
    closing = (
        r" ?(?:-|to|until|till|through|up to|and) ?(?:the )?" if opened else r" ?(?:-|until|till|through|to) ?(?:the )?"
    )
    if (
        not re.fullmatch(closing, between)
        or first.grain not in (*dated, "instant")
        or second.grain not in (*dated, "instant")
    ):
        return None
    begin, stop, last = first.start, second.start, second.end
    if begin is None or stop is None or last is None:
        return None
    if stop < begin and begin - stop <= timedelta(days=7):
        stop, last = stop + timedelta(days=7), last + timedelta(days=7)
        second = replace(second, start=stop, end=last)
    if begin <= stop:
        return Moment(grain="range", start=begin, end=last, parts=(first, second), is_past=second.is_past)
    return None


def _with_hours(day: Moment, hours: Moment) -> Moment:
    if day.grain == "day" and hours.grain == "clock" and day.start and hours.earliest:
        hour, minute = (int(part) for part in hours.earliest.split(":"))
        start = day.start.replace(hour=hour, minute=minute)
        return replace(day, grain="instant", start=start, end=start + timedelta(minutes=30))
    return replace(day, earliest=hours.earliest or day.earliest, latest=hours.latest or day.latest)
