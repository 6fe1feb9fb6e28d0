"""From a request and the caller's options to a workflow with its slots, or to a reason why none runs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestrator.domain.person import Person
from orchestrator.workflows.definition import Workflow
from orchestrator.workflows.match import Library, Match
from orchestrator.workflows.mentions import Names, find
from orchestrator.workflows.reading import read
from orchestrator.workflows.slots import Speaker, fill, read_answer
from orchestrator.workflows.values import SlotValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """Run `workflow`. route: match (found by the words) | workflow (named by the caller)."""

    route: str
    workflow: Workflow
    slots: Sequence[SlotValue]
    match: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRouted:
    """Run nothing. code: needs_model | not_found | usage."""

    code: str
    message: str
    match: Mapping[str, Any] | None = None


def route(
    library: Library,
    text: str,
    options: Mapping[str, Any],
    *,
    people: Sequence[Person],
    now: datetime,
    zone: str,
    me: Person,
) -> Routed | NotRouted:
    """The caller's named workflow, else the matcher's; then the caller's own inputs over what the words gave."""
    if options.get("no_match"):
        return NotRouted(
            code="needs_model", message="Matching was switched off for this request, and no model is configured."
        )
    speaker = Speaker(people=people, now=now, zone=zone, me=me)
    name = options.get("workflow")
    match: Mapping[str, Any] | None = None
    if name:
        workflow = library.get(str(name))
        if workflow is None:
            known = ", ".join(sorted(one.name for one in library.workflows))
            return NotRouted(code="not_found", message=f"There is no workflow {name!r}; there are: {known}.")
        mentions = find(text, names=Names.of(people), now=now, zone=zone)
        slots = list(fill(workflow, read(text, mentions), speaker).values.values())
    else:
        found = library.match(text, people=people, now=now, zone=zone, me=me)
        match = found.as_json()
        if not isinstance(found, Match):
            return NotRouted(code="needs_model", message=f"{found.sentence} A model is needed to go on.", match=match)
        workflow, slots = found.workflow, list(found.slots)
    given = _given(workflow, dict(options.get("input") or {}), speaker)
    if isinstance(given, NotRouted):
        return given
    kept = [slot for slot in slots if slot.name not in given]
    return Routed(route="workflow" if name else "match", workflow=workflow, slots=[*kept, *given.values()], match=match)


def _given(workflow: Workflow, inputs: Mapping[str, Any], speaker: Speaker) -> dict[str, SlotValue] | NotRouted:
    """The caller's inputs read as the slots' types."""
    values: dict[str, SlotValue] = {}
    for name, said in inputs.items():
        slot = workflow.slots.get(name)
        if slot is None:
            known = ", ".join(workflow.slots) or "none"
            return NotRouted(code="usage", message=f"{workflow.name} has no input {name!r}; it has: {known}.")
        value = read_answer(
            name,
            slot.type,
            str(said),
            choices=(),
            people=speaker.people,
            now=speaker.now,
            zone=speaker.zone,
            me=speaker.me,
            tense=slot.tense,
        )
        if value is None:
            return NotRouted(
                code="usage", message=f"{said!r} cannot be read as {slot.type.value} for the input {name!r}."
            )
        values[name] = value
    return values
