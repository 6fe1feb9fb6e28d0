"""Where the CPU of a step goes: `python -m benchmarks.agents.breakdown [--tasks 400] [--without-gc] [--office] [--out FILE]`.

Runs the product at 64 with the scripted model and samples it from outside with py-spy (`pip install py-spy`), only threads that
hold the interpreter. Shares are turned into microseconds a step with the CPU that the same batch took. Garbage collections show
up wherever they struck; `--without-gc` leaves them out.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.agents.contestants import ModelServer, Product, Took, build_office, seen_by
from benchmarks.agents.measures import STEPS
from benchmarks.agents.run import compile_packages, machine

RATE = 400
CONCURRENCY = 64
_PLACE = re.compile(r"^(?P<name>.*) \((?P<file>.*?):\d+\)$")
_OWN = ("orchestrator/", "connectors/", "policies/")
# A sample belongs to the first of these whose pattern matches a frame, from the leaf to the root.
_PARTS = (
    ("model client", r"^orchestrator/agents/models/"),
    ("guard", r"^policies/"),
    ("gate", r"^orchestrator/gate/"),
    ("tool itself", r"^connectors/"),
    (
        "LangGraph",
        r"^(pregel|graph|_internal|langgraph|langchain_core|runnables|callbacks)/|^orchestrator/agents/graph",
    ),
    ("agent", r"^orchestrator/agents/"),
    ("store", r"^orchestrator/store/"),
    ("engine", r"^orchestrator/engine/"),
    ("app", r"^orchestrator/"),
)

Stack = tuple[
    list[tuple[str, str]], int, bool
]  # (function, file) from the root, samples, whether it is the writer's thread


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=400)
    parser.add_argument("--without-gc", action="store_true", help="switch the garbage collector of the worker off")
    parser.add_argument("--office", action="store_true", help="the office's real reads instead of fixed results")
    parser.add_argument("--out", type=Path, help="write the figures there, as JSON")
    chosen = parser.parse_args()
    if shutil.which(_py_spy()) is None:
        sys.exit("py-spy is not there; install it: pip install py-spy")
    compile_packages()
    print(machine())
    with tempfile.TemporaryDirectory(prefix="deputy-bench-") as folder:
        took, raw = sampled(Path(folder), chosen.tasks, with_gc=not chosen.without_gc, office=chosen.office)
    stacks = list(read(raw))
    step_us = 1e6 * took.cpu_s / took.tasks / STEPS
    total = sum(samples for _, samples, _ in stacks)
    tables = {
        name: counted(stacks, key)
        for name, key in (("part", part_of), ("phase", phase_of), ("own", own_of), ("function", leaf_of))
    }
    figures = {
        name: {key: step_us * samples / total for key, samples in table.most_common(40)}
        for name, table in tables.items()
    }
    print(f"CPU {step_us:.0f} us a step, {total} samples; microseconds a step")
    for name, rows in figures.items():
        print(f"\nby {name}")
        for key, us in rows.items():
            print(f"{us:8.0f}  {key}")
    if chosen.out is not None:
        chosen.out.write_text(
            json.dumps({"machine": machine(), "step_us": step_us, **figures}, indent=2) + "\n", encoding="utf-8"
        )


def sampled(folder: Path, tasks: int, *, with_gc: bool, office: bool) -> tuple[Took, str]:
    """One batch without the sampler for the CPU, then the same with it for the shares."""
    model = ModelServer()
    try:
        world = build_office(folder / "office")
        at_once = None if office else seen_by(model, folder / "scout", world).values()
        one = Product(folder / "product", world, model.url, CONCURRENCY, at_once, with_gc=with_gc)
        one.work(2 * CONCURRENCY)
        took = one.work(tasks)
        out = folder / "stacks.txt"
        command = [
            _py_spy(),
            "record",
            "--gil",
            "--format",
            "raw",
            "--rate",
            str(RATE),
            "--output",
            str(out),
            "--duration",
            "3600",
        ]
        sampler = subprocess.Popen(
            [*command, "--pid", str(one.pid)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert sampler.stdout is not None
        sampler.stdout.readline()  # it is attached
        one.work(tasks)
        sampler.send_signal(2)
        sampler.communicate(timeout=60)
        one.close()
        return took, out.read_text(encoding="utf-8")
    finally:
        model.close()


def read(raw: str) -> Iterator[Stack]:
    """Stacks of py-spy's raw format: frames joined by semicolons, then a count."""
    for line in raw.splitlines():
        frames, _, samples = line.rpartition(" ")
        found = [_PLACE.match(frame) for frame in frames.split(";")]
        stack = [(one["name"], one["file"]) for one in found if one is not None]
        yield stack, int(samples), any(name == "Writer._run" for name, _ in stack)


def counted(stacks: list[Stack], key: Any) -> Counter[str]:
    table: Counter[str] = Counter()
    for stack in stacks:
        table[key(stack)] += stack[1]
    return table


def part_of(stack: Stack) -> str:
    frames, _, is_writer = stack
    if is_writer:
        return "store, writer's thread"
    for _, file in reversed(frames):
        for name, pattern in _PARTS:
            if re.search(pattern, file):
                return name
    return "event loop"


def phase_of(stack: Stack) -> str:
    """The verb of a commit; else what the worker, the advance or the turn was about."""
    frames, _, is_writer = stack
    names = [name for name, _ in frames]
    if is_writer:
        at = next((n for n, name in enumerate(names) if name == "Writer._commit"), len(names))
        own = [name for name, file in frames[at + 1 :] if file.startswith(_OWN)]
        return f"commit: {own[0]}" if own else "commit: the transaction itself"
    for mark in ("OpenAIWire.attempt", "Pool.reply", "Gate._read", "Gate.perform", "Caller.call", "Agent.turn"):
        if mark in names:
            return f"step: {mark}"
    if any(file.startswith("pregel") for _, file in frames) or "run" in names and "Pregel.ainvoke" in names:
        return "step: LangGraph"
    for mark in (
        "look_around",
        "Advancer._refresh_people",
        "PresentHouse.house",
        "_recall",
        "beginning",
        "open_run",
        "_AgentAdvance._case",
        "_AgentAdvance.__post_init__",
        "Spans.collect",
        "hear_answers",
        "_AgentAdvance.finish",
        "advance_agent",
        "Advancer.advance",
        "Serving._look",
        "Serving._advance",
        "Serving._work",
    ):
        if mark in names:
            return f"task: {mark}"
    return "event loop"


def own_of(stack: Stack) -> str:
    """The deepest frame of ours."""
    frames, _, is_writer = stack
    own = [f"{name} ({file})" for name, file in frames if file.startswith(_OWN)]
    return ("writer " if is_writer else "") + (own[-1] if own else "none")


def leaf_of(stack: Stack) -> str:
    frames, _, is_writer = stack
    name, file = frames[-1] if frames else ("?", "?")
    return ("writer " if is_writer else "") + f"{name} ({file})"


def _py_spy() -> str:
    return str(Path(sys.executable).with_name("py-spy"))


if __name__ == "__main__":
    main()
