"""`deputy connect`: accounts come and go by the command line, secrets never do; and what doctor says of them."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.surfaces.cli.exitcode import Exit
from tests.cli.house import TIMEOUT_S, House, Ran
from tests.connectors.carddav.world import card, make_book, plant, put
from tests.requirements import need
from tests.services import radicale
from tests.services.radicale import PASSWORD, Radicale

USER = "alex@northwind.example"
HOSTILE = str(Path(__file__).parents[1] / "connectors" / "mcp" / "hostile.py")
CANARY = "xoxb-canary-3c9e21"


def say(house: House, *arguments: str, stdin: str = "", **environment: str) -> Ran:
    """A command that is told something on stdin."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("DEPUTY_")}
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator.surfaces.cli.main", *arguments],
        cwd=house.folder,
        env=own | {"DEPUTY_HOME": str(house.home), "NO_COLOR": "1"} | environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Ran(done.returncode, done.stdout, done.stderr)


def given(**credentials: str) -> str:
    return json.dumps({"credentials": credentials})


def slack(house: House, token: str = CANARY, *more: str) -> Ran:
    """A Slack account that is not looked at."""
    told = ["connect", "slack", "--stdin-json", "--no-check", "--setting", "subject=bot@northwind.example", "--json"]
    return say(house, *told, *more, stdin=given(bot_token=token))


def ids(house: House) -> dict[str, dict[str, Any]]:
    return {one["connector"]: one for one in house.json("connect") if one["connector"] != "office"}


def checks(house: House, *arguments: str) -> dict[str, dict[str, Any]]:
    return {one["check"]: one for one in house.run("doctor", "--json", *arguments).json["checks"]}


def test_an_account_comes_and_goes(house: House) -> None:
    """Connected, listed, shared, sealed anew and taken away; its token is in no file and no answer."""
    made = slack(house)
    assert made.code == 0, made.err
    connection = made.json["connection_id"]

    assert ids(house)["slack"] | {"sealed": True, "state": "active", "owner": made.json["owner"]} == ids(house)["slack"]
    shared = house.run("connect", "share", "slack", "everybody", "--json").json
    renewed = house.run("connect", "rekey", "--json").json
    key = checks(house, "--offline")["credentials"]
    everything = b"".join(path.read_bytes() for path in house.home.rglob("*") if path.is_file())
    gone = house.run("connect", "rm", connection, "--json").json

    assert shared["shared_with"] == ["*"]
    assert renewed["rewrapped"] == [connection] and renewed["unreadable"] == []
    assert key["ok"] and renewed["key_id"] in key["detail"]
    assert CANARY.encode() not in everything and CANARY not in made.out + made.err
    assert gone == {"removed": connection} and ids(house) == {}


def test_the_office_is_said_to_step_back(house: House) -> None:
    """Whoever connects a real account is told which of the made-up ones still answer."""
    notes = " ".join(slack(house).json["notes"])

    assert "chat, directory: this account answers from now on" in notes
    assert "calendar, mail: still the local office" in notes


@pytest.mark.parametrize(
    ("command", "code", "fix"),
    [
        (("google",), Exit.USAGE, "--client-secrets"),  # no client
        (("google", "--client-secrets", "nowhere.json"), Exit.FAILED, "Desktop app"),
        (("google", "--service-account", "key.json"), Exit.USAGE, "--subject"),
        (("google", "--only", "chat"), Exit.USAGE, "mail,calendar,directory"),
        (("slack",), Exit.USAGE, "SLACK_BOT_TOKEN"),  # no terminal: nobody is asked
        (("slack", "--stdin-json"), Exit.USAGE, "credentials"),  # stdin is empty
        (("imap", USER, "--imap", ":993"), Exit.USAGE, "--imap"),
        (("imap", USER, "--imap", "localhost:1"), Exit.USAGE, "--stdin-json"),
        (("caldav", "https://dav.example/"), Exit.USAGE, "--address"),
        (("carddav", "https://dav.example/"), Exit.USAGE, "--address"),
        (("mcp", "notes"), Exit.USAGE, "COMMAND"),  # neither a command nor a url
        (("mcp", "notes", "--", "no-such-program-here"), Exit.USAGE, "install it"),
        (("mcp", "calendar", "--url", "https://x.example"), Exit.FAILED, "another name"),  # would shadow our own
        (("rm", "conn_nobody"), Exit.NOT_FOUND, "deputy connect"),
        (("test", "slack"), Exit.NOT_FOUND, "deputy connect"),
    ],
)
def test_what_is_wrong_is_said_with_a_fix(house: House, command: tuple[str, ...], code: Exit, fix: str) -> None:
    """Each failure has a code and names the way on; nothing is connected, and no key is made."""
    ran = (
        say(house, "connect", *command, "--json") if "--" not in command else say(house, "connect", "--json", *command)
    )

    told = json.loads(ran.out) if ran.out.startswith("{") else {"fix": ran.err}
    assert ran.code == code, ran.out + ran.err
    assert fix in told["fix"], told
    assert not (house.home / "credentials.key").exists()


def test_a_provider_that_cannot_be_reached_stores_nothing(house: House) -> None:
    """Exit 6, and the password is not kept for later."""
    ran = say(
        house, "connect", "imap", USER, "--imap", "localhost:1", "--stdin-json", "--json", stdin=given(password=CANARY)
    )

    assert ran.code == Exit.UNREACHABLE
    assert CANARY not in ran.out + ran.err
    assert ids(house) == {}


def test_a_lost_key_is_not_replaced_in_silence(house: House) -> None:
    """Where credentials are sealed with a key that is gone, doctor says so, and a second key is not made beside it."""
    slack(house)
    (house.home / "credentials.key").unlink()

    told = checks(house, "--offline")["credentials"]
    again = slack(house)

    assert not told["ok"] and "credentials.key" in told["detail"] and told["fix"]
    assert again.code == Exit.AUTH and "copy credentials.key" in again.json["fix"]
    assert not (house.home / "credentials.key").exists()


def test_a_key_file_that_others_can_read_is_found(house: House) -> None:
    """Doctor names the command that mends it."""
    slack(house)
    file = house.home / "credentials.key"
    file.chmod(0o644)

    told = checks(house, "--offline")["credentials"]

    assert not told["ok"] and told["fix"] == f"chmod 600 {file}"


def test_the_slack_manifest_is_printed(house: House) -> None:
    """What the app is made from, derived from the tools; nothing is connected."""
    ran = house.run("connect", "slack", "--manifest", "--only", "directory")

    assert json.loads(ran.out)["oauth_config"]["scopes"] == {"bot": ["users:read", "users:read.email"]}
    assert ids(house) == {}


# ---- a real server ---------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def dav(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Radicale]:
    need("Radicale", radicale.available())
    server = Radicale(tmp_path_factory.mktemp("radicale"), [USER])
    yield server
    server.stop()


def test_a_calendar_server_lets_in_who_has_the_password(house: House, dav: Radicale) -> None:
    """A wrong password stores nothing and exits 5; the right one serves, and doctor and `test` find it well."""
    told = ("connect", "caldav", dav.url, "--user", USER, "--allow-http", "--stdin-json", "--json")

    wrong = say(house, *told, stdin=given(password="wrong-one"))
    assert (wrong.code, ids(house)) == (Exit.AUTH, {})
    right = say(house, *told, stdin=given(password=PASSWORD))

    assert right.code == 0, right.out + right.err
    assert house.run("connect", "test", "caldav", "--json").json["ok"]
    health = checks(house)["caldav"]
    assert health["ok"] and "answers" in health["detail"] and "connected today" in health["detail"]
    assert health["account"] | {"state": "active", "age_days": 0, "scopes_held": None} == health["account"]
    assert any(note.startswith("quota: calendar servers publish no limits") for note in health["notes"])


def test_address_books_are_found_and_only_named_ones_count(house: House, dav: Radicale) -> None:
    """Connecting the calendar tells of the address books; a book is taken by its name, and its people are known."""
    make_book(dav, "team", shown="The Team")
    put(dav, "team", "dana", card("Dana Ruiz", "dana@northwind.example"))
    plant(dav, "team", "half", card("Half", "no address"))
    login = (dav.url, "--user", USER, "--allow-http", "--stdin-json", "--json")

    calendar = say(house, "connect", "caldav", *login, stdin=given(password=PASSWORD)).json
    unnamed = say(house, "connect", "carddav", *login, stdin=given(password=PASSWORD))
    told = ("connect", "carddav", *login, "--book", "The Team", "--inside", "northwind.example")
    named = say(house, *told, stdin=given(password=PASSWORD))
    health = checks(house)["carddav"]

    assert any("The Team" in note and "deputy connect carddav" in note for note in calendar["notes"])
    assert unnamed.code != 0 and "--book" in unnamed.json["fix"]
    assert named.code == 0 and "half.vcf" in " ".join(named.json["notes"]), named.out
    assert health["ok"] and "half.vcf" in " ".join(health["notes"])


def test_doctor_names_the_command_that_mends_an_account(house: House, dav: Radicale) -> None:
    """A password that is no longer right: not well, and `deputy connect caldav` is the way on."""
    told = ("connect", "caldav", dav.url, "--user", USER, "--allow-http", "--stdin-json", "--no-check", "--json")
    say(house, *told, stdin=given(password="changed-since"))

    ran = house.run("doctor", "--json")
    health = next(one for one in ran.json["checks"] if one["check"] == "caldav")

    assert ran.code == Exit.FAILED
    assert not health["ok"] and health["fix"] == f"deputy connect caldav {dav.url} --address {USER} --allow-http"
    assert "changed-since" not in ran.out


# ---- a tool server ---------------------------------------------------------------------------------------------------
def test_a_tool_server_is_used_as_it_was_seen(house: House, tmp_path: Path) -> None:
    """Without a yes its tools are only shown; with one they are pinned; what changes later is found and named."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    server = ("mcp", "notes", "--json")
    command = ("--", sys.executable, HOSTILE, str(folder))

    seen = house.run("connect", *server, *command)
    assert seen.code == Exit.APPROVAL
    effects = {tool["name"]: (tool["effect"], tool["by"]) for tool in seen.json["tools"]}
    assert effects["notes.get_note"][1] == "annotations"
    assert ids(house) == {}

    used = house.run("connect", *server, "--yes", *command)
    assert used.code == 0, used.out + used.err
    assert checks(house)["connections"]["ok"]
    (folder / "changed-schema").touch()
    health = checks(house)["notes"]

    assert not health["ok"] and health["fix"] == shlex.join(["deputy", "connect", "mcp", "notes", *command])
    assert "notes.add_note" in health["detail"]
    assert house.run("connect", "rm", "notes", "--json").code == 0
    assert not (house.home / "mcp" / "notes.json").exists()


def test_a_tool_server_can_be_declared(house: House, tmp_path: Path) -> None:
    """[connectors.NAME] kind = "mcp" connects it for the owner; taken out of the file, it is gone."""
    command = [sys.executable, HOSTILE, str(tmp_path)]
    file = house.home / "deputy.toml"
    before = file.read_text()
    file.write_text(f'{before}\n[connectors.notes]\nkind = "mcp"\ncommand = {json.dumps(command)}\n')

    declared = ids(house)
    refused = house.run("connect", "rm", "notes", "--json")
    file.write_text(before)

    assert declared["notes"]["families"] == ["notes"]
    assert refused.code == Exit.USAGE and "deputy.toml" in refused.error["message"]
    assert ids(house) == {}
