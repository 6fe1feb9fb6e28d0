"""The audit chain: each event's hash covers its content and the hash before it, per tenant.

Tamper-evident relative to a head exported earlier: a bare chain finds neither truncation nor a full rewrite.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

GENESIS = "0" * 64
# Events that change what a follower of an item sees, and so are news as well. What is told under a name of its own (a question asked,
# an item settled, a halt) is not among them.
FOLLOWED = frozenset(
    {f"item.{act}" for act in ("submitted", "bumped", "reprioritised", "due_set", "snoozed", "paused", "resumed")}
    | {"item.nudged", "item.answered", "item.cancel_asked"}
    | {f"approval.{end}" for end in ("approved", "denied", "expired", "void")}
    | {f"effect.{state}" for state in ("attempted", "done", "failed", "unknown", "undone")}
)


def canonical(value: Any) -> str:
    """JSON with sorted keys and no white space; the same text for the same value everywhere."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """What happened, before it has a place in the chain. `body` is canonical-JSON-able and holds digests, not contents."""

    kind: str  # e.g. "decision", "effect.attempted", "approval.approved", "item.submitted"
    actor: str  # principal id, or "worker", "policy"
    at: str  # ISO 8601
    item_id: str | None = None
    run_id: str | None = None
    effect_id: str | None = None
    body: Mapping[str, Any] | None = None


def link(previous: str, seq: int, event: AuditEvent) -> str:
    """Hash (hexadecimal SHA-256) of event number `seq` after `previous`."""
    content = {
        "seq": seq,
        "kind": event.kind,
        "actor": event.actor,
        "at": event.at,
        "item_id": event.item_id,
        "run_id": event.run_id,
        "effect_id": event.effect_id,
        "body": dict(event.body or {}),
    }
    return hashlib.sha256(f"{previous}\n{canonical(content)}".encode()).hexdigest()
