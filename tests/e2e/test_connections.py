"""A call uses only connections of the run's requester: Alice asks while only Bob's mailbox is connected."""

from __future__ import annotations

from orchestrator.surfaces.cli.exitcode import Exit
from tests.e2e.place import NOTHING, Place

REQUEST = "set up a 30 minute call with Alex Moreau about his last mail"


def test_somebody_elses_mailbox_is_never_used(any_place: Place) -> None:
    """Exit 5, a wait that says which account is missing and whose; nothing was read, the office is as it was."""
    alice = any_place.desk.principal("aisha.weber@brightwater.example")
    asked = any_place.ask(REQUEST, who=alice)

    assert asked["waiting_on"] == ["reconsent"]
    assert any_place.exit_code(asked) is Exit.AUTH
    assert any("aisha.weber@brightwater.example" in w["text"] for w in asked["waits"])
    assert not any_place.steps(asked, "read")
    assert asked["effects"] == []
    assert any_place.diff() == NOTHING
    assert any_place.sent() == []


def test_connecting_continues_the_item(any_place: Place) -> None:
    """Once her own accounts are connected, the same item goes on under her name, and only her cards are hers to decide."""
    alice = any_place.desk.principal("aisha.weber@brightwater.example")
    any_place.write_again(author=any_place.me.principal_id)  # to be sure that there is none for her by accident
    any_place.office.add_mail(
        author=any_place.me.principal_id,
        to=[alice.principal_id],
        subject="Your probe",
        body="Does it run?",
    )
    asked = any_place.ask(REQUEST, who=alice)
    any_place.restart()

    any_place.desk.connect(
        any_place.admin,
        connector="office",
        owner=alice.principal_id,
        subject=alice.principal_id,
        families=["mail", "calendar", "chat"],
    )
    any_place.work()

    carded = any_place.item(asked)
    assert carded["waiting_on"] == ["approval"]
    cards = any_place.desk.approvals(alice)
    assert {card["card"]["as"] for card in cards} == {alice.principal_id}
    assert {tuple(card["eligible"]) for card in cards} == {(alice.principal_id,)}
    for card in cards:
        any_place.desk.decide(alice, card["approval_id"], "approve", digest=card["digest"])
    any_place.work()

    assert any_place.item(asked)["state"] == "done"
    changed = any_place.diff()
    assert [m["from"] for m in changed["mails"] if m["subject"].startswith("Re: Your probe")] == [alice.principal_id]
    assert [e["organizer"] for e in changed["events"]] == [alice.principal_id]


def test_one_connected_account_does_not_open_another(place: Place) -> None:
    """Her calendar is connected, her mailbox is not: still exit 5, for the mailbox."""
    alice = place.desk.principal("aisha.weber@brightwater.example")
    place.desk.connect(
        place.admin, connector="office", owner=alice.principal_id, subject=alice.principal_id, families=["calendar"]
    )

    asked = place.ask(REQUEST, who=alice)

    assert asked["waiting_on"] == ["reconsent"]
    assert "mail" in asked["waits"][0]["text"]
    assert place.sent() == []


def test_the_command_line_says_it_with_exit_five(place: Place) -> None:
    """`deputy ask --as alice` ends with 5."""
    code, asked = place.deputy("ask", REQUEST, "--as", "aisha.weber@brightwater.example")

    assert code == Exit.AUTH
    assert asked["waiting_on"] == ["reconsent"]
