"""The contestants as the harness drives them: each works a batch of tasks to its end and says what that took. Plus the model.

Nothing here runs inside a contestant's process. A task that does not end as it should makes the whole run void: RuntimeError.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from benchmarks.agents import product, script
from benchmarks.agents.child import Child
from connectors.office import seed
from orchestrator import app, clock
from orchestrator.store import worklist
from orchestrator.store.database import Store
from orchestrator.store.worklist import NewItem

POLL_S = 0.05
LIMIT_S = 300.0
AGENT = "lookup"
_AGENT_FILE = f"""---
version: 1
description: Looks things up in mail and calendars.
tools: [{", ".join(script.TOOLS)}]
max_turns: 1000
budget: {{model_calls: 1000000, tokens: 1000000000000}}
---
{script.INSTRUCTIONS}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """One batch. wall_s: until the last task was done; p50_s, p99_s: of single tasks from their start."""

    tasks: int
    cpu_s: float
    wall_s: float
    p50_s: float
    p99_s: float


class Contestant(Protocol):
    def work(self, tasks: int, kind: str = "first") -> Took: ...
    def begin(self, tasks: int, kind: str = "first") -> None: ...
    def finish(self) -> None: ...
    def mark(self, *, collect: bool = False) -> Mapping[str, float]: ...
    def kept(self) -> int: ...
    def close(self) -> None: ...


class ModelServer:
    """The scripted model, in a process of its own."""

    def __init__(self) -> None:
        self._child = Child("benchmarks.agents.model_server")
        self._root = f"http://127.0.0.1:{int(self._child.line())}"
        self.url = f"{self._root}/v1"

    def set(
        self, *, turns: int = script.TURNS, latency_s: float = 0.0, limit: int = script.SMALL, hold_at: int = -1
    ) -> None:
        self._get(f"/set?turns={turns}&latency_s={latency_s}&limit={limit}&hold_at={hold_at}")

    def release(self) -> None:
        self._get("/release")

    def stats(self) -> Mapping[str, int]:
        return dict(self._get("/stats"))

    def seen(self) -> Mapping[str, str]:
        return dict(self._get("/seen"))

    def wait_held(self, count: int) -> None:
        until_s = time.monotonic() + LIMIT_S
        while self.stats()["held"] < count:
            if time.monotonic() > until_s:
                raise RuntimeError(f"only {self.stats()['held']} of {count} agents reached the model")
            time.sleep(POLL_S)

    def close(self) -> None:
        self._child.stop()

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self._root + path, timeout=10) as answer:
            return json.load(answer)


def build_office(folder: Path) -> Path:
    """An office to copy from, with what each agent needs beside it."""
    folder.mkdir(parents=True)
    world = seed(folder / "office.db", seed=1, now=script.MONDAY)
    if world.owner() != script.ME:
        raise RuntimeError(f"the script is for {script.ME}, not for {world.owner()}")
    world.close()
    (folder / "agents").mkdir()
    (folder / "agents" / f"{AGENT}.md").write_text(_AGENT_FILE, encoding="utf-8")
    return folder


class Product:
    """Deputy's worker over a home of its own. `at_once`: tool results that replace the office's, or None.

    `module`, with `more` in its first line, is what runs in the child: the worker, or the worker under a profiler.
    """

    def __init__(
        self,
        home: Path,
        office: Path,
        url: str,
        concurrency: int,
        at_once: Mapping[str, Any] | None = None,
        *,
        with_gc: bool = True,
        module: str = "benchmarks.agents.product",
        more: Mapping[str, Any] | None = None,
    ) -> None:
        shutil.copytree(office, home)
        given = {"home": str(home), "url": url, "concurrency": concurrency, "at_once": at_once, "with_gc": with_gc}
        given |= more or {}
        settings = product.settings_of(given)
        app.follow_office_clock(settings)
        self._store = Store.open(settings.store_url)
        app.prepare(settings, self._store)
        assert self._store.path is not None
        self._path = self._store.path
        self._rows = sqlite3.connect(self._path, isolation_level=None)
        self._empty = _checkpointed(self._path)
        self._child = Child(module, given)
        self.pid = self._child.pid
        self._waiting: list[str] = []

    def work(self, tasks: int, kind: str = "first") -> Took:
        before = self.mark()
        self.begin(tasks, kind)
        self.finish()
        after = self.mark()
        return self._took(tasks, after["cpu_s"] - before["cpu_s"])

    def begin(self, tasks: int, kind: str = "first") -> None:
        new = NewItem(request=script.REQUEST, requester=script.ME, options={"agent": AGENT})
        if kind == "supervisor":
            new = NewItem(request=script.GOAL, requester=script.ME)
        self._waiting = self._store.write(worklist.submit_many, [new] * tasks, clock.now())

    def finish(self) -> None:
        until_s = time.monotonic() + LIMIT_S
        open_states = "select count(*) from worklist where state in ('ready', 'running', 'waiting')"
        while self._rows.execute(open_states).fetchone()[0]:
            if time.monotonic() > until_s:
                raise RuntimeError("Deputy did not finish its tasks in time")
            time.sleep(POLL_S)
        ends = self._rows.execute("select state, error, count(*) from worklist where state <> 'done' group by state")
        if wrong := ends.fetchall():
            raise RuntimeError(f"Deputy did not do its tasks: {wrong}")

    def mark(self, *, collect: bool = False) -> Mapping[str, float]:
        return self._child.ask({"mark": collect})

    def kept(self) -> int:
        """Bytes on disk since the store was empty; ends the worker."""
        self._child.close()
        return _checkpointed(self._path) - self._empty

    def close(self) -> None:
        self._child.close()
        self._rows.close()
        self._store.close()

    def _took(self, tasks: int, cpu_s: float) -> Took:
        """Wall by the rows' own times, microseconds: from the submission to the last end, and of each task from its start."""
        mine = f"({','.join('?' * len(self._waiting))})"
        rows = self._rows.execute(
            "select w.created_at, r.started_at, w.finished_at from worklist w join runs r on r.item_id = w.item_id"
            f" where w.item_id in {mine}",
            self._waiting,
        ).fetchall()
        taken = sorted((ended - started) / 1e6 for _, started, ended in rows)
        wall_us = max(ended for _, _, ended in rows) - min(asked for asked, _, _ in rows)
        return Took(
            tasks=tasks,
            cpu_s=cpu_s,
            wall_s=wall_us / 1e6,
            p50_s=taken[len(taken) // 2],
            p99_s=taken[int(len(taken) * 0.99)],
        )


class Floor:
    """A bare loop over what the product was seen to send. database None: floor N."""

    def __init__(
        self, url: str, concurrency: int, seen: Seen, database: Path | None, *, is_tight: bool = False
    ) -> None:
        self._concurrency = concurrency
        self._database = database
        self._child = Child(
            "benchmarks.agents.floors",
            {
                "url": url,
                "told": seen.told,
                "tools": seen.tools,
                "results": seen.results,
                "database": None if database is None else str(database),
                "is_tight": is_tight,
            },
        )
        self._times: dict[str, float] = {}
        self._empty = 0 if database is None else _checkpointed(database)

    def work(self, tasks: int, kind: str = "first") -> Took:
        before = self.mark()
        self.begin(tasks, kind)
        self.finish()
        return Took(tasks=tasks, cpu_s=self.mark()["cpu_s"] - before["cpu_s"], **self._times)

    def begin(self, tasks: int, kind: str = "first") -> None:
        self._child.ask({"tasks": tasks, "concurrency": min(tasks, self._concurrency), "kind": kind})

    def finish(self) -> None:
        self._times = self._child.ask({"finished": True})

    def mark(self, *, collect: bool = False) -> Mapping[str, float]:
        return self._child.ask({"mark": collect})

    def kept(self) -> int:
        self._child.close()
        return 0 if self._database is None else _checkpointed(self._database) - self._empty

    def close(self) -> None:
        self._child.close()


@dataclass(frozen=True, slots=True)
class Seen:
    """First messages and tools of a task and of a supervisor, and a result of each tool as a model reads it."""

    told: Mapping[str, Sequence[Any]]
    tools: Mapping[str, Sequence[Any]]
    results: Mapping[str, str]

    @classmethod
    def of(cls, seen: Mapping[str, str]) -> Seen:
        bodies = {kind: json.loads(body) for kind, body in seen.items()}
        names, results = {}, {"worklist_wait": "[]"}
        for message in bodies["last"]["messages"]:
            for call in message.get("tool_calls") or ():
                names[call["id"]] = call["function"]["name"]
            if message["role"] == "tool":
                results[names[message["tool_call_id"]]] = message["content"]
        firsts = {kind: body for kind, body in bodies.items() if kind != "last"}
        return cls(
            {kind: body["messages"] for kind, body in firsts.items()},
            {kind: body["tools"] for kind, body in firsts.items()},
            results,
        )

    def with_only(self, names: Sequence[str]) -> Seen:
        """The same task with these tools alone."""
        kept = [tool for tool in self.tools["first"] if tool["function"]["name"] in names]
        return Seen(self.told, {**self.tools, "first": kept}, self.results)

    def values(self) -> dict[str, Any]:
        """Results as the connector gave them, by wire name."""
        return {name: json.loads(text) for name, text in self.results.items() if name != "worklist_wait"}


def seen_by(model: ModelServer, home: Path, office: Path, *, limit: int = script.SMALL) -> Seen:
    """What the product sends: the floors send the same."""
    scout = Product(home, office, model.url, 4)
    try:
        model.set(limit=limit)
        scout.work(1)
        scout.work(1, "supervisor")
        return Seen.of(model.seen())
    finally:
        scout.close()


def _checkpointed(path: Path) -> int:
    """Bytes of the database, its log folded in."""
    c = sqlite3.connect(path)
    c.execute("pragma wal_checkpoint(truncate)").fetchone()
    c.close()
    return sum(one.stat().st_size for one in path.parent.glob(f"{path.name}*") if one.suffix != ".lock")
