"""The one caller of `Connector.call`: one attempt on the wire, bounded in time, its failure put into one of four words.

Sent: the provider answered. NotSent: it certainly did not happen. TooLate: it did not happen yet, and the time to begin is over.
InDoubt: it may have happened; only `reconcile` may follow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import tenacity

from connectors.errors import ConnectorError, OutcomeUnknown, RateLimited, Unreachable
from connectors.spec import Account, Changes, Json, Streaming
from orchestrator import clock
from orchestrator.gate.credentials import telling_nothing, without_secrets
from orchestrator.gate.toolbox import Tool

TRIES = 4
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 8.0
FOLLOW_S = 60.0  # a page of changes may take many calls


@dataclass(frozen=True, slots=True)
class Sent:
    result: Json


@dataclass(frozen=True, slots=True)
class NotSent:
    error: ConnectorError


@dataclass(frozen=True, slots=True)
class TooLate:
    """The time to begin is over, and nothing is under way: whoever still holds the claim may commit to a fresh attempt.

    why: the provider's word that it had too many calls; None where this process stood still.
    """

    why: ConnectorError | None


@dataclass(frozen=True, slots=True)
class InDoubt:
    why: str


SendOutcome: TypeAlias = Sent | NotSent | TooLate | InDoubt


def _pause(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return _pause_of(error, float(tenacity.wait_random_exponential(multiplier=0.1, max=2.0)(state)))


def _pause_of(error: BaseException | None, at_least_s: float) -> float:
    """Seconds before the next attempt: at least what the provider asks for, as far as that can be waited here."""
    wanted = error.retry_after_s if isinstance(error, RateLimited) else 0.0
    return min(LONGEST_PAUSE_S, max(wanted, at_least_s))


def _retrying(tries: int = TRIES) -> tenacity.AsyncRetrying:
    """Only for failures of which the provider or the socket says that nothing arrived."""
    return tenacity.AsyncRetrying(
        stop=tenacity.stop_after_attempt(tries),
        wait=_pause,
        retry=tenacity.retry_if_exception_type((RateLimited, Unreachable)),
        reraise=True,
    )


async def read(tool: Tool, args: Mapping[str, Any], account: Account) -> Json:
    """The tool's answer. Reads change nothing, so a doubtful one is simply asked again. Raises `ConnectorError`."""
    try:
        return await _read_once(tool, args, account)
    except (RateLimited, Unreachable) as error:  # only now: the usual read pays for no retrying
        await asyncio.sleep(_pause_of(error, FIRST_PAUSE_S))
    async for attempt in _retrying(TRIES - 1):
        with attempt:
            return await _read_once(tool, args, account)
    raise AssertionError("tenacity re-raises the last error")


async def _read_once(tool: Tool, args: Mapping[str, Any], account: Account) -> Json:
    try:
        async with asyncio.timeout(tool.spec.wire_timeout_s):
            return await _call(tool, args, account, None)
    except (TimeoutError, OutcomeUnknown) as error:
        raise Unreachable(f"{tool.connector.name} did not answer {tool.spec.name} in time") from error


async def _call(tool: Tool, args: Mapping[str, Any], account: Account, key: str | None) -> Json:
    with telling_nothing(account):
        told: Json = without_secrets(await tool.connector.call(tool.spec.name, args, account=account, key=key), account)
    return told


async def changes(connector: Streaming, family: str, account: Account, cursor: str | None, wait_s: float) -> Changes:
    """What is new behind `cursor`, after waiting for it `wait_s` at most. Reads only; asked again by whoever follows. Raises `ConnectorError`."""
    try:
        with telling_nothing(account):
            async with asyncio.timeout(wait_s + FOLLOW_S):
                if cursor is not None and wait_s > 0:
                    await connector.wait(family, account=account, cursor=cursor, at_most_s=wait_s)
                return await connector.changes(family, account=account, cursor=cursor)
    except (TimeoutError, OutcomeUnknown) as error:
        raise Unreachable(f"{family} was not answered in time") from error


async def send(tool: Tool, args: Mapping[str, Any], account: Account, key: str, *, begin_by_s: float) -> SendOutcome:
    """One effect on the wire. Repeats only after an answer that says nothing happened.

    INVARIANT: nothing begins after `begin_by_s` on the boot clock: a process that was stopped in between may have been taken
    over, and its successor waits exactly that long plus one wire time-out before it looks the effect up.
    """
    refused: ConnectorError | None = None
    try:
        async for attempt in _retrying():
            if clock.boot_s() > begin_by_s:
                return NotSent(refused) if isinstance(refused, Unreachable) else TooLate(refused)
            with attempt:
                try:
                    async with asyncio.timeout(tool.spec.wire_timeout_s):
                        return Sent(await _call(tool, args, account, key))
                except (RateLimited, Unreachable) as error:
                    refused = error
                    raise
    except OutcomeUnknown as error:
        return InDoubt(error.message)
    except TimeoutError:
        return InDoubt(f"{tool.connector.name} did not answer within {tool.spec.wire_timeout_s:g} s")
    except ConnectorError as error:
        return NotSent(error)
    raise AssertionError("tenacity re-raises the last error")
