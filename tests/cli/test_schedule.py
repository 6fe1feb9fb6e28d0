"""`deputy schedule`: orders by the clock as a person gives, previews, looks at, and takes back."""

from __future__ import annotations

import time

from tests.cli.house import House

CALENDAR = "what is on my calendar tomorrow"


def test_an_order_is_given_shown_run_and_taken_back(house: House) -> None:
    """From the first command to the digest, each step says what it did."""
    added = house.json(
        "schedule", "add", "morning", "--when", "weekdays 07:30 Europe/Lisbon", "--ask", CALENDAR,
        "--missed", "skip", "--overlap", "queue", "--asks-wait", "2h30m", "--expect", "effects=0", "--budget", "calls=20",
    )  # fmt: skip
    listed = house.json("schedule", "ls")["schedules"]
    fired = house.json("schedule", "run", "morning")
    until = time.monotonic() + 60
    states: list[str] = []
    while states != ["done"] and time.monotonic() < until:
        states = [one["state"] for one in house.json("schedule", "show", "morning")["firings"]]
    page = house.json("schedule", "digest")
    shown = {name: house.run("schedule", *words).out for name, words in {
        "ls": ["ls"], "show": ["show", "morning"], "digest": ["digest", "--since", "2d"], "preview": ["preview"],
    }.items()}  # fmt: skip

    assert added["state"] == "active" and added["rule"] == "weekdays 07:30 Europe/Lisbon"
    assert (added["asks_wait_s"], added["expects"], added["options"]) == (
        9000,
        ["effects=0"],
        {"budget": {"model_calls": 20}},
    )
    assert [one["name"] for one in listed] == ["morning"]
    assert fired["state"] == "started" and states == ["done"]
    assert page["counts"]["done"] == 1 and page["approve"] == []
    assert "morning" in shown["ls"] and fired["item_id"] in shown["show"]
    assert "1 done" in shown["digest"] and "07:30 +00:00" in shown["preview"]
    assert house.json("schedule", "pause", "morning")["state"] == "paused"
    assert house.json("schedule", "preview")["next"] == []
    assert house.json("schedule", "resume", "morning")["state"] == "active"
    house.json("schedule", "rm", "morning")
    assert house.json("schedule", "ls")["schedules"] == []


def test_an_order_is_changed_and_the_rest_stays(house: House) -> None:
    """What is named changes, `none` takes away; what stands when nobody answers is shown in words."""
    made = house.json(
        "schedule", "add", "morning", "--when", "weekdays 07:30", "--ask", CALENDAR, "--budget", "calls=20,usd=0.50",
        "--expect", "effects=0", "--unattended-until", "2h", "--agent", "mail",
    )  # fmt: skip
    edited = house.json(
        "schedule", "edit", "morning", "--overlap", "queue", "--budget", "calls=5", "--unattended-until", "10:00",
        "--then", "default", "--answer", "Dana Ruiz", "--agent", "none",
    )  # fmt: skip
    shown = house.run("schedule", "show", "morning").out
    later = house.json("schedule", "edit", "morning", "--unattended-until", "11:00")
    freed = house.json(
        "schedule", "edit", "morning", "--unattended-until", "none", "--expect", "none", "--budget", "none"
    )

    assert made["unattended"]["then"] == "deny" and made["asks_wait_s"] == 7200
    assert {name: edited[name] for name in ("rule", "request", "expects", "missed", "next_at")} == {
        name: made[name] for name in ("rule", "request", "expects", "missed", "next_at")
    }
    assert (edited["overlap"], edited["options"]) == ("queue", {"budget": {"model_calls": 5}})
    assert "until 10:00; then “Dana Ruiz” answers a question that offers it" in " ".join(shown.split())
    assert [later["unattended"][name] for name in ("until", "then", "answer")] == ["11:00", "default", "Dana Ruiz"]
    assert (freed["unattended"], freed["expects"], freed["options"]) == (None, [], {})
    for words in (
        [],
        ["--then", "default"],
        ["--unattended-until", "10:00", "--then", "default"],
        ["--unattended-until", "noonish"],
        ["--unattended-until", "10:00", "--then", "approve"],
        ["--budget", "wishes=3"],
    ):
        assert house.run("schedule", "edit", "morning", *words, "--json").code == 2, words
    assert house.run("schedule", "edit", "evening", "--overlap", "skip", "--json").code == 7
    both = house.run("schedule", "add", "both", "--when", "daily 9:00", "--digest", "--ask", "x", "--json")
    assert (both.code, both.error["message"]) == (2, "a digest asks nothing")


def test_a_preview_shows_both_changes_of_the_clocks(house: House) -> None:
    """A rule that is no schedule yet, from a day of one's choice: instants, the wall, offsets, and what the clocks do."""
    spring = house.json(
        "schedule", "preview", "daily 01:30 Europe/Lisbon", "--next", "3", "--after", "2026-03-27T12:00:00+00:00"
    )
    autumn = house.json(
        "schedule", "preview", "daily 01:30 Europe/Lisbon", "--next", "3", "--after", "2026-10-23T12:00:00+00:00"
    )

    assert [(one["at"], one["local"], one["note"]) for one in spring["next"]] == [
        ("2026-03-28T01:30:00+00:00", "2026-03-28T01:30+00:00", ""),
        ("2026-03-29T01:00:00+00:00", "2026-03-29T02:00+01:00", "clocks went forward"),
        ("2026-03-30T00:30:00+00:00", "2026-03-30T01:30+01:00", ""),
    ]
    assert [(one["at"], one["offset"], one["note"]) for one in autumn["next"]] == [
        ("2026-10-24T00:30:00+00:00", "+01:00", ""),
        ("2026-10-25T00:30:00+00:00", "+01:00", ""),
        ("2026-10-26T01:30:00+00:00", "+00:00", "clocks went back"),
    ]


def test_a_worker_that_stays_asks_in_time(house: House) -> None:
    """Nobody types anything more: the time comes, and it is done. A worker that ends when idle does not wait for a far one."""
    house.json("schedule", "add", "far", "--when", "daily 03:00", "--ask", CALENDAR)
    assert house.run("worker", "--until-idle").code == 0
    office = house.office()
    office.set_now(office.now().replace(second=50))  # the next minute is near
    house.json("schedule", "add", "soon", "--when", "* * * * *", "--ask", CALENDAR, "--overlap", "queue")
    worker = house.start("worker")
    until = time.monotonic() + 90
    states: list[str] = []
    try:
        while "done" not in states and time.monotonic() < until:
            states = [one["state"] for one in house.json("schedule", "show", "soon")["firings"]]
    finally:
        worker.terminate()
        _, told = worker.communicate(timeout=60)
        office.close()
    assert "done" in states, told
    assert house.json("schedule", "show", "far")["firings"] == []


def test_what_makes_no_order_is_refused_with_a_fix(house: House) -> None:
    """Rules, zones, policies, checks and spans that are off, names that are taken or not there."""
    good = ["--when", "daily 9:00", "--ask", CALENDAR]
    for words, code in [
        (["--when", "whenever", "--ask", CALENDAR], 2),
        (["--when", "daily 9:00 Europe/Lissabon", "--ask", CALENDAR], 2),
        (["--when", "0 9 30 2 *", "--ask", CALENDAR], 2),
        (["--when", "daily 9:00"], 2),
        ([*good, "--expect", "rm -rf /"], 2),
        ([*good, "--grace", "soon"], 2),
        ([*good, "--missed", "sometimes"], 2),
        ([*good, "--budget", "wishes=3"], 2),
        ([*good, "--workflow", "no-such-workflow"], 7),
    ]:
        ran = house.run("schedule", "add", "x", *words, "--json")
        assert ran.code == code, (words, ran.out)
        assert ran.error["fix"], words
    assert house.run("schedule", "rm", "x", "--json").code == 7
    assert house.run("schedule", "preview", "0 9 * *", "--json").code == 2
