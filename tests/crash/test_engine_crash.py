"""Whatever is killed, stopped or raced, each effect happens exactly once and no wake is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash import trials
from tests.crash.forkserver import ForkServer
from tests.crash.trials import Bench


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """Processes to kill, for all trials of this session."""
    with ForkServer("tests.crash.trial") as server:
        yield server


@pytest.fixture
def bench(fork_server: ForkServer, database_url: str, tmp_path: Path) -> Iterator[Bench]:
    """A bench on each engine in turn."""
    made = Bench(fork_server, database_url, tmp_path / "bench")
    yield made
    made.close()


@pytest.fixture
def sqlite_bench(fork_server: ForkServer, sqlite_url: str, tmp_path: Path) -> Iterator[Bench]:
    """A bench on SQLite."""
    made = Bench(fork_server, sqlite_url, tmp_path / "bench")
    yield made
    made.close()


@pytest.fixture
def postgres_bench(fork_server: ForkServer, postgres_url: str, tmp_path: Path) -> Iterator[Bench]:
    """A bench on PostgreSQL."""
    made = Bench(fork_server, postgres_url, tmp_path / "bench")
    yield made
    made.close()


def test_a_kill_at_any_boundary_loses_and_doubles_nothing(fork_server: ForkServer, tmp_path: Path) -> None:
    """Killed at the first passage of every boundary there is, the next worker finishes with each send made once."""
    known = Bench(fork_server, f"sqlite:///{tmp_path}/known.sqlite", tmp_path / "known")
    names = trials.boundaries(known)
    known.close()
    assert {"before-send", "after-send", "committed:attempt", "commit:settle", "empty-claim"} <= set(names)

    for number, name in enumerate(sorted(names)):
        folder = tmp_path / str(number)
        folder.mkdir()
        made = Bench(fork_server, f"sqlite:///{folder}/work.sqlite", folder / "bench")
        assert trials.kill_at(made, f"{name}:1"), f"{name} was not reached"
        made.close()


def test_kills_at_random_instants_lose_and_double_nothing(bench: Bench) -> None:
    """Kill -9 at random instants, with people answering: every send once, every record consistent, the chain whole."""
    assert trials.kill_at_random(bench, 5)["tasks"] == 25


def test_a_stopped_worker_is_taken_over_and_records_nothing_more(postgres_bench: Bench) -> None:
    """Stopped, its sessions are ended and its work taken over; continued, it is fenced and exits 75."""
    assert trials.stop_and_go(postgres_bench, 2)["rounds"] == 2


def test_nobody_takes_over_a_stopped_host_on_sqlite(sqlite_bench: Bench) -> None:
    """The stalled process is named; continued, it does the old and the new work exactly once."""
    named = trials.stop_on_sqlite(sqlite_bench)

    assert "kill -CONT" in named.fix


def test_no_start_is_lost_around_the_end_of_an_idle_host(sqlite_bench: Bench) -> None:
    """A submitter that finds the lock taken can rely on the host that holds it."""
    assert trials.submit_around_the_end(sqlite_bench, 25)["lost"] == 0


def test_what_becomes_ready_after_the_last_empty_claim_starts(bench: Bench) -> None:
    """Between a task's last empty claim and its end, nothing is lost."""
    assert trials.race_with_the_last_claim(bench, 20)["lost"] == 0
