"""Facts to a decision, by Cedar alone. Ask is two evaluations: denied as things stand, allowed had somebody approved.

A rule that errors is skipped by Cedar, and a skipped forbid is an open door: any error at all means Deny.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cedarpy

from policies.bundle import Bundle, Quorum
from policies.decision import Effect

NO_RULE = "no rule permits it"
FAILED = "the rules could not be evaluated"


@dataclass(frozen=True, slots=True)
class Verdict:
    effect: Effect
    rules: tuple[str, ...]
    quorum: Quorum | None = None  # what an Ask needs
    error: str = ""  # for operators; never shown to an agent


@dataclass(frozen=True, slots=True)
class _Pass:
    allowed: bool
    rules: tuple[str, ...]
    error: str


def evaluate(
    bundle: Bundle,
    profile: str,
    entities: cedarpy.Entities,
    *,
    principal: str,
    action: str,
    tool: str,
    context: Mapping[str, Any],
    approvers: int,
    roles: Sequence[str],
) -> Verdict:
    """`approvers`, `roles`: of the approvals that hold for exactly these arguments."""
    tries = [(approvers, tuple(roles))]
    tries += [
        (max(quorum.n, approvers), (*roles, *((quorum.role,) if quorum.role else ()))) for quorum in bundle.quorums
    ]
    base = {
        "principal": {"type": "Principal", "id": principal},
        "action": {"type": "Action", "id": action},
        "resource": {"type": "Tool", "id": tool},
    }
    requests = [
        {**base, "context": {**context, "approved": count > 0, "approvers": count, "approver_roles": sorted(set(held))}}
        for count, held in tries
    ]
    try:
        first, *others = _passes(bundle, profile, entities, requests)
    except Exception as error:  # noqa: BLE001  # INVARIANT: whatever the engine does wrong closes the door
        return Verdict("deny", (FAILED,), error=f"{type(error).__name__}: {error}")
    failed = next((one.error for one in (first, *others) if one.error), "")
    if failed:
        return Verdict("deny", (FAILED,), error=failed)
    if first.allowed:
        return Verdict("allow", first.rules)
    for quorum, hypothetical in zip(bundle.quorums, others, strict=True):
        if hypothetical.allowed:
            return Verdict("ask", hypothetical.rules, quorum)
    return Verdict("deny", others[-1].rules or (NO_RULE,))


def _passes(bundle: Bundle, profile: str, entities: cedarpy.Entities, requests: list[dict[str, Any]]) -> list[_Pass]:
    results = cedarpy.is_authorized_batch(requests, bundle.policies[profile], entities, bundle.schema)
    passes = []
    for result in results:
        told = result.diagnostics
        error = "; ".join(told.errors)
        if not error and result.decision is cedarpy.Decision.NoDecision:
            error = "no decision"
        ids = told.id_annotations_by_reason
        passes.append(_Pass(result.allowed, tuple(sorted(ids.get(reason, reason) for reason in told.reasons)), error))
    if len(passes) != len(requests):
        raise ValueError("the engine answered another number of requests")
    return passes
