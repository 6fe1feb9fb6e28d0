"""The held-out requests are sound and are the ones that were set aside: no line is changed to suit a matcher."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent


def load_check() -> ModuleType:
    """The module `check.py` beside this file, whatever the import mode of the test run."""
    spec = importlib.util.spec_from_file_location("heldout_check", HERE / "check.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


check = load_check()


def test_every_request_keeps_the_rules() -> None:
    """Schema, placeholders, slots, balance and variety hold for the whole file."""
    assert check.problems(check.load()) == []


def test_file_is_large_and_mostly_hard() -> None:
    """There are at least 340 requests and at least 45 % of them must not simply run."""
    rows = check.load()
    assert len(rows) >= 340
    assert check.near_miss_share(rows) >= 0.45


def test_file_is_the_one_that_was_set_aside() -> None:
    """The bytes of requests.jsonl have the sha256 written down when they were held out."""
    digest = hashlib.sha256((HERE / "requests.jsonl").read_bytes()).hexdigest()
    assert digest == (HERE / "SHA256").read_text(encoding="ascii").strip()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"text": "Set up a call with {Q9} about the mail they sent me."}, "unknown placeholders"),
        ({"workflow": "make-coffee"}, "unknown workflow"),
        ({"slots": {}}, "runs without a required slot"),
        ({"slots": {"person": "{P1}", "window": "next week"}}, "uses words that the text does not have"),
        ({"slots": {"person": "{P1}", "minutes": "30"}}, "must be a whole number"),
        ({"slots": {"person": "{P1}", "channel": "{CH1}"}}, "are not slots of"),
        ({"expect": "abstain", "kind": "negation"}, "names no workflow"),
        ({"kind": "negation"}, "does not go with run"),
    ],
)
def test_a_broken_request_is_named(change: dict[str, object], complaint: str) -> None:
    """Each rule finds the request that breaks it."""
    rows = check.load()
    rows[0] = {**rows[0], **change}
    found = check.problems(rows)
    assert any(problem.startswith("h001: ") and complaint in problem for problem in found), found


def test_a_repeated_phrase_is_found() -> None:
    """Four requests that share five words in a row break the rule of variety."""
    rows = [{"id": f"h{i}", "text": f"{i} one two three four five"} for i in range(4)]
    assert check.shared_phrases(rows[:3]) == {}
    assert check.shared_phrases(rows) == {"one two three four five": ["h0", "h1", "h2", "h3"]}
