"""Expressions and texts of workflow files: sandboxed Jinja2 over plain JSON values, with a few filters for times and names.

A string that is one `{{ … }}` and nothing else gives the value itself (a list stays a list); any other string with braces gives
text; a string without braces is a constant. An unknown name is an error, never an empty text. No I/O, no clock.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import StrictUndefined, TemplateError, Undefined, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from orchestrator.errors import DeputyError

_WHOLE = re.compile(r"^\s*\{\{((?:(?!\}\}|\{\{).)*)\}\}\s*$", re.DOTALL)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n\s*\n")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


class BadExpression(DeputyError):
    """An expression of a workflow file cannot be read or evaluated."""

    code = "bad_expression"


def parse_time(value: Any) -> datetime:
    """An aware datetime from ISO 8601 text (a bare date is midnight UTC) or a datetime."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    moment = datetime.fromisoformat(str(value))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with seconds precision: the form every tool takes."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def day_text(value: Any, zone: str = "UTC") -> str:
    """E.g. "Tuesday 24 November". A bare date is taken as it stands."""
    moment = (
        date.fromisoformat(value)
        if isinstance(value, str) and len(value) == 10
        else parse_time(value).astimezone(ZoneInfo(zone))
    )
    return f"{_DAYS[moment.weekday()]} {moment.day} {_MONTHS[moment.month - 1]}"


def clock_text(value: Any, zone: str = "UTC") -> str:
    """E.g. "14:30"."""
    return parse_time(value).astimezone(ZoneInfo(zone)).strftime("%H:%M")


def local_text(value: Any, zone: str = "UTC") -> str:
    """E.g. "Tue 24 Nov, 14:30"."""
    moment = parse_time(value).astimezone(ZoneInfo(zone))
    return f"{_DAYS[moment.weekday()][:3]} {moment.day} {_MONTHS[moment.month - 1][:3]}, {moment:%H:%M}"


def zone_text(zone: str) -> str:
    """E.g. "Lisbon time"; "UTC" stays UTC."""
    return zone if "/" not in zone else zone.rpartition("/")[2].replace("_", " ") + " time"


def slot_text(slot: Mapping[str, Any], zone: str = "UTC") -> str:
    """E.g. "Tuesday 24 November, 14:30–15:00 (Lisbon time)" for a record with start and end."""
    start, end = (parse_time(slot[key]).astimezone(ZoneInfo(zone)) for key in ("start", "end"))
    last = f"{end:%H:%M}" if end.date() == start.date() else f"{day_text(end, zone)}, {end:%H:%M}"
    return f"{day_text(start, zone)}, {start:%H:%M}–{last} ({zone_text(zone)})"


def names_text(values: Sequence[Any]) -> str:
    """E.g. "Dana, Li and Omar", from people, attendees or plain text."""
    texts = [
        str(value.get("name") or value.get("address")) if isinstance(value, Mapping) else str(value) for value in values
    ]
    return texts[0] if len(texts) == 1 else ", ".join(texts[:-1]) + (" and " + texts[-1] if texts else "")


def first_sentence(text: Any) -> str:
    """The text up to the end of its first sentence or paragraph, in one line."""
    return " ".join(_SENTENCE_END.split(str(text or "").strip(), maxsplit=1)[0].split())


def clip(text: Any, size: int = 80) -> str:
    """At most `size` characters in one line, cut at a word."""
    line = " ".join(str(text or "").split())
    if len(line) <= size:
        return line
    return line[:size].rsplit(" ", 1)[0].rstrip(",;:") + "…"


def plural(count: Any, one: str, many: str | None = None) -> str:
    """E.g. "1 mail", "3 mails". Takes a number or a list."""
    number = count if isinstance(count, int) else len(count)
    return f"{number} {one if number == 1 else many or one + 's'}"


def untold(answer: Any) -> bool:
    """Whether a calendar's answer says that nobody was told of the change: its server sends no invitations."""
    return isinstance(answer, Mapping) and answer.get("invitations") == "not_sent"


def shift(value: Any, *, days: int = 0, hours: int = 0, minutes: int = 0) -> str:
    """The same date or instant, later (or earlier) by that much; the form it came in is kept."""
    if isinstance(value, str) and len(value) == 10:
        return (date.fromisoformat(value) + timedelta(days=days)).isoformat()
    return iso(parse_time(value) + timedelta(days=days, hours=hours, minutes=minutes))


def day_start(value: Any, zone: str = "UTC") -> str:
    """The first instant of that day in `zone`. Takes a date or an instant."""
    day = (
        date.fromisoformat(value)
        if isinstance(value, str) and len(value) == 10
        else parse_time(value).astimezone(ZoneInfo(zone)).date()
    )
    return iso(datetime.combine(day, time(), ZoneInfo(zone)))


def day_end(value: Any, zone: str = "UTC") -> str:
    """The first instant of the day after."""
    start = parse_time(day_start(value, zone)).astimezone(ZoneInfo(zone))
    return iso(datetime.combine(start.date() + timedelta(days=1), time(), ZoneInfo(zone)))


def groups(rows: Sequence[Mapping[str, Any]], key: str) -> list[dict[str, Any]]:
    """`[{"key", "rows"}]`, the largest group first, otherwise in the order met."""
    found: dict[Any, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row.get(key), []).append(row)
    return [{"key": name, "rows": members} for name, members in sorted(found.items(), key=lambda pair: -len(pair[1]))]


def subject_text(subject: Any) -> str:
    """A mail's subject without its Re:/Fwd: prefixes."""
    return (
        re.sub(r"^\s*((re|aw|fwd?|wg)\s*(\[\d+\])?:\s*)+", "", str(subject or ""), flags=re.IGNORECASE).strip()
        or "(no subject)"
    )


def holds_any(text: Any, words: Sequence[str]) -> bool:
    """Whether the text holds one of these words or phrases, at word borders, whatever the case."""
    return any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", str(text or ""), re.IGNORECASE) for word in words)


def similar(words: Any, text: Any) -> bool:
    """Whether every word of `words` occurs in `text` (case, plural s and punctuation aside)."""

    def stems(value: Any) -> set[str]:
        return {
            word[:-1] if len(word) > 3 and word.endswith("s") else word
            for word in re.findall(r"\w+", str(value or "").casefold())
        }

    return stems(words) <= stems(text)


def on_clock(value: Any, clock: str, zone: str = "UTC") -> str:
    """The instant of "HH:MM" on that day in `zone`. Takes a date or an instant."""
    start = parse_time(day_start(value, zone)).astimezone(ZoneInfo(zone))
    hour, minute = (int(part) for part in clock.split(":"))
    return iso(start.replace(hour=hour, minute=minute))


def at_least(value: Any, other: Any) -> str:
    """The later of two instants."""
    return iso(max(parse_time(value), parse_time(other)))


def minutes_of(record: Mapping[str, Any]) -> int:
    """The length of a record with start and end, in minutes."""
    return int((parse_time(record["end"]) - parse_time(record["start"])).total_seconds() // 60)


def fits(record: Mapping[str, Any], meant: Mapping[str, Any], zone: str = "UTC") -> bool:
    """Whether a calendar event is what an event slot means: title words, person, instant, time of day, days."""
    start = parse_time(record["start"])
    local = start.astimezone(ZoneInfo(zone))
    clock = f"{local:%H:%M}"
    person = meant.get("person")
    there = {attendee["address"] for attendee in record.get("attendees", ())} | {record.get("organizer")}
    return (
        (not meant.get("words") or similar(meant["words"], record.get("title")))
        and (not person or person["address"] in there)
        and (not meant.get("at") or start == parse_time(meant["at"]))
        and (not meant.get("clock") or clock == meant["clock"])
        and (not meant.get("start") or start >= parse_time(meant["start"]))
        and (not meant.get("end") or start < parse_time(meant["end"]))
        and (not meant.get("earliest") or clock >= meant["earliest"])
        and (not meant.get("latest") or clock < meant["latest"])
    )


def one_a_day(rows: Sequence[Mapping[str, Any]], count: int, zone: str = "UTC") -> list[Mapping[str, Any]]:
    """At most `count` rows with a start: the first of each day, filled up with the next ones where there are fewer days."""
    firsts: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        firsts.setdefault(day_text(row["start"], zone), row)
    chosen = list(firsts.values())[:count]
    chosen += [row for row in rows if row not in chosen][: count - len(chosen)]
    return sorted(chosen, key=lambda row: parse_time(row["start"]))


@cache
def environment() -> ImmutableSandboxedEnvironment:
    """The one Jinja environment: sandboxed, immutable values, strict about unknown names."""
    env = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    filters: dict[str, Callable[..., Any]] = {
        "at": parse_time,
        "iso": lambda value: iso(parse_time(value)),
        "day": day_text,
        "clock": clock_text,
        "local": local_text,
        "zone_name": zone_text,
        "slot": slot_text,
        "names": names_text,
        "first_sentence": first_sentence,
        "clip": clip,
        "plural": plural,
        "untold": untold,
        "shift": shift,
        "day_start": day_start,
        "day_end": day_end,
        "groups": groups,
        "subject": subject_text,
        "holds_any": holds_any,
        "on_clock": on_clock,
        "minutes_of": minutes_of,
        "at_least": at_least,
        "fits": fits,
        "one_a_day": one_a_day,
        "within": lambda words, text: similar(words, text),
    }
    env.filters.update(filters)
    return env


def is_expression(text: str) -> bool:
    return _WHOLE.match(text) is not None


def _bare(expression: str) -> str:
    whole = _WHOLE.match(expression)
    return whole.group(1).strip() if whole else expression


@cache
def _compiled(expression: str) -> Any:
    try:
        return environment().compile_expression(_bare(expression), undefined_to_none=False)
    except TemplateError as error:
        raise BadExpression(
            f"{expression!r} cannot be read: {error}", fix="see the expressions of docs/workflows.md"
        ) from error


@cache
def _template(text: str) -> Any:
    try:
        return environment().from_string(text)
    except TemplateError as error:
        raise BadExpression(
            f"the text {clip(text, 60)!r} cannot be read: {error}", fix="check its {{ … }} and {% … %}"
        ) from error


def evaluate(expression: str, context: Mapping[str, Any]) -> Any:
    """The value of one expression, with or without its braces. Raises BadExpression."""
    try:
        value = _compiled(expression)(**context)
    except BadExpression:
        raise
    except Exception as error:  # whatever an expression over foreign records may raise
        raise BadExpression(
            f"{expression!r} failed: {error}", fix="check the names against the step's result"
        ) from error
    if isinstance(value, Undefined):
        raise BadExpression(
            f"{expression!r} refers to something that is not there", fix="check the names against the step's result"
        )
    return value


def render(value: Any, context: Mapping[str, Any]) -> Any:
    """The same shape with every string evaluated; keys whose value is none are left out (optional arguments)."""
    if isinstance(value, str):
        if is_expression(value):
            return evaluate(value, context)
        if "{{" not in value and "{%" not in value:
            return value
        try:
            return _template(value).render(context).strip()
        except BadExpression:
            raise
        except Exception as error:  # as above
            raise BadExpression(
                f"the text {clip(value, 60)!r} failed: {error}", fix="check the names against the step's result"
            ) from error
    if isinstance(value, Mapping):
        rendered = {key: render(inner, context) for key, inner in value.items()}
        return {key: inner for key, inner in rendered.items() if inner is not None}
    if isinstance(value, (list, tuple)):
        return [render(inner, context) for inner in value]
    return value


def references(value: Any, *, expression: bool = False) -> frozenset[str]:
    """The names that a value refers to. `expression`: the string is one even without braces. Raises BadExpression."""
    if isinstance(value, str):
        if expression:
            value = "{{ " + _bare(value) + " }}"
        if "{{" not in value and "{%" not in value:
            return frozenset()
        try:
            return frozenset(meta.find_undeclared_variables(environment().parse(value)))
        except TemplateError as error:
            raise BadExpression(
                f"{clip(value, 60)!r} cannot be read: {error}", fix="check its {{ … }} and {% … %}"
            ) from error
    if isinstance(value, Mapping):
        return frozenset().union(*(references(inner) for inner in value.values()))
    if isinstance(value, (list, tuple)):
        return frozenset().union(*(references(inner) for inner in value))
    return frozenset()
