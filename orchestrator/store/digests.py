"""An owner's digest, read from rows: their schedules' firings with items, cards and what comes next."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from orchestrator.domain import digest as pages
from orchestrator.domain.digest import Asked, Entry
from orchestrator.domain.effect import ApprovalState, EffectState
from orchestrator.domain.schedule import Firing, Kind
from orchestrator.errors import NotFound
from orchestrator.store import approvals, effects, runs, schedules, waits, worklist
from orchestrator.store.database import Tx


def digest(tx: Tx, owner: str, since: datetime, now: datetime) -> dict[str, Any]:
    """What came, ended or still is open since then, for one owner. Digests themselves are not in it."""
    mine = {one.name: one for one in schedules.every(tx, owner=owner)}
    entries: list[Entry] = []
    cards: list[Asked] = []
    for name, firing in schedules.since(tx, owner, since):
        if mine[name].kind is not Kind.DIGEST:
            entries.append(_entry(tx, owner, name, firing, cards))
    coming = [
        {"schedule": one.name, "at": one.next_at.isoformat()}
        for one in sorted(mine.values(), key=lambda one: (one.next_at or now, one.name))
        if one.next_at is not None
    ]
    return pages.document(owner, since, now, entries, cards, coming)


def _entry(tx: Tx, owner: str, name: str, firing: Firing, cards: list[Asked]) -> Entry:
    if firing.item_id is None:
        return Entry(schedule=name, firing=firing)
    try:
        item = worklist.get(tx, firing.item_id)
    except NotFound:
        return Entry(schedule=name, firing=firing)
    below = [item.item_id, *worklist.descendants(tx, item.item_id)]
    known = effects.of_tree(tx, item.item_id)
    by_id = {effect.effect_id: effect for effect in known}
    open_waits = waits.open_of_items(tx, below) if not item.is_final else []
    cards += [
        Asked(
            approval_id=card.approval_id,
            item_id=card.item_id,
            schedule=name,
            tool=by_id[card.effect_id].tool,
            preview=by_id[card.effect_id].preview,
            digest=card.digest,
            expires_at=card.expires_at,
            is_mine=owner in card.eligible,
        )
        for card in approvals.of_items(tx, below)
        if card.state is ApprovalState.PENDING and card.effect_id in by_id
    ]
    spent = [run.receipt for each in runs.of_items(tx, below).values() for run in each if run.receipt]
    odd = {str(told) for effect in known if (told := (effect.facts.get("guard") or {}).get("unusual"))}
    return Entry(
        schedule=name,
        firing=firing,
        state=item.state.value,
        text=item.text or "",
        waiting_on=sorted({wait.kind.value for wait in open_waits}) if item.state.value == "waiting" else [],
        question=next((str(wait.payload["text"]) for wait in open_waits if wait.payload.get("text")), ""),
        error=(item.error or {}).get("message", ""),
        effects=sum(effect.state in (EffectState.DONE, EffectState.UNDONE) for effect in known),
        cost_usd=sum(float(receipt.get("cost_usd", 0.0)) for receipt in spent),
        odd=sorted(odd),
    )
