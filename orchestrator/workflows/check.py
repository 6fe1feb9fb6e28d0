"""`deputy workflow test`: whether a workflow file can be used, before it is used.

Reads the file, checks it against the tool catalogue, and lets the matcher judge its own examples and near misses. Calls no tool.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from connectors.spec import ToolSpec
from orchestrator.workflows import parse
from orchestrator.workflows.context import CONTEXT_NAMES, step_references
from orchestrator.workflows.definition import Step, Workflow
from orchestrator.workflows.match import SAMPLE_ME, SAMPLE_NOW, SAMPLE_PEOPLE, Library, Match, spoken
from orchestrator.workflows.parse import BadWorkflow, Problem, Source
from orchestrator.workflows.templates import BadExpression, references

Catalogue = Mapping[str, ToolSpec]
SHIPPED = Path(__file__).parent / "library"


def catalogue_of_families() -> dict[str, ToolSpec]:
    """Every tool of the four office families, by name."""
    from connectors import families  # only `workflow test` pays for it

    specs = [spec for family in sorted(families.FAMILIES) for spec in families.tool_specs(family)]
    return {spec.name: spec for spec in specs}


def test_workflow(  # named after the command; not a test of ours
    path: Path,
    *,
    catalogue: Catalogue | None = None,  # noqa: PT028
    dirs: Sequence[Path] = (SHIPPED,),  # noqa: PT028
) -> list[Problem]:
    """Everything wrong with one file; empty: it can be published. `dirs`: the library it has to live with."""
    try:
        source = parse.load(path)
    except BadWorkflow as error:
        return list(error.problems)
    problems = check_source(source, catalogue_of_families() if catalogue is None else catalogue)
    if not problems:
        problems = check_matching(source, Library.load(dirs))
    return problems


def check_source(source: Source, catalogue: Catalogue) -> list[Problem]:
    """Expressions, order of steps, tools and authority."""
    return [*_expressions(source), *_order(source), *_tools(source, catalogue), *_grant(source, catalogue)]


# --- expressions ------------------------------------------------------------------------------------------------------------


def _expressions(source: Source) -> Iterable[Problem]:
    workflow = source.workflow
    known = {*workflow.slots, *(step.id for step in workflow.steps), *CONTEXT_NAMES}
    for place, step in enumerate(workflow.steps):
        path = ("steps", place)
        try:
            names = step_references(step) | references(step.says or "")
        except BadExpression as error:
            yield _problem(source, path, error.message, error.fix)
            continue
        yield from _unknown(source, path, names - {step.id}, known)
    for field, value in (("text", workflow.text), ("output", workflow.output)):
        try:
            yield from _unknown(source, (field,), references(value), known)
        except BadExpression as error:
            yield _problem(source, (field,), error.message, error.fix)


def _unknown(source: Source, path: tuple[str | int, ...], names: frozenset[str], known: set[str]) -> Iterable[Problem]:
    for name in sorted(names - known):
        close = difflib.get_close_matches(name, known, n=1)
        fix = f"did you mean {close[0]!r}?" if close else "use a slot, a step or a name of docs/workflows.md"
        yield _problem(source, path, f"refers to {name!r}, which is no slot and no step", fix)


def _order(source: Source) -> Iterable[Problem]:
    """Steps that wait for each other."""
    steps = source.workflow.steps
    ids = {step.id for step in steps}
    try:
        waits = {step.id: (step_references(step) & ids) | set(step.after) for step in steps}
    except BadExpression:
        return  # reported with the expressions
    done: set[str] = set()
    while True:
        ready = {name for name, others in waits.items() if name not in done and others <= done}
        if not ready:
            break
        done |= ready
    for place, step in enumerate(steps):
        if step.id not in done:
            message = f"step {step.id!r} waits for itself, through {', '.join(sorted(waits[step.id] - done))}"
            yield _problem(source, ("steps", place), message, "remove the circle from after: and expressions")


# --- tools ------------------------------------------------------------------------------------------------------------------


def _tools(source: Source, catalogue: Catalogue) -> Iterable[Problem]:
    for place, step in enumerate(source.workflow.steps):
        if step.call is None:
            continue
        path = ("steps", place)
        spec = catalogue.get(step.call)
        if spec is None:
            close = difflib.get_close_matches(step.call, catalogue, n=1)
            fix = f"did you mean {close[0]!r}?" if close else "see `deputy capabilities` for the tools there are"
            yield _problem(source, (*path, "call"), f"there is no tool {step.call!r}", fix)
            continue
        yield from _arguments(source, path, step, spec)
        if not spec.is_read and not source.workflow.is_effect(step):
            message = f"{step.call} changes something, but is in no grant"
            yield _problem(
                source,
                (*path, "call"),
                message,
                f"add it to grant: {{effect: …, noun: …, tools: [{step.call}], quota: 1}}",
            )


def _arguments(source: Source, path: tuple[str | int, ...], step: Step, spec: ToolSpec) -> Iterable[Problem]:
    schema: Mapping[str, Any] = spec.parameters
    known = list(schema.get("properties", {}))
    for name in step.args:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            fix = f"did you mean {close[0]!r}?" if close else f"it takes: {', '.join(known)}"
            yield _problem(source, (*path, "args", name), f"{spec.name} has no argument {name!r}", fix)
    for name in schema.get("required", ()):
        if name not in step.args:
            yield _problem(source, (*path, "args"), f"{spec.name} needs the argument {name!r}", f"add {name}: …")
    if step.pages > 1 and "cursor" not in known:
        yield _problem(source, (*path, "pages"), f"{spec.name} has no pages", "remove pages:")


def _grant(source: Source, catalogue: Catalogue) -> Iterable[Problem]:
    called = {step.call for step in source.workflow.steps}
    for place, entry in enumerate(source.workflow.grant):
        path = ("grant", place)
        for tool in entry.tools:
            spec = catalogue.get(tool)
            if spec is None:
                yield _problem(source, path, f"the grant names {tool!r}, which is no tool", "correct or remove it")
                continue
            if spec.is_read:
                yield _problem(source, path, f"{tool} only reads and needs no grant", "remove it from the grant")
            elif spec.manifest.get("effect") != entry.effect:
                message = f"{tool} is a {spec.manifest.get('effect')} effect, not {entry.effect!r}"
                yield _problem(source, (*path, "effect"), message, f"write effect: {spec.manifest.get('effect')}")
            if tool not in called:
                yield _problem(
                    source, path, f"no step calls {tool}", "remove it: a workflow holds no more authority than it uses"
                )


# --- matching ---------------------------------------------------------------------------------------------------------------


def check_matching(source: Source, library: Library) -> list[Problem]:
    """Own examples that another workflow takes or none does, and near misses that would run."""
    workflow = source.workflow
    others = [known for known in library.workflows if known.name != workflow.name]
    living = Library.of([*others, workflow])
    problems: list[Problem] = []
    for place, example in enumerate(workflow.examples):
        words, found = _found(living, workflow, example)
        if not isinstance(found, Match):
            problems.append(
                _problem(source, ("examples", place), f"{words!r} does not run: {' '.join(found.why)}", "reword it")
            )
        elif found.workflow.name != workflow.name:
            message = f"{words!r} runs {found.workflow.name} instead"
            problems.append(
                _problem(source, ("examples", place), message, "say what is different, or add it there as near miss")
            )
    for place, miss in enumerate(workflow.near_misses):
        words, found = _found(living, workflow, miss)
        if isinstance(found, Match) and found.workflow.name == workflow.name and found.is_ready:
            message = f"{words!r} would run, although it is a near miss"
            problems.append(
                _problem(source, ("near_misses", place), message, "take the words it shares out of the examples")
            )
    return problems


def _found(library: Library, workflow: Workflow, example: str) -> tuple[str, Any]:
    words = spoken(example, workflow)
    return words, library.match(words, people=SAMPLE_PEOPLE, now=SAMPLE_NOW, zone="UTC", me=SAMPLE_ME)


def _problem(source: Source, path: tuple[str | int, ...], message: str, fix: str = "") -> Problem:
    return Problem(
        file=source.file, line=source.line(path), field=".".join(str(part) for part in path), message=message, fix=fix
    )
