"""The item document: one JSON shape for every surface, built from rows. Pure; field names are the public contract's.

`waiting_on` and questions include those of unsettled descendants; effects, approvals and receipt those of the whole tree below the
item. Each entry has its item_id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from orchestrator import ids
from orchestrator.domain.effect import Approval, Effect
from orchestrator.domain.item import Item, State, WaitKind

EMPTY_RECEIPT: Mapping[str, Any] = {
    "model_calls": 0,
    "input_tokens": 0,
    "output_tokens": 0,
    "cost_usd": 0.0,
    "wall_s": 0.0,
    "determinism": "replayable",
    "endpoints": [],
}


def iso(value: datetime | None) -> str | None:
    return value.isoformat() if value is not None else None


def effect_entry(effect: Effect) -> dict[str, Any]:
    return {
        "effect_id": effect.effect_id,
        "item_id": effect.item_id,
        "run_id": effect.run_id,
        "call_id": effect.call_id,
        "tool": effect.tool,
        "args": dict(effect.args),
        "args_digest": effect.args_digest,
        "state": effect.state.value,
        "decision": effect.decision,
        "rules": list(effect.rules),
        "reason": effect.reason,
        "preview": effect.preview,
        "result": effect.result,
        "error": effect.error,
        "attempted_at": iso(effect.attempted_at),
        "finished_at": iso(effect.finished_at),
    }


def approval_entry(approval: Approval) -> dict[str, Any]:
    return {
        "approval_id": approval.approval_id,
        "item_id": approval.item_id,
        "effect_id": approval.effect_id,
        "state": approval.state.value,
        "digest": approval.digest,
        "created_at": iso(approval.created_at),
        "expires_at": iso(approval.expires_at),
        "eligible": list(approval.eligible),
        "needed": approval.needed,
        "preconditions": [condition["text"] for condition in approval.preconditions],
        "card": dict(approval.card),
        "decided_at": iso(approval.decided_at),
        "decided_by": list(approval.decided_by),
        "reason": approval.reason,
    }


class LoggedStep(Protocol):
    """A row of the step log, as the store hands it out."""

    @property
    def seq(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def body(self) -> Any: ...
    @property
    def at(self) -> datetime: ...


def step_entry(row: LoggedStep) -> dict[str, Any]:
    return {"seq": row.seq, "kind": row.kind, "key": row.key, "body": row.body, "at": iso(row.at)}


class Fact(Protocol):
    """A long-term fact, as the store hands it out."""

    @property
    def memory_id(self) -> str: ...
    @property
    def scope(self) -> str: ...
    @property
    def owner(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def source(self) -> Mapping[str, Any]: ...
    @property
    def label(self) -> Mapping[str, Any] | None: ...
    @property
    def created_by(self) -> str: ...
    @property
    def is_shared(self) -> bool: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def expires_at(self) -> datetime | None: ...


def memory_entry(fact: Fact) -> dict[str, Any]:
    return {
        "memory_id": fact.memory_id,
        "scope": str(fact.scope),
        "owner": fact.owner,
        "text": fact.text,
        "source": dict(fact.source),
        "label": dict(fact.label) if fact.label is not None else None,
        "created_by": fact.created_by,
        "shared": fact.is_shared,
        "created_at": iso(fact.created_at),
        "expires_at": iso(fact.expires_at),
    }


class OpenWait(Protocol):
    """An open row of `waits`, as the store hands it out."""

    @property
    def wait_id(self) -> str: ...
    @property
    def item_id(self) -> str: ...
    @property
    def kind(self) -> WaitKind: ...
    @property
    def payload(self) -> Mapping[str, Any]: ...
    @property
    def due_at(self) -> datetime | None: ...


def question_entry(wait: OpenWait) -> dict[str, Any]:
    return {
        "question_id": wait.wait_id,
        "item_id": wait.item_id,
        "kind": wait.kind.value,
        "text": wait.payload.get("text", ""),
        "choices": list(wait.payload.get("choices", ())),
    }


def brief(
    item: Item, *, position: int | None, why_here: str, waiting_on: Sequence[str] = (), pausing: bool = False
) -> dict[str, Any]:
    """An item as a list shows it. pausing: it is to pause, and something of it or below it still runs."""
    return {
        "item_id": item.item_id,
        "request": item.request,
        "requester": item.requester,
        "origin": item.origin.value,
        "state": item.state.value,
        "waiting_on": list(waiting_on),
        "pausing": pausing,
        "priority": item.priority,
        "position": position,
        "why_here": why_here,
        "due": iso(item.due_at),
        "snooze_until": iso(item.snooze_until),
        "parent": item.parent_id,
        "created_at": iso(item.created_at),
        "route": item.route,
    }


def agent_entry(
    item: Item,
    *,
    name: str | None,
    why_here: str,
    waiting_on: Sequence[str],
    run_id: str | None,
    budget: Mapping[str, Any],
) -> dict[str, Any]:
    """An item below another one, as that one's document shows it. budget: name → {"most", "used"} of it and all below it."""
    return {
        "item_id": item.item_id,
        "parent": item.parent_id,
        "name": name,
        "request": item.request,
        "state": item.state.value,
        "waiting_on": list(waiting_on),
        "priority": item.priority,
        "why_here": why_here,
        "run_id": run_id,
        "route": item.route,
        "budget": {limit: dict(amounts) for limit, amounts in budget.items()},
        "text": item.text,
        "error": dict(item.error) if item.error else None,
    }


def summed(own: Mapping[str, Any] | None, others: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The receipt of an item with everything below it: amounts added up, endpoints merged; the wall time stays the item's own."""
    total = {**EMPTY_RECEIPT, **(own or {}), "endpoints": _merged([*((own or {}).get("endpoints") or ())])}
    for other in others:
        for name, value in other.items():
            if name == "endpoints":
                total[name] = _merged([*total[name], *(value or ())])
            elif name == "determinism":
                total[name] = "model" if "model" in (value, total[name]) else total[name]
            elif name != "wall_s" and isinstance(value, int | float) and not isinstance(value, bool):
                total[name] = (
                    round(total.get(name, 0) + value, 6) if isinstance(value, float) else total.get(name, 0) + value
                )
    return total


def _merged(endpoints: Sequence[Any]) -> list[Any]:
    """One entry for each endpoint and model: numbers added up, lists united."""
    found: dict[tuple[Any, Any], dict[str, Any]] = {}
    plain: list[Any] = []
    for one in endpoints:
        if not isinstance(one, Mapping):
            plain += [] if one in plain else [one]
            continue
        known = found.setdefault((one.get("endpoint"), one.get("model")), {})
        for name, value in one.items():
            if name not in known:
                known[name] = list(value) if isinstance(value, list) else value
            elif isinstance(value, list):
                known[name] = sorted({*known[name], *value})
            elif isinstance(value, int | float) and not isinstance(value, bool):
                known[name] += value
    return plain + list(found.values())


def document(
    item: Item,
    *,
    position: int | None,
    why_here: str,
    runs: Sequence[str],
    children: Sequence[str],
    reasons: Sequence[str],
    waits: Sequence[OpenWait],
    effects: Sequence[Effect],
    approvals: Sequence[Approval],
    receipt: Mapping[str, Any] | None,
    pausing: bool = False,
    agent: str | None = None,
    agents: Sequence[Mapping[str, Any]] = (),
    budget: Mapping[str, Any] | None = None,
    needs: Sequence[Mapping[str, Any]] = (),
    needed_by: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The whole item. `reasons`: what the item itself waits on; `waits`: open rows of it and its unsettled descendants.

    Effects, approvals and receipt are those of the whole tree from the item downwards, what has ended included.
    """
    kinds = [wait.kind.value for wait in waits if not (wait.kind is WaitKind.CHILD and wait.item_id != item.item_id)]
    waiting_on = sorted({*reasons, *kinds}) if item.state is State.WAITING else []
    questions = [question_entry(w) for w in waits if w.kind in (WaitKind.ANSWER, WaitKind.REPAIR)]
    return {
        **brief(item, position=position, why_here=why_here, waiting_on=waiting_on, pausing=pausing),
        "run_id": runs[-1] if runs else None,
        "runs": list(runs),
        "trace_id": ids.trace_id(item.root_id),
        "children": list(children),
        "needs": [dict(one) for one in needs],
        "needed_by": [dict(one) for one in needed_by],
        "match": dict(item.match) if item.match else None,
        "slots": [dict(slot) for slot in item.slots],
        "output": dict(item.output) if item.output else {},
        "text": item.text,
        "effects": [effect_entry(effect) for effect in effects],
        "approvals": [approval_entry(approval) for approval in approvals],
        "question": questions[0] if questions else None,
        "questions": questions,
        "waits": [
            {
                "kind": w.kind.value,
                "item_id": w.item_id,
                "text": w.payload.get("text", ""),
                "fix": w.payload.get("fix", ""),
                "due": iso(w.due_at),
            }
            for w in waits
        ],
        "outcome_unknown": any(w.payload.get("outcome_unknown") for w in waits),
        "receipt": {**EMPTY_RECEIPT, **(receipt or {})},
        "budget": {name: dict(amounts) for name, amounts in (budget or {}).items()},
        "agent": agent,
        "agents": [dict(one) for one in agents],
        "error": dict(item.error) if item.error else None,
        "started_at": iso(item.started_at),
        "finished_at": iso(item.finished_at),
        "cancel_requested": item.cancel_requested,
        "paused": item.paused,
        "generation": item.generation,
    }
