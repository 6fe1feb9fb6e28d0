"""Two desks on one PostgreSQL database, as processes of their own, one of which is killed."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.cli.conftest import made_home
from tests.http.served import Client, Serving, Stream

__all__ = ["made_home"]  # a fixture: pytest finds it here
CALL = "Set up a 30 minute call with Dana about her last mail"


def test_a_desk_that_dies_takes_nothing_with_it(made_home: Path, tmp_path: Path, postgres_url: str) -> None:
    """Submitted at one desk, which is killed; followed and approved at the other by the same key; no event lost or told twice."""
    home = tmp_path / "home"
    shutil.copytree(made_home, home)
    first = Serving(home, "--no-worker", DEPUTY_DATABASE_URL=postgres_url)
    second = Serving(home, "--no-worker", DEPUTY_DATABASE_URL=postgres_url)
    try:
        me = first.client()
        there = Client(second.address, me.key)
        stream = Stream(me)
        heard = [next(iter(stream))]
        item_id = me.post("/items", {"request": CALL}, status=202)["item_id"]
        heard += stream.until("item.submitted", item_id)
        first.kill()
        stream.close()

        assert second.deputy("worker", "--until-idle").returncode == 0
        waiting = there.get(f"/items/{item_id}?wait=30")
        while waiting["state"] == "waiting":
            for card in waiting["approvals"]:
                if card["state"] == "pending":
                    said = {"verdict": "approve", "digest": card["digest"]}
                    there.post(f"/approvals/{card['approval_id']}/decide", said)
            assert second.deputy("worker", "--until-idle").returncode == 0
            waiting = there.get(f"/items/{item_id}")
        again = Stream(there, after=heard[-1].number)
        rest = again.until("item.settled", item_id)
        again.close()
        assert there.post("/audit/verify")["ok"]
        code = second.stop()
    finally:
        first.kill()
        second.kill()

    assert (waiting["state"], code) == ("done", 0)
    numbers = [one.number for one in [*heard, *rest] if one.number is not None and one.data["kind"] != "hello"]
    assert numbers == sorted(set(numbers))
    kinds = [one.data["kind"] for one in [*heard, *rest] if one.data.get("item_id") == item_id]
    assert (kinds[0], kinds[-1], kinds.count("item.settled")) == ("item.submitted", "item.settled", 1)
    assert kinds.count("effect.done") == kinds.count("effect.attempted") == len(waiting["effects"])
