"""Workflow files: what is accepted, and that each fault names file, line, field and a fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.workflows import check
from orchestrator.workflows.definition import Workflow
from orchestrator.workflows.match import Library
from orchestrator.workflows.parse import BadWorkflow, Problem, load, loads

GOOD = """\
name: chase-one
version: 1.0.0
title: Ask again
description: Sends a short follow-up on your newest mail to one person.
examples:
  - Please ask {person} again about my last mail
near_misses:
  - Ask {person} about her holiday
grant:
  - {effect: send, noun: email, tools: [mail.reply], quota: 1}
slots:
  person: {type: person, ask: Who?}
steps:
  - id: mail
    call: mail.search
    args: {from: "{{ me.address }}", to: "{{ person.address }}", limit: 1}
    select: {from: messages, take: first}
    missing: You sent no mail to {{ person.name }}.
  - id: chase
    call: mail.reply
    args: {message_id: "{{ mail.message_id }}", body: any news?}
text: Done.
output: {message_id: "{{ chase.message_id }}"}
"""


def faults(text: str) -> list[Problem]:
    with pytest.raises(BadWorkflow) as caught:
        loads(text, file="chase.yaml")
    return list(caught.value.problems)


def test_a_good_file_is_read_and_survives_being_pinned() -> None:
    """What is pinned on a run gives the same workflow and digest back."""
    workflow = loads(GOOD).workflow

    again = Workflow.from_json(workflow.as_json())

    assert again == workflow
    assert again.digest == workflow.digest
    assert workflow.effect_tools == {"mail.reply"}


def test_the_digest_is_of_the_content_not_the_layout() -> None:
    """A comment changes nothing; a changed argument does."""
    assert loads("# mine\n" + GOOD).workflow.digest == loads(GOOD).workflow.digest
    assert loads(GOOD.replace("any news?", "news?")).workflow.digest != loads(GOOD).workflow.digest


# What is broken in the good file, and what the fault has to say: line, field, words of message and fix.
FAULTS = [
    ("    call: mail.search", "    cal: mail.search", 15, "cal", "unknown key 'cal'", "did you mean 'call'?"),
    ("type: person", "type: persn", 12, "slots.person.type", "'persn' is not known", "did you mean 'person'?"),
    ("title: Ask again\n", "", 1, "title", "'title' is missing", "add title: …"),
    ("version: 1.0.0", "version: 1.0", 2, "version", "reads as a number", ""),
    ("name: chase-one", "name: Chase One", 1, "name", "wrong form", "must match"),
    ("  - id: chase", "  - id: mail", 0, "", "'mail' is used twice", ""),
    ("text: Done.", "text: Done.\ntext: Twice.", 23, "text", "stands here twice", "keep one"),
]


@pytest.mark.parametrize(
    ("before", "after", "line", "field", "message", "fix"), FAULTS, ids=[case[4] for case in FAULTS]
)
def test_a_fault_names_line_field_and_fix(
    before: str, after: str, line: int, field: str, message: str, fix: str
) -> None:
    """The reader goes straight to the line, and knows what to write there."""
    assert before in GOOD

    found = faults(GOOD.replace(before, after, 1))

    problem = next(problem for problem in found if message in problem.message)
    assert problem.file == "chase.yaml"
    assert fix in problem.fix
    if line:
        assert (problem.line, problem.field.endswith(field)) == (line, True)


def test_broken_yaml_names_its_line() -> None:
    """A file that is no YAML is reported like any other fault."""
    (problem,) = faults("name: a\n  b: [c\n")

    assert problem.line >= 1
    assert "is not YAML" in problem.message


HOSTILE = {
    "repeats grow without bound": "\n".join(
        ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10))]
    ),
    "a list that holds itself": "name: &a [*a]",
    "deeper than any stack": "name: " + "[" * 90_000 + "]" * 90_000,
    "deep without brackets": "- " * 50_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_refused_before_it_is_built(text: str) -> None:
    """A file that would take all memory or the whole process is one fault, told at once."""
    (fault,) = faults(text)

    assert "alias" in fault.message or "nested" in fault.message
    assert fault.line > 0 and fault.fix


@pytest.mark.parametrize("value", ["9" * 5000, "!!float abc", "!!int x", "!other x"])
def test_a_value_that_is_not_what_it_says_is_a_fault(value: str) -> None:
    """A number that is none, or of a foreign kind, names its line."""
    found = faults(GOOD.replace("quota: 1", f"quota: {value}"))

    assert [one.line for one in found if "not what its form says" in one.message] == [10]


def test_words_that_yaml_takes_for_truth_stay_words() -> None:
    """A cue `on` is the preposition, not true."""
    workflow = loads(GOOD.replace("ask: Who?", "ask: Who?, cues: [on, to]")).workflow

    assert workflow.slots["person"].cues == ("on", "to")


# What is broken in the good file, and what the catalogue check says.
CHECKS = [
    ("call: mail.search", "call: mail.serch", "no tool 'mail.serch'", "did you mean 'mail.search'?"),
    ("limit: 1", "limt: 1", "no argument 'limt'", "did you mean 'limit'?"),
    (", body: any news?", "", "needs the argument 'body'", "add body"),
    ("effect: send", "effect: create", "is a send effect", "write effect: send"),
    ("tools: [mail.reply]", "tools: [mail.reply, mail.send]", "no step calls mail.send", "no more authority"),
    ("tools: [mail.reply]", "tools: [mail.forward]", "changes something, but is in no grant", "grant"),
    ("mail.message_id }}", "mial.message_id }}", "refers to 'mial'", "did you mean 'mail'?"),
    ("id: mail\n", "id: mail\n    after: [chase]\n", "waits for itself", "circle"),
]


@pytest.mark.parametrize(("before", "after", "message", "fix"), CHECKS, ids=[case[2] for case in CHECKS])
def test_the_check_finds_what_a_run_would_trip_over(before: str, after: str, message: str, fix: str) -> None:
    """Unknown tools, arguments, names, circles and surplus authority are found before the first run."""
    assert before in GOOD

    problems = check.check_source(loads(GOOD.replace(before, after, 1)), check.catalogue_of_families())

    problem = next(problem for problem in problems if message in problem.message)
    assert fix in problem.fix
    assert problem.line > 0


def test_a_sound_file_passes_beside_the_shipped_ones(tmp_path: Path) -> None:
    """A user's own workflow of the documents is accepted with the library around it."""
    path = tmp_path / "chase-one.yaml"
    path.write_text(GOOD, encoding="utf-8")

    assert [str(problem) for problem in check.test_workflow(path)] == []


def test_a_near_miss_that_would_run_is_a_fault(tmp_path: Path) -> None:
    """The file is told which of its near misses its own examples let in."""
    path = tmp_path / "chase-one.yaml"
    path.write_text(
        GOOD.replace("Ask {person} about her holiday", "Ask {person} again about my last mail"), encoding="utf-8"
    )

    (problem,) = check.test_workflow(path)

    assert "although it is a near miss" in problem.message


def test_one_bad_file_does_not_stop_the_library(tmp_path: Path) -> None:
    """The others load; the bad one is reported."""
    (tmp_path / "good.yaml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "bad.yaml").write_text("name: bad\n", encoding="utf-8")

    library = Library.load([tmp_path])

    assert [workflow.name for workflow in library.workflows] == ["chase-one"]
    assert len(library.faults) == 1
    with pytest.raises(BadWorkflow):
        load(tmp_path / "bad.yaml")
