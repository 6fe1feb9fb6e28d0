"""How long the command line takes, each time a new process: help, reads, a detached and a followed request.

    .venv/bin/python benchmarks/cold.py [--runs 15] [--json FILE]

Makes a home of its own in a temporary folder and removes it. Wall time from start to exit, file cache warm; the median, the
fastest and the slowest of the runs are told together with the machine, because a busy machine doubles them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CALL = "Set up a 30 minute call with Dana about her last mail"
COMMANDS: dict[str, tuple[list[str], int]] = {  # name → arguments, expected exit code
    "python itself": ([], 0),
    "--help": (["--help"], 0),
    "inbox ls": (["inbox", "ls"], 0),
    "work ls": (["work", "ls", "--json"], 0),
    "ask --detach": (["ask", "--detach", "What is on my calendar today?"], 0),
    "ask, a read": (["ask", "What is on my calendar today?", "--json"], 0),
    "ask --yes, the main job": (["ask", CALL, "--yes", "--json"], 0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="deputy-bench-") as folder:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("DEPUTY_")} | {"DEPUTY_HOME": folder}
        timed(["init"], 0, environment)
        figures = {
            name: measure(arguments, code, environment, chosen.runs) for name, (arguments, code) in COMMANDS.items()
        }
        wait_for_worker(Path(folder))
    told = {"machine": machine(), "runs": chosen.runs, "seconds": figures}
    print(f"{told['machine']}\n")
    print(f"{'command':<26}{'median':>9}{'fastest':>9}{'slowest':>9}   seconds, {chosen.runs} runs")
    for name, figure in figures.items():
        print(f"{name:<26}{figure['median']:>9.3f}{figure['fastest']:>9.3f}{figure['slowest']:>9.3f}")
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def measure(arguments: list[str], code: int, environment: dict[str, str], runs: int) -> dict[str, float]:
    timed(arguments, code, environment)
    taken = [timed(arguments, code, environment) for _ in range(runs)]
    return {"median": statistics.median(taken), "fastest": min(taken), "slowest": max(taken)}


def timed(arguments: list[str], code: int, environment: dict[str, str]) -> float:
    """Seconds of one process; ends the benchmark when it did not do what it should."""
    program = ["-m", "orchestrator.surfaces.cli.main", *arguments] if arguments else ["-c", ""]
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *program], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    taken_s = time.perf_counter() - begun
    if done.returncode != code:
        sys.exit(f"deputy {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return taken_s


def wait_for_worker(home: Path) -> None:
    """The worker leaves by itself; the folder is removed after it."""
    from orchestrator.engine import hosts

    end = time.monotonic() + 60
    while not hosts.is_free(home / hosts.LOCK_NAME) and time.monotonic() < end:
        time.sleep(0.1)


def machine() -> dict[str, Any]:
    load = os.getloadavg()[0]
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "load_1min": round(load, 2),
    }


if __name__ == "__main__":
    main()
