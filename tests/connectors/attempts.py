"""An effect attempted as the gate attempts it: asked about where it is in doubt, made again only where that is allowed.

A copy of that rule, which costs a thousand attempts no database. The rule itself is `gated`, and each provider's tests take both.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

from connectors.conformance import Provider
from connectors.conformance.provider import new_key
from connectors.errors import ConnectorError, OutcomeUnknown, RateLimited, Unreachable
from connectors.spec import Absent, Done, Reconciled, Unknown
from tests.services.fault_proxy import Fault, FaultProxy

PATIENCE = 8  # more attempts than a test arms faults
ANSWER_S = 1.0  # how long a connector under such faults waits for an answer
LATE_S = (0.05, 1.5)  # within that, and after it


class Outcome(Enum):
    """What the gate would note. IN_DOUBT: a person is asked to look."""

    DONE = "done"
    NOT_DONE = "not done"
    IN_DOUBT = "in doubt"


Attempt = Callable[[Provider, str, Mapping[str, Any]], tuple[Outcome, str]]  # a call; its outcome and its key


def runs(sample: int, *, share: int = 1) -> int:
    """How many seeds: a sample, or as many as DEPUTY_FAULT_RUNS says (of which the gate, which takes longer, has a share)."""
    wanted = os.environ.get("DEPUTY_FAULT_RUNS")
    return sample if wanted is None else int(wanted) // share


def arm(draw: random.Random, line: FaultProxy, when: bytes, faults: Sequence[Fault] = tuple(Fault)) -> None:
    """Any of the faults, a late answer among them, at the words `when`."""
    fault = draw.choice(faults)
    # A 429 for something that was done would be a lie that nobody can see through.
    status = draw.choice([500, 503] if fault is Fault.ANSWER_AFTER else [429, 500, 503])
    line.arm(fault, when=when, status=status, retry_after_s=1, seconds=draw.choice(LATE_S))


def perform_alone(provider: Provider, tool: str, args: Mapping[str, Any]) -> tuple[Outcome, str]:
    """Without a gate."""
    key = new_key()
    return perform(provider, tool, args, key), key


def perform(provider: Provider, tool: str, args: Mapping[str, Any], key: str) -> Outcome:
    for _ in range(PATIENCE):
        try:
            provider.do(tool, args, key=key)
            return Outcome.DONE
        except (RateLimited, Unreachable):  # certainly not sent
            continue
        except OutcomeUnknown:
            found = look(provider, tool, args, key)
            if isinstance(found, Done):
                return Outcome.DONE
            if isinstance(found, Unknown) or not provider.specs()[tool].provider_refuses_second:
                return Outcome.IN_DOUBT
    raise AssertionError("there were more failures than faults")


def is_true(outcome: Outcome, there: int, found: Reconciled | None) -> bool:
    """Whether what was said agrees with what the server holds. `found`: its answer now; None where nothing was attempted."""
    if there not in (0, 1) or there != {Outcome.DONE: 1, Outcome.NOT_DONE: 0}.get(outcome, there):
        return False
    if isinstance(found, Unknown):
        return outcome is Outcome.IN_DOUBT
    return found is None or isinstance(found, Done if there else Absent)


def look(provider: Provider, tool: str, args: Mapping[str, Any], key: str) -> Reconciled:
    """What became of an attempt, asked again while the provider is busy or out of reach."""
    for _ in range(PATIENCE):
        try:
            return provider.reconcile(tool, args, key)
        except ConnectorError:
            continue
    raise AssertionError("there were more failures than faults")
