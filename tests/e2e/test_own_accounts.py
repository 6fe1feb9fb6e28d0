"""The main job on a person's own accounts, on servers that nobody here wrote: mail at Dovecot, the calendar at Radicale.

Connected by the command line as a newcomer does it; the directory stays with the office. Objects are counted on the servers.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.place import CALL, DANA, MONDAY, Place
from tests.requirements import need
from tests.services import dovecot, radicale
from tests.services.dovecot import Dovecot
from tests.services.radicale import Radicale

KILLED = 9
_WORKER = """
import os, sys
from orchestrator import app
from orchestrator.domain import boundary
from orchestrator.settings import Settings
wanted, left = sys.argv[1], int(sys.argv[2])
def hook(name):
    global left
    if name == wanted:
        left -= 1
        if left == 0:
            os._exit(9)
boundary.install(hook)
sys.exit(app.run_worker(Settings.load(), until_idle=True))
"""


@dataclass(frozen=True)
class Own:
    """A place whose person reads and writes at the two servers."""

    place: Place
    mail: Dovecot
    calendar: Radicale

    def environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("DEPUTY_")}
        return own | self.place.settings.as_environment()

    def deputy(self, *words: str, stdin: Any = None) -> dict[str, Any]:
        """A real `deputy` process that has to succeed."""
        done = subprocess.run(
            [sys.executable, "-m", "orchestrator.surfaces.cli.main", *words, "--json"],
            env=self.environment(), input=json.dumps(stdin), capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def worker(self, boundary: str = "", passage: int = 1) -> int:
        """A worker process that is gone at that passage of the boundary; its exit code. It waits out no wire time-out."""
        process = subprocess.Popen(
            [sys.executable, "-c", _WORKER, boundary, str(passage)], env=self.environment(),
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        for _ in range(400):
            try:
                _, told = process.communicate(timeout=0.3)
                break
            except subprocess.TimeoutExpired:
                self.wire_times_pass()
        else:
            process.kill()
            _, told = process.communicate()
        assert process.returncode in (0, KILLED), told
        return process.returncode

    def wire_times_pass(self) -> None:
        """What was on the wire has arrived or never will: the wait for that, by the database's clock, is over."""
        with sqlite3.connect(self.place.home / "deputy.db") as c:
            c.execute("update worklist set hold_until_s = 0 where hold_until_s is not null")

    def objects(self) -> tuple[int, int, int]:
        """Events on the calendar, mails in Dana's mailbox, mails in the person's Sent folder."""
        me = self.place.me.principal_id
        return (
            len(self.calendar.objects(me)),
            len(self.mail.files(DANA)),
            len(self.mail.files(me, "Sent")),
        )


@pytest.fixture
def own(place: Place, tmp_path: Path) -> Iterator[Own]:
    need("Dovecot", dovecot.available())
    need("Radicale", radicale.available())
    me = place.me.principal_id
    folder = tmp_path / "radicale"
    folder.mkdir()
    with Dovecot([me, DANA]) as mail:
        calendar = Radicale(folder, [me, DANA])
        try:
            one = Own(place, mail, calendar)
            connect(one, me)
            yield one
        finally:
            calendar.stop()


def connect(one: Own, me: str) -> None:
    """As a newcomer: one command an account, the password not in it."""
    hosts = ("--imap", f"127.0.0.1:{one.mail.imap_port}", "--smtp", f"127.0.0.1:{one.mail.smtp_port}")
    secret: dict[str, Any] = {"credentials": {"password": one.mail.password}}
    told = one.deputy("connect", "imap", me, *hosts, "--security", "none", "--stdin-json", stdin=secret)
    assert told["families"] == ["mail"]
    people = {DANA: f"{one.calendar.url}{DANA}/{radicale.CALENDAR}/"}
    given = {"credentials": {"password": radicale.PASSWORD}, "settings": {"people": people}}
    url = f"{one.calendar.url}{me}/"
    login = ("--user", me, "--zone", "Europe/Lisbon", "--allow-http", "--stdin-json")
    assert one.deputy("connect", "caldav", url, *login, stdin=given)["families"] == ["calendar"]
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = f"Dana Ruiz <{DANA}>", me, "Quick call about the lighthouse?"
    letter["Date"], letter["Message-ID"] = format_datetime(MONDAY), "<lighthouse@brightwater.example>"
    letter.set_content("Could we talk about the lighthouse this week?")
    one.mail.deliver(me, letter.as_bytes(), sender=DANA)


def test_the_main_job_runs_on_dovecot_and_radicale_as_in_the_office(own: Own, world: Path, tmp_path: Path) -> None:
    """The same workflow, cards, rules and receipt as in the office; one event and one answer, on the servers."""
    asked = own.place.ask(CALL)
    assert own.objects() == (0, 0, 0), "nothing leaves before an approval"
    done = own.place.approve_all(asked)

    office = Place(tmp_path / "office-home", world)
    office_done = office.approve_all(office.ask(CALL))
    office.close()

    assert (done["state"], done["match"]["workflow"]) == ("done", "schedule-call-from-mail"), done["error"]
    assert own.objects() == (1, 1, 1)
    assert effects(done) == effects(office_done)
    assert done["receipt"]["model_calls"] == 0
    (event,) = own.calendar.objects(own.place.me.principal_id).values()
    assert "lighthouse" in event and DANA in event
    (answer,) = own.mail.files(DANA)
    assert b"In-Reply-To: <lighthouse@brightwater.example>" in answer.read_bytes()
    assert own.place.sent() == [], "the made-up office is left alone"


def effects(done: dict[str, Any]) -> list[tuple[Any, ...]]:
    """What a receipt is compared by: what was done, by which decision of which rules."""
    return sorted((e["tool"], e["state"], e["decision"], tuple(e["rules"])) for e in done["effects"])


@pytest.mark.parametrize("passage", [1, 2])
@pytest.mark.parametrize("boundary", ["gate:attempted", "gate:sent"])
def test_a_worker_killed_around_a_send_leaves_each_effect_once(own: Own, boundary: str, passage: int) -> None:
    """Killed before or after the first or second request is on the wire; whoever comes next finds out, and nothing is there twice."""
    asked = own.place.ask(CALL)
    for card in own.place.cards(asked):
        own.place.decide(card)

    assert own.worker(boundary, passage) == KILLED
    between = own.objects()
    for _ in range(2):
        own.worker()

    events, answers, copies = own.objects()
    done = own.place.item(asked)
    assert max(events, answers, copies) <= 1, (between, own.objects())
    assert (events, answers) == (1, 1) or done["state"] == "waiting", done["error"]
