"""What a workflow sees of the house during one advance: the gate, the people, its journal, and questions to the requester."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connectors.spec import Json
from orchestrator import clock
from orchestrator.domain.call import CallOutcome, ToolCall
from orchestrator.domain.effect import EffectState
from orchestrator.domain.item import WaitKind
from orchestrator.domain.person import Person
from orchestrator.engine.claim_ledger import ClaimLedger
from orchestrator.gate.perform import Gate
from orchestrator.store.steplog import StepRow
from orchestrator.store.waits import Wait
from orchestrator.workflows.execute import MISSING, Missed
from orchestrator.workflows.values import SlotValue

SLOT_QUESTION = "ask:slot."  # their choices are people of the directory, not texts of records


@dataclass(slots=True, kw_only=True)
class RunHost:
    """Implements `workflows.execute.Host`."""

    gate: Gate
    ledger: ClaimLedger
    me: Person
    people: Sequence[Person]
    waits: Mapping[str, Wait]
    log: Sequence[StepRow]
    generation: int

    @property
    def now(self) -> datetime:
        return clock.now()

    @property
    def preferences(self) -> Mapping[str, Any]:
        return self.me.preferences

    @property
    def zone(self) -> str:
        return self.me.zone

    async def perform(self, call: ToolCall, *, hold: bool = False) -> CallOutcome:
        return await self.gate.perform(call, hold=hold)

    async def ask(self, question_id: str, text: str, choices: Sequence[str]) -> str | None:
        """The answer, or None once a wait for it is recorded. An open question is not asked twice."""
        wait_id = _wait_id(question_id)
        known = self.waits.get(wait_id)
        if known is not None and known.answered_at is not None:
            return str(known.answer)
        if known is None or known.closed:
            await self.ledger.wait(wait_id, WaitKind.ANSWER, {"text": text, "choices": list(choices)}, None)
        return None

    async def chosen(self, question_id: str, record: Json) -> None:
        """What a person picked is meant by them: its ids weigh as their own words, its texts do not."""
        known = self.waits.get(_wait_id(question_id))
        heard = any(row.kind == "chosen" and row.key == question_id for row in self.log)
        if known is None or heard or not isinstance(record, dict):
            return
        ids = " ".join(value for name, value in record.items() if name.endswith("_id") and isinstance(value, str))
        by = known.answered_by or ""
        await self.ledger.note("chosen", question_id, {"text": ids, "by": by, "human": True})
        self.gate.authority.say(ids, by, human=True)

    def done_effect(self, step_key: str) -> Json | None:
        """The result of a done effect of an earlier generation of this step."""
        for generation in range(self.generation - 1, -1, -1):
            effect = self.gate.latest(f"g{generation}.{step_key}")
            if effect is not None and effect.state is EffectState.DONE:
                return effect.result
        return None


def _wait_id(question_id: str) -> str:
    """Questions of a generation ("g0.…") end with it; questions about slots outlive a re-plan."""
    return question_id if question_id.startswith("g") else f"ask:{question_id}"


class RunJournal:
    """Implements `workflows.execute.Journal` over the step log. What the gate has recorded of a call is not written twice."""

    def __init__(self, *, log: Sequence[StepRow], gate: Gate, ledger: ClaimLedger) -> None:
        self._values: dict[str, Json] = {
            row.key: row.body["value"] for row in log if row.kind.startswith("wf.") and isinstance(row.body, dict)
        }
        self._gate = gate
        self._ledger = ledger

    def answered_slots(self) -> list[SlotValue]:
        """Slots that a person's answer has filled."""
        return [
            SlotValue.from_json(value)
            for key, value in self._values.items()
            if key.startswith("slot.") and isinstance(value, dict)
        ]

    def get(self, key: str) -> Json | Missed:
        if key in self._values:
            return self._values[key]
        recorded: Json | Missed = self._gate.reads.get(key, MISSING)
        # A page that names a next one is no whole result: the step goes on from it.
        return MISSING if isinstance(recorded, dict) and recorded.get("next") else recorded

    async def put(self, key: str, kind: str, value: Json) -> None:
        if kind == "effect" or (key in self._gate.reads and self._gate.reads[key] == value):
            return
        await self._ledger.note(f"wf.{kind}", key, {"value": value})
        self._values[key] = value
