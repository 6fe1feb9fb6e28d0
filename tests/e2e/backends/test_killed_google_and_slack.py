"""The main job on Gmail and Google Calendar, and a post on Slack, their worker killed around the wire: each effect once.

The judges are weaker than in test_killed: Gmail and Slack are emulate's, which keep drafts and metadata as documented and nothing
else of what the real ones may do, and the calendar is a double of our own. That the algorithm is right is shown there; this shows
that the clients of Google and Slack carry it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.crash.forkserver import ForkServer
from tests.e2e.backends import killed
from tests.e2e.backends.google_slack import GoogleAndSlack
from tests.e2e.backends.stage import Stage
from tests.e2e.place import CALL, Place
from tests.e2e.test_library import REQUESTS

POST = REQUESTS["notes-to-channel"][0]
INSTANTS = ["gate:attempted:1", "gate:sent:1", "gate:attempted:2", "gate:sent:2"]


@pytest.fixture
def stage(
    make_place: Callable[[Path], Place], company: Path, google_and_slack: GoogleAndSlack, killable: ForkServer
) -> Iterator[Stage]:
    place = make_place(company)
    accounts = google_and_slack.give(place)
    where = (accounts.roots, f"{accounts.slack_url}/api/")
    google, slack = killed.google_and_slack(*where)
    yield Stage(
        place=place,
        accounts=accounts,
        spawn=lambda kill_at: killable.spawn(
            killed.work_on_google_and_slack, str(place.home), *where, log=place.home / "log", kill_at=kill_at
        ),
        used=[google, slack],
    )
    google.close()
    accounts.close()


@pytest.mark.parametrize(
    ("request_text", "kill_at", "once"),
    [
        *((CALL, one, Counter(created=1, sent=1)) for one in INSTANTS),
        *((POST, one, Counter(posted=1)) for one in INSTANTS[:2]),
    ],
)
def test_a_kill_around_the_wire_leaves_each_effect_once(
    stage: Stage, request_text: str, kill_at: str, once: Counter[str]
) -> None:
    """Killed before and after each call; restarted, asked where the provider cannot tell, and done."""
    item = stage.kill(request_text, kill_at)

    assert item["state"] == "done", (item["state"], item["error"], item["waiting_on"], item["questions"])
    assert stage.accounts.counts() == once
    assert sum(effect["state"] == "done" for effect in item["effects"]) == sum(once.values())
    assert stage.place.desk.audit_verify(stage.place.admin)["ok"]
