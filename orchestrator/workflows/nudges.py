"""Later remarks that change a slot without a model: "not Monday", "45 minutes", "after 2pm", "next week instead". Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from connectors.spec import Json
from orchestrator.domain.person import Person
from orchestrator.workflows.answers import Speaker
from orchestrator.workflows.definition import SlotType
from orchestrator.workflows.mentions import Kind, Mention, Names, find
from orchestrator.workflows.moments import WEEKDAYS
from orchestrator.workflows.reading import Sort, read
from orchestrator.workflows.spans import when_value, window_value
from orchestrator.workflows.values import SlotValue


def refine(
    slots: Sequence[SlotValue], nudge: str, *, people: Sequence[Person], now: datetime, zone: str, me: Person
) -> list[SlotValue] | None:
    """The slots as narrowed by a later remark ("not Monday", "45 minutes", "after 2pm", "next week instead"), or None.

    Only lengths and times are understood, and only when every word of the remark is.
    """
    speaker = Speaker(people=people, now=now, zone=zone, me=me)
    found = find(nudge, names=Names.of(people), now=now, zone=zone)
    if not found or any(mention.kind not in (Kind.MOMENT, Kind.MINUTES) for mention in found):
        return None
    reading = read(nudge, found)
    harmless = {
        "make",
        "not",
        "instead",
        "no",
        "rather",
        "only",
        "avoid",
        "better",
        "it",
        "let's",
        "do",
        "change",
        "but",
        "move",
        "push",
        "try",
        "use",
        "want",
        "need",
        "prefer",
        "anything",
        "except",
        "don't",
        "not on",
    }
    if any(
        token.sort not in (Sort.FUNCTION, Sort.MENTION, Sort.STOP) and token.word not in harmless
        for token in reading.tokens
    ):
        return None
    refined = {slot.name: slot for slot in slots}
    for mention in found:
        before = {token.word for token in reading.tokens if token.end <= mention.start} & {
            "not",
            "no",
            "avoid",
            "except",
            "don't",
        }
        changed = _refine_one(refined, mention, bool(before) and not mention.text.lower().startswith("not "), speaker)
        if changed is None:
            return None
        refined |= changed
    return list(refined.values())


def _refine_one(
    slots: Mapping[str, SlotValue], mention: Mention, negated: bool, speaker: Speaker
) -> dict[str, SlotValue] | None:
    wanted = SlotType.MINUTES if mention.kind is Kind.MINUTES else None
    for name, slot in slots.items():
        if wanted is SlotType.MINUTES and slot.type is SlotType.MINUTES and not negated:
            return {name: replace(slot, value=mention.number, source="request", text=mention.text)}
        if (
            wanted is None
            and mention.moment
            and slot.type in (SlotType.DATE_RANGE, SlotType.WHEN)
            and isinstance(slot.value, dict)
        ):
            value = _narrowed(slot, slot.value, mention, negated, speaker)
            return (
                {name: replace(slot, value=value, source="request", text=mention.text)} if value is not None else None
            )
    return None


def _narrowed(
    slot: SlotValue, value: Mapping[str, Json], mention: Mention, negated: bool, speaker: Speaker
) -> dict[str, Json] | None:
    moment = mention.moment
    assert moment is not None
    if negated:
        if moment.grain != "day" or moment.start is None or moment.earliest or moment.latest:
            return None
        avoided = value.get("avoid_days")
        days = [str(day) for day in avoided] if isinstance(avoided, list) else []
        return {**value, "avoid_days": [*days, WEEKDAYS[moment.start.weekday()]]}
    if moment.grain == "hours" or (moment.grain == "clock" and mention.cue in ("after", "before")):
        bounds = {"earliest": moment.earliest, "latest": moment.latest}
        kept = {key: bound for key, bound in bounds.items() if bound}
        return {**value, **({"kind": "window"} if slot.type is SlotType.WHEN else {}), **kept}
    if slot.type is SlotType.WHEN:
        return when_value(moment, speaker.local_now)
    if moment.start is None or moment.is_past:
        return None
    kept_bounds = {key: value[key] for key in ("earliest", "latest", "avoid_days") if value.get(key)}
    return {**kept_bounds, **window_value(moment, None, speaker.local_now)}
