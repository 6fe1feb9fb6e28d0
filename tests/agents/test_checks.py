"""Checks of a result against what really happened, and the judge: what it is shown and what its answer means."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from connectors.spec import Json
from orchestrator.agents import checks, prompts
from orchestrator.agents.checks import CheckFacts
from orchestrator.agents.verdict import MOST_BYTES, judge_messages, parse_verdict
from orchestrator.errors import UsageError

NOW = datetime(2026, 3, 4, 9, 0, tzinfo=UTC)
EVENT = "evt_7k2m9q4x1c"
MAIL = "msg_a1b2c3d4e5_s0"


def make_facts(**changes: Any) -> CheckFacts:
    facts: dict[str, Any] = {
        "request": "Book with dana@northwind.example",
        "goal": "Book it",
        "now": NOW,
        "zone": "UTC",
    }
    return CheckFacts(**{**facts, **changes})


def effect(
    tool: str, args: Mapping[str, Any] | None = None, result: Json = None, state: str = "done"
) -> dict[str, Any]:
    return {"tool": tool, "args": dict(args or {}), "state": state, "result": result}


def read(result: Json, tool: str = "mail.search") -> dict[str, Any]:
    return {"tool": tool, "args": {"words": "invented@nowhere.example evt_invented1"}, "result": result}


def child(state: str | None, output: Json = None, item_id: str = "item_00000000c1") -> dict[str, Any]:
    return {"item_id": item_id, "state": state, "output": output}


SENT = effect("mail.send", {"to": ["dana@northwind.example"], "subject": "Hi"}, {"message_id": MAIL})
BOOKED = effect(
    "calendar.create_event", {"attendees": ["dana@northwind.example", "omar@northwind.example"]}, {"event_id": EVENT}
)


def table(name: str, rows: Sequence[tuple[Json, dict[str, Any], str | None]]) -> pytest.MarkDecorator:
    """Rows (result, facts, words of the problem; None: passes) of one check, as parameters."""
    return pytest.mark.parametrize(
        ("name", "result", "facts", "says"),
        [pytest.param(name, *row, id=f"{name}-{number}") for number, row in enumerate(rows)],
    )


def judge(name: str, result: Json, facts: dict[str, Any], says: str | None) -> None:
    problems = checks.run([name], result, make_facts(**facts))

    if says is None:
        assert problems == []
    else:
        assert problems and says in problems[0]
        assert problems[0].endswith(".")


@table(
    "not_empty",
    [
        ({"a": "x"}, {}, None),
        ({"a": {"b": [False]}}, {}, None),  # no is an answer
        ({"count": 0}, {}, None),
        ({}, {}, "empty"),
        ({"a": [], "b": {"c": "  "}}, {}, "empty"),
        (None, {}, "empty"),
    ],
)
def test_a_result_says_something(name: str, result: Json, facts: dict[str, Any], says: str | None) -> None:
    """Empty lists and blanks are nothing; zero and false are something."""
    judge(name, result, facts, says)


@table(
    "no_open_children",
    [
        ({}, {}, None),
        ({}, {"children": [child("done"), child("failed"), child("cancelled"), child("over_budget")]}, None),
        ({}, {"children": [child("done"), child("waiting", item_id="item_w")]}, "item_w"),
        ({}, {"children": [child("running")]}, "Wait for them, or cancel them"),
        ({}, {"children": [child(None)]}, "not ended"),
        ({}, {"children": [child("a state nobody knows")]}, "not ended"),  # in doubt it is open
    ],
)
def test_no_task_is_left_running(name: str, result: Json, facts: dict[str, Any], says: str | None) -> None:
    """Only an ended task counts as ended."""
    judge(name, result, facts, says)


@table(
    "names_only_real_ids",
    [
        ({"event_id": EVENT}, {"reads": [read({"events": [{"event_id": EVENT}]})]}, None),
        ({"event_id": EVENT}, {"effects": [BOOKED]}, None),
        ({"note": f"booked as {EVENT}."}, {"effects": [BOOKED]}, None),
        ({"ids": [EVENT]}, {"request": f"cancel {EVENT}"}, None),
        ({"event_id": EVENT}, {"packet": {"context": f"the event is {EVENT}"}}, None),
        ({"task": "item_00000000c1"}, {"children": [child("done")]}, None),
        ({"source_id": "Dana@Northwind.example"}, {}, None),  # a person's id is an address
        ({"paid": "x1", "kids": ["y"], "text": "well-known words_here"}, {}, None),  # no ids
        ({"event_id": EVENT}, {}, "Look it up"),
        ({"event_id": EVENT}, {"effects": [{**BOOKED, "state": "failed"}]}, EVENT),  # never came about
        ({"note": f"see {MAIL}"}, {"reads": [read("other")]}, MAIL),
        ({"thread_ids": ["17"]}, {"reads": [read("171")]}, "'17'"),  # part of another is not it
        ({"event_id": "evt_invented1"}, {"reads": [read("nothing")]}, "evt_invented1"),  # own arguments are no evidence
    ],
)
def test_ids_come_from_somewhere(name: str, result: Json, facts: dict[str, Any], says: str | None) -> None:
    """An id that nothing returned was made up."""
    judge(name, result, facts, says)


@table(
    "addresses_are_known",
    [
        ({"to": "dana@northwind.example"}, {}, None),
        ({"text": "I wrote to DANA@northwind.example."}, {}, None),  # case does not matter
        ({"to": "li@elsewhere.example"}, {"reads": [read({"from": "Li <li@elsewhere.example>"})]}, None),
        ({"to": "li@elsewhere.example"}, {"reads": [read("from Li@Elsewhere.example")]}, None),
        ({"to": "li@elsewhere.example"}, {"children": [child("done", {"from": "li@elsewhere.example"})]}, None),
        ({"to": "dana@northwind.example.evil.example"}, {}, "dana@northwind.example.evil.example"),
        ({"to": "xdana@northwind.example"}, {}, "xdana"),
        ({"to": ["invented@nowhere.example"]}, {"reads": [read("nothing")]}, "Look the person up"),
    ],
)
def test_addresses_come_from_somewhere(name: str, result: Json, facts: dict[str, Any], says: str | None) -> None:
    """An address that was neither given nor read was made up, however much it looks like another."""
    judge(name, result, facts, says)


@table(
    "times_have_offset",
    [
        ({"start": "2026-03-05T10:00+01:00", "end": "2026-03-05T11:00:00Z", "day": "2026-03-05"}, {}, None),
        ({"text": "at 2026-03-05 10:00 (Europe/Vienna)"}, {}, None),
        ({"start": "2026-03-05T10:00:00"}, {}, "no offset"),
        ({"text": "on 2026-03-05 10:00 sharp"}, {}, "2026-03-05 10:00"),
    ],
)
def test_times_say_their_offset(name: str, result: Json, facts: dict[str, Any], says: str | None) -> None:
    """A clock time without offset or zone means nothing to the next reader."""
    judge(name, result, facts, says)


@table(
    "times_are_ahead",
    [
        ({"start": "2026-03-04T10:30:00+01:00"}, {}, None),
        ({"sent_at": "2020-01-01T00:00:00Z", "start": "tomorrow"}, {}, None),  # not a proposal; not an instant
        ({"start": "2026-03-04T09:59:00+01:00"}, {}, "lies in the past"),  # 08:59 UTC
        ({"slots": [{"new_start": "2025-03-05T10:00:00Z"}]}, {}, "2025-03-05"),
    ],
)
def test_proposed_times_are_ahead(name: str, result: Json, facts: dict[str, Any], says: str | None) -> None:
    """Offsets are reckoned with: what matters is the instant."""
    judge(name, result, facts, says)


@table(
    "claims_match_effects",
    [
        ({"sent": True}, {"effects": [SENT]}, None),
        ({"sent": False, "created": 0, "moved": [], "cancelled": None}, {}, None),  # claims nothing
        ({"status": "sent", "to": "dana@northwind.example"}, {"effects": [SENT]}, None),
        ({"events": [{"event_id": EVENT, "status": "created"}]}, {"effects": [BOOKED]}, None),
        ({"invited": 2}, {"effects": [BOOKED]}, None),  # two people, one event
        ({"invited": ["dana@northwind.example", "omar@northwind.example"]}, {"effects": [BOOKED]}, None),
        ({"sent": True}, {"children": [child("done", {"result": {"sent": True}})]}, None),
        ({"sent": "2026-03-01", "created": "2026-03-01T10:00:00Z"}, {}, None),  # facts of a record
        ({"created": True}, {"effects": [effect("crm.log_activity")]}, None),  # a tool whose name tells nothing
        ({"drafted": True}, {"effects": [effect("mail.create_draft")]}, None),
        ({"sent": 3}, {"children": [child("done", {"sent": 3})]}, None),
        ({"to": "li@x.example", "sent": True}, {"children": [child("done", {"sent": True})]}, None),  # names nobody
        (
            {"to": "li@x.example", "sent": True},
            {"effects": [SENT], "children": [child("done", {"to": "li@x.example", "status": "sent"})]},
            None,
        ),
        (
            {"to": "li@x.example", "sent": True},
            {"effects": [SENT], "children": [child("done", {"to": "omar@x.example", "status": "sent"})]},
            "li@x.example",
        ),
        ({"sent": 4}, {"effects": [effect("chat.post_message")], "children": [child("done", {"sent": 2})]}, "3 times"),
        ({"sent": True}, {}, "nothing of that kind was done"),
        ({"sent": True}, {"effects": [{**SENT, "state": "intended"}]}, "nothing of that kind"),  # waits for a person
        ({"sent": True}, {"effects": [{**SENT, "state": "failed"}]}, "nothing of that kind"),
        ({"sent": True}, {"effects": [BOOKED]}, "nothing of that kind"),  # something else was done
        ({"sent": True}, {"effects": [effect("mail.mark_read")]}, "nothing of that kind"),
        ({"replied": True}, {"effects": [effect("mail.set_auto_reply")]}, "nothing of that kind"),
        ({"sent": True}, {"effects": [effect("mail.create_draft")]}, "nothing of that kind"),
        ({"status": "cancelled"}, {"effects": [BOOKED]}, "status: 'cancelled'"),
        ({"created_count": 2}, {"effects": [effect("calendar.create_event")]}, "it was done 1 times"),
        ({"mails": [{"to": "omar@northwind.example", "sent": True}]}, {"effects": [SENT]}, "omar@northwind.example"),
        (
            {"invited": ["dana@northwind.example", "li@northwind.example"]},
            {"effects": [BOOKED]},
            "li@northwind.example",
        ),
        ({"sent": True}, {"children": [child("failed", {"result": {"sent": True}})]}, "nothing of that kind"),
        ({"sent": True}, {"children": [child("done", {"result": {"created": True}})]}, "nothing of that kind"),
    ],
)
def test_what_is_said_to_be_done_was_done(name: str, result: Json, facts: dict[str, Any], says: str | None) -> None:
    """A claim needs a done effect of its kind, for the same person or record, as often as it says."""
    judge(name, result, facts, says)


@table(
    "tells_failures",
    [
        ({"text": "all well"}, {"children": [child("done")], "effects": [SENT]}, None),
        ({"not_done": ["the call"]}, {"children": [child("failed")]}, None),
        ({"report": {"problems": "no room free"}}, {"effects": [{**SENT, "state": "unknown"}]}, None),
        ({"text": "all well"}, {"children": [child("failed")]}, "item_00000000c1"),
        ({"not_done": []}, {"effects": [{**SENT, "state": "failed"}]}, "mail.send"),
        ({"text": "all well"}, {"children": [child("running")]}, None),  # another check's matter
        ({"text": "all well"}, {"effects": [{**SENT, "state": "failed"}, SENT]}, None),  # made good afterwards
        ({"text": "all well"}, {"effects": [SENT, {**SENT, "state": "failed"}]}, "mail.send"),
        (
            {"text": "all well"},
            {"effects": [{**SENT, "state": "unknown"}, SENT]},
            "mail.send",
        ),  # it may have gone twice
    ],
)
def test_failures_are_not_passed_over(name: str, result: Json, facts: dict[str, Any], says: str | None) -> None:
    """What did not succeed is said somewhere a reader looks."""
    judge(name, result, facts, says)


ROWS = {"rows": ["task 1", {"event_id": EVENT, "title": "Review"}, {"name": "Dana Ruiz", "team": "x"}]}


@table(
    "covers:rows",
    [
        ({"a": "did task 1", "b": {"id": EVENT}, "c": "dana ruiz agreed"}, {"packet": ROWS}, None),
        ({}, {"packet": {"rows": []}}, None),
        ({"a": "did task 12", "b": {"id": EVENT}, "c": "Dana Ruiz"}, {"packet": ROWS}, "'task 1'"),
        ({"a": "task 1", "b": "Review", "c": "Dana Ruiz"}, {"packet": ROWS}, EVENT),  # a record is its id
        ({"task 1": 1, "b": EVENT, "c": "Dana Ruiz"}, {"packet": ROWS}, "'task 1'"),  # names of fields say nothing
        ({"a": "x"}, {"packet": {}}, "no list 'rows'"),
    ],
)
def test_every_entry_of_a_list_is_dealt_with(name: str, result: Json, facts: dict[str, Any], says: str | None) -> None:
    """Nothing of a list that was handed over may be missing from the result."""
    judge(name, result, facts, says)


def test_a_nested_list_is_reached_by_its_path() -> None:
    """covers:context.rows looks inside."""
    facts = make_facts(packet={"context": {"rows": ["a1"]}})

    assert checks.run(["covers:context.rows"], {"x": "a1"}, facts) == []
    assert checks.run(["covers:context.rows"], {"x": "b"}, facts)


@pytest.mark.parametrize(
    "text", ["a" * 300_000, "a." * 150_000, "a@" * 150_000, "evt_" * 75_000, "a@" + "b." * 150_000]
)
def test_a_hostile_text_costs_no_more_than_its_length(text: str) -> None:
    """Looking for addresses and ids is linear; were it quadratic, this would not come back within minutes."""
    facts = make_facts(reads=[read(text)])

    problems = checks.run(["names_only_real_ids", "addresses_are_known"], {"note": text}, facts)

    assert len(problems) <= 10
    assert "dana@northwind.example" in facts.known_addresses


# --- the registry -------------------------------------------------------------------------------------------------


def test_checks_run_in_order_and_tell_ten_problems_at_most() -> None:
    """The first check's problems come first; a flood is cut."""
    result: Json = {"to": "x@nowhere.example", "ids": [f"evt_00000{number:03d}" for number in range(30)]}

    problems = checks.run(["addresses_are_known", "names_only_real_ids"], result, make_facts())

    assert "x@nowhere.example" in problems[0]
    assert len(problems) == 10


@pytest.mark.parametrize(
    ("name", "fix"),
    [("not_emty", "did you mean 'not_empty'?"), ("covers", "covers:FIELD"), ("covers:", "covers:FIELD")],
)
def test_an_unknown_check_is_a_usage_error(name: str, fix: str) -> None:
    """A name nobody registered is never taken for passed."""
    with pytest.raises(UsageError) as caught:
        checks.run([name], {"a": 1}, make_facts())

    assert not checks.is_known(name)
    assert fix in caught.value.fix


def failing(result: Json, facts: CheckFacts) -> list[str]:
    raise ValueError("secret content of a mail")


def strict(result: Json, facts: CheckFacts) -> list[str]:
    return [f"Never good enough at {facts.zone}."]


NOT_A_FUNCTION = "x"


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three checks of a third party's package, as its metadata would have them."""
    points = {
        name: EntryPoint(name=name, value=f"{__name__}:{target}", group=checks.ENTRY_POINT_GROUP)
        for name, target in (
            ("failing", "failing"),
            ("strict", "strict"),
            ("broken", "nothing"),
            ("wrong", "NOT_A_FUNCTION"),
        )
    }
    monkeypatch.setattr(checks, "_registered", lambda: points)
    checks._loaded.cache_clear()


@pytest.mark.usefixtures("registered")
def test_third_parties_register_checks_of_their_own() -> None:
    """They are listed without being loaded, and run like ours."""
    assert checks.is_known("strict")
    assert "broken" in checks.names()
    assert checks.run(["strict"], {}, make_facts()) == ["Never good enough at UTC."]


@pytest.mark.usefixtures("registered")
def test_a_check_that_fails_itself_accepts_nothing_and_tells_no_contents() -> None:
    """The door stays closed; what the error said, which may quote a mail, is not passed on."""
    (problem,) = checks.run(["failing"], {"a": 1}, make_facts())

    assert "failing" in problem and "ValueError" in problem
    assert "secret" not in problem


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("name", ["broken", "wrong"])
def test_a_check_that_cannot_be_loaded_is_a_usage_error(name: str) -> None:
    """A package that promises a check it has not is named."""
    with pytest.raises(UsageError, match=name):
        checks.run([name], {}, make_facts())


# --- the judge ----------------------------------------------------------------------------------------------------


def test_the_judge_sees_criteria_result_and_what_was_done_as_one_object() -> None:
    """Effects, tasks and reads stand beside the claim, the latest read first."""
    facts = make_facts(effects=[SENT], reads=[read("old"), read("new")], children=[child("done", {"x": 1})])

    system, user = judge_messages(prompts.load("judge").render(), "Polite.", "Book it for Dana", {"sent": True}, facts)
    shown = json.loads(json.loads(user)["content"])

    assert json.loads(system)["role"] == "system"
    assert (shown["criteria"], shown["request"], shown["result"]) == ("Polite.", "Book it for Dana", {"sent": True})
    assert shown["done"] == [SENT]
    assert [one["result"] for one in shown["read"]] == ["new", "old"]
    assert shown["tasks"][0]["output"] == {"x": 1}


def test_what_a_judge_is_shown_is_bounded_and_always_the_same() -> None:
    """Huge reads are cut, what does not fit is counted, and equal facts give equal bytes."""
    facts = make_facts(reads=[read("x" * 50_000) for _ in range(40)])

    messages = judge_messages("p", "c", "r", {}, facts)
    shown = json.loads(json.loads(messages[1])["content"])

    assert sum(map(len, messages)) < MOST_BYTES * 1.2
    assert shown["read_left_out"] + len(shown["read"]) == 40
    assert "[cut: 50002 bytes]" in shown["read"][0]["result"]
    assert messages == judge_messages("p", "c", "r", {}, make_facts(reads=[read("x" * 50_000) for _ in range(40)]))


def test_text_that_utf8_cannot_hold_still_reaches_the_judge() -> None:
    """A lone surrogate in a mail breaks nothing."""
    (_, user) = judge_messages("p", "c", "r", {"text": "\ud800"}, make_facts())

    assert b"ud800" in user


@pytest.mark.parametrize(
    ("answer", "ok", "problems"),
    [
        ('{"ok": true, "problems": []}', True, ()),
        ({"ok": True}, True, ()),  # a tool call's arguments
        ('```json\n{"ok": true, "problems": []}\n```', True, ()),
        (
            'Let me see {not json}. Verdict: {"ok": false, "problems": ["No  date\\n given."]}',
            False,
            ("No date given.",),
        ),
        ({"ok": False, "problems": "Too long."}, False, ("Too long.",)),
        ('{"ok": false, "problems": []}', False, ("The judge refused it and gave no reason.",)),
        ('{"ok": true, "problems": ["Wrong person."]}', False, ("Wrong person.",)),  # a yes with a but
        ('{"ok": true} … {"ok": false, "problems": ["Wrong."]}', False, ("Wrong.",)),  # quoted from the result
        ('{"ok": false, "problems": ["Wrong."]} {"ok": true}', False, ("Wrong.",)),
    ],
)
def test_a_verdict_is_read_in_whatever_form_it_comes(answer: Any, ok: bool, problems: tuple[str, ...]) -> None:
    """Plain, fenced, among words or as arguments; where several disagree it is a no."""
    verdict = parse_verdict(answer)

    assert (verdict.ok, verdict.problems, verdict.is_readable) == (ok, problems, True)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "Looks good to me!",
        "true",
        '{"verdict": "ok"}',
        '{"ok": "true"}',
        '{"ok": 1}',
        '{"ok": true',
        "[" * 50_000,
        {},
    ],
)
def test_an_unreadable_verdict_is_a_no_that_says_so(answer: Any) -> None:
    """Nothing is accepted on a guess; the caller can tell and may ask once more."""
    verdict = parse_verdict(answer)

    assert (verdict.ok, verdict.is_readable) == (False, False)
    assert verdict.problems == ("The judge gave no readable verdict.",)


def test_a_long_list_of_problems_is_cut() -> None:
    """Ten sentences of at most 500 characters reach the agent."""
    verdict = parse_verdict({"ok": False, "problems": [f"{number:04d}" + "x" * 2_000 for number in range(50)]})

    assert len(verdict.problems) == 10
    assert max(map(len, verdict.problems)) == 500
