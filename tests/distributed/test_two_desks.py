"""Two desks and two workers on one PostgreSQL, each a process of its own: whatever is killed, nothing is lost and nothing happens twice."""

from __future__ import annotations

import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.distributed.desks import HOLD, Desk, Gone
from tests.e2e.place import build_world

ITEMS = 24
KILLS = 6
PATIENCE_S = 240.0
HERE: Sequence[tuple[str, Sequence[str]]] = (("127.0.0.1", ()), ("127.0.0.1", ()))


class House:
    """Two desks, the world that they share, and a person who asks and approves at whichever desk answers."""

    def __init__(
        self, folder: Path, url: str, *, hosts: Sequence[tuple[str, Sequence[str]]] = HERE, **more: str
    ) -> None:
        world = build_world(folder / "world")
        (folder / "workflows").mkdir()
        (folder / "workflows" / "hold-time.yaml").write_text(HOLD)
        shared = {
            "DEPUTY_DATABASE_URL": url,
            "DEPUTY_OFFICE_PATH": str(world / "office.db"),
            "DEPUTY_WORKFLOW_DIR": str(folder / "workflows"),
            "DEPUTY_HOST_STALL_S": "3",
            **more,
        }
        self.office = world / "office.db"
        self.desks = [
            Desk(folder / name, shared, folder / f"{name}.log", host=host, within=within)
            for name, (host, within) in zip(("one", "two"), hosts, strict=True)
        ]
        self.token = str(
            self.desks[0].command("config", "key", "create", "--scope", "read,submit,decide", "--name", "trial")["key"]
        )
        for desk in self.desks:
            desk.start()
        for desk in self.desks:
            desk.wait()

    def close(self) -> None:
        for desk in self.desks:
            desk.stop()

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Of any desk that answers; asked again after a lost answer, as a careful client does."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            for desk in self.desks:
                try:
                    return desk.ask(method, path, self.token, body)
                except Gone:
                    continue
            time.sleep(0.1)
        raise AssertionError("no desk answers")

    def approve_all(self) -> None:
        """Every card that is open. One that somebody was faster with, or whose answer was lost on the way, is left."""
        status, found = self.ask("GET", "/approvals?limit=500")
        assert status == 200, found
        for card in found["approvals"]:
            said = {"verdict": "approve", "digest": card["digest"]}
            status, told = self.ask("POST", f"/approvals/{card['approval_id']}/decide", said)
            assert status in (200, 409), told

    def items(self) -> list[dict[str, Any]]:
        status, found = self.ask("GET", "/items?limit=500")
        assert status == 200, found
        return list(found["items"])

    def held(self) -> Counter[str]:
        """Titles of the events that were made, straight from the office's file."""
        db = sqlite3.connect(f"file:{self.office}?mode=ro", uri=True)
        try:
            return Counter(row[0] for row in db.execute("select title from events where title like 'Hold %'"))
        finally:
            db.close()


@pytest.fixture
def house(tmp_path: Path, postgres_url: str) -> Iterator[House]:
    made = House(tmp_path, postgres_url)
    yield made
    made.close()


def until(holds: Callable[[], bool], meanwhile: Callable[[], None]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        meanwhile()
        time.sleep(0.1)


def test_kills_at_any_time_lose_and_double_nothing(house: House) -> None:
    """Servers and workers are killed in turn while requests come in, are approved, and are worked on."""
    chance = random.Random(7)
    victims = [(desk, what) for desk in house.desks for what in ("server", "worker")]
    order = [victims[n % len(victims)] for n in range(KILLS)]
    chance.shuffle(order)
    kills = 0
    for number in range(ITEMS):
        body = {"request": f"hold hour number {number}", "workflow": "hold-time", "input": {"number": number}}
        status, told = house.ask("POST", "/items", body | {"key": f"hold-{number}"})
        assert status == 202, told
        house.approve_all()
        if number % (ITEMS // KILLS) == 2 and kills < KILLS:
            desk, what = order[kills]
            if what == "server":
                desk.kill()
                desk.start()
                desk.wait()
                kills += 1
            else:
                kills += desk.kill_worker()
    assert kills >= KILLS - 2

    until(lambda: all(one["state"] == "done" for one in house.items()), house.approve_all)

    assert len(house.items()) == ITEMS
    assert house.held() == Counter(f"Hold {number}" for number in range(ITEMS))


def test_a_desk_that_drains_finishes_and_leaves_the_rest_to_the_other(house: House) -> None:
    """SIGTERM under load: exit code 0, and nothing of what it had begun is lost."""
    wishes = [
        {"request": f"hold hour number {n}", "workflow": "hold-time", "input": {"number": n}, "key": f"d{n}"}
        for n in range(12)
    ]
    status, told = house.ask("POST", "/items", wishes)
    assert status == 202, told
    house.approve_all()
    assert house.desks[0].stop() == 0
    until(lambda: all(one["state"] == "done" for one in house.items()), house.approve_all)
    assert house.held() == Counter(f"Hold {number}" for number in range(12))
