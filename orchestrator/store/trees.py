"""An item with everything below it, as its document shows it: one query for each table, however many items there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestrator.domain.effect import Approval, Effect
from orchestrator.domain.item import Item, State, WaitKind
from orchestrator.store import approvals, budgets, effects, items, packets, runs, waits, worklist
from orchestrator.store.database import Tx
from orchestrator.store.items import item_of

MOST = 500  # items below; unfinished and new ones are shown before others


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """below: ancestors first. reasons: what the item waits on; waits: open ones of it and of what is unfinished below it."""

    item: Item
    below: Sequence[Item]
    why_here: Mapping[str, str]  # of the items below
    reasons: Sequence[str]
    is_pausing: bool
    runs: Mapping[str, Sequence[runs.Run]]
    waits: Sequence[waits.Wait]
    effects: Sequence[Effect]
    approvals: Sequence[Approval]
    packets: Mapping[str, packets.Packet]
    budgets: Mapping[str, Mapping[str, Any]]

    def name_of(self, item_id: str) -> str | None:
        """What the agent is called that works on the item, or the workflow; None before it is known."""
        packet = self.packets.get(item_id)
        if packet is not None and packet.spec.get("name"):
            return str(packet.spec["name"])
        latest = self.runs.get(item_id, ())[-1:]
        return next((run.pins.get("agent") or run.workflow for run in latest), None)

    def waiting_on(self, below: Item) -> list[str]:
        """What an item below waits on, in the words of the item document; empty in any other state."""
        if below.state is not State.WAITING:
            return []
        found = [WaitKind.PAUSED.value] if below.paused else []
        found += dict.fromkeys(wait.kind.value for wait in self.waits if wait.item_id == below.item_id)
        return found + [WaitKind.TIMER.value] * (below.snooze_until is not None and WaitKind.TIMER.value not in found)


def load(tx: Tx, item_id: str, now: datetime) -> Tree:
    """The tree from the item downwards. Raises `NotFound`."""
    top = items.row(tx, item_id)
    rows = items.rows_below(tx, item_id, MOST)
    ids = [item_id, *(row.item_id for row in rows)]
    live = [] if top.state in items.FINAL_STATES else [row for row in rows if row.state not in items.FINAL_STATES]
    opened = (
        [] if top.state in items.FINAL_STATES else waits.open_of_items(tx, [item_id, *(row.item_id for row in live)])
    )
    kinds: dict[str, list[str]] = {}
    for wait in sorted(opened, key=lambda wait: wait.created_at):
        known = kinds.setdefault(wait.item_id, [])
        if wait.kind.value not in known:
            known.append(wait.kind.value)
    is_pausing = bool(top.paused) and item_id in items.busy([top, *rows])
    reasons: list[str] = []
    if top.state == State.WAITING.value:
        reasons = worklist.reasons_of(top, kinds.get(item_id, ()), is_pausing=is_pausing)
        moves = (State.RUNNING.value, State.READY.value)
        if any(row.paused for row in live) and not any(row.state in moves for row in live) and not is_pausing:
            reasons = [*reasons, *([] if WaitKind.PAUSED.value in reasons else [WaitKind.PAUSED.value])]
    return Tree(
        item=item_of(top),
        below=[item_of(row) for row in rows],
        why_here=worklist.why_here_many(tx, rows, now, kinds) if rows else {},
        reasons=reasons,
        is_pausing=is_pausing,
        runs=runs.of_items(tx, ids),
        waits=opened,
        effects=effects.of_items(tx, ids),
        approvals=approvals.of_items(tx, ids),
        packets=packets.of_many(tx, ids[1:]),
        budgets=budgets.of_many(tx, ids),
    )
