"""One model call under its budgets: reserved over the whole chain before it, settled to what it took in the commit that records it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from orchestrator import clock
from orchestrator.agents import interrupts
from orchestrator.agents.history import History
from orchestrator.agents.lanes import Lane
from orchestrator.agents.models.protocol import Model, ModelError, ModelReply, ModelRequest
from orchestrator.domain import boundary
from orchestrator.domain.outcome import Ended, Parked, RunOutcome
from orchestrator.store.budgets import Short
from orchestrator.store.steplog import Row

LEAST_TOKENS = 256  # a reply is not asked for with less room than this
LEAST_WALL_MS = 1_000
TOOLS_MS = 30_000  # reserved with each model call for the tool calls of its reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """What a commit said. stopped: somebody spoke, paused or cancelled meanwhile; short: a budget does not suffice."""

    stopped: bool = False
    short: Short | None = None


class AgentLog(Protocol):
    """The fenced writes of one claim."""

    def later(self, rows: Sequence[Row]) -> None:
        """Rows that ride with the next commit."""
        ...

    async def begin(self, change: Mapping[str, int], reserve: Mapping[str, int]) -> Began:
        """One commit: what was to ride, what earlier calls really took, and the reservation over the whole chain of budgets."""
        ...

    async def is_halted(self) -> bool:
        """Whether the agent was halted; then its item waits for the lift."""
        ...

    async def replied(self, change: Mapping[str, int]) -> Began:
        """One commit: what was to ride, and a reply's real cost in place of its reservation."""
        ...


@dataclass(slots=True, kw_only=True)
class Caller:
    """Model calls of one agent. `on_reply`: (row key, model reply, when it began) of each."""

    log: AgentLog
    history: History
    secret: Callable[[], bool]
    on_reply: Callable[[str, ModelReply, Any], None]
    timeout_s: float
    lane: Lane
    held_ms: int = 0  # of the wall time reserved for the tool calls of this turn, and what they took of it
    used_ms: int = 0

    async def call(
        self,
        model: Model,
        request: ModelRequest,
        record: Callable[[ModelReply], Row],
    ) -> ModelReply | RunOutcome | ModelError:
        """The reply, recorded and applied by the row that `record` makes of it; else how the run ends or parks.

        A `ModelError` comes back as a value: whoever called knows whether another way is left.
        """
        taken = await self._reserve(model, replace(request, secret=self.secret(), timeout_s=self.timeout_s))
        if taken is None:
            return Parked()  # somebody spoke: it is heard first
        if isinstance(taken, Short):
            return over_budget(taken)
        request, reserved = taken
        started, began_s = clock.now(), time.monotonic()
        boundary.reached("agent:before-model")
        self.lane.leave()
        try:
            reply = await interrupts.unless_halted(model.reply(request), self.log.is_halted)
        except interrupts.Halted:
            self.held_ms = 0
            await self.log.replied(change(reserved, {"wall_ms": ms(began_s)}))
            return Parked()
        except ModelError as error:
            self.held_ms = 0
            took_ms = ms(began_s)
            await self.log.replied(change(reserved, {"wall_ms": took_ms}))
            is_out_of_time = request.timeout_s < self.timeout_s and took_ms >= request.timeout_s * 1000
            return out_of_time(request.timeout_s) if is_out_of_time else error
        boundary.reached("agent:after-model")
        took_ms = ms(began_s)
        await self.lane.enter()
        row = record(reply)
        self.log.later([row])
        self.history.apply(row.kind, row.key, row.body)
        self.held_ms, self.used_ms = (self.held_ms if self.history.waiting else 0), 0
        used = {
            "model_calls": 1,
            "tokens": reply.usage.input_tokens + reply.usage.output_tokens,
            "cost_microusd": reply.cost_microusd,
            "wall_ms": took_ms + self.held_ms,
        }
        began = await self.log.replied(change(reserved, used))
        boundary.reached("agent:replied")
        self.on_reply(row.key, reply, started)
        return Parked() if began.stopped else reply

    def left_over(self) -> dict[str, int]:
        """What is to be given back when the agent stops here: wall time reserved for tool calls and not used."""
        settled = change({"wall_ms": self.held_ms}, {"wall_ms": self.used_ms})
        self.held_ms = self.used_ms = 0
        return settled

    async def _reserve(self, model: Model, request: ModelRequest) -> tuple[ModelRequest, dict[str, int]] | Short | None:
        """The request as it may be sent, and what was taken for it; None when somebody spoke.

        The bytes of a request bound its input tokens from above. Where time or tokens run short, the call gets what is left.
        """
        settled = self.left_over()
        short: Short | None = None
        tools_ms = TOOLS_MS
        for _ in range(3):
            wanted = {
                "model_calls": 1,
                "tokens": request.size + request.max_tokens,
                "cost_microusd": model.most_microusd(request),
                "wall_ms": int(request.timeout_s * 1000) + tools_ms,
            }
            began = await self.log.begin(settled, wanted)
            settled = {}
            short = began.short
            if began.stopped:
                return None
            if short is None:
                self.held_ms = tools_ms
                return request, wanted
            left = short.most - short.used
            if short.name == "wall_ms" and left >= LEAST_WALL_MS:
                tools_ms = min(TOOLS_MS, left // 4)
                request = replace(request, timeout_s=(left - tools_ms) / 1000)
            elif short.name == "tokens" and left - request.size >= LEAST_TOKENS:
                request = replace(request, max_tokens=left - request.size)
            else:
                break
        return short


def over_budget(short: Short) -> Ended:
    """The end of an agent whose next call does not fit a budget of its own or above it."""
    amounts = f"{short.used} of {short.most} used, the next step may need {short.wanted}"
    return Ended(
        state="over_budget",
        code="over_budget",
        message=f"the budget of {short.name} does not suffice: {amounts}",
        fix="ask again with a larger --budget",
    )


def out_of_time(left_s: float) -> Ended:
    """The end of an agent whose model did not answer within what its budget of wall time had left."""
    return Ended(
        state="over_budget",
        code="over_budget",
        message=f"the budget of wall_ms does not suffice: the model did not answer within the {left_s:g} s that were left",
        fix="ask again with a larger --budget",
    )


def ended_by(error: ModelError) -> Ended:
    """The end of an agent whose model cannot be had."""
    return Ended(state="failed", code=error.code, message=error.message, fix=error.fix)


def cost_of(reply: ModelReply, *, secret: bool) -> dict[str, Any]:
    """What a row tells of a model call: tokens, money in millionths of a dollar, bytes, where it went."""
    body: dict[str, Any] = {
        "usage": {
            "in": reply.usage.input_tokens,
            "out": reply.usage.output_tokens,
            "cached": reply.usage.cached_tokens,
        },
        "model": reply.model,
        "endpoint": reply.endpoint,
        "bytes": reply.sent_bytes,
        "cost": reply.cost_microusd,
        "ms": reply.wall_ms,
    }
    if reply.retries:
        body["retries"] = reply.retries
    if reply.dropped:
        body["dropped"] = list(reply.dropped)
    if secret:
        body["secret"] = True
    return body


def change(reserved: Mapping[str, int], used: Mapping[str, int]) -> dict[str, int]:
    """What is to be added to the budgets so that they hold what was used instead of what was reserved."""
    return {name: gap for name in {*reserved, *used} if (gap := used.get(name, 0) - reserved.get(name, 0))}


def ms(began_s: float) -> int:
    return int((time.monotonic() - began_s) * 1000)
