"""Rules that are not in order do not load, and a rule that errors opens nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from policies import bundle, digest
from policies.evaluate import FAILED
from policies.guard import Approval, Call, Case, Guard

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
SEND = {
    "name": "mail.send",
    "description": "Sends a mail.",
    "parameters": {"properties": {"to": {"type": "array"}, "body": {"type": "string"}}},
    "manifest": {
        "effect": "send",
        "noun": "message",
        "args": {"to": {"role": "who", "type": "address"}, "body": "text"},
    },
}
CALL = Call(tool="mail.send", args={"to": ["kim@partner.example"], "body": "I am late"})


def opened(guard: Guard) -> Case:
    return guard.open(
        request="Email kim@partner.example that I am late", principal="alex@northwind.example", now=NOW, tools=[SEND]
    )


@pytest.fixture
def rules(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        (tmp_path / "house.cedar").write_text(text)
        return tmp_path

    return write


def test_the_shipped_rules_are_in_order() -> None:
    """`check` finds nothing in what is shipped."""
    assert bundle.check() == []


def test_an_erroring_forbid_denies(rules: Callable[[str], Path]) -> None:
    """Cedar skips a forbid that errors; here the error itself is the denial, before and after an approval."""
    text = '@id("overflows")\nforbid (principal, action, resource)\nwhen { context.recipients * 9223372036854775807 * 3 > 5 };\n'
    guard = Guard.load(rules(text.replace("context.recipients", "(context.recipients + 2)")))
    case = opened(guard)
    leave = Approval(digest=digest.of(CALL), by="alex")

    for decision in (case.decide(CALL), case.decide(CALL, approvals=[leave])):
        assert (decision.effect, decision.rules) == ("deny", [FAILED])
        assert "overflow" in decision.facts["error"]


def test_an_erroring_permit_denies_too(rules: Callable[[str], Path]) -> None:
    """Any evaluation error at all is a closed door, even where another permit would have allowed the call."""
    text = '@id("overflows")\npermit (principal, action, resource)\nwhen { (context.recipients + 2) * 9223372036854775807 > 5 };\n'

    assert opened(Guard.load(rules(text))).decide(CALL).effect == "deny"


def test_an_engine_that_raises_denies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the engine does wrong is a denial, never an exception and never a permission."""
    import cedarpy

    case = opened(Guard.load())
    monkeypatch.setattr(cedarpy, "is_authorized_batch", lambda *given: [][1])

    assert case.decide(CALL).rules == [FAILED]


def test_a_permit_of_the_house_overrides_no_shipped_forbid(rules: Callable[[str], Path]) -> None:
    """A tenant may add rules; what is shipped as forbidden stays so."""
    case = opened(Guard.load(rules('@id("everything goes")\npermit (principal, action, resource);\n')))

    decision = case.decide(Call(tool="mail.send", args={"to": ["drop@evil.example"], "body": "x"}))

    assert decision.effect == "deny"
    assert "no effect on a value from untrusted text" in decision.rules


def test_a_forbid_of_the_house_holds(rules: Callable[[str], Path]) -> None:
    """An added forbid denies, names itself, and no approval opens it."""
    case = opened(
        Guard.load(
            rules(
                '@id("no outside mail")\nforbid (principal, action == Action::"send", resource in Family::"mail")\nwhen { context.reaches_outside };\n'
            )
        )
    )
    leave = Approval(digest=digest.of(CALL), by="alex")

    assert case.decide(CALL, approvals=[leave]).rules == ["no outside mail"]


def test_four_eyes_ask_for_two_people_with_the_role(rules: Callable[[str], Path]) -> None:
    """A quorum declared on a rule becomes the obligation, and only that many people with the role open the gate."""
    text = (
        '@id("two of finance release outside mail")\n@approvers("2")\n@role("finance")\nforbid (principal, action == Action::"send", resource)\n'
        'unless { context.approvers >= 2 && context.approver_roles.contains("finance") };\n'
    )
    case = opened(Guard.load(rules(text), profile="careful"))
    one = Approval(digest=digest.of(CALL), by="dana", roles=["finance"])
    two = Approval(digest=digest.of(CALL), by="ravi", roles=["finance"])

    asked = case.decide(CALL)

    assert (asked.effect, asked.obligations) == ("ask", [{"kind": "require_approval", "n": 2, "role": "finance"}])
    assert case.decide(CALL, approvals=[one]).effect == "ask"
    assert case.decide(CALL, approvals=[one, one]).effect == "ask"
    assert case.decide(CALL, approvals=[one, two]).effect == "allow"


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ('\n@id("x")\npermit (principal action, resource);\n', 3, "unexpected token"),
        ("\npermit (principal, action, resource);\n", 2, "without an id"),
        (
            '@id("ok")\npermit (principal, action, resource);\n\n// c\n@id("x")\nforbid (principal, action, resource) when { context.efect };\n',
            6,
            "efect",
        ),
        ('@id("nothing happens while suspended")\npermit (principal, action, resource);\n', 0, "taken"),
    ],
)  # parse error · no id · unknown attribute · id of a shipped rule
def test_rules_that_are_not_in_order_are_named(rules: Callable[[str], Path], text: str, line: int, part: str) -> None:
    """A problem says file, line, what and what to do; loading refuses."""
    path = rules(text)

    problems = bundle.check(path)

    assert problems[0].file.endswith("house.cedar")
    assert problems[0].line == line
    assert part in problems[0].message
    assert problems[0].fix
    with pytest.raises(bundle.BundleError):
        Guard.load(path)


def test_a_directory_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    """A mistyped setting does not silently load less."""
    assert bundle.check(tmp_path / "nowhere")[0].message == "no such directory of rules"


def test_another_engine_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules written for one engine are not trusted to another."""
    monkeypatch.setattr(bundle.metadata, "version", lambda name: "5.0.0")

    assert "5.0.0" in bundle.check()[0].message


def test_the_digest_follows_every_word(rules: Callable[[str], Path]) -> None:
    """Two bundles that differ in a comment have two digests; the same one has the same."""
    first = Guard.load().bundle_digest
    assert first == Guard.load().bundle_digest != Guard.load(rules("// nothing\n")).bundle_digest
