"""The commands around a request: reading, steering, explaining; each as a document for programs."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.errors import UsageError
from orchestrator.surfaces import standing
from orchestrator.surfaces.cli import exitcode, times
from orchestrator.surfaces.cli.arguments import changed_arguments
from orchestrator.surfaces.cli.main import COMMANDS
from tests.cli.house import House

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)  # a Monday
LATER = (NOW + timedelta(minutes=5)).isoformat()
SOON = (NOW + timedelta(seconds=5)).isoformat()
CALL = "Set up a 30 minute call with Dana about her last mail"


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"state": "ready"}, None),
        ({"state": "running"}, None),
        ({"state": "done"}, 0),
        ({"state": "failed", "error": {"code": "nothing_found"}}, 1),
        ({"state": "failed", "error": {"code": "unreachable"}}, 6),
        ({"state": "denied"}, 4),
        ({"state": "needs_model"}, 8),
        ({"state": "over_budget"}, 10),
        ({"state": "cancelled"}, 11),
        ({"state": "waiting", "waiting_on": ["approval"]}, 3),
        ({"state": "waiting", "waiting_on": ["answer", "approval"]}, 9),  # an answer comes before an approval
        ({"state": "waiting", "waiting_on": ["approval", "reconsent"]}, 5),
        ({"state": "waiting", "waiting_on": ["approval", "repair"], "outcome_unknown": True}, 12),
        ({"state": "waiting", "waiting_on": ["repair"], "outcome_unknown": False}, 3),
        ({"state": "waiting", "waiting_on": ["paused"]}, 3),
        ({"state": "ready", "waiting_on": ["paused"]}, 3),
        ({"state": "waiting", "waiting_on": ["child"]}, None),
        ({"state": "waiting", "waiting_on": ["child", "timer"], "waits": [{"kind": "timer", "due": LATER}]}, None),
        ({"state": "waiting", "waiting_on": ["timer"], "waits": [{"kind": "timer", "due": LATER}]}, 0),
        ({"state": "waiting", "waiting_on": ["timer"], "waits": [{"kind": "timer", "due": SOON}]}, None),
        ({"state": "ready", "snooze_until": LATER}, 0),
    ],
)
def test_the_exit_code_says_why_an_item_rests(document: dict[str, object], code: int | None) -> None:
    """Each state and wait has its code, in the contract's precedence; what moves by itself has none."""
    assert exitcode.of_item(document, NOW) == code


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tomorrow 17:00", "2026-11-24T16:00"),  # read in the speaker's zone, an hour ahead of UTC
        ("tomorrow", "2026-11-24T16:00"),  # a bare day is due in the evening
        ("today 18:30", "2026-11-23T17:30"),
        ("fri 9:00", "2026-11-27T08:00"),
        ("monday", "2026-11-30T16:00"),  # today is Monday: the next one is meant
        ("in 2h", "2026-11-23T12:00"),
        ("90m", "2026-11-23T11:30"),
        ("3d", "2026-11-26T10:00"),
        ("2026-12-01T09:00:00+00:00", "2026-12-01T09:00"),
        ("2026-12-01 09:00", "2026-12-01T08:00"),
    ],
)
def test_times_are_read_as_people_type_them(text: str, expected: str) -> None:
    """In the speaker's zone, from now; ISO with an offset is taken as it is."""
    found = times.parse(text, now=NOW, zone="Europe/Berlin")

    assert f"{found:%Y-%m-%dT%H:%M}" == expected
    assert found.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("args", "texts", "expected"),
    [
        ({"body": "a"}, ["body=b=c"], {"body": "b=c"}),  # only the first = counts
        ({"to": ["a@x.example"]}, ["to=b@x.example, c@x.example"], {"to": ["b@x.example", "c@x.example"]}),
        ({"minutes": 30}, ["minutes=45"], {"minutes": 45}),
        ({"reply_all": False}, ["reply_all=yes"], {"reply_all": True}),
        ({"title": "a"}, ["room=r1"], {"title": "a", "room": "r1"}),  # an argument that was not there
    ],
)
def test_edits_take_the_type_that_stands_there(
    args: dict[str, object], texts: list[str], expected: dict[str, object]
) -> None:
    """A list stays a list, a number a number."""
    assert changed_arguments(args, texts) == expected


@pytest.mark.parametrize(
    ("args", "text"),
    [({"minutes": 30}, "minutes=long"), ({"reply_all": True}, "reply_all=2"), ({"body": "a"}, "body=a")],
)
def test_edits_of_another_type_or_of_nothing_are_refused(args: dict[str, object], text: str) -> None:
    """What would not fit, or changes nothing, is a usage error."""
    with pytest.raises(UsageError):
        changed_arguments(args, [text])


def test_the_worklist_is_steered_and_says_why_each_item_stands_where_it_stands(house: House) -> None:
    """Snoozed, bumped, re-prioritised, nudged and cancelled: each answer is the item's document."""
    first = house.run("ask", CALL, "--json").json["item_id"]

    second = house.json(
        "work", "add", "What is on my calendar today?", "--after", first, "--priority", "50", "--due", "tomorrow 17:00"
    )
    snoozed = house.json("work", "snooze", second["item_id"], "in 2h")
    bumped = house.json("work", "bump", second["item_id"], "--priority", "10")
    paused = house.json("run", "pause", first)
    resumed = house.json("run", "resume", first)
    cancelled = house.json("work", "cancel", first, "--reason", "changed my mind")
    listed = house.json("work", "ls", "--all")["items"]

    assert second["priority"] == 50
    assert second["due"]
    assert snoozed["snooze_until"]
    assert bumped["priority"] == 10
    assert "paused" in paused["waiting_on"]
    assert "paused" not in resumed["waiting_on"]
    assert cancelled["state"] == "cancelled"
    assert {entry["item_id"] for entry in listed} == {first, second["item_id"]}
    assert all(entry["why_here"] for entry in listed)
    assert house.world()["mails"] == []
    assert house.json("inbox", "ls") == []


def test_a_run_tells_what_it_did_why_and_how_long(house: House) -> None:
    """Ledger, step log, rule and facts, and one trace whose root is there once the run has ended."""
    document = house.run("ask", CALL, "--yes", "--json").json
    effect = document["effects"][0]["effect_id"]

    runs = house.json("run", "ls")
    shown = house.json("run", "show", document["run_id"])
    why = house.json("run", "why", effect)
    trace = house.json("run", "trace", document["item_id"])
    rehearsed = house.json("policy", "rehearse", "--profile", "delegated")

    assert [run["run_id"] for run in runs] == [document["run_id"]]
    assert {step["kind"] for step in shown["steps"]} >= {"read", "effect"}
    assert why["decision"] == "ask"
    assert why["rules"]
    assert why["facts"]
    assert why["bundle_digest"].startswith("sha256:")
    assert trace["trace_id"] == document["trace_id"]
    assert [span["name"] for span in trace["spans"] if span["parent_id"] is None] == [
        "invoke_workflow schedule-call-from-mail"
    ]
    assert {entry["was"] for entry in rehearsed["changed"]} == {"ask"}
    assert {entry["would_be"] for entry in rehearsed["changed"]} == {"allow"}


def test_people_of_every_surface_read_the_same_words(house: House) -> None:
    """The text output of every read command is drawn without a terminal, and says its ids whole."""
    document = house.run("ask", CALL, "--json").json
    card = document["approvals"][0]["approval_id"]
    reads = {
        ("work", "ls"): document["item_id"],
        ("work", "show", document["item_id"]): "model calls 0",
        ("inbox", "ls"): card,
        ("inbox", "show", card): "who may decide",
        ("run", "ls"): document["run_id"],
        ("run", "show", document["run_id"]): "ledger",
        ("run", "why", document["effects"][0]["effect_id"]): "near miss",
        ("run", "trace", document["item_id"]): "execute_tool",
        ("workflow", "ls"): "schedule-call-from-mail",
        ("workflow", "show", "morning-brief"): "sha256:",
        ("office", "show"): "Brightwater",
        ("office", "diff"): "Nothing changed",
        ("people", "ls", "dana"): "Dana Ruiz",
        ("policy", "explain"): "forbid",
        ("audit", "tail"): "item.submitted",
        ("audit", "head"): ":",
        ("config", "show"): "database_url",
        ("config", "path"): "deputy.toml",
        ("doctor",): "connections",
        ("capabilities",): "deputy ask",
    }

    for command, expected in reads.items():
        ran = house.run(*command)
        assert ran.code == 0, (command, ran.err)
        assert expected in ran.out, (command, ran.out)


def test_the_local_world_can_be_added_to_and_built_anew(house: House) -> None:
    """People, mails and events that were added count, the directory follows, and a reset takes them back."""
    person = house.json("office", "add-person", "Zoe Far", "--zone", "Europe/Lisbon", "--team", "Sales")
    mail = house.json("office", "add-mail", "--from", "Zoe Far", "--subject", "Lunch?", "--body", "When?")
    event = house.json("office", "add-event", "--title", "Lunch", "--start", "tomorrow 12:00", "--with", "Zoe Far")
    connected = house.json("office", "connect", "Zoe Far")
    known = house.json("people", "ls", "zoe far")
    as_zoe = house.run("ask", "What is on my calendar tomorrow?", "--as", "Zoe Far", "--json")
    diff = house.json("office", "diff")
    reset = house.json("office", "reset", "--seed", "7", "--now", "2026-12-01T08:00:00+00:00")

    assert known[0]["address"] == person["address"] == connected["owner"]
    assert mail["message_id"].startswith("msg_")
    assert event["event_id"].startswith("evt_")
    assert as_zoe.code == 0, as_zoe.out
    assert as_zoe.json["requester"] == person["address"]
    assert "Lunch" in as_zoe.json["text"]
    assert set(diff) >= {"mails", "events", "messages", "changed"}
    assert reset["seed"] == 7
    assert reset["now"].startswith("2026-12-01T08:0")
    assert house.json("people", "ls", "zoe far") == []


def test_preferences_are_kept_in_the_shape_the_calendar_takes(house: House) -> None:
    """Set, merged, taken back."""
    house.json(
        "people", "set", "Alex Moreau", "earliest=10:00", "avoid_days=fri", "lunch=12:00,13:00", "buffer_minutes=10"
    )
    told = house.json("people", "set", "Alex Moreau", "avoid_days=", "latest=16:00")

    assert told["preferences"]["earliest"] == "10:00"
    assert told["preferences"]["lunch"] == ["12:00", "13:00"]
    assert told["preferences"]["buffer_minutes"] == 10
    assert told["preferences"]["latest"] == "16:00"
    assert "avoid_days" not in told["preferences"]


def test_init_keeps_what_is_there(empty: House) -> None:
    """A second init changes no file a person may have edited."""
    first = empty.json("init")
    file = empty.home / "deputy.toml"
    text = file.read_text() + '\nprofile = "delegated"\n'
    file.write_text(text)

    second = empty.json("init")

    assert first["config_made"]
    assert not second["config_made"]
    assert file.read_text() == text
    assert next(e for e in empty.json("config", "show") if e["name"] == "profile")["origin"] == "file"


def test_capabilities_name_every_command_and_exit_code(house: House) -> None:
    """A program finds each command with its options, the exit codes, the tools and the workflows."""
    told = house.json("capabilities")

    assert {entry["name"].split()[0] for entry in told["commands"]} == set(COMMANDS)
    assert set(told["exit_codes"]) == {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "130"}
    assert "mail.send" in {tool["name"] for tool in told["tools"]}
    ask = next(entry for entry in told["commands"] if entry["name"] == "ask")
    assert set(ask["options"]) >= {
        *("--as", "--yes", "--detach", "--input", "--workflow", "--no-match", "--priority", "--due", "--key", "--json"),
    }


def test_the_shipped_workflows_hold_to_their_own_examples(house: House) -> None:
    """Every shipped file can be used, matches its examples and leaves its near misses alone."""
    told = house.run("workflow", "test", "--json").json

    assert told["ok"], told["failed"]
    assert told["tested"] == 14


def test_the_audit_chain_can_be_carried_away_and_checked(house: House) -> None:
    """Exported lines are JSON, one an event, as many as were checked."""
    house.run("ask", "What is on my calendar today?", "--json")
    out = house.folder / "audit.jsonl"

    ran = house.run("audit", "export", "--out", str(out))

    assert ran.code == 0, ran.err
    assert len(out.read_text().splitlines()) == house.json("audit", "verify")["checked"]


def test_people_come_from_a_file_and_a_second_import_replaces_the_first(house: House) -> None:
    """Outside unless said; whom the office knows already stays as it says; faults name their line."""
    file = house.folder / "people.csv"
    file.write_text("address,name\nxena@partner.example,Xena Yu\ndana.ruiz@brightwater.example,Somebody Else\n")
    told = house.json("people", "import", str(file))
    (xena,) = house.json("people", "ls", "Xena")
    (dana,) = house.json("people", "ls", "dana.ruiz@")
    file.write_text("address,name,inside\nyuri@partner.example,Yuri Zed,yes\n")
    house.json("people", "import", str(file))
    file.write_text("address\nnobody\n")
    wrong = house.run("people", "import", str(file), "--json")

    assert (told["people"], told["inside"], told["known_already"]) == (1, 0, ["dana.ruiz@brightwater.example"])
    assert xena["inside"] is False and dana["name"] == "Dana Ruiz"
    assert house.json("people", "ls", "Xena") == []
    assert house.json("people", "ls", "Yuri")[0]["inside"] is True
    assert wrong.code == 2 and "line 2" in wrong.error["message"]


def test_a_page_of_the_list_says_how_to_go_on(house: House) -> None:
    """What stands behind `more:` is a command that a shell takes as it is, and the same list goes on."""
    for number in range(3):
        assert house.run("ask", f"remember number {number}", "--no-match").code == 8
    whole = [one["item_id"] for one in house.json("work", "ls", "--all")["items"]]
    first = house.run("work", "ls", "--all", "--limit", "2")
    (more,) = [line for line in first.out.splitlines() if line.startswith("more: ")]
    program, *again = more.removeprefix("more: ").split()
    rest = house.json(*again)

    assert (program, again[:5]) == ("deputy", ["work", "ls", "--all", "--limit", "2"])
    assert re.fullmatch(r"[\w. -]+", more.removeprefix("more: "))
    assert [one["item_id"] for one in rest["items"]] == whole[2:4] and len(whole) >= 3


def test_a_link_is_whole_where_the_address_is_known(house: House) -> None:
    """Of the desk that serves this home, or the house's own; else it says what is missing."""
    nowhere = house.run("config", "link")
    with standing.told(house.home, "http://127.0.0.1:4321"):
        here = house.run("config", "link")
    outside = house.run("config", "link", DEPUTY_PUBLIC_URL="https://deputy.example")

    assert nowhere.out.startswith("/signin?token=") and "deputy serve" in nowhere.err
    assert here.out.startswith("http://127.0.0.1:4321/signin?token=") and "deputy serve" not in here.err
    assert outside.out.startswith("https://deputy.example/signin?token=")
