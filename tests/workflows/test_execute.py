"""The scheduler: order, holding, parking, replay, re-planning, refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import orchestrator.workflows
from connectors.spec import Json
from orchestrator.domain.outcome import Done, Ended, Parked, Replan, RunOutcome
from orchestrator.workflows.definition import SlotType, Workflow
from orchestrator.workflows.execute import run
from orchestrator.workflows.parse import load, loads
from orchestrator.workflows.values import Choice, SlotValue
from tests.workflows.world import DANA, MemoryJournal, ScriptedHost

LIBRARY = Path(orchestrator.workflows.__file__).parent / "library"
EFFECTS = frozenset({"calendar.create_event", "mail.reply", "mail.send"})
MAIL = {"message_id": "msg_1", "thread_id": "thr_1", "subject": "Re: Q4 budget", "from": DANA.address}
SLOT = {"start": "2026-11-23T10:00:00+00:00", "end": "2026-11-23T10:30:00+00:00", "room": None}


def person(name: str = "person", value: str | None = "Dana Ruiz") -> SlotValue:
    return SlotValue(
        name=name, type=SlotType.PERSON, value=value, source="directory", refs=(DANA.address,), text="Dana"
    )


CALL_SLOTS = [
    person(),
    SlotValue(name="minutes", type=SlotType.MINUTES, value=30, source="request", text="30 minute"),
    SlotValue(
        name="window",
        type=SlotType.DATE_RANGE,
        value={"start": "2026-11-20T09:00:00+00:00", "end": "2026-11-28T00:00:00+00:00"},
        source="computed",
    ),
]


def make_host(**more: Any) -> ScriptedHost:
    tools: dict[str, Any] = {
        "mail.search": lambda args: {"messages": [MAIL], "next": None},
        "calendar.find_slots": lambda args: {"slots": [SLOT], "considered": {}, "unknown": []},
        "calendar.create_event": lambda args: {"event_id": "evt_1", **args},
        "mail.reply": lambda args: {"message_id": "msg_2", "thread_id": "thr_1", "to": [], "cc": []},
        "mail.send": lambda args: {"message_id": "msg_9", "thread_id": f"thr_{args['subject']}"},
    }
    return ScriptedHost(tools=tools | more.pop("tools", {}), effects=EFFECTS, **more)


def advance(
    workflow: Workflow, host: ScriptedHost, journal: MemoryJournal, slots: Any = (), generation: int = 0
) -> RunOutcome:
    return asyncio.run(run(workflow, slots, host, journal, generation=generation))


@pytest.fixture
def call_workflow() -> Workflow:
    return load(LIBRARY / "schedule-call-from-mail.yaml").workflow


def make_workflow(
    steps: str, *, grant: str = "[]", slots: str = "{}", text: str = "ok", output: str = "{}"
) -> Workflow:
    head = f"name: made\nversion: 1.0.0\ntitle: t\ndescription: d\nexamples: [do it]\ngrant: {grant}\nslots: {slots}\n"
    return loads(f"{head}text: {text!r}\noutput: {output}\nsteps:\n{steps}").workflow


def test_all_cards_show_before_anything_is_sent(call_workflow: Workflow) -> None:
    """Invitation and answer are both prepared before either goes out, and go out in their order."""
    host = make_host()

    outcome = advance(call_workflow, host, MemoryJournal(), CALL_SLOTS)

    assert isinstance(outcome, Done)
    assert sorted(host.log[:2]) == ["read g0.mail", "read g0.time"]
    assert sorted(host.log[2:4]) == ["hold g0.invite", "hold g0.reply"]
    assert host.log[4:] == ["send g0.invite", "send g0.reply"]
    assert outcome.output["event_id"] == "evt_1"
    assert "Monday 23 November, 10:00–10:30 (Lisbon time)" in outcome.text


def test_the_answer_names_the_time_in_her_own_zone(call_workflow: Workflow) -> None:
    """A person in Madrid reads Madrid time, whatever the requester's zone."""
    host = make_host()

    advance(call_workflow, host, MemoryJournal(), CALL_SLOTS)

    assert "11:00–11:30 (Madrid time)" in host.args["g0.reply"]["body"]
    assert host.args["g0.invite"]["title"] == "Call: Q4 budget"


def test_a_waiting_effect_parks_and_replays_without_reading_again(call_workflow: Workflow) -> None:
    """After a restart the reads come from the journal, and the effects are met by their call ids."""
    host, journal = make_host(verdicts={"calendar.create_event": "wait", "mail.reply": "wait"}), MemoryJournal()

    assert isinstance(advance(call_workflow, host, journal, CALL_SLOTS), Parked)
    assert not [line for line in host.log if line.startswith("send")]
    host.log.clear()
    host.verdicts.clear()
    outcome = advance(call_workflow, host, journal, CALL_SLOTS)

    assert isinstance(outcome, Done)
    assert not [line for line in host.log if line.startswith("read")]
    assert host.log[-2:] == ["send g0.invite", "send g0.reply"]


def test_an_approved_effect_goes_while_the_next_still_waits(call_workflow: Workflow) -> None:
    """Approving the invitation sends it; the answer stays until it is approved itself."""
    host = make_host(verdicts={"mail.reply": "wait"})

    assert isinstance(advance(call_workflow, host, MemoryJournal(), CALL_SLOTS), Parked)
    assert [line for line in host.log if line.startswith("send")] == ["send g0.invite"]


def test_a_refusal_comes_before_the_first_send(call_workflow: Workflow) -> None:
    """When the answer is denied, the invitation is not sent either."""
    host = make_host(verdicts={"mail.reply": "refuse"})

    outcome = advance(call_workflow, host, MemoryJournal(), CALL_SLOTS)

    assert isinstance(outcome, Ended)
    assert (outcome.state, outcome.code) == ("denied", "approval_denied")
    assert not [line for line in host.log if line.startswith("send")]


def test_a_broken_precondition_asks_for_a_new_plan(call_workflow: Workflow) -> None:
    """Nothing is sent, and the run says why it has to start its next generation."""
    host = make_host(verdicts={"calendar.create_event": "break"})

    assert advance(call_workflow, host, MemoryJournal(), CALL_SLOTS) == Replan(reason="the time is taken")


def test_a_new_generation_keeps_what_is_done_and_what_it_was_computed_from(call_workflow: Workflow) -> None:
    """With the invitation out, the next plan keeps its time in the answer although the calendar now offers another."""
    host, journal = make_host(verdicts={"mail.reply": "break"}), MemoryJournal()
    assert isinstance(advance(call_workflow, host, journal, CALL_SLOTS), Replan)
    host.verdicts.clear()
    host.tools = {
        **host.tools,
        "calendar.find_slots": lambda args: {"slots": [{**SLOT, "start": "2026-11-24T15:00:00+00:00"}]},
    }

    outcome = advance(call_workflow, host, journal, CALL_SLOTS, generation=1)

    assert isinstance(outcome, Done)
    assert "send g1.invite" not in host.log
    assert "11:00–11:30" in host.args["g1.reply"]["body"]


def test_a_new_generation_looks_again_where_nothing_was_done(call_workflow: Workflow) -> None:
    """A slot that was taken is replaced by what the calendar offers now."""
    host, journal = make_host(verdicts={"calendar.create_event": "break"}), MemoryJournal()
    assert isinstance(advance(call_workflow, host, journal, CALL_SLOTS), Replan)
    host.verdicts.clear()
    later: dict[str, Json] = {"start": "2026-11-24T15:00:00+00:00", "end": "2026-11-24T15:30:00+00:00"}
    host.tools = {**host.tools, "calendar.find_slots": lambda args: {"slots": [later]}}

    outcome = advance(call_workflow, host, journal, CALL_SLOTS, generation=1)

    assert isinstance(outcome, Done)
    assert outcome.output["start"] == later["start"]


def test_nothing_found_ends_with_the_steps_own_words(call_workflow: Workflow) -> None:
    """Without a mail from her there is no call, and the text says so."""
    host = make_host(tools={"mail.search": lambda args: {"messages": [], "next": None}})

    outcome = advance(call_workflow, host, MemoryJournal(), CALL_SLOTS)

    assert isinstance(outcome, Ended)
    assert (outcome.state, outcome.code) == ("failed", "nothing_found")
    assert "ask again" in outcome.fix
    assert "Dana Ruiz" in outcome.message


def test_an_unreachable_provider_is_named_as_such(call_workflow: Workflow) -> None:
    """The engine can tell a provider that is away from one that refuses."""
    outcome = advance(call_workflow, make_host(verdicts={"mail.search": "fail"}), MemoryJournal(), CALL_SLOTS)

    assert isinstance(outcome, Ended)
    assert (outcome.state, outcome.code) == ("failed", "unreachable")


def test_an_ambiguous_person_is_asked_and_the_answer_outlives_a_replan(call_workflow: Workflow) -> None:
    """Two Danas make a question with choices; its answer is asked for once."""
    choices = (
        Choice(label="Dana Ruiz (Marketing)", value="Dana Ruiz", refs=(DANA.address,)),
        Choice(label="Dana Stone (Legal)", value="Dana Stone", refs=("dana.stone@northwind.example",)),
    )
    open_slot = SlotValue(
        name="person",
        type=SlotType.PERSON,
        value=None,
        source="directory",
        text="Dana",
        choices=choices,
        ask="Which Dana do you mean?",
    )
    host, journal = make_host(), MemoryJournal()

    assert isinstance(advance(call_workflow, host, journal, [open_slot, *CALL_SLOTS[1:]]), Parked)
    assert host.questions == [("slot.person", "Which Dana do you mean?", tuple(choice.label for choice in choices))]
    assert host.log == []
    host.answers["slot.person"] = "Dana Ruiz (Marketing)"
    assert isinstance(advance(call_workflow, host, journal, [open_slot, *CALL_SLOTS[1:]]), Done)
    host.answers.clear()
    advance(call_workflow, host, journal, [open_slot, *CALL_SLOTS[1:]], generation=1)

    assert len(host.questions) == 2
    assert host.args["g0.mail"]["from"] == DANA.address


LOOP = """
  - id: rows
    call: mail.search
    args: {}
    select: {from: messages, take: all}
  - id: chase
    call: mail.send
    each: rows
    as: row
    key: row.thread_id
    args: {to: ["{{ row.to }}"], subject: "{{ row.subject }}", body: hello}
"""
GRANT = "[{effect: send, noun: email, tools: [mail.send], quota: 9}]"
ROWS = [{"thread_id": f"thr_{letter}", "subject": letter, "to": f"{letter}@x.example"} for letter in "abc"]


def loop_host(rows: list[dict[str, str]] = ROWS, **more: Any) -> ScriptedHost:
    return make_host(tools={"mail.search": lambda args: {"messages": rows, "next": None}}, **more)


def test_a_loop_names_each_turn_by_its_record() -> None:
    """Call ids hold the thread, not a position, so that a changed list cannot mix up two effects."""
    host = loop_host()
    outcome = advance(make_workflow(LOOP, grant=GRANT, text="{{ chase | plural('mail') }}"), host, MemoryJournal())

    assert isinstance(outcome, Done)
    assert outcome.text == "3 mails"
    assert set(host.done) == {"g0.chase[thr_a]", "g0.chase[thr_b]", "g0.chase[thr_c]"}


def test_one_denied_turn_leaves_the_others_alone() -> None:
    """Two of three follow-ups go out; the run ends as denied and says so."""
    host = loop_host(verdicts={"g0.chase[thr_b]": "refuse"})

    outcome = advance(make_workflow(LOOP, grant=GRANT), host, MemoryJournal())

    assert isinstance(outcome, Ended)
    assert outcome.code == "approval_denied"
    assert set(host.done) == {"g0.chase[thr_a]", "g0.chase[thr_c]"}


def test_a_new_generation_of_a_loop_reads_its_list_again_and_repeats_nothing() -> None:
    """A thread that was answered meanwhile is dropped, one already chased is counted and not sent twice."""
    host, journal = loop_host(verdicts={"g0.chase[thr_b]": "break"}), MemoryJournal()
    workflow = make_workflow(LOOP, grant=GRANT, text="{{ chase | plural('mail') }}")
    assert isinstance(advance(workflow, host, journal), Replan)
    host.tools = {**host.tools, "mail.search": lambda args: {"messages": [], "next": None}}
    host.log.clear()

    outcome = advance(workflow, host, journal, generation=1)

    assert isinstance(outcome, Done)
    assert outcome.text == "2 mails"
    assert host.log == ["read g1.rows"]


def test_pages_are_read_to_the_end_and_joined() -> None:
    """A list step follows its cursor as far as `pages` allows."""
    pages: dict[str | None, Mapping[str, Any]] = {
        None: {"messages": [1, 2], "next": "c2"},
        "c2": {"messages": [3], "next": None},
    }
    host = make_host(tools={"mail.search": lambda args: pages[args.get("cursor")]})
    steps = "  - id: rows\n    call: mail.search\n    args: {}\n    pages: 5\n    select: {from: messages}\n"

    outcome = advance(make_workflow(steps, output='{all: "{{ rows }}"}'), host, MemoryJournal())

    assert isinstance(outcome, Done)
    assert outcome.output == {"all": [1, 2, 3]}


def test_only_one_of_several_is_a_question_never_the_first() -> None:
    """`take: only` over two records asks with a choice for each, and goes on with the one that is named."""
    events: list[dict[str, Json]] = [{"id": "evt_1", "title": "Budget A"}, {"id": "evt_2", "title": "Budget B"}]
    steps = (
        "  - id: event\n    call: mail.search\n    args: {}\n"
        "    select: {from: messages, take: only, ask: Which meeting?, label: '{{ row.title }}'}\n"
    )
    host = make_host(tools={"mail.search": lambda args: {"messages": list[Json](events)}})
    workflow, journal = make_workflow(steps, output='{id: "{{ event.id }}"}'), MemoryJournal()

    assert isinstance(advance(workflow, host, journal), Parked)
    assert host.questions == [("g0.event.choice", "Which meeting?", ("Budget A", "Budget B"))]
    host.answers["g0.event.choice"] = "Budget B"
    outcome = advance(workflow, host, journal)

    assert isinstance(outcome, Done)
    assert outcome.output == {"id": "evt_2"}


def test_a_false_guard_skips_a_step_and_its_value_is_none() -> None:
    """`when` decides; the text can tell."""
    steps = "  - id: maybe\n    when: 1 > 2\n    call: mail.search\n    args: {}\n"
    host = make_host()

    outcome = advance(make_workflow(steps, text="{{ 'skipped' if maybe is none else 'ran' }}"), host, MemoryJournal())

    assert isinstance(outcome, Done)
    assert outcome.text == "skipped"
    assert host.log == []


def test_an_expression_over_something_absent_fails_in_words() -> None:
    """A wrong field name ends the run with its expression, never with an empty argument."""
    steps = '  - id: a\n    call: mail.search\n    args: {query: "{{ nothing.here }}"}\n'

    outcome = advance(make_workflow(steps), make_host(), MemoryJournal())

    assert isinstance(outcome, Ended)
    assert outcome.code == "bad_expression"
    assert "nothing.here" in outcome.message


def test_steps_in_a_circle_are_reported() -> None:
    """Two steps after each other end the run instead of hanging it."""
    steps = "  - {id: a, value: 1, after: [b]}\n  - {id: b, value: 2, after: [a]}\n"

    outcome = advance(make_workflow(steps), make_host(), MemoryJournal())

    assert isinstance(outcome, Ended)
    assert outcome.code == "bad_workflow"


def test_a_text_from_outside_is_never_read_as_a_template() -> None:
    """A subject that holds braces stays a subject."""
    host = make_host(tools={"mail.search": lambda args: {"messages": [{"subject": "{{ me.address }}"}]}})
    steps = (
        '  - id: rows\n    call: mail.search\n    args: {}\n  - id: copy\n    value: "{{ rows.messages[0].subject }}"\n'
    )

    outcome = advance(make_workflow(steps, text="{{ copy }}"), host, MemoryJournal())

    assert isinstance(outcome, Done)
    assert outcome.text == "{{ me.address }}"
