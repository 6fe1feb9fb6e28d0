"""When an attempt is tried again: transient errors only, waiting ever longer and as long as the endpoint asks (tenacity).

The first attempt costs nothing here; tenacity is only entered once it has failed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from orchestrator.agents.models.protocol import Answer, ModelError

if TYPE_CHECKING:
    from tenacity import RetryCallState

FIRST_S = 0.5
LONGEST_S = 20.0
MOST_OBEYED_S = 60.0  # a longer Retry-After is not waited for, but tried again after this


async def persist(
    attempt: Callable[[], Awaitable[Answer]], *, most: int, left_s: Callable[[], float], first_s: float = FIRST_S
) -> Answer:
    """The answer of the first attempt that brings one, out of 1 + `most`. left_s: seconds that may still be spent.

    Raises the last ModelError; at once one that is not transient, or whose wait would not fit into the time left.
    """
    try:
        return await attempt()
    except ModelError as error:
        if not error.is_transient or most < 1:
            raise
        first: ModelError | None = error
    from tenacity import AsyncRetrying, retry_if_exception, wait_exponential, wait_random

    growing = wait_exponential(multiplier=first_s, max=LONGEST_S) + wait_random(0, first_s)

    def wait(state: RetryCallState) -> float:
        asked = _error(state).retry_after_s
        return growing(state) if asked is None else min(asked, MOST_OBEYED_S) + growing(state) / 10

    def stop(state: RetryCallState) -> bool:
        return state.attempt_number > most or state.upcoming_sleep >= left_s()

    async def next_attempt() -> Answer:
        nonlocal first
        if first is not None:  # tenacity's first attempt is the one that failed above
            error, first = first, None
            raise error
        return await attempt()

    retrying = AsyncRetrying(
        stop=stop,
        wait=wait,
        retry=retry_if_exception(lambda error: isinstance(error, ModelError) and error.is_transient),
        reraise=True,
    )
    return await retrying(next_attempt)


def _error(state: RetryCallState) -> ModelError:
    error = state.outcome.exception() if state.outcome is not None else None
    return error if isinstance(error, ModelError) else ModelError("model_unreachable", "no outcome")
