"""The names that expressions see, and which of them a step refers to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from orchestrator.domain.person import Person
from orchestrator.workflows.definition import Step
from orchestrator.workflows.templates import references
from orchestrator.workflows.values import person_or_address, person_view

# What calendar.find_slots takes as preferences.
SLOT_PREFERENCES = ("earliest", "latest", "avoid_days", "buffer_minutes", "lunch", "zone")


def base_context(
    me: Person, people: Sequence[Person], preferences: Mapping[str, Any], zone: str, now: str
) -> dict[str, Any]:
    """me, directory, preferences, zone, now (ISO, UTC), today (date in the requester's zone), and two functions:
    `person_of(address)`; `slot_preferences(window)`, the requester's preferences narrowed by a window's own hours and days.
    """
    today = datetime.fromisoformat(now).astimezone(ZoneInfo(zone)).date().isoformat()

    def slot_preferences(window: Mapping[str, Any] | None = None) -> dict[str, Any]:
        merged = {name: preferences[name] for name in SLOT_PREFERENCES if preferences.get(name) is not None}
        merged.setdefault("zone", zone)
        if window is not None:
            if window.get("earliest"):
                merged["earliest"] = max(str(window["earliest"]), str(merged.get("earliest", "00:00")))
            if window.get("latest"):
                merged["latest"] = min(str(window["latest"]), str(merged.get("latest", "24:00")))
            if window.get("avoid_days"):
                merged["avoid_days"] = sorted({*merged.get("avoid_days", []), *window["avoid_days"]})
        return merged

    return {
        "me": person_view(me),
        "directory": [person_view(person) for person in people],
        "preferences": dict(preferences),
        "zone": zone,
        "now": now,
        "today": today,
        "person_of": lambda address: person_or_address(str(address), people),
        "slot_preferences": slot_preferences,
    }


CONTEXT_NAMES = frozenset(
    {"me", "directory", "preferences", "zone", "now", "today", "person_of", "slot_preferences", "errors"}
)


def step_references(step: Step) -> frozenset[str]:
    """Every name the step's expressions use, the loop's and selector's own variables aside. Raises BadExpression."""
    bound = {step.bind} if step.each is not None else set()
    names = (references(step.args) | references(step.value)) - bound
    if step.key is not None:
        names |= references(step.key, expression=True) - bound
    for expression in (step.when, step.each):
        if expression is not None:
            names |= references(expression, expression=True)
    if step.ask is not None:
        names |= references(step.ask.text)
        if isinstance(step.ask.choices, str):
            names |= references(step.ask.choices, expression=True)
    if step.select is not None:
        for expression in (step.select.where, step.select.order, step.select.key):
            if expression is not None:
                names |= references(expression, expression=True) - {"row"}
        for text in (step.select.ask, step.select.label):
            names |= references(text or "") - {"row"}
    if step.missing is not None:
        names |= references(step.missing.text)
    return names
