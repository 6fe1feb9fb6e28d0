"""`deputy memory` and `deputy agent`: what is remembered, by whom it may be read, and which agents and prompts are in force."""

from __future__ import annotations

import pytest

from tests.cli.house import House

OWN = """---
version: 3
description: Mail as we do it here.
tools: [mail.*]
budget: {model_calls: 5}
---
You handle mail our way.
"""


# ---- memory ------------------------------------------------------------------------------------------------------------
def test_a_fact_is_kept_read_changed_and_taken_back(house: House) -> None:
    """Each step says what it did; what is forgotten is gone."""
    added = house.json("memory", "add", "Dana prefers mornings", "--expires", "90d")
    listed = house.json("memory", "ls")
    shown = house.json("memory", "show", added["memory_id"])
    edited = house.json("memory", "edit", added["memory_id"], "Dana prefers late mornings")
    told = house.run("memory", "ls")
    forgotten = house.json("memory", "forget", added["memory_id"])

    assert [fact["memory_id"] for fact in listed] == [added["memory_id"]]
    assert shown == added
    assert (added["scope"], added["source"]["kind"]) == ("person", "person")
    assert added["expires_at"] > added["created_at"]
    assert edited["text"] == "Dana prefers late mornings"
    assert "Dana prefers late mornings" in told.out
    assert forgotten[0]["memory_id"] == added["memory_id"]
    assert house.json("memory", "ls") == []


@pytest.mark.parametrize("verb", [("show",), ("edit", "mine now"), ("forget",)], ids=lambda verb: verb[0])
def test_another_persons_fact_cannot_be_told_from_one_that_is_not_there(house: House, verb: tuple[str, ...]) -> None:
    """Not even the owner, an admin, reads it, changes it or learns that it exists."""
    fact = house.json("memory", "add", "I would like a smaller office", "--as", "Dana Ruiz")
    command, *words = verb

    ran = house.run("memory", command, fact["memory_id"], *words, "--json")
    never = house.run("memory", command, "mem_0000", *words, "--json")

    assert ran.code == never.code == 7
    assert ran.error["message"].replace(fact["memory_id"], "") == never.error["message"].replace("mem_0000", "")
    assert house.json("memory", "ls") == []
    assert house.json("memory", "show", fact["memory_id"], "--as", "Dana Ruiz") == fact


def test_a_team_reads_its_facts_and_others_do_not(house: House) -> None:
    """Whoever is in the team sees it; whoever is in another one does not."""
    people = house.json("people", "ls")
    alex = next(person for person in people if person["name"] == "Alex Moreau")
    mate = next(p for p in people if p["team"] == alex["team"] and p["address"] != alex["address"])
    other = next(p for p in people if p["team"] and p["team"] != alex["team"])
    fact = house.json("memory", "add", "We meet in room 4", "--scope", "team")

    assert fact["owner"] == alex["team"]
    assert house.json("memory", "ls", "--as", mate["address"]) == [fact]
    assert house.json("memory", "ls", "--as", other["address"]) == []
    assert house.json("memory", "ls", "--scope", "person") == []


def test_a_workflows_fact_of_an_admin_is_everybodys(house: House) -> None:
    """It is shared with those who run the workflow; a workflow that is not there is refused with the nearest name."""
    fact = house.json("memory", "add", "Rooms are short in May", "--workflow", "morning-brief")
    slip = house.run("memory", "add", "x", "--workflow", "morning-breif", "--json")

    assert (fact["scope"], fact["owner"], fact["shared"]) == ("workflow", "morning-brief", True)
    assert house.json("memory", "ls", "--as", "Dana Ruiz") == [fact]
    assert slip.code == 7
    assert "morning-brief" in slip.error["fix"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", " "),
        ("add", "x", "--expires", "yesterday 9:00 2020-01-01"),
        ("add", "x", "--expires", "2020-01-01"),
        ("add", "x", "--scope", "workflow"),
        ("add", "x", "--scope", "team", "--workflow", "morning-brief"),
        ("add", "x" * 3000),
        ("ls", "--scope", "planet"),
    ],
    ids=lambda arguments: " ".join(arguments)[:40],
)
def test_a_fact_that_cannot_be_kept_is_refused_with_a_fix(house: House, arguments: tuple[str, ...]) -> None:
    """Usage, exit code 2, and nothing is kept."""
    ran = house.run("memory", *arguments, "--json")

    assert ran.code == 2, ran.out
    assert ran.error["fix"]
    assert house.json("memory", "ls") == []


def test_what_was_remembered_is_on_the_audit_but_not_its_words(house: House) -> None:
    """Who added, changed and took back which fact stands there; what it said does not."""
    fact = house.json("memory", "add", "The code is 4711")
    house.json("memory", "forget", fact["memory_id"])

    ran = house.run("audit", "tail", "--json")

    assert "4711" not in ran.out
    kinds = [event["kind"] for event in ran.json if event["body"].get("memory_id") == fact["memory_id"]]
    assert sorted(kinds) == ["memory.added", "memory.forgotten"]


# ---- agents and prompts ------------------------------------------------------------------------------------------------
def test_predefined_agents_are_listed_with_where_their_file_stands(house: House) -> None:
    """A file of one's own replaces the shipped one of its name; one with a fault is left out and named."""
    (house.home / "agents").mkdir()
    (house.home / "agents" / "mail.md").write_text(OWN)
    (house.home / "agents" / "broken.md").write_text("---\nversion: 1\ndescription: x\ntols: []\n---\nx\n")

    told = house.json("agent", "ls")
    one = house.json("agent", "show", "mail")
    shipped = house.json("agent", "show", "calendar")
    doctor = house.run("doctor", "--json").json

    mail = next(agent for agent in told["agents"] if agent["name"] == "mail")
    assert (mail["version"], mail["shipped"]) == (3, False)
    assert mail["path"] == str(house.home / "agents" / "mail.md")
    assert one["prompt"].strip() == "You handle mail our way."
    assert one["budget"] == {"model_calls": 5}
    assert shipped["shipped"]
    assert len(told["faults"]) == 1
    assert "tols" in told["faults"][0]["message"]
    assert not next(check for check in doctor["checks"] if check["check"] == "agents")["ok"]


def test_prompts_are_listed_and_read_in_force(house: House) -> None:
    """The one that replaces a shipped prompt is the one that is shown."""
    shipped = house.json("agent", "prompts", "plan")
    (house.home / "prompts").mkdir()
    (house.home / "prompts" / "plan.md").write_text("---\nversion: 9\ndescription: mine\n---\nPlan as I say.\n")

    mine = house.json("agent", "prompts", "plan")
    every = house.json("agent", "prompts")
    doctor = house.json("doctor")

    assert shipped["shipped"]
    assert (mine["version"], mine["shipped"], mine["text"].strip()) == (9, False, "Plan as I say.")
    assert {"supervisor", "task", "packet"} <= {prompt["name"] for prompt in every}
    assert "plan" in next(check["detail"] for check in doctor["checks"] if check["check"] == "prompts")


@pytest.mark.parametrize(
    ("arguments", "code", "fix"),
    [
        (("ask", "x", "--agent", "mial"), 7, "did you mean 'mail'?"),
        (("ask", "x", "--agents", "mail,calender"), 7, "did you mean 'calendar'?"),
        (("work", "add", "x", "--workflow", "nope"), 7, "workflow ls"),
        (("schedule", "add", "x", "--when", "daily 9:00", "--ask", "y", "--agent", "mial"), 7, "did you mean 'mail'?"),
        (("trigger", "add", "x", "--on", "mail", "--ask", "y", "--agent", "mial"), 7, "did you mean 'mail'?"),
        (("ask", "x", "--agents", " , "), 2, "agent ls"),
        (("ask", "x", "--agent", "mail", "--agents", "calendar"), 2, "one of them"),
        (("ask", "x", "--agent", "mail", "--workflow", "morning-brief"), 2, "one of them"),
        (("ask", "x", "--agent", "mail", "--plan"), 2, "plan: true"),
        (("ask", "x", "--budget", "tokens=lots"), 2, "tokens=200k"),
        (("ask", "x", "--model", " "), 2, "DEPUTY_MODEL"),
        (("agent", "show", "calender"), 7, "did you mean 'calendar'?"),
        (("agent", "prompts", "superviser"), 7, "did you mean 'supervisor'?"),
    ],
)
def test_a_name_or_limit_that_is_off_is_refused_before_anything_is_put_on_the_list(
    house: House, arguments: tuple[str, ...], code: int, fix: str
) -> None:
    """With the nearest name, or an example; the worklist stays as it was."""
    ran = house.run(*arguments, "--json")

    assert ran.code == code, ran.out
    assert fix in ran.error["fix"]
    assert house.json("work", "ls")["items"] == []


def test_capabilities_tell_models_agents_and_limits_without_keys(house: House) -> None:
    """A program learns which endpoints would be asked, by whom, within what; a key is never shown anywhere."""
    house.environment |= {
        "DEPUTY_MODEL": "openai:some-model",
        "DEPUTY_MODEL_BASE_URL": "http://127.0.0.1:9/v1",
        "DEPUTY_MODEL_API_KEY": "sk-not-for-eyes",
        "DEPUTY_BUDGET_MODEL_CALLS": "17",
    }

    told = house.run("capabilities", "--json")
    config = house.run("config", "show", "--origin")
    doctor = house.run("doctor")

    assert told.json["models"][0]["address"] == "http://127.0.0.1:9/v1"
    assert told.json["budget"]["model_calls"] == 17
    assert {"mail", "calendar"} <= {agent["name"] for agent in told.json["agents"]}
    assert "model_api_key" in config.out
    assert "some-model" in doctor.out
    for ran in (told, config, doctor):
        assert "sk-not-for-eyes" not in ran.out + ran.err
