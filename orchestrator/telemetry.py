"""Spans: their names, keys, ids and contents, and the way out to a collector. Every name stands here and nowhere else.

A span answers how long and within what. Ids are derived from (run, step key, attempt), so one request is one trace over
processes, restarts and waits of days, and a step that runs again meets its own span. A wait or a refusal is no error. Contents
are redacted unless the setting says otherwise. OpenTelemetry is imported only where an endpoint is configured; nothing is sent
without one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias

from orchestrator import __version__, ids

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

Status: TypeAlias = Literal["ok", "error", "unset"]
Content: TypeAlias = Literal["off", "redacted", "full"]

# ---- OpenTelemetry's GenAI conventions (semantic-conventions-genai, development status, as of November 2026) ----------------
OPERATION: Final = "gen_ai.operation.name"
WORKFLOW_NAME: Final = "gen_ai.workflow.name"
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
TOOL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
TOOL_RESULT: Final = "gen_ai.tool.call.result"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
ERROR_TYPE: Final = "error.type"
INVOKE_WORKFLOW: Final = "invoke_workflow"
EXECUTE_TOOL: Final = "execute_tool"
CHAT: Final = "chat"
AGENT_NAME: Final = "gen_ai.agent.name"
RESPONSE_MODEL: Final = "gen_ai.response.model"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"

# ---- our own ----------------------------------------------------------------------------------------------------------------
REQUEST: Final = "deputy.request"
ITEM: Final = "deputy.item.id"
ITEM_STATE: Final = "deputy.item.state"
RUN: Final = "deputy.run.id"
ROUTE: Final = "deputy.route"
EFFECT: Final = "deputy.effect.id"
OUTCOME: Final = "deputy.outcome"
DECISION: Final = "deputy.policy.decision"
RULES: Final = "deputy.policy.rules"
BUNDLE: Final = "deputy.policy.bundle"
WAIT_KIND: Final = "deputy.wait.kind"
WAIT_OUTCOME: Final = "deputy.wait.outcome"
WAIT_BY: Final = "deputy.wait.by"
WAIT_SECONDS: Final = "deputy.wait.seconds"
MODEL_CALLS: Final = "deputy.model.calls"
ENDPOINT: Final = "deputy.model.endpoint"
SENT_BYTES: Final = "deputy.model.sent_bytes"
RETRIES: Final = "deputy.model.retries"
COST_MICROUSD: Final = "deputy.model.cost_microusd"

CONTENTS: Final = frozenset({REQUEST, TOOL_ARGUMENTS, TOOL_RESULT})  # keys whose values people or providers wrote
LONGEST_CONTENT = 8192  # characters of one value
ROOT_KEY = "root"
SCOPE = "deputy"
SEND_TIMEOUT_S = 3  # for one batch, repeats included


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One finished span. Ids are hexadecimal text: 32 characters for the trace, 16 for a span."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    started_at: datetime
    ended_at: datetime
    status: Status = "unset"
    attributes: Mapping[str, Any] = field(default_factory=dict)
    links: Sequence[Mapping[str, str]] = ()  # {"trace_id", "span_id"} of spans in other traces


class Finished(Protocol):
    """What the exporter reads of a span; a stored row fits as well as a `Span`."""

    @property
    def trace_id(self) -> str: ...
    @property
    def span_id(self) -> str: ...
    @property
    def parent_id(self) -> str | None: ...
    @property
    def name(self) -> str: ...
    @property
    def started_at(self) -> datetime: ...
    @property
    def ended_at(self) -> datetime: ...
    @property
    def status(self) -> str: ...
    @property
    def attributes(self) -> Mapping[str, Any]: ...
    @property
    def links(self) -> Sequence[Mapping[str, Any]]: ...


class Recorder(Protocol):
    """Where finished spans go; the engine gives one that writes them with its next commit."""

    def record(self, spans: Sequence[Span]) -> None: ...


# ---- building ---------------------------------------------------------------------------------------------------------------
def root_id(run_id: str) -> str:
    """Span id of a run's outermost span, known before that span exists."""
    return ids.span_id(run_id, ROOT_KEY, 0)


def run_span(
    *,
    root_item: str,
    item_id: str,
    run_id: str,
    request: str,
    route: str | None,
    workflow: str | None,
    state: str,
    started_at: datetime,
    ended_at: datetime,
    model_calls: int = 0,
    input_tokens: int = 0,
    output_tokens: int = 0,
    parent_id: str | None = None,
) -> Span:
    """The outermost span of a run, made by the settle that ends it. `parent_id`: the delegating span of a child item."""
    return Span(
        trace_id=ids.trace_id(root_item),
        span_id=root_id(run_id),
        parent_id=parent_id,
        name=f"{INVOKE_WORKFLOW} {workflow}" if workflow else "deputy.run",
        started_at=started_at,
        ended_at=max(started_at, ended_at),
        status="error" if state == "failed" else "ok" if state == "done" else "unset",
        attributes={
            OPERATION: INVOKE_WORKFLOW,
            WORKFLOW_NAME: workflow or "",
            ITEM: item_id,
            RUN: run_id,
            REQUEST: request,
            ROUTE: route or "",
            ITEM_STATE: state,
            MODEL_CALLS: model_calls,
            INPUT_TOKENS: input_tokens,
            OUTPUT_TOKENS: output_tokens,
        },
    )


def tool_span(
    *,
    root_item: str,
    run_id: str,
    call_id: str,
    attempt: int,
    tool: str,
    decision: str,
    rules: Sequence[str],
    outcome: str,
    started_at: datetime,
    ended_at: datetime,
    effect_id: str | None = None,
    error: str | None = None,
    args: Mapping[str, Any] | None = None,
    result: Any = None,
) -> Span:
    """One tool call as the gate answered it. `error`: the code of a call that failed; asking and denying are none."""
    attributes: dict[str, Any] = {
        OPERATION: EXECUTE_TOOL,
        TOOL_NAME: tool,
        TOOL_CALL_ID: call_id,
        DECISION: decision,
        RULES: list(rules),
        OUTCOME: outcome,
    }
    if effect_id:
        attributes[EFFECT] = effect_id
    if error:
        attributes[ERROR_TYPE] = error
    if args is not None:
        attributes[TOOL_ARGUMENTS] = _canonical(args)
    if result is not None:
        attributes[TOOL_RESULT] = _canonical(result)
    return Span(
        trace_id=ids.trace_id(root_item),
        span_id=ids.span_id(run_id, call_id, attempt),
        parent_id=root_id(run_id),
        name=f"{EXECUTE_TOOL} {tool}",
        started_at=started_at,
        ended_at=max(started_at, ended_at),
        status="error" if error else "ok" if outcome == "completed" else "unset",
        attributes=attributes,
    )


def chat_span(
    *,
    root_item: str,
    run_id: str,
    key: str,
    attempt: int,
    agent: str,
    model: str,
    endpoint: str,
    input_tokens: int,
    output_tokens: int,
    cost_microusd: int,
    sent_bytes: int,
    retries: int,
    finish: str,
    started_at: datetime,
    ended_at: datetime,
) -> Span:
    """One model call of an agent; `key` is its row's in the step log."""
    return Span(
        trace_id=ids.trace_id(root_item),
        span_id=ids.span_id(run_id, key, attempt),
        parent_id=root_id(run_id),
        name=f"{CHAT} {model}",
        started_at=started_at,
        ended_at=max(started_at, ended_at),
        status="ok",
        attributes={
            OPERATION: CHAT,
            AGENT_NAME: agent,
            RESPONSE_MODEL: model,
            ENDPOINT: endpoint,
            INPUT_TOKENS: input_tokens,
            OUTPUT_TOKENS: output_tokens,
            COST_MICROUSD: cost_microusd,
            SENT_BYTES: sent_bytes,
            RETRIES: retries,
            FINISH_REASONS: [finish],
        },
    )


def wait_span(
    *,
    root_item: str,
    run_id: str,
    wait_id: str,
    kind: str,
    outcome: str,
    by: str | None,
    started_at: datetime,
    ended_at: datetime,
) -> Span:
    """A wait that is over, dated back to its beginning: nothing is held open meanwhile. `by` leaves only as a pseudonym."""
    end = max(started_at, ended_at)
    return Span(
        trace_id=ids.trace_id(root_item),
        span_id=ids.span_id(run_id, wait_id, 0),
        parent_id=root_id(run_id),
        name=f"deputy.{kind} wait",
        started_at=started_at,
        ended_at=end,
        attributes={
            WAIT_KIND: kind,
            WAIT_OUTCOME: outcome,
            WAIT_BY: pseudonym(by) if by else "",
            WAIT_SECONDS: round((end - started_at).total_seconds(), 3),
        },
    )


def pseudonym(principal: str) -> str:
    """The same short name for the same person, and no address."""
    return "p_" + hashlib.sha256(f"pseudonym\x1f{principal}".encode()).hexdigest()[:12]


# ---- contents ---------------------------------------------------------------------------------------------------------------
_SECRETS = re.compile(
    r"\b(?:xox[a-z]-[\w-]{8,}|xapp-[\w-]{8,}|sk-[\w-]{16,}|gh[pousr]_\w{20,}|ya29\.[\w-]{10,}|AKIA[0-9A-Z]{16}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*|[0-9a-f]{32,}|[A-Za-z0-9+/_-]{40,}={0,2})|(?i:\bbearer\s+[\w.~+/-]+=*)"
)
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_URL = re.compile(r"(https?://)(?:[^\s/@\"]+@)?([^\s/?#\"]+)[^\s\"]*")
_PHONE = re.compile(r"(?<![\w:.-])\+?\d[\d ()/-]{7,}\d(?![\w:-])")
_NAMED_SECRET = re.compile(r"\"(?:[\w-]*(?:token|secret|password|api_?key)[\w-]*)\":\s*\"[^\"]*\"", re.IGNORECASE)


def redact(text: str) -> str:
    """The text without addresses, tokens, telephone numbers and the inner parts of URLs."""
    text = _NAMED_SECRET.sub(lambda found: found[0].partition(":")[0] + ':"<secret>"', text)
    text = _URL.sub(r"\1\2/…", text)
    text = _ADDRESS.sub("<address>", text)
    text = _SECRETS.sub("<secret>", text)
    return _PHONE.sub("<phone>", text)


def with_contents(span: Span, content: Content) -> Span:
    """The span as it may be kept or sent: contents dropped, redacted, or whole; never longer than `LONGEST_CONTENT`."""
    return replace(span, attributes=contents_of(span.attributes, content))


def contents_of(attributes: Mapping[str, Any], content: Content) -> dict[str, Any]:
    """The attributes that `content` lets through."""
    kept: dict[str, Any] = {}
    for name, value in attributes.items():
        if name not in CONTENTS:
            kept[name] = value
        elif content != "off":
            text = value if isinstance(value, str) else _canonical(value)
            text = redact(text) if content == "redacted" else text
            kept[name] = text if len(text) <= LONGEST_CONTENT else f"{text[:LONGEST_CONTENT]}…"
    return kept


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


# ---- out --------------------------------------------------------------------------------------------------------------------
class Exporter:
    """Sends finished spans to an OTLP/HTTP collector in the background, in batches. A collector that is away costs spans, no work."""

    def __init__(self, exporter: SpanExporter, *, content: Content, tenant: str) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._content = content
        self._resource = Resource({"service.name": SCOPE, "service.version": __version__, "service.namespace": tenant})
        self._processor = BatchSpanProcessor(exporter)

    def record(self, spans: Sequence[Finished]) -> None:
        """Queues them; returns at once."""
        for span in spans:
            self._processor.on_end(self._readable(span))

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Sends what is queued; False when that did not work out in time."""
        return bool(self._processor.force_flush(int(timeout_s * 1000)))

    def close(self) -> None:
        """Sends the rest and ends the background thread."""
        self._processor.shutdown()  # type: ignore[no-untyped-call]  # opentelemetry-sdk 1.45 left it without types

    def _readable(self, span: Finished) -> ReadableSpan:
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope
        from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags
        from opentelemetry.trace.status import Status as OtelStatus
        from opentelemetry.trace.status import StatusCode

        def context(trace_id: str, span_id: str) -> SpanContext:
            return SpanContext(
                int(trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED)
            )

        codes = {"ok": StatusCode.OK, "error": StatusCode.ERROR}
        return ReadableSpan(
            name=span.name,
            context=context(span.trace_id, span.span_id),
            parent=context(span.trace_id, span.parent_id) if span.parent_id else None,
            resource=self._resource,
            attributes=contents_of(span.attributes, self._content),
            links=[Link(context(link["trace_id"], link["span_id"])) for link in span.links],
            kind=SpanKind.INTERNAL,
            status=OtelStatus(codes.get(span.status, StatusCode.UNSET)),
            start_time=_nanoseconds(span.started_at),
            end_time=_nanoseconds(span.ended_at),
            instrumentation_scope=InstrumentationScope(SCOPE, __version__),
        )


def exporter(endpoint: str | None, *, content: Content, tenant: str = "default") -> Exporter | None:
    """The way to a collector, e.g. "http://localhost:4318"; None without an endpoint: then OpenTelemetry is not even imported.

    Headers (a hosted collector's key) come from OTEL_EXPORTER_OTLP_HEADERS, as everywhere.
    """
    if not endpoint:
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    address = endpoint.rstrip("/")
    if not address.endswith("/v1/traces"):
        address += "/v1/traces"
    return Exporter(OTLPSpanExporter(endpoint=address, timeout=SEND_TIMEOUT_S), content=content, tenant=tenant)


def _nanoseconds(moment: datetime) -> int:
    """Nanoseconds since 1970; microseconds are kept exactly."""
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000
