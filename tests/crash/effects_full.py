"""The gate's trials at full counts: `python -m tests.crash.effects_full [sqlite|postgresql] [--seeds N]`.

A seed is one pass over everything: a kill at every passage of every boundary of the main job and of a chat post, under both
profiles; a word said at every instant; a worker stopped inside each step of a send. Prints one line a trial with its figures;
ends with an error at the first that fails. About five minutes a seed and engine on two cores.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests import postgres
from tests.crash import effects
from tests.crash.effects import CALL, POST, Stage
from tests.crash.forkserver import ForkServer

STEPS = ("gate:before-attempt:1", "gate:attempted:1", "gate:sent:1", "gate:recorded:1")


def main() -> None:
    """Runs every trial that the engine named has, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", nargs="?", choices=["sqlite", "postgresql"])
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    cluster = postgres.Cluster() if options.engine != "sqlite" and postgres.available() else None
    with tempfile.TemporaryDirectory(prefix="deputy-effects-") as root, ForkServer("tests.crash.effects") as server:
        for seed in range(1, options.seeds + 1):
            if options.engine != "postgresql":
                _pass(server, Path(root) / f"sqlite{seed}", None, f"sqlite {seed}")
            if cluster is not None:
                _pass(server, Path(root) / f"postgresql{seed}", cluster, f"postgresql {seed}")
    if cluster is not None:
        cluster.stop()
    elif options.engine != "sqlite":
        print("PostgreSQL is not installed: its trials did not run", file=sys.stderr)


def _pass(server: ForkServer, folder: Path, cluster: postgres.Cluster | None, name: str) -> None:
    for profile in ("careful", "delegated"):
        stage = Stage(server, folder / profile, cluster.create if cluster else str, profile=profile)
        for request in (CALL, POST):
            what = f"{name}, {profile}, {'call' if request == CALL else 'post'}"
            _say(
                f"{what}, kill at every passage",
                partial(effects.kill_everywhere, stage, request, all_passages=True),
            )
            if cluster is not None and profile == "careful":
                for point in STEPS[:3]:
                    _say(
                        f"{what}, stopped at {point}, taken over",
                        partial(effects.stop_inside_a_send, stage, request, point),
                    )
        if profile == "careful":
            passed = effects.boundaries(stage.fresh(), CALL)
            instants = [
                p for p in effects.points_of(passed, all_passages=True) if "beat" not in p and "remove" not in p
            ]
            _say(f"{name}, approved at every instant", partial(_each, stage, instants, effects.approve_at))
            for approved in (False, True):
                when = "after" if approved else "before"
                nudge = partial(effects.nudge_at, approved=approved)
                _say(f"{name}, remark at every instant, {when} the approvals", partial(_each, stage, instants, nudge))
            for point in ("committed:claim:1", "commit:failed:1", "committed:failed:1", "gate:asked:1"):
                _say(f"{name}, edited, killed at {point}", partial(effects.edit_and_kill, stage, point))
            if cluster is None:
                for point in STEPS:
                    _say(f"{name}, stopped at {point}, spoken to", partial(effects.stop_and_say, stage, point))
        stage.close()


def _each(stage: Stage, points: list[str], trial: Callable[[Stage, str], str]) -> dict[str, int]:
    """How often each answer came; a point that is not passed in this phase counts as "not reached"."""
    found: dict[str, int] = {}
    for point in points:
        said = trial(stage, point) or "nothing open"
        found[said] = found.get(said, 0) + 1
    return found


def _say(name: str, run: Callable[[], Any]) -> None:
    began = time.monotonic()
    result = run()
    print(f"OK {name}: {result} in {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
