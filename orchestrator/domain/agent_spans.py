"""The spans of an agent's run, read off its log and its ledger when somebody looks: kept twice, they would cost more than the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from orchestrator import telemetry
from orchestrator.domain.effect import Effect, EffectState

MODEL_KINDS = ("reply", "summary", "check")


class LogRow(Protocol):
    @property
    def epoch(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def body(self) -> Any: ...
    @property
    def at(self) -> datetime: ...


def spans_of(root_item: str, run_id: str, rows: Sequence[LogRow], effects: Sequence[Effect]) -> list[telemetry.Span]:
    """One span a model call and a tool call, their contents redacted."""
    found: list[telemetry.Span] = []
    agent = ""
    for row in rows:
        body = row.body if isinstance(row.body, Mapping) else {}
        if row.kind == "agent":
            agent = str((body.get("spec") or {}).get("name", ""))
        elif row.kind in MODEL_KINDS and "usage" in body:
            found.append(_chat(root_item, run_id, agent, row, body))
        elif row.kind == "read" or (row.kind == "result" and "tool" in body):
            found.append(_call(root_item, run_id, row, body))
    known = {span.span_id for span in found}
    found += [span for effect in effects if (span := _effect(root_item, run_id, effect)).span_id not in known]
    return [telemetry.with_contents(span, "redacted") for span in found]


def _chat(root_item: str, run_id: str, agent: str, row: LogRow, body: Mapping[str, Any]) -> telemetry.Span:
    usage = body["usage"]
    return telemetry.chat_span(
        root_item=root_item,
        run_id=run_id,
        key=row.key,
        attempt=row.epoch,
        agent=agent,
        model=str(body.get("model", "")),
        endpoint=str(body.get("endpoint", "")),
        input_tokens=int(usage.get("in", 0)),
        output_tokens=int(usage.get("out", 0)),
        cost_microusd=int(body.get("cost", 0)),
        sent_bytes=int(body.get("bytes", 0)),
        retries=int(body.get("retries", 0)),
        finish=str(body.get("finish", "stop")),
        started_at=row.at - timedelta(milliseconds=int(body.get("ms", 0))),
        ended_at=row.at,
    )


def _call(root_item: str, run_id: str, row: LogRow, body: Mapping[str, Any]) -> telemetry.Span:
    value = body.get("value")
    failed = isinstance(value, Mapping) and "failed" in value
    decision = "allow" if row.kind == "read" else str(body.get("decision", "deny" if _is_refused(value) else "allow"))
    return telemetry.tool_span(
        root_item=root_item,
        run_id=run_id,
        call_id=row.key,
        attempt=row.epoch,
        tool=str(body["tool"]),
        decision=decision,
        rules=list(body.get("rules") or ()),
        outcome="failed" if failed else "refused" if _is_refused(value) else "completed",
        started_at=row.at - timedelta(milliseconds=int(body.get("ms", 0))),
        ended_at=row.at,
        error=str(value.get("code", "failed")) if failed and isinstance(value, Mapping) else None,
        args=body.get("args"),
        result=body.get("result", value),
    )


def _effect(root_item: str, run_id: str, effect: Effect) -> telemetry.Span:
    is_done = effect.state is EffectState.DONE
    started = effect.created_at or effect.finished_at or effect.attempted_at
    assert started is not None, "every row of the ledger has its time"
    ended = effect.finished_at or effect.attempted_at or started
    return telemetry.tool_span(
        root_item=root_item,
        run_id=run_id,
        call_id=effect.call_id,
        attempt=0,
        tool=effect.tool,
        decision=effect.decision,
        rules=list(effect.rules),
        outcome="completed" if is_done else "waiting" if effect.state is EffectState.INTENDED else effect.state.value,
        started_at=started,
        ended_at=ended,
        effect_id=effect.effect_id,
        error=str((effect.error or {}).get("code"))
        if effect.state is EffectState.FAILED and effect.attempted_at
        else None,
        args=effect.args,
        result=effect.result,
    )


def _is_refused(value: Any) -> bool:
    return isinstance(value, Mapping) and ("refused" in value or "not_accepted" in value)
