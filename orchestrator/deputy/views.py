"""What the rooms of the front desk share: who may see what, and the documents of items, approvals, runs, spans and people."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from orchestrator import clock
from orchestrator.domain import agent_spans
from orchestrator.domain import document as documents
from orchestrator.domain import transcript as transcripts
from orchestrator.domain.audit import AuditEvent, canonical
from orchestrator.domain.effect import Approval, Effect
from orchestrator.domain.item import Item, Origin, State
from orchestrator.domain.person import Person
from orchestrator.domain.principal import Principal
from orchestrator.domain.rights import Scope
from orchestrator.errors import NotEligible, NotFound
from orchestrator.store import approvals as approvals_table
from orchestrator.store import effects as effects_table
from orchestrator.store import items as items_table
from orchestrator.store import memories as memories_table
from orchestrator.store import people as people_table
from orchestrator.store import runs as runs_table
from orchestrator.store import schedules as schedules_table
from orchestrator.store import spans as spans_table
from orchestrator.store import steplog, trees, waits, worklist
from orchestrator.store.connections import Connection
from orchestrator.store.database import Tx
from orchestrator.telemetry import RUN

WHOLE_CHAIN = frozenset({"admin", "auditor"})  # roles that read everybody's audit events


def allowed(who: Principal, scope: Scope) -> None:
    """NotEligible for whom neither a role nor their key allows this."""
    if scope not in who.scopes:
        raise NotEligible(f"this needs the scope {scope!r}", fix="ask an admin for a role or a key that has it")


def visible(tx: Tx, who: Principal, item_id: str) -> Item:
    item = worklist.get(tx, item_id)
    if not sees(tx, who, item_id):
        raise NotFound(f"there is no item {item_id!r}", fix="`deputy work ls` lists them")
    return item


def sees(tx: Tx, who: Principal, item_id: str) -> bool:
    return (
        who.sees_all
        or worklist.get(tx, item_id).requester == who.principal_id
        or any(who.principal_id in approval.eligible for approval in approvals_table.of_item(tx, item_id))
    )


def may_see(tx: Tx, who: Principal, item_id: str, eligible: Sequence[str]) -> bool:
    return who.sees_all or who.principal_id in eligible or worklist.get(tx, item_id).requester == who.principal_id


def open_waits(tx: Tx, item: Item) -> list[waits.Wait]:
    if item.is_final:
        return []
    return waits.open_of_items(tx, [item.item_id, *worklist.descendants(tx, item.item_id, unfinished=True)])


def steps_of(tx: Tx, who: Principal, run_id: str, requester: str, *, after: int = 0) -> list[Mapping[str, Any]]:
    """The log behind row `after`. INVARIANT: what was recalled of a person is that person's alone to read."""
    rows = [documents.step_entry(row) for row in steplog.load(tx, run_id, after=after)]
    return [*rows] if who.principal_id == requester else [transcripts.without_facts(row) for row in rows]


def reader_of(tx: Tx, who: Principal) -> memories_table.Reader:
    team = next((one.team for one in people_table.all(tx) if one.address == who.principal_id), "")
    return memories_table.Reader(person=who.principal_id, team=team, is_admin="admin" in who.roles)


def brief(tx: Tx, item: Item, now: datetime) -> dict[str, Any]:
    return documents.brief(
        item,
        position=worklist.position(tx, item.item_id),
        why_here=worklist.why_here(tx, item.item_id, now),
        waiting_on=worklist.waiting_on(tx, item.item_id),
        pausing=item.paused and worklist.is_pausing(tx, item.item_id),
    )


def briefs(tx: Tx, found: Sequence[Item], now: datetime) -> list[dict[str, Any]]:
    """Of a long page, in a few queries: of those still in line it says the place, and not who is before them."""
    standing = worklist.standings(tx, [item.item_id for item in found], now)
    return [
        documents.brief(
            item,
            position=standing[item.item_id].position,
            why_here=standing[item.item_id].why_here,
            waiting_on=standing[item.item_id].waiting_on,
            pausing=standing[item.item_id].is_pausing,
        )
        for item in found
    ]


def document(tx: Tx, item: Item) -> dict[str, Any]:
    now = clock.now()
    tree = trees.load(tx, item.item_id, now)
    mine = tree.runs.get(item.item_id, ())
    spent = [run.receipt for one in (item, *tree.below) for run in tree.runs.get(one.item_id, ()) if run.receipt]
    own = mine[-1].receipt if mine else None
    told = documents.document(
        item,
        position=worklist.position(tx, item.item_id) if item.state is State.READY else None,
        why_here=worklist.why_here(tx, item.item_id, now),
        runs=[run.run_id for run in mine],
        children=[one.item_id for one in tree.below if one.parent_id == item.item_id],
        reasons=tree.reasons,
        waits=tree.waits,
        effects=tree.effects,
        approvals=tree.approvals,
        receipt=documents.summed(own, [receipt for receipt in spent if receipt is not own]),
        pausing=tree.is_pausing,
        budget=tree.budgets.get(item.item_id),
        agent=next((run.pins.get("agent") for run in mine[-1:]), None),
        agents=[
            documents.agent_entry(
                one,
                name=tree.name_of(one.item_id),
                why_here=tree.why_here[one.item_id],
                waiting_on=tree.waiting_on(one),
                run_id=next((run.run_id for run in tree.runs.get(one.item_id, ())[-1:]), None),
                budget=tree.budgets.get(one.item_id, {}),
            )
            for one in tree.below
        ],
        needs=[
            {"item_id": needed, "request": request, "state": state}
            for needed, request, state in items_table.needed_by(tx, item.item_id)
        ],
        needed_by=[
            {"item_id": waiting, "request": request, "state": state}
            for waiting, request, state in items_table.waiting_for(tx, item.item_id)
        ],
    )
    if program := program_of(tx, item):
        for entry in told["approvals"]:
            entry["card"]["program"] = program
    if item.origin is Origin.SCHEDULE:
        told["schedule"] = schedules_table.behind(tx, item.root_id)
    return told


def program_of(tx: Tx, item: Item) -> str | None:
    """What the program calls itself that asked for the whole tree; None where a person did, a schedule or a trigger."""
    return _program(item if item.parent_id is None else worklist.get(tx, item.root_id))


def _program(root: Item) -> str | None:
    return str((root.reply_to or {}).get("client") or "without a name") if root.origin is Origin.AGENT else None


def approval_card(tx: Tx, approval_id: str) -> dict[str, Any]:
    return approval_cards(tx, [approvals_table.get(tx, approval_id)])[0]


def approval_cards(tx: Tx, found: Sequence[Approval]) -> list[dict[str, Any]]:
    """Each with its call and its request; as many statements for one as for many."""
    effects = effects_table.of_ids(tx, [one.effect_id for one in found])
    items = items_table.of_ids(tx, {one.item_id for one in found})
    items |= items_table.of_ids(tx, {one.root_id for one in items.values()} - set(items))
    return [_card(one, effects[one.effect_id], items[one.item_id], items) for one in found]


def _card(approval: Approval, effect: Effect, item: Item, known: Mapping[str, Item]) -> dict[str, Any]:
    entry = documents.approval_entry(approval)
    if program := _program(known[item.root_id]):
        entry["card"]["program"] = program
    return {
        **entry,
        "tool": effect.tool,
        "args": dict(effect.args),
        "preview": effect.preview,
        "rules": list(effect.rules),
        "why": effect.reason,
        "request": item.request,
        "requester": item.requester,
        "effect_state": effect.state.value,
    }


def agent_spans_of(tx: Tx, root_id: str) -> list[spans_table.SpanRow]:
    """Of every agent's run of a tree, out of its log and ledger."""
    family = [root_id, *worklist.descendants(tx, root_id)]
    runs = [run for each in runs_table.of_items(tx, family).values() for run in each if run.route == "agent"]
    return [
        spans_table.SpanRow(
            trace_id=span.trace_id,
            span_id=span.span_id,
            parent_id=span.parent_id,
            name=span.name,
            started_at=span.started_at,
            ended_at=span.ended_at,
            status=span.status,
            attributes=span.attributes,
            links=span.links,
        )
        for run in runs
        for span in agent_spans.spans_of(
            root_id, run.run_id, steplog.load(tx, run.run_id), effects_table.by_run(tx, run.run_id)
        )
    ]


def run_of(tx: Tx, who: Principal, run_or_item_id: str) -> runs_table.Run:
    if run_or_item_id.startswith("item_"):
        visible(tx, who, run_or_item_id)
        found = runs_table.of_item(tx, run_or_item_id)
        if not found:
            raise NotFound(f"{run_or_item_id} has not run yet", fix="see: deputy work ls")
        return found[-1]
    run = runs_table.get(tx, run_or_item_id)
    visible(tx, who, run.item_id)
    return run


def audited(
    tx: Tx, who: Principal, kind: str, now: datetime, body: Mapping[str, Any], *, item_id: str | None = None
) -> None:
    tx.audit(AuditEvent(kind=kind, actor=who.principal_id, at=now.isoformat(), item_id=item_id, body=body))


def digest(value: Any) -> str:
    return f"sha256:{hashlib.sha256(canonical(value).encode()).hexdigest()}"


def whole_chain(who: Principal) -> None:
    if not who.roles & WHOLE_CHAIN:
        raise NotEligible("the whole audit chain is for admins and auditors", fix="see your own: deputy audit tail")


def of_run(spans: Sequence[spans_table.SpanRow], run_id: str) -> list[spans_table.SpanRow]:
    """The run's span and what is under it, up to the spans of other runs."""
    under = {span.span_id for span in spans if span.attributes.get(RUN) == run_id}
    found = 0
    while found != len(under):
        found = len(under)
        under |= {s.span_id for s in spans if s.parent_id in under and s.attributes.get(RUN) in (None, run_id)}
    return [span for span in spans if span.span_id in under]


def run_entry(run: runs_table.Run) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "item_id": run.item_id,
        "number": run.number,
        "route": run.route,
        "workflow": run.workflow,
        "workflow_version": run.workflow_version,
        "state": run.state,
        "pins": {name: pin for name, pin in run.pins.items() if name != "content"},
        "receipt": dict(run.receipt) if run.receipt else None,
        "started_at": documents.iso(run.started_at),
        "finished_at": documents.iso(run.finished_at),
    }


def span_entry(span: spans_table.SpanRow) -> dict[str, Any]:
    return {
        "span_id": span.span_id,
        "parent_id": span.parent_id,
        "name": span.name,
        "started_at": documents.iso(span.started_at),
        "ended_at": documents.iso(span.ended_at),
        "status": span.status,
        "attributes": dict(span.attributes),
    }


def connection_entry(connection: Connection) -> dict[str, Any]:
    return {
        "connection_id": connection.connection_id,
        "connector": connection.connector,
        "owner": connection.owner,
        "subject": connection.subject,
        "families": list(connection.families),
        "shared_with": list(connection.shared_with),
        "state": connection.state,
        "has_credentials": connection.credentials > 0,
    }


def person_entry(person: Person) -> dict[str, Any]:
    return {
        "address": person.address,
        "name": person.name,
        "aliases": list(person.aliases),
        "zone": person.zone,
        "working_hours": dict(person.working_hours),
        "role": person.role,
        "team": person.team,
        "manager": person.manager,
        "inside": person.inside,
        "preferences": dict(person.preferences),
        "source": person.source,
    }
