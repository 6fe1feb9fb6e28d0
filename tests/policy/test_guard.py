"""The front door: opening, hearing, parking. What single calls get is told by the cases."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.families import tool_specs
from policies import digest
from policies.grants import Grant
from policies.guard import Approval, Call, Guard, Result, World
from tests.policy.test_bundle import SEND

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
GUARD = Guard.load()
POSTING = [
    spec for name in ("mail", "chat") for spec in tool_specs(name) if spec.name in ("mail.search", "chat.send_file")
]
ME = "alex@northwind.example"
DANA = {
    "id": "per_2",
    "names": ["Dana Whitfield"],
    "addresses": ["dana@northwind.example"],
    "inside": True,
    "roles": [],
}
SEARCH = {
    "name": "search_contacts",
    "description": "",
    "parameters": {"properties": {"query": {"type": "string"}}},
    "manifest": None,
}


def send(to: str, body: str = "hello") -> Call:
    return Call(tool="mail.send", args={"to": [to], "body": body})


def test_the_digest_is_of_canonical_json() -> None:
    """Order of keys does not matter; every byte of a value does."""
    one = Call(tool="t", args={"a": 1, "b": "é"})

    assert digest.of(one) == digest.of(Call(tool="t", args={"b": "é", "a": 1}))
    assert digest.of(one) != digest.of(Call(tool="t", args={"b": "e\u0301", "a": 1}))
    assert digest.canonical({"b": "é", "a": [1, None]}) == '{"a":[1,null],"b":"é"}'


def test_a_restored_case_meets_the_current_world() -> None:
    """A dump is a cache: who is in the directory is asked anew."""
    case = GUARD.open(request="Email Dana", principal=ME, now=NOW, tools=[SEND], world=World(people=[DANA]))
    gone = GUARD.restore(case.dump(), now=NOW, world=World(), tools=[SEND])

    assert case.decide(send("dana@northwind.example")).effect == "allow"
    assert gone.decide(send("dana@northwind.example")).effect == "deny"


def test_a_restored_case_meets_the_current_tools() -> None:
    """A tool that is not mounted any more is closed."""
    case = GUARD.open(request="Email kim@partner.example", principal=ME, now=NOW, tools=[SEND])
    gone = GUARD.restore(case.dump(), now=NOW, tools=[])

    assert gone.decide(send("kim@partner.example")).effect == "deny"


def test_without_a_world_contacts_vouch_for_nobody() -> None:
    """A contact list that anybody fills by writing a mail does not make a named person's address trusted."""
    case = GUARD.open(request="Email Sarah Baker", principal=ME, now=NOW, tools=[SEND, SEARCH])
    found = [{"name": "Sarah Baker", "email": "sarah@evil.example"}]

    case.observe(Result(call=Call(tool="search_contacts", args={"query": "Sarah Baker"}), value=found))

    assert case.decide(send("sarah@evil.example")).effect == "ask"


def test_an_unknown_origin_is_refused() -> None:
    """Whose words these are is never guessed."""
    with pytest.raises(ValueError, match="origin"):
        GUARD.open(request="x", principal=ME, now=NOW, tools=[], origin="boss")


def test_an_edited_card_is_the_users_own_word() -> None:
    """What the requester types later may widen; what it does not say stays closed."""
    case = GUARD.open(request="Email kim@partner.example", principal=ME, now=NOW, tools=[SEND])
    case.say("kim2@partner.example", ME)

    assert case.decide(send("kim2@partner.example")).effect == "allow"
    assert case.decide(send("kim3@partner.example")).effect == "deny"


def test_one_approval_counts_once() -> None:
    """The same person approving twice is one person."""
    guard = Guard.load(profile="careful")
    case = guard.open(request="Email kim@partner.example", principal=ME, now=NOW, tools=[SEND])
    leave = Approval(digest=digest.of(send("kim@partner.example")), by="dana")

    assert case.decide(send("kim@partner.example")).effect == "ask"
    assert case.decide(send("kim@partner.example"), approvals=[leave, leave]).effect == "allow"


def test_a_grant_reads_as_a_workflow_file_writes_it() -> None:
    """The plain list of a workflow file and the JSON of a dump are one grant."""
    grant = Grant.from_json([{"effect": "create", "noun": "event", "tools": ["calendar.create_event"], "quota": 1}])

    assert Grant.from_json(grant.to_json()) == grant
    assert grant.clauses[0].quotas == {"create:event": 1}


@pytest.mark.parametrize("told", [[{"noun": "event"}], [{"effect": "explode"}], {"clauses": [], "writer": "ghost"}])
def test_a_grant_that_cannot_be_read_is_refused(told: object) -> None:
    """A grant is never guessed at."""
    with pytest.raises(ValueError, match="grant:"):
        Grant.from_json(told)  # type: ignore[arg-type]  # the point of the test


def test_what_was_read_stays_on_the_label() -> None:
    """The label of a case tells class, taint and readers of everything in it."""
    case = GUARD.open(request="What is new?", principal=ME, now=NOW, tools=[SEND])
    assert (case.label.secret, case.label.tainted, case.label.readers) == (False, False, None)

    case.observe(
        Result(
            call=Call(tool="memory", args={}),
            value="pin",
            labels={"class": "secret", "readers": [ME], "author": "eve@evil.example"},
        )
    )

    assert (case.label.secret, case.label.tainted, case.label.readers) == (True, True, frozenset({ME}))


def test_a_file_that_goes_along_reaches_nobody_who_is_on_its_mail() -> None:
    """Whoever sent the mail is told nothing by its attachment's going to a channel; who may read the mail still counts."""
    tools = [
        {"name": spec.name, "description": "", "parameters": spec.parameters, "manifest": spec.manifest}
        for spec in POSTING
    ]
    case = GUARD.open(request="Post the contract in #general", principal=ME, now=NOW, tools=tools)
    mail = {
        "message_id": "msg_1",
        "from": "sam@acme.example",
        "to": [ME],
        "cc": [],
        "subject": "Contract",
        "body": "Here.",
    }
    attached = [{"attachment_id": "att_1", "name": "contract.pdf", "mime": "application/pdf", "size_bytes": 9}]
    found = {"messages": [mail | {"attachments": attached}], "next": None}
    case.observe(Result(call=Call(tool="mail.search", args={}), value=found))
    attachment = {"message_id": "msg_1", "attachment_id": "att_1"}

    told = case.decide(Call(tool="chat.send_file", args={"channel": "#general", "attachment": attachment})).facts

    assert told["receivers"] == ["general"]
    assert not told["audience_fits"]
