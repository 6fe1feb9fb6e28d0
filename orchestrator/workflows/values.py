"""A filled slot: the value, where it came from, and the very words. Plain JSON, so that it survives a restart as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.spec import Json
from orchestrator.domain.person import Person
from orchestrator.workflows.definition import SlotType

SOURCES = ("request", "directory", "mail", "calendar", "chat", "settings", "computed", "answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One reading of an ambiguous mention, as a person is asked about it."""

    label: str
    value: Json
    refs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotValue:
    """`value` by type: person its name, people a list of names (`refs`: addresses), minutes and number an integer, date ISO,
    date_range/when/event an object (see docs/workflows.md), channel "#name", text itself. None: not filled; with `choices` it is
    ambiguous, and `ask` is the question.
    """

    name: str
    type: SlotType
    value: Json
    source: str
    refs: tuple[str, ...] = ()
    text: str = ""
    choices: tuple[Choice, ...] = ()
    ask: str = ""

    def as_json(self) -> dict[str, Any]:
        """The slot as the item document shows it, with what `from_json` needs besides."""
        document: dict[str, Any] = {
            "name": self.name,
            "value": self.value,
            "source": self.source,
            "ref": ", ".join(self.refs) or None,
            "text": self.text,
            "type": self.type.value,
        }
        if self.ask:
            document["ask"] = self.ask
        if self.choices:
            document["choices"] = [
                {"label": choice.label, "value": choice.value, "refs": list(choice.refs)} for choice in self.choices
            ]
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> SlotValue:
        """The inverse of `as_json`."""
        return cls(
            name=document["name"],
            type=SlotType(document["type"]),
            value=document["value"],
            source=document["source"],
            refs=tuple(part for part in (document.get("ref") or "").split(", ") if part),
            text=document.get("text") or "",
            ask=document.get("ask") or "",
            choices=tuple(
                Choice(label=choice["label"], value=choice["value"], refs=tuple(choice["refs"]))
                for choice in document.get("choices") or ()
            ),
        )


def person_view(person: Person) -> dict[str, Any]:
    """A person as expressions see them: address, name, first_name, zone, role, team, inside, manager."""
    return {
        "address": person.address,
        "name": person.name,
        "first_name": person.first_name,
        "zone": person.zone,
        "role": person.role,
        "team": person.team,
        "inside": person.inside,
        "manager": person.manager,
    }


def find_person(address: str, people: Sequence[Person]) -> Person | None:
    return next((person for person in people if person.address == address.lower()), None)


def person_or_address(address: str, people: Sequence[Person]) -> dict[str, Any]:
    """The directory's person, or for an address it does not know a view that holds the address alone."""
    person = find_person(address, people)
    return person_view(person or Person(address=address.lower(), name=address))


def in_context(slot: SlotValue | None, people: Sequence[Person]) -> Any:
    """What an expression sees under the slot's name; none where it is not filled."""
    if slot is None or slot.value is None:
        return None
    if slot.type is SlotType.PERSON:
        return person_or_address(slot.refs[0], people)
    if slot.type is SlotType.PEOPLE:
        return [person_or_address(address, people) for address in slot.refs]
    if slot.type is SlotType.EVENT and isinstance(slot.value, dict):
        address = slot.value.get("person")
        return {
            **dict.fromkeys(("words", "at", "clock", "start", "end", "earliest", "latest")),
            **slot.value,
            "person": person_or_address(str(address), people) if address else None,
            "text": slot.text,
        }
    if slot.type in (SlotType.DATE_RANGE, SlotType.WHEN) and isinstance(slot.value, dict):
        return {
            **dict.fromkeys(("start", "end", "at", "clock", "earliest", "latest")),
            "avoid_days": [],
            **slot.value,
            "text": slot.text,
        }
    return slot.value


def choose(labels: Sequence[str], answer: str) -> int | None:
    """Which choice an answer means: its text, its number from 1, or words that only it holds. None: not clear."""
    said = answer.strip().casefold()
    folded = [label.casefold() for label in labels]
    if said in folded:
        return folded.index(said)
    if said.rstrip(".)").isdigit() and 1 <= int(said.rstrip(".)")) <= len(labels):
        return int(said.rstrip(".)")) - 1
    holding = [index for index, label in enumerate(folded) if said and said in label]
    return holding[0] if len(holding) == 1 else None
