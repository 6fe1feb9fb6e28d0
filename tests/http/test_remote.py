"""The command line as a client of a server: the same commands, by an address and a key."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import made_home
from tests.cli.house import House, Ran
from tests.http.served import Serving

__all__ = ["made_home"]  # a fixture: pytest finds it here
CALL = "Set up a 30 minute call with Dana about her last mail"


@pytest.fixture(scope="module")
def serving(made_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    home = tmp_path_factory.mktemp("served") / "home"
    shutil.copytree(made_home, home)
    made = Serving(home)
    yield made
    assert made.stop() == 0


@pytest.fixture(scope="module")
def key(serving: Serving) -> str:
    return serving.client().key


@pytest.fixture
def away(tmp_path: Path, serving: Serving, key: str) -> House:
    """Somebody's own machine, where nothing of Deputy is but the program."""
    house = House(tmp_path / "away")
    house.environment |= {"DEPUTY_URL": serving.address, "DEPUTY_TOKEN": key}
    return house


def test_a_request_is_followed_approved_and_done_from_afar(away: House) -> None:
    """ask waits for the card, the inbox approves it, watch ends with 0; nothing is kept on this machine."""
    asked = away.run("ask", CALL, "--json")
    assert asked.code == 3, asked.out + asked.err
    for card in away.json("inbox", "ls"):
        away.json("inbox", "approve", card["approval_id"])
    item_id = asked.json["item_id"]
    done = away.run("run", "watch", item_id, "--json")

    assert done.code == 0, done.out + done.err
    assert done.json["state"] == "done"
    assert {one["state"] for one in done.json["effects"]} == {"done"}
    run = away.json("run", "show", item_id)
    assert away.json("run", "why", run["effects"][0]["effect_id"])["decision"] == "ask"
    assert away.json("run", "trace", item_id)["spans"]
    assert away.json("audit", "verify")["ok"]
    assert item_id in {one["item_id"] for one in away.json("work", "ls", "--all")["items"]}
    assert not (away.home / "deputy.db").exists() and not (away.home / "office.db").exists()


def test_yes_approves_for_whom_the_key_belongs_to(away: House) -> None:
    """ask --yes goes through to done."""
    ran = away.run("ask", "--yes", CALL, "--json")
    assert (ran.code, ran.json["state"]) == (0, "done"), ran.out + ran.err


def test_the_other_nouns_speak_to_the_server(away: House) -> None:
    """People, memories, schedules, triggers, workflows, halts and the worklist, as at the server itself."""
    somebody = away.json("people", "ls")[0]["address"]
    assert away.json("people", "set", somebody, "earliest=09:30")["preferences"]["earliest"] == "09:30"
    fact = away.json("memory", "add", "Dana likes mornings")
    assert fact["memory_id"] in [one["memory_id"] for one in away.json("memory", "ls")]
    away.json("memory", "forget", fact["memory_id"])
    away.json("schedule", "add", "morning", "--when", "weekdays 07:30", "--ask", "what is on my calendar today")
    assert [one["name"] for one in away.json("schedule", "ls")["schedules"]] == ["morning"]
    wait = ["--unattended-until", "10:00", "--then", "default", "--answer", "the first"]
    edited = away.json("schedule", "edit", "morning", "--budget", "calls=5", "--grace", "5m", *wait)
    assert (edited["unattended"]["answer"], edited["grace_s"]) == ("the first", 300)
    assert edited["options"] == {"budget": {"model_calls": 5}}
    away.json("schedule", "rm", "morning")
    away.json("trigger", "add", "bills", "--on", "mail", "--where", "subject~bill", "--ask", "file {message_id}")
    assert [one["name"] for one in away.json("trigger", "ls")["triggers"]] == ["bills"]
    assert "schedule-call-from-mail" in [one["name"] for one in away.json("workflow", "ls")]
    assert away.json("workflow", "show", "schedule-call-from-mail")["digest"].startswith("sha256:")
    made = away.json("work", "add", "remember the milk", "--priority", "7")
    assert made["priority"] == 7
    assert away.json("work", "cancel", made["item_id"])["state"] in ("cancelled", "needs_model")
    halted = away.json("halt", "--reason", "a drill")
    assert away.json("halt", "--lift", halted["halt_id"])["lifted"]


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["work", "show", "item_none", "--json"], 7, "not_found"),
        (["inbox", "show", "apr_none", "--json"], 7, "not_found"),
        (["ask", "--workflow", "nonesuch", "x", "--json"], 7, "not_found"),
        (["office", "show", "--json"], 2, "usage"),
        (["policy", "check", "--json"], 2, "usage"),
        (["workflow", "test", "--json"], 2, "usage"),
        (["people", "import", __file__, "--json"], 2, "usage"),
        (["work", "ls", "--as", "Dana Ruiz", "--json"], 2, "usage"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_cannot_be_done_from_afar_says_so(away: House, arguments: list[str], code: int, error: str) -> None:
    """The server's own errors with their exit codes; what is about this machine's files names the setting."""
    ran = away.run(*arguments)
    assert (ran.code, ran.error["error"]) == (code, error), ran.out + ran.err
    assert ran.error["fix"]


def test_who_is_not_let_in_and_who_is_not_there(away: House, key: str) -> None:
    """A bad key ends with 5, no server with 6, and neither shows the key."""
    wrong: dict[str, Any] = {
        "5": {"DEPUTY_TOKEN": "dk_wrong_key"},
        "6": {"DEPUTY_URL": "http://127.0.0.1:9"},
    }
    for code, environment in wrong.items():
        ran: Ran = away.run("work", "ls", "--json", **environment)
        assert str(ran.code) == code, ran.out + ran.err
        assert ran.error["fix"] and key not in ran.out + ran.err
    assert not (away.home / "deputy.db").exists()


def test_what_the_server_can_do_is_told_from_afar(away: House) -> None:
    """Its tools and workflows, beside the commands of the program here."""
    told = away.json("capabilities")

    assert {"ask", "work ls"} <= {one["name"] for one in told["commands"]}
    assert told["exit_codes"]["7"] and told["tools"] and told["workflows"]
