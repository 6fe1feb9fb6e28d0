"""An effect attempted as the gate attempts it: asked about where it is in doubt, made again only where that is allowed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import Enum
from typing import Any

from connectors.conformance import Provider
from connectors.errors import ConnectorError, OutcomeUnknown, RateLimited, Unreachable
from connectors.spec import Done, Reconciled, Unknown

PATIENCE = 8  # more attempts than a test arms faults


class Outcome(Enum):
    """What the gate would note. IN_DOUBT: a person is asked to look."""

    DONE = "done"
    NOT_DONE = "not done"
    IN_DOUBT = "in doubt"


def runs(sample: int) -> int:
    """How many seeds: a sample, or as many as DEPUTY_FAULT_RUNS says."""
    return int(os.environ.get("DEPUTY_FAULT_RUNS", sample))


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
            if isinstance(found, Unknown):
                return Outcome.IN_DOUBT
            if not provider.specs()[tool].provider_refuses_second:
                return Outcome.NOT_DONE
    raise AssertionError("there were more failures than faults")


def look(provider: Provider, tool: str, args: Mapping[str, Any], key: str) -> Reconciled:
    """What became of an attempt, asked again while the provider is busy or out of reach."""
    for _ in range(PATIENCE):
        try:
            return provider.reconcile(tool, args, key)
        except ConnectorError:
            continue
    raise AssertionError("there were more failures than faults")
