"""The product under cProfile, its main thread and the store's writer thread each: the child of `profile`.

`profile` in its first line names the folder where `main` and `writer` statistics are left when the input ends.
"""

from __future__ import annotations

import cProfile
import json
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from benchmarks.agents import product
from orchestrator.engine.worker import spare_collections

WRITER = "deputy-writer"


def watch_writers(made: list[cProfile.Profile]) -> None:
    """From here on, each writer's thread that starts has a profile of its own in `made`."""
    run = threading.Thread.run

    def watched(thread: threading.Thread) -> None:
        if thread.name != WRITER:
            return run(thread)
        made.append(cProfile.Profile())
        return made[-1].runcall(run, thread)

    threading.Thread.run = watched  # type: ignore[method-assign]


def main() -> int:
    given: dict[str, Any] = json.loads(sys.stdin.readline())
    writers: list[cProfile.Profile] = []
    watch_writers(writers)
    made = product.worker(given)
    spare_collections()
    product.serve_marks()
    of_main = cProfile.Profile()
    code = of_main.runcall(made.run)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    folder = Path(given["profile"])
    for name, profiles in (("main", [of_main]), ("writer", writers)):
        for number, one in enumerate(profiles):
            one.dump_stats(folder / f"{name}{number}.prof")
    return code


if __name__ == "__main__":
    sys.exit(main())
