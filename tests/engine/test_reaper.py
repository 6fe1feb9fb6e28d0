"""PostgreSQL: who leads takes over the dead, and a leader that stalls does not hold everybody up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from orchestrator.engine.reaper import Reaper
from orchestrator.store import lease, workers, worklist
from orchestrator.store.database import Store
from orchestrator.store.locks import Session, key_of
from orchestrator.store.tables import workers as rows
from orchestrator.store.worklist import NewItem


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def desk(postgres_url: str) -> Iterator[Store]:
    """An open PostgreSQL store."""
    store = Store.open(postgres_url)
    yield store
    store.close()


def enlist(desk: Store, name: str) -> tuple[Store, Session]:
    """A worker with its row, its own sessions and its lock."""
    mine = desk.sibling(name)
    session = Session(mine)
    session.take(key_of("worker", name))
    desk.write(workers.register, name, lock_key=key_of("worker", name), host="here", pid=1)
    return mine, session


def silence(desk: Store, name: str, seconds: float) -> None:
    with desk.tx() as tx:
        tx.c.execute(sa.update(rows).where(rows.c.worker_id == name).values(beat_at=rows.c.beat_at - seconds))


def names(desk: Store) -> list[str]:
    with desk.read() as tx:
        return [row.worker_id for row in workers.every(tx)]


def test_the_dead_are_taken_over_and_the_living_left_alone(desk: Store) -> None:
    """A worker whose session ended loses its row and its items; one that holds its lock keeps both."""
    dead, dead_session = enlist(desk, "w_dead")
    living, living_session = enlist(desk, "w_living")
    for name in ("w_dead", "w_living"):
        desk.write(worklist.submit, NewItem(request=name, requester="a"), now())
        assert desk.write(lease.claim, name, now()) is not None
    dead_session.close()
    dead.close()

    mine, session = enlist(desk, "w_me")
    reaper = Reaper(mine, "w_me", stall_s=60, max_attempts=5, now=now)
    with desk.read() as tx:
        before = lease.count_ready(tx, 10)
    taken = 0
    while not taken:  # the server needs a moment to see that a session is gone
        taken = reaper.reap(session)

    assert (before, taken) == (0, 1)
    assert set(names(desk)) == {"w_living", "w_me"}
    for one in (living_session, session):
        one.close()
    living.close()
    mine.close()


@pytest.mark.parametrize("leads", [False, True], ids=["follower", "leader"])
def test_a_silent_worker_is_ended_even_if_it_leads(desk: Store, leads: bool) -> None:
    """All sessions of a stalled worker are ended, then its work is taken over, also when it was stopped while it led."""
    other, other_session = enlist(desk, "w_other")
    if leads:
        assert other_session.try_take(key_of("leader", "default"))
    desk.write(worklist.submit, NewItem(request="x", requester="a"), now())
    assert desk.write(lease.claim, "w_other", now()) is not None
    silence(desk, "w_other", 100)
    mine, session = enlist(desk, "w_me")
    reaper = Reaper(mine, "w_me", stall_s=10, max_attempts=5, now=now)

    taken = [reaper.reap(session) for _ in range(200) if "w_other" in names(desk)]

    assert sum(taken) == 1
    assert names(desk) == ["w_me"]
    assert not other_session.lives()
    session.close()
    mine.close()
    other_session.close()
    other.close()


def test_claims_of_nobody_are_taken_over(desk: Store) -> None:
    """A claim whose worker has no row goes back on the list."""
    desk.write(workers.register, "w_gone", lock_key=1, host="here", pid=1)
    desk.write(worklist.submit, NewItem(request="x", requester="a"), now())
    assert desk.write(lease.claim, "w_gone", now()) is not None
    desk.write(workers.remove, "w_gone")
    mine, session = enlist(desk, "w_me")

    assert Reaper(mine, "w_me", stall_s=10, max_attempts=5, now=now).reap(session) == 1
    session.close()
    mine.close()
