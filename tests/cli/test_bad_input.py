"""Whatever can be wrong about a setting, a command or a file: the error names it and a fix, the exit code fits, nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from orchestrator.errors import UsageError
from orchestrator.settings import Settings
from tests.cli.house import House

ITEM = "What is on my calendar today?"


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without settings, in a working folder without `.env`."""
    for name in [name for name in os.environ if name.startswith("DEPUTY_")]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEPUTY_HOME", str(home))
    return home


@pytest.mark.parametrize(
    ("text", "said", "fix"),
    [
        ("workerz = 3\n", "no setting 'workerz'", "'workers'"),  # an unknown key, and the one that was meant
        ("zzzz = 3\n", "no setting 'zzzz'", "config show"),  # an unknown key that resembles nothing
        ("workers = \n", "is not TOML", "NAME"),  # broken syntax
        ("workers = 0\n", "greater than or equal to 1", "workers:"),  # out of range
        ('workers = "many"\n', "setting 'workers' 'many'", "workers:"),  # another type
        ('profile = "bold"\n', "'careful' or 'delegated'", "careful:"),  # not one of the words
        ('database_url = "mysql://x"\n', "neither sqlite:/// nor postgresql://", "database_url:"),  # another database
        ('url = "ftp://x"\n', "no http:// or https:// address", "url:"),  # another protocol
        ('otlp_endpoint = "localhost:4318"\n', "no http:// or https:// address", "otlp_endpoint:"),  # no protocol
        ('model = "gpt"\n', "is not provider:model", "model:"),  # no provider
        ('owner = "alex"\n', "no address", "owner:"),  # a name
        ("approval_expiry_days = -1\n", "greater than 0", "approval_expiry_days:"),  # a past expiry
        ("host_stall_s = 0.1\n", "greater than or equal to 1", "host_stall_s:"),  # a stall within a heartbeat
        ('telemetry_content = "some"\n', "'off', 'redacted' or 'full'", "telemetry_content:"),  # not one of the words
        ('office = "perhaps"\n', "setting 'office' 'perhaps'", "office:"),  # neither true nor false
        ('tenant = ""\n', "setting 'tenant'", "tenant:"),  # nobody's rows
        ('home = "/elsewhere"\n', "cannot be set", "--home"),  # the file lies in it
    ],
)
def test_a_wrong_settings_file_names_setting_place_and_fix(plain: Path, text: str, said: str, fix: str) -> None:
    """The message names what is wrong and the file it stands in; the file is left as it is."""
    file = plain / "deputy.toml"
    file.write_text(text)

    with pytest.raises(UsageError) as caught:
        Settings.load()

    assert said in caught.value.message
    assert str(file) in caught.value.message
    assert fix in caught.value.fix
    assert file.read_text() == text


@pytest.mark.parametrize("content", [b"\xff\xfe", None], ids=["not UTF-8", "a folder"])
def test_a_settings_file_that_cannot_be_read_says_so(plain: Path, content: bytes | None) -> None:
    """Bytes that are no text, or a folder of that name, are an error with the path, not a traceback."""
    file = plain / "deputy.toml"
    file.mkdir() if content is None else file.write_bytes(content)

    with pytest.raises(UsageError, match="cannot be read") as caught:
        Settings.load()

    assert str(file) in caught.value.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEPUTY_WORKERS", "x"),
        ("DEPUTY_PROFILE", "bold"),
        ("DEPUTY_DATABASE_URL", "nonsense"),
        ("DEPUTY_OFFICE", "perhaps"),
    ],
)
def test_a_wrong_variable_is_named(plain: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A value that came from the environment is blamed on its variable."""
    monkeypatch.setenv(name, value)

    with pytest.raises(UsageError) as caught:
        Settings.load()

    assert f"environment {name}" in caught.value.message


def test_an_unknown_variable_only_warns(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program may own it; the warning says what was probably meant."""
    monkeypatch.setenv("DEPUTY_WORKER", "3")
    warnings: list[str] = []

    settings = Settings.load(warn=warnings.append)

    assert settings.workers == Settings.model_fields["workers"].default
    assert warnings == ["environment variable DEPUTY_WORKER is no setting of Deputy; did you mean DEPUTY_WORKERS?"]


@pytest.mark.parametrize(
    ("text", "said"),
    [("DEPUTY_WORKERZ=3\n", "no setting 'workerz'"), ("DEPUTY_WORKERS=none\n", "setting 'workers' 'none' from .env")],
)
def test_a_wrong_dotenv_is_named(plain: Path, text: str, said: str) -> None:
    """`.env` is a file: an unknown DEPUTY_ key in it is an error."""
    Path(".env").write_text(text)

    with pytest.raises(UsageError) as caught:
        Settings.load()

    assert said in caught.value.message


def test_other_programs_keys_in_dotenv_are_theirs(plain: Path) -> None:
    """A key without our prefix is neither read nor an error."""
    Path(".env").write_text("OPENAI_API_KEY=x\nDEPUTY_WORKERS=5\n")

    assert Settings.load().workers == 5


def test_an_unknown_secret_file_is_named(plain: Path) -> None:
    """A file in the secrets folder that is no setting is an error, for it was meant as one."""
    (plain / "secrets").mkdir()
    (plain / "secrets" / "tokn").write_text("x")

    with pytest.raises(UsageError) as caught:
        Settings.load()

    assert "'tokn'" in caught.value.message
    assert "'token'" in caught.value.fix


def test_sources_are_asked_in_order_and_each_value_knows_its_own(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flag before environment before .env before file before secret before default."""
    (plain / "secrets").mkdir()
    (plain / "secrets" / "token").write_text("from-secret")
    (plain / "secrets" / "tenant").write_text("secret")
    (plain / "deputy.toml").write_text('tenant = "file"\nworkers = 4\nmodel = "a:file"\nhost_stall_s = 9\n')
    Path(".env").write_text("DEPUTY_WORKERS=5\nDEPUTY_MODEL=a:dotenv\nDEPUTY_PROFILE=delegated\n")
    monkeypatch.setenv("DEPUTY_MODEL", "a:environment")
    monkeypatch.setenv("DEPUTY_PROFILE", "delegated")

    settings = Settings.load(profile="careful")

    found = {
        name: (str(getattr(settings, name)), settings.origin(name).kind)
        for name in ("profile", "model", "workers", "tenant", "workflow_dir")
    }
    assert found == {
        "profile": ("careful", "flag"),
        "model": ("a:environment", "environment"),
        "workers": ("5", ".env"),
        "tenant": ("file", "file"),
        "workflow_dir": ("None", "default"),
    }
    assert settings.origin("token").kind == "secret"
    assert settings.token is not None
    assert settings.token.get_secret_value() == "from-secret"


def test_secrets_are_never_shown(house: House) -> None:
    """`config show --origin` masks tokens and passwords in URLs, as text and as JSON."""
    secret = {"DEPUTY_TOKEN": "s3cr3t-token", "DEPUTY_DATABASE_URL": "postgresql://me:s3cr3t-word@db.example/x"}

    shown = house.run("config", "show", "--origin", **secret)
    told = house.run("config", "show", "--json", **secret)

    assert shown.code == told.code == 0
    assert "s3cr3t" not in shown.out + shown.err + told.out + told.err
    assert "environment DEPUTY_TOKEN" in shown.out
    assert "db.example" in told.out


@pytest.mark.parametrize(
    ("arguments", "code", "error", "said"),
    [
        (["asc", "x"], 2, "usage", "did you mean 'ask'"),  # a command that is nearly one
        (["ask"], 2, "usage", "missing argument"),  # nothing asked
        (["ask", "  "], 2, "usage", "empty"),  # nothing said
        (["ask", ITEM, "--priority", "high"], 2, "usage", "priority"),  # no number
        (["ask", ITEM, "--priority", "99999999"], 2, "usage", "out of range"),  # a number beyond the range
        (["ask", ITEM, "--due", "soonish"], 2, "usage", "no time"),  # no time
        (["ask", ITEM, "--input", "person"], 2, "usage", "NAME=VALUE"),  # no value
        (["ask", ITEM, "--input", "a=1", "--input", "a=2"], 2, "usage", "twice"),  # two values
        (["ask", ITEM, "--workflow", "morning-breif"], 7, "not_found", "no workflow"),  # a workflow that is nearly one
        (["ask", ITEM, "--workflow", "morning-brief", "--no-match"], 2, "usage", "contradict"),  # both
        (["ask", ITEM, "--as", "Nobody Known"], 7, "not_found", "nobody called"),  # not in the directory
        (["ask", ITEM, "--as", "Nuno"], 2, "usage", "could be"),  # two people of that name
        (["ask", ITEM, "--colour"], 2, "usage", "no such option"),  # an unknown flag
        (["work", "show", "item_none"], 7, "not_found", "item_none"),  # no such item
        (["work", "bump", "item_none"], 7, "not_found", "item_none"),
        (["work", "cancel", "item_none"], 7, "not_found", "item_none"),
        (["work", "answer", "item_none", "yes"], 7, "not_found", "item_none"),
        (["work", "ls", "--cursor", "nonsense"], 2, "usage", "cursor"),  # a cursor of no list
        (["work", "ls", "--limit", "0"], 2, "usage", "limit"),  # an empty page
        (["inbox", "show", "apr_none"], 7, "not_found", "apr_none"),  # no such card
        (["inbox", "approve", "apr_none"], 7, "not_found", "apr_none"),
        (["inbox", "edit", "apr_none", "a=b"], 7, "not_found", "apr_none"),
        (["run", "show", "run_none"], 7, "not_found", "run_none"),  # no such run
        (["run", "why", "eff_none"], 7, "not_found", "eff_none"),
        (["run", "trace", "item_none"], 7, "not_found", "item_none"),
        (["workflow", "show", "morning-breif"], 7, "not_found", "no workflow"),
        (
            ["people", "set", "Dana Ruiz", "earlist=09:00"],
            2,
            "usage",
            "no preference",
        ),  # a preference that is nearly one
        (["people", "set", "Dana Ruiz", "earliest=9"], 2, "usage", "cannot be"),  # no time of day
        (["office", "add-mail", "--from", "nobody-known", "--subject", "x"], 7, "not_found", "nobody called"),
        (["office", "add-event", "--title", "x", "--start", "whenever"], 2, "usage", "no time"),
        (["office", "add-person", "Zoe Far", "--outside"], 2, "usage", "address"),  # outside, without an address
        (["office", "add-person", "Zoe Far", "--zone", "Mars/Base"], 1, "invalid_call", "zone"),  # no such zone
        (["office", "connect", "nobody@nowhere.example"], 7, "not_found", "person"),
        (["office", "reset", "--now", "whenever"], 2, "usage", "no time"),
        (["policy", "test", "/nowhere.yaml"], 2, "usage", "cannot be read"),  # no such file
        (["policy", "explain", ITEM, "--call", "mail.sent"], 2, "usage", "no tool"),  # a tool that is nearly one
        (["policy", "explain", ITEM, "--call", "mail.send", "--args", "{"], 2, "usage", "not JSON"),
        (["policy", "explain", ITEM, "--call", "mail.send", "--args", "[]"], 2, "usage", "no object"),
        (["policy", "rehearse", "--rules", "/nowhere"], 2, "usage", "no such directory"),
        (["audit", "verify", "--head", "1:xyz"], 2, "usage", "SEQ:HASH"),  # no head
        (["--set", "workerz=3", "config", "show"], 2, "usage", "workerz"),  # a flag that is no setting
        (["--set", "workers", "config", "show"], 2, "usage", "NAME=VALUE"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_wrong_command_says_what_and_how_and_changes_nothing(
    shared: House, arguments: list[str], code: int, error: str, said: str
) -> None:
    """One JSON error with code, message and fix on stdout, the contract's exit code, and no new item."""
    before = _rows(shared)

    ran = shared.run(*arguments, "--json")

    assert (ran.code, ran.error["error"]) == (code, error), ran.out
    assert said.lower() in (ran.error["message"] + ran.error["fix"]).lower()
    assert ran.error["fix"]
    assert _rows(shared) == before


@pytest.fixture(scope="module")
def shared(made_home: Path, tmp_path_factory: pytest.TempPathFactory) -> House:
    """One home for commands that must change nothing."""
    home = tmp_path_factory.mktemp("shared") / "home"
    shutil.copytree(made_home, home)
    return House(home)


def _rows(house: House) -> dict[str, int]:
    store = sqlite3.connect(house.home / "deputy.db")
    office = sqlite3.connect(house.home / "office.db")
    try:
        counts = {
            table: store.execute(f"select count(*) from {table}").fetchone()[0]
            for table in ("worklist", "audit", "approvals", "people")
        }
        return counts | {
            table: office.execute(f"select count(*) from {table}").fetchone()[0]
            for table in ("mails", "events", "people")
        }
    finally:
        store.close()
        office.close()


def test_an_error_for_people_goes_to_stderr_with_its_fix(shared: House) -> None:
    """Without --json stdout stays empty: what is piped on is never an error's text."""
    ran = shared.run("work", "show", "item_none")

    assert ran.code == 7
    assert ran.out == ""
    assert ran.err.startswith("error: ")
    assert "fix: " in ran.err


def test_a_card_is_decided_once(house: House) -> None:
    """A second decision, or one about another digest, is a conflict; the first stands."""
    house.run("ask", "Set up a 30 minute call with Dana about her last mail", "--json")
    first, second = house.json("inbox", "ls")

    wrong = house.run("inbox", "approve", first["approval_id"], "--digest", "sha256:00", "--json")
    house.json("inbox", "deny", first["approval_id"])
    again = house.run("inbox", "approve", first["approval_id"], "--json")
    unchanged = house.run("inbox", "edit", second["approval_id"], "nothing", "--json")

    assert (wrong.code, wrong.error["error"]) == (1, "conflict")
    assert (again.code, again.error["error"]) == (1, "conflict")
    assert (unchanged.code, unchanged.error["error"]) == (2, "usage")
    assert house.json("inbox", "show", first["approval_id"])["state"] == "denied"
    assert house.world()["mails"] == []


@pytest.mark.parametrize("broken", ["garbage", "newer"])
def test_a_store_that_cannot_be_used_is_left_as_it_is(house: House, broken: str) -> None:
    """A file that is no database, or of a later version: exit code 6 with a fix, and not a byte of it is changed."""
    file = house.home / "deputy.db"
    for extra in ("-wal", "-shm"):
        Path(f"{file}{extra}").unlink(missing_ok=True)
    if broken == "garbage":
        file.write_bytes(b"this is no database at all, but somebody's only copy" * 100)
    else:
        connection = sqlite3.connect(file)
        connection.execute("insert into schema_version (version, applied_at) values (9999, 'later')")
        connection.commit()
        connection.close()
    before = file.read_bytes()

    ran = house.run("work", "ls", "--json")

    assert ran.code == 6, ran.out + ran.err
    assert ran.error["error"] == "store_unavailable"
    assert ran.error["fix"]
    assert file.read_bytes() == before


def test_a_home_that_cannot_be_made_says_so(empty: House) -> None:
    """A file where the home should be: an error with the path, and the file is kept."""
    empty.home.write_text("a file")

    ran = empty.run("work", "ls", "--json")

    assert ran.code != 0
    assert str(empty.home) in ran.error["message"] + ran.error["fix"]
    assert empty.home.read_text() == "a file"


def test_a_set_server_is_not_ignored(house: House) -> None:
    """DEPUTY_URL asks for a server; rather than go around it, the command says that nobody answers there."""
    ran = house.run("work", "ls", "--json", DEPUTY_URL="http://127.0.0.1:9")

    assert (ran.code, ran.error["error"]) == (6, "unreachable")
    assert "DEPUTY_URL" in ran.error["message"] + ran.error["fix"]


def test_a_broken_workflow_is_named_and_stops_no_other(house: House) -> None:
    """A file of one's own that cannot be used: `workflow test` names it, line and fix; requests go on with the rest."""
    file = house.home / "workflows" / "mine.yaml"
    file.write_text("name: mine\nversion: 1.0\nsteps: []\n")

    tested = house.run("workflow", "test", str(file), "--json")
    listed = house.run("workflow", "ls", "--json")
    asked = house.run("ask", ITEM, "--json")

    assert tested.code == 1
    assert all("mine.yaml" in finding["file"] and finding["message"] for finding in tested.json["failed"])
    assert listed.code == 0
    assert "mine.yaml" in listed.err
    assert asked.code == 0, asked.out
    assert file.read_text().startswith("name: mine")


def test_a_changed_audit_chain_is_found(house: House) -> None:
    """One altered event: verify ends with 1 and names it; an untouched chain agrees with a head kept earlier."""
    house.run("ask", ITEM, "--json")
    head = house.json("audit", "head")
    kept = house.folder / "head.json"
    kept.write_text(json.dumps(head))
    good = house.run("audit", "verify", "--head", str(kept), "--json")
    house.rest()
    connection = sqlite3.connect(house.home / "deputy.db")
    connection.execute("update audit set actor = 'somebody else' where seq = 2")
    connection.commit()
    connection.close()

    bad = house.run("audit", "verify", "--json")

    assert (good.code, good.json["ok"]) == (0, True)
    assert (bad.code, bad.json["ok"], bad.json["first_bad_seq"]) == (1, False, 2)


def test_rules_that_cannot_be_used_are_refused_before_anything_is_submitted(house: House) -> None:
    """Exit code 2 with the file, the line and what to do."""
    (house.home / "policies").mkdir()
    (house.home / "policies" / "bad.cedar").write_text("this is no rule")

    ran = house.run("--set", f"policy_dir={house.home / 'policies'}", "ask", ITEM, "--json")

    assert ran.code == 2, ran.out + ran.err
    assert "bad.cedar:1" in ran.error["message"] and "deputy policy check" in ran.error["fix"]
    assert house.json("work", "ls")["items"] == []


def test_a_worker_that_cannot_run_is_reported_instead_of_followed_for_ever(house: House) -> None:
    """When workers end at once again and again, following stops with exit code 6, and the item is kept."""
    broken = house.home.parent / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text(  # Python reads it first: workers of this machine end before they begin
        "import os, sys\nif 'worker' in sys.orig_argv: os._exit(70)\n"
    )

    ran = house.run("ask", ITEM, "--json", PYTHONPATH=str(broken))

    assert ran.code == 6, ran.out + ran.err
    assert "worker.log" in ran.error["fix"]
    assert [item["state"] for item in house.json("work", "ls")["items"]] == ["ready"]
