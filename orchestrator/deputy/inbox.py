"""The inbox at the front desk: short rows for long lists, and what a person needs beside one card before deciding.

Reads only; deciding is the front desk's own verb. What stood before a change is taken from what the run itself has read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from orchestrator import clock
from orchestrator.deputy.views import may_see, steps_of
from orchestrator.domain import document as documents
from orchestrator.domain.effect import ApprovalState
from orchestrator.domain.principal import Principal
from orchestrator.errors import NotFound
from orchestrator.store import approvals as approvals_table
from orchestrator.store import effects as effects_table
from orchestrator.store import inbox as inbox_table
from orchestrator.store import people as people_table
from orchestrator.store import worklist
from orchestrator.store.database import Store

TELLING = ("title", "subject", "event_id", "message_id", "name", "text", "body", "channel", "person")  # best first
_ID = re.compile(r" \([a-z]+_[0-9a-z]{6,}\)")  # behind a title: for the machine
HEADLINE = 90  # characters
SIMILAR = 40  # past decisions about the same tool that are looked at


class Inbox:
    """Cards as lists and their neighbours show them, over one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def page(
        self,
        who: Principal,
        *,
        state: str | None = "pending",
        limit: int = 200,
        after: tuple[datetime, str] | None = None,
    ) -> list[dict[str, Any]]:
        """Short rows, oldest first; `state` None: all, the newest first."""
        with self._store.read() as tx:
            rows = inbox_table.page(
                tx,
                [ApprovalState(state)] if state else None,
                seen_by=None if who.sees_all else who.principal_id,
                limit=limit,
                after=after,
                newest_first=state != "pending",
            )
        return [_short(row) for row in rows]

    def counts(self, who: Principal) -> dict[str, int]:
        """{"approvals", "work"}: cards that wait, and items that have not ended."""
        seen_by = None if who.sees_all else who.principal_id
        with self._store.read() as tx:
            return {
                "approvals": inbox_table.count(tx, [ApprovalState.PENDING], seen_by=seen_by),
                "work": inbox_table.open_items(tx, seen_by=seen_by),
            }

    def beside(self, who: Principal, approval_id: str) -> dict[str, Any]:
        """{"records", "people", "similar", "siblings", "now"}.

        records: argument → what the run had read of the object that it names; people: address → who that is; similar: what
        was decided before about the same tool, the newest first; siblings: other cards of the same request.
        """
        with self._store.read() as tx:
            card = approvals_table.get(tx, approval_id)
            if not may_see(tx, who, card.item_id, card.eligible):
                raise NotFound(f"there is no approval {approval_id!r}", fix="see: deputy inbox ls")
            effect = effects_table.get(tx, card.effect_id)
            requester = worklist.get(tx, card.item_id).requester
            steps = steps_of(tx, who, effect.run_id, requester)
            seen_by = None if who.sees_all else who.principal_id
            past = inbox_table.page(
                tx,
                [ApprovalState.APPROVED, ApprovalState.DENIED],
                seen_by=seen_by,
                limit=SIMILAR,
                tool=effect.tool,
                newest_first=True,
            )
            everybody = {one.address: one for one in people_table.all(tx)}
            others = [one for one in approvals_table.of_item(tx, card.item_id) if one.approval_id != approval_id]
        records = {name: _record(steps, value) for name, value in effect.args.items() if isinstance(value, str)}
        named = {one.lower() for one in _texts([effect.args, records, card.card.get("outside"), [requester]])}
        mine = set(card.card.get("reaches") or ())
        similar = [
            _short(row) | {"same_people": bool(mine & set(row.card.get("reaches") or ()))}
            for row in past
            if row.approval_id != approval_id
        ]
        return {
            "run_id": effect.run_id,
            "records": {name: record for name, record in records.items() if record is not None},
            "people": {
                address: {"name": one.name, "inside": one.inside, "zone": one.zone, "role": one.role, "team": one.team}
                for address, one in everybody.items()
                if address in named
            },
            "similar": sorted(similar, key=lambda one: not one["same_people"]),
            "siblings": [
                {
                    "approval_id": one.approval_id,
                    "state": one.state.value,
                    "title": one.card.get("title", ""),
                    "headline": headline(one.card),
                }
                for one in others
            ],
            "effect": documents.effect_entry(effect),
            "now": clock.now().isoformat(),
        }


def headline(card: Mapping[str, Any]) -> str:
    """What the call is about, in a few words: its most telling argument as the card shows it."""
    lines = {str(line["name"]): str(line["value"]) for line in card.get("lines") or () if isinstance(line, Mapping)}
    found = next((lines[name] for name in TELLING if lines.get(name)), next(iter(lines.values()), ""))
    flat = " ".join(_ID.sub("", found).split())
    return flat if len(flat) <= HEADLINE else f"{flat[: HEADLINE - 1]}…"


def _short(row: inbox_table.Row) -> dict[str, Any]:
    card = row.card
    return {
        "approval_id": row.approval_id,
        "item_id": row.item_id,
        "state": row.state,
        "effect_state": row.effect_state,
        "digest": row.digest,
        "tool": row.tool,
        "title": card.get("title") or row.tool,
        "headline": headline(card),
        "reaches": [str(one).split(" <")[0] for one in (card.get("reaches") or ())[:3]],
        "outside": len(card.get("outside") or ()),
        "irreversible": bool(card.get("irreversible")),
        "request": row.request[:200],
        "requester": row.requester,
        "created_at": documents.iso(row.created_at),
        "expires_at": documents.iso(row.expires_at),
        "decided_at": documents.iso(row.decided_at),
        "decided_by": list(row.decided_by),
    }


def _record(steps: Sequence[Mapping[str, Any]], identity: str) -> Mapping[str, Any] | None:
    """The latest record of the run's reads that carries this id, as it was read."""
    for step in reversed(steps):
        body = step["body"]
        if isinstance(body, Mapping) and step["kind"] in ("read", "result"):
            for one in _mappings(body.get("result") or body.get("value")):
                if identity in (one.get("message_id"), one.get("event_id"), one.get("channel")) and len(one) > 2:
                    return one
    return None


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        yield value
        for one in value.values():
            yield from _mappings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _mappings(one)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if "@" in value:
            yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)
