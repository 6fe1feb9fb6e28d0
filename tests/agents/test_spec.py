"""Agent specs: what a file may say, what is refused with which words, and which tools patterns mean."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from connectors.families import FAMILIES, tool_specs
from orchestrator.agents import checks, prompts
from orchestrator.agents.house_tools import HOUSE_TOOLS
from orchestrator.agents.result_schema import problem_of
from orchestrator.agents.spec import AgentSpec, catalogue, definition, expand, limits_of
from orchestrator.errors import UsageError

OFFICE = [spec.name for family in sorted(FAMILIES) for spec in tool_specs(family)]
NAMES = [*OFFICE, *HOUSE_TOOLS]
VARIABLES: dict[str, Any] = {
    **prompts.moment(datetime(2026, 3, 4, 9, 0, tzinfo=UTC), "Europe/Vienna"),
    "requester": {"name": "Alex Stone", "address": "alex@northwind.example"},
}
PLAIN = "---\nversion: 1\ndescription: Watches.\ntools: [mail.search]\n---\nYou watch for {{ requester.name }}.\n"


def make_json(**changes: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "name": "slots",
        "prompt": "You find slots.",
        "prompt_digest": "sha256:00",
        "tools": ["calendar.find_slots", "finish"],
        "output": {"type": "object", "properties": {"start": {"type": "string"}}},
        "checks": ["not_empty", "covers:rows"],
        "budget": {"model_calls": 5, "wall_ms": 60_000},
        "agents": [],
    }
    return spec | changes


def write(folder: Path, name: str, text: str = PLAIN) -> Path:
    path = folder / f"{name}.md"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_spec_survives_the_log() -> None:
    """as_json through JSON text and back gives an equal spec, with every field."""
    spec = AgentSpec.from_json(make_json(judge="Be right.", plan=True, model="openai:m", max_turns=7))

    again = AgentSpec.from_json(json.loads(json.dumps(spec.as_json())))

    assert again == spec
    assert (again.tools, again.checks, again.agents) == (
        ("calendar.find_slots", "finish"),
        ("not_empty", "covers:rows"),
        (),
    )


def test_fields_left_out_take_their_defaults() -> None:
    """Name, prompt, digest and tools make a spec."""
    spec = AgentSpec.from_json({"name": "a", "prompt": "p", "prompt_digest": "d", "tools": ["finish"]})

    assert spec == AgentSpec(name="a", prompt="p", prompt_digest="d", tools=("finish",))


@pytest.mark.parametrize(
    ("change", "field", "fix"),
    [
        ({"tool": ["x"]}, "tool:", "did you mean 'tools'?"),
        ({"name": "x" * 65}, "name:", "short name"),
        ({"name": "two\nlines"}, "name:", "short name"),
        ({"budget": {"turns": 0}}, "budget.turns:", "number"),
        ({"prompt": "  "}, "prompt:", "give prompt as text"),
        ({"role": "superviser"}, "role:", "did you mean 'supervisor'?"),
        ({"tools": "mail.send"}, "tools:", "[one, two]"),
        ({"tools": ["mail.send", 3]}, "tools:", "[one, two]"),
        ({"checks": ["no_emty"]}, "checks:", "did you mean 'not_empty'?"),
        ({"checks": ["covers"]}, "checks:", "covers:FIELD"),
        ({"output": {"type": "array"}}, "output:", "type object"),
        ({"output": {"type": "object", "properties": {"a": {"type": "strin"}}}}, "output:", "JSON Schema"),
        ({"output": {"$ref": "http://elsewhere.example/s"}}, "output:", "JSON Schema"),
        ({"budget": {"dollars": 1}}, "budget:", "there are"),
        ({"budget": {"effects": -1}}, "budget.effects:", "number from 0"),
        ({"budget": {"model_calls": 2.5}}, "budget.model_calls:", "whole"),
        ({"budget": {"tokens": True}}, "budget.tokens:", "number"),
        ({"budget": [1]}, "budget:", "usd"),
        ({"plan": "yes"}, "plan:", "plan: true"),
        ({"max_turns": 0}, "max_turns:", "max_turns: 40"),
        ({"max_checks": True}, "max_checks:", "max_checks: 3"),
        ({"agents": "mail"}, "agents:", "[one, two]"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_field_that_is_off_is_named_with_a_fix(change: dict[str, Any], field: str, fix: str) -> None:
    """Each fault says where, which field, and what would be right."""
    with pytest.raises(UsageError) as caught:
        AgentSpec.from_json(make_json(**change), where="packet")

    assert caught.value.message.startswith("packet: ")
    assert field in caught.value.message
    assert fix in caught.value.fix


def test_turns_may_be_given_as_a_budget_and_are_one_limit() -> None:
    """The smaller of the two holds; the budget that is reserved from keeps the rest."""
    few = AgentSpec.from_json(make_json(budget={"turns": 5, "tokens": 9}))
    many = AgentSpec.from_json(make_json(budget={"turns": 50}, max_turns=7))

    assert (few.max_turns, few.budget) == (5, {"tokens": 9})
    assert (many.max_turns, many.budget) == (7, {})


def test_a_supervisor_may_call_its_agents_what_it_likes() -> None:
    """A name in plain words survives the log; only files are held to small letters."""
    assert AgentSpec.from_json(make_json(name="Find Slots für Dana")).name == "Find Slots für Dana"


def test_money_and_minutes_are_limits_in_peoples_units() -> None:
    """usd and minutes become millionths and milliseconds; the others stay whole numbers."""
    assert limits_of({"usd": 0.5, "minutes": 1.5, "effects": 0, "tokens": 10.0}) == {
        "cost_microusd": 500_000,
        "wall_ms": 90_000,
        "effects": 0,
        "tokens": 10,
    }


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        (["mail.send"], ["mail.send"]),
        (["mail_send"], ["mail.send"]),  # as on a model's wire
        (["calendar.find_*"], ["calendar.find_slots"]),
        (["directory.*"], ["directory.get_person", "directory.list_people"]),
        (
            ["finish", "directory.*", "directory.get_person"],
            ["finish", "directory.get_person", "directory.list_people"],
        ),
        (["crm.search?", "mail.send"], ["mail.send"]),  # welcome, not needed, not there
        (["crm.*?"], []),
        (["directory.*?"], ["directory.get_person", "directory.list_people"]),
        ([], []),
    ],
)
def test_patterns_mean_known_tools_each_once_in_order(patterns: list[str], found: list[str]) -> None:
    """The order does not depend on the order in which tools were registered."""
    assert list(expand(patterns, NAMES)) == found
    assert list(expand(patterns, reversed(NAMES))) == found


@pytest.mark.parametrize(
    ("pattern", "fix"),
    [
        ("mail.sned", "did you mean 'mail.send'?"),
        ("calender.*", "did you mean"),
        ("zzzz", "there are: agent.ask_requester"),
        ("", "there are"),
    ],
)
def test_a_name_that_is_not_there_is_refused(pattern: str, fix: str) -> None:
    """A misspelt tool ends nowhere in silence."""
    with pytest.raises(UsageError) as caught:
        expand([pattern], NAMES, where="mine.md: tools")

    assert caught.value.message.startswith(f"mine.md: tools: {pattern!r}")
    assert fix in caught.value.fix


# --- predefined agents --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["calendar", "chat", "mail", "reader"])
def test_shipped_agents_are_sound(name: str) -> None:
    """Each has a one-line description, tools of the office and few of them, a usable schema and a prompt under 900 bytes."""
    found = catalogue()
    spec = found[name].spec(NAMES, task=prompts.load("task"), variables=VARIABLES)

    assert found.faults == ()
    assert "\n" not in found[name].description and 20 < len(found[name].description) < 140
    assert spec.tools[-2:] == ("agent.ask_requester", "finish")
    assert set(spec.tools) - set(HOUSE_TOOLS) < set(OFFICE)
    assert len(spec.tools) <= 16
    assert len(spec.prompt.encode()) <= 900
    assert spec.output is not None
    jsonschema.Draft202012Validator.check_schema(spec.output)
    assert AgentSpec.from_json(spec.as_json()) == spec


def test_the_reader_can_change_nothing() -> None:
    """It has reads only, and no effect in its budget."""
    spec = catalogue()["reader"].spec(NAMES, task=prompts.load("task"), variables=VARIABLES)
    effects = {tool.name for family in FAMILIES for tool in tool_specs(family) if not tool.is_read}

    assert not effects & set(spec.tools)
    assert spec.budget["effects"] == 0


def test_the_mail_agent_cannot_delete_or_set_auto_replies() -> None:
    """The smallest sensible set leaves out what its description does not promise."""
    spec = catalogue()["mail"].spec(NAMES, task=prompts.load("task"), variables=VARIABLES)

    assert not {"mail.delete", "mail.set_auto_reply", "mail.clear_auto_reply"} & set(spec.tools)


def test_an_own_file_of_the_same_name_replaces_a_shipped_agent(tmp_path: Path) -> None:
    """The person's file wins; a new name is added; names come sorted."""
    write(tmp_path, "mail")
    write(tmp_path, "auditor")

    found = catalogue([tmp_path])

    assert list(found) == ["auditor", "calendar", "chat", "mail", "reader"]
    assert found["mail"].tools == ("mail.search",)
    assert found["mail"].prompt.path == tmp_path / "mail.md"


def test_one_bad_file_stops_no_other_and_is_not_replaced_in_silence(tmp_path: Path) -> None:
    """Its fault is reported; the agent it meant to change is left out rather than run unchanged."""
    bad = write(tmp_path, "mail", PLAIN.replace("tools:", "tolls:"))
    write(tmp_path, "auditor")

    found = catalogue([tmp_path])

    assert list(found) == ["auditor", "calendar", "chat", "reader"]
    (fault,) = found.faults
    assert str(bad) in fault.message and "tolls" in fault.message
    assert fault.fix == "did you mean 'tools'?"


def test_a_file_name_is_a_name_that_can_be_typed(tmp_path: Path) -> None:
    """`ask --agent` takes it without quotes."""
    with pytest.raises(UsageError, match="'My Agent' is no name"):
        definition(write(tmp_path, "My Agent"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (PLAIN.replace("description: Watches.\n", ""), "description: is missing"),
        (PLAIN.replace("version: 1", "version: 1\nname: other"), "name: 'other' is not the file's"),
        (PLAIN.split("You watch")[0], "text: is empty"),
        (PLAIN.replace("requester.name", "tools"), "text: uses 'tools'"),
        (PLAIN.replace("version: 1", "version: 1\nprompt: x"), "prompt: is no field"),
        (PLAIN.replace("version: 1", "version: 1\nchecks: [nope]"), "checks: 'nope' is no check"),
    ],
)
def test_a_file_with_a_fault_says_which_field(tmp_path: Path, text: str, says: str) -> None:
    """File and field stand in the message, a fix beside it."""
    path = write(tmp_path, "watcher", text)

    with pytest.raises(UsageError) as caught:
        definition(path)

    assert caught.value.message.startswith(f"{path}: ")
    assert says in caught.value.message
    assert caught.value.fix


def test_the_digest_covers_both_texts_a_prompt_is_made_of(tmp_path: Path) -> None:
    """An edit of the agent's file or of the text around it is another prompt, even where it renders the same."""
    task = prompts.load("task")
    before = definition(write(tmp_path, "watcher")).spec(NAMES, task=task, variables=VARIABLES)
    after = definition(write(tmp_path, "watcher", PLAIN + "\n")).spec(NAMES, task=task, variables=VARIABLES)
    write(tmp_path, "task", task.path.read_text(encoding="utf-8") + "\n")
    around = definition(tmp_path / "watcher.md").spec(NAMES, task=prompts.load("task", tmp_path), variables=VARIABLES)

    assert before.prompt == after.prompt == around.prompt
    assert "You watch for Alex Stone." in before.prompt
    assert len({before.prompt_digest, after.prompt_digest, around.prompt_digest}) == 3


def test_an_agent_none_of_whose_tools_is_there_is_refused(tmp_path: Path) -> None:
    """With every tool optional and none connected it could only talk."""
    agent = definition(write(tmp_path, "watcher", PLAIN.replace("mail.search", "crm.*?")))

    with pytest.raises(UsageError, match="none of them is there"):
        agent.spec(NAMES, task=prompts.load("task"), variables=VARIABLES)


def test_an_agent_that_is_not_there_is_met_with_the_nearest() -> None:
    """`ask --agent` with a slip says which one was meant."""
    with pytest.raises(UsageError) as caught:
        catalogue().named("calender")

    assert caught.value.fix == "did you mean 'calendar'?"


def test_check_names_in_shipped_files_are_registered() -> None:
    """Shipped agents name checks that exist, so that loading them cannot fail at a user's."""
    named = {check for agent in catalogue().values() for check in agent.settings["checks"]}

    assert named
    assert all(checks.get(name) for name in named)


# --- schemas of results -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "from_model", "says"),
    [
        ({"type": "object"}, True, None),
        ({"properties": {"pattern": {"type": "string"}}}, True, None),  # a field may be called so
        ({"$defs": {"pattern": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/pattern"}}}, True, None),
        ({"properties": {"a": {"pattern": "(a+)+$"}}}, True, "regular expression"),
        ({"properties": {"a": {"pattern": "^x"}}}, False, None),  # written by a person
        ({"properties": {"a": {"items": {"$ref": "file:///etc/passwd"}}}}, False, "outside itself"),
        ({"$dynamicRef": "other.json#x"}, False, "outside itself"),
        ({"type": "string"}, False, "a result is an object"),
        ({"required": "a"}, False, "no JSON Schema"),
        ({"description": "x" * 40_000}, False, "larger than"),
        ({"default": {1, 2}}, False, "not JSON"),
        (["object"], False, "not an object"),
    ],
)
def test_a_schema_is_refused_before_anybody_works_towards_it(schema: Any, from_model: bool, says: str | None) -> None:
    """Nothing outside itself is referred to; a model's has no regular expression that could run forever."""
    problem = problem_of(schema, from_model=from_model)

    assert (problem is None) if says is None else (problem is not None and says in problem)


# --- the page about it --------------------------------------------------------------------------------------------

PAGE = (Path(__file__).parents[2] / "docs" / "agents.md").read_text(encoding="utf-8")


def test_the_examples_of_the_page_work_as_they_stand(tmp_path: Path) -> None:
    """What a reader copies loads, renders and, for the check, finds what it is for."""
    agent, plan = re.findall(r"```markdown\n(.*?)```", PAGE, re.DOTALL)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    room: dict[str, Any] = {}
    exec(code, room)  # our own page
    booked = {
        "tool": "calendar.create_event",
        "args": {"start": "2026-03-05T19:00+01:00"},
        "state": "done",
        "result": {},
    }
    facts = checks.CheckFacts(request="", goal="", effects=[booked], now=datetime(2026, 3, 4, tzinfo=UTC), zone="UTC")

    spec = definition(write(tmp_path, "invoices", agent)).spec(NAMES, task=prompts.load("task"), variables=VARIABLES)
    write(tmp_path, "plan", plan)

    assert "in the mail of Alex Stone." in spec.prompt
    assert prompts.load("plan", tmp_path).version == 2
    assert room["within_office_hours"]({}, facts) == ["2026-03-05T19:00+01:00 is outside office hours: move it."]


def test_the_page_names_every_check_prompt_field_and_shipped_agent() -> None:
    """A list on the page that has fallen behind is found here."""
    fields = set(AgentSpec.__dataclass_fields__) - {"prompt", "prompt_digest", "name"}

    named = {*checks.CHECKS, *prompts.VARIABLES, *fields, *catalogue(), "version", "description", "covers:FIELD"}

    assert [name for name in sorted(named) if f"`{name}" not in PAGE] == []
