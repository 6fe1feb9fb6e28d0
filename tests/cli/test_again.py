"""Every command that is printed to connect an account can be typed as it stands: it parses, and says the same account again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import pytest

from orchestrator.gate import missing
from orchestrator.store.connections import Connection
from orchestrator.surfaces.cli import again
from orchestrator.surfaces.cli.main import deputy
from tests.cli.house import House
from tests.cli.test_connect import say

ME = "alex@northwind.example"
CANARY = "s3cret-canary"


def parsed(text: str) -> dict[str, Any]:
    """What click makes of a command line, down to the last subcommand, without running it. Raises what click would say."""
    words = shlex.split(text)
    assert words.pop(0) == "deputy", text
    context = deputy.make_context("deputy", words)
    while isinstance(context.command, click.Group) and (rest := [*context._protected_args, *context.args]):
        name, command, left = context.command.resolve_command(context, rest)
        assert command is not None, text
        context = command.make_context(name, left, parent=context)
    return dict(context.params)


def commands_in(text: str) -> list[str]:
    """Commands as they stand in a fix, which joins several by "; " and puts words before them with ": "."""
    found = re.split(r"; (?:or |then )?|: (?=deputy )", text)
    return [part.strip() for part in found if part.startswith("deputy ")]


def connection(connector: str, families: tuple[str, ...], **more: Any) -> Connection:
    return Connection(
        connection_id="conn_1",
        connector=connector,
        owner=ME,
        subject=more.pop("subject", ME),
        families=families,
        **more,
    )


@pytest.mark.parametrize(
    ("one", "held", "line"),
    [
        (
            connection("imap", ("mail",), settings={
                "imap_host": "mail.example", "imap_port": 993, "imap_security": "ssl",
                "smtp_host": "out.example", "smtp_security": "ssl", "name": "Alex M", "addresses": ["a@x.example"],
            }),
            {"username": "alex", "password": CANARY},
            f"deputy connect imap {ME} --imap mail.example:993 --smtp out.example --security ssl --user alex "
            """--setting 'name=Alex M' --setting 'addresses=["a@x.example"]'""",
        ),
        (
            connection("imap", ("mail",), settings={"imap_host": "mail.example", "imap_security": "starttls"}),
            {"username": ME, "password": CANARY},
            f"deputy connect imap {ME} --imap mail.example --security starttls",
        ),
        (
            connection("caldav", ("calendar",), shared_with=("*",), settings={
                "url": "http://dav.example/", "calendar": "Work", "zone": "Europe/Lisbon", "allow_http": True,
            }),
            {"username": "alex", "password": CANARY},
            f"deputy connect caldav http://dav.example/ --user alex --address {ME} --calendar Work --zone Europe/Lisbon "
            "--allow-http --shared-with everybody",
        ),
        (
            connection("carddav", ("directory",), settings={
                "url": "https://dav.example/", "books": ["The Team", "Sales"], "inside": ["northwind.example"],
            }),
            {},
            f"deputy connect carddav https://dav.example/ --address {ME} --book 'The Team' --book Sales "
            "--inside northwind.example",
        ),
        (
            connection("google", ("calendar", "mail")),
            {"refresh_token": CANARY},
            f"deputy connect google --client-secrets FILE --subject {ME} --only mail,calendar",
        ),
        (
            connection("google", ("calendar", "directory", "mail"), settings={"subjects": [ME, "b@x.example"]}),
            {"service_account": CANARY},
            f"deputy connect google --service-account FILE --subject {ME} --allow {ME} --allow b@x.example",
        ),
        (
            connection("slack", ("chat",), subject="bot@northwind.example", shared_with=("b@x.example",)),
            {"bot_token": CANARY, "user_token": CANARY},
            "deputy connect slack --user-token --only chat --shared-with b@x.example",
        ),
        (
            connection("notes", ("notes",), subject="notes", settings={
                "kind": "mcp", "command": ["/usr/bin/notes", "--fast"], "env": {"KEY": "credential:KEY"}, "pins": {},
                "cwd": "/srv",
            }),
            {"KEY": CANARY},
            "deputy connect mcp notes --env KEY -- /usr/bin/notes --fast",
        ),
        (
            connection("notes", ("notes",), subject="notes", settings={"kind": "mcp", "url": "https://n.example/mcp"}),
            {"token": CANARY},
            "deputy connect mcp notes --url https://n.example/mcp --token",
        ),
    ],
)  # fmt: skip
def test_a_connection_is_said_again_as_a_whole_command(one: Connection, held: Mapping[str, str], line: str) -> None:
    """Server, login, families and sharing as they were; no secret."""
    told = again.command(one, owner=ME, held=held)

    assert told == line
    assert parsed(told)
    assert CANARY not in told


def test_somebody_elses_account_is_connected_for_them() -> None:
    """What the home's owner types would be theirs otherwise; the server's own arguments stay last."""
    mcp = connection("notes", ("notes",), settings={"kind": "mcp", "command": ["notes"]})

    told = again.command(mcp, owner="owner@northwind.example", held={})

    assert told == f"deputy connect mcp notes --as {ME} -- notes"
    assert parsed(told)["server"] == ("notes",)


@pytest.mark.parametrize("family", ["mail", "calendar", "chat", "directory"])
@pytest.mark.parametrize("has_office", [True, False])
def test_what_a_waiting_request_advises_can_be_typed(family: str, has_office: bool) -> None:
    """Each way to connect what is missing is a whole command, with the words in capitals to be filled in."""
    ways = commands_in(missing.fix(family, ME, has_office=has_office))

    assert len(ways) >= 1 + has_office
    assert all(parsed(way) for way in ways)


def test_what_doctor_prints_can_be_typed(house: House) -> None:
    """Accounts that do not answer, one of each kind that needs arguments: every command in a fix parses."""
    given = '{"credentials": {"password": "x"}}'
    connect = ("--stdin-json", "--no-check", "--json")
    assert say(house, "connect", "imap", ME, "--imap", "127.0.0.1:1", *connect, stdin=given).code == 0
    dav = ("http://127.0.0.1:1/", "--address", ME, "--allow-http")
    assert say(house, "connect", "caldav", *dav, *connect, stdin=given).code == 0
    assert say(house, "connect", "carddav", *dav, "--book", "Team", *connect, stdin=given).code == 0
    for path in Path(house.home).glob("credentials.key"):
        path.unlink()

    checks = house.run("doctor", "--json").json["checks"]

    bad = {one["check"]: one["fix"] for one in checks if not one["ok"]}
    assert {"imap", "caldav", "carddav"} <= bad.keys()
    assert all(parsed(line) for fix in bad.values() for line in commands_in(fix))


@pytest.mark.parametrize("home", ["house", "empty"])
def test_an_owner_whom_the_office_does_not_know_has_no_working_account(
    home: str, request: pytest.FixtureRequest
) -> None:
    """In a home of before and in a new one: the office answers nobody who does not work there. Said, with the commands that mend it."""
    house: House = request.getfixturevalue(home)
    own = {"DEPUTY_OWNER": "me@example.com"}
    before = _connections(house, own)
    waiting = say(house, "ask", "what is on my calendar today", "--json", **own)

    joining = commands_in(before["fix"])
    assert not before["ok"] and "has no account for me@example.com" in before["detail"]
    assert waiting.code == 5
    assert joining and all(parsed(line) for line in joining)
    for line in joining:
        assert say(house, *shlex.split(line)[1:], "--json", **own).code == 0
    assert _connections(house, own)["ok"]
    assert say(house, "ask", "what is on my calendar today", "--json", **own).code == 0


def _connections(house: House, own: Mapping[str, str]) -> dict[str, Any]:
    checks = say(house, "doctor", "--offline", "--json", **own).json["checks"]
    return next(one for one in checks if one["check"] == "connections")
