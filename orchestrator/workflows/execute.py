"""Runs one workflow: a small async DAG scheduler whose every tool call goes through the host.

A step starts when everything it refers to, and everything it is `after`, is done. Effects whose arguments are known are all
prepared (held) before any of them is sent, so that a person sees every card at once and a refusal comes before the first send.
REPLAY: after a restart the same code runs again from the top; reads, answers and `now` come from the journal, effects are met by
their call id. It never decides whether an effect may happen, and never repeats one: both are the gate's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Any, Final, Protocol

from connectors.spec import Json
from orchestrator.domain.call import Broken, CallOutcome, Completed, Failed, Ready, Refused, ToolCall, Waiting
from orchestrator.domain.outcome import Done, Ended, Parked, Replan, RunOutcome
from orchestrator.domain.person import Person
from orchestrator.workflows.context import base_context, step_references
from orchestrator.workflows.definition import Missing, Question, SlotType, Step, Workflow
from orchestrator.workflows.selection import Nothing, Selected, rows_of, select
from orchestrator.workflows.slots import read_answer
from orchestrator.workflows.templates import BadExpression, evaluate, iso, render
from orchestrator.workflows.values import SlotValue, choose, in_context

MOST_AT_ONCE = 8  # tool calls of one loop in flight together
OVER_BUDGET = "over_budget"
MOST_TURNS = 200  # of one loop; a longer list is refused, not cut


class Missed:
    """The type of MISSING: a journal has nothing under a key (none is a value)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missed()


class Host(Protocol):
    """What a workflow may use of the house; one per advance of a run."""

    @property
    def now(self) -> datetime: ...
    @property
    def me(self) -> Person: ...
    @property
    def people(self) -> Sequence[Person]: ...
    @property
    def preferences(self) -> Mapping[str, Any]: ...
    @property
    def zone(self) -> str: ...

    async def perform(self, call: ToolCall, *, hold: bool = False) -> CallOutcome:
        """The gate's answer; with `hold`, Ready instead of sending."""
        ...

    async def ask(self, question_id: str, text: str, choices: Sequence[str]) -> str | None:
        """The answer given to this question, or None once a wait for it is recorded."""
        ...

    async def chosen(self, question_id: str, record: Json) -> None:
        """A person picked this record in answer to the question: its ids are meant, its texts are not their words."""
        ...

    def done_effect(self, step_key: str) -> Json | None:
        """The result of a done effect of an earlier generation, by step and loop key ("invite", "chase[thr_ab12]")."""
        ...


class Journal(Protocol):
    """The run's step log as workflows see it. Keys hold the generation ("g0.mail"); earlier generations stay readable."""

    def get(self, key: str) -> Json | Missed: ...

    async def put(self, key: str, kind: str, value: Json) -> None: ...


async def run(
    workflow: Workflow, slots: Sequence[SlotValue], host: Host, journal: Journal, *, generation: int = 0
) -> RunOutcome:
    """Advances the run as far as it can go now. Done, Ended and Replan are final for this generation; Parked comes back."""
    filled, open_question = await _fill(workflow, slots, host, journal)
    if open_question:
        return Parked()
    return await _Run(workflow, filled, host, journal, generation).advance()


async def _fill(
    workflow: Workflow, slots: Sequence[SlotValue], host: Host, journal: Journal
) -> tuple[dict[str, SlotValue], bool]:
    """Asks for slots that the request left open; True while a question waits. Answers outlive a re-plan."""
    filled = {slot.name: slot for slot in slots if slot.value is not None}
    given = {slot.name: slot for slot in slots}
    waiting = False
    for name, slot in workflow.slots.items():
        known = given.get(name)
        is_last_resort = name == next(iter(workflow.one_of), None) and not any(one in given for one in workflow.one_of)
        if name in filled or not (
            slot.is_needed or is_last_resort or (known is not None and (known.choices or known.ask))
        ):
            continue
        recorded = journal.get(f"slot.{name}")
        if isinstance(recorded, dict):
            filled[name] = SlotValue.from_json(recorded)
            continue
        text = question = (known.ask if known and known.ask else slot.ask) or f"Which {name.replace('_', ' ')}?"
        choices = known.choices if known else ()
        for attempt in count(1):  # asked until it is answered, or the person cancels
            answer = await host.ask(
                f"slot.{name}" + (f".{attempt}" if attempt > 1 else ""), text, [choice.label for choice in choices]
            )
            if answer is None:
                waiting = True
                break
            value = read_answer(
                name,
                slot.type,
                answer,
                choices=choices,
                people=host.people,
                now=host.now,
                zone=host.zone,
                me=host.me,
                tense=slot.tense,
            )
            if value is not None:
                await journal.put(f"slot.{name}", "slot", value.as_json())
                filled[name] = value
                break
            text = f"I could not read {answer!r} as {_type_words(slot.type)}. {question}"
    return filled, waiting


def _type_words(kind: SlotType) -> str:
    return {
        SlotType.PERSON: "one person of the directory",
        SlotType.PEOPLE: "people of the directory",
        SlotType.MINUTES: "a length of time",
        SlotType.NUMBER: "a number",
        SlotType.DATE: "a date",
        SlotType.DATE_RANGE: "a range of dates",
        SlotType.WHEN: "a time",
        SlotType.EVENT: "a meeting",
        SlotType.CHANNEL: "a channel",
        SlotType.TEXT: "a text",
    }[kind]


class _Unit:
    """One call of a step: the step itself, or one turn of its loop. Mutable; lives for one advance."""

    __slots__ = ("args", "bound", "key", "ready", "refused", "result", "state", "step")

    def __init__(self, step: Step, key: str | None, bound: Mapping[str, Any]) -> None:
        self.step, self.key, self.bound = step, key, bound
        self.args: dict[str, Any] = {}
        self.state = "new"  # new | ready | waiting | refused | done
        self.result: Json = None

    @property
    def step_key(self) -> str:
        return self.step.id if self.key is None else f"{self.step.id}[{self.key}]"


class _Run:
    """One advance of one generation. All state here is rebuilt from journal and ledger at the next advance."""

    def __init__(
        self, workflow: Workflow, slots: Mapping[str, SlotValue], host: Host, journal: Journal, generation: int
    ) -> None:
        self.workflow, self.slots, self.host, self.journal, self.generation = workflow, slots, host, journal, generation
        self.steps = {step.id: step for step in workflow.steps}
        self.needs = {step.id: step_references(step) & self.steps.keys() for step in workflow.steps}
        self.context: dict[str, Any] = {}
        self.units: dict[str, list[_Unit]] = {}  # effect steps that were prepared
        self.facts: dict[str, list[Json]] = {}  # loop results of earlier generations that the list no longer holds
        self.started: set[str] = set()
        self.done: set[str] = set()
        self.parked = False
        self.end: RunOutcome | None = None
        self.refusal: Refused | None = None
        self.pinned: frozenset[str] = frozenset()

    def call_key(self, name: str) -> str:
        return f"g{self.generation}.{name}"

    async def advance(self) -> RunOutcome:
        now = await self.recorded("now", "now", lambda: iso(self.host.now))
        self.context = base_context(self.host.me, self.host.people, self.host.preferences, self.host.zone, str(now))
        self.context |= {name: in_context(self.slots.get(name), self.host.people) for name in self.workflow.slots}
        self.context["errors"] = {}
        self.pinned = self.find_pinned()
        try:
            await self.schedule()
            return self.outcome()
        except BadExpression as error:
            return Ended(state="failed", code=error.code, message=error.message, fix=error.fix, text=self.said())

    async def recorded(self, name: str, kind: str, make: Any) -> Json:
        """The journal's value under this generation's key; made and recorded the first time."""
        found = self.journal.get(self.call_key(name))
        if not isinstance(found, Missed):
            return found
        value: Json = make()
        await self.journal.put(self.call_key(name), kind, value)
        return value

    def find_pinned(self) -> frozenset[str]:
        """Steps whose earlier values stand, since an effect already done was computed from them."""
        if self.generation == 0:
            return frozenset()
        pinned: set[str] = set()
        frontier = [
            step.id
            for step in self.workflow.steps
            if step.each is None and self.workflow.is_effect(step) and self.host.done_effect(step.id) is not None
        ]
        while frontier:
            for name in self.needs[frontier.pop()] - pinned:
                pinned.add(name)
                frontier.append(name)
        return frozenset(pinned)

    def earlier(self, name: str) -> Json | Missed:
        """The newest value under `name` in generations before this one."""
        for generation in range(self.generation - 1, -1, -1):
            found = self.journal.get(f"g{generation}.{name}")
            if not isinstance(found, Missed):
                return found
        return MISSING

    # --- scheduling -------------------------------------------------------------------------------------------------

    async def schedule(self) -> None:
        """Starts what can start until nothing can. Sends begin only when nothing else is in flight. Never cancels a call."""
        flying: set[asyncio.Task[None]] = set()
        failure: BaseException | None = None
        while True:
            if self.end is None and failure is None:
                for step in self.workflow.steps:
                    if step.id not in self.started and self.can_start(step):
                        self.started.add(step.id)
                        flying.add(asyncio.create_task(self.start(step)))
                if not flying:
                    flying = {asyncio.create_task(self.send(unit)) for unit in self.sendable()}
            if not flying:
                break
            landed, flying = await asyncio.wait(flying, return_when=asyncio.FIRST_COMPLETED)
            for task in landed:
                failure = failure or task.exception()
        if failure is not None:
            raise failure

    def can_start(self, step: Step) -> bool:
        """Effects are prepared as soon as their arguments are known; anything else also waits for what it is `after`."""
        if not self.needs[step.id] <= self.done:
            return False
        return self.workflow.is_effect(step) or set(step.after) <= self.done

    def sendable(self) -> list[_Unit]:
        return [
            unit
            for step in self.workflow.steps
            if set(step.after) <= self.done
            for unit in self.units.get(step.id, ())
            if unit.state == "ready"
        ]

    async def start(self, step: Step) -> None:
        if step.when is not None and not evaluate(step.when, self.context):
            self.finish(step, [] if step.each is not None else None)
        elif self.workflow.is_effect(step):
            await self.prepare(step)
        elif step.each is not None:
            await self.read_each(step)
        else:
            await self.read(step)

    def finish(self, step: Step, value: Any) -> None:
        self.context[step.id] = value
        self.done.add(step.id)

    # --- reads, computed values and questions ---------------------------------------------------------------------------

    async def read(self, step: Step) -> None:
        if step.id in self.pinned:
            found = self.earlier(step.id)
            if not isinstance(found, Missed) and isinstance(self.journal.get(self.call_key(step.id)), Missed):
                await self.journal.put(self.call_key(step.id), "pinned", found)
        result = self.journal.get(self.call_key(step.id))
        if isinstance(result, Missed):
            result = await self.produce(step, step.id, self.context)
            if isinstance(result, Missed):
                return
            await self.journal.put(self.call_key(step.id), "read" if step.call else "value", result)
        if step.select is None:
            if step.missing is not None and not result:
                self.end_missing(step.missing)
                return
            self.finish(step, result)
            return
        await self.choose(step, result)

    async def produce(self, step: Step, key: str, context: Mapping[str, Any]) -> Json | Missed:
        """The step's raw result, or MISSING when it parked, ended the run, or is an error that the step goes on with."""
        if step.ask is not None:
            return await self.question(step.ask, key, context)
        if step.call is None:
            value: Json = render(step.value, context)
            return value
        args = render(step.args, context)
        result: Json = None
        for page in range(1, step.pages + 1):
            call_id = self.call_key(key if page == 1 else f"{key}.page{page}")
            answer = await self.host.perform(ToolCall(call_id=call_id, tool=step.call, args=args))
            if not isinstance(answer, Completed):
                if self.take(step, answer):
                    self.context["errors"][step.id] = answer.code if isinstance(answer, Failed) else "refused"
                    self.finish(step, None)
                return MISSING
            result = answer.result if page == 1 else _joined(result, answer.result)
            cursor = answer.result.get("next") if isinstance(answer.result, dict) else None
            if not cursor:
                break
            args = {**args, "cursor": cursor}
        return result

    async def question(self, question: Question, key: str, context: Mapping[str, Any]) -> Json | Missed:
        choices = evaluate(question.choices, context) if isinstance(question.choices, str) else list(question.choices)
        labels = [str(choice) for choice in choices]
        answer = await self.host.ask(self.call_key(key), str(render(question.text, context)), labels)
        if answer is None:
            self.parked = True
            return MISSING
        index = choose(labels, answer) if labels else None
        return labels[index] if index is not None else answer

    async def choose(self, step: Step, result: Json) -> None:
        """Selects from a result; several where only one is meant is a question, never a guess."""
        assert step.select is not None
        chosen = select(step.select, result, self.context)
        match chosen:
            case Selected(value=value):
                self.finish(step, value)
            case Nothing() if step.missing is not None:
                self.end_missing(step.missing)
            case Nothing():
                self.finish(step, [] if step.select.take == "all" or isinstance(step.select.take, int) else None)
            case _:
                text = str(render(step.select.ask, self.context)) if step.select.ask else "Which one do you mean?"
                for attempt in count(1):
                    question_id = self.call_key(f"{step.id}.choice" + (f".{attempt}" if attempt > 1 else ""))
                    answer = await self.host.ask(question_id, text, chosen.labels)
                    index = choose(chosen.labels, answer) if answer is not None else None
                    if index is not None:
                        await self.host.chosen(question_id, chosen.rows[index])
                        self.finish(step, chosen.rows[index])
                        return
                    if answer is None:
                        self.parked = True
                        return

    async def read_each(self, step: Step) -> None:
        rows = await self.turns(step)
        limit = asyncio.Semaphore(MOST_AT_ONCE)

        async def one(key: str, bound: Mapping[str, Any]) -> Json | Missed:
            name = f"{step.id}[{key}]"
            found = self.journal.get(self.call_key(name))
            if not isinstance(found, Missed):
                return found
            async with limit:
                result = await self.produce(step, name, {**self.context, **bound})
            if not isinstance(result, Missed):
                await self.journal.put(self.call_key(name), "read", result)
            return result

        results = await asyncio.gather(*(one(key, bound) for key, bound in rows))
        if not any(isinstance(result, Missed) for result in results):
            self.finish(step, results)

    async def turns(self, step: Step) -> list[tuple[str, dict[str, Any]]]:
        """The loop's turns as (stable key, bound variable); recorded, so that a later generation knows what was in the list."""
        assert step.each is not None and step.key is not None
        rows = evaluate(step.each, self.context) or []
        if len(rows) > MOST_TURNS:
            raise BadExpression(
                f"step {step.id!r} would run {len(rows)} times", fix=f"narrow its list to at most {MOST_TURNS}"
            )
        keyed = {str(evaluate(step.key, {**self.context, step.bind: row})): {step.bind: row} for row in rows}
        await self.recorded(f"{step.id}.keys", "keys", lambda: list(keyed))
        return list(keyed.items())

    # --- effects ----------------------------------------------------------------------------------------------------

    async def prepare(self, step: Step) -> None:
        """Shows the gate every call of an effect step without sending it."""
        if step.each is None:
            turns: list[tuple[str | None, dict[str, Any]]] = [(None, {})]
        else:
            turns = [*await self.turns(step)]
            self.facts[step.id] = self.earlier_turns(step, {str(key) for key, _ in turns})
        units = [_Unit(step, key, bound) for key, bound in turns]
        self.units[step.id] = units
        limit = asyncio.Semaphore(MOST_AT_ONCE)

        async def one(unit: _Unit) -> None:
            found = self.journal.get(self.call_key(unit.step_key))
            if isinstance(found, Missed) and self.generation > 0:
                earlier = self.host.done_effect(unit.step_key)
                found = MISSING if earlier is None else earlier
            if not isinstance(found, Missed):
                unit.state, unit.result = "done", found
                return
            unit.args = render(step.args, {**self.context, **unit.bound})
            async with limit:
                await self.settle(unit, await self.host.perform(self.call(unit), hold=True))

        await asyncio.gather(*(one(unit) for unit in units))
        self.close(step)

    def earlier_turns(self, step: Step, current: set[str]) -> list[Json]:
        """Results of turns that earlier generations have done and whose record is no longer in the list."""
        found: dict[str, Json] = {}
        for generation in range(self.generation):
            keys = self.journal.get(f"g{generation}.{step.id}.keys")
            for key in keys if isinstance(keys, list) else ():
                result = self.host.done_effect(f"{step.id}[{key}]")
                if str(key) not in current and result is not None:
                    found[str(key)] = result
        return list(found.values())

    def call(self, unit: _Unit) -> ToolCall:
        assert unit.step.call is not None
        return ToolCall(call_id=self.call_key(unit.step_key), tool=unit.step.call, args=unit.args)

    async def send(self, unit: _Unit) -> None:
        await self.settle(unit, await self.host.perform(self.call(unit)))
        self.close(unit.step)

    async def settle(self, unit: _Unit, answer: CallOutcome) -> None:
        match answer:
            case Completed(result=result):
                unit.state, unit.result = "done", result
                await self.journal.put(self.call_key(unit.step_key), "effect", result)
            case Ready():
                unit.state = "ready"
            case Waiting():
                unit.state, self.parked = "waiting", True
            case Refused() if unit.step.each is not None:
                # One refused turn of a loop leaves the others alone; the run still ends as denied.
                unit.state, self.refusal = "refused", answer
            case _:
                unit.state = "refused"
                if self.take(unit.step, answer):
                    self.context["errors"][unit.step_key] = answer.code if isinstance(answer, Failed) else "refused"
                    unit.state = "done"

    def close(self, step: Step) -> None:
        """Finishes an effect step once none of its units is open."""
        units = self.units[step.id]
        if step.id in self.done or any(unit.state in ("new", "ready", "waiting") for unit in units):
            return
        if step.each is not None:
            results = [
                *self.facts.get(step.id, []),
                *(unit.result for unit in units if unit.state == "done" and unit.result is not None),
            ]
            self.finish(step, results)
        elif units[0].state == "done":
            self.finish(step, units[0].result)

    # --- ends -------------------------------------------------------------------------------------------------------

    def take(self, step: Step, answer: CallOutcome) -> bool:
        """Notes what an answer other than a result means for the run. True: the step goes on without a result."""
        match answer:
            case Waiting():
                self.parked = True
            case Refused() if answer.code == OVER_BUDGET:
                self.end = _over_budget(f"{step.call} was not sent", answer)
            case Refused(code=code, reason=reason):
                message = f"{step.call} was not allowed: {reason}"
                self.end = Ended(state="denied", code=code, message=message, fix=answer.near_miss)
            case Broken(reason=reason):
                if not isinstance(self.end, Ended):
                    self.end = Replan(reason=reason)
            case Failed(code=code, message=message, fix=fix):
                if step.on_error == "continue" and code != "unreachable":
                    return True
                self.end = self.end or Ended(state="failed", code=code, message=message, fix=fix)
            case Ready():
                raise BadExpression(
                    f"step {step.id!r} calls {step.call}, which changes something, outside the workflow's grant",
                    fix="add the tool to grant:, or call a tool that only reads",
                )
            case Completed():
                pass
        return False

    def end_missing(self, missing: Missing) -> None:
        text = str(render(missing.text, self.context))
        if missing.state == "done":
            self.end = self.end or Done(text=text, output={"nothing_found": True})
        else:
            fix = "look whether it is there, and ask again in other words"
            self.end = self.end or Ended(state="failed", code=missing.code, message=text, fix=fix)

    def said(self) -> str | None:
        """What was done so far, for an end that is no success."""
        sentences = [
            str(render(step.says, self.context))
            for step in self.workflow.steps
            if step.says and step.id in self.done and self.context.get(step.id)
        ]
        return " ".join(sentences) or None

    def outcome(self) -> RunOutcome:
        match self.end:
            case Ended() as end:
                return Ended(
                    state=end.state,
                    code=end.code,
                    message=end.message,
                    fix=end.fix,
                    text=self.said(),
                    output=end.output,
                )
            case Done() | Replan() as end:
                return end
            case _:
                pass
        if self.parked:
            return Parked()
        if self.refusal is not None and self.refusal.code == OVER_BUDGET:
            return replace(_over_budget("not everything was sent", self.refusal), text=self.said())
        if self.refusal is not None:
            message = f"not everything was allowed: {self.refusal.reason}"
            return Ended(
                state="denied", code=self.refusal.code, message=message, fix=self.refusal.near_miss, text=self.said()
            )
        left = [step.id for step in self.workflow.steps if step.id not in self.done]
        if left:
            message = f"steps {', '.join(left)} wait for each other"
            return Ended(
                state="failed",
                code="bad_workflow",
                message=message,
                fix="remove the circle from after: and expressions",
            )
        text = str(render(self.workflow.text, self.context))
        return Done(text=text, output=render(self.workflow.output, self.context))


def _over_budget(what: str, refused: Refused) -> Ended:
    message = f"{what}: {refused.reason}"
    return Ended(state=OVER_BUDGET, code=OVER_BUDGET, message=message, fix="ask again with a larger --budget")


def _joined(first: Json, page: Json) -> Json:
    """Two pages of one list result as one."""
    if not isinstance(first, dict) or not isinstance(page, dict):
        return first
    name = next((name for name, value in first.items() if isinstance(value, list)), None)
    if name is None:
        return first
    return {**page, name: [*rows_of(first, name), *rows_of(page, name)]}
