"""How claiming and bulk submission grow with the length of the list: `python -m benchmarks.worklist [--million] [--engine sqlite]`.

Every figure of one line comes from one run on one machine: compare within a line, by the ratios. Claims are made as a worker
makes them, load and commit included, each in a commit of its own. PostgreSQL runs where it is installed.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from datetime import UTC, datetime

from orchestrator.store import lease, workers, worklist
from orchestrator.store.database import Store
from orchestrator.store.worklist import NewItem
from tests import postgres

DEPTHS = (1_000, 10_000, 100_000)
CLAIMS = 300


def now() -> datetime:
    return datetime.now(UTC)


def grow(store: Store, have: int, want: int) -> float:
    """Seconds to submit what is missing to `want` ready items, in transactions of at most 100 000."""
    began = time.perf_counter()
    while have < want:
        count = min(want - have, 100_000)
        store.write(
            worklist.submit_many, [NewItem(request="a wish", requester="alex@northwind.example")] * count, now()
        )
        have += count
    return time.perf_counter() - began


def claims(store: Store) -> tuple[float, float, float]:
    """(p50 wall, p99 wall, mean CPU of this process) of one claim, in microseconds; the claimed items go back."""
    walls, cpu = [], 0.0
    for _ in range(CLAIMS):
        wall, used = time.perf_counter(), time.process_time()
        claimed = store.write(lease.claim, "w", now())
        cpu += time.process_time() - used
        walls.append(time.perf_counter() - wall)
        assert claimed is not None
        store.write(lease.give_back, claimed.lease, now(), count=False, why="benchmark")
    return 1e6 * statistics.median(walls), 1e6 * sorted(walls)[int(CLAIMS * 0.99)], 1e6 * cpu / CLAIMS


def measure(store: Store, depths: tuple[int, ...]) -> None:
    """Prints one line per depth, with ratios to the first."""
    store.write(workers.register, "w", lock_key=1, host="here", pid=1)
    first: tuple[float, float, float] | None = None
    have = 0
    for depth in depths:
        spent = grow(store, have, depth)
        rate = (depth - have) / spent
        have = depth
        made = claims(store)
        first = first or made
        ratio = f"x{made[0] / first[0]:.2f} wall, x{made[2] / first[2]:.2f} CPU"
        print(
            f"{store.dialect:10} {depth:>9,} ready: claim p50 {made[0]:6.0f} us, p99 {made[1]:6.0f} us, CPU {made[2]:5.0f} us ({ratio});"
            f" submitted {rate:,.0f}/s ({spent:.2f} s)",
            flush=True,
        )


def main() -> None:
    """Both engines, or the one named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--million", action="store_true", help="up to a million ready items")
    parser.add_argument("--engine", choices=["sqlite", "postgresql"])
    options = parser.parse_args()
    depths = (*DEPTHS, 1_000_000) if options.million else DEPTHS
    if options.engine != "postgresql":
        with tempfile.TemporaryDirectory() as folder:
            store = Store.open(f"sqlite:///{folder}/work.sqlite")
            measure(store, depths)
            store.close()
    if options.engine != "sqlite" and postgres.available():
        cluster = postgres.Cluster()
        try:
            store = Store.open(cluster.create())
            measure(store, depths)
            store.close()
        finally:
            cluster.stop()


if __name__ == "__main__":
    main()
