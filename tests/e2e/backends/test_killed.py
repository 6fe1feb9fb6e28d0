"""The main job on servers, its worker killed around the wire: one event, one mail, whatever instant it was."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.crash.forkserver import ForkServer
from tests.e2e.backends import killed
from tests.e2e.backends.killed import QuickCalendar, QuickMail
from tests.e2e.backends.mirror import Accounts, MailAndCalendar
from tests.e2e.place import CALL, Place

ONCE = Counter(created=1, sent=1, submitted=1)
TOOLS = ("calendar.create_event", "mail.reply")


@pytest.fixture(scope="module")
def killable() -> Iterator[ForkServer]:
    with ForkServer("tests.e2e.backends.killed") as server:
        yield server


@pytest.fixture
def quick_lines() -> Iterator[tuple[QuickMail, QuickCalendar]]:
    """The connectors of whoever takes over."""
    mail, calendar = QuickMail(), QuickCalendar()
    yield mail, calendar
    mail.close()
    calendar.close()


@pytest.mark.parametrize("kill_at", ["gate:attempted:1", "gate:sent:1", "gate:attempted:2", "gate:sent:2"])
def test_a_kill_around_the_wire_leaves_one_event_and_one_mail(
    make_place: Callable[[Path], Place],
    company: Path,
    mail_and_calendar: MailAndCalendar,
    killable: ForkServer,
    quick_lines: tuple[QuickMail, QuickCalendar],
    kill_at: str,
) -> None:
    """Killed before and after each of the two calls; restarted, asked where the mail server cannot tell, and done."""
    place = make_place(company)
    accounts = mail_and_calendar.give(place)
    item_id = place.submit(CALL)
    place.work_with(lambda house: killed.quick(house, place.office, *quick_lines))
    asked = place.item(item_id)
    for card in place.cards(asked):
        place.decide(card)

    child = killable.spawn(killed.work, str(place.home), log=place.home / "log", kill_at=kill_at)
    child.join(30)
    assert child.exitcode == -signal.SIGKILL, (place.home / "log").read_text()
    place.restart()
    for _ in range(10):
        place.work_with(lambda house: killed.quick(house, place.office, *quick_lines))
        item = place.item(asked)
        if item["state"] == "done":
            break
        for card in place.cards(asked):
            place.decide(card)
        _look_and_answer(place, accounts, asked["item_id"])
        place.later(timedelta(minutes=3))

    assert item["state"] == "done", (item["state"], item["error"], item["waiting_on"], item["questions"])
    assert accounts.counts() == ONCE
    assert sorted(effect["tool"] for effect in item["effects"] if effect["state"] == "done") == list(TOOLS)
    assert place.desk.audit_verify(place.admin)["ok"]


def _look_and_answer(place: Place, accounts: Accounts, item_id: str) -> None:
    """A person looks at the servers, and says what is there."""
    item = place.item(item_id)
    tool_of = {effect["effect_id"]: effect["tool"] for effect in item["effects"]}
    for question in item["questions"]:
        say = "try again"
        if "it happened" in question["choices"]:
            tool = tool_of[question["question_id"].partition("!")[0]]
            kind = {"calendar.create_event": "created", "mail.reply": "submitted"}[tool]
            say = "it happened" if accounts.counts()[kind] else "it did not happen"
        place.desk.answer(place.admin, item_id, say, question_id=question["question_id"])
