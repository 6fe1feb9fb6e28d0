"""Agents to kill: a supervisor with three task agents on a model that a trial plays, a read and a mail each, nobody to ask.

`work` is a worker process's life; `Stage` one home with its model. After a kill, what the log had recorded must never be asked
again, every mail must exist exactly once, and the request must end as it would have.
"""

from __future__ import annotations

import json
import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from orchestrator import app
from orchestrator.engine.advance import Advancer
from orchestrator.engine.serving import Pace
from orchestrator.engine.worker import Worker
from orchestrator.settings import Settings
from orchestrator.store.database import Store
from orchestrator.store.tables import step_log
from tests.agents.cast import delegate, wait
from tests.agents.puppet import Asked, Call, Puppet, Says, finish
from tests.crash.forkserver import ForkServer
from tests.e2e.place import Place

REQUEST = "Please tell Dana Ruiz, Aisha Weber and Bruno Rossi by mail, whichever way, that the fire drill is at noon"
PEOPLE = {name: f"{name}@brightwater.example" for name in ("dana.ruiz", "aisha.weber", "bruno.rossi")}
PROFILE = "delegated"
QUICK = Pace(
    until_idle=True, cap=16, poll_s=0.03, poll_remote_s=0.2, stall_s=1.5, reap_s=0.2, backoff_s=0.05, linger_s=0
)


def work(home: str, url: str, model_url: str) -> int:
    """A worker process's life, until nothing is left to do."""
    settings = Settings.load(home=Path(home), **told(url, model_url))
    house = app.house(settings)
    store = Store.open(settings.store_url, name="worker", migrate=False)
    on_end = house.agents.models.aclose if house.agents is not None else None
    try:
        return Worker(store, Advancer(lambda: house), pace=QUICK, on_end=on_end).run()
    finally:
        store.close()


def told(url: str, model_url: str) -> dict[str, Any]:
    """Settings of every process of a trial."""
    database = {"database_url": url} if url else {}
    return {"model": "openai:puppet", "model_base_url": model_url, "profile": PROFILE, **database}


def script(asked: Asked) -> Says:
    """What every agent of the trial says; a function of its conversation alone."""
    if asked.is_supervisor:
        if asked.turn == 0:
            return [delegate(name, "directory.get_person", "mail.send", goal=f"write {name}") for name in PEOPLE]
        if asked.turn == 1:
            return wait("all")
        return finish(" ".join(sorted(child["text"] for child in asked.answers[0]["ended"])))
    name = asked.told.removeprefix("Goal: write ").split()[0]
    if asked.turn == 0:
        return Call("directory_get_person", {"address": PEOPLE[name]})
    if asked.turn == 1:
        return Call("mail_send", {"to": [PEOPLE[name]], "subject": "Fire drill", "body": "At noon."})
    return finish(f"wrote {name}")


class Stage:
    """One home, its model, and what was asked of it."""

    def __init__(self, server: ForkServer, folder: Path, world: Path, url: str = "") -> None:
        self.server, self.url, self.log = server, url, folder / "log"
        folder.mkdir(parents=True, exist_ok=True)
        self.lock = threading.Lock()
        self.asked: list[tuple[str, int]] = []
        self.model = Puppet(self._say)
        self.place = Place(folder / "home", world, url)
        self.place.set(**told("", self.model.url))

    def _say(self, asked: Asked) -> Says:
        with self.lock:
            self.asked.append((asked.told, asked.turn))
        return script(asked)

    def close(self) -> None:
        self.place.close()
        self.model.close()

    def worker(self, *, kill_at: str = "", record: Path | None = None) -> BaseProcess:
        args = (str(self.place.home), self.url, self.model.url)
        return self.server.spawn(work, *args, kill_at=kill_at, record=record, log=self.log)

    def recorded(self) -> set[tuple[str, int]]:
        """(what the agent was told, its turn) of every model reply on a log."""
        store = Store.open(self.place.settings.store_url, migrate=False)
        try:
            with store.read() as tx:
                c = step_log.c
                rows = tx.c.execute(
                    sa.select(c.run_id, c.kind, c.key, c.body).where(c.kind.in_(["agent", "reply"]))
                ).all()
        finally:
            store.close()
        bodies = {row.run_id: row.body for row in rows if row.kind == "agent"}
        who = {run_id: (json.loads(body) if isinstance(body, str | bytes) else body)["told"] for run_id, body in bodies.items()}  # fmt: skip
        return {(who[row.run_id], int(row.key[1:]) - 1) for row in rows if row.kind == "reply"}

    def finish(self, item_id: str, rounds: int = 12) -> dict[str, Any]:
        """The document once new workers have done what there is; time passes where an outcome has to be waited for."""
        for _ in range(rounds):
            child = self.worker()
            child.join(60)
            assert child.exitcode == 0, (child.exitcode, self.said())
            document = self.place.item(item_id)
            if document["state"] not in ("ready", "running", "waiting"):
                return document
            self.place.later(timedelta(minutes=3))
        raise AssertionError(
            f"not finished after {rounds} rounds: {document['state']}, {document['waiting_on']}, {self.said()}"
        )

    def said(self) -> str:
        return self.log.read_text()[-3000:] if self.log.exists() else ""

    def faults(
        self, document: dict[str, Any], again: Counter[tuple[str, int]], known: set[tuple[str, int]]
    ) -> list[str]:
        """What went wrong; nothing when the request ended as it would have without a kill."""
        wrong = []
        if document["state"] != "done" or document["text"] != " ".join(sorted(f"wrote {name}" for name in PEOPLE)):
            wrong.append(f"it ended {document['state']}: {document['text']!r} {document['error']}")
        if repeated := [call for call in again if call in known]:
            wrong.append(f"recorded and asked again: {repeated}")
        got = sorted(mail["to"][0] for mail in self.place.diff()["mails"])
        if got != sorted(PEOPLE.values()):
            wrong.append(f"mails went to {got}")
        if len(document["children"]) != len(PEOPLE):
            wrong.append(f"{len(document['children'])} children")
        states = Counter(effect["state"] for effect in document["effects"])
        if states != {"done": len(PEOPLE)}:
            wrong.append(f"effects are {dict(states)}")
        return wrong + self.model.problems


@contextmanager
def stage(server: ForkServer, folder: Path, world: Path, url: str = "") -> Iterator[Stage]:
    made = Stage(server, folder, world, url)
    try:
        yield made
    finally:
        made.close()


def boundaries(one: Stage, record: Path) -> Counter[str]:
    """Every boundary that the request passes, and how often."""
    item_id = one.place.submit(REQUEST)
    child = one.worker(record=record)
    child.join(60)
    document = one.place.item(item_id)
    assert not one.faults(document, Counter(), set()), (one.faults(document, Counter(), set()), one.said())
    return Counter(record.read_text().split())


def kill_at(one: Stage, point: str) -> bool:
    """The worker dies at `point`, others finish. Whether the point was reached."""
    item_id = one.place.submit(REQUEST)
    child = one.worker(kill_at=point)
    child.join(60)
    assert child.exitcode in (0, -signal.SIGKILL), (child.exitcode, one.said())
    _verdict(one, item_id, f"killed at {point}")
    return child.exitcode == -signal.SIGKILL


def kill_at_random(one: Stage, rng: random.Random, *, within_s: float = 1.2) -> bool:
    """The worker is killed after a while of its own; whether it still ran."""
    item_id = one.place.submit(REQUEST)
    child = one.worker()
    child.join(rng.uniform(0.15, within_s))
    killed = child.is_alive()
    if killed:
        child.kill()
    child.join(60)
    _verdict(one, item_id, "killed at random")
    return killed


def _verdict(one: Stage, item_id: str, what: str) -> None:
    known = one.recorded()
    with one.lock:
        before = len(one.asked)
    document = one.finish(item_id)
    faults = one.faults(document, Counter(one.asked[before:]), known)
    assert not faults, (what, faults, one.said())
