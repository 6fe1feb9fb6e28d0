"""One model to its callers, several endpoints behind it: by order, by weight among equals, around those that fail.

An endpoint that may not see what is classed secret is never asked where something of it is inside.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial

from orchestrator.agents.models import retries
from orchestrator.agents.models.breaker import Breaker
from orchestrator.agents.models.prices import UNKNOWN, Price
from orchestrator.agents.models.profiles import Profile
from orchestrator.agents.models.protocol import Answer, ModelError, ModelReply, ModelRequest, OnText, Wire

BLAMED_S = 20.0  # a caller whose time was shorter than this cannot blame the endpoint for it
PATIENCE_S = 2.0  # nobody waits longer than this for one endpoint while another is left
_ELSEWHERE = frozenset({"model_unreachable", "model_rate_limited", "model_overloaded", "model_malformed", "model_auth"})


@dataclass(slots=True, kw_only=True)
class Endpoint:
    """One model at one address, with its breaker. Shared by every pool that lists it."""

    name: str
    model: str  # as set: "openai:gpt-x"
    wire: Wire
    profile: Profile
    price: Price | None = None
    order: int = 1
    weight: int = 1
    admits_secret: bool = False
    max_in_flight: int | None = None
    most_retries: int = 4
    breaker: Breaker = field(default_factory=Breaker)
    in_flight: int = 0
    busy_until: float = 0.0  # it asked to be left alone until then (monotonic); others are preferred
    _gate: asyncio.Semaphore | None = None
    _loop: asyncio.AbstractEventLoop | None = None

    async def attempt(self, request: ModelRequest, on_text: OnText | None, tally: Tally) -> Answer:
        """One attempt, if the breaker lets it through. The error of one that it holds back asks to wait as long."""
        async with self._place():
            self._hold_back(tally)
            self.breaker.begin()
            began = time.monotonic()
            self.in_flight += 1
            tally.posts += 1
            try:
                answer = await self.wire.attempt(request, on_text)
            except ModelError as error:
                self._learn(error, time.monotonic())
                tally.last = error
                raise
            except BaseException:
                ended = time.monotonic()
                if ended - began >= BLAMED_S:
                    self.breaker.failed(ended)
                else:
                    self.breaker.gave_up()
                raise
            finally:
                self.in_flight -= 1
            self.breaker.succeeded()
            tally.posts += answer.posts - 1
            return answer

    def _hold_back(self, tally: Tally) -> None:
        wait_s = self.breaker.wait_s(time.monotonic())
        if wait_s > 0:
            tally.last = ModelError(
                "model_unreachable",
                f"model endpoint {self.name!r} rests after {self.breaker.failures} failures in a row",
                fix="look at the endpoint, or add another one under [[models]]",
                is_transient=True,
                retry_after_s=wait_s,
            )
            raise tally.last

    def _learn(self, error: ModelError, now: float) -> None:
        """An endpoint that answers is not broken, even if it says no."""
        if error.is_transient and error.code != "model_rate_limited":
            self.breaker.failed(now)
        else:
            self.breaker.succeeded()
        if error.code == "model_rate_limited" and error.retry_after_s:
            self.busy_until = now + min(error.retry_after_s, retries.MOST_OBEYED_S)

    @property
    def is_full(self) -> bool:
        return self.max_in_flight is not None and self.in_flight >= self.max_in_flight

    def _place(self) -> AbstractAsyncContextManager[object]:
        if self.max_in_flight is None:
            return nullcontext()
        loop = asyncio.get_running_loop()
        if self._gate is None or self._loop is not loop:
            self._gate, self._loop = asyncio.Semaphore(self.max_in_flight), loop
        return self._gate


@dataclass(slots=True)
class Tally:
    """What one reply took so far: requests sent, and the last thing that went wrong."""

    posts: int = 0
    last: ModelError | None = None


@dataclass(slots=True, kw_only=True)
class Pool:
    """A Model over endpoints. `name` as set; the window is the smallest of theirs, so that any of them can take over."""

    name: str
    endpoints: Sequence[Endpoint]
    context_tokens: int
    retry_first_s: float = retries.FIRST_S
    _current: dict[str, int] = field(default_factory=dict)  # of the smooth weighted round-robin

    async def reply(self, request: ModelRequest, *, on_text: OnText | None = None) -> ModelReply:
        began = time.monotonic()
        tally = Tally()
        try:
            async with asyncio.timeout(request.timeout_s):
                endpoint, answer = await self._from_any(request, on_text, tally, began + request.timeout_s)
        except TimeoutError as error:
            before = f"; before that: {tally.last.message}" if tally.last is not None else ""
            late = ModelError(
                "model_unreachable",
                f"model {self.name!r} did not answer within {request.timeout_s:g} s{before}",
                fix="set model_timeout_s if it needs longer",
                is_transient=True,
            )
            if tally.last is not None:
                late.code = tally.last.code
            raise late from error
        price = endpoint.price
        return ModelReply(
            text=answer.text,
            calls=answer.calls,
            finish=answer.finish,
            usage=answer.usage,
            model=answer.model,
            endpoint=endpoint.name,
            sent_bytes=answer.sent_bytes,
            cost_microusd=0 if price is None else price.microusd(answer.usage),
            retries=tally.posts - 1,
            dropped=(*answer.dropped, UNKNOWN) if price is None else answer.dropped,
            wall_ms=int((time.monotonic() - began) * 1000),
        )

    def most_microusd(self, request: ModelRequest) -> int:
        """The dearest of the endpoints that may be asked; one without a price counts 0."""
        prices = [one.price for one in self.endpoints if one.price and (one.admits_secret or not request.secret)]
        return max((price.most_microusd(request) for price in prices), default=0)

    async def _from_any(
        self, request: ModelRequest, on_text: OnText | None, tally: Tally, deadline: float
    ) -> tuple[Endpoint, Answer]:
        left = [one for one in self.endpoints if one.admits_secret or not request.secret]
        if not left:
            raise ModelError(
                "model_not_admitted",
                f"no endpoint of {self.name!r} may be sent what is classed secret",
                fix="set model_admits_secret (or admits_secret of an endpoint) if it may, or add a local endpoint",
            )
        while True:
            endpoint = self._choose(left)
            left.remove(endpoint)
            try:
                answer = await retries.persist(
                    partial(endpoint.attempt, request, on_text, tally),
                    most=min(endpoint.most_retries, 1) if left else endpoint.most_retries,
                    left_s=partial(_left_s, deadline, PATIENCE_S if left else None),
                    first_s=self.retry_first_s,
                )
                return endpoint, answer
            except ModelError as error:
                if not left or not (error.code in _ELSEWHERE or error.status == 404):
                    raise

    def _choose(self, left: Sequence[Endpoint]) -> Endpoint:
        """The one to ask next: lowest order among those that take requests now, by weight among equals."""
        if len(left) == 1:
            return left[0]
        now = time.monotonic()
        open_now = [one for one in left if not one.breaker.wait_s(now)]
        open_now = [one for one in open_now if one.busy_until <= now] or open_now
        if not open_now:
            return min(left, key=lambda one: (one.breaker.wait_s(now), one.order))
        order = min(one.order for one in open_now)
        equals = [one for one in open_now if one.order == order]
        roomy = [one for one in equals if not one.is_full] or equals
        return self._next_by_weight(roomy)

    def _next_by_weight(self, equals: Sequence[Endpoint]) -> Endpoint:
        """Smooth weighted round-robin as in nginx: each gains its weight, the leader pays the sum."""
        current = self._current
        for one in equals:
            current[one.name] = current.get(one.name, 0) + one.weight
        leader = max(equals, key=lambda one: current[one.name])
        current[leader.name] -= sum(one.weight for one in equals)
        return leader


def _left_s(deadline: float, patience_s: float | None) -> float:
    """The longest wait that still makes sense."""
    left = deadline - time.monotonic()
    return left if patience_s is None else min(left, patience_s)
