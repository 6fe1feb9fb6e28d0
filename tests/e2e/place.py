"""One home with a small office in it, as a person has it: real settings, store, front desk, worker and world; only time is set.

Monday, 23 November 2026, 09:00 UTC. A worker runs in this process until nothing is left to do, so that a test reads as a story:
ask, work, look, decide, work. `restart` is what a reboot leaves: the files.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from connectors.office import Office, OfficeConnector, seed
from orchestrator import app
from orchestrator.domain.item import Origin
from orchestrator.domain.principal import Principal
from orchestrator.engine.advance import Advancer, House
from orchestrator.engine.serving import Pace
from orchestrator.engine.worker import Worker
from orchestrator.gate.toolbox import Toolbox
from orchestrator.settings import Settings
from orchestrator.store.database import Store
from orchestrator.surfaces.cli.exitcode import Exit, of_item

MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
CALL = "set up a 30 minute call with Dana about her last mail"
DANA = "dana.ruiz@brightwater.example"
NOTHING: Mapping[str, list[Any]] = {
    "mails": [],
    "events": [],
    "messages": [],
    "changed": [],
    "notices": [],
    "channels": [],
}


def build_world(folder: Path, *, people: int = 12, weeks: int = 6) -> Path:
    """An office to copy from; building one costs more than copying it."""
    folder.mkdir(parents=True, exist_ok=True)
    seed(folder / "office.db", seed=1, now=MONDAY, people=people, weeks=weeks).close()
    return folder


class Place:
    """Everything one household of tests touches. `who` is the office's main person unless a test says otherwise."""

    def __init__(self, home: Path, world: Path | None, database_url: str = "", **settings: Any) -> None:
        """world: an office to copy; None where the home holds one."""
        home.mkdir(parents=True, exist_ok=True)
        for file in world.iterdir() if world is not None else ():
            shutil.copy(file, home / file.name)
        self.home = home
        self._url = database_url
        self._more = settings
        self._house: House | None = None
        self.office = Office(home / "office.db")
        if world is not None:
            self.office.set_now(MONDAY)  # the copied clock's offset is from when the world was built
        self.settings = self.load()
        self.desk = app.desk(self.settings)
        self.me = self.desk.principal(None)

    def load(self, **more: Any) -> Settings:
        url = {"database_url": self._url} if self._url else {}
        return Settings.load(home=self.home, **{**url, **self._more, **more})

    def set(self, **settings: Any) -> None:
        """Changes settings for every worker from here on, as editing deputy.toml between two starts does."""
        self._more.update(settings)
        self._forget_house()
        self.settings = self.load()

    def restart(self) -> None:
        """The front desk of another process, over the same files."""
        self._forget_house()
        self.desk.close()
        self.desk = app.desk(self.settings)

    def _forget_house(self) -> None:
        if self._house is not None:
            self._house.toolbox.close()
        self._house = None

    def close(self) -> None:
        self._forget_house()
        self.desk.close()
        self.office.close()

    # ---- working -----------------------------------------------------------------------------------------------------
    @property
    def house(self) -> House:
        """What workers share, as the composition root builds it; kept until the settings change or the machine restarts."""
        if self._house is None:
            self._house = app.house(self.settings)
        return self._house

    def work(self, *, linger_s: float = 60.0) -> None:
        """Runs a worker until nothing is left to do, as `deputy worker --until-idle` does; 0 does not wait for timers."""
        self._run(self.house, linger_s)

    def work_with(self, change: Callable[[House], House]) -> None:
        """The same with a house that a test has changed, e.g. another build's tools; does not wait for timers."""
        self._run(change(self.house), 0.0)

    def _run(self, house: House, linger_s: float) -> None:
        store = Store.open(self.settings.store_url, name="worker")
        try:
            pace = Pace(until_idle=True, linger_s=linger_s)
            on_end = house.agents.models.aclose if house.agents is not None else None
            assert Worker(store, Advancer(lambda: house), pace=pace, on_end=on_end).run() == 0
        finally:
            store.close()

    def later(self, span: timedelta) -> None:
        """Moves the office's clock, and with it everybody's, ahead."""
        self.office.set_now(self.office.now() + span)

    # ---- asking ------------------------------------------------------------------------------------------------------
    def submit(self, request: str, *, who: Principal | None = None, **more: Any) -> str:
        return self.desk.submit(who or self.me, request, origin=Origin.HUMAN, **more)

    def ask(self, request: str, *, who: Principal | None = None, **options: Any) -> dict[str, Any]:
        """The item document once a worker has done what it can."""
        item_id = self.submit(request, who=who, options=options)
        self.work()
        return self.item(item_id)

    def item(self, item: str | Mapping[str, Any]) -> dict[str, Any]:
        return self.desk.item(self.admin, item if isinstance(item, str) else str(item["item_id"]))

    @property
    def admin(self) -> Principal:
        return self.desk.principal(None)

    def exit_code(self, document: Mapping[str, Any]) -> Exit | None:
        """What `deputy ask` would have ended with."""
        return of_item(document, self.office.now())

    # ---- deciding ----------------------------------------------------------------------------------------------------
    def cards(self, item: Mapping[str, Any], tool: str | None = None) -> list[dict[str, Any]]:
        """Open cards of an item by tool, as the inbox shows them: of the main job, the invitation and then the answer."""
        item_id = item["item_id"]
        found = [card for card in self.desk.approvals(self.admin) if card["item_id"] == item_id]
        return sorted((card for card in found if tool in (None, card["tool"])), key=lambda card: str(card["tool"]))

    def card(self, item: Mapping[str, Any], tool: str) -> dict[str, Any]:
        (only,) = self.cards(item, tool)
        return only

    def decide(self, card: Mapping[str, Any], verdict: str = "approve", **more: Any) -> dict[str, Any]:
        return self.desk.decide(self.admin, card["approval_id"], verdict, digest=card["digest"], **more)

    def approve_all(self, item: Mapping[str, Any], *, rounds: int = 5) -> dict[str, Any]:
        """Approves every card until none is left, working in between; the document then. Passes over what a timer waits for."""
        for _ in range(rounds):
            for card in self.cards(item):
                self.decide(card)
            self.work(linger_s=0.0)
            if self.item(item)["waiting_on"] == ["timer"]:
                self.later(timedelta(seconds=30))
            elif not self.cards(item):
                break
        return self.item(item)

    # ---- looking -----------------------------------------------------------------------------------------------------
    def diff(self) -> dict[str, list[dict[str, Any]]]:
        """What is new or changed in the office; people aside, who are only ever added by tests."""
        found = self.office.diff()
        return {name: found[name] for name in NOTHING}

    def sent(self) -> list[tuple[str, str]]:
        """(tool, key) of everything that reached the office through a connector, in order."""
        return [(effect["tool"], effect["key"]) for effect in self.office.effects()]

    def steps(self, item: Mapping[str, Any], kind: str | None = None) -> list[dict[str, Any]]:
        """The latest run's step log."""
        return [s for s in self.desk.run(self.admin, item["item_id"])["steps"] if kind in (None, s["kind"])]

    def spans(self, item: Mapping[str, Any]) -> list[dict[str, Any]]:
        spans: list[dict[str, Any]] = self.desk.trace(self.admin, item["item_id"])["spans"]
        return spans

    def write_again(
        self, *, author: str = DANA, subject: str = "One more thing", in_reply_to: str | None = None
    ) -> str:
        """Another mail to the main person, now."""
        return self.office.add_mail(
            author=author,
            to=[self.me.principal_id],
            subject=subject,
            body="Please have a look.",
            in_reply_to=in_reply_to,
        )

    # ---- the command line --------------------------------------------------------------------------------------------
    def deputy(self, *words: str) -> tuple[int, dict[str, Any]]:
        """Exit code and JSON of a real `deputy` process."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("DEPUTY_") or name == "DEPUTY_TEST_REQUIRE"
        }
        environment |= self.settings.as_environment()
        done = subprocess.run(
            [sys.executable, "-m", "orchestrator.surfaces.cli.main", *words, "--json"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, json.loads(done.stdout) if done.stdout.strip() else {"stderr": done.stderr}


def wrapped(place: Place, wrap: Callable[[OfficeConnector], Any]) -> Callable[[House], House]:
    """A change of house in which the office's connector is wrapped, e.g. to change a tool's description."""
    from dataclasses import replace

    return lambda house: replace(house, toolbox=Toolbox([wrap(OfficeConnector(place.office))]))


@contextlib.contextmanager
def quiet(name: str = "deputy.engine") -> Iterator[None]:
    """Keeps expected complaints of the engine out of a test's report."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def tools(document: Mapping[str, Any], state: str | None = None) -> Sequence[str]:
    """Tools of an item's effects by name; of one state, or of all."""
    return sorted(effect["tool"] for effect in document["effects"] if state in (None, effect["state"]))
