"""What is counted and timed: the same numbers in the rows, in Prometheus' text, and at a collector."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client.parser import text_string_to_metric_families

from orchestrator import clock, measures
from orchestrator.deputy.measured import Measured
from orchestrator.domain.item import Origin
from orchestrator.engine.measuring import Carrier
from orchestrator.measures import Measures, Meters, Sum, Tally
from orchestrator.settings import Settings
from orchestrator.store import measures as sums
from orchestrator.store import worklist
from orchestrator.store.database import Store
from orchestrator.store.worklist import NewItem


def tell(told: Measures) -> None:
    """A day in a small house."""
    for seconds in (0.004, 0.011, 0.5, 1.9, 100.0):
        told.replied("a-model", seconds=seconds, tokens=(100, 10), cost_microusd=1500)
    told.called("mail.send", decision="ask", outcome="waiting", is_effect=False, seconds=0.2)
    told.called("mail.send", decision="allow", outcome="completed", is_effect=True, seconds=0.4)
    told.called("mail.search", decision="allow", outcome="completed", is_effect=False, seconds=0.1)
    told.waited("approval", outcome="approve", seconds=7200)
    told.ended(route="match", state="done", seconds=7300)
    told.advanced(outcome="done", seconds=0.7)


def test_rows_and_a_collector_are_told_the_same() -> None:
    """Every histogram has the buckets of its instrument, and counts, sums and buckets agree between both ways out."""
    tally, reader = Tally(), InMemoryMetricReader()
    meters = Meters(reader, tenant="default", version="1")

    tell(Measures((tally, meters)))

    data = reader.get_metrics_data()
    assert data is not None
    sent: dict[tuple[str, str], Any] = {}
    for metric in data.resource_metrics[0].scope_metrics[0].metrics:
        for point in metric.data.data_points:
            sent[metric.name, measures.key_of({k: str(v) for k, v in (point.attributes or {}).items()})] = point
    kept = {(one.name, measures.key_of(one.labels)): one for one in tally.take()}
    assert set(sent) == set(kept)
    for key, one in kept.items():
        if one.buckets is None:
            assert sent[key].value == pytest.approx(one.total)
        else:
            assert list(sent[key].bucket_counts) == list(one.buckets)
            assert list(sent[key].explicit_bounds) == list(measures.INSTRUMENTS[key[0]].buckets)
            assert (sent[key].count, sent[key].sum) == (one.count, pytest.approx(one.total))
    meters.close()


def test_buckets_fit_what_they_time() -> None:
    """Seconds from 10 ms to 82 s; waits from a second to a week."""
    assert (measures.SECONDS[0], measures.SECONDS[-1]) == (0.01, 81.92)
    assert (measures.WAITS[0], measures.WAITS[-1]) == (1, timedelta(days=7).total_seconds())


def test_sums_of_all_workers_come_together(store: Store) -> None:
    """Two workers, several turns each: the house's sums are theirs together, and what could not be written is counted again."""
    workers = [Carrier(store), Carrier(store)]
    for _ in range(3):
        for one in workers:
            tell(one.measures)
            one.carry()

    with store.read() as tx:
        found = {(one.name, measures.key_of(one.labels)): one for one in sums.every(tx)}

    calls = found[measures.INFERENCE_DURATION, '{"model":"a-model"}']
    assert (calls.count, sum(calls.buckets or ())) == (30, 30)
    assert found[measures.INPUT_TOKENS, '{"model":"a-model"}'].total == 3000
    again = Tally()
    again.give_back([calls])
    again.give_back([calls])
    assert again.take() == [
        Sum(
            name=calls.name,
            labels=calls.labels,
            count=60,
            total=2 * calls.total,
            buckets=[2 * n for n in calls.buckets or ()],
        )
    ]


def test_prometheus_reads_what_we_write(store: Store) -> None:
    """The text parses; buckets add up; gauges say what is there now; a label of odd characters stays one."""
    carrier = Carrier(store)
    tell(carrier.measures)
    carrier.measures.add(measures.DECISIONS, tool='odd"\\\n', decision="allow")
    carrier.carry()
    long_ago = clock.now() - timedelta(hours=2)
    store.write(worklist.submit, NewItem(request="x", requester="me@here.example", origin=Origin.HUMAN), long_ago)

    families = {one.name: one for one in text_string_to_metric_families(Measured(store).text().decode())}

    duration = families["gen_ai_client_inference_duration_seconds"]
    buckets = [s.value for s in duration.samples if s.name.endswith("_bucket")]
    assert buckets == sorted(buckets)
    assert buckets[-1] == next(s.value for s in duration.samples if s.name.endswith("_count")) == 5
    assert families["deputy_model_cost_usd"].samples[0].value == pytest.approx(0.0075)
    assert {s.labels["tool"] for s in families["deputy_gate_decisions"].samples} >= {'odd"\\\n', "mail.send"}
    assert {s.labels["state"]: s.value for s in families["deputy_items"].samples} == {
        "ready": 1,
        "running": 0,
        "waiting": 0,
    }
    assert families["deputy_items_ready_oldest_age_seconds"].samples[0].value == pytest.approx(7200, abs=60)


def test_a_worker_counts_what_it_does(tmp_path: Path) -> None:
    """One request through a real worker process: claims, decisions, asks and times stand in the rows; OpenTelemetry was not loaded."""
    home = tmp_path / "home"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DEPUTY_")}
    environment["DEPUTY_HOME"] = str(home)
    command = [sys.executable, "-m", "orchestrator.surfaces.cli.main"]
    asked = subprocess.run(
        [*command, "ask", "set up a 30 minute call with Dana about her last mail", "--detach"],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr
    script = (
        "import sys\nfrom orchestrator import app\nfrom orchestrator.settings import Settings\n"
        "code = app.run_worker(Settings.load(), until_idle=True)\n"
        "print(code, any(name.startswith('opentelemetry.sdk') for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, timeout=120, check=True)

    store = Store.open(Settings.load(home=home).store_url)
    deadline = threading.Event()
    for _ in range(100):  # the worker that `ask` started carries its sums as it ends
        with store.read() as tx:
            found = {one.name: one for one in sums.every(tx)}
        if measures.ASKS in found:
            break
        deadline.wait(0.2)
    store.close()

    assert {measures.CLAIMS, measures.ADVANCE, measures.DECISIONS, measures.ASKS, measures.TOOL_DURATION} <= set(found)
    assert found[measures.ASKS].total >= 1


def test_without_a_collector_nothing_of_opentelemetry_is_loaded() -> None:
    """Counting and Prometheus' text cost no import of its SDK."""
    script = (
        "import sys\nfrom orchestrator import measures\nfrom orchestrator.measures import Measures, Tally\n"
        "tally = Tally(); Measures((tally,)).add(measures.CLAIMS); measures.exposition(tally.take(), [])\n"
        "print(sorted(name for name in sys.modules if name.startswith(('opentelemetry', 'prometheus'))))"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.strip() == "[]"


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """Address and what it was sent: (path, body)."""
    got: list[tuple[str, bytes]] = []

    class Collect(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Collect)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", got
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_collector_gets_sums_and_gauges(collector: tuple[str, list[tuple[str, bytes]]], store: Store) -> None:
    """Over OTLP/HTTP, at the end of a worker at the latest; no address or text of a request among it."""
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    address, got = collector
    store.write(worklist.submit, NewItem(request="secret words", requester="me@here.example"), clock.now())
    carrier = Carrier(store, endpoint=address)
    tell(carrier.measures)

    carrier.close()

    bodies = [body for path, body in got if path == "/v1/metrics"]
    names = set()
    for body in bodies:
        sent = ExportMetricsServiceRequest.FromString(body)
        names |= {m.name for r in sent.resource_metrics for s in r.scope_metrics for m in s.metrics}
    assert {measures.INFERENCE_DURATION, measures.ITEMS, measures.CLAIMS} <= names
    assert not any(b"secret words" in body or b"me@here.example" in body for body in bodies)
