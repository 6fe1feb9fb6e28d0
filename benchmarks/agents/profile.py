"""Which functions an agent's step goes through: `python -m benchmarks.agents.profile [--tasks 200] [--office] [--rows 12] [--out FILE]`.

One run of the product at 64 with the scripted model under cProfile, own time by room and by function, for the loop's thread and the
store's writer thread. cProfile charges each Python call, so many small calls look dearer than they are and C code looks cheaper:
use it to count calls and to find places, `run` for what a step costs and `breakdown` (py-spy) for true shares. Own time is wall time of
the thread, waiting included; the waits are listed apart.
"""

from __future__ import annotations

import argparse
import json
import pstats
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.agents.child import ROOT
from benchmarks.agents.contestants import ModelServer, Product, build_office, seen_by
from benchmarks.agents.measures import STEPS
from benchmarks.agents.run import compile_packages, machine

CONCURRENCY = 64
# What a thread does while it has nothing to do.
_WAITS = ("select.epoll", "_queue.SimpleQueue", "_thread.lock", "select.select")
_LIBRARIES = (
    "langgraph",
    "langchain_core",
    "sqlalchemy",
    "aiohttp",
    "yarl",
    "multidict",
    "jsonschema",
    "referencing",
    "jinja2",
    "opentelemetry",
    "tenacity",
    "asyncio",
    "json",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--office", action="store_true", help="the office's real reads instead of fixed results")
    parser.add_argument("--rows", type=int, default=12, help="functions listed of each thread")
    parser.add_argument("--out", type=Path, help="write the figures there, as JSON")
    chosen = parser.parse_args()
    compile_packages()
    print(machine())
    with tempfile.TemporaryDirectory(prefix="deputy-bench-") as folder:
        stats = profiled(Path(folder), chosen.tasks, office=chosen.office)
    figures: dict[str, Any] = {}
    for name, one in stats.items():
        figures[name] = grouped(one, chosen.tasks * STEPS)
        print(f"\n{name}: own time under cProfile, us a step; calls a step")
        for group in ("room", "function"):
            rows = list(figures[name][group].items())[: chosen.rows if group == "function" else None]
            print(f"by {group}")
            for key, row in rows:
                print(f"{row['us']:8.0f} {row['calls']:8.1f}  {key}")
    if chosen.out is not None:
        chosen.out.write_text(json.dumps({"machine": machine(), **figures}, indent=2) + "\n", encoding="utf-8")


def profiled(folder: Path, tasks: int, *, office: bool) -> dict[str, pstats.Stats]:
    """Statistics of each thread over one batch, the worker's start included."""
    model = ModelServer()
    try:
        world = build_office(folder / "office")
        at_once = None if office else seen_by(model, folder / "scout", world).values()
        left = folder / "profiles"
        left.mkdir()
        one = Product(
            folder / "product",
            world,
            model.url,
            CONCURRENCY,
            at_once,
            module="benchmarks.agents.profiled",
            more={"profile": str(left)},
        )
        try:
            one.work(tasks)
        finally:
            one.close()
        return {name: _added(sorted(left.glob(f"{name}*.prof"))) for name in ("main", "writer")}
    finally:
        model.close()


def grouped(stats: pstats.Stats, steps: int) -> dict[str, dict[str, dict[str, float]]]:
    """Own microseconds and calls a step, by room and by function, dearest first."""
    tables: dict[str, tuple[Counter[str], Counter[str]]] = {
        "room": (Counter(), Counter()),
        "function": (Counter(), Counter()),
    }
    rows: dict[Any, Any] = stats.stats  # type: ignore[attr-defined]
    for (file, line, function), (_, calls, own_s, _, _) in rows.items():
        at = _short(file)
        for name, key in (("room", _room(at, function)), ("function", f"{function} ({at}:{line})")):
            us, counted = tables[name]
            us[key] += own_s * 1e6
            counted[key] += calls
    return {
        name: {key: {"us": us / steps, "calls": counted[key] / steps} for key, us in times.most_common(200)}
        for name, (times, counted) in tables.items()
    }


def _added(files: list[Path]) -> pstats.Stats:
    if not files:
        raise RuntimeError("the worker left no profile")
    stats = pstats.Stats(str(files[0]))
    for more in files[1:]:
        stats.add(str(more))
    return stats


def _short(file: str) -> str:
    for cut in (f"{ROOT}/", "/site-packages/"):
        if cut in file and not (cut == f"{ROOT}/" and "/site-packages/" in file):
            return file.rsplit(cut, 1)[1]
    return "/".join(file.rsplit("/", 2)[-2:])


def _room(file: str, function: str) -> str:
    if file == "~":
        if any(wait in function for wait in _WAITS):
            return "waiting"
        return "sqlite3 (C)" if "sqlite3" in function else "other C code"
    top, _, rest = file.partition("/")
    if top == "orchestrator":
        return f"orchestrator/{rest.split('/')[0] if '/' in rest else rest}"
    if top in ("policies", "connectors", "benchmarks", *_LIBRARIES):
        return top
    return "other Python code"


if __name__ == "__main__":
    sys.exit(main())
