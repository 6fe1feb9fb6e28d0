"""Measures the matcher on a set of requests.

    python benchmarks/match.py                         precision, recall, coverage and times on tests/workflows/tuning.jsonl
    python benchmarks/match.py --queries FILE --list   the same on another set, with every miss
    python benchmarks/match.py --calibration           how often a score of 0.7 is right

A line of a set: {"text": "…", "expect": "workflow-name" or null}. A run counts only when it needs no question first; a question
(a slot that is missing or ambiguous) is counted apart. People, `now` and zone are those of tests/workflows/world.py unless a
line has its own `people` and `now`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from orchestrator.workflows.match import Library, Match  # noqa: E402
from orchestrator.workflows.slots import Speaker  # noqa: E402
from tests.workflows.world import ME, NOW, PEOPLE  # noqa: E402

LIBRARY = ROOT / "orchestrator" / "workflows" / "library"
TUNING = ROOT / "tests" / "workflows" / "tuning.jsonl"
ZONE = "Europe/Lisbon"


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def measure(library: Library, rows: list[dict[str, Any]], *, lists: bool) -> dict[str, Any]:
    """Counts and rates. `wrong_rate`: wrong runs of all requests; `recall`: right runs of those that expect one."""
    right = wrong = asked = missed = abstained = 0
    times: list[float] = []
    for row in rows:
        start = time.perf_counter()
        found = library.match(row["text"], people=PEOPLE, now=NOW, zone=ZONE, me=ME)
        times.append((time.perf_counter() - start) * 1000)
        got = found.workflow.name if isinstance(found, Match) else None
        expected = row["expect"]
        if isinstance(found, Match) and not found.is_ready:
            asked += 1
            kind = "asks"
        elif got is not None:
            kind = "right" if got == expected else "WRONG"
            right, wrong = right + (got == expected), wrong + (got != expected)
        elif expected is None:
            abstained, kind = abstained + 1, "abstains"
        else:
            missed, kind = missed + 1, "missed"
        if lists and kind in ("WRONG", "missed", "asks"):
            print(f"{kind:7} {found.score:.2f} expected {expected}, got {got}: {row['text']}  {'; '.join(found.why)}")
    wanted = sum(row["expect"] is not None for row in rows)
    runs = right + wrong
    return {
        "requests": len(rows),
        "with_a_workflow": wanted,
        "right": right,
        "wrong": wrong,
        "missed": missed,
        "abstained_rightly": abstained,
        "asks_first": asked,
        "precision": round(right / runs, 4) if runs else None,
        "wrong_rate": round(wrong / len(rows), 4),
        "recall": round(right / wanted, 4) if wanted else None,
        "coverage": round(runs / len(rows), 4),
        "ms_median": round(statistics.median(times), 2),
        "ms_max": round(max(times), 2),
    }


def calibration(library: Library, rows: list[dict[str, Any]]) -> list[str]:
    """For each tenth of the score of the nearest workflow: how many requests, and how many of them meant it."""
    speaker = Speaker(people=PEOPLE, now=NOW, zone=ZONE, me=ME)
    bins: dict[int, list[bool]] = {}
    for row in rows:
        nearest = max(library.judge(row["text"], speaker), key=lambda one: one.score)
        bins.setdefault(min(9, int(nearest.score * 10)), []).append(nearest.profile.workflow.name == row["expect"])
    return [
        f"{at / 10:.1f}-{(at + 1) / 10:.1f}: {len(hits):4} requests, {sum(hits) / len(hits):.2f} meant it"
        for at, hits in sorted(bins.items())
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=Path, default=TUNING)
    parser.add_argument("--calibration", action="store_true")
    parser.add_argument("--list", action="store_true")
    given = parser.parse_args()
    start = time.perf_counter()
    library = Library.load([LIBRARY])
    load_ms = round((time.perf_counter() - start) * 1000, 1)
    rows = read(given.queries)
    if given.calibration:
        print("\n".join(calibration(library, rows)))
        return
    print(json.dumps({**measure(library, rows, lists=given.list), "load_ms": load_ms}, indent=2))


if __name__ == "__main__":
    main()
