"""What runs of schedules and triggers leave behind: facts for their checks, counts for the watch on later ones. Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from orchestrator.domain import document as documents
from orchestrator.domain import watch
from orchestrator.domain.effect import Effect, EffectState
from orchestrator.domain.item import Item, Origin, State
from orchestrator.domain.schedule import FiringState
from orchestrator.domain.watch import Counts
from orchestrator.store import effects, people, runs, worklist
from orchestrator.store.database import Tx
from orchestrator.store.items import W
from orchestrator.store.schedule_tables import firings
from orchestrator.store.tables import step_log

F = firings.c
_HAPPENED = frozenset({EffectState.DONE, EffectState.UNDONE})
_COUNTED = _HAPPENED | {EffectState.ATTEMPTED, EffectState.UNKNOWN, EffectState.APPROVED}


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftBehind:
    """`facts`: what `domain.checks` looks at; `counts`: `watch.Counts` as JSON, None for a run that did not end well."""

    facts: dict[str, Any]
    counts: dict[str, Any] | None


def left_behind(tx: Tx, root_id: str) -> LeftBehind:
    """Of a run that has ended, everything below it included."""
    tree = worklist.tree(tx, root_id)
    root, tree_runs = tree[0], runs.of_items(tx, [one.item_id for one in tree])
    known = effects.of_tree(tx, root_id)
    done = [one for one in known if one.state in _HAPPENED]
    spent = [run.receipt for each in tree_runs.values() for run in each if run.receipt]
    mine = [run.receipt for run in tree_runs.get(root_id, ()) if run.receipt]
    total = documents.summed(mine[-1] if mine else None, [one for one in spent if not mine or one is not mine[-1]])
    tools: dict[str, int] = {}
    for effect in done:
        tools[effect.tool] = tools.get(effect.tool, 0) + 1
    latest = tree_runs.get(root_id, ())[-1:]
    facts = {
        "state": root.state.value,
        "text": root.text or "",
        "output": root.output or {},
        "error": (root.error or {}).get("message", ""),
        "route": root.route or "",
        "workflow": next((run.workflow for run in latest), None) or "",
        "effects": len(done),
        "tools": tools,
        "asked": sum(one.decision == "ask" for one in known),
        "denied": sum(one.decision == "deny" for one in known),
        **{name: total.get(name, 0) for name in ("model_calls", "cost_usd", "wall_s")},
    }
    counted = counts_of(tx, done, [run.run_id for each in tree_runs.values() for run in each])
    return LeftBehind(facts=facts, counts=counted.as_json() if root.state.value == "done" else None)


def counts_of(tx: Tx, done: Sequence[Effect], run_ids: Sequence[str]) -> Counts:
    """What these effects and the reads of these runs come to."""
    tools: dict[str, int] = {}
    for effect in done:
        tools[effect.tool] = tools.get(effect.tool, 0) + 1
    inside = {person.address for person in people.all(tx) if person.inside}
    domains = {address.partition("@")[2] for address in inside}
    named = watch.outside(
        (effect.args for effect in done), lambda one: one in inside or one.partition("@")[2] in domains
    )
    c = step_log.c
    reads = sa.select(sa.func.count()).where(c.tenant_id == tx.tenant_id, c.run_id.in_(list(run_ids)), c.kind == "read")
    return Counts(tools=tools, outside=len(named), reads=int(tx.c.scalar(reads) or 0) if run_ids else 0)


def of_schedule(tx: Tx, schedule_id: str) -> list[Counts]:
    """Of its latest runs that ended well."""
    mine = (F.tenant_id == tx.tenant_id, F.schedule_id == schedule_id, F.state == FiringState.DONE.value)
    stmt = sa.select(F.counts).where(*mine, F.counts.is_not(None)).order_by(F.at.desc()).limit(watch.MOST)
    return [Counts.from_json(told) for told in tx.c.scalars(stmt)]


def of_trigger(tx: Tx, owner: str, key: str) -> list[Counts]:
    """Of the latest runs that ended well of the trigger whose request bears this key ("trigger:ID:…")."""
    order = ":".join(key.split(":", 2)[:2])
    mine = (
        W.tenant_id == tx.tenant_id,
        W.requester == owner,
        W.idempotency_key.startswith(f"{order}:", autoescape=True),
    )
    stmt = sa.select(W.item_id).where(*mine, W.state == State.DONE.value)
    found: list[Counts] = []
    for root_id in list(tx.c.scalars(stmt.order_by(W.created_at.desc()).limit(watch.MOST))):
        tree = [one.item_id for one in worklist.tree(tx, root_id)]
        done = [one for one in effects.of_tree(tx, root_id) if one.state in _HAPPENED]
        run_ids = [run.run_id for each in runs.of_items(tx, tree).values() for run in each]
        found.append(counts_of(tx, done, run_ids))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The standing order behind an item: until when its asks wait, what earlier runs did, what the rest of its tree has done."""

    asks_until: datetime | None
    history: Sequence[Counts]
    before: Counts


def order_of(tx: Tx, item: Item) -> Order | None:
    """None for an item that no schedule or trigger has made, nor anything above it."""
    root = item if item.item_id == item.root_id else worklist.get(tx, item.root_id)
    asks_until: datetime | None = None
    if root.origin is Origin.SCHEDULE:
        stmt = sa.select(F.schedule_id, F.asks_until).where(F.item_id == root.item_id, F.tenant_id == tx.tenant_id)
        found = tx.c.execute(stmt).first()
        if found is None:
            return None
        history, asks_until = of_schedule(tx, found.schedule_id), found.asks_until
    elif root.origin is Origin.TRIGGER and root.idempotency_key is not None:
        history = of_trigger(tx, root.requester, root.idempotency_key)
    else:
        return None
    others = [one.item_id for one in worklist.tree(tx, item.root_id) if one.item_id != item.item_id]
    done = [one for one in effects.of_items(tx, others) if one.state in _COUNTED]
    run_ids = [run.run_id for each in runs.of_items(tx, others).values() for run in each]
    return Order(
        asks_until=asks_until,
        history=history,
        before=counts_of(tx, done, run_ids) if others else Counts(),
    )
