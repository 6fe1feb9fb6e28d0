"""One advance of an item that an agent works on: rebuilt from its rows, told what people said, run until it ends or parks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from connectors.spec import Json
from orchestrator import clock, telemetry
from orchestrator.agents import checks, notices
from orchestrator.agents.agent import Agent
from orchestrator.agents.calls import Caller
from orchestrator.agents.conversation import wire_name
from orchestrator.agents.delegation import Desk
from orchestrator.agents.finishing import Finishing
from orchestrator.agents.history import History
from orchestrator.agents.house_tools import FINISH, HOUSE_TOOLS, LOOKING
from orchestrator.agents.lanes import Lane
from orchestrator.agents.side_calls import SideCalls
from orchestrator.agents.window import Window
from orchestrator.domain.call import CallOutcome, ToolCall
from orchestrator.domain.item import Origin
from orchestrator.domain.outcome import Done, Ended, Parked, RunOutcome
from orchestrator.engine.agent_ledger import AgentLedger
from orchestrator.engine.agent_start import AgentRoom, beginning, listed, open_run, spec_of, variables
from orchestrator.engine.around import Around
from orchestrator.engine.at_gate import open_gate
from orchestrator.engine.hearing import hear_answers
from orchestrator.engine.runner import Advanced
from orchestrator.engine.spans import Spans
from orchestrator.gate.authorize import open_case
from orchestrator.gate.perform import Gate
from orchestrator.store import budgets, packets, runs
from orchestrator.store import spans as spans_table
from orchestrator.store.database import Tx
from orchestrator.store.fence import fence
from orchestrator.store.lease import Claimed, Message
from orchestrator.store.packets import Packet
from orchestrator.store.steplog import Row, StepRow
from orchestrator.store.tasks import actor_of
from orchestrator.store.writer import Writer
from policies.decision import Decision
from policies.guard import Case

if TYPE_CHECKING:
    from orchestrator.engine.advance import House


async def advance_agent(
    house: House,
    room: AgentRoom,
    writer: Writer,
    claimed: Claimed,
    around: Around,
    packet: Packet | None,
    match: Mapping[str, Any] | None,
    lane: Lane,
) -> Advanced:
    """Opens the item's run where it has none. Raises UsageError for an agent, tool, prompt or model that is not there."""
    from orchestrator.agents import graph

    item = claimed.lease.item
    if claimed.run is None or not claimed.run.is_open:
        begun = await beginning(room, house.toolbox, house.library, item, around, packet, writer)
        model = room.models.role(begun.spec.role, begun.spec.model)
        run, first = await open_run(
            claimed.lease,
            begun,
            toolbox=house.toolbox,
            bundle=house.guard.bundle_digest,
            model=model.name,
            match=match,
            writer=writer,
        )
        log: Sequence[StepRow] = [first]
    else:
        run, log = claimed.run, claimed.log
    chain = (item.item_id,) if item.parent_id is None else await writer.read(budgets.chain, item.item_id)
    one = _AgentAdvance(
        house=house,
        room=room,
        writer=writer,
        claimed=claimed,
        around=around,
        packet=packet,
        run=run,
        log=log,
        chain=chain,
        lane=lane,
    )
    return await one.finish(graph.run)


@dataclass(slots=True, kw_only=True)
class _AgentAdvance:
    """One advance of an open run."""

    house: House
    room: AgentRoom
    writer: Writer
    claimed: Claimed
    around: Around
    packet: Packet | None
    run: runs.Run
    log: Sequence[StepRow]
    chain: Sequence[str]
    lane: Lane
    spans: Spans = field(init=False)
    ledger: AgentLedger = field(init=False)
    history: History = field(init=False)
    gate: Gate = field(init=False)
    desk: Desk = field(init=False)
    agent: Agent = field(init=False)

    def __post_init__(self) -> None:
        house, item, claimed = self.house, self.claimed.lease.item, self.claimed
        self.spans = house.spans(item, self.run, claimed.lease.epoch)
        spec = spec_of(self.log[0].body)
        self.ledger = AgentLedger(
            writer=self.writer, lease=claimed.lease, run_id=self.run.run_id, agent=spec.name, chain=self.chain
        )
        self.ledger.last_seq = self.log[-1].seq
        tools = listed(house.toolbox, spec)
        self.history = History(listed={wire_name(name): name for name in tools})
        self.history.rebuild(self.log)
        self.desk = Desk(
            item=item,
            run_id=self.run.run_id,
            spec=spec,
            specs={name: tool for name, tool in tools.items() if name in HOUSE_TOOLS},
            ledger=self.ledger,
            history=self.history,
            lease=claimed.lease,
            waits={wait.wait_id: wait for wait in claimed.waits},
            room=self.room,
            names=sorted(house.toolbox.names_for(self.around.connections)),
            me=self.around.me(item),
            variables=variables(item, self.around, clock.now()),
            read=self.writer.read,
            said=str(self.packet.case.get("request") or item.request) if self.packet else item.request,
        )
        self.gate = open_gate(
            house,
            self._case(list(tools)),
            item=item,
            claimed=claimed,
            around=self.around,
            run=self.run,
            log=self.log,
            ledger=self.ledger,
            approves_all=bool(item.options.get("approve_all")),
            request=self._shown_request(),
            inside=self.desk,
            on_decision=self._on_decision,
        )
        self.desk.authority = self.gate.authority
        wire = self.room.wire(house.toolbox, spec)
        model = self.room.models.role(spec.role, spec.model)
        caller = Caller(
            log=self.ledger,
            history=self.history,
            secret=lambda: self.gate.authority.case.label.secret,
            on_reply=self.spans.on_reply if house.exporter is not None else self.spans.count_reply,
            timeout_s=self.room.timeout_s,
            lane=self.lane,
        )
        sides = SideCalls(
            caller=caller,
            model=model,
            judge=lambda: self.room.models.role("judge"),
            criteria=spec.judge,
            prompt=self.room.prompt,
        )
        window = Window(
            history=self.history,
            log=self.ledger,
            context_tokens=model.context_tokens,
            max_tokens=self.room.max_tokens,
            overhead=len(wire),
            summarise=sides.summarise,
        )
        finishing = Finishing(
            spec=spec,
            gate=self.gate,
            history=self.history,
            log=self.ledger,
            facts=self._facts,
            judge=sides.verdict,
            denied_below=self.desk.codes_below,
            did_anything_below=self.desk.did_anything_below,
            ask_person=self.desk.ask_person,
        )
        self.agent = Agent(
            spec=spec,
            model=model,
            gate=self.gate,
            caller=caller,
            history=self.history,
            window=window,
            tools=wire,
            finisher=finishing,
            max_tokens=self.room.max_tokens,
            withdraw=self.desk.withdraw,
            specs=tools,
            plan_text=self.room.prompt("plan").render() if spec.plan else "",
        )

    def _case(self, tools: Sequence[str]) -> Case:
        """The guard's case: of a root over the user's own words, of a child over what its parent had heard and seen."""
        item = self.claimed.lease.item
        mounted = [one for one in self.house.toolbox.for_guard() if one["name"] in set(tools)]
        common: dict[str, Any] = {
            "request": item.request,
            "requester": item.requester,
            "now": item.created_at,
            "tools": [*mounted, *(_for_guard(self.desk.specs[name]) for name in self.desk.specs)],
            "people": list(self.around.people.values()),
            "inside_domains": self.house.inside_domains,
        }
        if self.packet is not None:
            born = self.packet.case
            return open_case(
                self.house.guard, **common, origin=born["origin"], parent=born["state"], grant=born["grant"]
            )
        case = open_case(self.house.guard, **common, origin=item.origin.value, grant=None)
        if item.options.get("agent"):
            case.grant = replace(case.grant, scope=tuple(tools))
        return case

    def _on_decision(
        self, call: ToolCall, decision: Decision | None, outcome: CallOutcome, started_at: datetime
    ) -> None:
        """Rules and time of a call stand with its row; spans are made of rows when somebody looks, or at once for a collector."""
        if decision is not None:
            self.ledger.decided(call.call_id, decision.rules, clock.now() - started_at)
        tell = self.spans.on_decision if self.house.exporter is not None else self.spans.count_decision
        tell(call, decision, outcome, started_at)

    def _shown_request(self) -> str:
        """What cards show beside an effect: the requester's own words, and the task they became."""
        item = self.claimed.lease.item
        own = str(self.packet.case.get("request") or "") if self.packet is not None else ""
        return f"{own} (task: {item.request})" if own else item.request

    # ---- the advance ---------------------------------------------------------------------------------------------
    async def finish(self, run: Any) -> Advanced:
        await hear_answers(self.claimed, self.log, self.ledger, self.gate.authority)
        await self.gate.settle_doubts()
        self._take_in_doubts()
        outcome: RunOutcome
        if self.gate.is_in_doubt:
            outcome = Parked()
        else:
            outcome = await self._hear_nudges() or await run(self.agent)
        if self.gate.is_in_doubt:  # INVARIANT: nothing ends over an attempt of unknown outcome
            outcome = Parked()
        ended = isinstance(outcome, Done | Ended)
        if isinstance(outcome, Ended) and outcome.text is None:
            outcome = replace(outcome, text=self._so_far())
        now = clock.now()
        spent = self.history.spent
        self.spans.spent = (spent.model_calls, spent.input_tokens, spent.output_tokens)
        if self.packet is not None:
            self.spans.delegated_by = telemetry.root_id(self.packet.delegated_by)
        rows, fresh = self.spans.collect(self.claimed, outcome, now)
        rows = [row for row in rows if row.span_id not in self.spans.of_calls]
        await self.ledger.put(self._close, rows, outcome if ended else None, self.agent.caller.left_over())
        if self.house.exporter is not None:
            self.house.exporter.record(fresh)
        return Advanced(outcome=outcome, receipt=self._receipt() if ended else None)

    def _close(
        self, tx: Tx, rows: Sequence[spans_table.SpanRow], outcome: RunOutcome | None, change: Mapping[str, int]
    ) -> None:
        fence(tx, self.claimed.lease)
        budgets.settle(tx, self.chain, change)
        spans_table.put_many(tx, rows)
        if outcome is not None and self.packet is not None and isinstance(outcome, Done | Ended):
            told = {"text": outcome.text, "output": dict(outcome.output)}
            packets.label(tx, self.claimed.lease.item.item_id, self.gate.authority.case.labels_of(told))

    def _take_in_doubts(self) -> None:
        """Effects whose outcome was found out just now answer the calls that waited for it."""
        for pending in list(self.history.waiting.values()):
            effect = self.gate.latest(pending.call_id)
            if effect is not None and effect.state.value == "done":
                body = {"tool": effect.tool, "args": dict(effect.args), "result": effect.result}
                self.history.apply("effect", effect.call_id, body)

    async def _hear_nudges(self) -> RunOutcome | None:
        """Remarks not yet on the log. A call that would change something and is not answered yet is put to the model again."""
        heard = {row.key for row in self.log if row.kind == "nudge"}
        fresh = [message for message in self.claimed.messages if f"nudge.{message.seq}" not in heard]
        if not fresh:
            return None
        self.desk.is_interrupted = True
        open_calls = []
        for pending in list(self.history.waiting.values()):
            tool = self.house.toolbox.any_of(pending.tool)
            changes_nothing = pending.tool in LOOKING or (tool is not None and tool.spec.is_read)
            is_answered = changes_nothing or self.desk.is_answered(pending.call_id)
            if is_answered and (ended := await self.agent.answer(pending)) is not None:
                return ended
            if pending.call_id not in self.history.waiting:
                continue
            if pending.tool == FINISH:
                await self.desk.withdraw_need()
            open_calls.append(pending.call_id)
            told: Json = {"waiting": notices.WAITING_STILL}
            body = {"tool": pending.tool, "value": told, "open": True}
            self._write(Row(kind="result", key=pending.call_id, body=body))
        self.desk.is_interrupted = False  # heard: whoever waits again does so undisturbed
        me = self.claimed.lease.item.requester
        for message in fresh:
            is_human = message.origin is Origin.HUMAN
            is_mine = is_human and message.author == me
            name = self.around.people[message.author].name if message.author in self.around.people else message.author
            said: Any = {
                "text": message.text,
                "by": message.author,
                "human": is_human,
                "shown": notices.correction(message.text)
                if self._is_from_above(message)
                else notices.remark(name, message.text, is_requester=is_mine),
                "open": open_calls,
            }
            self._write(Row(kind="nudge", key=f"nudge.{message.seq}", body=said))
            self.gate.authority.say(message.text, message.author, human=is_human)
        await self.ledger.flush()
        return None

    def _is_from_above(self, message: Message) -> bool:
        return self.packet is not None and message.author == actor_of(self.claimed.lease)

    def _write(self, row: Row) -> None:
        self.ledger.later([row])
        self.history.apply(row.kind, row.key, row.body)

    # ---- what there is to tell -----------------------------------------------------------------------------------
    def _facts(self) -> checks.CheckFacts:
        item = self.claimed.lease.item
        effects = [
            {"tool": e.tool, "args": dict(e.args), "state": e.state.value, "result": e.result}
            for e in self.gate.effects.values()
        ]
        calls = {row.key: row.body for row in self.log if row.kind == "read" and isinstance(row.body, dict)}
        reads = [
            {"tool": calls.get(key, {}).get("tool", ""), "args": calls.get(key, {}).get("args", {}), "result": value}
            for key, value in self.gate.reads.items()
        ]
        reads += [{"tool": tool, "args": {}, "result": value} for tool, value in self.history.heard]
        return checks.CheckFacts(
            request=item.request,
            goal=str((self.packet.context if self.packet else {}).get("goal", item.request)),
            effects=effects,
            reads=reads,
            children=self.desk.children(),
            packet=dict(self.packet.context) if self.packet is not None else {},
            now=clock.now(),
            zone=self.around.me(item).zone,
        )

    def _so_far(self) -> str | None:
        """What a run that did not finish has to show: its last words, what it did, what its tasks returned."""
        done = [f"- {e.preview}" for e in self.gate.effects.values() if e.state.value == "done"]
        below = [f"- {child['name']}: {child['text']}" for child in self.desk.children() if child.get("text")]
        parts = [self.history.last_text] if self.history.last_text else []
        parts += ["Done so far:", *done] if done else []
        parts += ["Returned by its tasks:", *below] if below else []
        return "\n".join(parts) or None

    def _receipt(self) -> dict[str, Any]:
        item, spent = self.claimed.lease.item, self.history.spent
        return {
            "model_calls": spent.model_calls,
            "input_tokens": spent.input_tokens,
            "output_tokens": spent.output_tokens,
            "cost_usd": round(spent.cost_microusd / 1_000_000, 6),
            "wall_s": round((clock.now() - item.created_at).total_seconds(), 3),
            "determinism": "model",
            "endpoints": list(spent.endpoints.values()),
            "retries": spent.retries,
            "refused_results": self.history.failed_checks,
        }


def _for_guard(spec: Any) -> dict[str, Any]:
    return {
        "name": spec.name,
        "description": spec.description,
        "parameters": dict(spec.parameters),
        "manifest": dict(spec.manifest),
    }
