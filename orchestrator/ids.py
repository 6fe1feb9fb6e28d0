"""Ids that say their kind. Front-desk ids are drawn (time-ordered); ids in durable code are derived, never drawn."""

from __future__ import annotations

import hashlib
import secrets
import time
from typing import NewType

ItemId = NewType("ItemId", str)
RunId = NewType("RunId", str)
EffectId = NewType("EffectId", str)
ApprovalId = NewType("ApprovalId", str)

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base 32, lower case


def _base32(value: int, length: int) -> str:
    out = []
    for _ in range(length):
        value, digit = divmod(value, 32)
        out.append(_ALPHABET[digit])
    return "".join(reversed(out))


def new_item() -> ItemId:
    """A fresh id that sorts by creation: 45 bits of milliseconds, then 60 random bits."""
    return ItemId(f"item_{_base32(time.time_ns() // 1_000_000, 9)}{_base32(secrets.randbits(60), 12)}")


def derived(kind: str, *parts: object) -> str:
    """The same id for the same parts, in every process and after every restart: `kind_` and 24 base-32 characters."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return f"{kind}_{_base32(int.from_bytes(digest[:15], 'big'), 24)}"


def run_id(item: str, number: int) -> RunId:
    """Id of an item's `number`-th run."""
    return RunId(derived("run", item, number))


def effect_id(run: str, call_id: str) -> EffectId:
    return EffectId(derived("eff", run, call_id))


def approval_id(effect: str, number: int) -> ApprovalId:
    return ApprovalId(derived("apr", effect, number))


def effect_key(effect: str) -> str:
    """The idempotency key a provider sees: 32 lower-case hexadecimal characters, stable over retries of one effect."""
    return hashlib.sha256(f"key\x1f{effect}".encode()).hexdigest()[:32]


def trace_id(root_item: str) -> str:
    """128-bit trace id of a root item, as 32 hexadecimal characters."""
    return hashlib.sha256(f"trace\x1f{root_item}".encode()).hexdigest()[:32]


def span_id(run: str, step_key: str, attempt: int) -> str:
    """64-bit span id from (run, step key, attempt), as 16 hexadecimal characters."""
    return hashlib.sha256(f"span\x1f{run}\x1f{step_key}\x1f{attempt}".encode()).hexdigest()[:16]
