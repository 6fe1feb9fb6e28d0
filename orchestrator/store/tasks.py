"""What an agent does to the items it made, under its own lease: hand work on within the tree's size, move it, stop it, correct it.

It reaches what is below its item and nothing else. Refusals are values: an agent reads them and goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from orchestrator import ids
from orchestrator.domain.item import Origin
from orchestrator.store import items, lease, steering
from orchestrator.store.database import Tx
from orchestrator.store.fence import Lease, fence
from orchestrator.store.items import W
from orchestrator.store.packets import Packet
from orchestrator.store.tables import waits, worklist
from orchestrator.store.worklist import NewItem


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large one tree may grow: `depth` levels below its root, `items` items below it."""

    depth: int = 5
    items: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Work to hand on. call_id: of the call that hands it on; limits: the budget of it and everything below it."""

    new: NewItem
    call_id: str
    packet: Packet
    limits: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Nothing was changed. code: too_deep | too_many | not_yours | ended."""

    code: str
    reason: str
    fix: str


def delegate(tx: Tx, mine: Lease, tasks: Sequence[Task], now: datetime, *, size: Size) -> list[str] | Refused:
    """Ids of the child items in the order of `tasks`, each born with its packet, its budget and a wait of this item, or none of them.

    `needs` of a task: items or call ids of earlier children of this item. A re-run meets its own, whatever the size now.
    """
    items.locked(
        tx, mine.item.root_id
    )  # two branches cannot both take the tree's last place; before the fence: roots first
    held = fence(tx, mine)
    run_id = ids.run_id(held.item_id, held.run_count)
    known = set(_children(tx, held.item_id))
    fresh = [task for task in tasks if ids.derived("item", run_id, task.call_id) not in known]
    if fresh and (refused := _too_large(tx, mine, len(fresh), size)) is not None:
        return refused
    named = known | {task.call_id for task in tasks}
    for task in fresh:
        for need in task.new.needs:
            if need not in named and ids.derived("item", run_id, need) not in known:
                return _not_yours(need, sorted(known))
    return lease.delegate(
        tx,
        mine,
        [task.new for task in tasks],
        [task.call_id for task in tasks],
        now,
        born=[task.packet for task in tasks],
        limits=[task.limits for task in tasks],
    )


def reprioritise(tx: Tx, mine: Lease, item_id: str, priority: int, now: datetime) -> Refused | None:
    """Puts an item below this one, and what is below it, at `priority`."""
    fence(tx, mine)
    if (refused := _refused(tx, mine, item_id)) is not None:
        return refused
    steering.reprioritise(tx, item_id, priority, now, actor=actor_of(mine))
    return None


def nudge(tx: Tx, mine: Lease, item_id: str, text: str, now: datetime) -> Refused | None:
    """Leaves a remark for one item below this one. They are an agent's words, never the requester's."""
    fence(tx, mine)
    if (refused := _refused(tx, mine, item_id)) is not None:
        return refused
    steering.nudge(tx, item_id, actor_of(mine), Origin.AGENT.value, text, now)
    return None


def cancel(tx: Tx, mine: Lease, item_id: str, now: datetime, reason: str) -> dict[str, Any] | Refused:
    """Child id → how it ended, of every child of this item that has ended with this; what their waits are answered with.

    A running one is told to end and is not in here: its wait is answered when it has. The item itself is not woken by what it
    learns here. One that had ended before is no error: its ending is returned.
    """
    held = fence(tx, mine)
    if item_id not in items.descendants(tx, held.item_id):
        return _not_yours(item_id, _children(tx, held.item_id))
    before = set(_endings(tx, held.item_id))
    steering.cancel(tx, item_id, actor_of(mine), now, reason)
    unwoken = sa.update(worklist).where(W.tenant_id == tx.tenant_id, W.item_id == held.item_id)
    tx.c.execute(unwoken.values(wake_seq=held.wake_seq))
    after = _endings(tx, held.item_id)
    return {child: said for child, said in after.items() if child not in before or child == item_id}


def actor_of(mine: Lease) -> str:
    """Who acts, in audit and remarks."""
    return f"agent of {mine.item.requester}"


# ---- small things --------------------------------------------------------------------------------------------------
def _too_large(tx: Tx, mine: Lease, more: int, size: Size) -> Refused | None:
    if mine.item.depth + 1 > size.depth:
        return Refused(
            code="too_deep",
            reason=f"tasks may be handed on {size.depth} levels deep at most",
            fix="do it here, or finish with what there is",
        )
    stmt = sa.select(sa.func.count()).where(W.tenant_id == tx.tenant_id, W.root_id == mine.item.root_id)
    have = int(tx.c.scalar(stmt) or 0) - 1
    if have + more > size.items:
        return Refused(
            code="too_many",
            reason=f"this request has {have} tasks already, {size.items} are the most",
            fix="finish with what there is",
        )
    return None


def _refused(tx: Tx, mine: Lease, item_id: str) -> Refused | None:
    if item_id not in items.descendants(tx, mine.item.item_id):
        return _not_yours(item_id, _children(tx, mine.item.item_id))
    state = items.locked(tx, item_id).state
    if state in items.FINAL_STATES:
        return Refused(code="ended", reason=f"{item_id} has ended ({state})", fix="start another one")
    return None


def _not_yours(item_id: str, children: Sequence[str]) -> Refused:
    return Refused(
        code="not_yours", reason=f"{item_id} is no item of yours", fix=f"yours: {', '.join(children) or 'none'}"
    )


def _children(tx: Tx, item_id: str) -> list[str]:
    stmt = sa.select(W.item_id).where(W.tenant_id == tx.tenant_id, W.parent_id == item_id)
    return list(tx.c.scalars(stmt.order_by(W.created_at, W.item_id)))


def _endings(tx: Tx, item_id: str) -> dict[str, Any]:
    """Child id → the answer of its wait, of every child that has ended."""
    n = waits.c
    stmt = sa.select(n.wait_id, n.answer).where(
        n.tenant_id == tx.tenant_id, n.item_id == item_id, n.kind == "child", n.answered_at.is_not(None)
    )
    return {wait_id.removeprefix("child:"): answer for wait_id, answer in tx.c.execute(stmt)}


__all__ = ["Refused", "Size", "Task", "actor_of", "cancel", "delegate", "nudge", "reprioritise"]
