"""What the house's own tools do: hand work on, wait for it, steer it, ask, remember. The gate has allowed the call already.

Everything here is rows, fenced by the claim, in one commit with the answer the agent gets: a re-run meets its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from connectors.spec import Json, ToolSpec
from orchestrator import clock, ids
from orchestrator.agents import tasks
from orchestrator.agents.history import History
from orchestrator.agents.prompts import Prompt
from orchestrator.agents.remembering import recall, remember
from orchestrator.agents.spec import AgentSpec, Definition
from orchestrator.domain.call import CallOutcome, Completed, Failed, ToolCall, Waiting
from orchestrator.domain.item import PRIORITY_RANGE, Item, Origin, WaitKind
from orchestrator.domain.person import Person
from orchestrator.errors import DeputyError
from orchestrator.gate.authorize import Authority
from orchestrator.store import lease as leases
from orchestrator.store import packets, steplog, waits
from orchestrator.store import tasks as handed_on
from orchestrator.store.database import Tx
from orchestrator.store.fence import Lease, fence
from orchestrator.store.packets import Packet
from orchestrator.store.steplog import Row
from orchestrator.store.tasks import Refused, Size, Task
from orchestrator.store.waits import Wait
from orchestrator.store.worklist import NewItem

CHILD = "child:"


class Room(Protocol):
    """What agents of a worker share."""

    @property
    def catalogue(self) -> Mapping[str, Definition]: ...
    def prompt(self, name: str) -> Prompt: ...
    @property
    def depth(self) -> int: ...
    @property
    def items(self) -> int: ...


class Log(Protocol):
    def later(self, rows: Sequence[Row]) -> None: ...
    def put(self, verb: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Awaitable[Any]: ...


@dataclass(slots=True, kw_only=True)
class Desk:
    """Implements `gate.perform.Inside` for one advance. `is_interrupted`: a remark came in, so that waiting ends early."""

    item: Item
    run_id: str
    spec: AgentSpec
    specs: Mapping[str, ToolSpec]
    ledger: Log
    history: History
    lease: Lease
    waits: MutableMapping[str, Wait]
    room: Room
    names: Sequence[str]  # every connector tool there is
    me: Person
    variables: Mapping[str, Any]
    read: Callable[..., Awaitable[Any]]
    said: str  # the requester's own request, for the cards of whatever comes of it
    authority: Authority = field(init=False)
    is_interrupted: bool = False

    async def perform(self, call: ToolCall) -> CallOutcome:
        try:
            match call.tool:
                case "agent.delegate":
                    return await self._delegate(call)
                case "worklist.add":
                    return await self._add(call)
                case "worklist.wait":
                    return await self._wait(call)
                case "worklist.reprioritise" | "worklist.cancel" | "worklist.nudge":
                    return await self._steer(call)
                case "agent.ask_requester":
                    return await self._ask(call)
                case "memory.remember":
                    return await self._remember(call)
                case "memory.recall":
                    return await self._recall(call)
        except DeputyError as error:
            return Failed(code=error.code, message=error.message, fix=error.fix)
        except (ValueError, OverflowError) as error:  # arguments that the schema lets by and nobody can use
            return Failed(code="usage", message=f"{call.tool}: {error}")
        return Failed(code="unknown_tool", message=f"{call.tool} is no tool of the house")

    # ---- handing work on -----------------------------------------------------------------------------------------
    async def _delegate(self, call: ToolCall) -> CallOutcome:
        made = tasks.make(
            call.args,
            parent=self.spec,
            catalogue=self.room.catalogue,
            names=self.names,
            prompt=self.room.prompt,
            variables=self.variables,
        )
        grant = self.authority.case.child_grant(made.spec.tools, call.args.get("may"))
        packet = self._packet(call, spec=made.spec.as_json(), context=made.context, grant=grant.to_json())
        return await self._start(call, str(call.args["goal"]), packet, made.spec.name, made.spec.budget)

    async def _add(self, call: ToolCall) -> CallOutcome:
        """The request finds its own way: a saved workflow where one surely fits, within this agent's authority; else an agent."""
        request = str(call.args["request"])
        packet = self._packet(call, spec={}, context={"goal": request, "told": request}, grant=None)
        return await self._start(call, request, packet, "", {})

    def _packet(self, call: ToolCall, *, spec: Mapping[str, Any], context: Mapping[str, Any], grant: Any) -> Packet:
        case = self.authority.case
        born = {"state": case.dump().to_json(), "grant": grant, "origin": case.origin, "request": self.said}
        return Packet(spec=spec, context=context, case=born, delegated_by=self.run_id, call_id=call.call_id)

    async def _start(
        self, call: ToolCall, request: str, packet: Packet, name: str, limits: Mapping[str, int]
    ) -> CallOutcome:
        new = NewItem(
            request=request,
            requester=self.item.requester,
            origin=Origin.AGENT,
            priority=_priority(call.args.get("priority", self.item.priority)),
            due_at=_instant(call.args.get("due")),
            options=self._inherited(),
            needs=tuple(call.args.get("after") or ()),
        )
        child_id = ids.derived("item", self.run_id, call.call_id)
        value: dict[str, Any] = {"item_id": child_id, "started": name or request}
        row = Row(kind="result", key=call.call_id, body={"tool": call.tool, "value": value})
        task = Task(new=new, call_id=call.call_id, packet=packet, limits=limits)
        now, size = clock.now(), Size(depth=self.room.depth, items=self.room.items)

        def delegate(tx: Tx) -> Refused | None:
            made = handed_on.delegate(tx, self.lease, [task], now, size=size)
            if isinstance(made, Refused):
                return made
            steplog.append(tx, self.lease, [row], now)
            return None

        refused = await self.ledger.put(delegate)
        if refused is not None:
            return Failed(code=refused.code, message=refused.reason, fix=refused.fix)
        wait_id = f"{CHILD}{child_id}"
        self.waits[wait_id] = _open_wait(self.item.item_id, wait_id, child_id, call.call_id, now)
        self.history.apply(row.kind, row.key, row.body)
        return Completed(result=value)

    def _inherited(self) -> dict[str, Any]:
        """What of the request's options holds for whatever comes of it."""
        return {
            name: self.item.options[name] for name in ("approve_all", "model", "agents") if name in self.item.options
        }

    # ---- waiting -------------------------------------------------------------------------------------------------
    def children(self) -> list[dict[str, Any]]:
        """Every child as far as this advance knows: {"item_id", "name", "state", "text", "output", "error"}; state "open" while it runs."""
        found = []
        for wait_id, wait in self.waits.items():
            if not wait_id.startswith(CHILD):
                continue
            told = wait.answer if isinstance(wait.answer, Mapping) else {}
            state = told.get("state") or ("cancelled" if wait.closed else "open")
            child_id = wait_id.removeprefix(CHILD)
            found.append(
                {"name": child_id, "text": None, "output": None, "error": None, **told}
                | {"item_id": child_id, "state": state}
            )
        return found

    def codes_below(self) -> list[str]:
        return [str((child["error"] or {}).get("code", "")) for child in self.children() if child["state"] == "denied"]

    def did_anything_below(self) -> bool:
        return any(child["state"] == "done" for child in self.children())

    async def _wait(self, call: ToolCall) -> CallOutcome:
        known = {child["item_id"]: child for child in self.children()}
        wanted = list(call.args.get("items") or known)
        if strangers := [item_id for item_id in wanted if item_id not in known]:
            return Failed(
                code="not_found", message=f"{strangers[0]} is no item of yours", fix=f"yours: {', '.join(known)}"
            )
        ended = [known[item_id] for item_id in wanted if known[item_id]["state"] != "open"]
        fresh = [child for child in ended if child["item_id"] not in self.history.reported]
        still = [item_id for item_id in wanted if known[item_id]["state"] == "open"]
        until_all = call.args.get("until", "any") == "all"
        timer = self.waits.get(f"wait:{call.call_id}")
        is_late = timer is not None and timer.answered_at is not None
        if not still or is_late or self.is_interrupted or (fresh and not until_all):
            why = "a remark came in" if self.is_interrupted else "the time is over" if is_late and still else "ended"
            return await self._report(call, fresh, still, why)
        minutes = call.args.get("at_most_minutes")
        if minutes is not None and timer is None:
            due = clock.now() + timedelta(minutes=float(minutes))
            new = waits.NewWait(
                wait_id=f"wait:{call.call_id}", kind=WaitKind.TIMER, payload={"text": "a deadline"}, run_id=self.run_id,
                call_id=call.call_id, due_at=due,
            )  # fmt: skip
            await self.ledger.put(leases.wait_for, self.lease, new, clock.now())
        return Waiting(wait_ids=[f"{CHILD}{item_id}" for item_id in still])

    async def _report(
        self, call: ToolCall, fresh: Sequence[Mapping[str, Any]], still: Sequence[str], why: str
    ) -> CallOutcome:
        """Children's ends as values, with what code knows of where their words came from."""
        born: Mapping[str, Packet | None] = await self.read(_packets_of, [child["item_id"] for child in fresh])
        ended: list[Any] = []
        observed: list[dict[str, Any]] = []
        for child in fresh:
            packet = born.get(child["item_id"])
            told: dict[str, Any] = {"item_id": child["item_id"], "state": child["state"]}
            if packet is not None and packet.spec:
                told["name"] = packet.spec.get("name")
            if child["text"]:
                told["text"] = child["text"]
            if (child["output"] or {}).get("result") is not None:
                told["result"] = child["output"]["result"]
            elif child["output"]:
                told["result"] = child["output"]
            if child["error"]:
                told["report"] = dict(child["error"])
            ended.append(told)
            labels = (packet.labels if packet is not None else None) or {"level": 0}
            observed.append({"value": {"text": child["text"], "output": child["output"]}, "labels": labels})
        value: dict[str, Any] = {"ended": ended, "still_open": list(still), "why": why}
        body: Any = {
            "tool": call.tool,
            "value": value,
            "children": {c["item_id"]: c["state"] for c in fresh},
            "observed": observed,
        }
        row = Row(kind="result", key=call.call_id, body=body)
        self.ledger.later([row])
        if f"wait:{call.call_id}" in self.waits:
            await self.ledger.put(_close, self.lease, f"wait:{call.call_id}")
        self.history.apply(row.kind, row.key, row.body)
        for one in observed:
            self.authority.observe_labelled(call.tool, one["value"], one["labels"])
        return Completed(result=value)

    # ---- steering ------------------------------------------------------------------------------------------------
    async def _steer(self, call: ToolCall) -> CallOutcome:
        child_id, now = str(call.args["item"]), clock.now()
        value: Json = {"item_id": child_id, "ok": True}
        row = Row(kind="result", key=call.call_id, body={"tool": call.tool, "value": value})

        def steer(tx: Tx) -> Any:
            if call.tool == "worklist.reprioritise":
                said: Any = handed_on.reprioritise(tx, self.lease, child_id, _priority(call.args["priority"]), now)
            elif call.tool == "worklist.nudge":
                said = handed_on.nudge(tx, self.lease, child_id, str(call.args["text"]), now)
            else:
                reason = str(call.args.get("reason") or "not needed any more")
                said = handed_on.cancel(tx, self.lease, child_id, now, reason)
            if not isinstance(said, Refused):
                steplog.append(tx, self.lease, [row], now)
            return said

        said = await self.ledger.put(steer)
        if isinstance(said, Refused):
            return Failed(code=said.code, message=said.reason, fix=said.fix)
        for ended, how in (said or {}).items():
            wait = self.waits.get(f"{CHILD}{ended}")
            if wait is not None:
                self.waits[wait.wait_id] = replace(wait, answer=how, answered_at=now)
        self.history.apply(row.kind, row.key, row.body)
        return Completed(result=value)

    # ---- people --------------------------------------------------------------------------------------------------
    async def _ask(self, call: ToolCall) -> CallOutcome:
        wait_id = f"ask:{call.call_id}"
        known = self.waits.get(wait_id)
        if known is not None and known.answered_at is not None:
            value: dict[str, Any] = {"answer": known.answer, "by": known.answered_by}
            self._told(call, value)
            return Completed(result=value)
        if known is None or known.closed:
            payload = {
                "text": self.authority.case.without_links(str(call.args["question"])),
                "choices": list(call.args.get("choices") or ()),
                "asked_by": self.spec.name,
            }
            await self._open(wait_id, WaitKind.ANSWER, payload, call.call_id)
        return Waiting(wait_ids=[wait_id])

    async def ask_person(self, text: str) -> str | None:
        """A need for a person: None while it is open. REPLAY: each turn's need is a question of its own."""
        wait_id = f"person:{self.history.turn}"
        known = self.waits.get(wait_id)
        if known is not None and known.answered_at is not None:
            return str(known.answer)
        if known is None:
            payload = {
                "text": text or "It needs a person.",
                "choices": [leases.TRY_AGAIN, leases.GIVE_UP],
                "reason": "engine",
            }
            await self._open(wait_id, WaitKind.REPAIR, payload, None)
        return None

    def is_answered(self, call_id: str) -> bool:
        """Whether a question to the requester has its answer."""
        known = self.waits.get(f"ask:{call_id}")
        return known is not None and known.answered_at is not None

    async def withdraw(self, call_id: str) -> None:
        """The question is not wanted any more."""
        await self._shut(f"ask:{call_id}")

    async def withdraw_need(self) -> None:
        """A remark came in where a person was needed: the agent goes on with it."""
        await self._shut(f"person:{self.history.turn}")

    async def _shut(self, wait_id: str) -> None:
        known = self.waits.get(wait_id)
        if known is not None and known.is_open:
            await self.ledger.put(_close, self.lease, wait_id)

    async def _open(self, wait_id: str, kind: WaitKind, payload: Mapping[str, Any], call_id: str | None) -> None:
        new = waits.NewWait(wait_id=wait_id, kind=kind, payload=payload, run_id=self.run_id, call_id=call_id)
        await self.ledger.put(leases.wait_for, self.lease, new, clock.now())

    # ---- memory --------------------------------------------------------------------------------------------------
    async def _remember(self, call: ToolCall) -> CallOutcome:
        value = await remember(
            self.ledger.put,
            call.args,
            item=self.item,
            me=self.me,
            run_id=self.run_id,
            authority=self.authority,
            lease=self.lease,
        )
        self._told(call, value)
        return Completed(result=value)

    async def _recall(self, call: ToolCall) -> CallOutcome:
        found, observed = await recall(self.read, str(call.args["query"]), item=self.item, me=self.me)
        body: Any = {"tool": call.tool, "value": found, "observed": observed}
        row = Row(kind="result", key=call.call_id, body=body)
        self.ledger.later([row])
        self.history.apply(row.kind, row.key, row.body)
        for one in observed:
            self.authority.observe_labelled(call.tool, one["value"], one["labels"])
        return Completed(result=found)

    def _told(self, call: ToolCall, value: Json) -> None:
        row = Row(kind="result", key=call.call_id, body={"tool": call.tool, "value": value})
        self.ledger.later([row])
        self.history.apply(row.kind, row.key, row.body)


def _priority(value: Any) -> int:
    if int(value) not in PRIORITY_RANGE:
        raise ValueError(f"a priority of {value} is out of range; 100 is usual, smaller is more urgent")
    return int(value)


def _instant(text: Any) -> datetime | None:
    if not text:
        return None
    found = datetime.fromisoformat(str(text))
    if found.tzinfo is None:
        raise ValueError(f"{text} has no offset; write e.g. 2026-11-23T09:00:00+01:00")
    return found


def _open_wait(item_id: str, wait_id: str, child_id: str, call_id: str, now: datetime) -> Wait:
    return Wait(
        item_id=item_id, wait_id=wait_id, run_id=None, call_id=call_id, kind=WaitKind.CHILD, payload={"item_id": child_id},
        answer=None, answered_by=None, due_at=None, created_at=now, answered_at=None, closed=False,
    )  # fmt: skip


def _packets_of(tx: Tx, item_ids: Sequence[str]) -> dict[str, Packet | None]:
    return {**dict.fromkeys(item_ids), **packets.of_many(tx, item_ids)}


def _close(tx: Tx, lease: Lease, wait_id: str) -> None:
    fence(tx, lease)
    waits.close(tx, lease.item.item_id, wait_id)
