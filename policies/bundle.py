"""The Cedar rules: read, validated strictly against the schema, and kept as parsed handles with one digest.

A rule without an `@id` in words, an unknown attribute or another engine version stops loading. A directory of further rules may
add permits and forbids; the shipped forbids stay, and in Cedar no permit overrides a forbid.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import cedarpy

ENGINE = "4.12"  # cedarpy's version is the Cedar engine's
HERE = Path(__file__).parent / "cedar"
PROFILES = ("careful", "delegated")
_SHARED = ("base.cedar", "approvals.cedar", "limits.cedar")
_HEAD = re.compile(r"^\s*(?:@\w+(?:\(\"[^\"]*\"\))?\s*)*(permit|forbid)\s*\(", re.MULTILINE)


class BundleError(ValueError):
    """Rules that must not be used; `problems` says file, line, what is wrong and what to do."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(
            "; ".join(f"{problem.file}:{problem.line}: {problem.message} ({problem.fix})" for problem in problems)
        )
        self.problems = list(problems)


@dataclass(frozen=True, slots=True)
class Problem:
    file: str
    line: int
    message: str
    fix: str


@dataclass(frozen=True, slots=True)
class Rule:
    id: str
    effect: str  # permit | forbid
    file: str


@dataclass(frozen=True, slots=True)
class Quorum:
    """Approvals that some rule may want: `@approvers("2")`, `@role("finance")` on the rule."""

    n: int
    role: str | None


@dataclass(frozen=True, slots=True)
class Bundle:
    """Parsed rules of both profiles. Safe to share between cases and threads; reload by loading another one."""

    schema: cedarpy.Schema
    policies: dict[str, cedarpy.PolicySet]
    rules: dict[str, list[Rule]]
    quorums: tuple[Quorum, ...]  # ascending: the smallest that suffices is asked for
    digest: str


def load(extra: Path | None = None, *, shipped: Path = HERE) -> Bundle:
    """The shipped rules, with the *.cedar files of `extra` added. BundleError if anything is not in order."""
    problems = check(extra, shipped=shipped)
    if problems:
        raise BundleError(problems)
    schema_text = (shipped / "schema.cedarschema").read_text("utf-8")
    sums = hashlib.sha256(schema_text.encode())
    policies, rules, quorums = {}, {}, {Quorum(1, None)}
    for profile in PROFILES:
        texts = [(path.name, path.read_text("utf-8")) for path in files(extra, profile, shipped=shipped)]
        text = "\n".join(body for _, body in texts)
        sums.update(profile.encode() + b"\0" + text.encode())
        policies[profile] = cedarpy.PolicySet.from_str(text)
        rules[profile] = [rule for name, body in texts for rule in _rules(name, body)]
        quorums |= _quorums(text)
    return Bundle(
        schema=cedarpy.Schema.from_str(schema_text),
        policies=policies,
        rules=rules,
        quorums=tuple(sorted(quorums, key=lambda quorum: (quorum.n, quorum.role or ""))),
        digest="sha256:" + sums.hexdigest(),
    )


def files(extra: Path | None, profile: str, *, shipped: Path = HERE) -> list[Path]:
    own = [shipped / name for name in _SHARED] + [shipped / "profiles" / f"{profile}.cedar"]
    return own + (sorted(extra.glob("*.cedar")) if extra is not None else [])


def check(extra: Path | None = None, *, shipped: Path = HERE) -> list[Problem]:
    """Everything that is wrong with the rules, empty when they can be used. `extra`: a directory of further *.cedar files."""
    version = metadata.version("cedarpy")
    if not version.startswith(ENGINE + "."):
        return [
            Problem(
                "cedarpy",
                0,
                f"the engine is {version}, the rules are written for {ENGINE}",
                f"install cedarpy {ENGINE}.*",
            )
        ]
    if extra is not None and not extra.is_dir():
        return [Problem(str(extra), 0, "no such directory of rules", "create it, or leave the setting out")]
    schema_text = (shipped / "schema.cedarschema").read_text("utf-8")
    try:
        schema = cedarpy.Schema.from_str(schema_text)
    except ValueError as error:
        return [Problem("schema.cedarschema", 0, str(error), "correct the schema")]
    problems: list[Problem] = []
    seen: dict[str, str] = {}
    for profile in PROFILES:
        for path in files(extra, profile, shipped=shipped):
            name = str(path) if extra is not None and path.is_relative_to(extra) else path.name
            if profile != PROFILES[0] and path.parent.name != "profiles":
                continue
            body = path.read_text("utf-8")
            problems += _problems_of(name, body, schema)
            if not problems and path.parent.name != "profiles":
                problems += _clashes(name, body, seen)
    return problems


def _problems_of(name: str, body: str, schema: cedarpy.Schema) -> list[Problem]:
    try:
        listed = _listed(body)
    except ValueError as error:
        return [Problem(name, _line_of_error(body, str(error)), str(error), "correct the Cedar text")]
    lines = [body.count("\n", 0, match.start(1)) + 1 for match in _HEAD.finditer(_without_comments(body))]
    places = {policy: lines[at] if at < len(lines) else 0 for at, policy in enumerate(listed)}
    found = [
        Problem(name, places[policy], "a rule without an id", 'put @id("what it says, in words") before it')
        for policy, told in listed.items()
        if not (told.get("annotations") or {}).get("id")
    ]
    for wrong in cedarpy.validate_policies(body, schema).errors:
        found.append(
            Problem(name, places.get(wrong.policy_id, 0), wrong.error, "use only what schema.cedarschema declares")
        )
    return found


def _clashes(name: str, body: str, seen: dict[str, str]) -> list[Problem]:
    found = []
    for told in _listed(body).values():
        id_ = (told.get("annotations") or {}).get("id", "")
        if id_ in seen:
            found.append(Problem(name, 0, f"the id {id_!r} is taken by {seen[id_]}", "give the rule an id of its own"))
        seen[id_] = name
    return found


def _listed(body: str) -> dict[str, dict[str, dict[str, str]]]:
    """Static policies in order of the text, as Cedar's own JSON."""
    told = json.loads(cedarpy.policies_to_json_str(body))
    policies: dict[str, dict[str, dict[str, str]]] = told.get("staticPolicies") or {}
    return dict(sorted(policies.items(), key=lambda item: int(item[0].removeprefix("policy") or 0)))


def _rules(name: str, body: str) -> list[Rule]:
    return [
        Rule((told.get("annotations") or {}).get("id", ""), str(told.get("effect")), name)
        for told in _listed(body).values()
    ]


def _quorums(body: str) -> set[Quorum]:
    found = set()
    for told in _listed(body).values():
        annotations = told.get("annotations") or {}
        if "approvers" in annotations or "role" in annotations:
            found.add(Quorum(int(annotations.get("approvers") or 1), annotations.get("role")))
    return found


def _without_comments(body: str) -> str:
    return re.sub(r"//[^\n]*", lambda match: " " * len(match.group()), body)


def _line_of_error(body: str, message: str) -> int:
    """Cedar's parser names the token, not the line: the first line that holds it."""
    told = re.search(r"`([^`]+)`", message)
    if told is None:
        return 0
    return next((number for number, line in enumerate(body.splitlines(), 1) if told.group(1) in line), 0)
