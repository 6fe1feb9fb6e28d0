"""What is counted and timed: every instrument by name, and the two ways out, from the same calls.

Rows: each worker adds what it has counted to the house's sums in the store, so that any desk answers for the whole house, also for
workers that have ended. A collector: OpenTelemetry meters with the same names and buckets, where an endpoint is configured; without
one OpenTelemetry is not even imported. Labels hold kinds and names of tools and models, never people or texts.
"""

from __future__ import annotations

import json
import threading
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeAlias

Kind: TypeAlias = Literal["counter", "histogram", "gauge"]
Labels: TypeAlias = Mapping[str, str]

SECONDS: Final = tuple(round(0.01 * 2**n, 2) for n in range(14))  # 0.01 → 81.92: the GenAI conventions' own
WAITS: Final = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 43200.0, 86400.0, 259200.0, 604800.0)  # 1 s → 7 d


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One thing measured. `unit` as in the Unified Code for Units of Measure, which OpenTelemetry uses."""

    name: str
    kind: Kind
    unit: str
    says: str
    buckets: Sequence[float] = ()


# OpenTelemetry's GenAI conventions (semantic-conventions-genai, development status, as of November 2026)
INFERENCE_DURATION: Final = "gen_ai.client.inference.duration"
INPUT_TOKENS: Final = "gen_ai.client.inference.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.client.inference.usage.output_tokens"
TOOL_DURATION: Final = "gen_ai.execute_tool.duration"
RUN_DURATION: Final = "gen_ai.invoke_workflow.duration"
# our own
COST: Final = "deputy.model.cost"
DECISIONS: Final = "deputy.gate.decisions"
ASKS: Final = "deputy.asks"
EFFECTS: Final = "deputy.effects"
WAIT: Final = "deputy.wait.duration"
CLAIMS: Final = "deputy.claims"
ADVANCE: Final = "deputy.advance.duration"
ENDED: Final = "deputy.items.ended"
ITEMS: Final = "deputy.items"
OLDEST_READY: Final = "deputy.items.ready.oldest_age"
CARDS: Final = "deputy.approvals.pending"
OLDEST_CARD: Final = "deputy.approvals.pending.oldest_age"
OPEN_WAITS: Final = "deputy.waits.open"
WORKERS: Final = "deputy.workers"
FIRINGS: Final = "deputy.schedules.firings"
SILENT: Final = "deputy.workers.longest_silence"

INSTRUMENTS: Final[Mapping[str, Instrument]] = {
    one.name: one
    for one in (
        Instrument(name=INFERENCE_DURATION, kind="histogram", unit="s", says="Model calls of agents", buckets=SECONDS),
        Instrument(name=INPUT_TOKENS, kind="counter", unit="{token}", says="Tokens sent to models"),
        Instrument(name=OUTPUT_TOKENS, kind="counter", unit="{token}", says="Tokens that models answered with"),
        Instrument(
            name=TOOL_DURATION, kind="histogram", unit="s", says="Tool calls, their decision included", buckets=SECONDS
        ),
        Instrument(
            name=RUN_DURATION, kind="histogram", unit="s", says="Requests from submission to their end", buckets=WAITS
        ),
        Instrument(
            name=COST, kind="counter", unit="USD", says="Money that model calls cost, as far as prices are known"
        ),
        Instrument(name=DECISIONS, kind="counter", unit="{decision}", says="Decisions of the gate"),
        Instrument(name=ASKS, kind="counter", unit="{card}", says="Cards that people were asked to decide"),
        Instrument(name=EFFECTS, kind="counter", unit="{effect}", says="Effects that came to an outcome"),
        Instrument(
            name=WAIT, kind="histogram", unit="s", says="Waits that are over, approvals among them", buckets=WAITS
        ),
        Instrument(name=CLAIMS, kind="counter", unit="{claim}", says="Items that workers took up"),
        Instrument(
            name=ADVANCE, kind="histogram", unit="s", says="How long a worker held an item at a time", buckets=SECONDS
        ),
        Instrument(name=ENDED, kind="counter", unit="{item}", says="Items that came to their end"),
        Instrument(name=ITEMS, kind="gauge", unit="{item}", says="Unfinished items"),
        Instrument(name=OLDEST_READY, kind="gauge", unit="s", says="Age of the ready item that stands first"),
        Instrument(name=CARDS, kind="gauge", unit="{card}", says="Cards that wait for a decision"),
        Instrument(name=OLDEST_CARD, kind="gauge", unit="s", says="Age of the oldest card that waits for a decision"),
        Instrument(name=OPEN_WAITS, kind="gauge", unit="{wait}", says="What items wait for"),
        Instrument(
            name=FIRINGS, kind="gauge", unit="{firing}", says="Times of schedules on record, by what became of them"
        ),
        Instrument(name=WORKERS, kind="gauge", unit="{worker}", says="Workers on record"),
        Instrument(name=SILENT, kind="gauge", unit="s", says="Longest time since a worker was heard of"),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """All of one instrument under one set of labels. buckets: how many lay in each, the last one beyond all; counters have none."""

    name: str
    labels: Labels
    count: int
    total: float
    buckets: Sequence[int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """How much there is now."""

    name: str
    labels: Labels
    value: float


class Sink(Protocol):
    """Where a measurement goes."""

    def add(self, name: str, amount: float, labels: Labels) -> None: ...
    def observe(self, name: str, value: float, labels: Labels) -> None: ...


@dataclass(slots=True)
class _Cell:
    count: int = 0
    total: float = 0.0
    buckets: list[int] | None = None


class Tally:
    """Sums of this process since they were last taken. Safe between threads; a measurement costs about a microsecond."""

    def __init__(self) -> None:
        self._cells: dict[tuple[str, tuple[tuple[str, str], ...]], _Cell] = {}
        self._lock = threading.Lock()

    def add(self, name: str, amount: float, labels: Labels) -> None:
        with self._lock:
            cell = self._cells.setdefault((name, tuple(sorted(labels.items()))), _Cell())
            cell.count += 1
            cell.total += amount

    def observe(self, name: str, value: float, labels: Labels) -> None:
        bounds = INSTRUMENTS[name].buckets
        with self._lock:
            cell = self._cells.setdefault((name, tuple(sorted(labels.items()))), _Cell())
            if cell.buckets is None:
                cell.buckets = [0] * (len(bounds) + 1)
            cell.count += 1
            cell.total += value
            cell.buckets[bisect_left(bounds, value)] += 1

    def take(self) -> list[Sum]:
        """What came together; from here on it counts anew."""
        with self._lock:
            cells, self._cells = self._cells, {}
        return [
            Sum(name=name, labels=dict(labels), count=cell.count, total=cell.total, buckets=cell.buckets)
            for (name, labels), cell in sorted(cells.items())
        ]

    def give_back(self, sums: Sequence[Sum]) -> None:
        """Counts again what could not be written."""
        with self._lock:
            for one in sums:
                cell = self._cells.setdefault((one.name, tuple(sorted(one.labels.items()))), _Cell())
                cell.count += one.count
                cell.total += one.total
                if one.buckets is not None:
                    before = cell.buckets or [0] * len(one.buckets)
                    cell.buckets = [a + b for a, b in zip(before, one.buckets, strict=True)]


@dataclass(frozen=True, slots=True)
class Measures:
    """What the house calls when something happened. Without sinks nothing is kept."""

    sinks: tuple[Sink, ...] = ()

    def add(self, name: str, amount: float = 1, **labels: str) -> None:
        """Counts."""
        for sink in self.sinks:
            sink.add(name, amount, labels)

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Times. `value` in the instrument's unit."""
        for sink in self.sinks:
            sink.observe(name, max(0.0, value), labels)

    # ---- what happened ---------------------------------------------------------------------------------------------
    def replied(self, model: str, *, seconds: float, tokens: tuple[int, int], cost_microusd: int) -> None:
        """A model call. tokens: in and out."""
        self.observe(INFERENCE_DURATION, seconds, model=model)
        self.add(INPUT_TOKENS, tokens[0], model=model)
        self.add(OUTPUT_TOKENS, tokens[1], model=model)
        self.add(COST, cost_microusd / 1_000_000, model=model)

    def called(self, tool: str, *, decision: str, outcome: str, is_effect: bool, seconds: float) -> None:
        """A tool call as the gate answered it."""
        self.observe(TOOL_DURATION, seconds, tool=tool, outcome=outcome)
        self.add(DECISIONS, tool=tool, decision=decision)
        if decision == "ask" and outcome == "waiting":
            self.add(ASKS, tool=tool)
        if is_effect and outcome in ("completed", "failed", "refused", "broken"):
            self.add(EFFECTS, tool=tool, outcome="done" if outcome == "completed" else outcome)

    def waited(self, kind: str, *, outcome: str, seconds: float) -> None:
        """A wait that is over."""
        self.observe(WAIT, seconds, kind=kind, outcome=outcome)

    def ended(self, *, route: str, state: str, seconds: float) -> None:
        """An item's end."""
        self.add(ENDED, route=route, state=state)
        self.observe(RUN_DURATION, seconds, route=route, state=state)

    def advanced(self, *, outcome: str, seconds: float) -> None:
        """One claim, from taking it up to settling it."""
        self.add(CLAIMS)
        self.observe(ADVANCE, seconds, outcome=outcome)


NOTHING: Final = Measures()


# ---- Prometheus ------------------------------------------------------------------------------------------------------
_UNITS = {"s": "seconds", "USD": "usd"}


def exposition(sums: Sequence[Sum], gauges: Sequence[Gauge]) -> bytes:
    """Prometheus text format 0.0.4, named as OpenTelemetry's Prometheus exporter names: dots to underscores, unit, `_total`."""
    lines: list[str] = []
    grouped: dict[str, list[Sum | Gauge]] = {}
    both: list[Sum | Gauge] = [*sums, *gauges]
    for one in both:
        grouped.setdefault(one.name, []).append(one)
    for name in sorted(grouped):
        told = INSTRUMENTS.get(name)
        if told is None:  # written by another version
            continue
        full = _full_name(told)
        lines += [f"# HELP {full} {told.says}", f"# TYPE {full} {told.kind}"]
        for entry in grouped[name]:
            if isinstance(entry, Gauge):
                lines.append(f"{full}{_labels(entry.labels)} {_number(entry.value)}")
            elif told.kind == "counter":
                lines.append(f"{full}{_labels(entry.labels)} {_number(entry.total)}")
            elif entry.buckets is not None and len(entry.buckets) == len(told.buckets) + 1:
                lines += _histogram(full, told, entry)
    return ("\n".join(lines) + "\n").encode()


def _histogram(full: str, told: Instrument, entry: Sum) -> list[str]:
    so_far, lines = 0, []
    for bound, count in zip((*told.buckets, float("inf")), entry.buckets or (), strict=True):
        so_far += count
        upto = {**entry.labels, "le": "+Inf" if bound == float("inf") else _number(bound)}
        lines.append(f"{full}_bucket{_labels(upto)} {so_far}")
    return [
        *lines,
        f"{full}_sum{_labels(entry.labels)} {_number(entry.total)}",
        f"{full}_count{_labels(entry.labels)} {entry.count}",
    ]


def _full_name(told: Instrument) -> str:
    name = told.name.replace(".", "_")
    if (unit := _UNITS.get(told.unit)) is not None:
        name += f"_{unit}"
    return f"{name}_total" if told.kind == "counter" else name


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    pairs = ",".join(f"{name}={_quoted(value)}" for name, value in sorted(labels.items()))
    return f"{{{pairs}}}"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


# ---- a collector -----------------------------------------------------------------------------------------------------
class Meters:
    """The same instruments as OpenTelemetry meters, sent every `EVERY_S` seconds."""

    EVERY_S: Final = 30.0

    def __init__(self, reader: Any, *, tenant: str, version: str) -> None:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
        from opentelemetry.sdk.resources import Resource

        views = [
            View(instrument_name=one.name, aggregation=ExplicitBucketHistogramAggregation(list(one.buckets)))
            for one in INSTRUMENTS.values()
            if one.kind == "histogram"
        ]
        resource = Resource({"service.name": "deputy", "service.version": version, "service.namespace": tenant})
        self._provider = MeterProvider(metric_readers=[reader], resource=resource, views=views)
        meter = self._provider.get_meter("deputy", version)
        self._counters = {
            one.name: meter.create_counter(one.name, one.unit, one.says)
            for one in INSTRUMENTS.values()
            if one.kind == "counter"
        }
        self._histograms = {
            one.name: meter.create_histogram(one.name, one.unit, one.says)
            for one in INSTRUMENTS.values()
            if one.kind == "histogram"
        }
        self._gauges = {
            one.name: meter.create_gauge(one.name, one.unit, one.says)
            for one in INSTRUMENTS.values()
            if one.kind == "gauge"
        }

    def add(self, name: str, amount: float, labels: Labels) -> None:
        self._counters[name].add(amount, dict(labels))

    def observe(self, name: str, value: float, labels: Labels) -> None:
        self._histograms[name].record(value, dict(labels))

    def set(self, gauges: Sequence[Gauge]) -> None:
        """What there is now, as the house's database says; of several workers each tells the same."""
        for one in gauges:
            self._gauges[one.name].set(one.value, dict(one.labels))

    def close(self) -> None:
        """Sends the rest."""
        self._provider.shutdown()


def meters(endpoint: str | None, *, tenant: str, version: str) -> Meters | None:
    """The way to a collector; None without an endpoint. Headers come from OTEL_EXPORTER_OTLP_HEADERS, as everywhere."""
    if not endpoint:
        return None
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    address = endpoint.rstrip("/").removesuffix("/v1/traces")
    exporter = OTLPMetricExporter(endpoint=f"{address}/v1/metrics", timeout=3)
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=Meters.EVERY_S * 1000)
    return Meters(reader, tenant=tenant, version=version)


def key_of(labels: Labels) -> str:
    """The labels as one text, the same for the same labels."""
    return json.dumps(dict(labels), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
