"""Servers start without the made-up office and without an account: a request waits for what it lacks, says what, and goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestrator.domain.principal import NOBODY
from orchestrator.surfaces.cli.exitcode import Exit
from tests.agents.puppet import Asked, Call, Says, finish, puppet
from tests.e2e.place import Place
from tests.requirements import need
from tests.services import radicale
from tests.services.radicale import Radicale

ME = "me@example.com"
BRIEF = "what is on my calendar today"
TELEPORT = """
name: teleport
version: 1.0.0
title: Teleport
description: Calls what no calendar has.
examples: [Teleport me home, Teleport me home please]
near_misses: [Do not teleport me]
grant: []
slots: {}
steps:
  - {id: there, call: calendar.teleport, args: {}}
text: There.
"""


def bare(tmp_path: Path, database_url: str = "", owner: str | None = ME) -> Place:
    """A home as a server's: no office, nothing connected."""
    return Place(tmp_path / "home", None, database_url, office=False, owner=owner)


def test_a_request_waits_for_the_accounts_that_it_lacks(tmp_path: Path, database_url: str) -> None:
    """Not refused: exit 5, and for each account that is missing its family, whose it would be, and whole commands."""
    place = bare(tmp_path, database_url)

    asked = place.ask(BRIEF)

    assert (asked["state"], asked["waiting_on"]) == ("waiting", ["reconsent"]), asked["error"]
    assert place.exit_code(asked) is Exit.AUTH
    told = {wait["text"].partition(" connection")[0]: wait["fix"] for wait in asked["waits"]}
    assert told.keys() == {f"{ME} has no {family}" for family in ("calendar", "mail", "chat")}
    assert f"deputy connect caldav URL --user NAME --address {ME}" in told[f"{ME} has no calendar"]
    assert f"deputy connect imap {ME} --imap HOST" in told[f"{ME} has no mail"]
    assert told[f"{ME} has no chat"] == "deputy connect slack"
    assert asked["effects"] == []
    place.close()


def test_it_goes_on_by_itself_once_the_calendar_is_connected(tmp_path: Path) -> None:
    """Connected by the command line on a server that nobody here wrote: the waiting request finds the meeting there and asks its card."""
    need("Radicale", radicale.available())
    place = bare(tmp_path)
    folder = tmp_path / "radicale"
    folder.mkdir()
    server = Radicale(folder, [ME])
    try:
        begins = datetime.now(UTC) + timedelta(hours=20)
        lines = (f"{key}:{value}" for key, value in (
            ("SUMMARY", "Retrospective"), ("ORGANIZER", f"mailto:{ME}"), ("DTSTAMP", f"{begins:%Y%m%dT%H%M%SZ}"),
            ("DTSTART", f"{begins:%Y%m%dT%H%M%SZ}"), ("DURATION", "PT30M"),
        ))  # fmt: skip
        server.put(ME, "retro", "\r\n".join(lines))
        asked = place.ask("Cancel Retrospective")
        assert asked["waiting_on"] == ["reconsent"], asked["error"]

        words = ("--user", ME, "--zone", "Europe/Lisbon", "--allow-http", "--stdin-json", "--json")
        done = subprocess.run(
            [sys.executable, "-m", "orchestrator.surfaces.cli.main", "connect", "caldav", f"{server.url}{ME}/", *words],
            env={k: v for k, v in os.environ.items() if not k.startswith("DEPUTY_")} | place.settings.as_environment(),
            input=json.dumps({"credentials": {"password": radicale.PASSWORD}}),
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        place.work()

        asked = place.item(asked)
        assert asked["waiting_on"] == ["approval"], asked["error"]
        (card,) = place.cards(asked)
        assert card["tool"] == "calendar.cancel_event"
        assert place.approve_all(asked)["state"] == "done"
        (event,) = server.objects(ME).values()
        assert "STATUS:CANCELLED" in event
    finally:
        server.stop()
        place.close()


def test_switching_the_office_on_is_connecting_it(world: Path, tmp_path: Path) -> None:
    """What waited for accounts goes on with those of the office."""
    place = Place(tmp_path / "home", world, office=False, owner="alex.moreau@brightwater.example")
    asked = place.ask(BRIEF)
    assert asked["waiting_on"] == ["reconsent"]

    place.set(office=True)
    place.restart()
    place.work()

    assert place.item(asked)["state"] == "done"
    place.close()


def test_an_office_that_is_switched_off_leaves_no_account_behind(place: Place) -> None:
    """Its connections are still on record; a request waits for a real account and is not told that a tool is missing."""
    place.set(office=False, owner=place.me.principal_id)
    place.restart()

    assert place.ask(BRIEF)["waiting_on"] == ["reconsent"]


def test_a_home_of_nobody_says_that_somebody_has_to_say_who_they_are(tmp_path: Path) -> None:
    """No account connected later could be nobody's own."""
    place = bare(tmp_path, owner=None)

    asked = place.ask(BRIEF)

    assert (asked["requester"], asked["waiting_on"]) == (NOBODY, ["reconsent"])
    assert {"DEPUTY_OWNER" in wait["fix"] for wait in asked["waits"]} == {True}
    place.close()


def test_a_standing_order_without_an_account_says_that_nothing_is_followed(tmp_path: Path) -> None:
    """It is kept, and begins with the account; until then the person knows what is missing."""
    place = bare(tmp_path)
    command = ("trigger", "add", "invoices", "--on", "mail", "--ask", "file the mail {message_id}")
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator.surfaces.cli.main", *command],
        env={k: v for k, v in os.environ.items() if not k.startswith("DEPUTY_")} | place.settings.as_environment(),
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert f"{ME} has no mail connection" in done.stderr and f"deputy connect imap {ME}" in done.stderr
    place.close()


def test_what_no_family_knows_stays_refused(tmp_path: Path) -> None:
    """A name that sounds like a calendar's tool is none: no account would bring it."""
    place = bare(tmp_path)
    place.settings.workflow_folder.mkdir(parents=True)
    (place.settings.workflow_folder / "teleport.yaml").write_text(TELEPORT, encoding="utf-8")

    asked = place.ask("Teleport me home")

    assert (asked["state"], asked["effects"][0]["rules"]) == ("denied", ["unknown-tool"]), asked["error"]
    place.close()


def test_an_agent_waits_for_the_account_of_a_tool_that_it_needs(tmp_path: Path) -> None:
    """The calendar agent's file names calendar tools as needed: it has them, and its first call waits; a tool that is only welcome it does without."""
    place = bare(tmp_path)

    def looks(asked: Asked) -> Says:
        assert not [name for name in asked.tools if name.startswith("directory_")]
        now = datetime.now(UTC)
        args = {"start": now.isoformat(), "end": (now + timedelta(days=1)).isoformat()}
        return [Call("calendar_list_events", args)] if asked.turn == 0 else finish("nothing")

    with puppet(looks) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        asked = place.ask("look at my day", agent="calendar")

    assert asked["waiting_on"] == ["reconsent"], asked["error"]
    (wait,) = asked["waits"]
    assert "deputy connect caldav" in wait["fix"]
    place.close()
