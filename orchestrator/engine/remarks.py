"""What a person's remark may still change once something is done: nothing that a done effect was computed from. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orchestrator.workflows.context import step_references
from orchestrator.workflows.definition import Workflow
from orchestrator.workflows.values import SlotValue


def fixed_slots(workflow: Workflow, is_done: Callable[[str], bool]) -> frozenset[str]:
    """Slots that a done effect rests on, by whatever way: changed now, what is left would contradict what is out.

    is_done: whether the effect of a step, by its id, has happened. Loops stay open: each turn is an effect of its own.
    """
    steps = {step.id: step for step in workflow.steps}
    frontier = [
        step.id for step in workflow.steps if workflow.is_effect(step) and step.each is None and is_done(step.id)
    ]
    found: set[str] = set()
    while frontier:
        for name in step_references(steps[frontier.pop()]) - found:
            found.add(name)
            if name in steps:
                frontier.append(name)
    return frozenset(found & workflow.slots.keys())


def still_possible(
    slots: Sequence[SlotValue], refined: Sequence[SlotValue] | None, fixed: frozenset[str]
) -> list[SlotValue] | None:
    """`refined` with the fixed slots as they were; None where it changes nothing then."""
    if refined is None:
        return None
    before = {slot.name: slot for slot in slots}
    kept = [before[slot.name] if slot.name in fixed and slot.name in before else slot for slot in refined]
    return None if kept == list(slots) else kept
