"""The main job on Dovecot and Radicale, its worker killed at each state of the ledger: one event, one mail, whatever instant it was.

CI takes the instants around the wire and one of each other state; DEPUTY_CRASH_MATRIX=all takes every one.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.crash.forkserver import ForkServer
from tests.e2e.backends import killed
from tests.e2e.backends.mirror import MailAndCalendar
from tests.e2e.backends.stage import LOOKS, Stage
from tests.e2e.place import CALL, Place

ONCE = Counter(created=1, sent=1, submitted=1)
TOOLS = ["calendar.create_event", "mail.reply"]


def _each(*names: str) -> list[str]:
    """Of both effects."""
    return [f"{name}:{number}" for name in names for number in (1, 2)]


# State of the ledger → where a worker dies in it.
MATRIX = {
    "nothing yet": ["asking commit:intend:1", "asking commit:intend:2"],
    "intended": [
        "asking committed:intend:1",
        "asking committed:intend:2",
        "asking gate:asked:1",
        "asking gate:asked:2",
    ],
    "approved": ["committed:claim:1", *_each("gate:before-attempt", "commit:attempt")],
    "attempted": _each("committed:attempt", "gate:attempted", "gate:sent", "commit:record"),
    "in doubt": ["gate:attempted:1 gate:reconciled:1", "gate:sent:1 gate:reconciled:1", "gate:sent:1 gate:attempted:1"],
    "done": [*_each("committed:record", "gate:recorded"), "commit:settle:1", "committed:settle:1"],
}
SAMPLE = [
    *_each("gate:attempted", "gate:sent"),
    "asking committed:intend:2",
    "committed:claim:1",
    "committed:attempt:1",
    "gate:sent:1 gate:reconciled:1",
    "committed:record:2",
]
IS_WHOLE = os.environ.get("DEPUTY_CRASH_MATRIX") == "all"


@pytest.fixture
def stage(
    make_place: Callable[[Path], Place], company: Path, mail_and_calendar: MailAndCalendar, killable: ForkServer
) -> Iterator[Stage]:
    place = make_place(company)
    accounts = mail_and_calendar.give(place)
    used = killed.mail_and_calendar()
    yield Stage(
        place=place,
        accounts=accounts,
        spawn=lambda kill_at: killable.spawn(
            killed.work_on_mail_and_calendar, str(place.home), log=place.home / "log", kill_at=kill_at
        ),
        used=used,
        looks={**LOOKS, "mail.reply": "submitted"},
    )
    for one in used:
        one.close()


@pytest.mark.parametrize("kills", [kill for state in MATRIX.values() for kill in state] if IS_WHOLE else SAMPLE)
def test_a_kill_leaves_one_event_and_one_mail(stage: Stage, kills: str) -> None:
    """Killed, restarted, asked where the mail server cannot tell, and done."""
    item = stage.kill(CALL, *(kills.split(" ") if not kills.startswith("asking ") else [kills]))

    assert item["state"] == "done", (item["state"], item["error"], item["waiting_on"], item["questions"])
    assert stage.accounts.counts() == ONCE
    assert sorted(effect["tool"] for effect in item["effects"] if effect["state"] == "done") == TOOLS
    assert stage.place.desk.audit_verify(stage.place.admin)["ok"]


def test_the_matrix_has_what_is_tried_always() -> None:
    """A sample of something that is not in it would be nobody's."""
    assert set(SAMPLE) <= {kill for state in MATRIX.values() for kill in state}
