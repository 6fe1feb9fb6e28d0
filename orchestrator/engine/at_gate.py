"""The gate of one advance, rebuilt from rows: what was said and read in the order in which it happened, ledger, cards and waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from orchestrator.domain import rights
from orchestrator.domain.call import CallOutcome, ToolCall
from orchestrator.domain.item import Item
from orchestrator.engine.around import Around
from orchestrator.engine.watching import Watching
from orchestrator.gate.authorize import Authority
from orchestrator.gate.credentials import Vault
from orchestrator.gate.perform import Gate, Inside, Ledger, OpenWait
from orchestrator.gate.toolbox import Toolbox
from orchestrator.store import runs
from orchestrator.store.lease import Claimed
from orchestrator.store.steplog import StepRow
from policies.decision import Decision
from policies.guard import Call, Case, Guard, Result

SAID = frozenset({"answer", "chosen", "edit", "nudge"})  # kinds of log rows that the guard hears


class Rules(Protocol):
    """What of the house decides about calls."""

    @property
    def toolbox(self) -> Toolbox: ...
    @property
    def guard(self) -> Guard: ...
    @property
    def vault(self) -> Vault: ...
    @property
    def roles(self) -> Mapping[str, frozenset[str]]: ...
    @property
    def admins(self) -> frozenset[str]: ...
    @property
    def approval_expiry(self) -> timedelta: ...


def open_gate(
    rules: Rules,
    case: Case,
    *,
    item: Item,
    claimed: Claimed,
    around: Around,
    run: runs.Run,
    log: Sequence[StepRow],
    ledger: Ledger,
    approves_all: bool,
    request: str = "",
    inside: Inside | None = None,
    on_decision: Callable[[ToolCall, Decision | None, CallOutcome, datetime], None] | None = None,
) -> Gate:
    """`case`: opened and nothing more. `approves_all`: the local owner decides this item's cards, as they said when they asked.
    `request`: what cards show beside the effect, where it is not the item's own."""
    roles = rights.holders(rules.roles, around.assigned, around.people)
    authority = Authority(
        case=case,
        requester=item.requester,
        bundle_digest=rules.guard.bundle_digest,
        used=around.used,
        flags={},
        roles=roles,
        deciding=frozenset(one for one in rules.admins if "admin" in roles.get(one, ()))
        if approves_all
        else frozenset(),
    )
    effects = {effect.call_id: effect for effect in claimed.effects if effect.run_id == run.run_id}
    reads = replay(log, authority)
    order = around.order
    if order is not None and order.history:
        authority.unusual = Watching(order=order, effects=effects, reads=reads, people=around.people).unusual
    return Gate(
        run_id=run.run_id,
        item_id=item.item_id,
        request=request or item.request,
        requester=item.requester,
        zone=around.me(item).zone,
        toolbox=rules.toolbox,
        authority=authority,
        ledger=ledger,
        people=around.people,
        connections=around.connections,
        reads=reads,
        effects=effects,
        approvals={approval.effect_id: approval for approval in claimed.approvals},
        waits={
            wait.wait_id: OpenWait(
                wait_id=wait.wait_id,
                kind=wait.kind,
                answer=wait.answer if wait.answered_at is not None else None,
                answered_by=wait.answered_by,
                payload=wait.payload,
            )
            for wait in claimed.waits
            if not (wait.closed and wait.answered_at is None)
        },
        inside=inside,
        vault=rules.vault,
        pins=run.pins.get("tools", {}),
        approval_expiry=rules.approval_expiry,
        asks_until=order.asks_until if order is not None else None,
        lost_since=item.lost_since,
        on_decision=on_decision,
    )


def replay(log: Sequence[StepRow], authority: Authority) -> dict[str, Any]:
    """Tells the case again what it heard and saw. Returns call id → recorded result of every read."""
    reads: dict[str, Any] = {}
    for row in log:  # REPLAY: said and observed in the order in which it happened
        if not isinstance(row.body, dict):
            continue
        if row.kind in ("read", "effect") and "tool" in row.body:
            call = Call(tool=row.body["tool"], args=row.body["args"])
            authority.case.observe(Result(call=call, value=row.body["result"], error=None))
            if row.kind == "read":
                reads[row.key] = row.body["result"]
        elif row.kind == "agent":
            for memory in row.body["recalled"]:
                authority.observe_labelled("memory.recall", memory["text"], memory["label"])
        elif row.kind == "result":
            for labelled in row.body.get("observed", ()):  # of a child or of memory
                authority.observe_labelled(row.body["tool"], labelled["value"], labelled["labels"])
        elif row.kind in SAID:
            authority.say(row.body["text"], row.body["by"], human=row.body["human"])
    return reads
