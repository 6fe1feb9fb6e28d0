"""A host, a journal and a handful of people for workflow tests: real scheduler, scripted tools, nothing patched."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from connectors.spec import Json
from orchestrator.domain.call import Broken, CallOutcome, Completed, Failed, Ready, Refused, ToolCall, Waiting
from orchestrator.domain.person import Person
from orchestrator.workflows.execute import MISSING, Missed

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)  # a Friday morning
HOURS = {"days": ["mon", "tue", "wed", "thu", "fri"], "start": "09:00", "end": "17:30"}


def make_person(
    name: str, *, zone: str = "Europe/Lisbon", team: str = "Sales", inside: bool = True, **more: Any
) -> Person:
    domain = "northwind.example" if inside else "outside.example"
    address = name.lower().replace(" ", ".") + "@" + domain
    return Person(address=address, name=name, zone=zone, team=team, inside=inside, working_hours=HOURS, **more)


ME = make_person("Alex Novak", preferences={"earliest": "09:00", "latest": "17:00"})
DANA = make_person("Dana Ruiz", zone="Europe/Madrid", team="Marketing", aliases=("Dee",))
OMAR = make_person("Omar Haddad", team="Finance", role="Finance manager")
LI = make_person("Li Wei", zone="Asia/Singapore", team="Engineering")
PRIYA = make_person("Priya Nair", team="Marketing")
SVEN = make_person("Sven Berg", inside=False, team="", zone="Europe/Stockholm")
PEOPLE = (ME, DANA, OMAR, LI, PRIYA, SVEN)


@dataclass
class MemoryJournal:
    entries: dict[str, Json] = field(default_factory=dict)

    def get(self, key: str) -> Json | Missed:
        return self.entries.get(key, MISSING)

    async def put(self, key: str, kind: str, value: Json) -> None:
        self.entries[key] = value


Tool = Callable[[Mapping[str, Any]], Json]


@dataclass
class ScriptedHost:
    """Reads answer at once; an effect follows `verdicts` (allow, wait, refuse, break, fail by tool), default allow."""

    tools: Mapping[str, Tool]
    effects: frozenset[str]
    verdicts: dict[str, str] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    now: datetime = NOW
    me: Person = ME
    people: Sequence[Person] = PEOPLE
    preferences: Mapping[str, Any] = field(default_factory=lambda: ME.preferences)
    zone: str = "Europe/Lisbon"
    log: list[str] = field(default_factory=list)  # "hold g0.invite", "send g0.invite", "read g0.mail"
    args: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    done: dict[str, Json] = field(default_factory=dict)  # by call id
    facts: dict[str, Json] = field(default_factory=dict)  # by step key
    questions: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)

    async def perform(self, call: ToolCall, *, hold: bool = False) -> CallOutcome:
        self.args[call.call_id] = call.args
        if call.tool not in self.effects:
            self.log.append(f"read {call.call_id}")
            if self.verdicts.get(call.tool) == "fail":
                return Failed(code="unreachable", message=f"{call.tool} cannot be reached")
            return Completed(result=self.tools[call.tool](call.args))
        if call.call_id in self.done:
            return Completed(result=self.done[call.call_id])
        self.log.append(f"{'hold' if hold else 'send'} {call.call_id}")
        match self.verdicts.get(call.call_id) or self.verdicts.get(call.tool, "allow"):
            case "wait":
                return Waiting(wait_ids=(f"wait_{call.call_id}",))
            case "refuse":
                return Refused(code="approval_denied", reason="Alex said no")
            case "break" if not hold:
                return Broken(reason="the time is taken")
            case "fail":
                return Failed(code="invalid_call", message="refused by the provider")
        if hold:
            return Ready(effect_id=f"eff_{call.call_id}")
        result = self.tools[call.tool](call.args)
        self.done[call.call_id] = result
        self.facts[call.call_id.partition(".")[2]] = result
        return Completed(result=result)

    async def ask(self, question_id: str, text: str, choices: Sequence[str]) -> str | None:
        self.questions.append((question_id, text, tuple(choices)))
        return self.answers.get(question_id)

    async def chosen(self, question_id: str, record: Json) -> None:
        """Nothing here weighs a person's pick."""

    def done_effect(self, step_key: str) -> Json | None:
        return self.facts.get(step_key)
