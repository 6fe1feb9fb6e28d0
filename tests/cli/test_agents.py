"""Agents at the command line: who may think and within what, how they stand while they work, and what they did afterwards."""

from __future__ import annotations

import codecs
import os
import pty
import select
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.domain import transcript
from orchestrator.errors import UsageError
from orchestrator.surfaces.cli import budgets
from orchestrator.surfaces.cli.scene import Scene
from tests.agents.puppet import Asked, Call, Puppet, Says, finish, puppet
from tests.cli.house import TIMEOUT_S, House

ODD = "Please look into how busy my week is and tell me in one line"
GREET = "Please greet Dana Ruiz warmly by mail with the subject Hello, whatever it takes"
LEAD = """---
version: 1
description: Leads another agent.
tools: [agent.delegate, worklist.wait, mail.send]
---
You hand everything on.
"""
WEEK = {"start": "2026-11-23T00:00:00+00:00", "end": "2026-11-28T00:00:00+00:00"}


# ---- budgets as people type them -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("calls=40", {"model_calls": 40}),
        ("tokens=200k", {"tokens": 200_000}),
        ("tokens=1.5M", {"tokens": 1_500_000}),
        ("usd=0.50", {"cost_microusd": 500_000}),
        ("usd=$2", {"cost_microusd": 2_000_000}),
        ("minutes=10, effects=0", {"wall_ms": 600_000, "effects": 0}),  # no effects at all is a wish of its own
        ("minutes=.5", {"wall_ms": 30_000}),
    ],
)
def test_a_budget_is_read_in_peoples_units(text: str, expected: dict[str, int]) -> None:
    """Thousands, dollars and minutes become what the store counts."""
    assert budgets.read(text) == expected


@pytest.mark.parametrize(
    ("text", "message", "fix"),
    [
        ("", "empty", "calls=40"),
        ("calls", "NAME=NUMBER", "calls=40"),
        ("cals=4", "cals", "did you mean 'calls'?"),
        ("money=4", "money", "usd"),
        ("calls=4,calls=5", "twice", "once"),
        ("calls=many", "many", "calls=40"),
        ("calls=1.5", "1.5", "whole number"),
        ("calls=-1", "-1", "calls=40"),
        ("usd=nan", "nan", "usd=0.50"),
        ("calls=0", "nothing to work with", "calls=40"),
        ("tokens=9999999m", "more than can be counted", "no limit"),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused_with_a_fix(text: str, message: str, fix: str) -> None:
    """The part that is off is named, and what to write instead."""
    with pytest.raises(UsageError) as caught:
        budgets.read(text)

    assert message in caught.value.message
    assert fix in caught.value.fix


def test_what_was_used_is_told_against_its_limit() -> None:
    """A limit is told with what is used of it; a name nobody limits only once it is used."""
    told = budgets.words(
        {
            "model_calls": {"most": 40, "used": 3},
            "tokens": {"most": None, "used": 12_400},
            "cost_microusd": {"most": 500_000, "used": 4_200},
            "wall_ms": {"most": None, "used": 0},
        }
    )

    assert told == "3 of 40 model calls · 12.4k tokens · $0.0042 of $0.50"


# ---- transcripts, off rows ---------------------------------------------------------------------------------------------
def rows(*entries: tuple[str, str, Any]) -> list[dict[str, Any]]:
    """Step log rows as documents, in order."""
    return [
        {"seq": seq, "kind": kind, "key": key, "body": body, "at": "2026-11-23T09:00:00+00:00"}
        for seq, (kind, key, body) in enumerate(entries, start=1)
    ]


def said(text: str, *names: str, arguments: str = "{}", **more: Any) -> dict[str, Any]:
    calls = [{"id": "x", "name": name, "arguments": arguments} for name in names]
    return {"text": text, "calls": calls, "finish": "stop", "usage": {"in": 100, "out": 10, "cached": 0}, **more}


def effect(call_id: str, state: str, **more: Any) -> dict[str, Any]:
    return {
        "effect_id": f"eff_{call_id}",
        "run_id": "run_1",
        "call_id": call_id,
        "tool": "mail.send",
        "state": state,
        "decision": "ask",
        "rules": ["sends-ask"],
        "reason": "a send asks",
        "error": None,
        **more,
    }


OPEN = (
    "agent",
    "open",
    {
        "system": "You look.",
        "told": "Goal: look",
        "spec": {"name": "slots", "prompt_digest": "sha256:p", "plan": False},
        "packet": {"goal": "look"},
        "tools": [{"name": "mail.send", "digest": "d"}, {"name": "calendar.list_events", "digest": "e"}],
        "recalled": [{"memory_id": "mem_1", "text": "mornings", "scope": "person", "source": "person"}],
        "examples": [{"name": "brief", "score": 0.2}],
        "model": "openai:m",
        "limits": {"model_calls": 4},
    },
)


def test_a_transcript_pairs_each_call_with_its_answer() -> None:
    """Reads, tools of the house, refusals and the ledger's effects all stand at the call that asked for them."""
    told = transcript.transcript(
        rows(
            OPEN,
            ("reply", "t1", said("Looking.", "calendar_list_events", "mail_send", "memory_recall", "nonsense", cost=7)),
            ("read", "t1.0", {"tool": "calendar.list_events", "args": {}, "result": {"events": []}}),
            ("result", "t1.2", {"tool": "memory.recall", "value": {"facts": []}}),
            ("result", "t1.3", {"tool": "nonsense", "value": {"failed": "there is no tool", "code": "unknown_tool"}}),
            ("nudge", "nudge.1", {"text": "not Monday", "by": "alex"}),
            ("reply", "t2", said("", "finish", cost=5, ms=30, retries=1, endpoint="one", model="m")),
            ("check", "c2.schema", {"ok": False, "problems": ["result is missing"], "by": "schema"}),
        ),
        [effect("t1.1", "intended")],
    )

    first, second = told["turns"]
    assert [call["outcome"] for call in first["calls"]] == ["read", "intended", "told", "failed"]
    assert [call["tool"] for call in first["calls"]][:2] == ["calendar.list_events", "mail.send"]
    assert first["calls"][1]["rules"] == ["sends-ask"]
    assert first["calls"][3]["error"] == {"code": "unknown_tool", "message": "there is no tool"}
    assert [event["kind"] for event in first["after"]] == ["nudge"]
    assert [event["kind"] for event in second["after"]] == ["check"]
    assert told["prompt"] == {"text": "You look.", "digest": "sha256:p"}
    assert told["recalled"][0]["text"] == "mornings"
    assert {name: told["totals"][name] for name in ("model_calls", "input_tokens", "cost_microusd", "retries")} == {
        "model_calls": 2,
        "input_tokens": 200,
        "cost_microusd": 12,
        "retries": 1,
    }


def test_a_call_asked_again_after_a_remark_keeps_its_id() -> None:
    """Interrupted and repeated unchanged, it is the same effect; its outcome stands where it was asked last."""
    arguments = '{"to": ["dana"]}'
    told = transcript.transcript(
        rows(
            OPEN,
            ("reply", "t1", said("", "mail_send", arguments=arguments)),
            ("result", "t1.0", {"tool": "mail.send", "open": True, "value": {"waiting": "not done"}}),
            ("nudge", "nudge.1", {"text": "hurry", "by": "alex"}),
            ("reply", "t2", said("", "mail_send", arguments=arguments)),
            ("effect", "t1.0", {"tool": "mail.send", "args": {}, "result": {"message_id": "m1"}, "effect_id": "e"}),
        ),
        [effect("t1.0", "done")],
    )

    again = told["turns"][1]["calls"][0]
    assert again["call_id"] == "t1.0"
    assert again["outcome"] == "done"
    assert again["value"] == {"message_id": "m1"}


def test_arguments_that_are_no_object_are_shown_as_they_were_written() -> None:
    """A malformed call is part of the record, letter by letter."""
    told = transcript.transcript(rows(OPEN, ("reply", "t1", said("", "mail_send", arguments='{"to": '))), [])

    assert told["turns"][0]["calls"][0]["arguments"] == '{"to": '


def test_a_run_without_an_agent_has_a_transcript_without_turns() -> None:
    """A workflow's rows are no conversation."""
    told = transcript.transcript(rows(("read", "g0.find", {"tool": "mail.search", "args": {}, "result": {}})), [])

    assert told["agent"] is None
    assert told["turns"] == []


# ---- where an agent stands ---------------------------------------------------------------------------------------------
def node(state: str, *, waiting_on: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    return {
        "item_id": "item_1",
        "parent": None,
        "request": "look",
        "state": state,
        "waiting_on": list(waiting_on),
        "priority": 100,
        "why_here": "First.",
        "run_id": "run_1",
        "route": "agent",
        "agent": "slots",
        "agents": [],
        "effects": [],
        "text": None,
        "error": None,
        "budget": {},
        **more,
    }


def scene(one: dict[str, Any], log: list[dict[str, Any]], effects: tuple[dict[str, Any], ...] = ()) -> Scene:
    made = Scene()
    made.take({"item": {**one, "effects": list(effects)}, "rows": {"run_1": log}})
    return made


TURN = ("reply", "t1", said("Looking.", "calendar_list_events"))
READ = ("read", "t1.0", {"tool": "calendar.list_events", "args": {}, "result": {}})
SENDS = ("reply", "t2", said("", "mail_send"))


@pytest.mark.parametrize(
    ("one", "log", "effects", "expected"),
    [
        (node("ready"), rows(OPEN), (), "ready"),
        (node("running"), rows(OPEN), (), "thinking (turn 1)"),
        (node("running"), rows(OPEN, TURN), (), "calendar.list_events"),  # asked for and not answered yet
        (node("running"), rows(OPEN, TURN, READ), (), "thinking (turn 2)"),
        (
            node("waiting", waiting_on=("approval",)),
            rows(OPEN, TURN, READ, SENDS),
            (effect("t2.0", "intended"),),
            "waits for an approval: mail.send",
        ),
        (node("waiting", waiting_on=("child",)), rows(OPEN), (), "waits for its tasks"),
        (node("waiting", waiting_on=("child", "answer")), rows(OPEN), (), "waits for an answer"),
        (node("over_budget"), rows(OPEN), (), "over budget"),
    ],
)
def test_an_agent_says_what_it_is_at(
    one: dict[str, Any], log: list[dict[str, Any]], effects: tuple[dict[str, Any], ...], expected: str
) -> None:
    """Thinking, calling, waiting and for what, or how it ended."""
    assert scene(one, log, effects).step(one) == expected


def test_a_scene_tells_what_is_new_and_only_once() -> None:
    """Rows become lines as they come; a look without news is silent; `seen` asks for no row twice."""
    made = Scene()
    first = made.take({"item": node("running"), "rows": {"run_1": rows(OPEN, TURN)}})
    again = made.take({"item": node("running"), "rows": {"run_1": []}})
    later = made.take({"item": node("done"), "rows": {"run_1": []}})

    assert first == [
        "slots · begins: openai:m, 2 tools, 1 facts recalled",
        "slots · turn 1: Looking. → calendar_list_events (110 tokens)",
    ]
    assert again == []
    assert later == ["slots · done"]
    assert made.seen == {"run_1": 2}


# ---- through the front door --------------------------------------------------------------------------------------------
def played(house: House, model: Puppet) -> House:
    """The house, its model set."""
    house.environment |= {
        "DEPUTY_MODEL": "openai:puppet",
        "DEPUTY_MODEL_BASE_URL": model.url,
        "DEPUTY_MODEL_STREAM": "false",
    }
    return house


def looks(asked: Asked) -> Says:
    """A supervisor with one task agent, which reads once."""
    if asked.is_supervisor:
        if asked.turn == 0:
            goal = {"name": "looker", "goal": "look at the week", "instructions": "You look.", "priority": 40}
            return Call("agent_delegate", {**goal, "tools": ["calendar.list_events"], "budget": {"model_calls": 5}})
        return Call("worklist_wait", {"until": "all"}) if asked.turn == 1 else finish("A busy week.")
    return Call("calendar_list_events", WEEK) if asked.turn == 0 else finish("Eleven events.")


@pytest.fixture
def worked(house: House) -> Iterator[tuple[House, dict[str, Any], str]]:
    """A request that a supervisor and its task agent have answered: the house, the document, what stderr told meanwhile."""
    with puppet(looks) as model:
        ran = played(house, model).run("ask", ODD, "--budget", "calls=20,usd=1", "--json")
        assert ran.code == 0, ran.out + ran.err + house.worker_log()
        yield house, ran.json, ran.err
        house.rest()


def test_a_follower_without_a_terminal_is_told_each_step_on_stderr(worked: tuple[House, dict[str, Any], str]) -> None:
    """stdout holds one document; stderr says who began, what each turn called, what waits and how each ended."""
    _, document, err = worked

    assert document["text"] == "A busy week."
    lines = err.splitlines()
    assert any(line.startswith("supervisor · turn 1: agent_delegate") for line in lines), err
    assert any(line.startswith("looker · turn 1: calendar_list_events") for line in lines), err
    assert "looker · done" in lines
    assert "supervisor · done" in lines


def test_a_run_is_shown_turn_by_turn(worked: tuple[House, dict[str, Any], str]) -> None:
    """Prompt, tools, every turn with its calls and what came back, and totals; one turn whole by its number."""
    house, document, _ = worked

    shown = house.json("run", "show", document["item_id"])
    told = house.run("run", "show", document["run_id"])
    whole = house.run("run", "show", document["run_id"], "--prompts")
    turn = house.json("run", "show", document["run_id"], "--step", "1")
    missing = house.run("run", "show", document["run_id"], "--step", "9", "--json")

    talk = shown["transcript"]
    assert talk["agent"]["name"] == "supervisor"
    assert [call["tool"] for one in talk["turns"] for call in one["calls"]] == [
        "agent.delegate",
        "worklist.wait",
        "finish",
    ]
    assert talk["totals"]["model_calls"] == 3
    assert {"steps", "effects", "route"} <= set(shown)
    assert "turn 1" in told.out
    assert "agent.delegate" in told.out
    assert talk["prompt"]["text"].splitlines()[0] in whole.out
    assert turn["calls"][0]["arguments"]["name"] == "looker"
    assert (missing.code, missing.error["fix"]) == (7, "it has: 1, 2, 3")


def test_children_stand_under_their_parents_with_agent_and_budget(worked: tuple[House, dict[str, Any], str]) -> None:
    """`work ls` indents them and says why each stands where; `work show` names the agents and what the tree may use."""
    house, document, _ = worked

    listed = house.run("work", "ls", "--all").out.splitlines()
    shown = house.run("work", "show", document["item_id"]).out
    again = house.json("work", "show", document["item_id"])

    places = [place for place, line in enumerate(listed) if ODD[:30] in line or "└ look at the week" in line]
    assert len(places) == 2
    assert places[0] < places[1]
    assert "looker  done" in shown
    assert "priority 40" in shown
    assert "2 of 5 model calls" in shown
    assert "5 of 20 model calls" in shown
    assert "╭─ answer" in shown
    assert again["budget"]["model_calls"] == {"most": 20, "used": 5}


def test_a_plan_comes_first_and_is_shown(house: House) -> None:
    """With --plan the first turn calls nothing; its text stands at the agent and opens the transcript."""

    def script(asked: Asked) -> Says:
        return "First look, then tell." if asked.turn == 0 else finish("Told.")

    with puppet(script) as model:
        ran = played(house, model).run("ask", ODD, "--plan")
        house.rest()
    item_id = house.json("work", "ls", "--all")["items"][0]["item_id"]

    assert ran.code == 0, ran.out + ran.err + house.worker_log()
    assert "plan First look, then tell." in ran.out
    turns = house.json("run", "show", item_id)["transcript"]["turns"]
    assert [(turn["turn"], turn["text"]) for turn in turns] == [("plan", "First look, then tell."), ("t1", "")]


def test_a_trace_holds_the_model_calls_of_the_whole_tree(worked: tuple[House, dict[str, Any], str]) -> None:
    """One waterfall: the supervisor's and the task agent's model calls and tool calls."""
    house, document, _ = worked

    names = [span["name"] for span in house.json("run", "trace", document["item_id"])["spans"]]

    assert names.count("chat puppet") == 5
    assert "execute_tool calendar.list_events" in names


def test_yes_approves_what_is_asked_three_levels_deep(house: House) -> None:
    """A card of an agent's agent's agent is approved by the owner who said --yes, and the mail leaves once."""
    (house.home / "agents").mkdir()
    (house.home / "agents" / "lead.md").write_text(LEAD)

    def script(asked: Asked) -> Says:
        if "agent_delegate" not in asked.tools:
            mail = {"to": ["dana.ruiz@brightwater.example"], "subject": "Hello", "body": "Hello Dana"}
            return Call("mail_send", mail) if asked.turn == 0 else finish("sent")
        if asked.turn > 0:
            return Call("worklist_wait", {"until": "all"}) if asked.turn == 1 else finish("Dana was greeted.")
        if asked.told == GREET:
            return Call("agent_delegate", {"name": "first", "goal": "have Dana Ruiz greeted", "agent": "lead"})
        own = {"instructions": "You send one mail.", "tools": ["mail.send"]}
        return Call("agent_delegate", {"name": "second", "goal": "greet Dana Ruiz by mail", **own})

    with puppet(script) as model:
        ran = played(house, model).run("ask", GREET, "--yes", "--json")
        house.rest()

    assert ran.code == 0, ran.out + ran.err + house.worker_log()
    document = ran.json
    assert document["state"] == "done"
    assert "approved by" in ran.err, ran.err
    sent = [effect for effect in document["effects"] if effect["tool"] == "mail.send"]
    assert [effect["state"] for effect in sent] == ["done"]
    assert sent[0]["item_id"] != document["item_id"]
    assert sent[0]["item_id"] not in document["children"]
    assert len(house.world()["mails"]) == 1


def test_what_was_recalled_of_a_person_is_read_by_that_person_alone(house: House) -> None:
    """On Dana's own transcript her fact stands; the owner, who may see the run, does not learn it from prompt, facts or steps."""
    secret = "This busy week I am at interviews"
    house.json("memory", "add", secret, "--as", "Dana Ruiz")
    with puppet(lambda asked: finish("Noted.")) as model:
        ran = played(house, model).run("ask", ODD, "--as", "Dana Ruiz", "--json")
        house.rest()
    run = ran.json["run_id"]

    dana = house.run("run", "show", run, "--prompts", "--as", "Dana Ruiz")
    owner = [house.run("run", "show", run, *more) for more in ((), ("--prompts",), ("--json",))]
    owner.append(house.run("run", "watch", run, "--json"))

    assert ran.code == 0, ran.out + house.worker_log()
    assert dana.out.count(secret) == 2  # among the recalled facts, and in the prompt
    for seen in owner:
        assert seen.code == 0
        assert secret not in seen.out + seen.err


def test_over_budget_ends_with_ten_and_what_was_done(house: House) -> None:
    """A limit that does not suffice ends the item; what it had is told apart from an answer."""
    with puppet(lambda asked: Call("calendar_list_events", WEEK)) as model:
        ran = played(house, model).run("ask", ODD, "--agent", "calendar", "--budget", "calls=1")
        house.rest()

    assert ran.code == 10, ran.out + ran.err
    assert "over budget" in ran.out
    assert "1 of 1 model calls" in ran.out


def test_a_model_that_nobody_answers_for_is_exit_six(house: House) -> None:
    """Unreachable after all retries: exit code 6, the error says which endpoint."""
    house.environment |= {
        "DEPUTY_MODEL": "openai:puppet",
        "DEPUTY_MODEL_BASE_URL": "http://127.0.0.1:9/v1",
        "DEPUTY_MODEL_RETRIES": "0",
    }
    ran = house.run("ask", ODD, "--json")
    probed = house.run("doctor", "--probe", "--json")
    offline = house.run("doctor", "--json")

    assert ran.code == 6, ran.out
    assert ran.json["error"]["code"] == "model_unreachable"
    assert probed.code == 1
    assert "cannot be reached" in next(c["detail"] for c in probed.json["checks"] if c["check"] == "model")
    assert offline.code == 0


def test_a_terminal_shows_the_tree_at_work_and_then_the_answer(house: House) -> None:
    """The live tree names supervisor and task agent and what each is at; the answer stands in a frame of its own."""
    shown = {words: threading.Event() for words in ("thinking (turn 1)", "waits for its tasks")}

    def slowly(asked: Asked) -> Says:
        """As `looks`, but thinks until the terminal has shown that it does."""
        if asked.turn == 0:
            shown["thinking (turn 1)" if asked.is_supervisor else "waits for its tasks"].wait(TIMEOUT_S)
        return looks(asked)

    with puppet(slowly) as model:
        own = {name: value for name, value in os.environ.items() if not name.startswith("DEPUTY_")}
        own |= {"DEPUTY_HOME": str(house.home), "NO_COLOR": "1", "TERM": "xterm", "COLUMNS": "120", "LINES": "50"}
        played(house, model)
        command = [sys.executable, "-m", "orchestrator.surfaces.cli.main", "ask", ODD]
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(house.folder)
            os.execve(sys.executable, command, own | house.environment)
        text = _read_until_end(terminal, shown)
        _, status = os.waitpid(pid, 0)
        house.rest()

    assert os.waitstatus_to_exitcode(status) == 0, text
    assert all(event.is_set() for event in shown.values()), text
    assert "looker" in text
    assert "╭─ answer" in text
    assert "A busy week." in text


def _read_until_end(terminal: int, awaited: dict[str, threading.Event]) -> str:
    """Everything the terminal shows until its program ends; sets the event of each text once it has been shown."""
    text, end = "", time.monotonic() + TIMEOUT_S
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            part = os.read(terminal, 65536)
        except OSError:
            break
        if not part:
            break
        text += decoder.decode(part)
        for words, event in awaited.items():
            if words in text:
                event.set()
    os.close(terminal)
    return text
