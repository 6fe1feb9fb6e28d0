"""`deputy ask` and `deputy demo`: from words to a resting state, and the exit code that says which."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.cli.house import House

CALL = "Set up a 30 minute call with Dana about her last mail"


def test_a_request_waits_for_its_cards_and_changes_nothing(house: House) -> None:
    """In the careful profile a send asks first: exit code 3, both cards pending, the office untouched."""
    ran = house.run("ask", CALL, "--json")

    document = ran.json
    assert ran.code == 3
    assert document["state"] == "waiting"
    assert document["waiting_on"] == ["approval"]
    assert {effect["tool"] for effect in document["effects"]} == {"calendar.create_event", "mail.reply"}
    assert {approval["state"] for approval in document["approvals"]} == {"pending"}
    assert document["receipt"]["model_calls"] == 0
    assert house.world() == {"mails": [], "events": [], "messages": [], "changed": []}


def test_approving_each_card_lets_it_happen_once(house: House) -> None:
    """Approved one by one in the inbox, followed to done: one event, one mail, and no more."""
    asked = house.run("ask", CALL, "--json").json
    for approval in house.json("inbox", "ls"):
        house.json("inbox", "approve", approval["approval_id"])

    watched = house.run("run", "watch", asked["item_id"], "--json")

    assert watched.code == 0, watched.out
    assert watched.json["state"] == "done"
    world = house.world()
    assert len(world["events"]) == 1
    assert len(world["mails"]) == 1
    assert world["events"][0]["attendees"][0]["address"].startswith("dana.")


def test_denying_ends_it_with_the_reason_and_sends_nothing(house: House) -> None:
    """A denied card ends the item in `denied`, error code approval_denied, exit code 4."""
    asked = house.run("ask", CALL, "--json").json
    card = asked["approvals"][0]["approval_id"]
    denied = house.json("inbox", "deny", card, "--reason", "not this week")

    watched = house.run("run", "watch", asked["item_id"], "--json")

    assert denied["state"] == "denied"
    assert denied["reason"] == "not this week"
    assert watched.code == 4
    assert watched.json["error"]["code"] == "approval_denied"
    assert house.world()["mails"] == []
    assert house.world()["events"] == []


def test_yes_approves_every_card_and_still_shows_it(house: House) -> None:
    """--yes is the owner deciding: stdout is one document, the cards stand on stderr, the ledger names who approved."""
    ran = house.run("ask", CALL, "--yes", "--json")

    assert ran.code == 0, ran.err + house.worker_log()
    assert ran.json["state"] == "done"
    assert "dana" in ran.err.lower()
    assert "approved by" in ran.err
    assert {tuple(approval["decided_by"]) for approval in ran.json["approvals"]} == {(ran.json["requester"],)}
    assert len(house.world()["mails"]) == 1


def test_an_edit_makes_a_new_card_for_exactly_the_new_arguments(house: House) -> None:
    """Edited, the old card is void and a new digest asks again; approved, the edit is what was sent."""
    asked = house.run("ask", CALL, "--json").json
    mail = next(effect for effect in asked["effects"] if effect["tool"] == "mail.reply")
    card = next(a for a in house.json("inbox", "ls") if a["effect_id"] == mail["effect_id"])

    house.json("inbox", "edit", card["approval_id"], "body=Let us talk. Alex")
    again = house.run("run", "watch", asked["item_id"], "--json")
    pending = [a for a in house.json("inbox", "ls") if a["tool"] == "mail.reply"]

    assert again.code == 3, again.out
    assert len(pending) == 1
    assert pending[0]["digest"] != card["digest"]
    assert pending[0]["args"]["body"] == "Let us talk. Alex"
    for approval in house.json("inbox", "ls"):
        house.json("inbox", "approve", approval["approval_id"])
    assert house.run("run", "watch", asked["item_id"], "--json").code == 0
    assert house.world()["mails"][0]["body"] == "Let us talk. Alex"


def test_no_workflow_and_no_model_says_so_and_changes_nothing(house: House) -> None:
    """Below the threshold nothing runs: exit code 8, the nearest workflow and its score are told."""
    ran = house.run("ask", "write a poem for Dana", "--yes", "--json")

    assert ran.code == 8
    assert ran.json["state"] == "needs_model"
    assert ran.json["match"]["score"] < ran.json["match"]["threshold"]
    assert ran.json["error"]["fix"]
    assert house.world()["mails"] == []


def test_a_read_needs_no_leave(house: House) -> None:
    """Reading one's own calendar asks nobody: exit code 0 and a text."""
    ran = house.run("ask", "What is on my calendar today?", "--json")

    assert ran.code == 0, ran.out
    assert ran.json["text"]
    assert ran.json["effects"] == []


def test_the_same_key_is_the_same_request(house: House) -> None:
    """Asked twice with one key, there is one item; the key with other words is a conflict, and makes nothing."""
    first = house.run("ask", CALL, "--key", "k1", "--detach", "--json").json
    second = house.run("ask", CALL, "--key", "k1", "--detach", "--json").json
    other = house.run("ask", "What is on my calendar today?", "--key", "k1", "--json")

    assert first["item_id"] == second["item_id"]
    assert other.code == 1
    assert other.error["error"] == "conflict"
    assert len(house.json("work", "ls", "--all")["items"]) == 1


def test_detached_work_goes_on_alone(house: House) -> None:
    """--detach returns at once with code 0; the worker it started brings the item to its card."""
    ran = house.run("ask", CALL, "--detach", "--json")
    item_id = ran.json["item_id"]

    watched = house.run("run", "watch", item_id, "--json")

    assert ran.code == 0
    assert watched.code == 3


def test_interrupting_detaches_and_the_work_goes_on(house: House) -> None:
    """Ctrl-C ends the following with 130 and says how to come back; the item is not lost."""
    first = house.run("ask", CALL, "--json").json["item_id"]
    blocked = house.json("work", "add", "What is on my calendar today?", "--after", first)["item_id"]
    process = house.start("run", "watch", blocked, "--json", PYTHONUNBUFFERED="1", DEPUTY_FOLLOWING="1")
    assert process.stderr is not None
    process.stderr.readline()  # the warning about an unknown variable: settings are read, following begins

    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert process.returncode == 130
    assert out == ""
    assert house.json("work", "show", blocked)["state"] in ("ready", "waiting")
    assert "interrupted" in err or "run watch" in err


def test_the_demo_does_the_main_job_and_says_that_it_is_local(empty: House) -> None:
    """Exit code 0 on an empty home; the text says fake, shows the cards, and counts no model call."""
    ran = empty.run("demo")

    assert ran.code == 0, ran.err
    assert "Fake on purpose" in ran.out
    assert "approved by" in ran.out
    assert "model calls 0" in ran.out
    assert (empty.home / "demo" / "office.db").exists()
    assert not (empty.home / "office.db").exists()


def test_the_demo_leaves_another_database_alone(empty: House, tmp_path: Path) -> None:
    """Whatever database, owner or server is set elsewhere, the demo stays in its own home."""
    other = tmp_path / "other.db"
    ran = empty.run(
        "demo",
        "--json",
        DEPUTY_DATABASE_URL=f"sqlite:///{other}",
        DEPUTY_OWNER="somebody@else.example",
        DEPUTY_URL="http://127.0.0.1:9",
    )

    assert ran.code == 0, ran.err
    assert ran.json["state"] == "done"
    assert not other.exists()


Typed = tuple[bytes, bytes, bool]  # what has to be seen, what is typed then, and whether a single key is read


@pytest.mark.parametrize(
    ("typed", "code", "mails"),
    [
        ([(b"[l]ater", b"a", True), (b"[l]ater", b"a", True)], 0, 1),
        ([(b"[l]ater", b"w", True), (b"[l]ater", b"d", True), (b"reason", b"not now\n", False)], 4, 0),
    ],
    ids=["approve both", "ask why, then deny"],
)
def test_on_a_terminal_each_card_is_put_to_the_person(house: House, typed: list[Typed], code: int, mails: int) -> None:
    """One key decides a card: [a]pprove, [d]eny, [w]hy; the tree is drawn, and the exit code says how it ended."""
    pid, master = pty.fork()
    if pid == 0:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("DEPUTY_")}
        environment |= {"DEPUTY_HOME": str(house.home), "TERM": "xterm", "COLUMNS": "120"}
        os.execve(sys.executable, [sys.executable, "-m", "orchestrator.surfaces.cli.main", "ask", CALL], environment)

    ended, seen = _type(pid, master, typed)

    assert ended == code, seen.decode(errors="replace")[-3000:]
    assert b"model calls 0" in seen
    assert len(house.world()["mails"]) == mails


def _type(pid: int, master: int, typed: list[Typed]) -> tuple[int, bytes]:
    """Types each text once its prompt was seen, and a single key only once single keys are read. Exit code and all that was shown."""
    left, seen, looked_from, deadline = list(typed), b"", 0, time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([master], [], [], 0.02)[0]:
            try:
                seen += os.read(master, 65536)
            except OSError:  # the other end is closed: it has ended
                break
        at = seen.find(left[0][0], looked_from) if left else -1
        if at >= 0 and (not left[0][2] or not termios.tcgetattr(master)[3] & termios.ICANON):
            expected, text, _ = left.pop(0)
            looked_from = at + len(expected)
            os.write(master, text)
    else:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    os.close(master)
    return os.waitstatus_to_exitcode(status), seen


def test_answering_a_question_moves_it_on(house: House) -> None:
    """Two people of one first name: it asks which, never guesses; the answer's choice is taken, nothing was sent before."""
    house.json("office", "add-person", "Dana Osei", "--team", "Sales")
    asked = house.run("ask", CALL, "--json")
    assert asked.code == 9, asked.out
    question = asked.json["question"]
    assert len(question["choices"]) == 2
    assert house.world()["mails"] == []
    ruiz = next(n for n, choice in enumerate(question["choices"], 1) if "Ruiz" in choice)

    house.json("work", "answer", asked.json["item_id"], str(ruiz))
    watched = house.run("run", "watch", asked.json["item_id"], "--json")

    assert watched.code == 3, watched.out
    assert "ruiz" in json.dumps(watched.json["approvals"]).lower()
