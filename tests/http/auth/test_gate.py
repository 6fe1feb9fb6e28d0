"""Roles at the gate: a rule that asks for one meets the roles of the moment, on the card and again behind it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.place import CALL, Place
from tests.http.auth.callers import AISHA

RULE = """
// Protects a house that wants its invitations looked at from one that nobody looked at.
@id("an approver releases what makes events")
@role("approver")
forbid (principal, action, resource == Tool::"calendar.create_event")
unless { context.approver_roles.contains("approver") };
"""


@pytest.fixture
def strict(place: Place, tmp_path: Path) -> Place:
    """A house whose invitations need somebody with the role approver."""
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "house.cedar").write_text(RULE)
    place.set(policy_dir=folder)
    return place


def test_a_card_goes_to_whoever_has_the_role_now(strict: Place) -> None:
    """Given to somebody a moment before, it is on the card; the owner has it, too."""
    strict.desk.roles.give(strict.me, AISHA, ["approver"])
    card = strict.card(strict.ask(CALL), "calendar.create_event")

    assert card["eligible"] == sorted([AISHA, strict.me.principal_id])


def test_an_approval_holds_as_long_as_its_giver_has_the_role(strict: Place) -> None:
    """Approved, and the approver turned away before the worker came to it: the gate stays shut, and nothing was sent."""
    strict.desk.roles.give(strict.me, AISHA, ["approver"])
    item = strict.ask(CALL)
    card = strict.card(item, "calendar.create_event")
    strict.desk.decide(strict.desk.principal(AISHA), card["approval_id"], "approve", digest=card["digest"])
    strict.desk.roles.give(strict.me, AISHA, ["none"])
    strict.work()

    assert strict.item(item)["state"] == "denied"
    assert strict.diff()["events"] == []


def test_with_the_role_the_effect_is_done(strict: Place) -> None:
    """The same way without the loss, so that the test above fails for its own reason."""
    strict.desk.roles.give(strict.me, AISHA, ["approver"])
    card = strict.card(strict.ask(CALL), "calendar.create_event")
    strict.desk.decide(strict.desk.principal(AISHA), card["approval_id"], "approve", digest=card["digest"])
    strict.work()

    assert len(strict.diff()["events"]) == 1
