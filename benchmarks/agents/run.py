"""What a step of an agent costs, in one run beside a bare loop that does the same: `python -m benchmarks.agents.run [--quick] [--out FILE]`.

A task is five turns with one read each, then `finish`: six steps. The model is a script in a process of its own, whose CPU is not
counted. CPU is user and system time of the contestant's own process, all its threads. Compare within one run only.

Contestants: floor N keeps nothing; floor D commits each step to SQLite (WAL, synchronous=FULL, group commit) before the next one
starts; the product is Deputy's worker with guard, gate, claim, step log, budgets and receipts on and the local office behind it;
"at once" is the same worker whose tools answer with fixed values, as the floors' tools do. With floor D above 0.35 ms CPU a step at 64 the
machine was too busy, and the run is void. "larger" repeats concurrency 64 with up to twenty entries a result. The aims stand in `aims`.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.agents import aims, measures
from benchmarks.agents.child import ROOT
from benchmarks.agents.contestants import ModelServer, build_office, seen_by

PARTS = ("steps", "larger", "wall", "growth", "memory", "prompts")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer tasks, one round, no concurrency 256, no 200 turns")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS), help="only these parts")
    parser.add_argument("--out", type=Path, help="write the figures there, as JSON")
    chosen = parser.parse_args()
    compile_packages()
    with tempfile.TemporaryDirectory(prefix="deputy-bench-") as folder:
        figures = measured(Path(folder), chosen.only, quick=chosen.quick)
    figures["machine"] = machine()
    figures["aims"] = aims.verdict(figures)
    figures["void"] = aims.void_because(figures)
    if chosen.out is not None:
        chosen.out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    if figures["void"] is not None:
        print(f"\nVOID: {figures['void']}")
        return 1
    return 0


def measured(folder: Path, parts: list[str], *, quick: bool) -> dict[str, Any]:
    print(machine(), flush=True)
    model = ModelServer()
    try:
        office = build_office(folder / "office")
        place = measures.Place(folder=folder, office=office, model=model, seen=seen_by(model, folder / "scout", office))
        figures = {}
        for name in PARTS:
            if name in parts:
                figures[name] = getattr(measures, name)(place, quick=quick)
        return figures
    finally:
        model.close()


def compile_packages() -> None:
    """Every child starts from compiled files, whether or not it may write them itself."""
    for package in ("orchestrator", "connectors", "policies", "benchmarks"):
        compileall.compile_dir(ROOT / package, quiet=2, workers=1)
    installed = next(path for path in sys.path if path.endswith("site-packages"))
    compileall.compile_dir(installed, quiet=2, workers=os.cpu_count() or 1)


def machine() -> str:
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {load}"


if __name__ == "__main__":
    sys.exit(main())
