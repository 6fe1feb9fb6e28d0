"""What a schedule's run does while nobody answers: until when what it asks waits, and what stands then. Pure.

INVARIANT: a default answers a question, by a choice that a person has named beforehand. No card is decided by it: an approval is a
person's word on exactly what they have seen, and nobody gives it for the times to come.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from orchestrator.domain import recurrence
from orchestrator.errors import UsageError

SHORTEST, LONGEST = timedelta(seconds=1), timedelta(days=31)
LONGEST_ANSWER = 1000  # characters
_SPAN = re.compile(r"(?:(\d{1,7})d)?\s*(?:(\d{1,7})h)?\s*(?:(\d{1,7})m(?:in)?)?\s*(?:(\d{1,7})s)?")
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


class Then(StrEnum):
    """What becomes of a question that nobody has answered. A card is denied either way."""

    DENY = "deny"  # the run is cancelled
    DEFAULT = "default"  # the named choice stands, where the question offers it; else as `deny`


@dataclass(frozen=True, slots=True, kw_only=True)
class Unattended:
    """`until`: "2h30m" after the run's start, or "10:00" on the wall of the schedule's zone. `answer`: set with `default` alone."""

    until: str
    then: Then = Then.DENY
    answer: str = ""
    set_by: str
    set_at: datetime

    @property
    def span(self) -> timedelta | None:
        """None: it is a time on the wall."""
        return None if _CLOCK.fullmatch(self.until) else span(self.until)

    @property
    def origin(self) -> str:
        """As the audit chain and the owner read it."""
        return f"by the schedule's default, set by {self.set_by} at {self.set_at.isoformat(timespec='seconds')}"

    def ends(self, started: datetime, zone: str) -> datetime:
        """The instant: so long after `started`, or the first after it at which the wall shows that time, or has just leapt over it."""
        wait = self.span
        return started + wait if wait is not None else _first(self.until, started, ZoneInfo(zone))

    def choice(self, choices: Sequence[str]) -> str | None:
        """The one of these that `answer` names by itself, in full or in part; None where it names none or several."""
        said = self.answer.casefold()
        if self.then is not Then.DEFAULT or not said:
            return None
        exact = [one for one in choices if one.casefold() == said]
        close = exact or [one for one in choices if said in one.casefold()]
        return close[0] if len(close) == 1 else None

    def as_json(self) -> dict[str, Any]:
        return {
            "until": self.until,
            "then": self.then.value,
            "answer": self.answer or None,
            "set_by": self.set_by,
            "set_at": self.set_at.isoformat(),
        }


def read(said: Mapping[str, Any], *, by: str, now: datetime) -> Unattended:
    """What a person has set: {"until", "then"?, "answer"?}. Raises `UsageError` with a fix."""
    if unknown := sorted(set(said) - {"until", "then", "answer"}):
        raise UsageError(f"unattended has no {unknown[0]!r}", fix="give until, then and answer")
    try:
        then = Then(said.get("then") or Then.DENY.value)
    except ValueError as error:
        raise UsageError(
            f"{said.get('then')!r} is nothing that can stand for a person's word",
            fix="deny, or default: a choice named beforehand, for questions only; a card is always a person's to decide",
        ) from error
    answer = str(said.get("answer") or "").strip()
    if then is Then.DEFAULT and not answer:
        raise UsageError(
            "no default answer is named",
            fix="name the choice that stands when nobody answers, e.g. --answer 'the first one'",
        )
    if then is Then.DENY and answer:
        raise UsageError("an answer stands with `default` only", fix="say then: default, or leave the answer out")
    if len(answer) > LONGEST_ANSWER or not answer.isprintable():
        raise UsageError(f"an answer has at most {LONGEST_ANSWER} printable characters", fix="name one choice")
    return Unattended(until=_until(str(said.get("until") or "")), then=then, answer=answer, set_by=by, set_at=now)


def stored(kept: Mapping[str, Any]) -> Unattended:
    """What `as_json` has written."""
    return Unattended(
        until=kept["until"],
        then=Then(kept["then"]),
        answer=kept["answer"] or "",
        set_by=kept["set_by"],
        set_at=datetime.fromisoformat(kept["set_at"]),
    )


def span(text: str) -> timedelta:
    """ "90s", "10m", "2h30m", "1d". Raises `UsageError`."""
    parts = _SPAN.fullmatch(text.strip().lower())
    if parts is None or not any(parts.groups()):
        raise UsageError(f"{text!r} is no span of time", fix="write e.g. 10m, 2h30m or 1d")
    days, hours, minutes, seconds = (int(part or 0) for part in parts.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def spelled(wait: timedelta) -> str:
    """A span as `span` reads it, in whole seconds."""
    rest, parts = int(wait.total_seconds()), []
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        parts += [f"{count}{unit}"] if count else []
    return "".join(parts) or "0s"


def _until(text: str) -> str:
    clock = _CLOCK.fullmatch(text.strip())
    if clock is not None:
        return f"{int(clock[1]):02}:{clock[2]}"
    try:
        wait = span(text)
    except UsageError as error:
        raise UsageError(
            f"{text!r} is no end of a wait",
            fix="write a span, e.g. 2h30m, or a time of day in the schedule's zone, e.g. 10:00",
        ) from error
    if not SHORTEST <= wait <= LONGEST:
        raise UsageError(f"the wait cannot be {text!r}", fix="between a second and 31 days")
    return spelled(wait)


def _first(clock: str, after: datetime, zone: ZoneInfo) -> datetime:
    """INVARIANT: a time that the wall shows twice is met at whichever comes first after the start; one leapt over, after the leap."""
    day = after.astimezone(zone).date()
    found: list[datetime] = []
    for days in (-1, 0, 1, 2):
        wall = datetime.combine(day + timedelta(days=days), time.fromisoformat(clock))
        first = recurrence.first_instant(wall, zone)
        second = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
        found += [one for one in (first, second) if one > after and (one == first or _shows(one, zone) == wall)]
    return min(found)


def _shows(instant: datetime, zone: ZoneInfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)
