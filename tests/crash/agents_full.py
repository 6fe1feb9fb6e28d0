"""The agents' trials at full counts: `python -m tests.crash.agents_full [sqlite|postgresql] [--random N] [--every N]`.

A kill at every passage of every boundary (or every N-th), then kills at random instants. Prints the figures of each; ends with
an error at the first that fails. Twenty minutes on two cores.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import postgres
from tests.crash import agents
from tests.crash.agents import Stage
from tests.crash.forkserver import ForkServer
from tests.e2e.place import build_world

BY_TIME = ("empty-claim", "beat", "remove")  # how often they pass depends on how fast the machine is


def main() -> None:
    """Runs both trials on the engine that is named, or on each that there is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", nargs="?", choices=["sqlite", "postgresql"])
    parser.add_argument("--random", type=int, default=20)
    parser.add_argument("--every", type=int, default=1)
    options = parser.parse_args()
    cluster = postgres.Cluster() if options.engine != "sqlite" and postgres.available() else None
    with tempfile.TemporaryDirectory(prefix="deputy-agents-") as root, ForkServer("tests.crash.agents") as server:
        places = _Places(Path(root), server, cluster)
        for engine in ("sqlite", "postgresql"):
            if options.engine in (None, engine) and (engine == "sqlite" or cluster is not None):
                _boundaries(places, engine, options.every)
                _random(places, engine, options.random)
    if cluster is not None:
        cluster.stop()
    elif options.engine != "sqlite":
        print("PostgreSQL is not installed: its trials did not run", file=sys.stderr)


class _Places:
    """Fresh stages, one after the other."""

    def __init__(self, root: Path, server: ForkServer, cluster: postgres.Cluster | None) -> None:
        self.root, self._server, self._cluster, self._count = root, server, cluster, 0
        self._world = build_world(root / "world")

    @contextmanager
    def fresh(self, engine: str) -> Iterator[Stage]:
        """A stage that is gone afterwards."""
        self._count += 1
        folder = self.root / str(self._count)
        url = self._cluster.create() if self._cluster is not None and engine == "postgresql" else ""
        try:
            with agents.stage(self._server, folder, self._world, url) as one:
                yield one
        finally:
            if self._cluster is not None and url:
                self._cluster.drop(url)
            shutil.rmtree(folder, ignore_errors=True)


def _boundaries(places: _Places, engine: str, every: int) -> None:
    began = time.monotonic()
    with places.fresh(engine) as one:
        counts = agents.boundaries(one, places.root / f"{engine}.boundaries")
    points = [f"{name}:{n}" for name, count in sorted(counts.items()) for n in range(1, count + 1)]
    points = [point for point in points if not any(word in point for word in BY_TIME)][::every]
    killed = 0
    for point in points:
        with places.fresh(engine) as one:
            killed += agents.kill_at(one, point)
    took = time.monotonic() - began
    print(
        f"OK {engine}, kill at every boundary: {len(counts)} names, {killed} kills of {len(points)} in {took:.0f} s",
        flush=True,
    )


def _random(places: _Places, engine: str, count: int) -> None:
    began, rng, killed = time.monotonic(), random.Random(1), 0
    for _ in range(count):
        with places.fresh(engine) as one:
            killed += agents.kill_at_random(one, rng)
    print(f"OK {engine}, kill at random: {killed} kills of {count} in {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
