"""The front desk's own rules: what it audits, whom it shows what, and what a program may not say."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from connectors.errors import OutcomeUnknown
from connectors.spec import Unknown
from orchestrator import app, ids
from orchestrator.domain.item import WaitKind
from orchestrator.domain.principal import Principal
from orchestrator.errors import NotEligible, UsageError
from orchestrator.store import approvals, connections, people, quotas, spans, tables, waits, worklist
from orchestrator.store.spans import SpanRow
from orchestrator.telemetry import RUN
from tests.e2e.place import CALL, DANA, MONDAY, Place

AISHA = "aisha.weber@brightwater.example"


def events(place: Place, item_id: str | None = None) -> list[tuple[str, str]]:
    """(kind, actor) of what was audited, oldest first."""
    return [(e["kind"], e["actor"]) for e in place.desk.audit_tail(place.admin, limit=1000, item_id=item_id)]


def other(place: Place) -> Principal:
    """Somebody inside who is not the owner."""
    with place.desk._store.read() as tx:
        address = next(p.address for p in people.all(tx) if p.inside and p.address != place.me.principal_id)
    return place.desk.principal(address)


def test_every_steering_act_is_one_event_of_the_person(place: Place) -> None:
    """Each verb that changes an item leaves exactly one event that names who did it, and no words."""
    me, item_id = place.me, place.submit("what is on my calendar today")
    place.desk.bump(me, item_id)
    place.desk.reprioritise(me, item_id, priority=7, due=MONDAY + timedelta(days=2))
    place.desk.pause(me, item_id)
    place.desk.resume(me, item_id)
    place.desk.snooze(me, item_id, MONDAY + timedelta(days=1))
    place.desk.nudge(me, item_id, "only the secret afternoon")
    place.desk.cancel(me, item_id)

    acts = ["submitted", "bumped", "reprioritised", "due_set", "paused", "resumed", "snoozed", "nudged"]
    expected = [f"item.{act}" for act in acts] + ["item.cancel_asked", "item.cancelled"]
    assert events(place, item_id) == [(kind, me.principal_id) for kind in expected]
    assert "secret" not in str(place.desk.audit_tail(place.admin, limit=100))


def test_cards_and_effects_that_end_with_their_task_are_audited(place: Place) -> None:
    """Cancelling leaves one event for each card that becomes void and each effect that will not happen."""
    document = place.ask(CALL)
    cards = place.cards(document)
    assert cards
    place.desk.cancel(place.me, document["item_id"])

    told = events(place, document["item_id"])
    assert told.count(("approval.void", place.me.principal_id)) == len(cards)
    assert told.count(("effect.failed", place.me.principal_id)) == len(place.item(document)["effects"])


def test_preferences_and_office_reset_are_audited(place: Place) -> None:
    """A change of preferences, and an office built anew with its connections, are on record."""
    place.desk.set_preferences(place.me, place.me.principal_id, {"earliest": "16:00"})
    place.desk.set_preferences(place.me, place.me.principal_id, {"latest": "18:00"})
    person = next(p for p in place.desk.people() if p["address"] == place.me.principal_id)
    assert {"earliest": "16:00", "latest": "18:00"}.items() <= person["preferences"].items()
    place.office.close()
    app.init_office(place.settings, 1, MONDAY)

    told = [kind for kind, _ in events(place)]
    assert told.count("person.preferences_set") == 2
    assert told[-5:] == [
        "office.reset",
        "connection.removed",
        "connection.removed",
        "connection.added",
        "connection.added",
    ]


def test_audit_and_news_show_what_one_may_see(place: Place) -> None:
    """Without the role, the tail and the news hold nothing of other people's items, and the whole chain is refused."""
    document, them = place.ask(CALL), other(place)
    mine = place.submit("what is on my calendar today", who=them)

    assert {e["item_id"] for e in place.desk.audit_tail(them, limit=1000)} == {mine}
    assert place.desk.audit_tail(them, item_id=document["item_id"]) == []
    assert place.desk.events_after(place.me, 0) != []
    assert {e["item_id"] for e in place.desk.events_after(them, 0)} == {mine}
    for refused in (place.desk.audit_head, place.desk.audit_verify, place.desk.audit_export):
        with pytest.raises(NotEligible):
            refused(them)
    auditor = replace(them, roles=frozenset({"auditor"}))
    assert place.desk.audit_verify(auditor, place.desk.audit_head(auditor))["ok"]
    operator = replace(them, roles=frozenset({"operator"}))
    assert document["item_id"] in {e["item_id"] for e in place.desk.audit_tail(operator, limit=1000)}


def test_other_peoples_cards_and_runs_do_not_hide_ones_own(place: Place) -> None:
    """The limit counts what a person may see: older cards and newer runs of others take no place in it."""
    place.ask(CALL)
    them = other(place)
    place.desk.connect(
        place.admin,
        connector="office",
        owner=them.principal_id,
        subject=them.principal_id,
        families=["mail", "calendar"],
    )
    place.office.add_mail(author=DANA, to=[them.principal_id], subject="Budget", body="Could we talk?")
    theirs = place.ask(CALL, who=them)
    place.ask("what is on my calendar today")

    assert [r["item_id"] for r in place.desk.runs(them, limit=1)] == [theirs["item_id"]]
    cards = place.desk.approvals(them, limit=1, state=None)
    assert [c["item_id"] for c in cards] == [theirs["item_id"]]


def test_a_program_gives_no_blanket_approval(place: Place) -> None:
    """The option that approves every card is dropped from what a program submits."""
    agent = replace(place.me, is_human=False)
    by_agent = place.desk.submit(agent, "what is on my calendar today", options={"approve_all": True, "no_match": True})
    by_me = place.desk.submit(place.me, "what is on my calendar today", options={"approve_all": True})

    with place.desk._store.read() as tx:
        assert worklist.get(tx, by_agent).options == {"no_match": True}
        assert worklist.get(tx, by_me).options == {"approve_all": True}


def _wait(place: Place, kind: WaitKind) -> str:
    item_id = place.submit("what is on my calendar today")
    with place.desk._store.tx() as tx:
        new = waits.NewWait(wait_id="w1", kind=kind, payload={"text": "Which?"})
        waits.record(tx, item_id, new, MONDAY)
    return item_id


def test_what_a_program_answers_is_not_the_persons_word(place: Place) -> None:
    """An agent's answer is kept under the agent's own name, and audited as an act of whom it acts for."""
    agent, item_id = replace(place.me, is_human=False), _wait(place, WaitKind.ANSWER)
    place.desk.answer(agent, item_id, "the second")

    with place.desk._store.read() as tx:
        (wait,) = waits.of_item(tx, item_id)
    assert (wait.answer, wait.answered_by) == ("the second", f"agent of {place.me.principal_id}")
    assert events(place, item_id)[-1] == ("item.answered", place.me.principal_id)
    assert "second" not in str(place.desk.audit_tail(place.admin, item_id=item_id))


def test_a_program_repairs_nothing(place: Place) -> None:
    """Only a person says whether an effect in doubt happened."""
    agent, item_id = replace(place.me, is_human=False), _wait(place, WaitKind.REPAIR)
    with pytest.raises(NotEligible):
        place.desk.answer(agent, item_id, "it did not happen")
    place.desk.answer(place.me, item_id, "it did not happen")
    assert events(place, item_id)[-1] == ("item.answered", place.me.principal_id)


def test_an_edit_keeps_what_the_person_changed(place: Place) -> None:
    """Of a whole card sent back only the changed arguments count; of a list, the new elements are what was typed."""
    document = place.ask(CALL)
    card = place.card(document, "calendar.create_event")
    with pytest.raises(UsageError):
        place.decide(card, "edit", args=card["args"])
    more = [*card["args"]["attendees"], AISHA]
    place.decide(card, "edit", args={**card["args"], "title": "Budget", "attendees": more})

    with place.desk._store.read() as tx:
        wait_id = approvals.wait_id_of(tx, card["approval_id"])
        (answer,) = [w.answer for w in waits.of_item(tx, document["item_id"]) if w.wait_id == wait_id]
    assert answer == {
        "verdict": "edit",
        "args": {"title": "Budget", "attendees": more},
        "typed": {"title": "Budget", "attendees": [AISHA]},
    }
    assert ("approval.void", place.me.principal_id) in events(place, document["item_id"])


def test_an_office_connected_again_ends_the_wait_for_it(place: Place) -> None:
    """Whoever parks for want of a connection goes on when it is active again, however that came about."""
    own = f"conn_office_{place.me.principal_id}"
    with place.desk._store.tx() as tx:
        connections.set_state(tx, own, "reconsent")
    document = place.ask(CALL)
    assert document["waiting_on"] == ["reconsent"]
    app.connect_office(place.settings, place.desk._store, place.office)
    assert place.item(document)["waiting_on"] == []
    place.work()
    assert place.item(document)["waiting_on"] == ["approval"]


def test_a_quota_is_returned_when_nothing_happened(place: Place) -> None:
    """The one cancellation a task may make is still there after an attempt that certainly did not happen."""
    start = MONDAY + timedelta(days=1)
    place.office.add_event(
        title="Zebra review",
        start=start,
        end=start + timedelta(minutes=30),
        organizer=place.me.principal_id,
        attendees=[DANA],
    )
    document = place.ask("cancel the Zebra review")
    for card in place.cards(document):
        place.decide(card)

    def broken(house: Any) -> Any:
        return replace(house, toolbox=type(house.toolbox)([Broken(house.toolbox)]))

    class Broken:
        name = "office"

        def __init__(self, _toolbox: Any) -> None:
            from connectors.office import OfficeConnector

            self.inner = OfficeConnector(place.office)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

        async def call(self, tool: str, args: Any, **more: Any) -> Any:
            if tool == "calendar.cancel_event":
                raise OutcomeUnknown("the connection was reset")
            return await self.inner.call(tool, args, **more)

        async def reconcile(self, *_args: Any, **_more: Any) -> Any:
            return Unknown("cannot say")

    def used() -> int:
        with place.desk._store.read() as tx:
            return sum(quotas.used(tx, document["item_id"]).values())

    place.work_with(broken)
    assert place.item(document)["waiting_on"] == ["repair"]
    assert used() > 0
    place.desk.answer(place.me, document["item_id"], "it did not happen")
    place.work_with(broken)
    assert [e["state"] for e in place.item(document)["effects"]][:1] == ["failed"]
    assert used() == 0


def test_who_only_decides_on_a_part_sees_the_trace_of_that_part(place: Place) -> None:
    """Of a tree whose root they may not see, an approver gets their own run's spans, not its neighbours'."""
    root = place.ask("what is on my calendar today")
    run_id, them = root["runs"][0], other(place)
    with place.desk._store.tx() as tx:
        made, _ = worklist.submit(tx, worklist.NewItem(request="a part", requester=them.principal_id), MONDAY)
        tx.c.execute(
            sa.update(tables.worklist).where(tables.worklist.c.item_id == made).values(root_id=root["item_id"])
        )
        part = f"{made}_run"
        tx.c.execute(
            sa.insert(tables.runs).values(
                tenant_id=tx.tenant_id, run_id=part, item_id=made, number=1, pins={}, state="done", started_at=MONDAY
            )
        )
        trace_id = ids.trace_id(root["item_id"])
        common: dict[str, Any] = {"trace_id": trace_id, "started_at": MONDAY, "ended_at": MONDAY}
        spans.put_many(
            tx,
            [
                SpanRow(span_id="part", parent_id="elsewhere", name="part", attributes={RUN: part}, **common),
                SpanRow(span_id="call", parent_id="part", name="call", **common),
                SpanRow(span_id="next", parent_id="part", name="next", attributes={RUN: run_id}, **common),
            ],
        )

    assert [s["span_id"] for s in place.desk.trace(them, made)["spans"]] == ["call", "part"]
    assert len(place.desk.trace(place.admin, made)["spans"]) > 3


def test_an_item_tells_what_it_needs_first(place: Place) -> None:
    """With the state of each; the needed one needs nothing, and tells what waits for it until that has ended."""
    first, second = (place.submit(f"look at my day, part {n}") for n in (1, 2))
    last = place.submit("then tell me", needs=[second, first])

    assert sorted((one["item_id"], one["state"]) for one in place.item(last)["needs"]) == sorted(
        [(first, "ready"), (second, "ready")]
    )
    assert place.item(first)["needs"] == []
    assert place.item(first)["needed_by"] == [{"item_id": last, "request": "then tell me", "state": "waiting"}]
    assert place.item(last)["needed_by"] == []

    place.desk.cancel(place.admin, last)
    assert place.item(first)["needed_by"] == []


def test_nobody_is_told_others_words_by_what_waits_for_theirs(place: Place) -> None:
    """An operator's request that needs a colleague's is not the colleague's to read."""
    them = other(place)
    theirs = place.desk.submit(them, "look at my day")
    place.submit("then tell me about them", needs=[theirs])

    assert place.desk.item(them, theirs)["needed_by"] == []
