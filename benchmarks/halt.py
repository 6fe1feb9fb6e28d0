"""How soon a halt holds: `python -m benchmarks.halt`. Aims: no effect begins later than 100 ms after it, model calls end within 2 s.

One worker, as `deputy worker` runs it, with 50 agents whose model does not answer, then with a queue of requests that each have one
effect, halted in the middle. Instants are those of the ledger and the worklist; both databases where PostgreSQL is there.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from tests import postgres
from tests.agents.cast import ODD, hire
from tests.agents.puppet import Asked, Puppet, Says, finish
from tests.distributed.desks import HOLD
from tests.e2e.place import Place, build_world

AGENTS = 50
WISHES = 300
HALT_AFTER = 60  # effects


def main() -> None:
    print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory(prefix="deputy-bench-") as folder:
        world = build_world(Path(folder) / "world")
        urls = {"sqlite": ""}
        cluster = postgres.Cluster() if postgres.available() else None
        if cluster is not None:
            urls["postgresql"] = cluster.create()
        for name, url in urls.items():
            models = model_calls(Place(Path(folder) / f"{name}-models", world, url))
            if cluster is not None and url:
                url = cluster.create()
            late, under_way, after = effects(Place(Path(folder) / f"{name}-effects", world, url, profile="delegated"))
            print(
                f"{name}: {AGENTS} model calls ended and their agents parked {models:.2f} s after the halt; "
                f"last effect begun {late * 1000:+.0f} ms after it ({under_way} under way were told, {after} begun later)"
            )
        if cluster is not None:
            cluster.stop()


def model_calls(place: Place) -> float:
    """Seconds from the halt until every agent waits for its lift."""
    release, asked_for = threading.Event(), threading.Semaphore(0)

    def script(asked: Asked) -> Says:
        asked_for.release()
        release.wait(120)
        return finish("late")

    hire(place, "clerk", ["calendar.list_events"])
    model = Puppet(script)
    place.set(model="openai:puppet", model_base_url=model.url, workers=AGENTS)
    for number in range(AGENTS):
        place.submit(f"{ODD} ({number})", options={"agent": "clerk"})
    worker = threading.Thread(target=place.work, daemon=True)
    worker.start()
    for _ in range(AGENTS):
        assert asked_for.acquire(timeout=60)
    began = time.monotonic()
    place.desk.halts.begin(place.me)
    while any(one["state"] != "waiting" for one in items(place)):
        time.sleep(0.02)
    took = time.monotonic() - began
    release.set()
    worker.join(60)
    model.close()
    place.close()
    return took


def effects(place: Place) -> tuple[float, int, int]:
    """(the last beginning after the halt in seconds, effects that the halt told of, effects begun after it)."""
    (place.home / "workflows").mkdir(exist_ok=True)
    (place.home / "workflows" / "hold-time.yaml").write_text(HOLD)
    for number in range(WISHES):
        wish = {"workflow": "hold-time", "input": {"number": number}, "approve_all": True}
        place.submit(f"hold hour number {number}", options=wish)
    worker = threading.Thread(target=place.work, daemon=True)
    worker.start()
    while len(place.sent()) < HALT_AFTER:
        time.sleep(0.005)
    halt = place.desk.halts.begin(place.me)
    worker.join(120)
    at = datetime.fromisoformat(halt["at"])
    begun = [
        datetime.fromisoformat(one["at"])
        for one in place.desk.audit_tail(place.me, limit=10_000)
        if one["kind"] == "effect.attempted"
    ]
    assert len(begun) < WISHES, "everything was done before the halt"
    late = [(one - at).total_seconds() for one in begun]
    place.close()
    return max(late), len(halt["in_flight"]), sum(one > 0 for one in late)


def items(place: Place) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = place.desk.items(place.me, limit=500)["items"]
    return found


if __name__ == "__main__":
    main()
