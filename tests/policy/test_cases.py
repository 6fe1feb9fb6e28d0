"""The shipped cases hold, and every shipped rule is needed by at least one of them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from policies import bundle, cases
from policies.guard import Guard

OUTCOMES = cases.run()
RULE = re.compile(r'((?:^//[^\n]*\n)*^@id\("(?P<id>[^"]+)"\)\n(?:permit|forbid).*?;\n)', re.MULTILINE | re.DOTALL)
FILES = sorted(bundle.HERE.rglob("*.cedar"))
RULES = [
    (path.relative_to(bundle.HERE), found["id"]) for path in FILES for found in RULE.finditer(path.read_text("utf-8"))
]


@pytest.mark.parametrize("outcome", OUTCOMES, ids=[f"{outcome.file}: {outcome.name}" for outcome in OUTCOMES])
def test_case(outcome: cases.CaseOutcome) -> None:
    """The guard decides a shipped case as the case says."""
    assert outcome.passed, f"{outcome.message}\n{outcome.got.facts}"


def test_there_are_many_cases_and_each_has_a_name_of_its_own() -> None:
    """No case hides behind another of the same name."""
    names = [(outcome.file, outcome.name) for outcome in OUTCOMES]

    assert len(names) >= 100
    assert len(set(names)) == len(names)


def test_every_rule_is_seen() -> None:
    """The pattern by which these tests find rules misses none that Cedar sees."""
    loaded = bundle.load()

    seen = {rule.id for profile in bundle.PROFILES for rule in loaded.rules[profile]}
    assert {rule for _, rule in RULES} == seen


@pytest.mark.parametrize(("file", "rule"), RULES, ids=[f"{file}: {rule}" for file, rule in RULES])
def test_deleting_a_rule_is_noticed(file: Path, rule: str, tmp_path: Path) -> None:
    """Without any one rule some case comes out otherwise."""
    copy = tmp_path / "cedar"
    shutil.copytree(bundle.HERE, copy)
    text = (copy / file).read_text("utf-8")
    kept = "".join(part for part in _without(text, rule))
    (copy / file).write_text(kept, "utf-8")

    changed = bundle.load(shipped=copy)

    assert len(kept) < len(text)
    assert any(not outcome.passed for outcome in cases.run(bundle=changed))


def _without(text: str, rule: str) -> list[str]:
    pieces, place = [], 0
    for found in RULE.finditer(text):
        pieces.append(text[place : found.start()])
        if found["id"] != rule:
            pieces.append(found.group())
        place = found.end()
    return [*pieces, text[place:]]


def test_every_rule_has_a_comment_that_says_whom_it_protects() -> None:
    """A rule without a reason is not shipped."""
    for path in FILES:
        for found in RULE.finditer(path.read_text("utf-8")):
            assert found.group().startswith("// Protects "), found["id"]


def test_a_case_that_does_not_hold_says_how(tmp_path: Path) -> None:
    """The runner can fail: it names what came out instead."""
    shutil.copy(cases.HERE / "world.yaml", tmp_path / "world.yaml")
    (tmp_path / "mine.yaml").write_text(
        'cases:\n- {name: wrong, request: "x", call: {tool: mail.search, args: {}}, expect: {effect: deny, rules: [nobody]}}\n'
    )

    [outcome] = cases.run([tmp_path])

    assert not outcome.passed
    assert outcome.message.startswith("allow instead of deny")


def test_a_case_without_an_expectation_is_refused(tmp_path: Path) -> None:
    """A case that could not fail is an error, not a success."""
    shutil.copy(cases.HERE / "world.yaml", tmp_path / "world.yaml")
    (tmp_path / "mine.yaml").write_text("cases:\n- {name: vague, request: x, call: {tool: mail.search}}\n")

    with pytest.raises(cases.CaseError, match="vague"):
        cases.run([tmp_path / "mine.yaml"])


def test_the_world_of_the_cases_is_the_office_as_shipped() -> None:
    """Manifests in the cases' world are those that the families ship, word for word."""
    from connectors.families import FAMILIES, tool_specs

    shipped = {spec.name: dict(spec.manifest) for family in FAMILIES for spec in tool_specs(family)}
    world = cases.load_file(cases.HERE / "world.yaml")

    ours = {name: told["manifest"] for name, told in world["tools"].items() if name in shipped}
    assert len(ours) >= 25
    assert ours == {name: shipped[name] for name in ours}


def test_profiles_other_than_the_two_are_refused() -> None:
    """There is no third, weaker profile by a typing error."""
    with pytest.raises(ValueError, match="careful"):
        Guard.load(profile="lenient")
