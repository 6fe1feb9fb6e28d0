"""What a person or program hands over, checked: one wish, or many at once in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from orchestrator import clock
from orchestrator.deputy.views import document
from orchestrator.deputy.words import check_budget
from orchestrator.domain import document as documents
from orchestrator.domain.item import DEFAULT_PRIORITY, PRIORITY_RANGE, Origin
from orchestrator.domain.principal import Principal
from orchestrator.errors import Conflict, UsageError
from orchestrator.store import outbox, worklist
from orchestrator.store.database import Tx
from orchestrator.store.worklist import NewItem

LONGEST_REQUEST = 20_000  # characters


def wish(
    who: Principal,
    request: str,
    *,
    priority: int = DEFAULT_PRIORITY,
    due: datetime | None = None,
    key: str | None = None,
    options: Mapping[str, Any] | None = None,
    needs: Sequence[str] = (),
    origin: Origin = Origin.HUMAN,
    reply_to: Mapping[str, Any] | None = None,
) -> NewItem:
    """The wish as the worklist takes it. A program's words are not the person's own, and it approves nothing in advance."""
    text = request.strip()
    if not text:
        raise UsageError(
            "the request is empty", fix='say what you want, e.g. deputy ask "what is on my calendar today"'
        )
    if len(text) > LONGEST_REQUEST:
        raise UsageError(f"the request has {len(text)} characters", fix=f"keep it below {LONGEST_REQUEST}")
    if priority not in PRIORITY_RANGE:
        raise UsageError(
            f"priority {priority} is out of range", fix="use a whole number; smaller is more urgent, 100 is usual"
        )
    check_budget((options or {}).get("budget"))
    return NewItem(
        request=text,
        requester=who.principal_id,
        origin=Origin.AGENT if origin is Origin.HUMAN and not who.is_human else origin,
        priority=priority,
        due_at=due,
        idempotency_key=key,
        options={k: v for k, v in (options or {}).items() if who.is_human or k != "approve_all"},
        needs=tuple(needs),
        reply_to=reply_to,
    )


def put_one(tx: Tx, new: NewItem) -> str:
    """Item id of the wish, or of the earlier one with the same key. Conflict for a key that belongs to another request."""
    item_id, created = worklist.submit(tx, new, clock.now())
    if not created and worklist.get(tx, item_id).request != new.request:
        raise Conflict(f"key {new.idempotency_key!r} belongs to another request ({item_id})", fix="use another key")
    return item_id


def put_many(tx: Tx, news: Sequence[NewItem]) -> list[dict[str, Any]]:
    """The documents in the order given, all of them or none: one transaction, one statement, one audit event, one piece of news."""
    now = clock.now()
    made = worklist.submit_many(tx, news, now)
    outbox.put(tx, made[0], "items.submitted", {"count": len(made), "actor": news[0].requester}, None, now)
    told: list[dict[str, Any]] = []
    for item_id, new in zip(made, news, strict=True):
        item = worklist.get(tx, item_id)
        if item.request != new.request:
            raise Conflict(f"key {new.idempotency_key!r} belongs to another request ({item_id})", fix="use another key")
        if item.created_at != now:  # a wish of before, with the same key
            told.append(document(tx, item))
            continue
        told.append(
            documents.document(
                item,
                position=None,
                why_here=f"Submitted with {len(made) - 1} others." if len(made) > 1 else "",
                runs=(),
                children=(),
                reasons=(),
                waits=(),
                effects=(),
                approvals=(),
                receipt=None,
            )
        )
    return told
