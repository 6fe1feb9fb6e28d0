"""The measures of `run`: each makes its contestants, prints its table and returns its figures."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.agents import script
from benchmarks.agents.contestants import Contestant, Floor, ModelServer, Product, Seen, seen_by

STEPS = script.TURNS + 1
FLOOR_N, FLOOR_D, TIGHT_D = "floor N", "floor D", "floor D, tight"
PRODUCT, AT_ONCE = "product", "product, tools at once"
IN_FLIGHT = 250
WARM = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    folder: Path
    office: Path
    model: ModelServer
    seen: Seen
    _numbers: Iterator[int] = field(default_factory=count)

    def fresh(self) -> Path:
        """A folder that is not there yet."""
        return self.folder / f"c{next(self._numbers)}"

    def with_seen(self, seen: Seen) -> Place:
        """The same place, where floors send something else."""
        return replace(self, seen=seen)

    @contextmanager
    def contestant(self, name: str, concurrency: int) -> Iterator[Contestant]:
        """A fresh one over a folder of its own."""
        own = self.fresh()
        made: Contestant
        if name in (FLOOR_N, FLOOR_D, TIGHT_D):
            own.mkdir()
            database = None if name == FLOOR_N else own / "floor.db"
            made = Floor(self.model.url, concurrency, self.seen, database, is_tight=name == TIGHT_D)
        else:
            at_once = self.seen.values() if name == AT_ONCE else None
            made = Product(own, self.office, self.model.url, concurrency, at_once)
        try:
            yield made
        finally:
            made.close()


# ---- CPU a step ------------------------------------------------------------------------------------------------------
def steps(place: Place, *, quick: bool) -> dict[str, Any]:
    """CPU a step at several concurrencies, the contestants by turns, medians of rounds."""
    tasks_of = {1: 30, 16: 120, 64: 200} if quick else {1: 60, 16: 200, 64: 300, 256: 512}
    rounds = 1 if quick else 3
    names = (FLOOR_N, FLOOR_D, TIGHT_D, PRODUCT, AT_ONCE)
    found: dict[str, Any] = {}
    print(f"\nCPU a step, ms (x floor D), median of {rounds}; steps a second of wall")
    print(f"{'at once':>8}" + "".join(f"{name:>26}" for name in names))
    for concurrency, tasks in tasks_of.items():
        place.model.set()
        took: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
        for _ in range(rounds):
            for name in names:
                with place.contestant(name, concurrency) as one:
                    one.work(min(concurrency * 2, 128))
                    batch = one.work(tasks)
                    took[name].append((1000 * batch.cpu_s / tasks / STEPS, tasks * STEPS / batch.wall_s))
        figures: dict[str, dict[str, Any]] = {
            name: {
                "cpu_ms": statistics.median(cpu for cpu, _ in pairs),
                "cpu_ms_all": [cpu for cpu, _ in pairs],
                "steps_per_s": statistics.median(rate for _, rate in pairs),
            }
            for name, pairs in took.items()
        }
        floor = figures[FLOOR_D]["cpu_ms"]
        for figure in figures.values():
            figure["x_floor_d"] = figure["cpu_ms"] / floor
        found[str(concurrency)] = figures
        cells = (f"{f['cpu_ms']:.2f} (x{f['x_floor_d']:.1f}) {f['steps_per_s']:6.0f}/s" for f in figures.values())
        print(f"{concurrency:>6}" + "".join(f"{cell:>26}" for cell in cells), flush=True)
    return found


# ---- larger results ------------------------------------------------------------------------------------------------
def larger(place: Place, *, quick: bool) -> dict[str, Any]:
    """A side note: the same at 64 with more entries in each tool result."""
    tasks, concurrency = (120, 64) if quick else (200, 64)
    large = place.with_seen(seen_by(place.model, place.fresh(), place.office, limit=script.LARGE))
    place.model.set(limit=script.LARGE)
    results = sum(len(text) for text in large.seen.results.values()) // len(script.TOOLS)
    found: dict[str, Any] = {"result_bytes": results}
    print(f"\nLarger results, about {results:,} characters each: CPU a step at {concurrency}, bytes kept a step")
    for name in (FLOOR_D, PRODUCT, AT_ONCE):
        with large.contestant(name, concurrency) as one:
            one.work(concurrency)
            batch = one.work(tasks)
            kept = one.kept() / ((tasks + concurrency) * STEPS)
        found[name] = {"cpu_ms": 1000 * batch.cpu_s / tasks / STEPS, "bytes": kept}
        times = found[name]["cpu_ms"] / found[FLOOR_D]["cpu_ms"]
        print(f"{name:<24}{found[name]['cpu_ms']:6.2f} ms (x{times:.1f}){kept:9.0f} bytes", flush=True)
    place.model.set()
    return found


# ---- a slow model ----------------------------------------------------------------------------------------------------
def wall(place: Place, *, quick: bool) -> dict[str, Any]:
    """200 tasks at 64 with a model that takes 200 ms: wall against the ideal of full waves."""
    tasks, concurrency, latency_s = (128, 64, 0.2) if quick else (200, 64, 0.2)
    ideal_s = -(-tasks // concurrency) * STEPS * latency_s
    found: dict[str, Any] = {"ideal_s": ideal_s, "tasks": tasks}
    print(
        f"\n{tasks} tasks, {concurrency} at once, model 200 ms: wall, ideal {ideal_s:.1f} s; task ideal {STEPS * latency_s:.1f} s"
    )
    for name in (FLOOR_N, FLOOR_D, PRODUCT, AT_ONCE):
        with place.contestant(name, concurrency) as one:
            place.model.set()
            one.work(concurrency * 2)
            place.model.set(latency_s=latency_s)
            batch = one.work(tasks)
        cpu_ms = 1000 * batch.cpu_s / tasks / STEPS
        found[name] = {
            "wall_s": batch.wall_s,
            "x_ideal": batch.wall_s / ideal_s,
            "p50_s": batch.p50_s,
            "p99_s": batch.p99_s,
            "cpu_ms": cpu_ms,
        }
        told = (
            f"{batch.wall_s:6.2f} s (x{batch.wall_s / ideal_s:.2f}), task p50 {batch.p50_s:.2f} p99 {batch.p99_s:.2f} s"
        )
        print(f"{name:<24}{told}, CPU a step {cpu_ms:.2f} ms", flush=True)
    return found


# ---- growth ----------------------------------------------------------------------------------------------------------
def growth(place: Place, *, quick: bool) -> dict[str, Any]:
    """Bytes kept and CPU a step as conversations get longer."""
    tasks_of = {5: 60, 50: 10} if quick else {5: 120, 50: 20, 200: 6}
    found: dict[str, Any] = {}
    print("\nBytes kept a step, and CPU a step in ms, by tool turns of a task")
    print(f"{'turns':>8}{FLOOR_D:>24}{PRODUCT:>24}{AT_ONCE:>24}")
    for turns, tasks in tasks_of.items():
        figures: dict[str, Any] = {}
        for name in (FLOOR_D, PRODUCT, AT_ONCE):
            with place.contestant(name, 6) as one:
                place.model.set()
                one.work(WARM)
                place.model.set(turns=turns)
                batch = one.work(tasks)
                counted = tasks * (turns + 1)
                kept = one.kept() / (counted + WARM * STEPS)
                figures[name] = {"bytes": kept, "cpu_ms": 1000 * batch.cpu_s / counted}
        for one_figure in figures.values():
            one_figure["x_floor_d"] = one_figure["bytes"] / figures[FLOOR_D]["bytes"]
        found[str(turns)] = figures
        cells = (f"{f['bytes']:6.0f} (x{f['x_floor_d']:.2f}) {f['cpu_ms']:5.2f}" for f in figures.values())
        print(f"{turns:>8}" + "".join(f"{cell:>24}" for cell in cells), flush=True)
    place.model.set()
    return found


# ---- memory ----------------------------------------------------------------------------------------------------------
def memory(place: Place, *, quick: bool) -> dict[str, Any]:
    """Resident KiB of an agent in flight: many held at their third turn, less the idle process."""
    agents = 100 if quick else IN_FLIGHT
    found: dict[str, Any] = {}
    print(f"\nKiB of an agent in flight ({agents} held at turn 3), and of the idle process")
    for name in (FLOOR_D, PRODUCT):
        with place.contestant(name, agents) as one:
            place.model.set()
            one.work(16)
            time.sleep(0.5)
            idle = one.mark(collect=True)["rss_kib"]
            place.model.set(hold_at=2)
            one.begin(agents)
            place.model.wait_held(agents)
            held = one.mark(collect=True)["rss_kib"]
            place.model.release()
            one.finish()
        found[name] = {"idle_mib": idle / 1024, "kib_an_agent": (held - idle) / agents}
        print(f"{name:<24}{(held - idle) / agents:7.0f} KiB{idle / 1024:9.0f} MiB idle", flush=True)
    return found


# ---- what is sent ----------------------------------------------------------------------------------------------------
def prompts(place: Place, *, quick: bool) -> dict[str, Any]:
    """Bytes sent to the model for one task and for one supervisor with three tasks, beside a bare loop."""
    del quick  # one task each
    three = place.with_seen(place.seen.with_only([tool.replace(".", "_") for tool in script.TOOLS]))
    product = {kind: _sent(place, AT_ONCE, kind) for kind in ("first", "supervisor")}
    bare = {kind: _sent(place, FLOOR_N, kind) for kind in ("first", "supervisor")}
    without = _sent(three, FLOOR_N, "first")
    found = {
        "task": _against(product["first"], bare["first"]),
        "task, floor without finish and questions": _against(product["first"], without),
        "supervisor and three tasks": _against(product["supervisor"], bare["supervisor"]),
    }
    print("\nBytes sent to the model, product beside a bare loop with the same prompt and tools")
    for name, one in found.items():
        calls = f"{one['calls']:.0f} calls (bare: {one['bare_calls']:.0f})"
        print(
            f"{name:<44}{one['bytes']:>9,.0f} / {one['bare_bytes']:>9,.0f} (x{one['x_bare']:.3f}), {calls}", flush=True
        )
    return found


def _sent(place: Place, name: str, kind: str) -> Mapping[str, int]:
    with place.contestant(name, 4) as one:
        place.model.set()
        work: Callable[..., Any] = one.work
        work(1, kind)
        return place.model.stats()


def _against(product: Mapping[str, int], bare: Mapping[str, int]) -> dict[str, float]:
    return {
        "bytes": product["bytes"],
        "bare_bytes": bare["bytes"],
        "x_bare": product["bytes"] / bare["bytes"],
        "calls": product["requests"],
        "bare_calls": bare["requests"],
    }
