"""Whether the desk says that it is ready: not with rules that cannot be used, nor while its worker is not there."""

from __future__ import annotations

import asyncio
from pathlib import Path

import requests

from orchestrator.surfaces.http_api.auth.rules import Rules
from orchestrator.surfaces.http_api.auth.sessions import Sessions
from orchestrator.surfaces.http_api.draining import Drain
from orchestrator.surfaces.http_api.server import application
from tests.e2e.place import CALL, Place
from tests.http.served import Serving, eventually, in_thread


def _ready(address: str) -> tuple[int, str]:
    answer = requests.get(f"{address}/readyz", timeout=30)
    return answer.status_code, answer.json().get("why", "")


def test_rules_that_cannot_be_used_are_no_crash_anywhere(place: Place, tmp_path: Path) -> None:
    """Doctor has them as one finding among all others, ask ends with the fix, and the desk is not ready."""
    place.set(policy_dir=tmp_path / "nope")

    code, told = place.deputy("doctor", "--offline")
    checks = {one["check"]: one for one in told["checks"]}
    assert code == 1
    assert not checks["policy"]["ok"] and "no such directory" in checks["policy"]["detail"]
    assert "policy_dir" in checks["policy"]["fix"]
    assert checks["workflows"]["ok"] and checks["prompts"]["ok"]

    code, told = place.deputy("ask", CALL)
    assert code == 2, told
    assert "nope" in told["message"] and "policy_dir" in told["fix"]
    assert place.desk.items(place.admin)["items"] == []

    sessions = Sessions(place.desk, Rules.of(place.settings, "127.0.0.1"))
    with in_thread(application(place.desk, sessions, place.settings)) as address:
        status, why = _ready(address)
        assert (status, "cannot be used" in why) == (503, True)


def test_a_desk_without_its_worker_is_not_ready(place: Place) -> None:
    sessions = Sessions(place.desk, Rules.of(place.settings, "127.0.0.1"))
    drain = asyncio.run(_drain())
    with in_thread(application(place.desk, sessions, place.settings, drain=drain)) as address:
        assert _ready(address) == (200, "")
        drain.worker = None
        assert _ready(address) == (503, "the worker has ended")
        drain.worker = 1
        assert _ready(address) == (503, "the worker has not come up yet")


async def _drain() -> Drain:
    return Drain()


def test_a_desk_is_ready_once_its_worker_has_come_up(place: Place) -> None:
    serving = Serving(place.home, **place.settings.as_environment())
    try:
        eventually(lambda: _ready(serving.address)[0] == 200)
        assert place.desk.workers()
    finally:
        serving.kill()
