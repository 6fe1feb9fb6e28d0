"""Roles: given and taken, narrowed, and the same at the front desk and at the gate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain import rights
from orchestrator.errors import Conflict, NotEligible, NotFound, UsageError
from orchestrator.store import approvals, roles
from tests.e2e.place import CALL, Place
from tests.http.auth.callers import AISHA, DANA

NAMES = st.frozensets(st.sampled_from(rights.ASSIGNABLE))


def test_a_person_has_exactly_what_was_given(place: Place) -> None:
    """Anew each time; nothing given: a newcomer's role again."""
    place.desk.roles.give(place.me, AISHA, ["auditor", "approver"])
    assert place.desk.principal(AISHA).roles == {"auditor", "approver"}
    place.desk.roles.give(place.me, AISHA, ["viewer"])
    assert place.desk.principal(AISHA).roles == {"viewer"}
    place.desk.roles.give(place.me, AISHA, [])
    assert place.desk.principal(AISHA).roles == {"member"}


def test_the_last_admin_stays(place: Place) -> None:
    """The owner may go only after another admin came, who then may not."""
    with pytest.raises(Conflict):
        place.desk.roles.give(place.me, place.me.principal_id, ["viewer"])
    with pytest.raises(Conflict):
        place.desk.roles.give(place.me, place.me.principal_id, ["none"])
    assert "admin" in place.desk.principal(None).roles
    place.desk.roles.give(place.me, AISHA, ["admin"])
    place.desk.roles.give(place.me, place.me.principal_id, ["viewer"])
    assert place.desk.principal(None).roles == {"viewer"}
    with pytest.raises(Conflict):
        place.desk.roles.give(place.desk.principal(AISHA), AISHA, ["operator"])


def test_nobody_is_locked_out_for_ever(place: Place) -> None:
    """The one admin left the directory: the terminal's owner steps in."""
    place.desk.roles.give(place.me, AISHA, ["admin"])
    place.desk.roles.give(place.me, place.me.principal_id, ["viewer"])
    with place.desk._store.tx() as tx:
        from orchestrator import clock
        from orchestrator.store import people

        people.upsert_many(tx, [one for one in people.all(tx) if one.address != AISHA], "office", clock.now())

    assert "admin" in place.desk.principal(None).roles


@pytest.mark.parametrize(
    ("given", "limits", "error"),
    [
        (["king"], None, UsageError),
        (["none", "viewer"], None, UsageError),
        (["viewer"], {"families": ["mail"]}, UsageError),
        (["member"], None, UsageError),
    ],
)
def test_roles_that_are_not_given(
    place: Place, given: list[str], limits: Mapping[str, Any] | None, error: type[Exception]
) -> None:
    """Unknown ones, none among others, limits of who approves nothing."""
    with pytest.raises(error):
        place.desk.roles.give(place.me, AISHA, given, limits=limits)
    assert place.desk.principal(AISHA).roles == {"member"}


def test_only_an_admin_gives_roles(place: Place) -> None:
    """Not an operator, and not to somebody whom nobody knows."""
    place.desk.roles.give(place.me, AISHA, ["operator"])
    with pytest.raises(NotEligible):
        place.desk.roles.give(place.desk.principal(AISHA), AISHA, ["admin"])
    with pytest.raises(NotFound):
        place.desk.roles.give(place.me, "nobody@elsewhere.example", ["viewer"])


def _card(place: Place, person: str) -> Mapping[str, Any]:
    """The card of a calendar call, with somebody else on it as well."""
    card = next(one for one in place.cards(place.ask(CALL)) if one["tool"] == "calendar.create_event")
    with place.desk._store.tx() as tx:
        both = [*approvals.get(tx, card["approval_id"]).eligible, person]
        mine = approvals.A.approval_id == card["approval_id"]
        tx.c.execute(approvals.approvals.update().where(mine).values(eligible=both))
    return card


@pytest.mark.parametrize(
    ("limits", "may"),
    [
        (None, True),
        ({"families": ["calendar"]}, True),
        ({"families": ["mail"]}, False),
        ({"tools": ["calendar.create_event"]}, True),
        ({"tools": ["mail.send"]}, False),
        ({"requesters": [DANA]}, False),
        ({"families": ["calendar"], "requesters": [DANA]}, False),
    ],
)
def test_an_approver_decides_what_they_were_given(place: Place, limits: Mapping[str, Any] | None, may: bool) -> None:
    """At the front desk, so on every door: families, tools, and whose requests."""
    card = _card(place, AISHA)
    place.desk.roles.give(place.me, AISHA, ["approver"], limits=limits)
    her = place.desk.principal(AISHA)
    if may:
        place.desk.decide(her, card["approval_id"], "approve", digest=card["digest"])
        return
    for verdict in ("approve", "deny"):
        with pytest.raises(NotEligible):
            place.desk.decide(her, card["approval_id"], verdict, digest=card["digest"])
    with pytest.raises(NotEligible):
        place.desk.decide(her, card["approval_id"], "edit", digest=card["digest"], args={"title": "x"})


@pytest.mark.parametrize("role", ["viewer", "auditor", "none"])
def test_who_may_no_longer_decide_does_not_though_on_the_card(place: Place, role: str) -> None:
    """Roles are read when the decision is made: one who was asked while they were an approver decides nothing now."""
    card = _card(place, AISHA)
    before = place.desk.principal(AISHA)  # as a door holds them that has not looked since
    place.desk.roles.give(place.me, AISHA, [role])

    with pytest.raises(NotEligible):
        place.desk.decide(before, card["approval_id"], "approve", digest=card["digest"])
    with pytest.raises(NotEligible):
        place.desk.decide(place.desk.principal(AISHA), card["approval_id"], "approve", digest=card["digest"])


def test_who_only_looks_asks_for_nothing(place: Place) -> None:
    """A viewer submits nothing, and an auditor changes nothing of what they see."""
    mine = place.submit(CALL)
    place.desk.roles.give(place.me, AISHA, ["auditor"])
    auditor = place.desk.principal(AISHA)
    assert place.desk.item(auditor, mine)["item_id"] == mine
    for change in (
        lambda: place.desk.submit(auditor, CALL),
        lambda: place.desk.cancel(auditor, mine),
        lambda: place.desk.bump(auditor, mine),
        lambda: place.desk.nudge(auditor, mine, "not Monday"),
        lambda: place.desk.set_preferences(auditor, AISHA, {"lunch": None}),
        lambda: place.desk.memories.add(auditor, "I like mornings"),
    ):
        with pytest.raises(NotEligible):
            change()


def test_groups_give_and_take(place: Place) -> None:
    """What a sign-in's groups meant last is replaced by what they mean now; what an admin gave stays."""
    place.desk.roles.give(place.me, AISHA, ["auditor"])
    place.desk.roles.take_groups(AISHA, ["operator"])
    assert place.desk.principal(AISHA).roles == {"auditor", "operator"}
    place.desk.roles.take_groups(AISHA, [])
    assert place.desk.principal(AISHA).roles == {"auditor"}
    place.desk.roles.give(place.me, AISHA, ["none"])
    place.desk.roles.take_groups(AISHA, ["admin"])
    assert place.desk.principal(AISHA).roles == frozenset()


@pytest.mark.parametrize(
    "assigned",
    [
        {},
        {AISHA: ["approver"]},
        {AISHA: ["none"]},
        {AISHA: ["admin", "auditor"], "owner": ["viewer"]},
        {AISHA: ["admin"], DANA: ["operator", "approver"], "owner": ["none"]},
    ],
)
def test_the_gate_and_the_front_desk_agree(place: Place, assigned: Mapping[str, list[str]]) -> None:
    """Whoever has a role at the front desk has it at the gate, and nobody else."""
    for person, names in assigned.items():
        place.desk.roles.give(place.me, place.me.principal_id if person == "owner" else person, names)
    with place.desk._store.read() as tx:
        at_gate = rights.holders(
            {place.me.principal_id: rights.OWNER}, roles.by_person(tx), [one["address"] for one in place.desk.people()]
        )
    at_desk = {one["address"]: place.desk.principal(one["address"]).roles for one in place.desk.people()}

    assert at_gate == {person: held for person, held in at_desk.items() if held - {"member"}}


@given(held=NAMES, scopes=st.frozensets(st.sampled_from(rights.SCOPES)))
def test_a_key_never_widens(held: frozenset[str], scopes: frozenset[rights.Scope]) -> None:
    """For any roles and any scopes: what the narrowed roles allow stays within the person's, and no role lacks its scope."""
    narrow = rights.narrowed(held, scopes)

    assert rights.scopes_of(narrow) <= rights.scopes_of(held)
    assert "admin" not in narrow or "admin" in scopes
    assert not narrow & {"operator", "auditor"} or scopes & {"operate", "audit"}
