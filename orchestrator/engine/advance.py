"""One advance of one item: route it, run it as far as it can go, say how it ended. The worker claims and settles around this.

Rebuilt from rows at each claim: the guard's case from what was said and read, the workflow from what was pinned, its slots from
the step log. REPLAY: everything here may run again after a crash and meets its own records.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from connectors.spec import Json
from orchestrator import clock, telemetry
from orchestrator.agents.lanes import Lane, Lanes
from orchestrator.domain.effect import EffectState
from orchestrator.domain.item import Item, Origin
from orchestrator.domain.outcome import Done, Ended, Parked, Replan, RunOutcome
from orchestrator.domain.person import Person
from orchestrator.engine.around import Around, KnownPeople, accounts, look_around
from orchestrator.engine.at_gate import open_gate
from orchestrator.engine.claim_ledger import ClaimLedger
from orchestrator.engine.hearing import hear_answers
from orchestrator.engine.remarks import fixed_slots, still_possible
from orchestrator.engine.run_host import RunHost, RunJournal
from orchestrator.engine.runner import Advanced
from orchestrator.engine.spans import Spans
from orchestrator.errors import UsageError
from orchestrator.gate import directory
from orchestrator.gate.authorize import open_case
from orchestrator.gate.credentials import Vault
from orchestrator.gate.perform import Gate
from orchestrator.gate.toolbox import Toolbox
from orchestrator.measures import NOTHING, Measures
from orchestrator.store import budgets, packets, people, runs, steplog
from orchestrator.store import lease as leases
from orchestrator.store import spans as spans_table
from orchestrator.store.connections import choose
from orchestrator.store.database import Tx
from orchestrator.store.lease import Claimed
from orchestrator.store.packets import Packet
from orchestrator.store.steplog import Row, StepRow
from orchestrator.store.writer import Writer
from orchestrator.workflows import execute
from orchestrator.workflows.definition import Workflow
from orchestrator.workflows.match import Library
from orchestrator.workflows.route import NotRouted, Routed, route
from orchestrator.workflows.slots import refine
from orchestrator.workflows.values import SlotValue
from policies.grants import Grant
from policies.guard import Guard

if TYPE_CHECKING:
    from orchestrator.engine.agent_start import AgentRoom

PEOPLE_FRESH_S = 10.0  # a directory is not read again sooner
NO_MODEL_FIX = "say it like one of the saved workflows (deputy workflow ls), or set DEPUTY_MODEL, e.g. to openai:NAME with DEPUTY_MODEL_BASE_URL"


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What every advance of a worker shares: parsed once, unchanged while it runs."""

    toolbox: Toolbox
    guard: Guard
    library: Library
    model: str = "none"
    agents: AgentRoom | None = None  # None: no model is configured
    inside_domains: Sequence[str] = ()
    roles: Mapping[str, frozenset[str]] = field(default_factory=dict)
    approval_expiry: timedelta = timedelta(days=7)
    telemetry_content: telemetry.Content = "redacted"
    exporter: telemetry.Exporter | None = None
    vault: Vault = field(default_factory=Vault)
    measures: Measures = NOTHING

    def spans(self, item: Item, run: runs.Run, attempt: int) -> Spans:
        return Spans(item, run, attempt=attempt, content=self.telemetry_content, measures=self.measures)

    @property
    def admins(self) -> frozenset[str]:
        return frozenset(person for person, roles in self.roles.items() if "admin" in roles)


class Advancer:
    """The worker's runner. `house` is asked at each advance: rules, workflows and people's roles are always the present ones."""

    def __init__(self, house: Callable[[], House]) -> None:
        self._current = house
        self._people = KnownPeople()
        self._people_read_s: dict[str, float] = {}  # connection → when its directory was read, monotonic
        self._lanes = Lanes()

    async def advance(self, claimed: Claimed, writer: Writer) -> Advanced:
        async with self._lanes.lane() as lane:
            return await self._advance(claimed, writer, lane)

    async def _advance(self, claimed: Claimed, writer: Writer, lane: Lane) -> Advanced:
        house, item = self._current(), claimed.lease.item
        in_flight = any(e.state in (EffectState.ATTEMPTED, EffectState.UNKNOWN) for e in claimed.effects)
        if item.cancel_requested and not in_flight:
            return Advanced(outcome=Ended(state="cancelled", code="cancelled", message="cancelled by a person"))
        around = await writer.read(look_around, item, self._people)
        house.toolbox.enable(around.connections)
        packet = await writer.read(packets.get, item.item_id) if item.parent_id is not None else None
        if claimed.run is not None and claimed.run.is_open and claimed.run.route == "agent":
            return await self._by_agent(house, writer, claimed, around, packet, None, lane)
        if claimed.run is None or not claimed.run.is_open:
            around = await self._refresh_people(house, item, around, writer)
            found = self._route(house, item, around, packet)
            if isinstance(found, NotRouted) and found.code == "needs_model" and house.agents is not None:
                return await self._by_agent(house, writer, claimed, around, packet, found.match, lane)
            if isinstance(found, NotRouted):
                return self._end_unrouted(item, found)
            workflow, slots, match = found.workflow, list(found.slots), found.match
            run = await self._start(house, claimed, found, writer)
            log: Sequence[StepRow] = ()
        else:
            run, log = claimed.run, claimed.log
            workflow = Workflow.from_json(run.pins["content"])
            slots, match = _slots_of(log), item.match
        return await _Advance(house, writer, claimed, around, run, workflow, slots, match, log, packet).finish()

    def _route(self, house: House, item: Item, around: Around, packet: Packet | None) -> Routed | NotRouted:
        """A task agent, and whoever names one, needs a model whatever the words are like."""
        if (packet is not None and packet.spec) or item.options.get("agent"):
            return NotRouted(code="needs_model", message="An agent was asked for, and no model is configured.")
        return route(house.library, item.request, item.options, **around.speaking(item, item.created_at))

    async def _by_agent(
        self,
        house: House,
        writer: Writer,
        claimed: Claimed,
        around: Around,
        packet: Packet | None,
        match: Mapping[str, Any] | None,
        lane: Lane,
    ) -> Advanced:
        if house.agents is None:
            end = Ended(
                state="needs_model", code="needs_model", message="The model was taken away meanwhile.", fix=NO_MODEL_FIX
            )
            return Advanced(outcome=end)
        from orchestrator.engine.agent_advance import advance_agent

        try:
            return await advance_agent(house, house.agents, writer, claimed, around, packet, match, lane)
        except UsageError as error:
            end = Ended(state="failed", code=error.code, message=error.message, fix=error.fix)
            return Advanced(outcome=end, match=match, receipt=receipt(claimed.lease.item, clock.now()))

    async def _refresh_people(self, house: House, item: Item, around: Around, writer: Writer) -> Around:
        connection = choose(around.connections, principal=item.requester, family="directory")
        read_s = self._people_read_s.get(connection.connection_id) if connection is not None else None
        if connection is None or (read_s is not None and time.monotonic() - read_s < PEOPLE_FRESH_S):
            return around
        found = await directory.read_people(house.toolbox, connection, accounts(house.vault, writer))
        if found is None:
            return around
        self._people_read_s[connection.connection_id] = time.monotonic()
        known = {address: _as_listed(person) for address, person in around.people.items()}
        if known != {person.address: _as_listed(person) for person in found}:
            await writer.put(people.upsert_many, found, connection.connector, clock.now())
            return await writer.read(look_around, item, self._people)
        return around

    def _end_unrouted(self, item: Item, found: NotRouted) -> Advanced:
        state = "needs_model" if found.code == "needs_model" else "failed"
        fix = NO_MODEL_FIX if state == "needs_model" else "see: deputy workflow ls"
        end = Ended(state=state, code=found.code, message=found.message, fix=fix)
        return Advanced(outcome=end, match=found.match, receipt=receipt(item, clock.now()))

    async def _start(self, house: House, claimed: Claimed, found: Routed, writer: Writer) -> runs.Run:
        """The run with everything it keeps over an upgrade: workflow, slots, digests of its tools."""
        now, lease, workflow = clock.now(), claimed.lease, found.workflow
        used = {step.call for step in workflow.steps if step.call}
        tools = {name: tool.digest for name in sorted(used) if (tool := house.toolbox.any_of(name)) is not None}
        pins = {
            "workflow": workflow.digest,
            "content": workflow.as_json(),
            "tools": tools,
            "bundle": house.guard.bundle_digest,
        }

        def start(tx: Tx) -> runs.Run:
            run_id = runs.start(
                tx, lease, route=found.route, workflow=workflow.name, version=workflow.version, pins=pins, now=now
            )
            rows = [
                Row(kind="match", key="match", body=dict(found.match) if found.match else None),
                Row(kind="slots", key=f"g{lease.item.generation}.slots", body=[slot.as_json() for slot in found.slots]),
            ]
            steplog.append(tx, lease, rows, now)
            if limits := lease.item.options.get("budget"):
                budgets.open(tx, lease.item.item_id, limits)
            leases.record(tx, lease, match=found.match, slots=[slot.as_json() for slot in found.slots])
            return runs.get(tx, run_id)

        return await writer.put(start)


class _Advance:
    """One advance of an open run."""

    def __init__(
        self,
        house: House,
        writer: Writer,
        claimed: Claimed,
        around: Around,
        run: runs.Run,
        workflow: Workflow,
        slots: list[SlotValue],
        match: Mapping[str, Any] | None,
        log: Sequence[StepRow],
        packet: Packet | None,
    ) -> None:
        self.packet = packet
        self.house, self.writer, self.claimed, self.around = house, writer, claimed, around
        self.run, self.workflow, self.slots, self.match, self.log = run, workflow, slots, match, log
        self.item = claimed.lease.item
        self.me = around.me(self.item)
        self.ledger = ClaimLedger(writer=writer, lease=claimed.lease, run_id=run.run_id)
        self.spans = house.spans(self.item, run, claimed.lease.epoch)
        self.gate = self._gate()

    async def finish(self) -> Advanced:
        await hear_answers(self.claimed, self.log, self.ledger, self.gate.authority)
        await self.gate.settle_doubts()
        outcome = await self._hear_nudges() or await self._run()
        # INVARIANT: nothing is planned anew, and nothing ends, over an attempt of unknown outcome
        if self.gate.is_in_doubt:
            outcome = Parked()
        if isinstance(outcome, Ended) and outcome.code == "cancelled":
            outcome = replace(outcome, state="cancelled")
        if isinstance(outcome, Replan):
            await self.ledger.close_questions(f"g{self.item.generation}.")
        ended = isinstance(outcome, Done | Ended)
        now = clock.now()
        rows, fresh = self.spans.collect(self.claimed, outcome, now)
        if self.packet is not None:
            self.spans.delegated_by = telemetry.root_id(self.packet.delegated_by)
        await self.writer.put(spans_table.put_many, rows)
        if ended and self.packet is not None:
            await self.writer.put(packets.label, self.item.item_id, self._labels(outcome))
        if self.house.exporter is not None:
            self.house.exporter.record(fresh)
        return Advanced(
            outcome=outcome,
            receipt=receipt(self.item, now) if ended else None,
            route=self.run.route,
            match=self.match,
            slots=[slot.as_json() for slot in self.slots],
        )

    def _labels(self, outcome: RunOutcome) -> dict[str, Any]:
        """Of what the agent that handed this on will read: where its words came from."""
        told = {"text": outcome.text, "output": dict(outcome.output)} if isinstance(outcome, Done | Ended) else {}
        return self.gate.authority.case.labels_of(told)

    async def _run(self) -> RunOutcome:
        self._refresh_defaults()
        host = RunHost(
            gate=self.gate,
            ledger=self.ledger,
            me=self.me,
            people=list(self.around.people.values()),
            waits={wait.wait_id: wait for wait in self.claimed.waits},
            log=self.log,
            generation=self.item.generation,
        )
        journal = RunJournal(log=self.log, gate=self.gate, ledger=self.ledger)
        outcome = await execute.run(self.workflow, self.slots, host, journal, generation=self.item.generation)
        answered = {slot.name: slot for slot in journal.answered_slots()}
        self.slots = [answered.pop(slot.name, slot) for slot in self.slots] + list(answered.values())
        return outcome

    # ---- rebuilding --------------------------------------------------------------------------------------------------
    def _gate(self) -> Gate:
        item = self.item
        born = self.packet.case if self.packet is not None else None
        case = open_case(
            self.house.guard,
            request=item.request,
            requester=item.requester,
            origin=item.origin.value if born is None else born["origin"],
            parent=None if born is None else born["state"],
            now=item.created_at,
            tools=self.house.toolbox.for_guard(),
            people=list(self.around.people.values()),
            inside_domains=self.house.inside_domains,
            grant=published_grant(self.workflow),
        )
        return open_gate(
            self.house,
            case,
            item=item,
            claimed=self.claimed,
            around=self.around,
            run=self.run,
            log=self.log,
            ledger=self.ledger,
            approves_all=bool(item.options.get("approve_all")),
            on_decision=self.spans.on_decision,
        )

    def _refresh_defaults(self) -> None:
        """A re-plan reads defaults ("the next five working days") as of now; what the person said keeps its meaning."""
        if self.item.generation == 0:
            return
        found = route(
            self.house.library,
            self.item.request,
            {**self.item.options, "workflow": self.workflow.name},
            **self.around.speaking(self.item, clock.now()),
        )
        if isinstance(found, Routed):
            fresh = {slot.name: slot for slot in found.slots if not slot.text}
            self.slots = [fresh.get(slot.name, slot) if not slot.text else slot for slot in self.slots]

    # ---- words of people ---------------------------------------------------------------------------------------------
    async def _hear_nudges(self) -> RunOutcome | None:
        """A new remark narrows the slots and re-plans; one that needs a model, or comes too late, is noted and changes nothing.

        REPLAY: a remark and the slots it changes are one commit; slots of a generation that has not begun mean a new plan.
        """
        heard = {row.key for row in self.log if row.kind == "nudge"}
        following = f"g{self.item.generation + 1}.slots"
        changed = any(row.kind == "slots" and row.key == following for row in self.log)
        fixed = fixed_slots(self.workflow, self._is_done)
        for message in self.claimed.messages:
            key = f"nudge.{message.seq}"
            if key in heard:
                continue
            is_human = message.origin is Origin.HUMAN
            refined = (
                refine(
                    self.slots,
                    message.text,
                    people=list(self.around.people.values()),
                    now=message.at,
                    zone=self.me.zone,
                    me=self.me,
                )
                if is_human and message.author == self.item.requester
                else None
            )
            wanted = still_possible(self.slots, refined, fixed)
            said: Json = {
                "text": message.text,
                "by": message.author,
                "human": is_human,
                "understood": refined is not None,
                "too_late": refined is not None and wanted is None,
            }
            rows = [Row(kind="nudge", key=key, body=said)]
            if wanted is not None:
                self.slots, changed = wanted, True
                rows.append(Row(kind="slots", key=following, body=[slot.as_json() for slot in wanted]))
            await self.ledger.notes(rows)
            self.gate.authority.say(message.text, message.author, human=is_human)
        return Replan(reason="a nudge changed what is wanted", by_person=True) if changed else None

    def _is_done(self, step_id: str) -> bool:
        """Whether the effect of a step has happened, in whatever generation."""
        known = (self.gate.latest(f"g{number}.{step_id}") for number in range(self.item.generation + 1))
        return any(effect is not None and effect.state is EffectState.DONE for effect in known)


def _as_listed(person: Person) -> Person:
    """Without what only our own table knows, and in one form."""
    return replace(person, preferences={}, aliases=tuple(person.aliases))


def published_grant(workflow: Workflow) -> Grant:
    """What the workflow was published with. Its texts are reviewed templates that code fills."""
    clauses = [entry.model_dump(mode="json") for entry in workflow.grant]
    return Grant.from_json({"clauses": clauses, "writer": "template"})


def _slots_of(log: Sequence[StepRow]) -> list[SlotValue]:
    """The latest slots on the log."""
    latest: list[Any] = next((row.body for row in reversed(log) if row.kind == "slots"), [])
    return [SlotValue.from_json(slot) for slot in latest]


def receipt(item: Item, now: datetime) -> dict[str, Any]:
    """The receipt of a run without a model. wall_s: from the request to its end, waits included."""
    return {
        "model_calls": 0,
        "input_tokens": 0,
        "output_tokens": 0,
        "cost_usd": 0.0,
        "wall_s": round((now - item.created_at).total_seconds(), 3),
        "determinism": "replayable",
        "endpoints": [],
    }
