"""The gate's ledger over one claim: each method is one fenced commit through the worker's group-commit writer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

from connectors.spec import Json
from orchestrator import clock
from orchestrator.domain.call import ToolCall
from orchestrator.domain.effect import Approval, Effect, EffectState
from orchestrator.domain.item import WaitKind
from orchestrator.gate.perform import Attempt
from orchestrator.store import budgets, connections, credentials, effects, quotas, steplog, waits
from orchestrator.store.credentials import Sealed
from orchestrator.store.database import Tx
from orchestrator.store.fence import Lease, fence
from orchestrator.store.steplog import Row
from orchestrator.store.writer import Writer

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(slots=True, kw_only=True)
class ClaimLedger:
    """Implements `gate.perform.Ledger`."""

    writer: Writer
    lease: Lease
    run_id: str
    agent: str = ""  # name of the agent whose run it is

    def _put(self, verb: Callable[Concatenate[Tx, P], R], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
        return self.writer.put(verb, *args, **kwargs)

    async def record_read(self, call: ToolCall, result: Json, error: Mapping[str, str] | None) -> None:
        await self.note(
            "read", call.call_id, {"tool": call.tool, "args": dict(call.args), "result": result, "error": error}
        )

    async def note(self, kind: str, key: str, body: Any) -> None:
        await self.notes([Row(kind=kind, key=key, body=body)])

    async def notes(self, rows: Sequence[Row]) -> None:
        """Rows that only make sense together."""
        await self._put(steplog.append, self.lease, rows, clock.now())

    async def record_denied(self, effect: Effect) -> None:
        await self._put(effects.record_denied, self.lease, effect, clock.now())

    async def hold(self, effect: Effect) -> None:
        await self._put(effects.hold, self.lease, effect, clock.now())

    async def ask(self, effect: Effect, approval: Approval, wait_id: str) -> None:
        await self._put(effects.intend, self.lease, effect, approval, wait_id=wait_id, now=clock.now())

    async def attempt(
        self, effect_id: str, *, expect: EffectState, wire_s: float, reserve: Mapping[str, tuple[int, int]]
    ) -> Attempt:
        now = clock.now()

        def attempt(tx: Tx) -> Attempt:
            held = fence(tx, self.lease)
            if expect is EffectState.APPROVED and held.wake_seq != self.lease.wake_seq and not held.cancel_requested:
                return Attempt(stopped="woken")  # perhaps a nudge: this is the last boundary before the wire
            if not connections.still_serves(tx, effects.get(tx, effect_id).connection_id, self.lease.item.requester):
                return Attempt(stopped="revoked")
            if expect is EffectState.APPROVED and (over := self._take_effect(tx)) is not None:
                effects.failed(tx, self.lease, effect_id, over, now, expect=expect)
                return Attempt(stopped="over_budget", why=over["message"])
            said = effects.attempt(
                tx,
                self.lease,
                effect_id,
                expect=expect,
                now=now,
                wire_timeout_s=wire_s,
                reserve=reserve,
                agent=self.agent,
            )
            if expect is EffectState.APPROVED and (said.over_quota is not None or said.stopped is not None):
                self._give_effect_back(tx)
            return Attempt(over_quota=said.over_quota, stopped=said.stopped)

        return await self._put(attempt)

    def _take_effect(self, tx: Tx) -> Mapping[str, str] | None:
        """Takes one effect from the budgets above it; else the error it fails with."""
        short = budgets.reserve(tx, chain, {"effects": 1}) if (chain := self._chain(tx)) else None
        if short is None:
            return None
        said = f"the budget of effects is used up ({short.used} of {short.most})"
        return {"code": "over_budget", "message": said, "fix": "ask again with a larger --budget"}

    def _give_effect_back(self, tx: Tx) -> None:
        """What `_take_effect` took, when nothing was attempted after all."""
        if chain := self._chain(tx):
            budgets.settle(tx, chain, {"effects": -1})

    def _chain(self, tx: Tx) -> Sequence[str]:
        """Whose budgets count: the item's and of everything above it; nobody's where no budget was given."""
        item = self.lease.item
        if item.parent_id is not None:
            return budgets.chain(tx, item.item_id)
        return (item.item_id,) if item.options.get("budget") else ()

    async def done(self, call: ToolCall, effect_id: str, result: Json, *, expect: EffectState) -> None:
        now = clock.now()

        def record(tx: Tx) -> None:
            effects.done(tx, self.lease, effect_id, result, now, expect=expect)
            body: Any = {"effect_id": effect_id, "tool": call.tool, "args": dict(call.args), "result": result}
            steplog.append(tx, self.lease, [Row(kind="effect", key=call.call_id, body=body)], now)

        await self._put(record)

    async def found(self, call: ToolCall, effect: Effect, result: Json, used: Mapping[str, int]) -> None:
        now = clock.now()

        def record(tx: Tx) -> None:
            effects.found(tx, self.lease, effect, result, used, now)
            body: Any = {"effect_id": effect.effect_id, "tool": call.tool, "args": dict(call.args), "result": result}
            steplog.append(tx, self.lease, [Row(kind="effect", key=call.call_id, body=body)], now)

        await self._put(record)

    async def failed(self, effect_id: str, error: Mapping[str, str], *, expect: EffectState) -> None:
        await self._put(effects.failed, self.lease, effect_id, error, clock.now(), expect=expect)

    async def refused(self, effect: Effect, *, expect: EffectState) -> None:
        await self._put(effects.refuse, self.lease, effect, clock.now(), expect=expect)

    async def unknown(self, effect_id: str, wait_id: str, payload: Mapping[str, Any]) -> None:
        await self._put(effects.unknown, self.lease, effect_id, wait_id=wait_id, payload=payload, now=clock.now())

    async def wait(self, wait_id: str, kind: WaitKind, payload: Mapping[str, Any], due_at: datetime | None) -> None:
        now = clock.now()

        def record(tx: Tx) -> None:
            fence(tx, self.lease)
            new = waits.NewWait(wait_id=wait_id, kind=kind, payload=payload, run_id=self.run_id, due_at=due_at)
            waits.record(tx, self.lease.item.item_id, new, now)
            waits.announce(tx, self.lease.item, new, now)

        await self._put(record)

    async def used(self) -> Mapping[str, int]:
        return await self._put(quotas.used, self.lease.item.root_id)

    async def sealed(self, connection_id: str) -> Sealed | None:
        return await self.writer.read(credentials.in_use, connection_id)

    async def close_questions(self, prefix: str) -> None:
        """Before a re-plan: questions and timers of the generation that ends are no longer waited for."""

        def record(tx: Tx) -> None:
            fence(tx, self.lease)
            for wait in waits.open_waits(tx, self.lease.item.item_id):
                if wait.kind is WaitKind.TIMER or (wait.kind is WaitKind.ANSWER and wait.wait_id.startswith(prefix)):
                    waits.close(tx, wait.item_id, wait.wait_id)

        await self._put(record)
