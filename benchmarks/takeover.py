"""How soon the other worker has what a killed one held: `python -m benchmarks.takeover`. Aim: within 5 s, and what had an effect under
way within 5 s after its connector's wire timeout.

Two whole `deputy serve` processes on one PostgreSQL. First the worker of one is killed while agents wait for their model; then, again
and again, while requests with one effect each are worked on. Instants are the database's.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from orchestrator.store import workers
from orchestrator.store.database import Store
from orchestrator.store.tables import worklist
from tests import postgres
from tests.agents.puppet import Asked, Puppet, Says, finish
from tests.distributed.test_two_desks import House

AGENTS = 8
WISHES = 40
ROUNDS = 5
WIRE_S = 2.0  # of the office's tools; an attempt may be under way for twice as long
CLERK = '---\nversion: 1\ndescription: "Looks."\ntools: ["calendar.list_events"]\n---\nYou do as you are told.\n'


def main() -> None:
    print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    cluster = postgres.Cluster()
    release = threading.Event()

    def script(asked: Asked) -> Says:
        release.wait(120)
        return finish("nothing")

    model = Puppet(script)
    with tempfile.TemporaryDirectory(prefix="deputy-bench-") as folder:
        agents = Path(folder) / "agents"
        agents.mkdir()
        (agents / "clerk.md").write_text(CLERK)
        os.environ |= {"OPENAI_API_KEY": "none"}
        more = {
            "DEPUTY_MODEL": "openai:puppet",
            "DEPUTY_MODEL_BASE_URL": model.url,
            "DEPUTY_AGENTS_DIR": str(agents),
            "DEPUTY_PROFILE": "delegated",
        }
        url = cluster.create()
        house = House(Path(folder), url, **more)
        store = Store.open(url)
        try:
            held = running(house, store)
            print(f"{AGENTS} agents waiting for their model: all with the other worker {held:.2f} s after kill -9")
            release.set()
            taken = [effects(house, store, number) for number in range(ROUNDS)]
            let_go, done = [one for one, _ in taken], [one for _, one in taken]
            print(
                f"{WISHES} requests with an effect each, worker killed in the middle, {ROUNDS} times: it holds nothing "
                f"{min(let_go):.2f} to {max(let_go):.2f} s after kill -9; all done after {min(done):.1f} to {max(done):.1f} s, "
                f"of which {2 * WIRE_S:.0f} s are for sends that might still arrive"
            )
        finally:
            store.close()
            house.close()
    model.close()
    cluster.stop()


def running(house: House, store: Store) -> float:
    """Seconds from the kill until no item of the dead worker is its any more."""
    for number in range(AGENTS):
        body = {"request": f"look at my week ({number})", "agent": "clerk"}
        status, told = house.ask("POST", "/items", body)
        assert status == 202, told
    wait_for(lambda: len(of_workers(store)) == AGENTS)
    return after_kill(house, store)


def effects(house: House, store: Store, number: int) -> tuple[float, float]:
    """Seconds from the kill until the dead worker holds nothing, and until everything is done."""
    wishes: list[dict[str, Any]] = [
        {"request": f"hold hour number {n}", "workflow": "hold-time", "input": {"number": n}}
        for n in range(number * WISHES, (number + 1) * WISHES)
    ]
    wait_for(lambda: all(desk.worker is not None for desk in house.desks))
    time.sleep(5)  # until the new worker has loaded
    status, told = house.ask("POST", "/items", wishes)
    assert status == 202, told
    wait_for(lambda: len(of_workers(store)) >= 4)
    began = time.monotonic()
    took = after_kill(house, store)
    wait_for(lambda: not unfinished(store))
    return took, time.monotonic() - began


def after_kill(house: House, store: Store) -> float:
    """Kills the worker that holds most, and waits until it holds nothing."""
    held = of_workers(store)
    name = max(set(held.values()), key=list(held.values()).count)
    with store.read() as tx:
        pid = next(one.pid for one in workers.every(tx) if one.worker_id == name)
    began = time.monotonic()
    os.kill(pid, 9)
    wait_for(lambda: name not in of_workers(store).values())
    return time.monotonic() - began


def of_workers(store: Store) -> dict[str, str]:
    """item → worker of everything that is claimed."""
    w = worklist.c
    with store.read() as tx:
        rows = tx.c.execute(sa.select(w.item_id, w.worker_id).where(w.worker_id.is_not(None), w.state == "running"))
        return {row.item_id: str(row.worker_id) for row in rows}


def unfinished(store: Store) -> int:
    w = worklist.c
    with store.read() as tx:
        return int(tx.c.scalar(sa.select(sa.func.count()).where(w.finished_at.is_(None))) or 0)


def wait_for(holds: Any) -> None:
    until = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.02)


if __name__ == "__main__":
    main()
