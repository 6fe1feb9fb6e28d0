"""The spans of one advance. A run is one trace over processes, restarts and waits: ids are derived, waits are dated back.

Kept in the store at once, where a span that is there already stays as it is. Sent to a collector once: calls by the advance that
made them, waits and the root by the advance that ends the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from orchestrator import clock, telemetry
from orchestrator.domain.call import Broken, CallOutcome, Completed, Failed, Refused, ToolCall
from orchestrator.domain.item import Item, WaitKind
from orchestrator.domain.outcome import Done, Ended, RunOutcome
from orchestrator.measures import NOTHING, Measures
from orchestrator.store.lease import Claimed
from orchestrator.store.runs import Run
from orchestrator.store.spans import SpanRow
from policies.decision import Decision

WAITS_SHOWN = (WaitKind.APPROVAL, WaitKind.ANSWER, WaitKind.REPAIR, WaitKind.RECONSENT, WaitKind.TIMER)


class Counted(Protocol):
    @property
    def input_tokens(self) -> int: ...
    @property
    def output_tokens(self) -> int: ...


class Reply(Protocol):
    """Of a model's reply what a span tells."""

    @property
    def model(self) -> str: ...
    @property
    def endpoint(self) -> str: ...
    @property
    def usage(self) -> Counted: ...
    @property
    def finish(self) -> str: ...
    @property
    def cost_microusd(self) -> int: ...
    @property
    def sent_bytes(self) -> int: ...
    @property
    def retries(self) -> int: ...


class Spans:
    """Collects what one advance did."""

    def __init__(
        self, item: Item, run: Run, *, attempt: int, content: telemetry.Content, measures: Measures = NOTHING
    ) -> None:
        self._measures = measures
        self._item = item
        self._run = run
        self._attempt = attempt
        self._content: telemetry.Content = content
        self._replies: list[telemetry.Span] = []
        self.spent = (0, 0, 0)  # model calls, input and output tokens of the run, set before it ends
        self.delegated_by: str | None = None  # span id of the run that handed this one on
        self._calls: dict[str, telemetry.Span] = {}  # call id → its span; of two in one advance the later one says more

    @property
    def of_calls(self) -> frozenset[str]:
        """Ids of the spans of this advance's model and tool calls."""
        return frozenset(span.span_id for span in (*self._replies, *self._calls.values()))

    def on_decision(
        self, call: ToolCall, decision: Decision | None, outcome: CallOutcome, started_at: datetime
    ) -> None:
        """One span a tool call that was decided in this advance; what was only looked up again has its span already."""
        if decision is None:
            return
        self.count_decision(call, decision, outcome, started_at)
        self._calls[call.call_id] = telemetry.tool_span(
            root_item=self._item.root_id,
            run_id=self._run.run_id,
            call_id=call.call_id,
            attempt=self._attempt,
            tool=call.tool,
            decision=decision.effect,
            rules=decision.rules,
            outcome=type(outcome).__name__.lower(),
            started_at=started_at,
            ended_at=clock.now(),
            effect_id=outcome.effect_id if isinstance(outcome, Completed) else None,
            error=outcome.code if isinstance(outcome, Failed) else None,
            args=call.args,
            result=outcome.result if isinstance(outcome, Completed) else None,
        )

    def count_decision(
        self, call: ToolCall, decision: Decision | None, outcome: CallOutcome, started_at: datetime
    ) -> None:
        """Counts the call, where no span is made of it at once."""
        if decision is not None:
            self._measures.called(
                call.tool,
                decision=decision.effect,
                outcome=type(outcome).__name__.lower(),
                is_effect=isinstance(outcome, Failed | Refused | Broken)
                or (isinstance(outcome, Completed) and outcome.effect_id is not None),
                seconds=(clock.now() - started_at).total_seconds(),
            )

    def count_reply(self, key: str, reply: Reply, started_at: datetime) -> None:
        """Counts the model call, where no span is made of it at once."""
        self._measures.replied(
            reply.model,
            seconds=(clock.now() - started_at).total_seconds(),
            tokens=(reply.usage.input_tokens, reply.usage.output_tokens),
            cost_microusd=reply.cost_microusd,
        )

    def on_reply(self, key: str, reply: Reply, started_at: datetime) -> None:
        """One span a model call."""
        self.count_reply(key, reply, started_at)
        self._replies.append(
            telemetry.chat_span(
                root_item=self._item.root_id,
                run_id=self._run.run_id,
                key=key,
                attempt=self._attempt,
                agent=str(self._run.pins.get("agent", "")),
                model=reply.model,
                endpoint=reply.endpoint,
                input_tokens=reply.usage.input_tokens,
                output_tokens=reply.usage.output_tokens,
                cost_microusd=reply.cost_microusd,
                sent_bytes=reply.sent_bytes,
                retries=reply.retries,
                finish=reply.finish,
                started_at=started_at,
                ended_at=clock.now(),
            )
        )

    def collect(
        self, claimed: Claimed, outcome: RunOutcome, now: datetime
    ) -> tuple[list[SpanRow], Sequence[telemetry.Span]]:
        """(rows for the store, spans to send)."""
        waits = [
            telemetry.wait_span(
                root_item=self._item.root_id,
                run_id=self._run.run_id,
                wait_id=wait.wait_id,
                kind=wait.kind.value,
                outcome=str(wait.answer.get("verdict", "answered")) if isinstance(wait.answer, dict) else "answered",
                by=wait.answered_by,
                started_at=wait.created_at,
                ended_at=wait.answered_at,
            )
            for wait in claimed.waits
            if wait.run_id == self._run.run_id and wait.kind in WAITS_SHOWN and wait.answered_at is not None
        ]
        calls = [*self._replies, *self._calls.values()]
        if not isinstance(outcome, Done | Ended):
            return [self._row(span) for span in (*calls, *waits)], calls
        root = telemetry.run_span(
            root_item=self._item.root_id,
            item_id=self._item.item_id,
            run_id=self._run.run_id,
            request=self._item.request,
            route=self._run.route,
            workflow=self._run.workflow,
            state="done" if isinstance(outcome, Done) else outcome.state,
            started_at=self._item.created_at,
            ended_at=now,
            parent_id=self._item.parent_id and self.delegated_by,
            model_calls=self.spent[0],
            input_tokens=self.spent[1],
            output_tokens=self.spent[2],
        )
        every = [*calls, *waits, root]
        self._count_end(waits, root)
        return [self._row(span) for span in every], every

    def _count_end(self, waits: Sequence[telemetry.Span], root: telemetry.Span) -> None:
        for span in waits:
            told = span.attributes
            self._measures.waited(
                told[telemetry.WAIT_KIND], outcome=told[telemetry.WAIT_OUTCOME], seconds=told[telemetry.WAIT_SECONDS]
            )
        self._measures.ended(
            route=root.attributes[telemetry.ROUTE],
            state=root.attributes[telemetry.ITEM_STATE],
            seconds=(root.ended_at - root.started_at).total_seconds(),
        )

    def _row(self, span: telemetry.Span) -> SpanRow:
        kept = telemetry.with_contents(span, self._content)
        return SpanRow(
            trace_id=kept.trace_id,
            span_id=kept.span_id,
            parent_id=kept.parent_id,
            name=kept.name,
            started_at=kept.started_at,
            ended_at=kept.ended_at,
            status=kept.status,
            attributes=kept.attributes,
            links=kept.links,
        )
