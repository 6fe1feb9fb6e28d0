"""The main job on a person's own accounts, on servers that nobody here wrote: mail at Dovecot, the calendar at Radicale.

Connected by the command line as a newcomer does it; the directory stays with the office. Objects are counted on the servers.
"""

from __future__ import annotations

import json
import os
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
