"""The shapes of answers, in one place (JSON Schema 2020-12). Further fields may stand beside those named here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.domain.effect import ApprovalState, EffectState
from orchestrator.domain.item import State, WaitKind

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
TRUTH: Schema = {"type": "boolean"}
TIME: Schema = {"type": "string", "format": "date-time"}
ANY: Schema = {}
MAP: Schema = {"type": "object"}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def maybe(schema: Schema) -> Schema:
    """That, or null."""
    if "$ref" in schema or "enum" in schema:
        return {"oneOf": [schema, {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]}


def many(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def one(_optional: Mapping[str, Schema] | None = None, **fields: Schema) -> Schema:
    """An object with these fields, all of them there; `_optional` ones may be missing."""
    return {"type": "object", "required": list(fields), "properties": {**fields, **(_optional or {})}}


def page(name: str, entry: str, **more: Schema) -> Schema:
    """A page of a list; `next` is the cursor of the one after it."""
    return one(**{name: many(ref(entry))}, **more, next=maybe(TEXT))


SPREAD = maybe(one(p50=NUMBER, p95=NUMBER))
DAY = one(
    runs=WHOLE,
    done=WHOLE,
    failed=WHOLE,
    success_rate=maybe(NUMBER),
    cost_usd=NUMBER,
    tokens=WHOLE,
    model_calls=WHOLE,
    without_model=WHOLE,
    latency_s=SPREAD,
    asks=WHOLE,
    approvals=MAP,
    decided_s=SPREAD,
)
BRIEF: dict[str, Schema] = {
    "item_id": TEXT,
    "request": TEXT,
    "requester": TEXT,
    "origin": TEXT,
    "state": {"enum": [*State]},
    "waiting_on": many({"enum": [*WaitKind]}),
    "pausing": TRUTH,
    "priority": WHOLE,
    "position": maybe(WHOLE),
    "why_here": TEXT,
    "due": maybe(TIME),
    "snooze_until": maybe(TIME),
    "parent": maybe(TEXT),
    "created_at": TIME,
    "route": maybe(TEXT),
}
FAULT = one(code=TEXT, message=TEXT)
CARD: dict[str, Schema] = {
    "approval_id": TEXT,
    "item_id": TEXT,
    "effect_id": TEXT,
    "state": {"enum": [*ApprovalState]},
    "digest": TEXT,
    "created_at": TIME,
    "expires_at": TIME,
    "eligible": many(TEXT),
    "needed": WHOLE,
    "preconditions": many(TEXT),
    "card": MAP,
    "decided_at": maybe(TIME),
    "decided_by": many(TEXT),
    "reason": maybe(TEXT),
}
RUN: dict[str, Schema] = {
    "run_id": TEXT,
    "item_id": TEXT,
    "number": WHOLE,
    "route": maybe(TEXT),
    "workflow": maybe(TEXT),
    "workflow_version": maybe(TEXT),
    "state": TEXT,
    "pins": MAP,
    "receipt": maybe(MAP),
    "started_at": TIME,
    "finished_at": maybe(TIME),
}
WORKFLOW: dict[str, Schema] = {
    "name": TEXT,
    "version": TEXT,
    "digest": TEXT,
    "own": TRUTH,
    "title": TEXT,
    "description": TEXT,
    "read_only": TRUTH,
    "tools": many(TEXT),
    "slots": many(TEXT),
    "examples": many(TEXT),
}
HALT: dict[str, Schema] = {
    "halt_id": TEXT,
    "scope": {"enum": ["all", "agent", "connector"]},
    "name": TEXT,
    "reason": TEXT,
    "by": TEXT,
    "at": TIME,
    "text": TEXT,
}

SCHEMAS: dict[str, Schema] = {
    "Problem": one(
        type=TEXT,
        title=TEXT,
        status=WHOLE,
        detail=TEXT,
        error={"type": "string", "description": "Stable, for programs."},
        message=TEXT,
        fix={"type": "string", "description": "What the reader can do."},
    ),
    "Brief": one(**BRIEF),
    "Item": one(
        **BRIEF,
        run_id=maybe(TEXT),
        runs=many(TEXT),
        trace_id=TEXT,
        children=many(TEXT),
        needs=many(one(item_id=TEXT, request=TEXT, state=TEXT)),
        match=maybe(MAP),
        slots=many(MAP),
        output=MAP,
        text=maybe(TEXT),
        effects=many(ref("Effect")),
        approvals=many(one(**CARD)),
        question=maybe(ref("Question")),
        questions=many(ref("Question")),
        receipt=one(
            model_calls=WHOLE,
            input_tokens=WHOLE,
            output_tokens=WHOLE,
            cost_usd=NUMBER,
            wall_s=NUMBER,
            determinism={"enum": ["replayable", "model"]},
            endpoints=many(ANY),
        ),
        error=maybe(FAULT),
        started_at=maybe(TIME),
        finished_at=maybe(TIME),
    ),
    "ItemPage": page("items", "Brief"),
    "Watched": one(item=ref("Item"), rows={"type": "object", "additionalProperties": many(ref("Step"))}),
    "Question": one(question_id=TEXT, item_id=TEXT, kind=TEXT, text=TEXT, choices=many(TEXT)),
    "Effect": one(
        effect_id=TEXT,
        item_id=TEXT,
        run_id=TEXT,
        call_id=TEXT,
        tool=TEXT,
        args=MAP,
        args_digest=TEXT,
        state={"enum": [*EffectState]},
        decision={"enum": ["allow", "ask", "deny"]},
        rules=many(TEXT),
        reason=TEXT,
        preview=TEXT,
        result=ANY,
        error=ANY,
        attempted_at=maybe(TIME),
        finished_at=maybe(TIME),
    ),
    "Approval": one(
        **CARD,
        tool=TEXT,
        args=MAP,
        preview=TEXT,
        rules=many(TEXT),
        why=TEXT,
        request=TEXT,
        requester=TEXT,
        effect_state={"enum": [*EffectState]},
    ),
    "ApprovalPage": page("approvals", "Approval"),
    "Decisions": one(
        decisions=many(
            one({"approval": ref("Approval"), "error": TEXT, "message": TEXT, "fix": TEXT}, approval_id=TEXT)
        )
    ),
    "Step": one(seq=WHOLE, kind=TEXT, key=TEXT, body=ANY, at=TIME),
    "RunBrief": one(**RUN),
    "RunPage": page("runs", "RunBrief"),
    "Run": one(**RUN, trace_id=TEXT, effects=many(ref("Effect")), steps=many(ref("Step"))),
    "Ledger": one(run_id=TEXT, item_id=TEXT, effects=many(ref("Effect"))),
    "Span": one(
        span_id=TEXT, parent_id=maybe(TEXT), name=TEXT, started_at=TIME, ended_at=TIME, status=TEXT, attributes=MAP
    ),
    "Trace": one(trace_id=TEXT, run_id=TEXT, item_id=TEXT, spans=many(ref("Span"))),
    "Transcript": one(run=ref("RunBrief"), turns=many(MAP)),
    "Why": one(effect_id=TEXT, tool=TEXT, decision=TEXT, rules=many(TEXT), reason=TEXT, facts=MAP, near_miss=ANY),
    "WorkflowProblem": one(file=TEXT, line=WHOLE, field=TEXT, message=TEXT, fix=TEXT),
    "WorkflowBrief": one(**WORKFLOW),
    "WorkflowPage": page("workflows", "WorkflowBrief", faults=many(ref("WorkflowProblem"))),
    "Workflow": one(**WORKFLOW, revision=TEXT, text=TEXT, content=MAP, versions=many(one(number=WHOLE, revision=TEXT))),
    "WorkflowVersion": one(name=TEXT, revision=TEXT, text=TEXT),
    "Checked": one(
        ok=TRUTH,
        problems=many(ref("WorkflowProblem")),
        name=maybe(TEXT),
        version=maybe(TEXT),
        digest=maybe(TEXT),
    ),
    "Search": one(
        match=MAP, runs=maybe(TEXT), nearest=many(one(workflow=TEXT, title=TEXT, score=NUMBER, why=many(TEXT)))
    ),
    "Figures": one(
        zone=TEXT,
        days=many({"allOf": [one(date={"type": "string", "format": "date"}), DAY]}),
        total=DAY,
        worklist=one(ready=WHOLE, running=WHOLE, waiting=WHOLE, oldest_s=maybe(NUMBER), age_s=SPREAD, ages=MAP),
        is_partial=TRUTH,
    ),
    "WorkflowFigures": one(
        workflows=many(
            one(
                workflow=TEXT,
                success_rate=maybe(NUMBER),
                latency_s=SPREAD,
                last_at=TIME,
                outcomes=many(one(run_id=TEXT, item_id=TEXT, state=TEXT, at=TIME)),
            )
        )
    ),
    "Person": one(
        address=TEXT,
        name=TEXT,
        aliases=many(TEXT),
        zone=TEXT,
        working_hours=MAP,
        role=TEXT,
        team=TEXT,
        manager=maybe(TEXT),
        inside=TRUTH,
        preferences=MAP,
        source=TEXT,
    ),
    "PersonPage": page("people", "Person"),
    "Connection": one(
        connection_id=TEXT,
        connector=TEXT,
        owner=TEXT,
        subject=TEXT,
        families=many(TEXT),
        shared_with=many(TEXT),
        state=TEXT,
        has_credentials=TRUTH,
    ),
    "ConnectionPage": page("connections", "Connection"),
    "Trigger": one(trigger_id=TEXT, name=TEXT, on=TEXT, request=TEXT, where=many(TEXT), state=TEXT),
    "TriggerPage": page("triggers", "Trigger", followed=many(MAP)),
    "Memory": one(
        memory_id=TEXT,
        scope=TEXT,
        owner=TEXT,
        text=TEXT,
        source=MAP,
        label=maybe(MAP),
        created_by=TEXT,
        shared=TRUTH,
        created_at=TIME,
        expires_at=maybe(TIME),
    ),
    "MemoryPage": page("memories", "Memory"),
    "AuditEvent": one(
        seq=WHOLE,
        at=TIME,
        kind=TEXT,
        actor=TEXT,
        item_id=maybe(TEXT),
        run_id=maybe(TEXT),
        effect_id=maybe(TEXT),
        body=MAP,
        hash=TEXT,
    ),
    "AuditPage": page("events", "AuditEvent"),
    "AuditHead": one(seq=WHOLE, hash=TEXT),
    "Verified": one(ok=TRUTH, checked=WHOLE, first_bad_seq=maybe(WHOLE), reason=maybe(TEXT)),
    "Halt": one({"in_flight": many(ref("Effect"))}, **HALT),
    "Halts": one(halts=many(ref("Halt"))),
    "Lifted": one(lifted=many(one(**HALT, items=many(TEXT)))),
    "Schedule": one(schedule_id=TEXT, name=TEXT, owner=TEXT, kind=TEXT, request=TEXT, rule=TEXT, state=TEXT),
    "SchedulePage": page("schedules", "Schedule"),
    "Preview": one(rule=TEXT, zone=TEXT, next=many(MAP)),
    "Capabilities": one(
        version=TEXT,
        states=MAP,
        exit_codes=MAP,
        tools=many(MAP),
        workflows=many(MAP),
        agents=many(TEXT),
        profile=TEXT,
        model=TEXT,
        budget=MAP,
    ),
    "Agent": one(name=TEXT, description=TEXT, tools=many(TEXT), digest=TEXT, shipped=TRUTH),
    "AgentPage": page("agents", "Agent"),
    "Settings": one(settings=many(one(name=TEXT, value=ANY, origin=TEXT, place=TEXT, description=TEXT))),
    "Rules": one(profile=TEXT, digest=TEXT, rules=many(one(id=TEXT, effect=TEXT, file=TEXT)), next=maybe(TEXT)),
    "Explained": one(grant=MAP, decision=maybe(MAP)),
}
