"""Answers for `deputy policy explain` and `run why`: plain JSON in, plain JSON out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from policies import bundle as bundles
from policies import cases, request
from policies.decision import Decision
from policies.grants import Grant
from policies.guard import Guard


def decision(got: Decision) -> dict[str, Any]:
    """A decision as JSON, the way receipts and `why` show it."""
    return {
        "effect": got.effect,
        "rules": list(got.rules),
        "reason": got.reason,
        "near_miss": got.near_miss,
        "rewrite": dict(got.rewrite) if got.rewrite is not None else None,
        "obligations": [dict(obligation) for obligation in got.obligations],
        "batch_key": got.batch_key,
        "reserve": dict(got.reserve),
        "facts": dict(got.facts),
    }


def call(told: Mapping[str, Any], *, bundle_dir: Path | None = None) -> dict[str, Any]:
    """One case, decided. told: {"request", "principal", "now", "profile"?, "tools": [{"name", "description", "parameters",
    "manifest"}], "people"?, "inside_domains"?, "read"?: [{"tool", "args", "value"}], "say"?, "grant"?, "call": {"tool", "args"}}.
    ValueError for what cannot be read."""
    for key in ("request", "principal", "now", "tools", "call"):
        if key not in told:
            raise ValueError(f"explain: {key!r} is missing; give request, principal, now, tools and call")
    world: dict[str, Any] = {
        "now": str(told["now"]),
        "principal": told["principal"],
        "people": told.get("people") or (),
        "inside_domains": told.get("inside_domains") or (),
        "records": {},
        "tools": {},
    }
    case = {**told, "without_world": "people" not in told and "inside_domains" not in told}
    guard = Guard.load(bundle_dir, str(told.get("profile") or "delegated"))
    return {
        **decision(cases.decide(case, world, guard)),
        "grant": grant(str(told["request"])),
        "bundle": guard.bundle_digest,
    }


def grant(text: str) -> dict[str, Any]:
    """What the words of a request grant, and the wishes they were understood as."""
    return {
        "clauses": Grant(clauses=request.compile_clauses(text)).to_json()["clauses"],
        "wishes": [
            {
                "verb": wish.verb,
                "nouns": list(wish.nouns),
                "at_most": wish.quota,
                "forbids": wish.forbids,
                "text": wish.text,
            }
            for wish in request.wishes(text)
        ],
        "delegates": request.delegates(text),
    }


def rules(profile: str, *, bundle_dir: Path | None = None) -> list[dict[str, str]]:
    """Every rule in force under a profile, in the order of the files."""
    loaded = bundles.load(bundle_dir)
    return [{"id": rule.id, "effect": rule.effect, "file": rule.file} for rule in loaded.rules[profile]]
