"""A host over the real local office: effects happen at once (or wait), reads are real. Shared by the workflow tests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connectors.errors import ConnectorError
from connectors.office.connector import OfficeConnector
from connectors.office.office import Office
from connectors.spec import Account, Json
from orchestrator.domain.call import CallOutcome, Completed, Failed, Ready, ToolCall
from orchestrator.domain.person import Person


def person_of(record: Mapping[str, Any]) -> Person:
    return Person(
        address=record["address"],
        name=record["name"],
        aliases=tuple(record["aliases"]),
        zone=record["zone"],
        working_hours=record["working_hours"],
        role=record["role"],
        team=record["team"] or "",
        manager=record["manager"],
        inside=record["inside"],
        preferences=record.get("preferences") or {},
    )


@dataclass
class OfficeHost:
    office: Office
    me: Person
    people: Sequence[Person]
    answers: dict[str, str] = field(default_factory=dict)
    questions: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)  # effects sent, in order
    done: dict[str, Json] = field(default_factory=dict)

    @classmethod
    def of(cls, office: Office) -> OfficeHost:
        people = tuple(person_of(record) for record in office.people())
        return cls(office, next(person for person in people if person.address == office.owner()), people)

    @property
    def now(self) -> datetime:
        return self.office.now()

    @property
    def preferences(self) -> Mapping[str, Any]:
        return self.me.preferences

    @property
    def zone(self) -> str:
        return self.me.zone

    async def perform(self, call: ToolCall, *, hold: bool = False) -> CallOutcome:
        connector = OfficeConnector(self.office)
        spec = next(spec for spec in connector.tools() if spec.name == call.tool)
        account = Account(connection_id="con_1", subject=self.me.address)
        if call.call_id in self.done:
            return Completed(result=self.done[call.call_id])
        if not spec.is_read and hold:
            return Ready(effect_id=f"eff_{call.call_id}")
        key = hashlib.sha256(call.call_id.encode()).hexdigest()[:32]
        try:
            result = connector.call_now(call.tool, dict(call.args), account=account, key=None if spec.is_read else key)
        except ConnectorError as error:
            return Failed(code=error.code, message=error.message, fix=error.fix)
        if not spec.is_read:
            self.calls.append(call)
            self.done[call.call_id] = result
        return Completed(result=result)

    async def ask(self, question_id: str, text: str, choices: Sequence[str]) -> str | None:
        self.questions.append((question_id, text, tuple(choices)))
        return self.answers.get(question_id)

    async def chosen(self, question_id: str, record: Json) -> None:
        """Nothing here weighs a person's pick."""

    def done_effect(self, step_key: str) -> Json | None:
        return None
