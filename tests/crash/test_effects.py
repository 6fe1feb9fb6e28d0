"""Whatever is killed, stopped or said while the gate sends into the office: each effect once, no word lost, doubt said aloud."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import postgres
from tests.crash import effects
from tests.crash.effects import CALL, POST, Stage
from tests.crash.forkserver import ForkServer

BEFORE_REST = (
    "gate:asked:1",
    "gate:asked:2",
    "committed:intend:2",
    "commit:put_many:1",
    "commit:settle:1",
    "empty-claim:1",
)
AFTER_APPROVAL = ("committed:claim:1", "gate:before-attempt:1", "gate:attempted:1", "gate:sent:1", "gate:recorded:1")
AT_THE_END = ("gate:before-attempt:2", "gate:attempted:2", "gate:sent:2", "gate:recorded:2", "commit:put_many:1")


@pytest.fixture(scope="module")
def killable() -> Iterator[ForkServer]:
    """Processes to kill that know the real engine, gate and office."""
    with ForkServer("tests.crash.effects") as server:
        yield server


@pytest.fixture
def on_sqlite(killable: ForkServer, tmp_path: Path) -> Iterator[Stage]:
    """Scenes on SQLite."""
    numbers = itertools.count()
    stage = Stage(killable, tmp_path, lambda: f"sqlite:///{tmp_path}/home{next(numbers) + 1}/deputy.db")
    yield stage
    stage.close()


@pytest.fixture
def on_postgres(killable: ForkServer, postgres_cluster: postgres.Cluster, tmp_path: Path) -> Iterator[Stage]:
    """Scenes on PostgreSQL."""
    stage = Stage(killable, tmp_path, postgres_cluster.create)
    yield stage
    stage.close()


@pytest.mark.parametrize("kind", ["gate:", "commit:", "committed:"])
def test_a_kill_at_every_boundary_of_the_main_job(on_sqlite: Stage, kind: str) -> None:
    """One invitation and one answer for each request, whichever of gate and writer the kill struck, before a commit or after."""
    verbs = ("append", "attempt", "claim", "intend", "record", "settle", "start")
    only = kind if kind == "gate:" else tuple(f"{kind}{verb}:" for verb in verbs)
    counts = effects.kill_everywhere(on_sqlite, CALL, only=only, chains=kind == "gate:")

    assert counts["boundaries"] >= 20
    assert counts["kills"] >= (13 if kind == "gate:" else len(verbs) - 1)


def test_a_kill_at_every_boundary_of_a_post_that_no_provider_refuses_twice(on_sqlite: Stage) -> None:
    """Where a second one would be posted twice, a person is asked, and there is exactly one."""
    assert effects.kill_everywhere(on_sqlite, POST, only="gate:")["kills"] >= 5


@pytest.mark.parametrize("request_text", [CALL, POST])
def test_a_kill_around_the_wire_on_postgresql(on_postgres: Stage, request_text: str) -> None:
    """The same on the distributed engine."""
    wire = ("gate:attempted", "gate:sent", "gate:recorded")
    counts = effects.kill_everywhere(on_postgres, request_text, only=wire, chains=False)

    assert counts["kills"] >= 3 * len(effects.WORKS[request_text])


def test_a_kill_where_the_policy_asks_nobody(killable: ForkServer, tmp_path: Path) -> None:
    """With the delegated profile effects are held and then sent in one advance: killed at each step, still once each."""
    url = itertools.count()
    stage = Stage(
        killable, tmp_path, lambda: f"sqlite:///{tmp_path}/home{next(url) + 1}/deputy.db", profile="delegated"
    )
    counts = effects.kill_everywhere(stage, CALL, only="gate:", chains=False)
    stage.close()

    assert counts["kills"] >= 8


def test_an_approval_between_card_and_settle_is_never_lost(on_sqlite: Stage) -> None:
    """Approved at each instant from the first card on: the worker that is about to rest serves it by itself."""
    approved = [effects.approve_at(on_sqlite, point) for point in BEFORE_REST]

    assert sum("calendar.create_event" in tools for tools in approved) >= len(BEFORE_REST) - 2


def test_an_approval_between_card_and_settle_is_never_lost_on_postgresql(on_postgres: Stage) -> None:
    """The same on the distributed engine."""
    for point in ("gate:asked:2", "commit:settle:1", "empty-claim:1"):
        effects.approve_at(on_postgres, point)


@pytest.mark.parametrize("point", ["committed:claim:1", "commit:failed:1", "committed:failed:1", "gate:asked:1"])
def test_an_edit_survives_a_kill_between_the_old_card_and_the_new(on_sqlite: Stage, point: str) -> None:
    """Whatever instant the kill struck, the new card is for the changed call, and that is what is sent."""
    assert effects.edit_and_kill(on_sqlite, point)


@pytest.mark.parametrize("point", [*BEFORE_REST[:5], "empty-claim:1"])
def test_a_remark_between_card_and_settle_changes_the_plan(on_sqlite: Stage, point: str) -> None:
    """Said at each instant before rest: what is invited to in the end has the length that was said."""
    assert effects.nudge_at(on_sqlite, point, approved=False) == "45 minutes"


@pytest.mark.parametrize("point", AFTER_APPROVAL[:2])
def test_a_remark_before_the_wire_call_is_heard_first(on_sqlite: Stage, point: str) -> None:
    """Both cards are approved, nothing is attempted yet: the remark still counts, and new cards are shown."""
    assert effects.nudge_at(on_sqlite, point, approved=True) == "45 minutes"


@pytest.mark.parametrize("point", [*AFTER_APPROVAL[2:], *AT_THE_END])
def test_a_remark_after_the_wire_call_is_on_record(on_sqlite: Stage, point: str) -> None:
    """The invitation is on its way: the remark is noted, invitation and answer still say the same, nothing is sent twice."""
    came = effects.nudge_at(on_sqlite, point, approved=True)

    # Before a commit the file is locked, so whoever speaks there races with the end of the work, and may find it done.
    assert came == "30 minutes" or (came == "too late" and point == "commit:put_many:1")


@pytest.mark.parametrize("point", ["gate:before-attempt:1", "gate:attempted:1", "gate:sent:1"])
@pytest.mark.parametrize("request_text", [CALL, POST])
def test_a_worker_that_stands_still_inside_a_send_is_taken_over(
    on_postgres: Stage, request_text: str, point: str
) -> None:
    """Taken over after what could still arrive has arrived; continued, it sends nothing and ends with 75."""
    effects.stop_inside_a_send(on_postgres, request_text, point)


@pytest.mark.parametrize("point", ["gate:before-attempt:1", "gate:attempted:1", "gate:sent:1"])
def test_a_host_that_stands_still_inside_a_send_goes_on(on_sqlite: Stage, point: str) -> None:
    """On SQLite nobody takes over; the remark left meanwhile is heard, and everything happens once."""
    effects.stop_and_say(on_sqlite, point)
