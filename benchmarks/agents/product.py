"""Deputy's own worker as a contestant: guard, gate, claim, step log, budgets, receipts on; spans are kept, none is exported.

Reads its first line from the harness, then works like `deputy worker` until its input ends. `at_once`: the office's tools answer
with fixed values without looking anything up, as the floors' tools do.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.agents import child
from connectors.office import OfficeConnector
from connectors.spec import Account, Json
from orchestrator import app
from orchestrator.engine.advance import Advancer, House
from orchestrator.engine.present import PresentHouse
from orchestrator.engine.serving import Pace
from orchestrator.engine.worker import Worker, spare_collections
from orchestrator.gate.toolbox import Toolbox
from orchestrator.settings import Settings
from orchestrator.store.database import Store


def settings_of(given: Mapping[str, Any]) -> Settings:
    """One home; limits so wide that only the script ends a task."""
    return Settings.load(
        home=Path(given["home"]),
        model="openai:script",
        model_base_url=given["url"],
        model_context_tokens=10_000_000,
        workers=given["concurrency"],
        budget_model_calls=1_000_000,
        budget_tokens=10**12,
        budget_minutes=1e6,
    )


class AtOnce(OfficeConnector):
    """The office's reads with fixed answers."""

    def __init__(self, office: Any, results: Mapping[str, Json]) -> None:
        super().__init__(office)
        self._results = results

    async def call(self, tool: str, args: Mapping[str, Any], *, account: Account, key: str | None) -> Json:
        wire = tool.replace(".", "_")
        if wire in self._results:
            return self._results[wire]
        return await super().call(tool, args, account=account, key=key)


class Present(PresentHouse):
    """The house as a worker has it, with other tools."""

    def __init__(self, settings: Settings, store: Store, results: Mapping[str, Json]) -> None:
        super().__init__(settings, store, app.models(settings), app.vault(settings), app.house)
        self._toolbox = Toolbox([AtOnce(app.office(settings), results)])
        self._from: House | None = None
        self._made: House | None = None

    def house(self) -> House:
        now = super().house()
        if self._from is not now or self._made is None:
            self._from, self._made = now, replace(now, toolbox=self._toolbox)
        return self._made


def worker(given: Mapping[str, Any]) -> Worker:
    """The worker that `deputy worker` runs."""
    settings = settings_of(given)
    app.follow_office_clock(settings)
    store = Store.open(settings.store_url, name="worker")
    app.prepare(settings, store)
    results = given.get("at_once")
    present = Present(settings, store, results) if results is not None else app.present_house(settings, store)
    pace = Pace(cap=settings.workers, stall_s=settings.host_stall_s)
    return Worker(store, Advancer(present.house), pace=pace, on_end=present.close)


def serve_marks() -> None:
    """Ready: from here on the harness is answered, until its input ends and so does the worker."""
    child.tell({"ready": True})
    threading.Thread(target=_answer, daemon=True).start()


def _answer() -> None:
    for line in sys.stdin:
        child.tell(child.mark(collect=json.loads(line)["mark"]))
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> int:
    given = json.loads(sys.stdin.readline())
    made = worker(given)
    spare_collections()
    if not given["with_gc"]:
        gc.disable()
    serve_marks()
    return made.run()


if __name__ == "__main__":
    sys.exit(main())
