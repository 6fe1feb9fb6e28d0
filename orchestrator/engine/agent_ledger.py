"""The fenced writes of one agent: read results and remarks ride with the next commit, so that a step costs two.

What rides is durable before anything that depends on it: every verb of this ledger first writes what is due.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Concatenate, ParamSpec, TypeVar

from connectors.spec import Json
from orchestrator import clock
from orchestrator.agents.calls import Began
from orchestrator.domain.call import ToolCall
from orchestrator.engine.claim_ledger import ClaimLedger
from orchestrator.store import budgets, halts, steplog
from orchestrator.store.database import Tx
from orchestrator.store.fence import fence
from orchestrator.store.steplog import Row

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(slots=True, kw_only=True)
class AgentLedger(ClaimLedger):
    """Implements `agents.calls.AgentLog` and `gate.perform.Ledger`. chain: the item and everything above it, whose budgets all count."""

    chain: Sequence[str]
    last_seq: int | None = None  # of the run's rows, as long as only `_account` has written since
    _due: list[Row] = field(default_factory=list)

    def later(self, rows: Sequence[Row]) -> None:
        self._due.extend(rows)

    def put(self, verb: Callable[Concatenate[Tx, P], R], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
        """One commit of what is due and this verb, which fences for itself."""
        return self._put(verb, *args, **kwargs)

    def _put(self, verb: Callable[Concatenate[Tx, P], R], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
        self.last_seq = None
        if not self._due:
            return self.writer.put(verb, *args, **kwargs)
        rows, self._due = self._due, []
        now = clock.now()

        def both(tx: Tx) -> R:
            steplog.append(tx, self.lease, rows, now)
            return verb(tx, *args, **kwargs)

        both.__name__ = verb.__name__  # the boundary that a crash test waits for
        return self.writer.put(both)

    async def flush(self) -> None:
        """Writes what is due."""
        if self._due:
            rows, self._due, self.last_seq = self._due, [], None
            await self.writer.put(steplog.append, self.lease, rows, clock.now())

    async def record_read(self, call: ToolCall, result: Json, error: Mapping[str, str] | None) -> None:
        """Rides: a read that is lost in a crash is read again."""
        body: Json = {"tool": call.tool, "args": dict(call.args), "result": result}
        self._due.append(Row(kind="read", key=call.call_id, body=body))

    def decided(self, call_id: str, rules: Sequence[str], took: timedelta) -> None:
        """Adds to a call's row, while it still rides, by which rules it was let by and how long it took."""
        for row in reversed(self._due):
            if row.key == call_id and isinstance(row.body, dict):
                row.body.update(rules=list(rules), ms=int(took.total_seconds() * 1000))
                return

    async def begin(self, change: Mapping[str, int], reserve: Mapping[str, int]) -> Began:
        return await self._account("begin", change, reserve)

    async def replied(self, change: Mapping[str, int]) -> Began:
        return await self._account("replied", change, {})

    async def _account(self, name: str, change: Mapping[str, int], reserve: Mapping[str, int]) -> Began:
        rows, self._due = self._due, []
        now, lease, chain, last = clock.now(), self.lease, self.chain, self.last_seq

        def account(tx: Tx) -> Began:
            held = fence(tx, lease)
            steplog.add(tx, self.run_id, lease.epoch, rows, now, last)
            is_halted = halts.meets(tx, held.item_id, now, agent=self.agent) is not None
            if is_halted or held.wake_seq != lease.wake_seq or held.paused or held.cancel_requested:
                budgets.settle(tx, chain, change)
                return Began(stopped=True)
            return Began(short=budgets.exchange(tx, chain, change, reserve))

        account.__name__ = name
        began = await self.writer.put(account)
        if last is not None and self.last_seq is not None:
            self.last_seq = last + len(rows)
        return began

    async def is_halted(self) -> bool:
        """Whether a halt is about this agent; then its item waits for the lift."""
        return await self._put(halts.stops, self.lease, clock.now(), agent=self.agent)

    def _chain(self, tx: Tx) -> Sequence[str]:
        return self.chain
