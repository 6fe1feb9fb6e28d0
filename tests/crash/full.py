"""The engine's trials at full counts: `python -m tests.crash.full [sqlite|postgresql] [--kills N] [--rounds N] [--races N] [--submits N]`.

Prints one line per trial with its figures; ends with an error at the first trial that fails. Half an hour on two cores.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests import postgres
from tests.crash import trials
from tests.crash.forkserver import ForkServer
from tests.crash.trials import Bench


def main() -> None:
    """Runs every trial that the engine named has, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", nargs="?", choices=["sqlite", "postgresql"])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--races", type=int, default=500)
    parser.add_argument("--submits", type=int, default=200)
    options = parser.parse_args()
    cluster = postgres.Cluster() if options.engine != "sqlite" and postgres.available() else None
    with tempfile.TemporaryDirectory(prefix="deputy-trials-") as root, ForkServer("tests.crash.trial") as server:
        places = _Places(Path(root), server, cluster)
        if options.engine != "postgresql":
            _say("sqlite, kill at every boundary", lambda: _every_boundary(places, "sqlite"))
            _say("sqlite, kill at random", lambda: places.on("sqlite", trials.kill_at_random, options.kills))
            _say(
                "sqlite, stop and go",
                lambda: [str(places.on("sqlite", trials.stop_on_sqlite)) for _ in range(options.rounds)][-1],
            )
            _say(
                "sqlite, submit around the end",
                lambda: places.on("sqlite", trials.submit_around_the_end, options.submits),
            )
            _say(
                "sqlite, race with the last claim",
                lambda: places.on("sqlite", trials.race_with_the_last_claim, options.races),
            )
        if cluster is not None:
            _say("postgresql, kill at every boundary", lambda: _every_boundary(places, "postgresql"))
            _say("postgresql, kill at random", lambda: places.on("postgresql", trials.kill_at_random, options.kills))
            _say("postgresql, stop and go", lambda: places.on("postgresql", trials.stop_and_go, options.rounds))
            _say(
                "postgresql, race with the last claim",
                lambda: places.on("postgresql", trials.race_with_the_last_claim, options.races),
            )
        elif options.engine != "sqlite":
            print("PostgreSQL is not installed: its trials did not run", file=sys.stderr)
    if cluster is not None:
        cluster.stop()


class _Places:
    """Fresh benches, one after the other."""

    def __init__(self, root: Path, server: ForkServer, cluster: postgres.Cluster | None) -> None:
        self._root, self._server, self._cluster, self._count = root, server, cluster, 0

    @contextmanager
    def fresh(self, engine: str) -> Iterator[Bench]:
        """A bench that is gone afterwards."""
        self._count += 1
        folder = self._root / str(self._count)
        folder.mkdir()
        if engine == "sqlite":
            url = f"sqlite:///{folder}/work.sqlite"
        else:
            assert self._cluster is not None
            url = self._cluster.create()
        bench = Bench(self._server, url, folder / "bench")
        try:
            yield bench
        finally:
            bench.close()
            if self._cluster is not None and engine != "sqlite":
                self._cluster.drop(url)
            shutil.rmtree(folder, ignore_errors=True)

    def on(self, engine: str, run: Callable[..., Any], *args: Any) -> Any:
        """What the trial says on a fresh bench."""
        with self.fresh(engine) as bench:
            return run(bench, *args)


def _every_boundary(places: _Places, engine: str) -> dict[str, int]:
    """A kill at every passage of every boundary of one task."""
    counts = places.on(engine, trials.boundaries)
    killed = missed = 0
    for name, count in sorted(counts.items()):
        for number in range(1, count + 1):
            if places.on(engine, trials.kill_at, f"{name}:{number}"):
                killed += 1
            else:
                missed += 1  # beats and empty claims depend on time: fewer of them this time
    return {"boundaries": len(counts), "kills": killed, "not reached": missed}


def _say(name: str, run: Callable[[], Any]) -> None:
    began = time.monotonic()
    result = run()
    print(f"OK {name}: {result} in {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
