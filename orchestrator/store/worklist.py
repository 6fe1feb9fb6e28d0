"""The worklist as the front desk sees it: wishes come in, are listed in the order they will be served, and say why they stand where.

Steering an item (priority, snooze, cancel, pause, nudge) is in `steering` and offered here as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from orchestrator import ids
from orchestrator.domain.audit import AuditEvent
from orchestrator.domain.item import DEFAULT_PRIORITY, PRIORITY_RANGE, Item, Origin, State, WaitKind, virtual_deadline
from orchestrator.errors import NotFound, UsageError
from orchestrator.store import bulk, items
from orchestrator.store.database import Tx
from orchestrator.store.items import W, descendants, item_of, wake
from orchestrator.store.steering import bump, cancel, nudge, pause, reprioritise, resume, set_due, snooze
from orchestrator.store.tables import dependencies, worklist

__all__ = [
    "NewItem",
    "Page",
    "bump",
    "cancel",
    "children",
    "descendants",
    "get",
    "is_pausing",
    "list_items",
    "nudge",
    "page",
    "pause",
    "position",
    "reasons_of",
    "reprioritise",
    "resume",
    "set_due",
    "snooze",
    "standings",
    "submit",
    "submit_many",
    "tree",
    "waiting_on",
    "wake",
    "why_here",
    "why_here_many",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewItem:
    """A wish before it is on the list. `needs`: ids of items that must be done first; `item_id`: only for ids derived in durable code."""

    request: str
    requester: str
    origin: Origin = Origin.HUMAN
    priority: int = DEFAULT_PRIORITY
    due_at: datetime | None = None
    snooze_until: datetime | None = None
    idempotency_key: str | None = None
    reply_to: Mapping[str, Any] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    parent_id: str | None = None
    needs: Sequence[str] = ()
    item_id: str | None = None


def submit(tx: Tx, new: NewItem, now: datetime) -> tuple[str, bool]:
    """(item id, whether it is new). The same requester and idempotency key meet the item submitted before, unchanged."""
    parent = items.locked(tx, new.parent_id) if new.parent_id else None
    blocked, failed = _needs(tx, new.needs)
    before = len(children(tx, parent.item_id)) if parent is not None else 0
    row = _row(tx, new, now, item_id=new.item_id or ids.new_item(), parent=parent, blocked=blocked, before=before)
    if tx.c.execute(items.insert_new(tx, worklist).values(row).returning(W.item_id)).first() is None:
        return _existing(tx, new), False
    if new.needs:
        tx.c.execute(sa.insert(dependencies), [_needing(tx, row["item_id"], need) for need in dict.fromkeys(new.needs)])
    tx.audit(
        AuditEvent(
            kind="item.submitted",
            actor=new.requester,
            at=now.isoformat(),
            item_id=row["item_id"],
            body={
                "request": _digest(new.request),
                "origin": new.origin.value,
                "priority": new.priority,
                "parent": new.parent_id,
            },
        )
    )
    if failed:
        cancel(tx, row["item_id"], "engine", now, f"it depends on {failed}, which ended without success")
    else:
        tx.nudge()
    return row["item_id"], True


def submit_many(tx: Tx, news: Sequence[NewItem], now: datetime) -> list[str]:
    """Item ids in the order given; one statement and one audit event for all. For items without dependencies or parents."""
    if any(new.needs or new.parent_id for new in news):
        return [submit(tx, new, now)[0] for new in news]
    if not news:
        return []
    made = bulk.many_ids(len(news))
    rows = [_row(tx, new, now, item_id=item_id) for new, item_id in zip(news, made, strict=True)]
    bulk.insert(tx, rows)
    keyed = {(new.requester, new.idempotency_key) for new in news if new.idempotency_key is not None}
    if keyed:
        known = _keyed(tx, keyed)
        for index, new in enumerate(news):
            if new.idempotency_key is not None:
                made[index] = known[new.requester, new.idempotency_key]
    digest = hashlib.sha256("\n".join(made).encode()).hexdigest()
    tx.audit(
        AuditEvent(
            kind="items.submitted",
            actor=news[0].requester,
            at=now.isoformat(),
            body={"count": len(made), "first": made[0], "last": made[-1], "ids": f"sha256:{digest}"},
        )
    )
    tx.nudge()
    return made


def get(tx: Tx, item_id: str) -> Item:
    """The item. Raises `NotFound`."""
    return item_of(items.row(tx, item_id))


def children(tx: Tx, item_id: str) -> list[str]:
    """Ids of the item's own children, oldest first."""
    stmt = (
        sa.select(W.item_id)
        .where(W.tenant_id == tx.tenant_id, W.parent_id == item_id)
        .order_by(W.created_at, W.item_id)
    )
    return list(tx.c.scalars(stmt))


def tree(tx: Tx, root_id: str) -> list[Item]:
    """Every item under a root, the root first, ancestors before descendants."""
    stmt = (
        sa.select(worklist)
        .where(W.tenant_id == tx.tenant_id, W.root_id == root_id)
        .order_by(W.depth, W.created_at, W.item_id)
    )
    return [item_of(row) for row in tx.c.execute(stmt)]


# ---- order ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Page:
    """Items in serving order; `next`: the cursor of the page after it, None at the end."""

    items: list[Item]
    next: str | None


RANKED = 20_000  # places in line that a page of a list counts out
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
COUNTED = 200  # places in line that are counted out for many items at once

_GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("running", (State.RUNNING.value,)),
    ("ready", (State.READY.value,)),
    ("waiting", (State.WAITING.value,)),
    ("final", items.FINAL_STATES),
)


def page(
    tx: Tx,
    *,
    states: Sequence[State] | None = None,
    requester: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page:
    """Running items, then ready and waiting ones in serving order, then finished ones, latest first."""
    group_from, after = _parse(cursor)
    wanted = {state.value for state in states} if states is not None else None
    found: list[Item] = []
    for index, (name, members) in enumerate(_GROUPS):
        kept = [state for state in members if wanted is None or state in wanted]
        if index < group_from or not kept:
            continue
        stmt = sa.select(worklist).where(W.tenant_id == tx.tenant_id, _among(name, kept))
        if requester is not None:
            stmt = stmt.where(W.requester == requester)
        key = W.finished_at if name == "final" else W.deadline_at
        if index == group_from and after is not None:
            at, item_id = after
            pair = sa.tuple_(key, W.item_id)
            bound = sa.tuple_(sa.literal(at, key.type), sa.literal(item_id))
            stmt = stmt.where(pair < bound if name == "final" else pair > bound)
        order = (key.desc(), W.item_id.desc()) if name == "final" else (key, W.item_id)
        rows = tx.c.execute(stmt.order_by(*order).limit(limit + 1 - len(found))).all()
        found += [item_of(row) for row in rows]
        if len(found) > limit:
            return Page(found[:limit], _cursor(found[limit - 1]))
    return Page(found, None)


def list_items(
    tx: Tx,
    states: Sequence[State] | None = None,
    requester: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> list[Item]:
    """The items of one `page`."""
    return page(tx, states=states, requester=requester, limit=limit, cursor=cursor).items


def position(tx: Tx, item_id: str) -> int | None:
    """1-based place among the ready items; None in any other state."""
    row = items.row(tx, item_id)
    return _before(tx, row) + 1 if row.state == State.READY.value else None


def why_here(tx: Tx, item_id: str, now: datetime) -> str:
    """One sentence: why the item stands where it stands."""
    row = items.row(tx, item_id)
    item = item_of(row)
    if item.state is State.RUNNING or item.is_final:
        return _settled_words(item, now)
    if item.state is State.WAITING:
        return _waiting_words(row, _reasons(tx, row), now)
    before = _before(tx, row)
    total = before + int(tx.c.scalar(sa.select(sa.func.count()).where(*_ready_of(tx), _order_key() >= _key(row))) or 0)
    urgent = int(
        tx.c.scalar(
            sa.select(sa.func.count()).where(*_ready_of(tx), _order_key() < _key(row), W.priority < item.priority)
        )
        or 0
    )
    due = f", due {item.due_at:%Y-%m-%d %H:%M} UTC" if item.due_at else ""
    natural = virtual_deadline(created_at=item.created_at, due_at=item.due_at, priority=item.priority)
    bumped = ", moved to the front" if item.deadline_at != natural and not item.parent_id else ""
    behind = f"; behind {urgent} more urgent" if urgent else f"; behind {before} earlier" if before else ""
    return f"{_ordinal(before + 1)} of {total}: priority {item.priority}{due}, submitted{_ago(item.created_at, now)}{bumped}{behind}."


def why_here_many(tx: Tx, rows: Sequence[Any], now: datetime, kinds: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Item id → `why_here` for many rows at the cost of one query; places beyond the first 200 are not counted out.

    kinds: item id → kinds of its open waits.
    """
    places: dict[str, int] = {}
    if any(row.state == State.READY.value for row in rows):
        first = sa.select(W.item_id).where(*_ready_of(tx)).order_by(W.deadline_at, W.item_id).limit(COUNTED)
        places = {item_id: place for place, item_id in enumerate(tx.c.scalars(first), 1)}
    busy = items.busy(rows)
    said: dict[str, str] = {}
    for row in rows:
        if row.state == State.READY.value:
            place = places.get(row.item_id)
            stands = f"{_ordinal(place)} in line" if place else f"Behind more than {COUNTED} others"
            due = f", due {row.due_at:%Y-%m-%d %H:%M} UTC" if row.due_at else ""
            said[row.item_id] = f"{stands}: priority {row.priority}{due}, submitted{_ago(row.created_at, now)}."
        elif row.state == State.WAITING.value:
            said[row.item_id] = _waiting_words(
                row, reasons_of(row, kinds.get(row.item_id, ()), is_pausing=row.item_id in busy), now
            )
        else:
            said[row.item_id] = _settled_words(item_of(row), now)
    return said


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where an item stands, as a list shows it."""

    position: int | None
    why_here: str
    waiting_on: Sequence[str]
    is_pausing: bool


def standings(tx: Tx, item_ids: Sequence[str], now: datetime) -> dict[str, Standing]:
    """Item id → where it stands, of a whole page in a few queries; places in line are counted out up to `RANKED`."""
    places: dict[str, int] = {}
    found: dict[str, Standing] = {}
    key = (W.deadline_at, W.item_id)
    place = sa.func.row_number().over(order_by=key).label("place")
    line = sa.select(W.item_id, place).where(*_ready_of(tx)).order_by(*key).limit(RANKED).subquery()
    for part in items.slices(item_ids):
        rows = tx.c.execute(sa.select(worklist).where(W.tenant_id == tx.tenant_id, W.item_id.in_(part))).all()
        if any(row.state == State.READY.value for row in rows):
            ranks = tx.c.execute(sa.select(line).where(line.c.item_id.in_(part)))
            places |= {row.item_id: row.place for row in ranks}
        kinds = items.open_kinds(tx, [row.item_id for row in rows if row.state == State.WAITING.value])
        for row in rows:
            pausing = bool(row.paused) and (row.state == State.RUNNING.value or items.runs_below(tx, row.item_id))
            reasons: Sequence[str] = ()
            if row.state == State.WAITING.value:
                reasons = reasons_of(row, kinds.get(row.item_id, ()), is_pausing=pausing)
                words = _waiting_words(row, reasons, now)
            elif row.state == State.READY.value:
                at = places.get(row.item_id)
                stands = f"{_ordinal(at)} in line" if at else f"Behind more than {RANKED} others"
                due = f", due {row.due_at:%Y-%m-%d %H:%M} UTC" if row.due_at else ""
                words = f"{stands}: priority {row.priority}{due}, submitted{_ago(row.created_at, now)}."
            else:
                words = _settled_words(item_of(row), now)
            found[row.item_id] = Standing(
                position=places.get(row.item_id), why_here=words, waiting_on=reasons, is_pausing=pausing
            )
    return found


def waiting_on(tx: Tx, item_id: str) -> list[str]:
    """What a waiting item waits on, in the words of the item document; empty in any other state."""
    row = items.row(tx, item_id)
    return _reasons(tx, row) if row.state == State.WAITING.value else []


def is_pausing(tx: Tx, item_id: str) -> bool:
    """Whether the item is to pause and something of it, or of what is below it, still runs."""
    row = items.row(tx, item_id)
    return bool(row.paused) and (row.state == State.RUNNING.value or items.runs_below(tx, item_id))


def _reasons(tx: Tx, row: Any) -> list[str]:
    kinds = items.open_kinds(tx, [row.item_id]).get(row.item_id, [])
    return reasons_of(row, kinds, is_pausing=row.paused and items.runs_below(tx, row.item_id))


def reasons_of(row: Any, kinds: Sequence[str], *, is_pausing: bool) -> list[str]:
    """What a waiting row waits on, its open waits' kinds known. INVARIANT: "paused" is said only when nothing below it runs."""
    found = [WaitKind.PAUSED.value] if row.paused and not is_pausing else []
    found += [kind for kind in kinds if kind not in found]
    if row.blocked_by and WaitKind.CHILD.value not in found:
        found.append(WaitKind.CHILD.value)
    if (row.snooze_until is not None or row.hold_until_s is not None) and WaitKind.TIMER.value not in found:
        found.append(WaitKind.TIMER.value)
    return found


def _waiting_words(row: Any, reasons: Sequence[str], now: datetime) -> str:
    if row.paused:
        if WaitKind.PAUSED.value not in reasons:
            return "Pausing: what runs below it stops at its next step."
        return "Paused by a person; `deputy run resume` goes on."
    if row.snooze_until is not None:
        return f"Snoozed until {row.snooze_until:%Y-%m-%d %H:%M} UTC."
    if row.hold_until_s is not None:
        return "Its worker was lost in the middle of a send; it goes on when nothing of that can arrive any more."
    if row.blocked_by:
        return f"Waiting for {row.blocked_by} other item{'s' if row.blocked_by > 1 else ''} to be done first."
    words = {
        "approval": "an approval",
        "answer": "an answer",
        "child": "a task of its own",
        "timer": "its time",
        "reconsent": "a connection",
        "repair": "a person to look",
        "paused": "a halt to be lifted (`deputy halt --ls`)",
    }
    return f"Waiting for {' and '.join(words.get(kind, kind) for kind in reasons) or 'its next turn'}{_since(row.started_at, now)}."


def _settled_words(item: Item, now: datetime) -> str:
    """Of a running or ended item."""
    if item.state is State.RUNNING:
        stops = ", and will stop at its next step" if item.cancel_requested else ""
        stops = stops or (", and will pause at its next step" if item.paused else "")
        return f"Running{_since(item.started_at, now)}{stops}."
    return f"{item.state.value.replace('_', ' ').capitalize()}{_ago(item.finished_at, now)}."


# ---- small things --------------------------------------------------------------------------------------------------
def _among(name: str, kept: Sequence[str]) -> sa.ColumnElement[bool]:
    """Names the state by a literal, so that the partial index of the group applies."""
    if name == "final":
        return sa.and_(W.finished_at.is_not(None), W.state.in_(kept))
    return W.state == sa.literal_column(f"'{kept[0]}'")


def _ready_of(tx: Tx) -> tuple[sa.ColumnElement[bool], ...]:
    return (W.tenant_id == tx.tenant_id, W.state == sa.literal_column("'ready'"))


def _order_key() -> Any:
    return sa.tuple_(W.deadline_at, W.item_id)


def _key(row: Any) -> Any:
    return sa.tuple_(sa.literal(row.deadline_at, W.deadline_at.type), sa.literal(row.item_id))


def _before(tx: Tx, row: Any) -> int:
    return int(tx.c.scalar(sa.select(sa.func.count()).where(*_ready_of(tx), _order_key() < _key(row))) or 0)


def _row(
    tx: Tx, new: NewItem, now: datetime, *, item_id: str, parent: Any = None, blocked: int = 0, before: int = 0
) -> dict[str, Any]:
    """A row of the worklist. before: siblings made before it, which are listed first, and served first among equals."""
    if new.priority not in PRIORITY_RANGE:
        raise UsageError(
            f"priority {new.priority} is out of range", fix=f"use {PRIORITY_RANGE.start} to {PRIORITY_RANGE.stop - 1}"
        )
    if "\x00" in new.request:
        raise UsageError("the request holds a NUL character", fix="send plain text")
    snoozed = new.snooze_until if new.snooze_until is not None and new.snooze_until > now else None
    deadline = items.deadline(parent, created_at=now, priority=new.priority, due_at=new.due_at)
    paused = parent is not None and parent.paused
    return {
        "tenant_id": tx.tenant_id,
        "item_id": item_id,
        "root_id": parent.root_id if parent is not None else item_id,
        "parent_id": new.parent_id,
        "depth": parent.depth + 1 if parent is not None else 0,
        "request": new.request,
        "requester": new.requester,
        "origin": new.origin.value,
        "state": State.WAITING.value if snoozed or blocked or paused else State.READY.value,
        "priority": new.priority,
        "due_at": new.due_at,
        "deadline_at": deadline + timedelta(microseconds=before),
        "paused": paused,
        "snooze_until": snoozed,
        "wake_at": snoozed,
        "blocked_by": blocked,
        "created_at": now + timedelta(microseconds=before),
        "idempotency_key": new.idempotency_key,
        "reply_to": None if new.reply_to is None else dict(new.reply_to),
        "options": dict(new.options),
        "lost_since": parent.lost_since if parent is not None else None,
    }


def _needing(tx: Tx, item_id: str, need: str) -> dict[str, str]:
    return {"tenant_id": tx.tenant_id, "item_id": item_id, "needs_id": need}


def _needs(tx: Tx, needs: Sequence[str]) -> tuple[int, str | None]:
    """(how many of them are unfinished, one that ended without success). Locks them, so that none ends meanwhile unseen."""
    if not needs:
        return 0, None
    stmt = sa.select(W.item_id, W.state).where(W.tenant_id == tx.tenant_id, W.item_id.in_(sorted(set(needs))))
    states = {
        row.item_id: row.state for row in tx.c.execute(stmt.order_by(W.depth, W.item_id).with_for_update(read=True))
    }
    for need in needs:
        if need not in states:
            raise NotFound(f"there is no item {need!r} to depend on", fix="`deputy work ls` lists them")
    failed = next(
        (need for need in needs if states[need] in items.FINAL_STATES and states[need] != State.DONE.value), None
    )
    return sum(1 for state in states.values() if state not in items.FINAL_STATES), failed


def _existing(tx: Tx, new: NewItem) -> str:
    if new.idempotency_key is None:
        if new.item_id is None:
            raise AssertionError("a drawn id met another item")
        return new.item_id
    stmt = sa.select(W.item_id).where(
        W.tenant_id == tx.tenant_id, W.requester == new.requester, W.idempotency_key == new.idempotency_key
    )
    return str(tx.c.execute(stmt).scalar_one())


def _keyed(tx: Tx, keyed: set[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """(requester, key) → item id, of every key that has an item."""
    found: dict[tuple[str, str], str] = {}
    for requester in {requester for requester, _ in keyed}:
        for part in items.slices(sorted(key for one, key in keyed if one == requester)):
            stmt = sa.select(W.idempotency_key, W.item_id).where(
                W.tenant_id == tx.tenant_id, W.requester == requester, W.idempotency_key.in_(part)
            )
            found |= {(requester, row.idempotency_key): row.item_id for row in tx.c.execute(stmt)}
    return found


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _cursor(item: Item) -> str:
    """Of letters that an address and a shell take as they are."""
    name = item.state.value if not item.is_final else "final"
    at = item.finished_at if item.is_final else item.deadline_at
    assert at is not None
    return f"{name}.{(at - _EPOCH) // timedelta(microseconds=1)}.{item.item_id}"


def _parse(cursor: str | None) -> tuple[int, tuple[datetime, str] | None]:
    if cursor is None:
        return 0, None
    try:
        name, at, item_id = cursor.split(".")
        return [group for group, _ in _GROUPS].index(name), (_EPOCH + timedelta(microseconds=int(at)), item_id)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{cursor!r} is not a cursor of this list", fix="use the `next` of the page before, unchanged"
        ) from error


def _ordinal(number: int) -> str:
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"


def _span(length: timedelta) -> str:
    seconds = max(0, int(length.total_seconds()))
    for size, word in ((86_400, "day"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {word}{'s' if word == 'day' and count > 1 else ''}"
    return f"{seconds} s"


def _ago(at: datetime | None, now: datetime) -> str:
    return "" if at is None else f" {_span(now - at)} ago"


def _since(at: datetime | None, now: datetime) -> str:
    return "" if at is None else f", begun {_span(now - at)} ago"
