"""Cases: a request, what was read, a call, and the decision it must get. They are the policy's tests and its documentation.

Every shipped rule has a case that it decides and the nearest neighbour that it leaves alone. Users add files of the same
shape for their own rules and run them with `deputy policy test`.

A file: {"world": other.yaml, "cases": [{"name", "request", "origin"?, "profile"?, "grant"?, "parent"?, "say"?: [[text, by]],
"read"?: [name in world | {"tool", "args", "value", "error"?, "labels"?} | {"child" | "remembered": case, "value"}], "call": {"tool", "args"}, "approved"?: true | n,
"used"?, "flags"?, "expect": {"effect", "rules"?, "rewrite"?, "reserve"?}}]}.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from policies import digest
from policies.bundle import Bundle
from policies.decision import Decision
from policies.guard import Approval, Call, Case, Guard, Result, World

HERE = Path(__file__).parent


class CaseError(ValueError):
    """A case file that cannot be read; the message names file and case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseOutcome:
    name: str
    file: str
    passed: bool
    expected: Mapping[str, Any]
    got: Decision
    message: str  # empty when passed


def shipped() -> list[Path]:
    return sorted(path for path in HERE.glob("*.yaml") if not path.name.startswith("world"))


def run(
    paths: Sequence[str | Path] = (), *, bundle: Bundle | None = None, bundle_dir: Path | None = None
) -> list[CaseOutcome]:
    """Outcomes of every case in the files or directories, in order; without any, of the shipped ones."""
    files = [file for path in paths for file in _files(Path(path))] if paths else shipped()
    guards: dict[str, Guard] = {}
    outcomes = []
    for file in files:
        told = load_file(file)
        world = load_file((file.parent / str(told.get("world") or "world.yaml")).resolve())
        for case in told.get("cases") or ():
            profile = str(case.get("profile") or "delegated")
            if profile not in guards:
                guards[profile] = Guard(bundle, profile) if bundle is not None else Guard.load(bundle_dir, profile)
            outcomes.append(_outcome(file, case, world, guards[profile]))
    return outcomes


def _files(path: Path) -> list[Path]:
    return (
        sorted(entry for entry in path.glob("*.yaml") if not entry.name.startswith("world"))
        if path.is_dir()
        else [path]
    )


@lru_cache(maxsize=64)
def load_file(path: Path) -> Mapping[str, Any]:
    told = yaml.safe_load(path.read_text("utf-8"))
    if not isinstance(told, Mapping):
        raise CaseError(f"{path.name}: not a mapping; write `cases:` with a list under it")
    return told


def decide(case: Mapping[str, Any], world: Mapping[str, Any], guard: Guard) -> Decision:
    """The decision on one case, through the same front door that the gate uses."""
    now = datetime.fromisoformat(str(case.get("now") or world["now"]))
    tools = _tools(case, world)
    people = (
        None if case.get("without_world") else World(people=world["people"], inside_domains=world["inside_domains"])
    )
    principal = str(case.get("principal") or world["principal"])
    parent = None
    if case.get("parent"):
        told = case["parent"]
        elder = guard.open(
            request=told["request"],
            principal=principal,
            now=now,
            origin=told.get("origin", "human"),
            tools=tools,
            world=people,
        )
        _hear(elder, told, world)
        parent = elder.dump()
    opened = guard.open(
        request=case["request"],
        principal=principal,
        now=now,
        origin=case.get("origin", "human"),
        tools=tools,
        world=people,
        parent=parent,
        grant=case.get("grant"),
    )
    _hear(opened, case, world)
    call = Call(tool=case["call"]["tool"], args=dict(case["call"].get("args") or {}))
    approvals: list[Approval] = []
    if case.get("approved"):
        rewritten = opened.decide(call, used=case.get("used"), flags=case.get("flags")).rewrite or {}
        final = Call(tool=call.tool, args={**call.args, **rewritten})
        approvals = [
            Approval(digest=digest.of(final), by=f"person {number}", at=now) for number in range(int(case["approved"]))
        ]
    if case.get("approved_args"):
        approvals = [Approval(digest=digest.of(Call(tool=call.tool, args=case["approved_args"])), by="person", at=now)]
    return opened.decide(call, approvals=approvals, used=case.get("used"), flags=case.get("flags"))


def _hear(opened: Case, case: Mapping[str, Any], world: Mapping[str, Any]) -> None:
    for entry in case.get("read") or ():
        told = world["records"][entry] if isinstance(entry, str) else entry
        if "child" in told or "remembered" in told:
            _take_over(opened, told, world)
            continue
        call = Call(tool=told["tool"], args=dict(told.get("args") or {}))
        opened.observe(Result(call=call, value=told.get("value"), error=told.get("error"), labels=told.get("labels")))
    for said in case.get("say") or ():
        opened.say(said[0], said[1], origin=said[2] if len(said) > 2 else "human")


def _take_over(opened: Case, told: Mapping[str, Any], world: Mapping[str, Any]) -> None:
    """A value that another case had: a child of this one, or one of an earlier request that had it remembered."""
    is_child = "child" in told
    other = told["child"] if is_child else told["remembered"]
    case = opened.guard.open(
        request=other.get("request", ""),
        principal=opened.principal,
        now=opened.now,
        tools=_tools(other, world),
        world=World(people=world["people"], inside_domains=world["inside_domains"]),
        parent=opened.dump() if is_child else None,
    )
    _hear(case, other, world)
    value, most = told["value"], 4 if is_child else 2
    call = Call(tool="worklist.wait" if is_child else "memory.recall")
    opened.observe(Result(call=call, value=value, labels=case.labels_of(value, most)))


def _tools(case: Mapping[str, Any], world: Mapping[str, Any]) -> list[dict[str, Any]]:
    if case.get("tools"):
        return [{"description": "", "manifest": None, **tool} for tool in case["tools"]]
    return [
        {"name": name, "description": "", "parameters": told["parameters"], "manifest": told["manifest"]}
        for name, told in world["tools"].items()
    ]


def _outcome(file: Path, case: Mapping[str, Any], world: Mapping[str, Any], guard: Guard) -> CaseOutcome:
    name = str(case.get("name") or case.get("request") or "")
    expected = case.get("expect")
    if not isinstance(expected, Mapping) or "effect" not in expected or "call" not in case:
        raise CaseError(f"{file.name}: case {name!r} needs `call` and `expect: {{effect: …}}`")
    got = decide(case, world, guard)
    wrong = []
    if got.effect != expected["effect"]:
        wrong.append(f"{got.effect} instead of {expected['effect']}")
    missing = [rule for rule in expected.get("rules") or () if rule not in got.rules]
    if missing:
        wrong.append(f"decided by {list(got.rules)} and not by {missing}")
    for key in ("rewrite", "reserve"):
        if key in expected and (getattr(got, key) or None) != (expected[key] or None):
            wrong.append(f"{key} is {getattr(got, key)!r}, not {expected[key]!r}")
    return CaseOutcome(
        name=name, file=file.name, passed=not wrong, expected=dict(expected), got=got, message="; ".join(wrong)
    )
