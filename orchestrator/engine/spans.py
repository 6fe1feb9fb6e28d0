"""The spans of one advance. A run is one trace over processes, restarts and waits: ids are derived, waits are dated back.

The root span is recorded by the advance that ends the run; a wait's span by the first advance after its answer. A decision is
no error: only a call that failed is.
"""

from __future__ import annotations

from datetime import datetime

from orchestrator import clock, ids
from orchestrator.domain.call import CallOutcome, Completed, Failed, ToolCall
from orchestrator.domain.item import Item, WaitKind
from orchestrator.domain.outcome import Done, Ended, RunOutcome
from orchestrator.store.lease import Claimed
from orchestrator.store.runs import Run
from orchestrator.store.spans import SpanRow
from policies.decision import Decision

WAITS_SHOWN = (WaitKind.APPROVAL, WaitKind.ANSWER, WaitKind.REPAIR, WaitKind.RECONSENT, WaitKind.TIMER)


class Spans:
    """Collects what one advance did. Times are the clock's; ids come from (run, step key, attempt)."""

    def __init__(self, item: Item, run: Run, *, attempt: int) -> None:
        self._item = item
        self._run = run
        self._attempt = attempt
        self._trace = ids.trace_id(item.root_id)
        self._root = ids.span_id(run.run_id, "root", 0)
        self._rows: list[SpanRow] = []

    def on_decision(
        self, call: ToolCall, decision: Decision | None, outcome: CallOutcome, started_at: datetime
    ) -> None:
        """One span a tool call that was decided in this advance; what was only looked up again has its span already."""
        if decision is None:
            return
        attributes: dict[str, object] = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": call.tool,
            "gen_ai.tool.call.id": call.call_id,
            "deputy.policy.decision": decision.effect,
            "deputy.policy.rules": list(decision.rules),
            "deputy.outcome": type(outcome).__name__.lower(),
        }
        if isinstance(outcome, Completed) and outcome.effect_id:
            attributes["deputy.effect.id"] = outcome.effect_id
        status = "error" if isinstance(outcome, Failed) else "ok" if isinstance(outcome, Completed) else "unset"
        self._add(f"execute_tool {call.tool}", call.call_id, started_at, clock.now(), status, attributes, self._attempt)

    def collect(self, claimed: Claimed, outcome: RunOutcome, now: datetime) -> list[SpanRow]:
        """Everything to record: calls of this advance, waits that have ended, and the root if the run has."""
        for wait in claimed.waits:
            if wait.run_id == self._run.run_id and wait.kind in WAITS_SHOWN and wait.answered_at is not None:
                verdict = wait.answer.get("verdict") if isinstance(wait.answer, dict) else None
                waited: dict[str, object] = {
                    "deputy.wait.kind": wait.kind.value,
                    "deputy.wait.outcome": verdict or "answered",
                    "deputy.wait.by": wait.answered_by or "",
                    "deputy.wait.seconds": round((wait.answered_at - wait.created_at).total_seconds(), 3),
                }
                self._add(
                    f"deputy.{wait.kind.value} wait", wait.wait_id, wait.created_at, wait.answered_at, "unset", waited
                )
        if isinstance(outcome, Done | Ended):
            state = "done" if isinstance(outcome, Done) else outcome.state
            root = {
                "gen_ai.operation.name": "invoke_workflow",
                "gen_ai.workflow.name": self._run.workflow or "",
                "deputy.item.id": self._item.item_id,
                "deputy.run.id": self._run.run_id,
                "deputy.item.state": state,
                "deputy.route": self._run.route or "",
                "deputy.model.calls": 0,
            }
            name = f"invoke_workflow {self._run.workflow}"
            status = "error" if state == "failed" else "ok"
            self._rows.append(
                SpanRow(
                    trace_id=self._trace,
                    span_id=self._root,
                    parent_id=None,
                    name=name,
                    started_at=self._item.created_at,
                    ended_at=now,
                    status=status,
                    attributes=root,
                )
            )
        return self._rows

    def _add(
        self,
        name: str,
        key: str,
        started_at: datetime,
        ended_at: datetime,
        status: str,
        attributes: dict[str, object],
        attempt: int = 0,
    ) -> None:
        self._rows.append(
            SpanRow(
                trace_id=self._trace,
                span_id=ids.span_id(self._run.run_id, key, attempt),
                parent_id=self._root,
                name=name,
                started_at=started_at,
                ended_at=max(ended_at, started_at),
                status=status,
                attributes=attributes,
            )
        )
