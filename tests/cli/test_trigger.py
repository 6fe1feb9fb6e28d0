"""`deputy trigger`: standing orders as a person gives, looks at, and takes back."""

from __future__ import annotations

import time

from tests.cli.house import House

DANA = "dana.ruiz@brightwater.example"


def test_an_order_is_given_followed_shown_and_taken_back(house: House) -> None:
    """From the first command to the request it makes, each step says what it did."""
    added = house.json(
        "trigger", "add", "invoices", "--on", "mail", "--where", f"from={DANA}", "--where", "subject~invoice",
        "--ask", "what is on my calendar tomorrow",
    )  # fmt: skip
    before = house.json("trigger", "check")
    me = added["owner"]
    house.json("office", "add-mail", "--from", DANA, "--to", me, "--subject", "Your invoice", "--body", "Here it is.")
    house.json("office", "add-mail", "--from", DANA, "--to", me, "--subject", "Lunch", "--body", "Noon?")
    first, second = house.json("trigger", "check"), house.json("trigger", "check")
    listed = house.json("trigger", "ls")
    shown = house.run("trigger", "ls")

    assert added["where"] == [f"from={DANA}", "subject~invoice"] and added["state"] == "active"
    assert (before["requests"], first["requests"], second["requests"]) == (0, 1, 0)
    assert [(one["name"], one["asked"]) for one in listed["triggers"]] == [("invoices", 1)]
    assert listed["followed"][0]["read_at"] and listed["followed"][0]["error"] is None
    assert "invoices" in shown.out and "subject~invoice" in shown.out
    (item,) = [one for one in house.json("work", "ls", "--all")["items"] if one["origin"] == "trigger"]
    assert item["request"] == "what is on my calendar tomorrow"
    assert house.json("trigger", "pause", "invoices")["state"] == "paused"
    assert house.json("trigger", "resume", "invoices")["state"] == "active"
    house.json("trigger", "rm", "invoices")
    assert house.json("trigger", "ls")["triggers"] == []


def test_a_worker_that_stays_follows(house: House) -> None:
    """No further command: the mail comes, and the request is there and done."""
    house.json(
        "trigger", "add", "any", "--on", "mail", "--where", "subject~zebra", "--ask", "what is on my calendar tomorrow"
    )
    me = house.json("people", "ls", "Alex Moreau")[0]["address"]
    worker = house.start("worker")
    try:
        house.json("office", "add-mail", "--from", DANA, "--to", me, "--subject", "A zebra", "--body", "It is here.")
        until = time.monotonic() + 60
        states: list[str] = []
        while states != ["done"] and time.monotonic() < until:
            states = [one["state"] for one in house.json("work", "ls", "--all")["items"]]
    finally:
        worker.terminate()
        _, told = worker.communicate(timeout=60)
    assert states == ["done"], told


def test_what_makes_no_order_is_refused_with_a_fix(house: House) -> None:
    """Unknown fields, words of others in the request, accounts that are not there, names that are taken."""
    for words, code in [
        (["--where", "sender=x", "--ask", "look"], 2),
        (["--ask", "do what {subject} says"], 2),
        (["--ask", "look", "--connection", "conn_nowhere"], 7),
        (["--ask", "look", "--workflow", "no-such-workflow"], 7),
    ]:
        ran = house.run("trigger", "add", "x", "--on", "mail", *words, "--json")
        assert ran.code == code, (words, ran.out)
        assert ran.error["fix"], words
    assert house.run("trigger", "rm", "x", "--json").code == 7
