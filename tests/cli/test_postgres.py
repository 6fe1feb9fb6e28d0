"""The same commands over a shared PostgreSQL database."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

import sqlalchemy as sa

from tests.cli.house import House

CALL = "Set up a 30 minute call with Dana about her last mail"


def test_a_request_is_carried_out_over_postgresql(house: House, postgres_url: str) -> None:
    """With DEPUTY_DATABASE_URL the store is PostgreSQL: a worker is started, cards are decided, the office changes once."""
    house.environment["DEPUTY_DATABASE_URL"] = postgres_url
    try:
        asked = house.run("ask", CALL, "--json")
        assert asked.code == 3, asked.out + asked.err + house.worker_log()
        for approval in house.json("inbox", "ls"):
            house.json("inbox", "approve", approval["approval_id"])
        watched = house.run("run", "watch", asked.json["item_id"], "--json")
        verified = house.json("audit", "verify")
    finally:
        end_workers(postgres_url)

    assert watched.code == 0, watched.out + house.worker_log()
    assert verified["ok"]
    assert len(house.world()["events"]) == 1
    assert len(house.world()["mails"]) == 1


def test_a_database_that_cannot_be_reached_says_so(house: House) -> None:
    """No server there: exit code 6, a fix, and no password in the text."""
    ran = house.run("work", "ls", "--json", DEPUTY_DATABASE_URL="postgresql://me:s3cr3t@127.0.0.1:1/none")

    assert ran.code == 6, ran.out
    assert ran.error["error"] == "store_unavailable"
    assert ran.error["fix"]
    assert "s3cr3t" not in ran.out + ran.err


def end_workers(url: str) -> None:
    """Ends the workers this database knows, and returns once their rows are gone."""
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with engine.connect() as connection:
            pids = [row[0] for row in connection.execute(sa.text("select pid from workers"))]
        if not pids:
            break
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        time.sleep(0.1)
    engine.dispose()
