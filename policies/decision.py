"""What the guard answers: a value, never an exception. Only `policies.evaluate` makes one; everybody else reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Effect = Literal["allow", "ask", "deny"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """allow: may happen now · ask: would be allowed had an eligible person approved · deny: nobody can approve it.

    `rewrite`: only the arguments that must change, with their new values; the digest of an approval covers them.
    `reserve`: quota name → units that the gate takes in the transaction in which it attempts the call.
    """

    effect: Effect
    rules: Sequence[str]  # @id of each Cedar policy that decided, or the words of the closed door it met
    reason: str  # one plain sentence for people
    rewrite: Mapping[str, Any] | None = None
    obligations: Sequence[Mapping[str, Any]] = ()  # e.g. {"kind": "require_approval", "n": 1, "role": "requester"}
    batch_key: str | None = None  # asks with the same key may share one card
    facts: Mapping[str, Any] = field(default_factory=dict)  # JSON: what was computed about the call
    reserve: Mapping[str, int] = field(default_factory=dict)
    near_miss: str | None = None  # the smallest change that would have passed, a sentence
