"""Spans: derived ids, no error for a wait, no contents by default, and what a collector really receives."""

from __future__ import annotations

import gzip
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from orchestrator import ids, telemetry

BEGIN = datetime(2026, 11, 23, 9, 0, 0, 123456, tzinfo=UTC)
ROOT = "item_root"
RUN = ids.run_id(ROOT, 1)
SECRET = "xoxb-2345678901-abcdefghijkl"


class Sink:
    """An OTLP/HTTP collector on loopback that keeps what it got."""

    def __init__(self) -> None:
        sink = self
        self.spans: list[Any] = []
        self.resources: list[dict[str, str]] = []
        self.arrived = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                message = ExportTraceServiceRequest.FromString(body)
                for resource in message.resource_spans:
                    sink.resources.append({a.key: a.value.string_value for a in resource.resource.attributes})
                    for scope in resource.scope_spans:
                        sink.spans.extend(scope.spans)
                self.send_response(200)
                self.end_headers()
                sink.arrived.set()

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@pytest.fixture
def sink() -> Iterator[Sink]:
    made = Sink()
    yield made
    made.close()


def make_tool_span(**changes: Any) -> telemetry.Span:
    given: dict[str, Any] = {
        "root_item": ROOT,
        "run_id": RUN,
        "call_id": "g0.invite",
        "attempt": 1,
        "tool": "calendar.create_event",
        "decision": "allow",
        "rules": ["named-people"],
        "outcome": "completed",
        "started_at": BEGIN,
        "ended_at": BEGIN + timedelta(milliseconds=12),
        "args": {"attendees": ["dana@client.example"], "note": f"call +351 912 345 678, {SECRET}"},
    }
    return telemetry.tool_span(**given | changes)


def make_run_span(**changes: Any) -> telemetry.Span:
    given: dict[str, Any] = {
        "root_item": ROOT,
        "item_id": ROOT,
        "run_id": RUN,
        "request": "write to dana@client.example",
        "route": "match",
        "workflow": "schedule-call-from-mail",
        "state": "done",
        "started_at": BEGIN,
        "ended_at": BEGIN + timedelta(days=2),
    }
    return telemetry.run_span(**given | changes)


def attributes(span: Any) -> dict[str, Any]:
    return {
        a.key: a.value.string_value or a.value.int_value or [v.string_value for v in a.value.array_value.values]
        for a in span.attributes
    }


def test_a_step_that_runs_again_meets_its_own_span() -> None:
    """Ids follow from run, step and attempt alone, in any process."""
    code = "from orchestrator import ids, telemetry; print(telemetry.root_id(ids.run_id('item_root', 1)))"
    elsewhere = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    ).stdout.strip()

    assert elsewhere == make_run_span().span_id
    assert make_tool_span().span_id == make_tool_span(ended_at=BEGIN + timedelta(hours=1)).span_id
    assert make_tool_span().span_id != make_tool_span(attempt=2).span_id


def test_all_runs_of_a_tree_are_one_trace() -> None:
    """A child item's run lies in the trace of the item at the top."""
    child = make_run_span(item_id="item_child", run_id=ids.run_id("item_child", 1), parent_id=make_tool_span().span_id)

    assert child.trace_id == make_run_span().trace_id
    assert child.parent_id == make_tool_span().span_id


@pytest.mark.parametrize(
    ("span", "status"),
    [
        (make_tool_span(), "ok"),
        (make_tool_span(decision="ask", outcome="waiting"), "unset"),
        (make_tool_span(decision="deny", outcome="refused"), "unset"),
        (make_tool_span(outcome="failed", error="unreachable"), "error"),
        (make_run_span(), "ok"),
        (make_run_span(state="denied"), "unset"),
        (make_run_span(state="failed"), "error"),
    ],
)
def test_only_a_failure_is_an_error(span: telemetry.Span, status: str) -> None:
    """Asking, waiting and denying are answers."""
    assert span.status == status


def test_a_wait_is_dated_back_and_names_nobody() -> None:
    """The span of a wait begins when the wait began, and holds a pseudonym instead of the address."""
    span = telemetry.wait_span(
        root_item=ROOT,
        run_id=RUN,
        wait_id="w1",
        kind="approval",
        outcome="approve",
        by="alex@office.example",
        started_at=BEGIN,
        ended_at=BEGIN + timedelta(days=2),
    )

    assert span.started_at == BEGIN
    assert span.attributes[telemetry.WAIT_SECONDS] == 172800.0
    assert "alex" not in str(span.attributes)
    assert span.attributes[telemetry.WAIT_BY] == telemetry.pseudonym("alex@office.example")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("to dana.ruiz@client.example now", "to <address> now"),  # an address
        (f"key {SECRET} end", "key <secret> end"),  # a vendor's token
        ('{"api_key":"short"}', '{"api_key":"<secret>"}'),  # a secret by its name
        ("Bearer abc.def-123", "<secret>"),  # a header
        ("call +351 912 345 678 today", "call <phone> today"),  # a telephone number
        ("see https://u:p@host.example/a/b?token=1 there", "see https://host.example/… there"),  # inner parts of a URL
        ("2026-11-23T10:00:00+00:00", "2026-11-23T10:00:00+00:00"),  # the neighbour: a time is none of these
        ("30 minutes on Monday 23 November", "30 minutes on Monday 23 November"),  # nor are plain numbers
    ],
)
def test_redaction_takes_identities_and_secrets_and_leaves_the_rest(text: str, kept: str) -> None:
    """What identifies or authorises goes; times and plain words stay."""
    assert telemetry.redact(text) == kept


def test_contents_can_be_off_redacted_or_full_and_never_endless() -> None:
    """The setting decides about contents only; decisions and ids are always there."""
    span = make_tool_span(args={"body": "x " * 20_000, "to": "dana@client.example"})

    off, redacted, full = (telemetry.with_contents(span, content) for content in ("off", "redacted", "full"))

    assert telemetry.TOOL_ARGUMENTS not in off.attributes
    assert off.attributes[telemetry.DECISION] == "allow"
    assert len(redacted.attributes[telemetry.TOOL_ARGUMENTS]) <= telemetry.LONGEST_CONTENT + 1
    assert len(full.attributes[telemetry.TOOL_ARGUMENTS]) <= telemetry.LONGEST_CONTENT + 1
    small = make_tool_span()
    assert "dana@" not in telemetry.with_contents(small, "redacted").attributes[telemetry.TOOL_ARGUMENTS]
    assert "dana@" in telemetry.with_contents(small, "full").attributes[telemetry.TOOL_ARGUMENTS]


def test_a_collector_receives_one_trace_with_our_ids_and_no_contents(sink: Sink) -> None:
    """What arrives over OTLP has the derived ids, exact times, parent and decision, and neither addresses nor tokens."""
    out = telemetry.exporter(sink.url, content="redacted", tenant="acme")
    assert out is not None
    run, tool = make_run_span(), make_tool_span()

    out.record([tool, run])
    flushed = out.flush()
    out.close()

    assert flushed
    assert {span.trace_id.hex() for span in sink.spans} == {ids.trace_id(ROOT)}
    by_name = {span.name: span for span in sink.spans}
    got = by_name["execute_tool calendar.create_event"]
    assert got.span_id.hex() == tool.span_id
    assert got.parent_span_id.hex() == run.span_id
    assert got.start_time_unix_nano == 1795424400_123456000
    assert got.end_time_unix_nano - got.start_time_unix_nano == 12_000_000
    assert attributes(got)[telemetry.DECISION] == "allow"
    assert attributes(got)[telemetry.RULES] == ["named-people"]
    text = str(sink.spans)
    assert "dana@" not in text
    assert SECRET not in text
    assert sink.resources[0]["service.name"] == "deputy"
    assert sink.resources[0]["service.namespace"] == "acme"


def test_without_an_endpoint_nothing_of_opentelemetry_is_imported() -> None:
    """No endpoint, no exporter, no import."""
    code = (
        "import sys; from orchestrator import telemetry;"
        "assert telemetry.exporter(None, content='redacted') is None;"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)

    assert done.stdout.strip() == "[]"


def test_a_collector_that_is_away_holds_nobody_up() -> None:
    """Recording returns at once, and closing gives up within seconds."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    out = telemetry.exporter(address, content="off")
    assert out is not None

    begun = time.monotonic()
    out.record([make_tool_span()])
    recorded_s = time.monotonic() - begun
    out.close()
    closed_s = time.monotonic() - begun

    assert recorded_s < 0.5
    assert closed_s < 10
