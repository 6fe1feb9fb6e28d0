"""Schedules at the front desk: a person's own words, asked again at times of their choice, and the digest of what came of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from orchestrator import clock, ids
from orchestrator.deputy.views import allowed
from orchestrator.deputy.words import check_budget
from orchestrator.domain import checks, recurrence, schedule_news
from orchestrator.domain import schedule as rules
from orchestrator.domain import unattended as words
from orchestrator.domain.checks import Check
from orchestrator.domain.item import DEFAULT_PRIORITY, PRIORITY_RANGE
from orchestrator.domain.principal import Principal
from orchestrator.domain.schedule import Kind, Missed, Overlap, Schedule
from orchestrator.domain.unattended import Unattended
from orchestrator.errors import NotEligible, NotFound, UsageError
from orchestrator.store import digests, firings
from orchestrator.store import people as people_table
from orchestrator.store import schedules as table
from orchestrator.store.database import Store, Tx

LONGEST_REQUEST = 20_000  # characters
LONGEST_NAME = 80
MOST_SHOWN = 1000
FEW = 5  # times of each schedule in a list
OPTIONS: Mapping[str, type] = {
    "agent": str,
    "agents": list,
    "budget": dict,
    "input": dict,
    "model": str,
    "no_match": bool,
    "workflow": str,
}
EPOCHS = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))  # between them times are looked for
DIGEST = "the digest of my schedules"


class Schedules:
    """Each person's own schedules, over one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(
        self,
        who: Principal,
        name: str,
        *,
        when: str,
        request: str = "",
        kind: str = Kind.ASK.value,
        options: Mapping[str, Any] | None = None,
        priority: int = DEFAULT_PRIORITY,
        missed: str = Missed.RUN_LATEST.value,
        overlap: str = Overlap.SKIP.value,
        grace: timedelta = rules.GRACE,
        asks_wait: timedelta | None = None,
        unattended: Mapping[str, Any] | None = None,
        expects: Sequence[str] = (),
        reply_to: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """A standing order of the person's own: `request` is asked, as they, at each time of `when`. Only a person gives one.

        `when`: words, cron or RRULE; without a zone, in the person's own. `unattended`: {"until", "then", "answer"}: until
        when cards and questions of a run wait, and what becomes of a question then (`domain.unattended`); None: as long as each
        does by itself. `asks_wait`: the same as a span, and then no. `expects`: checks of what a run leaves behind. `kind`
        "digest": no run, but the person's digest; `request` is empty then.
        """
        if not who.is_human:
            raise NotEligible("only a person gives standing orders", fix="ask somebody to add it")
        allowed(who, "submit")
        label, now, text = name.strip(), clock.now(), request.strip()
        if not label or len(label) > LONGEST_NAME or not label.isprintable():
            raise UsageError(
                f"a schedule needs a name of at most {LONGEST_NAME} printable characters", fix="e.g. invoices"
            )
        made_kind = _one_of(Kind, kind, "kind")
        if made_kind is Kind.DIGEST and text not in ("", DIGEST):
            raise UsageError(
                "a digest asks nothing", fix="leave the request out, or ask for it in a schedule of its own"
            )
        text = text or (DIGEST if made_kind is Kind.DIGEST else "")
        with self._store.tx() as tx:
            made = Schedule(
                schedule_id=ids.derived("sch", who.principal_id, label, now.isoformat()),
                name=label,
                owner=who.principal_id,
                kind=made_kind,
                when=recurrence.parse(when, zone=_zone(tx, who), now=now),
                request=_checked_request(text),
                options=_checked_options(options or {}),
                priority=_checked_priority(priority),
                missed=_one_of(Missed, missed, "missed"),
                overlap=_one_of(Overlap, overlap, "overlap"),
                grace=_checked_span(grace, "the grace"),
                unattended=_checked_wait(who, now, asks_wait, unattended),
                expects=_checked_expects(expects),
                reply_to=reply_to,
                created_at=now,
            )
            made = replace(made, next_at=made.when.next(now))
            table.add(tx, made)
        return made.as_json()

    def all(self, who: Principal) -> list[dict[str, Any]]:
        """The person's own by name, each with its latest times."""
        with self._store.read() as tx:
            return [self._shown(tx, one, FEW) for one in table.every(tx, owner=who.principal_id)]

    def one(self, who: Principal, name: str, *, limit: int = 20) -> dict[str, Any]:
        """By name or id, with its latest times and what became of each."""
        with self._store.read() as tx:
            return self._shown(tx, _own(tx, who, name), limit)

    def preview(
        self, who: Principal, when_or_name: str, *, count: int = 5, after: datetime | None = None
    ) -> dict[str, Any]:
        """{"rule", "zone", "next": [{"at", "local", "offset", "note"}]} of a schedule, or of a rule that is none yet."""
        if not 1 <= count <= MOST_SHOWN:
            raise UsageError(f"{count} times", fix=f"1 to {MOST_SHOWN}")
        now = after or clock.now()
        if not EPOCHS[0] <= now <= EPOCHS[1]:
            raise UsageError(f"{now.year} is out of range", fix=f"{EPOCHS[0].year} to {EPOCHS[1].year}")
        with self._store.read() as tx:
            try:
                when = _own(tx, who, when_or_name).when
            except NotFound:
                when = recurrence.parse(when_or_name, zone=_zone(tx, who), now=now)
        return {"rule": str(when), "zone": when.zone, "next": rules.preview(when, now, count)}

    def change(self, who: Principal, name: str, change: Literal["pause", "resume", "remove"]) -> dict[str, Any]:
        """By name or id. Resumed, it goes on with the next time from now; what came meanwhile was not missed."""
        _may_change(who)
        with self._store.tx() as tx:
            found, now = table.named(tx, who.principal_id, name), clock.now()
            if change == "remove":
                table.remove(tx, found, who.principal_id, now)
                return found.as_json()
            active = change == "resume"
            if active != found.active:
                found = replace(found, active=active, next_at=found.when.next(now) if active else None)
                table.put(tx, found, f"schedule.{'resumed' if active else 'paused'}", who.principal_id, now)
            return found.as_json()

    def update(self, who: Principal, name: str, **fields: Any) -> dict[str, Any]:
        """Changes what is named, as `add` takes it: when, request, options, priority, missed, overlap, grace, asks_wait,
        unattended, expects."""
        _may_change(who)
        _one_wait(fields.get("asks_wait"), fields.get("unattended"))
        unknown = sorted(set(fields) - set(_CHANGES))
        if unknown:
            raise UsageError(f"{unknown[0]!r} cannot be changed", fix=f"one of: {', '.join(_CHANGES)}")
        with self._store.tx() as tx:
            found, now = table.named(tx, who.principal_id, name), clock.now()
            for field, value in fields.items():
                if field in ("asks_wait", "unattended"):
                    found = replace(found, unattended=_checked_wait(who, now, **{field: value}))
                elif field == "when":
                    found = replace(found, when=recurrence.parse(value, zone=found.when.zone, now=now))
                else:
                    column, read = _CHANGES[field]
                    found = replace(found, **{column: read(value)})
            if "when" in fields and found.active:
                found = replace(found, next_at=found.when.next(now))
            table.put(tx, found, "schedule.changed", who.principal_id, now)
            return found.as_json()

    def fire_now(self, who: Principal, name: str) -> dict[str, Any]:
        """One run now, beside its times and under its rule for overlaps. What became of it, as in `one`."""
        _may_change(who)
        with self._store.tx() as tx:
            found, now = table.named(tx, who.principal_id, name), clock.now()
            firings.fire(tx, found, now, now, overlap=found.overlap)
            (fired,) = [one for one in table.history(tx, found.schedule_id, limit=100) if one.at == now]
            return {"name": found.name, **fired.as_json()}

    def digest(self, who: Principal, since: datetime | None = None) -> dict[str, Any]:
        """Done, waiting, failed, not started since then (a day, unless said), and what to approve by explicit ids."""
        now = clock.now()
        with self._store.read() as tx:
            return digests.digest(tx, who.principal_id, since or now - timedelta(days=1), now)

    def troubles(self, who: Principal, since: datetime | None = None, *, limit: int = 100) -> list[dict[str, Any]]:
        """The person's own times that did not start, or did not end as expected, after then (a week, unless said): newest first."""
        with self._store.read() as tx:
            found = table.troubles(tx, who.principal_id, since or clock.now() - timedelta(days=7), limit)
        return [
            {"schedule_id": one.schedule_id, "name": name, **one.as_json(), "fix": schedule_news.fix(one.state, name)}
            for name, one in found
        ]

    def _shown(self, tx: Tx, schedule: Schedule, limit: int) -> dict[str, Any]:
        times = table.history(tx, schedule.schedule_id, limit=limit)
        return schedule.as_json() | {"firings": [one.as_json() for one in times]}


def _own(tx: Tx, who: Principal, name: str) -> Schedule:
    for one in table.every(tx, owner=who.principal_id):
        if name in (one.name, one.schedule_id):
            return one
    raise NotFound(f"there is no schedule {name!r} of yours", fix="see: deputy schedule ls")


def _zone(tx: Tx, who: Principal) -> str:
    return next((one.zone for one in people_table.all(tx) if one.address == who.principal_id), "UTC")


def _may_change(who: Principal) -> None:
    if not who.is_human:
        raise NotEligible("only a person changes standing orders", fix="ask somebody")
    allowed(who, "submit")


def _one_of(kind: Any, value: str, what: str) -> Any:
    try:
        return kind(value)
    except ValueError as error:
        raise UsageError(
            f"{value!r} is no way to treat {what}" if what != "kind" else f"{value!r} is no kind of schedule",
            fix=f"one of: {', '.join(kind)}",
        ) from error


def _checked_request(text: str) -> str:
    if not text.strip():
        raise UsageError("the request is empty", fix='say what shall be asked, e.g. "what is on my calendar today"')
    if len(text) > LONGEST_REQUEST:
        raise UsageError(f"the request has {len(text)} characters", fix=f"keep it below {LONGEST_REQUEST}")
    _check_text(text)
    return text.strip()


def _check_text(text: str) -> None:
    """What no database keeps."""
    if "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise UsageError("the text holds a NUL or half a character", fix="send plain text")


def _checked_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """INVARIANT: "approve_all" is none of them: nobody decides for all the times to come at once."""
    if unknown := sorted(set(options) - set(OPTIONS)):
        raise UsageError(f"{unknown[0]!r} cannot be given to a schedule", fix=f"one of: {', '.join(sorted(OPTIONS))}")
    for name, value in options.items():
        if not isinstance(value, OPTIONS[name]):
            raise UsageError(f"{name} cannot be {value!r}", fix=f"give a {OPTIONS[name].__name__}")
    _check_text(json.dumps(dict(options), ensure_ascii=False, default=str))
    check_budget(options.get("budget"))
    return dict(options)


def _checked_expects(expects: Sequence[str]) -> tuple[Check, ...]:
    _check_text(" ".join(expects))
    return checks.many(expects)


def _checked_priority(priority: int) -> int:
    if priority not in PRIORITY_RANGE:
        raise UsageError(f"priority {priority} is out of range", fix="use a whole number; 100 is usual")
    return priority


def _one_wait(asks_wait: Any, wait: Any) -> None:
    if asks_wait is not None and wait is not None:
        raise UsageError("the wait is given twice", fix="give `unattended` alone")


def _checked_wait(
    who: Principal, now: datetime, asks_wait: timedelta | None = None, unattended: Mapping[str, Any] | None = None
) -> Unattended | None:
    _one_wait(asks_wait, unattended)
    said = unattended
    if asks_wait is not None:
        said = {"until": words.spelled(_checked_span(asks_wait, "the wait of asks"))}
    if said is None:
        return None
    _check_text(str(said.get("answer") or ""))
    return words.read(said, by=who.principal_id, now=now)


def _checked_span(span: timedelta, what: str) -> timedelta:
    if not timedelta(seconds=1) <= span <= timedelta(days=31):
        raise UsageError(f"{what} cannot be {span}", fix="between a second and 31 days")
    return span


_CHANGES: Mapping[str, tuple[str, Any]] = {
    "when": ("when", None),
    "request": ("request", _checked_request),
    "options": ("options", _checked_options),
    "priority": ("priority", _checked_priority),
    "missed": ("missed", lambda value: _one_of(Missed, value, "missed")),
    "overlap": ("overlap", lambda value: _one_of(Overlap, value, "overlap")),
    "grace": ("grace", lambda value: _checked_span(value, "the grace")),
    "asks_wait": ("unattended", None),
    "unattended": ("unattended", None),
    "expects": ("expects", _checked_expects),
}
